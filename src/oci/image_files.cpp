// SPDX-License-Identifier: Apache-2.0
#include "oci/image_files.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <utility>

#include "oci/decompress.hpp"
#include "oci/tar_reader.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::size_t kMaximumMembers = 100'000;
constexpr int kMaximumLayoutLinks = 8;
constexpr const char* kAgain = "fetch the image again: it is damaged or incomplete";

class DirectoryFiles : public ImageFiles {
 public:
  explicit DirectoryFiles(const fs::path& directory) : name_(directory.native()) {
    const Fd probe = open_for_reading(directory, O_DIRECTORY);
  }

  std::optional<FileRange> find(const std::string& path) const override {
    const std::string full = name_ + "/" + path;
    auto file = std::make_shared<Fd>(::open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!*file) {
      if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
      throw_errno("cannot open", full);
    }
    const struct stat status = stat_of(file->get(), full);
    if (!S_ISREG(status.st_mode)) throw Error("expected a regular file", {.where = full});
    return FileRange{std::move(file), 0, static_cast<std::uint64_t>(status.st_size), full};
  }

  const std::string& name() const override { return name_; }

 private:
  std::string name_;
};

class TarFiles : public ImageFiles {
 public:
  explicit TarFiles(const fs::path& path)
      : name_(path.native()), file_(std::make_shared<Fd>(open_for_reading(path))) {
    const struct stat status = stat_of(file_->get(), name_);
    if (!S_ISREG(status.st_mode))
      throw Error("expected an image archive, found no regular file", {.where = name_});
    size_ = static_cast<std::uint64_t>(status.st_size);
    std::array<std::byte, 10> head{};
    const std::size_t count = pread_some(file_->get(), head, 0, name_);
    const Compression compression = detect_compression(std::span<const std::byte>(head).first(count));
    if (compression != Compression::none)
      throw Error(std::string("the image archive is compressed (") + to_string(compression) + ")",
                  {.where = name_, .hint = "decompress the archive first"});
    list();
  }

  std::optional<FileRange> find(const std::string& path) const override {
    std::string current = normalize_path(path);
    for (int links = 0; links <= kMaximumLayoutLinks; ++links) {
      const auto found = members_.find(current);
      if (found == members_.end()) return std::nullopt;
      const Member& member = found->second;
      if (member.link.empty())
        return FileRange{file_, member.offset, member.size, name_ + ": " + escape_word(current)};
      current = member.link;
    }
    throw Error("\"" + escape_word(path) + "\" is a chain of more than 8 links", {.where = name_});
  }

  const std::string& name() const override { return name_; }

 private:
  struct Member {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::string link;  // normalised
  };

  void list() {
    auto position = std::make_shared<std::uint64_t>(0);
    TarReader tar(
        [this, position](std::span<std::byte> data) {
          const std::size_t count = pread_some(file_->get(), data, *position, name_);
          *position += count;
          return count;
        },
        name_, Whiteouts::literal);
    tar.on_skip([position](std::uint64_t length) { *position += length; });
    while (const auto member = tar.next()) {
      const Entry& entry = member->entry;
      if (member->ignored) continue;
      if (member->is_sparse)
        throw Error("\"" + escape_word(entry.path) + "\" is stored as a sparse file",
                    {.where = name_, .hint = "make the archive of the image without tar's --sparse"});
      if (entry.type == EntryType::file) {
        if (member->data_offset > size_ || entry.size > size_ - member->data_offset)
          throw Error("the archive is truncated: \"" + escape_word(entry.path) + "\" ends at byte " +
                          std::to_string(member->data_offset + entry.size) + ", the file at " +
                          std::to_string(size_),
                      {.where = name_, .hint = kAgain});
        members_[entry.path] = {member->data_offset, entry.size, {}};
      } else if (entry.type == EntryType::hardlink) {
        members_[entry.path] = {0, 0, entry.link.string()};
      } else if (entry.type == EntryType::symlink) {
        // Relative to the link's directory; `docker save` made these for layers that occur twice.
        const std::string link = entry.link.string();
        const std::string target =
            link.starts_with('/') ? link : std::string(parent_path(entry.path)) + "/" + link;
        members_[entry.path] = {0, 0, normalize_path(target)};
      }
      if (members_.size() > kMaximumMembers)
        throw Error("more than " + std::to_string(kMaximumMembers) + " files: not an image archive",
                    {.where = name_});
    }
  }

  std::string name_;
  std::shared_ptr<Fd> file_;
  std::uint64_t size_ = 0;
  std::map<std::string, Member> members_;
};

}  // namespace

Source FileRange::source() const {
  return [range = *this, position = std::uint64_t{0}](std::span<std::byte> data) mutable {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), range.size - position));
    const std::size_t count =
        pread_some(range.file->get(), data.first(wanted), range.offset + position, range.name);
    position += count;
    return count;
  };
}

std::string read_range(const FileRange& file) {
  std::string text(static_cast<std::size_t>(file.size), '\0');
  const std::size_t count =
      pread_some(file.file->get(), std::as_writable_bytes(std::span(text)), file.offset, file.name);
  if (count != text.size())
    throw Error("expected " + std::to_string(file.size) + " bytes, found " + std::to_string(count),
                {.where = file.name, .hint = kAgain});
  return text;
}

std::string ImageFiles::read(const std::string& path, std::uint64_t limit) const {
  const auto file = find(path);
  if (!file) throw Error("no such file: \"" + escape_word(path) + "\"", {.where = name()});
  if (file->size > limit)
    throw Error("the file has " + std::to_string(file->size) + " bytes, more than the limit of " +
                    std::to_string(limit) + " bytes",
                {.where = file->name});
  return read_range(*file);
}

FileRange ImageFiles::find_blob(const Digest& digest, std::uint64_t size) const {
  const std::string path = "blobs/sha256/" + digest.hex();
  auto file = find(path);
  if (!file) throw Error("the blob \"" + path + "\" is missing", {.where = name(), .hint = kAgain});
  if (file->size != size)
    throw Error("the blob has the wrong size: expected " + std::to_string(size) + " bytes, found " +
                    std::to_string(file->size),
                {.where = file->name, .hint = kAgain});
  return std::move(*file);
}

std::string ImageFiles::read_blob(const Descriptor& descriptor, std::uint64_t limit) const {
  if (descriptor.size > limit)
    throw Error("the descriptor of " + descriptor.digest.string() + " (" + descriptor.media_type +
                    ") gives " + std::to_string(descriptor.size) + " bytes, more than the limit of " +
                    std::to_string(limit) + " bytes",
                {.where = name()});
  const FileRange file = find_blob(descriptor.digest, descriptor.size);
  std::string text = read_range(file);
  if (const Digest found = sha256(text); found != descriptor.digest)
    throw Error("the content of the blob does not match its digest: expected " + descriptor.digest.string() +
                    ", found " + found.string(),
                {.where = file.name, .hint = kAgain});
  return text;
}

std::unique_ptr<ImageFiles> directory_files(const fs::path& directory) {
  return std::make_unique<DirectoryFiles>(directory);
}

std::unique_ptr<ImageFiles> tar_files(const fs::path& file) {
  return std::make_unique<TarFiles>(file);
}

}  // namespace bottle::oci
