// SPDX-License-Identifier: Apache-2.0
#include "pack_runtime.hpp"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <vector>

#include "image/context/depfile.hpp"
#include "image/context/path_links.hpp"
#include "pack/runtime.hpp"
#include "store/store.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/json.hpp"
#include "util/tool_main.hpp"

namespace bottle::tools {
namespace {

// All whose time says that the tree may be another: its directories and files, and where it or a link to it
// may be replaced. A symbolic link in it may lead nowhere on this machine; another one has changed its
// directory.
std::vector<std::string> dependencies(const pack::Runtime& runtime) {
  std::vector<std::string> paths = image::context::surroundings(runtime.directory.native());
  paths.push_back(runtime.directory.native());
  for (const oci::Entry& entry : runtime.index.entries)
    if (entry.type != oci::EntryType::symlink) paths.push_back((runtime.directory / entry.path).native());
  return paths;
}

}  // namespace

Subcommand RuntimeOptions::add_to(Subcommand app) {
  Subcommand command = app.add_subcommand(
      "runtime", "Print the agent root filesystem of smolvm that packs get, and the digest of its content.");
  command
      .add_option("directory", directory,
                  "Use the agent root filesystem in DIR (default: where smolvm searches)")
      .type_name("DIR");
  command.add_option("--result", result, "Write the digest to FILE, if it differs, and print nothing")
      .type_name("FILE");
  command.add_option("--stamp", stamp, "Touch FILE when all is done").type_name("FILE");
  command
      .add_option("--depfile", depfile, "Write a depfile for the stamp that names all files that were read")
      .type_name("FILE");
  command.add_option("--store", store, "Use the store in DIR").type_name("DIR");
  command.footer("Example: bottle-pack runtime /usr/lib/smolvm/agent-rootfs");
  return command;
}

int RuntimeOptions::run(bool json) const {
  if (!depfile.empty() && stamp.empty()) throw UsageError("--depfile requires --stamp FILE");
  const std::optional<fs::path> found = pack::find_runtime(directory);
  if (!found) {
    if (!result.empty()) write_file_if_changed(result, "none\n");
    if (!stamp.empty()) touch(stamp);
    if (result.empty()) fmt::print("{}\n", json ? "null" : "none");
    return kSuccess;
  }
  const pack::Runtime runtime = pack::read_runtime(fs::absolute(*found), store::Store::open(store));
  if (!depfile.empty()) {
    const std::vector<std::string> plain =
        image::context::plain_paths(dependencies(runtime), depfile + ".links");
    write_file_if_changed(depfile, image::context::depfile(stamp, {plain.begin(), plain.end()}));
  }
  if (!result.empty())
    write_file_if_changed(
        result, runtime.digest.string() + "\n" +
                    (runtime.agent.version ? runtime.agent.version->string() + "\n" : std::string()));
  else if (json)
    fmt::print("{}\n", OrderedJson{{"directory", runtime.directory.native()},
                                   {"digest", runtime.digest.string()},
                                   {"entries", runtime.index.entries.size()}}
                           .dump(2, ' ', false, OrderedJson::error_handler_t::replace));
  else
    fmt::print("{}\n{}\n", runtime.directory.native(), runtime.digest.string());
  if (!stamp.empty()) touch(stamp);
  return kSuccess;
}

}  // namespace bottle::tools
