// SPDX-License-Identifier: Apache-2.0
#include "build_options.hpp"

#include "image/engine/engine.hpp"
#include "run/isolation.hpp"
#include "util/command_line.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"

namespace bottle::tools {
namespace {

fs::path absolute(const std::string& path) {
  if (path.empty()) throw UsageError("expected a path, found nothing", {.hint = "is a variable empty?"});
  return fs::absolute(path).lexically_normal();
}

// Without the trailing '/', which would make "the directory that holds it" the directory itself.
fs::path absolute_directory(const std::string& path) {
  const fs::path result = absolute(path);
  return result.has_filename() ? result : result.parent_path();
}

std::pair<std::string, std::string> split_value(const std::string& text, const char* option) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw UsageError("expected NAME=VALUE, found \"" + text + "\"", {.where = option});
  return {text.substr(0, equals), text.substr(equals + 1)};
}

image::ContextSpec parse_context(const std::string& text) {
  constexpr const char* kOption = "--build-context";
  const auto [name, value] = split_value(text, kOption);
  image::ContextSpec context = image::parse_context_value(value, kOption);
  context.name = name;
  if (context.kind != image::ContextKind::target) return context;
  const std::string files = context.value.native();
  context.value.clear();
  for (std::size_t at = 0; at <= files.size();) {
    const std::size_t end = std::min(files.find(',', at), files.size());
    context.files.push_back(absolute(files.substr(at, end - at)));
    at = end + 1;
  }
  return context;
}

// "id=NAME[,src=FILE|,env=VARIABLE]", as docker build has it: without a source, the variable of that name if
// there is one, else the file.
image::SecretSpec parse_secret(const std::string& text) {
  image::SecretSpec secret;
  std::string type;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const auto [key, value] = split_value(text.substr(at, end - at), "--secret");
    if (key == "id") {
      secret.id = value;
    } else if (key == "src" || key == "source") {
      secret.value = value;
    } else if (key == "env") {
      secret.value = value;
      secret.is_variable = true;
    } else if (key == "type" && (value == "file" || value == "env")) {
      type = value;
    } else {
      throw UsageError("unknown field \"" + key + "=" + value + "\"",
                       {.where = "--secret", .hint = "write id=NAME,src=FILE or id=NAME,env=VARIABLE"});
    }
    at = end + 1;
  }
  if (secret.id.empty())
    throw UsageError("missing id of the secret", {.where = "--secret", .hint = "write id=NAME,src=FILE"});
  if (secret.value.empty()) {
    secret.value = secret.id;
    secret.is_variable = type != "file" && environment::find_named(secret.id).has_value();
  } else if (type == "env") {
    secret.is_variable = true;
  }
  if (!secret.is_variable) secret.value = absolute(secret.value).native();
  return secret;
}

// "ID[=SOCKET]", as docker build has it.
image::SshSpec parse_agent(const std::string& text) {
  if (text.find('=') == std::string::npos) {
    const std::string variable = environment::value(environment::kSshAuthSock);
    if (variable.empty())
      throw UsageError("SSH_AUTH_SOCK is not set: no ssh agent for \"" + text + "\"",
                       {.where = "--ssh", .hint = "start an agent: eval $(ssh-agent); ssh-add"});
    return {.id = text, .socket = variable};
  }
  const auto [id, socket] = split_value(text, "--ssh");
  std::error_code error;
  if (!fs::is_socket(socket, error))
    throw UsageError("\"" + socket + "\" is not the socket of an agent",
                     {.where = "--ssh", .hint = "add a key to an agent instead: ssh-add " + socket});
  return {.id = id, .socket = absolute(socket).native()};
}

}  // namespace

std::string specification_in(const std::string& place) {
  std::error_code error;
  if (fs::is_regular_file(place, error)) return place;
  const fs::path file = fs::path(place) / "spec.json";
  return fs::is_regular_file(file, error) ? file.native() : "";
}

