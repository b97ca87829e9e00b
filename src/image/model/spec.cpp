// SPDX-License-Identifier: Apache-2.0
#include "image/model/spec.hpp"

#include <algorithm>
#include <array>

#include "dockerfile/git_source.hpp"
#include "dockerfile/platform.hpp"
#include "image/model/lock.hpp"
#include "image/model/setting.hpp"
#include "oci/reference.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::image {
inline namespace model {
namespace {

void refuse_unknown(const JsonView& view, const std::vector<std::string>& known) {
  if (!view.value().is_object()) view.fail("an object");
  for (const auto& [key, value] : view.value().items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto near = nearest(key, known);
    throw UsageError("unknown member \"" + key + "\"",
                     {.where = view.place(), .hint = near ? "did you mean \"" + *near + "\"?" : ""});
  }
}

fs::path absolute_path(const JsonView& view) {
  const fs::path path = view.string();
  if (!path.is_absolute()) view.fail("an absolute path");
  return path.lexically_normal();
}

std::vector<fs::path> absolute_paths(const std::optional<JsonView>& view) {
  std::vector<fs::path> paths;
  if (view)
    for (const JsonView& element : view->elements())
      paths.push_back(absolute_path(element));
  return paths;
}

// A target's files are found in its context under their base names.
void refuse_namesakes(const std::vector<fs::path>& files, const JsonView& view) {
  for (auto file = files.begin(); file != files.end(); ++file)
    for (auto other = files.begin(); other != file; ++other)
      if (file->filename() == other->filename() && *file != *other)
        throw UsageError("two files have the name \"" + file->filename().native() + "\": " + other->native() +
                             " and " + file->native(),
                         {.where = view.place(), .hint = "set another OUTPUT_NAME for one of the targets"});
}

ContextSpec parse_context(const JsonView& view) {
  refuse_unknown(view, {"name", "kind", "value", "reference", "files"});
  ContextSpec context;
  context.name = view.at("name").string();
  if (context.name.empty()) view.at("name").fail("the name of a context");
  context.kind = parse_context_kind(view.at("kind").string(), view.at("kind").place());
  if (context.kind == ContextKind::target) {
    context.files = absolute_paths(view.at("files"));
    refuse_namesakes(context.files, view.at("files"));
  } else if (context.kind == ContextKind::image || context.kind == ContextKind::remote) {
    context.reference = view.at("value").string();
    if (context.reference.empty()) view.at("value").fail("the reference of an image, or a URL");
    return context;
  } else {
    context.value = absolute_path(view.at("value"));
  }
  context.reference = view.string_or("reference", "");
  if (context.reference.empty()) split_image_place(context);
  return context;
}

SecretSpec parse_secret(const JsonView& view) {
  refuse_unknown(view, {"id", "kind", "value"});
  const std::string kind = view.at("kind").string();
  if (kind != "env" && kind != "file") view.at("kind").fail("env or file");
  return {.id = view.at("id").string(), .is_variable = kind == "env", .value = view.at("value").string()};
}

PackSpec parse_pack(const JsonView& view) {
  refuse_unknown(
      view, {"cpus", "memory", "network", "env", "entrypoint", "cmd", "user", "smolvmVersion", "runtime"});
  PackSpec pack;
  if (const auto cpus = view.find("cpus")) pack.cpus = number_setting(*cpus, {1, 255});
  if (const auto memory = view.find("memory")) pack.memory_mib = number_setting(*memory, {64, UINT32_MAX});
  if (const auto network = view.find("network")) pack.network = network_setting(*network);
  pack.env = view.strings_or_empty("env");
  if (const auto entrypoint = view.find("entrypoint")) pack.entrypoint = entrypoint->strings();
  if (const auto cmd = view.find("cmd")) pack.cmd = cmd->strings();
  pack.runtime = view.string_or("runtime", "");
  if (!pack.runtime.empty() && pack.runtime != "none" && !fs::path(pack.runtime).is_absolute())
    view.at("runtime").fail("an absolute path or \"none\"");
  return pack;
}

std::optional<std::int64_t> environment_epoch() {
  const std::string text = environment::value(environment::kSourceDateEpoch);
  if (text.empty()) return std::nullopt;
  const auto seconds = parse_epoch(text);
  if (!seconds)
    throw UsageError("expected " + epoch_form() + ", found \"" + escape_word(text) + "\"",
                     {.where = "SOURCE_DATE_EPOCH",
                      .hint = "unset SOURCE_DATE_EPOCH, or set it to a number such as $(date +%s)"});
  return seconds;
}

// CMake writes the file again when it configures the project, also if it is damaged.
std::string configure_hint(const fs::path& file) {
  const fs::path directory = fs::absolute(file).lexically_normal().parent_path();
  std::error_code error;
  for (fs::path tree = directory; tree.has_relative_path(); tree = tree.parent_path())
    if (fs::exists(tree / "CMakeCache.txt", error))
      return "configure the project again: cmake " + tree.native();
  return "";
}

Json parse_spec(const fs::path& file) {
  try {
    return parse_json(read_file(file), file.native());
  } catch (const Error& error) {
    throw UsageError(error.message(), {.where = error.where(), .hint = configure_hint(file)});
  }
}

}  // namespace

bool is_slug(std::string_view text) {
  const auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && is_alphanumeric(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

void check_image_name(const std::string& text, const std::string& place) {
  if (oci::is_tag(text)) return;
  try {
    if (!oci::Reference::parse(text).digest) return;
  } catch (const Error& error) {
    throw UsageError(
        "\"" + escape_word(text) + "\" cannot name an image: " + error.message(),
        {.where = place, .hint = "write NAME:TAG, for example app:1.0 or registry.example/team/app:1.0"});
  }
  throw UsageError("\"" + text + "\" cannot name an image: the digest is not known before the build",
                   {.where = place, .hint = "remove the digest"});
}

ContextKind parse_context_kind(const std::string& text, const std::string& place) {
  static const std::array<std::pair<std::string, ContextKind>, 8> kKinds{
      {{"path", ContextKind::path},
       {"bottle", ContextKind::bottle},
       {"target", ContextKind::target},
       {"oci-layout", ContextKind::oci_layout},
       {"docker-archive", ContextKind::docker_archive},
       {"image", ContextKind::image},
       {"docker-image", ContextKind::image},
       {"remote", ContextKind::remote}}};
  for (const auto& [name, kind] : kKinds)
    if (name == text) return kind;
  throw UsageError("unknown kind of context \"" + text + "\"",
                   {.where = place,
                    .hint = "use path, bottle, target, oci-layout, docker-archive, image, or the URL of a "
                            "git repository or file"});
}

void split_image_place(ContextSpec& context) {
  if (context.kind != ContextKind::oci_layout && context.kind != ContextKind::docker_archive) return;
  const std::string text = context.value.native();
  std::error_code error;
  if (fs::exists(context.value, error)) return;
  const auto split_at = [&](std::size_t at) {
    context.reference = text.substr(at + 1);
    context.value = text.substr(0, at);
  };
  std::size_t at = text.size();
  while (at > 0 && (at = text.find_last_of(":@", at - 1)) != std::string::npos && at > 0)
    if (fs::exists(text.substr(0, at), error)) return split_at(at);
  // A layout that is not there yet.
  if (const std::size_t digest = text.find("@sha256:"); digest != std::string::npos) {
    split_at(digest);
    context.value = text.substr(0, digest);
    const std::size_t colon = context.value.native().rfind(':');
    if (colon != std::string::npos && colon > context.value.native().rfind('/'))
      context.value = context.value.native().substr(0, colon);
    return;
  }
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos && colon > text.rfind('/') && colon + 1 < text.size()) split_at(colon);
}

ContextSpec parse_context_value(const std::string& text, const std::string& place) {
  ContextSpec context;
  const auto absolute = [&](const std::string& path) {
    if (path.empty())
      throw UsageError("expected a path, found \"" + text + "\"",
                       {.where = place, .hint = "write NAME=DIR or NAME=KIND:PATH; is a variable empty?"});
    const fs::path result = fs::absolute(path).lexically_normal();
    // A trailing '/' would make "the directory that holds it" the directory itself.
    return result.has_filename() ? result : result.parent_path();
  };
  if (dockerfile::is_remote_source(text)) {
    context.kind = ContextKind::remote;
    context.reference = text;
    return context;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    context.value = absolute(text);
    return context;
  }
  context.kind = parse_context_kind(text.substr(0, colon), place);
  std::string rest = text.substr(colon + 1);
  if (rest.starts_with("//") &&
      (context.kind == ContextKind::image || context.kind == ContextKind::oci_layout))
    rest.erase(0, 2);
  if (context.kind == ContextKind::image || context.kind == ContextKind::remote) {
    if (rest.empty())
      throw UsageError("expected an image, found \"" + text + "\"",
                       {.where = place, .hint = "write NAME=docker-image://REFERENCE; is a variable empty?"});
    context.reference = rest;
  } else if (context.kind == ContextKind::target) {
    context.value = rest;
  } else {
    context.value = absolute(rest);
    split_image_place(context);
  }
  return context;
}

BuildSpec load_spec(const fs::path& file) {
  const std::string& name = file.native();
  const Json document = parse_spec(file);
  const JsonView view(document, name + "#");
  refuse_unknown(view, {"schema",        "slug",      "dockerfile", "context",  "exclude",       "target",
                        "platform",      "buildArgs", "contexts",   "engine",   "engineOptions", "packer",
                        "registryImage", "tag",       "gitModes",   "pack",     "store",         "secrets",
                        "runNetwork",    "allow",     "lock",       "epoch",    "buildTree",     "shmSize",
                        "ulimits",       "addHosts",  "locked",     "isolation"});
  if (view.at("schema").unsigned_number() != 1)
    throw UsageError("unsupported version of the specification: expected 1",
                     {.where = name, .hint = configure_hint(file)});
  BuildSpec spec;
  spec.slug = view.at("slug").string();
  if (!is_slug(spec.slug)) view.at("slug").fail("[a-z0-9][a-z0-9_.-]*, at most 63 characters");
  spec.dockerfile = absolute_path(view.at("dockerfile"));
  spec.context = absolute_path(view.at("context"));
  spec.excludes = absolute_paths(view.find("exclude"));
  spec.target = view.string_or("target", "");
  spec.platform = view.string_or("platform", "");
  if (!spec.platform.empty() && !dockerfile::parse_platform(spec.platform))
    view.at("platform").fail("os/architecture[/variant], for example linux/arm64");
  if (const auto arguments = view.find("buildArgs")) {
    if (!arguments->value().is_object()) arguments->fail("an object of strings");
    for (const auto& [key, value] : arguments->value().items())
      spec.build_args.emplace_back(key, arguments->at(key).string());
  }
  if (const auto contexts = view.find("contexts"))
    for (const JsonView& context : contexts->elements())
      spec.contexts.push_back(parse_context(context));
  if (const auto secrets = view.find("secrets"))
    for (const JsonView& secret : secrets->elements())
      spec.secrets.push_back(parse_secret(secret));
  const std::string network = view.string_or("runNetwork", "host");
  if (network != "host" && network != "none") view.at("runNetwork").fail("host or none");
  spec.run_has_network = network == "host";
  spec.run_settings.set_shm_size(view.string_or("shmSize", ""), name + "#/shmSize");
  for (const std::string& limit : view.strings_or_empty("ulimits"))
    spec.run_settings.add_limit(limit, name + "#/ulimits");
  for (const std::string& host : view.strings_or_empty("addHosts"))
    spec.run_settings.add_host(host, name + "#/addHosts");
  spec.isolation = view.string_or("isolation", "");
  spec.allowed = view.strings_or_empty("allow");
  spec.engine = view.string_or("engine", "builtin");
  check_engine_name(spec.engine, name + "#/engine");
  spec.engine_options = view.strings_or_empty("engineOptions");
  std::erase(spec.engine_options, "");  // what a conditional expression leaves
  spec.packer = view.string_or("packer", "native");
  if (spec.packer != "native" && spec.packer != "smolvm") view.at("packer").fail("native or smolvm");
  spec.registry_image = view.string_or("registryImage", "");
  spec.tag = view.string_or("tag", "");
  if (!spec.tag.empty()) check_image_name(spec.tag, view.at("tag").place());
  if (const auto git_modes = view.find("gitModes")) spec.git_modes = boolean_setting(*git_modes);
  if (const auto pack = view.find("pack")) spec.pack = parse_pack(*pack);
  spec.store = view.string_or("store", "");
  if (const auto lock = view.find("lock")) spec.lock = absolute_path(*lock);
  if (const auto locked = view.find("locked"); locked && locked->value() != "")
    spec.locked = boolean_setting(*locked);
  if (const auto epoch = view.find("epoch")) {
    if (!epoch->value().is_number_integer()) epoch->fail(epoch_form());
    spec.epoch = parse_epoch(epoch->value().dump());
    if (!spec.epoch) epoch->fail(epoch_form());
  }
  if (const auto tree = view.find("buildTree")) spec.build_tree = absolute_path(*tree);
  spec.file = fs::absolute(file).lexically_normal();
  spec.directory = fs::absolute(file).parent_path();
  return spec;
}

fs::path lock_file(const BuildSpec& spec) {
  return spec.lock.empty() ? spec.context / kLockName : spec.lock;
}

std::int64_t source_date_epoch() {
  return environment_epoch().value_or(0);
}

std::int64_t source_date_epoch(const BuildSpec& spec) {
  if (!spec.epoch) return source_date_epoch();
  const auto other = environment_epoch();
  if (other && *other != *spec.epoch) {
    const std::string here = std::to_string(*other);
    const std::string tree = spec.build_tree.empty() ? "<build directory>" : spec.build_tree.native();
    throw UsageError("SOURCE_DATE_EPOCH is " + here + " in the environment, and " +
                         std::to_string(*spec.epoch) + " in this build",
                     {.where = spec.file.native() + "#/epoch",
                      .hint = "configure with the new value: cmake -DBOTTLE_SOURCE_DATE_EPOCH=" + here + " " +
                              tree + "; or build with SOURCE_DATE_EPOCH=" + std::to_string(*spec.epoch)});
  }
  return *spec.epoch;
}

void check_engine_name(const std::string& name, const std::string& where) {
  const auto& names = engine_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  std::string known;
  for (const std::string& item : names)
    known += (known.empty() ? "" : ", ") + item;
  const auto near = nearest(name, names);
  throw UsageError(
      "unknown engine \"" + name + "\"",
      {.where = where, .hint = (near ? "did you mean " + *near + "? " : "") + "known: " + known});
}

}  // namespace model
}  // namespace bottle::image
