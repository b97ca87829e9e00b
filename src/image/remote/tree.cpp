// SPDX-License-Identifier: Apache-2.0
#include "image/remote/tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "util/error.hpp"
#include "util/path.hpp"
#include "util/text.hpp"

namespace bottle::image::remote {
namespace {

constexpr std::size_t kMaximumDepth = 512;  // of directories

// What is below a directory as entries, its bytes one after the other in one blob.
class Collector {
 public:
  Collector(const std::string& where, const store::Store& store) : where_(where), writer_(store) {
    index_.roots.emplace_back();  // named when all bytes are known
  }

  void walk(const fs::path& directory, const std::string& prefix, std::size_t depth) {
    if (depth > kMaximumDepth) throw Error("directories are nested too deeply", {.where = where_});
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory))
      names.push_back(entry.path().filename().native());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const std::string path = join_path(prefix, name);
      // Of a submodule's checkout: where its repository was.
      if (name == ".git" && !fs::is_directory(directory / name)) continue;
      if (const char* defect = oci::path_defect(path))
        throw Error("the path \"" + escape_word(path) + "\" cannot be in an image: " + defect,
                    {.where = where_});
      if (index_.entries.size() >= kMaximumTreeEntries)
        throw Error("more than " + std::to_string(kMaximumTreeEntries) + " files", {.where = where_});
      add(directory / name, path);
      if (index_.entries.back().type == oci::EntryType::directory) walk(directory / name, path, depth + 1);
    }
  }

  oci::LayerIndex finish(store::Output& content) {
    content = writer_.commit();
    index_.roots.front() = "blob:" + content.digest.string();
    if (content.size == 0) index_.roots.clear();
    return std::move(index_);
  }

 private:
  void add(const fs::path& file, const std::string& path) {
    oci::Entry entry;
    entry.path = path;
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0) throw_errno("cannot read", file.native());
    if (S_ISDIR(status.st_mode)) {
      entry.type = oci::EntryType::directory;
      entry.mode = 0755;
    } else if (S_ISLNK(status.st_mode)) {
      entry.type = oci::EntryType::symlink;
      entry.mode = 0777;
      entry.link = fs::read_symlink(file).native();
    } else if (S_ISREG(status.st_mode)) {
      // As a checkout under umask 022 leaves it.
      entry.mode = (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
      const std::uint64_t begin = writer_.size();
      Sha256 hasher;
      const Fd input = open_for_reading(file, O_NOFOLLOW);
      while (const std::size_t count = read_some(input.get(), buffer_, file.native())) {
        const auto data = std::span<const std::byte>(buffer_).first(count);
        if (writer_.size() + count > kMaximumTreeBytes)
          throw Error("more than " + human_size(kMaximumTreeBytes), {.where = where_});
        hasher.update(data);
        writer_.write(data);
      }
      entry.digest = hasher.finish();
      entry.size = writer_.size() - begin;
      if (entry.size != 0) {
        entry.place.root = 0;
        entry.place.offset = begin;
      }
    } else {
      throw Error("\"" + escape_word(path) + "\" is not a file, directory or symbolic link",
                  {.where = where_});
    }
    index_.entries.push_back(std::move(entry));
  }

  std::string where_;
  store::Store::Writer writer_;
  oci::LayerIndex index_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(256u << 10);
};

}  // namespace

oci::LayerIndex collect_tree(const fs::path& directory, const std::string& where, const store::Store& store,
                             store::Output& content) {
  Collector collector(where, store);
  collector.walk(directory, "", 0);
  return collector.finish(content);
}

}  // namespace bottle::image::remote
