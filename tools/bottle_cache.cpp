// SPDX-License-Identifier: Apache-2.0
// bottle-cache: what is in the store, making it smaller, and checking it (docs/tools/bottle-cache.md).
#include "run/run_gc.hpp"
#include "store/check.hpp"
#include "store/collect.hpp"
#include "store/store.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/parallel.hpp"
#include "util/text.hpp"
#include "util/tool_main.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace {

using namespace bottle;

void print(const OrderedJson& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

std::string amount(std::uint64_t count, const char* singular, const char* plural) {
  return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

// What RUN keeps in the store.
struct Kept {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  void add(const run::CachedTree& tree) {
    ++count;
    bytes += tree.bytes;
  }
  OrderedJson json() const { return {{"count", count}, {"bytes", bytes}}; }
};

std::vector<run::CachedTree> cached_trees(const fs::path& directory) {
  try {
    return run::cached_trees(directory);
  } catch (const Error& error) {
    fmt::print(stderr, "bottle-cache: warning: cannot read the data of RUN in {}: {}\n", directory.native(),
               error.message());
    return {};
  }
}

int stats(const fs::path& directory, const CommonOptions& common) {
  const store::Figures figures = store::figures(directory);
  Kept snapshots;
  Kept caches;
  Kept left;
  for (const run::CachedTree& tree : cached_trees(directory))
    (tree.kind == run::CachedTree::Kind::snapshot ? snapshots
     : tree.kind == run::CachedTree::Kind::cache  ? caches
                                                  : left)
        .add(tree);
  const std::uint64_t size =
      figures.blob_bytes + figures.action_bytes + snapshots.bytes + caches.bytes + left.bytes;
  if (common.json) {
    OrderedJson kinds = OrderedJson::object();
    for (const auto& [name, kind] : figures.kinds)
      kinds[name] = OrderedJson{{"actions", kind.actions}, {"bytes", kind.bytes}};
    print({{"directory", directory.native()},
           {"bytes", size},
           {"blobs", {{"count", figures.blobs}, {"bytes", figures.blob_bytes}}},
           {"actions", {{"count", figures.actions}, {"bytes", figures.action_bytes}}},
           {"kinds", std::move(kinds)},
           {"snapshots", snapshots.json()},
           {"caches", caches.json()},
           {"leftRuns", left.json()},
           {"unreferenced", {{"count", figures.unreferenced_blobs}, {"bytes", figures.unreferenced_bytes}}},
           {"evicted", figures.evicted},
           {"damaged", figures.damaged},
           {"roots", figures.roots},
           {"temporaries", figures.temporaries}});
    return kSuccess;
  }
  fmt::print("store         {}\n", directory.native());
  fmt::print("size          {}\n", human_size(size));
  fmt::print("blobs         {}, {}\n", figures.blobs, human_size(figures.blob_bytes));
  fmt::print("actions       {}, {}\n", figures.actions, human_size(figures.action_bytes));
  for (const auto& [name, kind] : figures.kinds)
    fmt::print("  {:<11} {}, {} of results\n", name, kind.actions, human_size(kind.bytes));
  if (snapshots.count > 0)
    fmt::print("snapshots     {}, {}, file systems for RUN\n", snapshots.count, human_size(snapshots.bytes));
  if (caches.count > 0)
    fmt::print("caches        {}, {}, for RUN --mount=type=cache\n", caches.count, human_size(caches.bytes));
  if (left.count > 0)
    fmt::print("left          {}, {}, by killed RUN instructions\n", left.count, human_size(left.bytes));
  fmt::print("unreferenced  {}, {}\n", amount(figures.unreferenced_blobs, "blob", "blobs"),
             human_size(figures.unreferenced_bytes));
  fmt::print("remembered    {} evicted, {} damaged\n", figures.evicted, figures.damaged);
  fmt::print("roots         {}\n",
             amount(figures.roots, "step of a build directory", "steps of build directories"));
  fmt::print("temporaries   {}\n", figures.temporaries);
  return kSuccess;
}

int collect(const fs::path& directory, store::CollectOptions options, const CommonOptions& common) {
  options.on_wait = [&] {
    if (!common.quiet)
      fmt::print(stderr, "bottle-cache: waiting for the builds that use {} to finish\n", directory.native());
  };
  options.trees = [&] {
    std::vector<store::Tree> trees;
    for (const run::CachedTree& tree : cached_trees(directory))
      if (!tree.is_locked)
        trees.push_back(
            {.name = tree.name, .bytes = tree.bytes, .used = tree.used, .is_garbage = !tree.problem.empty()});
    return trees;
  };
  options.remove_trees = [&](const std::vector<std::string>& names) {
    run::remove_cached_trees(directory, names);
  };
  const store::CollectReport report = store::collect(directory, options);
  if (common.json) {
    print({{"directory", directory.native()},
           {"dryRun", options.dry_run},
           {"bytesBefore", report.size_before},
           {"bytesAfter", report.size_after},
           {"actions",
            {{"kept", report.actions_kept},
             {"evicted", report.actions_evicted},
             {"broken", report.actions_broken}}},
           {"blobs", {{"kept", report.blobs_kept}, {"removed", report.blobs_removed}}},
           {"trees", {{"kept", report.trees_kept}, {"evicted", report.trees_evicted}}},
           {"bytesStillLinked", report.bytes_still_linked},
           {"bytesKeptByReferences", report.bytes_kept_by_references},
           {"temporariesRemoved", report.temporaries_removed},
           {"tombstonesRemoved", report.tombstones_removed},
           {"rootsDropped", report.roots_dropped},
           {"overMaxSize", report.over_max_size}});
  } else if (!common.quiet) {
    fmt::print("{}{} of {} freed; {} and {} {}\n", options.dry_run ? "would be: " : "",
               human_size(report.size_before - report.size_after), human_size(report.size_before),
               amount(report.actions_evicted + report.actions_broken, "action", "actions"),
               amount(report.blobs_removed, "blob", "blobs"), "removed");
    if (report.trees_evicted > 0)
      fmt::print("{} of RUN removed\n",
                 amount(report.trees_evicted, "snapshot or cache", "snapshots and caches"));
    if (report.temporaries_removed > 0)
      fmt::print("{} of killed processes removed\n",
                 amount(report.temporaries_removed, "temporary file", "temporary files"));
    if (report.bytes_still_linked > 0)
      fmt::print("{} of that remain on the disk while build directories hold links to them\n",
                 human_size(report.bytes_still_linked));
  }
  if (report.over_max_size)
    fmt::print(
        stderr,
        "bottle-cache: warning: the store still has {}, more than --max-size {}: build directories refer to "
        "the rest (--keep-referenced)\n",
        human_size(report.size_after), human_size(*options.max_size));
  return kSuccess;
}

const char* kind_name(store::Finding::Kind kind) {
  switch (kind) {
    case store::Finding::Kind::blob:
      return "blob";
    case store::Finding::Kind::action:
      return "action";
    case store::Finding::Kind::stray:
      break;
  }
  return "stray";
}

int verify(const fs::path& directory, const CommonOptions& common) {
  store::Verification result;
  if (fs::exists(directory))
    result = store::verify(store::Store::open(directory), directory, default_threads());
  for (const run::CachedTree& tree : cached_trees(directory))
    if (!tree.problem.empty())
      result.findings.push_back({.kind = store::Finding::Kind::stray,
                                 .name = (directory / tree.name).native(),
                                 .problem = tree.problem + "; bottle-cache gc removes it",
                                 .dropped = false});
  if (common.json) {
    OrderedJson findings = OrderedJson::array();
    for (const store::Finding& finding : result.findings)
      findings.push_back({{"kind", kind_name(finding.kind)},
                          {"name", finding.name},
                          {"problem", finding.problem},
                          {"dropped", finding.dropped}});
    print({{"directory", directory.native()},
           {"blobs", result.blobs},
           {"bytes", result.bytes},
           {"actions", result.actions},
           {"findings", std::move(findings)}});
  } else {
    for (const store::Finding& finding : result.findings)
      fmt::print("{} {}: {}{}\n", kind_name(finding.kind), finding.name, finding.problem,
                 finding.dropped ? "; dropped" : "");
    if (!common.quiet)
      fmt::print(
          "{} ({}) and {} checked, {}\n", amount(result.blobs, "blob", "blobs"), human_size(result.bytes),
          amount(result.actions, "action", "actions"),
          result.findings.empty() ? "nothing found" : amount(result.findings.size(), "finding", "findings"));
  }
  return result.findings.empty() ? kSuccess : kCheckFound;
}

std::uint64_t need(const std::optional<std::uint64_t>& value, const char* option, const std::string& text,
                   const char* expected) {
  if (!value)
    throw UsageError(fmt::format("{}: expected {}, found \"{}\"", option, expected, text),
                     {.hint = "read bottle-cache gc --help"});
  return *value;
}

int run_command(int argc, char** argv) {
  CommandLine app("Manage the store: the cache of build results that all build trees of a user share.",
                  "bottle-cache");
  app.footer(
      "The store is in $BOTTLE_CACHE_DIR, else $XDG_CACHE_HOME/bottle, else ~/.cache/bottle.\nExit status: "
      "0; 1 failed; 2 wrong use; 3 verify found something.\nExample: bottle-cache gc --max-size 20G "
      "--max-age 8w");
  CommonOptions common;
  app.add_common_options(common);
  std::string store_directory;
  app.add_option("--store", store_directory, "Use the store in DIR").type_name("DIR");
  app.require_subcommand();

  Subcommand stats_command = app.add_subcommand("stats", "Count the content of the store.")
                                 .footer("Example: bottle-cache stats --json");
  Subcommand gc_command =
      app.add_subcommand("gc",
                         "Evict the least recently used results, then remove what nothing "
                         "refers to and what killed processes left.")
          .footer("Example: bottle-cache gc --max-size 20G --max-age 8w");
  Subcommand verify_command =
      app.add_subcommand("verify",
                         "Read everything again, and report and drop what is damaged; "
                         "exit with 3 if something was found.")
          .footer("Example: bottle-cache verify");
  std::string max_size;
  std::string max_age;
  store::CollectOptions options;
  gc_command.add_option("--max-size", max_size, "Evict until the store has at most SIZE: 500M, 20G")
      .type_name("SIZE");
  gc_command.add_option("--max-age", max_age, "Evict what has not been used for TIME: 36h, 14d, 8w")
      .type_name("TIME");
  gc_command.add_flag("--keep-referenced", options.keep_referenced,
                      "Keep the inputs of existing build directories");
  gc_command.add_flag("--dry-run", options.dry_run, "Print what would be done, and do nothing");
  if (const auto status = app.parse(argc, argv)) return *status;

  const fs::path directory =
      store_directory.empty() ? store::Store::default_directory() : fs::absolute(store_directory);
  if (stats_command.parsed()) return stats(directory, common);
  if (verify_command.parsed()) return verify(directory, common);
  if (!max_size.empty())
    options.max_size = need(parse_size(max_size), "--max-size", max_size, "a size such as 500M or 20G");
  if (!max_age.empty())
    options.max_age =
        need(parse_duration(max_age), "--max-age", max_age, "a length of time such as 36h or 14d");
  return collect(directory, options, common);
}

}  // namespace

int main(int argc, char** argv) {
  return bottle::run_tool("bottle-cache", [&] { return run_command(argc, argv); });
}
