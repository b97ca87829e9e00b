// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_tar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "oci/tar_format.hpp"
#include "pack/limits.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

namespace tar = oci::tar;

constexpr std::uint64_t kMaximumRecord = 1u << 20;  // bytes of a long name or PAX record
constexpr std::size_t kMaximumExtents = 1u << 20;   // data areas of a sparse member

constexpr std::size_t kMaximumPath = 4096;  // Linux's PATH_MAX

constexpr std::size_t kSparseMap = 386;  // 4 pairs of numbers of 12 bytes
constexpr std::size_t kSparseMapLength = 4;
constexpr std::size_t kSparseMore = 482;
constexpr tar::Field kSparseSize{483, 12};
constexpr std::size_t kSparseBlockLength = 21;  // pairs of an extension block
constexpr std::size_t kSparseBlockMore = 504;

using Block = std::span<const std::byte>;

std::string_view bytes_of(Block block, tar::Field field) {
  return {reinterpret_cast<const char*>(block.data()) + field.offset, field.size};
}

std::string text_of(Block block, tar::Field field) {
  const std::string_view bytes = bytes_of(block, field);
  return std::string(bytes.substr(0, bytes.find('\0')));
}

// Octal with blanks and NULs around it, or base 256 (then possibly negative). nullopt if it is neither.
std::optional<std::int64_t> number_of(Block block, tar::Field field) {
  const std::string_view bytes = bytes_of(block, field);
  const auto first = static_cast<unsigned char>(bytes[0]);
  if (first & 0x80u) {
    const bool negative = (first & 0x40u) != 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(i == 0 ? (first & 0x7fu) | (negative ? 0x80u : 0u)
                                                          : static_cast<unsigned char>(bytes[i]));
      const std::uint64_t high = value >> 55;  // must be all sign before it is shifted out
      if (high != (negative ? 0x1ffu : 0u)) return std::nullopt;
      value = value << 8 | byte;
    }
    return static_cast<std::int64_t>(value);
  }
  std::size_t begin = bytes.find_first_not_of(' ');
  if (begin == std::string_view::npos) return 0;
  std::size_t end = bytes.find_first_of(std::string_view(" \0", 2), begin);
  if (end == std::string_view::npos) end = bytes.size();
  if (begin == end) return 0;
  if (bytes.find_first_not_of(std::string_view(" \0", 2), end) != std::string_view::npos) return std::nullopt;
  const auto value = parse_unsigned(bytes.substr(begin, end - begin), 8);
  if (!value || *value > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

bool checksum_is_right(Block block) {
  std::int64_t of_unsigned = 0;
  std::int64_t of_signed = 0;  // what some old programs wrote
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= tar::kChecksum.offset && i < tar::kChecksum.offset + tar::kChecksum.size;
    const auto byte = own ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(block[i]);
    of_unsigned += byte;
    of_signed += static_cast<std::int8_t>(byte);
  }
  const std::optional<std::int64_t> written = number_of(block, tar::kChecksum);
  return written && (*written == of_unsigned || *written == of_signed);
}

bool is_zero(Block block) {
  return std::ranges::all_of(block, [](std::byte byte) { return byte == std::byte{0}; });
}

std::string safe_path(const PackTar& tar, const TarItem& item, const std::string& text, const char* what) {
  if (text.starts_with('/'))
    tar.fail(item.offset, fmt::format("the {} \"{}\" is absolute: smolvm refuses the whole pack", what,
                                      escape_word(text.substr(0, 200))));
  if (text.size() > kMaximumPath)
    tar.fail(item.offset,
             fmt::format("a {} of {} bytes: expected at most {}", what, text.size(), kMaximumPath));
  std::string path;
  for (const std::string_view part : split(text, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..")
      tar.fail(item.offset,
               fmt::format("the {} \"{}\" contains \"..\"", what, escape_word(text.substr(0, 200))));
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

}  // namespace

struct PackTar::Extended {
  std::optional<std::string> name;
  std::optional<std::string> link;
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> uid;
  std::optional<std::uint64_t> gid;
  std::optional<std::int64_t> mtime;
};

PackTar::PackTar(oci::Source source, std::string name) : source_(std::move(source)), name_(std::move(name)) {}

void PackTar::fail(std::uint64_t offset, const std::string& message) const {
  throw Error(message, {.where = fmt::format("{}: offset {}", name_, offset)});
}

bool PackTar::read_block(std::span<std::byte> block, const char* what, bool end_is_allowed) {
  const std::size_t count = source_(block);
  if (count == 0 && end_is_allowed) return false;
  if (count < block.size())
    fail(offset_ + count, fmt::format("the tar is truncated: expected {}, found the end", what));
  offset_ += count;
  return true;
}

void PackTar::skip(std::uint64_t size) {
  std::array<std::byte, 64u << 10> buffer;
  while (size > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer.size()));
    read_block(std::span(buffer).first(part), "the rest of a member", false);
    size -= part;
  }
}

