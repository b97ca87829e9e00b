#include "build_options.hpp"

#include <cstdlib>

#include "image/engine/engine.hpp"
#include "util/error.hpp"

namespace bottle::tools {
namespace {

fs::path absolute(const std::string& path) {
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
                       {.where = "--secret", .hint = "expected id=NAME,src=FILE or id=NAME,env=VARIABLE"});
    }
    at = end + 1;
  }
  if (secret.id.empty())
    throw UsageError("the secret has no id", {.where = "--secret", .hint = "expected id=NAME,src=FILE"});
  if (secret.value.empty()) {
    secret.value = secret.id;
    secret.is_variable = type != "file" && std::getenv(secret.id.c_str()) != nullptr;
  } else if (type == "env") {
    secret.is_variable = true;
  }
  if (!secret.is_variable) secret.value = absolute(secret.value).native();
  return secret;
}

// "ID[=SOCKET]", as docker build has it.
image::SshSpec parse_agent(const std::string& text) {
  if (text.find('=') == std::string::npos) {
    const char* variable = std::getenv("SSH_AUTH_SOCK");
    if (variable == nullptr || *variable == '\0')
      throw UsageError("$SSH_AUTH_SOCK names no agent for \"" + text + "\"",
                       {.where = "--ssh", .hint = "start one: eval $(ssh-agent); ssh-add"});
    return {.id = text, .socket = variable};
  }
  const auto [id, socket] = split_value(text, "--ssh");
  std::error_code error;
  if (!fs::is_socket(socket, error))
    throw UsageError("\"" + socket + "\" is no socket of an agent",
                     {.where = "--ssh", .hint = "keys belong into an agent: ssh-add " + socket});
  return {.id = id, .socket = absolute(socket).native()};
}

}  // namespace

std::string specification_in(const std::string& place) {
  std::error_code error;
  if (fs::is_regular_file(place, error)) return place;
  const fs::path file = fs::path(place) / "spec.json";
  return fs::is_regular_file(file, error) ? file.native() : "";
}

void BuildOptions::add_to(Command app, Place positional) {
  kind = positional;
  Option spec_option = app.add_option("--spec", spec, "JSON specification of the bottle, as CMake writes it");
  Option out_option = app.add_option(
      "--out", out, "directory for the image plan; with --spec it is the specification's directory");
  const auto apart = [&](Option option) { option.excludes(spec_option); };
  Option place_option =
      app.add_option("place", place,
                     kind == Place::context ? "the build context, as --context says it"
                                            : "the bottle's build directory, or its specification file")
          .type_name("DIR");
  apart(place_option);
  if (kind == Place::built) place_option.excludes(out_option);
  apart(app.add_option("-f,--file", file, "the Dockerfile (default: Dockerfile in the context)"));
  apart(app.add_option("--context", context, "the build context, a directory (default: the current one)")
            .excludes(place_option));
  apart(app.add_option("--target", target, "the stage to build (default: the last)"));
  apart(
      app.add_option("--platform", platform, "os/architecture[/variant] (default: linux on this machine's)"));
  apart(app.add_option("--build-arg", build_args,
                       "NAME=VALUE for an ARG; NAME alone takes the environment's value"));
  apart(app.add_option("--label", labels, "NAME=VALUE, a label of the image"));
  apart(
      app.add_option("--build-context", contexts,
                     "NAME=DIR, NAME=KIND:PLACE or NAME=URL, a named context; kinds: path, bottle, target, "
                     "oci-layout (DIR[:TAG][@DIGEST]), docker-archive (FILE[:TAG]), image or docker-image"));
  app.add_option("--secret", secrets,
                 "id=NAME[,src=FILE|,env=VARIABLE], for RUN --mount=type=secret; never stored or logged");
  app.add_option("--ssh", agents,
                 "ID[=SOCKET], an agent for RUN --mount=type=ssh; default is $SSH_AUTH_SOCK's");
  app.add_option(
         "--allow", allowed,
         "security.insecure: RUN --security=insecure may do all that you can; network.host is always allowed")
      .one_of({"security.insecure", "network.host"});
  app.add_option("--network", network, "none: RUN has no network; host, default: this machine's")
      .one_of({"none", "host", "default"});
  apart(app.add_option("--shm-size", shm_size,
                       "Set the size of /dev/shm for RUN to SIZE, as 128m (default: 64m)"));
  apart(app.add_option("--ulimit", ulimits, "Set a limit for RUN: NAME=SOFT[:HARD], as nofile=1024:2048"));
  apart(app.add_option("--add-host", hosts, "Add NAME:ADDRESS to /etc/hosts for RUN"));
  app.add_flag("--debug-shell", debug_shell, "open a shell where a RUN failed");
  apart(app.add_option("--exclude", excludes, "a directory that is never part of a context (a build tree)"));
  apart(
      app.add_flag("--git-modes", git_modes, "permissions of context files as git keeps them: 0755 or 0644"));
  apart(app.add_option("--engine", engine,
                       "builtin, docker, podman, buildah or buildx (default: $BOTTLE_ENGINE)"));
  apart(app.add_option("--engine-option", engine_options,
                       "a word for the engine's build command; may be repeated"));
  app.add_option("-t,--tag", tag, "the image's name in an OCI layout");
  app.add_option("--lock", lock,
                 "the file that says what outside sources stand for (default: bottle.lock in the context)");
  app.add_flag("--locked", locked,
               "Fail for a source that the lock does not have, in place of locking it (default: "
               "$BOTTLE_LOCKED, else whether $CI is set)");
  app.add_option("--store", store,
                 "the store's directory (default: $BOTTLE_CACHE_DIR, else below the user's cache)");
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
    const char* chosen = std::getenv("BOTTLE_ENGINE");
    result.engine = !engine.empty() ? engine : chosen != nullptr && *chosen != '\0' ? chosen : "builtin";
    image::check_engine_name(result.engine, "--engine");
    result.engine_options = engine_options;
    result.git_modes = git_modes;
    for (const std::string& text : build_args) {
      const char* environment = text.find('=') == std::string::npos ? std::getenv(text.c_str()) : nullptr;
      if (environment != nullptr)
        result.build_args.emplace_back(text, environment);
      else if (text.find('=') != std::string::npos)
        result.build_args.push_back(split_value(text, "--build-arg"));
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
      // What a build writes is no input of the next one.
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
