// SPDX-License-Identifier: Apache-2.0
#include "oci/tar_writer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "oci/tar_format.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::array<char, 2 * tar::kBlock> kZeros{};

char type_letter(EntryType type) {
  switch (type) {
    case EntryType::hardlink:
      return '1';
    case EntryType::symlink:
      return '2';
    case EntryType::char_device:
      return '3';
    case EntryType::block_device:
      return '4';
    case EntryType::directory:
      return '5';
    case EntryType::fifo:
      return '6';
    default:
      return '0';
  }
}

// A header block over the end of a string that it extends.
class HeaderBlock {
 public:
  explicit HeaderBlock(std::string& out) : out_(out), begin_(out.size()) { out.resize(begin_ + tar::kBlock); }

  void text(tar::Field field, std::string_view value) {
    std::copy_n(value.data(), std::min(value.size(), field.size), at(field));
  }

  static bool fits_octal(tar::Field field, std::int64_t value) {
    return value >= 0 && static_cast<std::uint64_t>(value) >> (3 * (field.size - 1)) == 0;
  }

  // Digits that fill the field up to a final NUL.
  void octal(tar::Field field, std::int64_t value) {
    auto rest = static_cast<std::uint64_t>(value);
    for (std::size_t i = field.size - 1; i-- > 0; rest >>= 3)
      at(field)[i] = static_cast<char>('0' + (rest & 7));
  }

  void octal_or_base256(tar::Field field, std::int64_t value) {
    if (fits_octal(field, value)) {
      octal(field, value);
      return;
    }
    auto rest = static_cast<std::uint64_t>(value);
    for (std::size_t i = field.size; i-- > 0;) {
      const bool beyond = field.size - 1 - i >= sizeof rest;
      at(field)[i] = static_cast<char>(beyond ? (value < 0 ? 0xff : 0) : rest & 0xff);
      if (!beyond) rest >>= 8;
    }
    *at(field) = static_cast<char>(*at(field) | '\x80');
  }

  void type(char letter) { out_[begin_ + tar::kType] = letter; }

  // Last: the sum of all bytes with the field itself as blanks.
  void checksum() {
    std::fill_n(at(tar::kChecksum), tar::kChecksum.size, ' ');
    unsigned sum = 0;
    for (std::size_t i = 0; i < tar::kBlock; ++i)
      sum += static_cast<unsigned char>(out_[begin_ + i]);
    octal({tar::kChecksum.offset, tar::kChecksum.size - 1}, sum);
    at(tar::kChecksum)[6] = '\0';
  }

 private:
  char* at(tar::Field field) { return out_.data() + begin_ + field.offset; }

  std::string& out_;
  std::size_t begin_;
};

// A long name or PAX header: a separate member before the one it describes.
void append_extension(std::string& out, std::string_view name, char type, std::string_view magic,
                      std::string_view data) {
  HeaderBlock block(out);
  block.text(tar::kName, name);
  block.octal(tar::kMode, 0644);
  block.octal(tar::kUid, 0);
  block.octal(tar::kGid, 0);
  block.octal(tar::kSize, static_cast<std::int64_t>(data.size()));
  block.octal(tar::kMtime, 0);
  block.type(type);
  block.text(tar::kMagic, magic);
  block.checksum();
  out += data;
  out += tar_padding(data.size());
}

void append_gnu_name(std::string& out, char type, std::string_view name) {
  append_extension(out, "././@LongLink", type, tar::kMagicGnu, std::string(name) + '\0');
}

// "<length> <key>=<value>\n", the length counting itself.
void append_record(std::string& out, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + std::to_string(rest).size();
  if (std::to_string(length).size() > std::to_string(rest).size()) ++length;
  out += std::to_string(length);
  out += ' ';
  out += key;
  out += '=';
  out += value;
  out += '\n';
}

struct Numbers {
  std::int64_t uid, gid, size, mtime;
};

void append_gnu(std::string& out, const Entry& entry, const std::string& name, const std::string& link,
                const Numbers& numbers) {
  if (link.size() >= tar::kLink.size) append_gnu_name(out, 'K', link);
  if (name.size() >= tar::kName.size) append_gnu_name(out, 'L', name);
  HeaderBlock block(out);
  // The field's own last byte stays NUL, for readers that expect a string.
  block.text(tar::kName, std::string_view(name).substr(0, tar::kName.size - 1));
  block.text(tar::kLink, std::string_view(link).substr(0, tar::kLink.size - 1));
  block.octal(tar::kMode, entry.mode);
  block.octal_or_base256(tar::kUid, numbers.uid);
  block.octal_or_base256(tar::kGid, numbers.gid);
  block.octal_or_base256(tar::kSize, numbers.size);
  block.octal_or_base256(tar::kMtime, numbers.mtime);
  block.octal_or_base256(tar::kDeviceMajor, entry.device_major);
  block.octal_or_base256(tar::kDeviceMinor, entry.device_minor);
  block.type(type_letter(entry.type));
  block.text(tar::kMagic, tar::kMagicGnu);
  block.checksum();
}