std::string PackTar::read_text(std::uint64_t size, const char* what) {
  if (size > kMaximumRecord)
    fail(offset_, fmt::format("{} of {} bytes: expected at most {}", what, size, kMaximumRecord));
  std::string text(static_cast<std::size_t>(size), '\0');
  read_block(std::as_writable_bytes(std::span(text)), what, false);
  skip(tar::padding(size));
  return text;
}

void PackTar::finish() {
  done_ = true;
  std::array<std::byte, 64u << 10> buffer;
  std::uint64_t padding = 0;
  while (const std::size_t count = source_(buffer)) {
    if (!is_zero(std::span(buffer).first(count)))
      fail(offset_, "data after the end marker of the tar: expected zeros or nothing");
    padding += count;
    offset_ += count;
    if (padding > kMaximumArchivePadding)
      fail(offset_,
           fmt::format("more than {} bytes after the end marker of the tar", kMaximumArchivePadding));
  }
}

void PackTar::read_pax(const std::string& text, std::uint64_t offset, Extended& extended) const {
  std::string_view rest = text;
  while (!rest.empty()) {
    // "<length> <key>=<value>\n", the length counting itself.
    const std::size_t blank = rest.find(' ');
    const auto length = parse_unsigned(rest.substr(0, blank == std::string_view::npos ? 0 : blank));
    if (!length || *length > rest.size() || *length < blank + 2 || rest[*length - 1] != '\n')
      fail(offset, "a PAX record of another length than it declares");
    const std::string_view record = rest.substr(blank + 1, *length - blank - 2);
    rest.remove_prefix(*length);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) fail(offset, "a PAX record without '='");
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    const auto number = [&] {
      const auto parsed = parse_unsigned(value.substr(0, value.find('.')));
      if (!parsed)
        fail(offset, fmt::format("PAX {}: expected a number, found \"{}\"", key, escape_word(value)));
      return *parsed;
    };
    if ((key == "path" || key == "linkpath") && value.find('\0') != std::string_view::npos)
      fail(offset, fmt::format("PAX {}: a name with a NUL byte", key));
    if (key == "path")
      extended.name = value;
    else if (key == "linkpath")
      extended.link = value;
    else if (key == "size")
      extended.size = number();
    else if (key == "uid")
      extended.uid = number();
    else if (key == "gid")
      extended.gid = number();
    else if (key == "mtime" && !value.starts_with('-'))
      extended.mtime = static_cast<std::int64_t>(std::min<std::uint64_t>(number(), INT64_MAX));
    else if (key.starts_with("GNU.sparse."))
      fail(offset, "a sparse member in PAX form: expected old GNU form, the only one smolvm reads");
  }
}

void PackTar::read_sparse_map(Block block, std::uint64_t stored, TarItem& item) {
  const std::optional<std::int64_t> size = number_of(block, kSparseSize);
  if (!size || *size < 0) fail(item.offset, "a sparse member without a valid size");
  item.size = static_cast<std::uint64_t>(*size);
  std::uint64_t total = 0;
  std::uint64_t end = 0;
  const auto take = [&](Block from, std::size_t at, std::size_t pairs) {
    for (std::size_t i = 0; i < pairs; ++i) {
      const std::size_t place = at + i * 24;
      if (from[place + 12] == std::byte{0}) return;  // an unused pair
      const std::optional<std::int64_t> begin = number_of(from, {place, 12});
      const std::optional<std::int64_t> length = number_of(from, {place + 12, 12});
      if (!begin || !length || *begin < 0 || *length < 0)
        fail(item.offset, "a sparse map with an invalid number");
      const auto first = static_cast<std::uint64_t>(*begin);
      const auto count = static_cast<std::uint64_t>(*length);
      if (first < end || first > item.size || count > item.size - first)
        fail(item.offset,
             fmt::format("a sparse map with data at {} + {} in a file of {} bytes after data up to {}", first,
                         count, item.size, end));
      end = first + count;
      total += count;
      if (count > 0) extents_.emplace_back(first, count);
      if (extents_.size() > kMaximumExtents) fail(item.offset, "a sparse map with too many parts");
    }
  };
  take(block, kSparseMap, kSparseMapLength);
  bool more = block[kSparseMore] != std::byte{0};
  while (more) {
    std::array<std::byte, tar::kBlock> extension;
    read_block(extension, "a sparse map", false);
    take(extension, 0, kSparseBlockLength);
    more = extension[kSparseBlockMore] != std::byte{0};
    if (offset_ - item.offset > kMaximumExtents * 32) fail(item.offset, "a sparse map with too many blocks");
  }
  if (total != stored)
    fail(item.offset, fmt::format("a sparse map of {} bytes of data in a member of {}", total, stored));
  sparse_ = true;
}

