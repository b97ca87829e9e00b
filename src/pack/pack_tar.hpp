// SPDX-License-Identifier: Apache-2.0
// Reading the tars inside a pack, strictly: a pack is damaged where smolvm's readers would guess.
//
// Unlike oci/tar_reader.hpp, which is as lenient with layers as container engines are, this reads GNU sparse
// members (smolvm's disk templates), keeps names as written, asks for the end marker and for zeros after it,
// and counts entries and sizes against the limits of smolvm. Source: POSIX.1-2017 pax "ustar Interchange
// Format"; GNU tar manual "Basic Tar Format".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "oci/stream.hpp"

namespace bottle::pack {

enum class TarType { file, directory, symlink, hardlink, char_device, block_device, fifo, other };

struct TarItem {
  TarType type = TarType::file;
  std::string name;  // as written
  std::string link;
  std::uint32_t mode = 0;  // 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime = 0;
  std::uint64_t size = 0;  // of a file, holes included
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint64_t offset = 0;  // of the header in its tar
};

class PackTar {
 public:
  // `name` is for errors: "<name>: offset <n>".
  PackTar(oci::Source source, std::string name);

  // The next member; the data of the last one is skipped. nullopt after the end marker, when the source has
  // been read to its end.
  std::optional<TarItem> next();
  // Content of the member: fewer bytes than asked for only at its end.
  std::size_t read(std::span<std::byte> data);
  // The same as a source, valid until next().
  oci::Source content();

  std::uint64_t entries() const { return entries_; }
  std::uint64_t bytes() const { return bytes_; }  // sum of the members' sizes
  [[noreturn]] void fail(std::uint64_t offset, const std::string& message) const;

 private:
  struct Extended;  // what long-name and PAX records say about the next header

  bool read_block(std::span<std::byte> block, const char* what, bool end_is_allowed);
  std::string read_text(std::uint64_t size, const char* what);
  void skip(std::uint64_t size);
  void finish();
  void read_pax(const std::string& text, std::uint64_t offset, Extended& extended) const;
  void read_sparse_map(std::span<const std::byte> block, std::uint64_t stored, TarItem& item);
  TarItem make_item(std::span<const std::byte> block, char type, std::uint64_t stored, Extended&& extended);

  oci::Source source_;
  std::string name_;
  std::uint64_t offset_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  bool done_ = false;

  std::uint64_t stored_ = 0;   // bytes of the member's data not read yet
  std::uint64_t padding_ = 0;  // after them
  std::uint64_t size_ = 0;     // of the content, holes included
  std::uint64_t position_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> extents_;  // offset, length; of a sparse member
  std::size_t extent_ = 0;
  bool sparse_ = false;
};

// The components of a member's name joined by '/', without "." and empty ones; "" for the root. Throws for a
// name smolvm refuses or skips: absolute, or with "..".
std::string member_path(const PackTar& tar, const TarItem& item);
// The same for the target of a hard link.
std::string hardlink_path(const PackTar& tar, const TarItem& item);
const char* type_name(TarType type);

}  // namespace bottle::pack