void append_pax(std::string& out, const Entry& entry, const std::string& name, const std::string& link,
                const Numbers& numbers) {
  std::string records;
  const auto number = [&](tar::Field field, const char* key, std::int64_t value) {
    if (HeaderBlock::fits_octal(field, value)) return value;
    append_record(records, key, std::to_string(value));
    return std::int64_t{0};
  };
  if (name.size() > tar::kName.size) append_record(records, "path", name);
  if (link.size() > tar::kLink.size) append_record(records, "linkpath", link);
  const std::int64_t size = number(tar::kSize, "size", numbers.size);
  const std::int64_t uid = number(tar::kUid, "uid", numbers.uid);
  const std::int64_t gid = number(tar::kGid, "gid", numbers.gid);
  const std::int64_t mtime = number(tar::kMtime, "mtime", numbers.mtime);
  for (const auto& [key, value] : entry.xattrs)
    append_record(records, std::string(tar::kPaxXattr) + key, value);
  if (!records.empty()) {
    // Only readers without PAX see this name.
    const std::string shown = "PaxHeaders/" + std::string(base_name(entry.path));
    append_extension(out, std::string_view(shown).substr(0, tar::kName.size), 'x', tar::kMagicUstar, records);
  }
  HeaderBlock block(out);
  block.text(tar::kName, name);
  block.text(tar::kLink, link);
  block.octal(tar::kMode, entry.mode);
  block.octal(tar::kUid, uid);
  block.octal(tar::kGid, gid);
  block.octal(tar::kSize, size);
  block.octal(tar::kMtime, mtime);
  // PAX has no keys for device numbers; Linux has 12 bits of major and 20 of minor, which fit.
  block.octal_or_base256(tar::kDeviceMajor, entry.device_major);
  block.octal_or_base256(tar::kDeviceMinor, entry.device_minor);
  block.type(type_letter(entry.type));
  block.text(tar::kMagic, tar::kMagicUstar);
  block.checksum();
}

std::string name_in_layer(const Entry& entry) {
  const std::string_view parent = parent_path(entry.path);
  const std::string_view base = base_name(entry.path);
  std::string name;
  if (entry.type == EntryType::opaque) {
    name = entry.path.empty() ? "" : entry.path + "/";
    name += tar::kOpaqueName;
    return name;
  }
  // (A whiteout of ".wh..opq" would read as the mark of an opaque directory.)
  if (base.starts_with(tar::kWhiteoutPrefix))
    throw Error(
        "\"" + escape_word(entry.path) +
            "\" cannot be stored in an OCI layer: a name that begins with \".wh.\" marks a deleted file",
        {.hint = "rename the file"});
  if (entry.type == EntryType::whiteout) {
    if (!parent.empty()) (name += parent) += '/';
    name += tar::kWhiteoutPrefix;
    name += base;
    return name;
  }
  name = entry.path;
  if (entry.type == EntryType::directory) name += name.empty() ? "./" : "/";
  return name;
}

std::string name_in_pack(const Entry& entry) {
  if (entry.type == EntryType::whiteout || entry.type == EntryType::opaque)
    throw Error("a pack cannot hold the whiteout of \"" + escape_word(entry.path) + "\"");
  std::string name = "./" + entry.path;
  if (entry.type == EntryType::directory && !entry.path.empty()) name += '/';
  return name;
}

}  // namespace

void append_tar_header(std::string& out, const Entry& entry, TarStyle style) {
  const bool pack = style == TarStyle::pack;
  const std::string name = pack ? name_in_pack(entry) : name_in_layer(entry);
  std::string link = entry.link.string();
  if (entry.type == EntryType::hardlink && pack) link = "./" + link;
  const std::uint64_t size = entry.type == EntryType::file ? entry.size : 0;
  if (size > INT64_MAX) throw Error("\"" + escape_word(entry.path) + "\" is too large for a tar archive");
  const Numbers numbers{entry.uid, entry.gid, static_cast<std::int64_t>(size), entry.mtime};
  if (pack)
    append_gnu(out, entry, name, link, numbers);
  else
    append_pax(out, entry, name, link, numbers);
}

std::string tar_header(const Entry& entry, TarStyle style) {
  std::string out;
  append_tar_header(out, entry, style);
  return out;
}

std::size_t tar_header_size(const Entry& entry, TarStyle style) {
  if (style != TarStyle::pack) return tar_header(entry, style).size();
  const auto extension = [](std::size_t length, tar::Field field) {
    return length < field.size ? 0 : tar::kBlock + length + 1 + tar::padding(length + 1);
  };
  const std::size_t name =
      2 + entry.path.size() + (entry.type == EntryType::directory && !entry.path.empty() ? 1 : 0);
  const std::size_t link = entry.link.size() + (entry.type == EntryType::hardlink ? 2 : 0);
  return tar::kBlock + extension(name, tar::kName) + extension(link, tar::kLink);
}

std::string_view tar_padding(std::uint64_t size) {
  return {kZeros.data(), tar::padding(size)};
}

std::string_view tar_end() {
  return {kZeros.data(), kZeros.size()};
}

void write_layer_tar(const LayerIndex& layer, const ContentReader& reader, const std::string& name,
                     const Sink& sink) {
  // Small things are gathered, so that the sink is not called for every header.
  constexpr std::size_t kGather = 128u << 10;
  std::string pending;
  const auto flush = [&] {
    if (!pending.empty()) sink(std::as_bytes(std::span(pending)));
    pending.clear();
  };
  for (const Entry& entry : layer.entries) {
    check_interrupted();
    try {
      append_tar_header(pending, entry, TarStyle::layer);
    } catch (const Error& error) {
      throw Error(error.message(), {.where = name, .hint = error.hint()});
    }
    if (entry.type == EntryType::file && entry.size > 0) {
      if (entry.size <= kGather) {
        const std::size_t begin = pending.size();
        pending.resize(begin + static_cast<std::size_t>(entry.size));
        reader.read_verified(entry, layer.roots, std::as_writable_bytes(std::span(pending).subspan(begin)));
      } else {
        flush();
        reader.read_verified(entry, layer.roots, sink);
      }
      pending += tar_padding(entry.size);
    }
    if (pending.size() >= kGather) flush();
  }
  pending += tar_end();
  flush();
}

}  // namespace bottle::oci