void BuildOptions::add_to(Subcommand app, Place positional) {
  kind = positional;
  Option spec_option = app.add_option("--spec", spec, "Read the specification of the bottle that CMake wrote")
                           .type_name("FILE");
  Option out_option =
      app.add_option("--out", out,
                     "Write the image plan to DIR (default with --spec: the specification's directory)")
          .type_name("DIR");
  out_option.group("Output, lock and store");
  const auto apart = [&](Option option) { option.excludes(spec_option); };
  Option place_option =
      app.add_option("place", place,
                     kind == Place::context ? "Use DIR as the build context, like --context"
                                            : "Use the bottle's build directory or specification file")
          .type_name("DIR");
  apart(place_option);
  if (kind == Place::built) place_option.excludes(out_option);
  apart(
      app.add_option("-f,--file", file, "Read the Dockerfile from FILE (default: Dockerfile in the context)")
          .type_name("FILE"));
  apart(app.add_option("--context", context, "Use DIR as the build context (default: the current directory)")
            .type_name("DIR")
            .excludes(place_option));
  apart(app.add_option("--target", target, "Build STAGE (default: the last stage)").type_name("STAGE"));
  apart(app.add_option("--platform", platform,
                       "Build for os/architecture[/variant] (default: linux on this machine's architecture)")
            .type_name("PLATFORM"));
  apart(app.add_option("--build-arg", build_args,
                       "Set the ARG NAME to VALUE, or to the environment variable NAME")
            .type_name("NAME[=VALUE]"));
  apart(app.add_option("--label", labels, "Add a label to the image").type_name("NAME=VALUE"));
  apart(
      app.add_option("--build-context", contexts,
                     "Define the named context NAME as DIR, URL or KIND:PLACE; kinds: path, bottle, target, "
                     "oci-layout (DIR[:TAG][@DIGEST]), docker-archive (FILE[:TAG]), image or docker-image")
          .type_name("NAME=VALUE"));
  app.group_options("Input");
  app.add_option("--secret", secrets,
                 "Provide a secret to RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]; it is never "
                 "stored or logged")
      .type_name("FIELDS");
  app.add_option("--ssh", agents,
                 "Provide an ssh agent to RUN --mount=type=ssh (default: the agent at $SSH_AUTH_SOCK)")
      .type_name("ID[=SOCKET]");
  app.add_option("--allow", allowed,
                 "Allow RUN --security=insecure, which gives the command all rights of this user; "
                 "network.host is always allowed")
      .type_name("RIGHT")
      .one_of({"security.insecure", "network.host"});
  app.add_option("--network", network,
                 "Give RUN no network (none) or the network of this machine (host, default)")
      .type_name("MODE")
      .one_of({"none", "host", "default"});
  apart(app.add_option("--shm-size", shm_size,
                       "Set the size of /dev/shm for RUN to SIZE, for example 128m (default: 64m)")
            .type_name("SIZE"));
  apart(app.add_option("--ulimit", ulimits, "Set a limit for RUN, for example nofile=1024:2048")
            .type_name("NAME=SOFT[:HARD]"));
  apart(app.add_option("--add-host", hosts, "Add a line to /etc/hosts for RUN").type_name("NAME:ADDRESS"));
  app.add_option("--isolation", isolation,
                 "Keep RUN apart by GRADE: auto, runtime, userns or chroot (default: $BOTTLE_RUN_ISOLATION, "
                 "else auto: the strongest grade that works)")
      .type_name("GRADE")
      .one_of(run::isolation_words());
  app.add_flag("--debug-shell", debug_shell, "Open a shell where a RUN failed");
  app.group_options("RUN");
  apart(app.add_option("--exclude", excludes, "Exclude DIR, for example a build tree, from every context")
            .type_name("DIR"));
  apart(app.add_flag("--git-modes", git_modes,
                     "Use permissions of context files as git stores them: 0755 or 0644"));
  app.group_options("Input");
  apart(app.add_option("--engine", engine,
                       "Build with builtin, docker, podman, buildah or buildx (default: $BOTTLE_ENGINE)")
            .type_name("NAME")
            .suggests(image::engine_names()));
  apart(
      app.add_option("--engine-option", engine_options, "Pass WORD to the engine's build command; repeatable")
          .type_name("WORD"));
  app.group_options("Engine");
  app.add_option("-t,--tag", tag, "Name the image REF in an OCI layout").type_name("REF");
  app.add_option("--lock", lock, "Use the lock FILE (default: bottle.lock in the context)").type_name("FILE");
  app.add_flag("--locked", locked, "Fail if a source is not in the lock, instead of adding it");
  app.add_option("--store", store,
                 "Use the store in DIR (default: $BOTTLE_CACHE_DIR, else below the user's cache directory)")
      .type_name("DIR");
  app.group_options("Output, lock and store");
}

