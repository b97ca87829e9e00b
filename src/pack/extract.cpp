// SPDX-License-Identifier: Apache-2.0
#include "pack/extract.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>

#include "pack/archive_check.hpp"
#include "pack/layer_walk.hpp"
#include "pack/tree_writer.hpp"
#include "pack/verify.hpp"
#include "util/error.hpp"
#include "util/staged_directory.hpp"

namespace bottle::pack {
namespace {

FileFacts facts_of(const TarItem& item) {
  return {.mode = item.mode, .uid = item.uid, .gid = item.gid, .mtime = item.mtime};
}

class Unpacker {
 public:
  explicit Unpacker(const fs::path& directory) : writer_(directory) {}

  void begin_layer() { ++layers_; }

  void put(const std::string& path, const TarItem& item, PackTar& tar) {
    ++report_.entries;
    switch (item.type) {
      case TarType::directory:
        writer_.directory(path, facts_of(item));
        return;
      case TarType::file:
        writer_.file(path, facts_of(item), item.size, tar.content());
        return;
      case TarType::symlink:
        writer_.symlink(path, facts_of(item), item.link);
        return;
      case TarType::hardlink:
        if (skipped_.contains(hardlink_path(tar, item)))
          skip(path);
        else
          writer_.hardlink(path, hardlink_path(tar, item));
        return;
      case TarType::char_device:
        // How an overlay says "deleted": a guest that unpacks an upper layer takes it so.
        if (layers_ > 1 && item.device_major == 0 && item.device_minor == 0) {
          writer_.remove(path);
          return;
        }
        skip(path);
        return;
      default:
        skip(path);
    }
  }

  void finish_tree() { writer_.finish(); }

  ExtractReport finish() {
    writer_.finish_root();
    if (report_.skipped > 0)
      report_.findings.warnings.push_back(fmt::format(
          "{} device nodes or fifos are not extracted (first: {})", report_.skipped, first_skipped_));
    return std::move(report_);
  }

 private:
  void skip(const std::string& path) {
    if (report_.skipped++ == 0) first_skipped_ = path;
    skipped_.insert(path);
  }

  TreeWriter writer_;
  ExtractReport report_;
  int layers_ = 0;
  std::set<std::string> skipped_;
  std::string first_skipped_;
};

void unpack(const OpenPack& pack, ExtractWhat what, Unpacker& unpacker) {
  const auto put = [&](const std::string& path, const TarItem& item, PackTar& tar) {
    unpacker.put(path, item, tar);
  };
  if (what == ExtractWhat::rootfs) {
    walk_layers(
        pack, [&](const std::string&) { unpacker.begin_layer(); }, put);
  } else {
    ArchiveCheck check("assets");
    walk_members(pack, [&](const std::string&, const TarItem& item, PackTar& tar) {
      put(check.check(tar, item), item, tar);
    });
  }
  unpacker.finish_tree();
}

ExtractReport unpack_in_place(const OpenPack& pack, const fs::path& directory, ExtractWhat what) {
  Unpacker unpacker(directory);
  unpack(pack, what, unpacker);
  return unpacker.finish();
}

bool is_there(const fs::path& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) == 0) return true;
  if (errno != ENOENT) throw_errno("cannot stat", path.native());
  return false;
}

}  // namespace

ExtractReport extract_pack(const OpenPack& pack, const fs::path& directory, ExtractWhat what,
                           Existing existing) {
  check_checksum(pack);
  fs::path target = directory;
  if (!target.has_filename()) target = target.parent_path();  // "dir/"
  if (is_there(target)) {
    if (!fs::is_directory(target)) throw Error("expected a directory", {.where = target.native()});
    if (existing == Existing::overwrite) return unpack_in_place(pack, target, what);
    if (!fs::is_empty(target))
      throw Error("the directory is not empty",
                  {.where = target.native(), .hint = "choose another directory, or add --force"});
  } else if (existing == Existing::overwrite) {
    make_directories(target);
    return unpack_in_place(pack, target, what);
  }
  // Beside its final place, so that it can be renamed there.
  const fs::path absolute = fs::absolute(target).lexically_normal();
  const StagedDirectory stage(absolute);
  const fs::path tree = stage.path() / "tree";
  make_directories(tree);
  Unpacker unpacker(tree);
  unpack(pack, what, unpacker);
  if (std::rename(tree.c_str(), absolute.c_str()) != 0)
    throw_errno("cannot rename the extracted tree to", absolute.native());
  // Last, because a directory without write permission could not be renamed.
  return unpacker.finish();
}

}  // namespace bottle::pack