TarItem PackTar::make_item(Block block, char type, std::uint64_t stored, Extended&& extended) {
  TarItem item;
  item.offset = offset_ - tar::kBlock;
  const auto field = [&](tar::Field place, std::uint64_t maximum, const char* what) {
    const std::optional<std::int64_t> value = number_of(block, place);
    if (!value || *value < 0 || static_cast<std::uint64_t>(*value) > maximum)
      fail(item.offset, fmt::format("the {} of a member is not a valid number", what));
    return static_cast<std::uint64_t>(*value);
  };
  item.mode = static_cast<std::uint32_t>(field(tar::kMode, INT64_MAX, "mode") & 07777u);
  item.uid = static_cast<std::uint32_t>(extended.uid ? *extended.uid : field(tar::kUid, UINT32_MAX, "owner"));
  item.gid = static_cast<std::uint32_t>(extended.gid ? *extended.gid : field(tar::kGid, UINT32_MAX, "group"));
  if ((extended.uid && *extended.uid > UINT32_MAX) || (extended.gid && *extended.gid > UINT32_MAX))
    fail(item.offset, "the owner of a member is out of range");
  if (extended.mtime) {
    item.mtime = *extended.mtime;
  } else if (const auto mtime = number_of(block, tar::kMtime)) {
    item.mtime = *mtime;
  } else {
    fail(item.offset, "the time of a member is not a valid number");
  }
  if (extended.name) {
    item.name = std::move(*extended.name);
  } else {
    item.name = text_of(block, tar::kName);
    // The field after the numbers holds more of the name in POSIX headers, other things in GNU headers.
    if (bytes_of(block, tar::kMagic).starts_with(std::string_view("ustar\0", 6)))
      if (const std::string prefix = text_of(block, tar::kPrefix); !prefix.empty())
        item.name = prefix + "/" + item.name;
  }
  item.link = extended.link ? std::move(*extended.link) : text_of(block, tar::kLink);
  if (item.name.empty()) fail(item.offset, "a member without a name");

  switch (type) {
    case '\0':
    case '0':
    case '7':
    case 'S':
      item.type = TarType::file;
      break;
    case '1':
      item.type = TarType::hardlink;
      break;
    case '2':
      item.type = TarType::symlink;
      break;
    case '3':
      item.type = TarType::char_device;
      break;
    case '4':
      item.type = TarType::block_device;
      break;
    case '5':
      item.type = TarType::directory;
      break;
    case '6':
      item.type = TarType::fifo;
      break;
    default:
      item.type = TarType::other;
  }
  if (item.type == TarType::char_device || item.type == TarType::block_device) {
    item.device_major = static_cast<std::uint32_t>(field(tar::kDeviceMajor, UINT32_MAX, "device number"));
    item.device_minor = static_cast<std::uint32_t>(field(tar::kDeviceMinor, UINT32_MAX, "device number"));
  }
  const bool has_data = item.type == TarType::file || item.type == TarType::other;
  if (!has_data && stored != 0)
    fail(item.offset, fmt::format("a {} with {} bytes of data: expected none", type_name(item.type), stored));
  if ((item.type == TarType::symlink || item.type == TarType::hardlink) && item.link.empty())
    fail(item.offset, "a link without a target");
  if (item.type == TarType::file && item.name.ends_with('/')) {
    // Before POSIX, this was how directories were written.
    if (stored != 0) fail(item.offset, "a file whose name ends in '/'");
    item.type = TarType::directory;
  }
  item.size = stored;
  if (type == 'S') read_sparse_map(block, stored, item);
  return item;
}

