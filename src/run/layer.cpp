// SPDX-License-Identifier: Apache-2.0
#include "run/layer.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "oci/diff.hpp"
#include "oci/tar_writer.hpp"
#include "run/targets.hpp"
#include "run/unpack.hpp"
#include "util/error.hpp"

namespace bottle::run {
namespace {

constexpr const char* kRoot = "context:run";

bool is_device(const oci::Entry& entry) {
  return entry.type == oci::EntryType::char_device || entry.type == oci::EntryType::block_device;
}

}  // namespace

void LayerMaker::remove_stubs(const Changes& changes) const {
  for (const std::string& stub : changes.stubs) {
    // The command may have put a link above it, which leads elsewhere.
    if (resolve_in_root(changes.directory, oci::parent_path(stub)) != oci::parent_path(stub)) continue;
    const std::string path = (changes.directory / stub).native();
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) continue;
    if (S_ISDIR(status.st_mode))
      ::rmdir(path.c_str());  // fails on purpose if the directory is not empty
    else if (S_ISREG(status.st_mode) && status.st_size == 0)
      ::unlink(path.c_str());
  }
}

std::int64_t LayerMaker::time_of(const oci::Entry& entry) const {
  if (entry.mtime <= context_.epoch) return entry.mtime;
  const oci::MergedTree::Node* below = context_.tree.find(entry.path);
  const bool is_as_before =
      below != nullptr && below->inode->type == entry.type && below->inode->mtime == entry.mtime;
  return is_as_before ? entry.mtime : context_.epoch;
}

oci::MergedTree LayerMaker::tree_after(const oci::LayerIndex& found, bool is_overlay) const {
  if (is_overlay) {
    oci::MergedTree tree = context_.tree;
    tree.apply(found, "the changes of the command");
    return tree;
  }
  oci::MergedTree tree;
  tree.apply(found, "the changes of the command");
  if (id_mapping_ == IdMapping::root) return tree;
  // Devices could not be made, so their absence is not a change.
  oci::LayerIndex devices;
  context_.tree.walk([&](const std::string& path, const oci::MergedTree::Node& node) {
    if (!is_device(*node.inode) || tree.find(path) != nullptr) return;
    if (!path.empty() && tree.find(oci::parent_path(path)) == nullptr) return;
    devices.entries.push_back(*node.inode);
    devices.entries.back().path = path;
  });
  tree.apply(devices, "devices");
  return tree;
}

oci::LayerIndex LayerMaker::make(const Changes& changes) const {
  remove_stubs(changes);
  PackOptions options;
  options.root_name = kRoot;
  options.time_of = [this](const oci::Entry& entry) { return time_of(entry); };
  if (id_mapping_ != IdMapping::root) options.opaque_attribute = "user.overlay.opaque";
  if (id_mapping_ == IdMapping::single) {
    options.correct_owner = [this](oci::Entry& entry) {
      const oci::MergedTree::Node* below = context_.tree.find(entry.path);
      if (below == nullptr || below->inode->type != entry.type) return;
      entry.uid = below->inode->uid;
      entry.gid = below->inode->gid;
    };
  }
  if (changes.stamps != nullptr) {
    options.known_digest = [&](const std::string& path, const struct stat& status) -> std::optional<Digest> {
      const oci::MergedTree::Node* below = context_.tree.find(path);
      if (below == nullptr || below->inode->type != oci::EntryType::file) return std::nullopt;
      if (!changes.stamps->is_unchanged(path, status)) return std::nullopt;
      return below->inode->digest;
    };
  }
  const oci::LayerIndex found = read_tree(changes.directory, options);
  return with_blob(oci::diff(context_.tree, tree_after(found, changes.is_overlay)), changes);
}

oci::LayerIndex LayerMaker::with_blob(oci::LayerIndex layer, const Changes& changes) const {
  bool has_bytes = false;
  for (oci::Entry& entry : layer.entries) {
    entry.mtime = time_of(entry);
    has_bytes = has_bytes || entry.place.root != oci::Place::kNone;
  }
  if (!has_bytes) {
    layer.roots.clear();
    return layer;
  }
  image::LoadedPlan places;
  places.context_roots = context_.image.context_roots;
  places.context_roots[kRoot] = changes.directory;
  places.blob_directories = context_.image.blob_directories;
  store::Store::Writer writer(context_.store);
  oci::write_layer_tar(layer, places.reader(context_.store), "the layer of RUN",
                       [&](std::span<const std::byte> data) { writer.write(data); });
  const store::Output blob = writer.commit();

  layer.roots = {"blob:" + blob.digest.string()};
  std::uint64_t offset = 0;
  for (oci::Entry& entry : layer.entries) {
    offset += oci::tar_header(entry, oci::TarStyle::layer).size();
    if (entry.type != oci::EntryType::file) continue;
    if (entry.place.root != oci::Place::kNone) entry.place = {.root = 0, .offset = offset, .path = {}};
    offset += entry.size + oci::tar_padding(entry.size).size();
  }
  if (offset + oci::tar_end().size() != blob.size)
    throw Error("the size of the layer's tar does not match its entries", {.where = "RUN"});
  return layer;
}

}  // namespace bottle::run
