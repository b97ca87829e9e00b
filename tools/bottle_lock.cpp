// SPDX-License-Identifier: Apache-2.0
// bottle-lock: writes, checks and shows what outside sources stand for (docs/tools/bottle-lock.md).
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "build_options.hpp"
#include "image/lock_update.hpp"
#include "store/store.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"
#include "util/tool_main.hpp"

namespace {

using namespace bottle;

struct LockOptions {
  std::vector<std::string> specs;
  std::vector<std::string> platforms;
  std::vector<std::string> from;
  std::vector<std::string> names;
  tools::BuildOptions build;
  bool all_stages = false;
  bool dry_run = false;
  bool prune = false;

  void add_place(Subcommand app) {
    app.add_option("--lock", build.lock, "Use the lock FILE (default: bottle.lock in the context)")
        .type_name("FILE");
    Option specs_option =
        app.add_option("--spec", specs, "Read the specification of a bottle that CMake wrote; repeatable")
            .type_name("FILE");
    app.add_option("--context", build.context,
                   "Use DIR as the build context (default: the current directory)")
        .type_name("DIR")
        .excludes(specs_option);
  }

  void add_to(Subcommand app) {
    add_place(app);
    Option specs_option = app.option("--spec");
    const auto apart = [&](Option option) { option.excludes(specs_option); };
    apart(app.add_option("-f,--file", build.file,
                         "Read the Dockerfile from FILE (default: Dockerfile in the context)")
              .type_name("FILE"));
    apart(app.add_option("--target", build.target, "Lock the sources of STAGE (default: the last stage)")
              .type_name("STAGE"));
    apart(
        app.add_option("--build-arg", build.build_args, "Set the ARG NAME to VALUE").type_name("NAME=VALUE"));
    apart(app.add_option("--build-context", build.contexts,
                         "Define the named context NAME as DIR or KIND:VALUE; it needs no lock")
              .type_name("NAME=VALUE"));
    app.add_option("--platform", platforms,
                   "Lock for os/architecture[/variant]; repeatable (default: the platform of each bottle)")
        .type_name("PLATFORM");
    app.add_option("--from", from,
                   "Read the image NAME from oci-layout:DIR or docker-archive:FILE instead of its registry, "
                   "and store its layers")
        .type_name("NAME=PLACE");
    app.add_flag("--all-stages", all_stages, "Include stages that the target does not need");
    app.add_option("--store", build.store,
                   "Use the store in DIR (default: $BOTTLE_CACHE_DIR, else below the user's cache directory)")
        .type_name("DIR");
    app.add_option("NAME", names,
                   "Limit the command to SOURCE, an image, URL or repository; a path such as . or ./app is "
                   "the context")
        .type_name("SOURCE");
  }

  // No source is called "." or begins with "./" or "/".
  void take_context() {
    const auto path = std::find_if(names.begin(), names.end(), [](const std::string& name) {
      return name == "." || name == ".." || name.starts_with("./") || name.starts_with("../") ||
             name.starts_with('/');
    });
    if (path == names.end()) return;
    if (!specs.empty() || !build.context.empty())
      throw UsageError("unexpected argument \"" + *path + "\": it conflicts with " +
                           (specs.empty() ? "--context" : "--spec"),
                       {.where = "bottle-lock"});
    build.context = *path;
    names.erase(path);
  }