std::optional<TarItem> PackTar::next() {
  if (done_) return std::nullopt;
  skip(stored_);
  skip(padding_);
  stored_ = padding_ = size_ = position_ = 0;
  extents_.clear();
  extent_ = 0;
  sparse_ = false;

  Extended extended;
  bool pending = false;  // a record waits for the member it belongs to
  std::uint64_t records = 0;
  for (;;) {
    std::array<std::byte, tar::kBlock> block;
    if (!read_block(block, "a header", !pending))
      fail(offset_, "the tar is truncated: expected a header or the end marker, found the end");
    const std::uint64_t at = offset_ - block.size();
    if (is_zero(block)) {
      if (pending) fail(at, "the tar ends after a name record: expected the member it belongs to");
      read_block(block, "the second block of the end marker", false);
      if (!is_zero(block)) fail(at, "a single block of zeros: expected two at the end, none before");
      finish();
      return std::nullopt;
    }
    if (!checksum_is_right(block)) fail(at, "not a tar header: its checksum is wrong");
    const std::optional<std::int64_t> size = number_of(block, tar::kSize);
    if (!size || *size < 0) fail(at, "the size of a member is not a valid number");
    std::uint64_t stored = static_cast<std::uint64_t>(*size);
    const char type = static_cast<char>(block[tar::kType]);
    if (type == 'L' || type == 'K' || type == 'x' || type == 'g') {
      const std::string text = read_text(stored, "a name record");
      if (type == 'x') read_pax(text, at, extended);
      if (type == 'L') extended.name = text.substr(0, text.find('\0'));
      if (type == 'K') extended.link = text.substr(0, text.find('\0'));
      pending = pending || type != 'g';
      if (++records > 16) fail(at, "more than 16 name records before a member");
      continue;
    }
    if (extended.size) stored = *extended.size;
    TarItem item = make_item(block, type, stored, std::move(extended));
    if (++entries_ > kMaximumEntries)
      fail(item.offset, fmt::format("more than {} entries: smolvm refuses the whole pack", kMaximumEntries));
    if (item.size > kMaximumArchiveBytes || stored > kMaximumArchiveBytes ||
        bytes_ > kMaximumArchiveBytes - item.size)
      fail(item.offset, fmt::format("more than {} of data: smolvm refuses the whole pack",
                                    human_size(kMaximumArchiveBytes)));
    bytes_ += item.size;
    stored_ = stored;
    padding_ = tar::padding(stored);
    size_ = item.size;
    return item;
  }
}

std::size_t PackTar::read(std::span<std::byte> data) {
  std::size_t done = 0;
  while (done < data.size() && position_ < size_) {
    std::uint64_t part = std::min<std::uint64_t>(data.size() - done, size_ - position_);
    bool hole = false;
    if (sparse_) {
      while (extent_ < extents_.size() && position_ >= extents_[extent_].first + extents_[extent_].second)
        ++extent_;
      if (extent_ == extents_.size()) {
        hole = true;
      } else if (position_ < extents_[extent_].first) {
        hole = true;
        part = std::min(part, extents_[extent_].first - position_);
      } else {
        part = std::min(part, extents_[extent_].first + extents_[extent_].second - position_);
      }
    }
    const std::span<std::byte> piece = data.subspan(done, static_cast<std::size_t>(part));
    if (hole) {
      std::memset(piece.data(), 0, piece.size());
    } else {
      read_block(piece, "the content of a member", false);
      stored_ -= part;
    }
    position_ += part;
    done += piece.size();
  }
  return done;
}

oci::Source PackTar::content() {
  return [this](std::span<std::byte> data) { return read(data); };
}

std::string member_path(const PackTar& tar, const TarItem& item) {
  return safe_path(tar, item, item.name, "name");
}

std::string hardlink_path(const PackTar& tar, const TarItem& item) {
  return safe_path(tar, item, item.link, "hard link target");
}

const char* type_name(TarType type) {
  switch (type) {
    case TarType::file:
      return "file";
    case TarType::directory:
      return "directory";
    case TarType::symlink:
      return "symlink";
    case TarType::hardlink:
      return "hardlink";
    case TarType::char_device:
      return "char";
    case TarType::block_device:
      return "block";
    case TarType::fifo:
      return "fifo";
    case TarType::other:
      break;
  }
  return "other";
}

}  // namespace bottle::pack