std::string BuildOptions::stamp_as_written() const {
  if (!has_directory()) return {};
  const fs::path directory = !out.empty()    ? fs::path(out)
                             : !spec.empty() ? fs::path(spec).parent_path()
                                             : fs::path(place);
  return (directory / "key.stamp").native();
}

image::BuildSpec BuildOptions::resolve() const {
  if (!place.empty()) {
    BuildOptions named = *this;
    named.place.clear();
    if (kind == Place::context)
      named.context = place;
    else if (named.spec = specification_in(place); named.spec.empty())
      named.out = place;
    return named.resolve();
  }
  image::BuildSpec result;
  if (!spec.empty()) {
    result = image::load_spec(spec);
    if (!out.empty()) result.directory = absolute_directory(out);
  } else {
    result.slug = "image";
    result.context = absolute_directory(context.empty() ? "." : context);
    result.dockerfile = file.empty() ? result.context / "Dockerfile" : absolute(file);
    result.target = target;
    result.platform = platform;
    const std::string chosen = engine.empty() ? environment::value(environment::kEngine) : engine;
    result.engine = chosen.empty() ? "builtin" : chosen;
    image::check_engine_name(result.engine, "--engine");
    result.engine_options = engine_options;
    result.git_modes = git_modes;
    for (const std::string& text : build_args) {
      if (text.find('=') != std::string::npos)
        result.build_args.push_back(split_value(text, "--build-arg"));
      else if (const auto value = environment::find_named(text))
        result.build_args.emplace_back(text, *value);
    }
    result.run_settings.set_shm_size(shm_size, "--shm-size");
    for (const std::string& text : ulimits)
      result.run_settings.add_limit(text, "--ulimit");
    for (const std::string& text : hosts)
      result.run_settings.add_host(text, "--add-host");
    for (const std::string& text : labels)
      result.labels.push_back(split_value(text, "--label"));
    for (const std::string& text : contexts)
      result.contexts.push_back(parse_context(text));
    for (const std::string& text : excludes)
      result.excludes.push_back(absolute_directory(text));
    if (!out.empty()) {
      result.directory = absolute_directory(out);
      // The output of a build is not an input of the next one.
      if (result.directory != result.context) result.excludes.push_back(result.directory);
    }
  }
  for (const std::string& text : secrets)
    result.secrets.push_back(parse_secret(text));
  for (const std::string& text : agents)
    result.agents.push_back(parse_agent(text));
  result.allowed.insert(result.allowed.end(), allowed.begin(), allowed.end());
  if (!network.empty()) result.run_has_network = network != "none";
  result.debug_shell = debug_shell;
  if (!isolation.empty() && !image::is_builtin(result))
    throw UsageError("--isolation has no effect with the engine " + result.engine,
                     {.where = {}, .hint = "remove it, use --engine builtin, or see --engine-option"});
  if (!isolation.empty()) result.isolation = isolation;
  if (result.isolation.empty()) result.isolation = environment::value(environment::kRunIsolation);
  (void)run::parse_isolation(result.isolation, environment::kRunIsolation.name);
  if (!tag.empty()) {
    image::check_image_name(tag, "--tag");
    result.tag = tag;
  }
  if (!lock.empty()) result.lock = absolute(lock);
  if (locked) result.locked = true;
  if (!store.empty()) result.store = absolute_directory(store);
  return result;
}

}  // namespace bottle::tools
