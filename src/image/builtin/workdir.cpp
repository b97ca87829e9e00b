// SPDX-License-Identifier: Apache-2.0
#include "image/builtin/workdir.hpp"

#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::image::builtin {

oci::LayerIndex make_workdir(const oci::MergedTree& tree, const std::string& directory, const Owner& owner,
                             std::int64_t epoch) {
  const auto path = tree.resolve(path_in_root(directory), true);
  if (!path) throw Error("the symbolic links of " + directory + " form a loop");
  oci::LayerIndex layer;
  bool is_new = false;
  for (std::size_t end = path->find('/');; end = path->find('/', end + 1)) {
    oci::Entry entry;
    entry.path = path->substr(0, end);
    if (const auto* node = tree.find(entry.path)) {
      if (node->inode->type != oci::EntryType::directory)
        throw Error("/" + entry.path + " is not a directory");
      entry = *node->inode;
      entry.path = path->substr(0, end);
    } else {
      entry.type = oci::EntryType::directory;
      entry.mode = 0755;
      entry.uid = owner.uid;
      entry.gid = owner.gid;
      entry.mtime = epoch;
      is_new = true;
    }
    layer.entries.push_back(std::move(entry));
    if (end == std::string::npos) break;
  }
  if (!is_new) layer.entries.clear();
  return layer;
}

}  // namespace bottle::image::builtin
