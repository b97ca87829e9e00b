// SPDX-License-Identifier: Apache-2.0
#include "copy/unpack.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "util/error.hpp"
#include "util/path.hpp"
#include "util/text.hpp"

namespace bottle::copy {
namespace {

using oci::Entry;
using oci::EntryType;
using Kind = SourceTree::Kind;

constexpr std::string_view kCapability = "security.capability";

// A directory of a tree seen as a root.
class Below final : public SourceTree {
 public:
  Below(const SourceTree& tree, const std::string& directory) : tree_(tree), directory_(directory) {}
  Kind kind(const std::string& path) const override { return tree_.kind(join_path(directory_, path)); }
  std::string read_link(const std::string& path) const override {
    return tree_.read_link(join_path(directory_, path));
  }
  std::vector<std::string> list(const std::string& path) const override {
    return tree_.list(join_path(directory_, path));
  }

 private:
  const SourceTree& tree_;
  const std::string& directory_;
};

class Unpacker {
 public:
  Unpacker(const oci::LayerIndex& archive, CopyTarget& target, const std::string& directory,
           const UnpackOptions& options)
      : archive_(archive),
        target_(target),
        directory_(directory),
        options_(options),
        below_(target, directory) {}

  void unpack(const Entry& member) {
    const std::string path = locate(member.path);
    const Kind there = target_.kind(path);
    const bool is_directory = member.type == EntryType::directory;
    if (there == Kind::directory && is_directory) {
      merge(member, path);
      return;
    }
    CopyTarget::Inode linked;
    if (member.type == EntryType::hardlink) linked = link_target(member, path);
    if (there != Kind::missing) target_.remove(path);
    make_parents(std::string(oci::parent_path(path)), member);
    if (linked) {
      set_attributes(*linked, member);
      target_.put(path, std::move(linked));
      return;
    }
    auto inode = std::make_shared<Entry>(member);
    inode->path.clear();
    inode->xattrs.clear();
    if (inode->place.root != oci::Place::kNone) {
      inode->place.root = target_.root(archive_.roots.at(inode->place.root));
    }
    set_attributes(*inode, member);
    target_.put(path, std::move(inode));
  }

 private:
  // Where a name of the archive is in the tree: its last component is not followed.
  std::string locate(std::string_view name) const {
    return join_path(directory_,
                     join_path(follow_links(below_, oci::parent_path(name)), oci::base_name(name)));
  }

  CopyTarget::Inode link_target(const Entry& member, const std::string& path) {
    const std::string existing = locate(member.link);
    const Kind kind = member.link.empty() ? Kind::missing : target_.kind(existing);
    if (kind == Kind::missing || kind == Kind::directory || existing == path) {
      fail(member, fmt::format("it is a hard link to \"{}\", {}", escape_word(member.link),
                               kind == Kind::missing     ? "which does not exist"
                               : kind == Kind::directory ? "which is a directory"
                                                         : "which is itself"));
    }
    return target_.change(existing);
  }

  void make_parents(const std::string& path, const Entry& member) {
    if (path.empty()) return;
    const Kind kind = target_.kind(path);
    if (kind == Kind::directory) return;
    if (kind != Kind::missing) fail(member, fmt::format("\"/{}\" is not a directory", escape_word(path)));
    make_parents(std::string(oci::parent_path(path)), member);
    auto made = std::make_shared<Entry>();
    made->type = EntryType::directory;
    made->mode = 0755;
    made->mtime = options_.epoch;
    target_.put(path, std::move(made));
  }

  void merge(const Entry& member, const std::string& path) { set_attributes(*target_.change(path), member); }

  void set_attributes(Entry& inode, const Entry& member) const {
    const image::Owner owner = options_.owner.value_or(image::Owner{member.uid, member.gid});
    inode.uid = owner.uid;
    inode.gid = owner.gid;
    inode.mode = inode.type == EntryType::symlink ? 0777 : member.mode;
    inode.mtime = options_.keep_times ? member.mtime : options_.epoch;
    for (const auto& [name, value] : member.xattrs) {
      if (name != kCapability) continue;
      inode.xattrs.set(name, value);
    }
  }

  [[noreturn]] static void fail(const Entry& member, const std::string& why) {
    throw Error(fmt::format("cannot unpack the archive member \"{}\": {}", escape_word(member.path), why));
  }

  const oci::LayerIndex& archive_;
  CopyTarget& target_;
  const std::string& directory_;
  const UnpackOptions& options_;
  const Below below_;
};

}  // namespace

void unpack(const oci::LayerIndex& archive, CopyTarget& target, const std::string& directory,
            const UnpackOptions& options) {
  Unpacker unpacker(archive, target, directory, options);
  for (const Entry& member : archive.entries) {
    if (!member.path.empty()) unpacker.unpack(member);
  }
}

void keep_layer_xattrs(oci::Entry& entry) {
  entry.xattrs.remove_if([](const auto& xattr) { return xattr.first != kCapability; });
}

}  // namespace bottle::copy