  std::vector<image::BuildSpec> resolve() {
    std::vector<image::BuildSpec> bases;
    for (const std::string& spec : specs) {
      tools::BuildOptions options = build;
      options.spec = spec;
      bases.push_back(options.resolve());
    }
    if (bases.empty()) bases.push_back(build.resolve());
    if (platforms.empty()) return bases;
    std::vector<image::BuildSpec> result;
    for (const image::BuildSpec& base : bases)
      for (const std::string& platform : platforms) {
        result.push_back(base);
        result.back().platform = platform;
      }
    return result;
  }
};

// Several bottles may have several locks; a command is about one.
fs::path lock_of(const std::vector<image::BuildSpec>& specs) {
  fs::path lock = image::lock_file(specs.front());
  for (const image::BuildSpec& spec : specs)
    if (image::lock_file(spec) != lock)
      throw UsageError(
          "the bottles have different locks: " + lock.native() + " and " + image::lock_file(spec).native(),
          {.where = spec.slug, .hint = "choose one with --lock FILE, or run bottle-lock for each bottle"});
  return lock;
}

image::ContextSpec parse_from(const std::string& text) {
  constexpr const char* kOption = "--from";
  const std::size_t equals = text.find('=');
  const std::size_t colon = equals == std::string::npos ? equals : text.find(':', equals);
  if (equals == 0 || colon == std::string::npos)
    throw UsageError("expected NAME=oci-layout:DIR or NAME=docker-archive:FILE, found \"" + text + "\"",
                     {.where = kOption});
  image::ContextSpec from;
  from.name = image::canonical_source(text.substr(0, equals));
  from.kind = image::parse_context_kind(text.substr(equals + 1, colon - equals - 1), kOption);
  if (from.kind != image::ContextKind::oci_layout && from.kind != image::ContextKind::docker_archive)
    throw UsageError("expected oci-layout:DIR or docker-archive:FILE as the source of an image",
                     {.where = kOption});
  if (colon + 1 == text.size())
    throw UsageError("expected a path after \"" + text + "\"",
                     {.where = kOption, .hint = "is a variable empty?"});
  from.value = fs::absolute(text.substr(colon + 1)).lexically_normal();
  image::split_image_place(from);
  return from;
}

image::LockRequest request_of(const LockOptions& options, const std::vector<image::BuildSpec>& specs) {
  image::LockRequest request;
  request.specs = specs;
  request.all_stages = options.all_stages;
  for (const std::string& name : options.names)
    request.names.insert(image::canonical_source(name));
  for (const std::string& text : options.from)
    request.from.push_back(parse_from(text));
  request.warn = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
  return request;
}

void check_names(const image::LockRequest& request, const image::FoundSources& found) {
  std::vector<std::string> used(found.used.begin(), found.used.end());
  std::set<std::string> asked = request.names;
  for (const image::ContextSpec& from : request.from)
    asked.insert(from.name);
  for (const std::string& name : asked) {
    if (found.used.contains(name)) continue;
    const auto near = nearest(name, used);
    throw UsageError("no Dockerfile here names \"" + name + "\"",
                     {.where = "bottle-lock", .hint = near ? "did you mean \"" + *near + "\"?" : ""});
  }
}

void print(const OrderedJson& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

struct Row {
  std::string name;
  std::string kind;
  std::string outcome;
  std::string before;
  std::string after;
};

OrderedJson json_of(const std::vector<Row>& rows) {
  OrderedJson list = OrderedJson::array();
  for (const Row& row : rows) {
    OrderedJson json{{"name", row.name}, {"kind", row.kind}, {"outcome", row.outcome}};
    if (!row.before.empty()) json["locked"] = row.before;
    if (!row.after.empty()) json["found"] = row.after;
    list.push_back(std::move(json));
  }
  return list;
}

int update(LockOptions& options, const CommonOptions& common) {
  const std::vector<image::BuildSpec> specs = options.resolve();
  const fs::path file = lock_of(specs);
  const store::Store store = store::Store::open(specs.front().store);
  const image::LockRequest request = request_of(options, specs);
  const image::FoundSources found = image::find_sources(request, image::load_lock(file), store);
  check_names(request, found);
  std::vector<Row> rows;
  const auto change = [&](image::Lock& lock) {
    rows.clear();
    for (const auto& [name, source] : found.sources) {
      const auto before = lock.sources.find(name);
      Row row{.name = name, .kind = image::kind_of(source), .after = image::summary(source)};
      if (before == lock.sources.end()) {
        row.outcome = "added";
      } else {
        row.outcome = image::agrees(before->second, source) ? "unchanged" : "changed";
        row.before = image::summary(before->second);
      }
      lock.put(name, source);
      rows.push_back(std::move(row));
    }
    if (!options.prune) return;
    for (auto entry = lock.sources.begin(); entry != lock.sources.end();) {
      if (found.used.contains(entry->first)) {
        ++entry;
        continue;
      }
      rows.push_back({.name = entry->first,
                      .kind = image::kind_of(entry->second),
                      .outcome = "removed",
                      .before = image::summary(entry->second)});
      entry = lock.sources.erase(entry);
    }
  };
  bool written = false;
  if (options.dry_run) {
    image::Lock lock = image::load_lock(file);
    change(lock);
  } else {
    written = image::change_lock(file, change);
  }
  if (common.json) {
    print({{"lock", file.native()}, {"written", written}, {"sources", json_of(rows)}});
  } else if (!common.quiet) {
    for (const Row& row : rows) {
      if (row.outcome == "changed")
        fmt::print("changed    {}\n           {}\n        -> {}\n", row.name, row.before, row.after);
      else
        fmt::print("{:<10} {}\n           {}\n", row.outcome, row.name,
                   row.outcome == "removed" ? row.before : row.after);
    }
    fmt::print("{}: {}\n", file.native(),
               written           ? "written"
               : options.dry_run ? "not written (--dry-run)"
                                 : "unchanged");
  }
  return kSuccess;
}

int check(LockOptions& options, const CommonOptions& common) {
  const std::vector<image::BuildSpec> specs = options.resolve();
  const fs::path file = lock_of(specs);
  const store::Store store = store::Store::open(specs.front().store);
  image::LockRequest request = request_of(options, specs);
  request.locked_only = true;
  const image::Lock lock = image::load_lock(file);
  const image::FoundSources found = image::find_sources(request, lock, store);
  check_names(request, found);
  std::vector<Row> rows;
  bool is_fine = found.missing.empty();
  for (const auto& [name, source] : found.sources) {
    const image::LockedSource& entry = lock.sources.at(name);
    const bool is_same = image::agrees(entry, source);
    rows.push_back({.name = name,
                    .kind = image::kind_of(source),
                    .outcome = is_same ? "unchanged" : "drifted",
                    .before = image::summary(entry),
                    .after = image::summary(source)});
    is_fine = is_fine && is_same;
  }
  for (const auto& [name, kind] : found.missing)
    rows.push_back({.name = name, .kind = kind, .outcome = "missing"});
  if (request.names.empty())
    for (const auto& [name, source] : lock.sources)
      if (!found.used.contains(name))
        rows.push_back({.name = name,
                        .kind = image::kind_of(source),
                        .outcome = "unused",
                        .before = image::summary(source)});
  if (common.json) {
    print({{"lock", file.native()}, {"sources", json_of(rows)}});
  } else {
    for (const Row& row : rows) {
      if (row.outcome == "drifted")
        fmt::print("drifted    {}\n    locked {}\n     found {}\n", row.name, row.before, row.after);
      else if (row.outcome != "unchanged" || !common.quiet)
        fmt::print("{:<10} {}\n", row.outcome, row.name);
    }
  }
  return is_fine ? kSuccess : kCheckFound;
}

int list(LockOptions& options, const CommonOptions& common) {
  fs::path file = options.build.lock;
  if (file.empty()) file = lock_of(options.resolve());
  if (!fs::exists(file))
    throw Error("the lock does not exist",
                {.where = file.native(), .hint = "create the lock: bottle-lock update"});
  const image::Lock lock = image::load_lock(file);
  if (common.json) {
    print(OrderedJson::parse(lock.serialize()));
    return kSuccess;
  }
  std::size_t width = 0;
  for (const auto& [name, source] : lock.sources)
    width = std::max(width, name.size());
  for (const auto& [name, source] : lock.sources) {
    fmt::print("{:<{}}  {:<5}  {}\n", name, width, image::kind_of(source), image::summary(source));
    if (const auto* image = std::get_if<image::LockedImage>(&source); image != nullptr && image->index)
      for (const auto& [platform, manifest] : image->platforms)
        fmt::print("{:<{}}  {:<5}  {} {}\n", "", width, "", manifest.digest.string(), platform);
  }
  return kSuccess;
}

}  // namespace

int main(int argc, char** argv) {
  return bottle::run_tool("bottle-lock", [&] {
    CommandLine app(
        "Maintain bottle.lock: the digests and commits of the images, URLs and git repositories that "
        "Dockerfiles name.",
        "bottle-lock");
    CommonOptions common;
    app.add_common_options(common);
    app.footer("Example: bottle-lock update .");
    app.require_subcommand();
    LockOptions updating;
    Subcommand update_command =
        app.add_subcommand("update",
                           "Resolve the sources at registries, servers and repositories, and write the lock.")
            .footer("Example: bottle-lock update . --dry-run");
    updating.add_to(update_command);
    update_command.add_flag("--dry-run", updating.dry_run, "Print what would change, and write nothing");
    update_command.add_flag("--prune", updating.prune,
                            "Remove entries that none of the given Dockerfiles uses");
    LockOptions checking;
    Subcommand check_command =
        app.add_subcommand("check",
                           "Resolve the locked sources again, and report what changed, "
                           "is missing or unused; exit with 3 if something differs.")
            .footer("Example: bottle-lock check --lock bottle.lock");
    checking.add_to(check_command);
    LockOptions listing;
    Subcommand list_command =
        app.add_subcommand("list", "Print the entries of the lock, without a request to any server.")
            .footer("Example: bottle-lock list --lock bottle.lock");
    listing.add_place(list_command);
    if (const auto status = app.parse(argc, argv)) return *status;
    updating.take_context();
    checking.take_context();
    if (update_command.parsed()) return update(updating, common);
    if (check_command.parsed()) return check(checking, common);
    return list(listing, common);
  });
}
