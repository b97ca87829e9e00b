// SPDX-License-Identifier: Apache-2.0
#include "oci/tar_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "oci/sparse_map.hpp"
#include "oci/tar_format.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

// Of a long name or PAX block: far more than any path, and all xattrs of a file that Linux can hold.
constexpr std::uint64_t kMaximumExtension = 1u << 20;
constexpr std::size_t kBuffer = 256u << 10;
constexpr std::string_view kSparse = "GNU.sparse.";

using tar::Block;

// What PAX records and GNU long names say in place of the header's fields.
struct Extension {
  std::optional<std::string> path;
  std::optional<std::string> link;
  std::optional<std::string> gnu_path;
  std::optional<std::string> gnu_link;
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> uid;
  std::optional<std::uint64_t> gid;
  std::optional<std::int64_t> mtime;
  std::map<std::string, std::string> xattrs;
  tar::SparseRecords sparse;
};

}  // namespace

struct TarReader::State {
  Source source;
  std::string name;
  Whiteouts whiteouts;
  std::function<void(std::uint64_t)> skip;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBuffer);
  std::size_t begin = 0;
  std::size_t end = 0;
  bool source_ended = false;
  std::uint64_t offset = 0;     // of buffer[begin] in the archive
  std::uint64_t remaining = 0;  // of the current member's data
  std::optional<tar::SparseMap> sparse;
  std::size_t padding = 0;
  bool had_end_marker = false;
  bool finished = false;
  Sha256 hasher;

  [[noreturn]] void fail(const std::string& message, std::uint64_t at) const {
    throw Error("corrupt tar archive: " + message, {.where = name + ": offset " + std::to_string(at)});
  }
  [[noreturn]] void fail_truncated(const char* what) const {
    fail(std::string("truncated within ") + what, offset + (end - begin));
  }

  // The bytes at hand, at least one unless the archive is at its end.
  std::span<const std::byte> available() {
    if (begin == end && !source_ended) {
      begin = 0;
      end = source(buffer);
      source_ended = end < buffer.size();
    }
    return std::span<const std::byte>(buffer).subspan(begin, end - begin);
  }
  void consume(std::size_t count) {
    begin += count;
    offset += count;
  }

  // Up to `length` bytes to the sink; how many there were.
  std::uint64_t take(std::uint64_t length, const Sink& sink) {
    std::uint64_t done = 0;
    while (done < length) {
      const auto data = available();
      if (data.empty()) break;
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(length - done, data.size()));
      if (sink) sink(data.first(count));
      consume(count);
      done += count;
    }
    return done;
  }

  // False at a clean end.
  bool read_block(Block& block) {
    std::size_t done = 0;
    while (done < block.size()) {
      const auto data = available();
      if (data.empty() && done == 0) return false;
      if (data.empty()) fail_truncated("a header block");
      const std::size_t count = std::min(data.size(), block.size() - done);
      std::memcpy(block.data() + done, data.data(), count);
      consume(count);
      done += count;
    }
    return true;
  }

  void skip_data() {
    const std::uint64_t buffered = end - begin;
    if (skip && remaining > buffered && !source_ended) {
      consume(end - begin);
      skip(remaining - buffered);
      offset += remaining - buffered;
      remaining = 0;
    }
    if (take(remaining, {}) != remaining) fail_truncated("a member's data");
    remaining = 0;
    // Some writers leave out the padding of the last member; Go accepts that too.
    if (take(padding, {}) != padding) source_ended = true;
    padding = 0;
  }

  std::string read_extension(std::uint64_t size, std::uint64_t at) {
    if (size > kMaximumExtension)
      fail("a long name or extended header of " + std::to_string(size) + " bytes (at most " +
               std::to_string(kMaximumExtension) + " are accepted)",
           at);
    std::string text;
    text.reserve(static_cast<std::size_t>(size));
    const std::uint64_t done = take(size, [&](std::span<const std::byte> data) {
      text.append(reinterpret_cast<const char*>(data.data()), data.size());
    });
    if (done != size || take(tar::padding(size), {}) != tar::padding(size))
      fail_truncated("a long name or extended header");
    return text;
  }

  std::int64_t number(const Block& block, tar::Field field, const char* what, std::uint64_t at) const {
    const auto value = tar::parse_number(tar::bytes_of(block, field));
    if (!value)
      fail(std::string(what) + " is not a number: \"" + escape_word(tar::text_of(block, field)) + "\"", at);
    return *value;
  }

  std::uint64_t size_of(const Block& block, std::uint64_t at) const {
    const std::int64_t size = number(block, tar::kSize, "the size", at);
    if (size < 0) fail("the size is negative", at);
    return static_cast<std::uint64_t>(size);
  }

  template <typename Number>
  Number in_range(std::int64_t value, const char* what, std::uint64_t at) const {
    if (value < 0 || value > std::int64_t{std::numeric_limits<Number>::max()})
      fail(std::string(what) + " " + std::to_string(value) + " is out of range", at);
    return static_cast<Number>(value);
  }

  void apply_record(Extension& extension, std::string_view key, std::string_view value,
                    std::uint64_t at) const {
    const auto text = [&]() -> std::optional<std::string> {
      if (value.empty()) return std::nullopt;  // "the header's field counts"
      if (value.find('\0') != std::string_view::npos)
        fail("the extended header's " + std::string(key) + " contains a NUL byte", at);
      return std::string(value);
    };
    const auto unsigned_number = [&]() -> std::optional<std::uint64_t> {
      if (value.empty()) return std::nullopt;
      const auto parsed = parse_unsigned(value);
      if (!parsed || *parsed > INT64_MAX)
        fail("the extended header's " + std::string(key) + " is not a number in range", at);
      return parsed;
    };
    if (key == "path") {
      extension.path = text();
    } else if (key == "linkpath") {
      extension.link = text();
    } else if (key == "size") {
      extension.size = unsigned_number();
    } else if (key == "uid") {
      extension.uid = unsigned_number();
    } else if (key == "gid") {
      extension.gid = unsigned_number();
    } else if (key == "mtime") {
      extension.mtime = value.empty() ? std::nullopt : tar::parse_time(value);
      if (!value.empty() && !extension.mtime) fail("the extended header's mtime is not a time", at);
    } else if (key.starts_with(tar::kPaxXattr)) {
      const std::string_view xattr = key.substr(tar::kPaxXattr.size());
      if (xattr.empty()) fail("an extended attribute without a name", at);
      extension.xattrs[std::string(xattr)] = value;
    } else if (key.starts_with(kSparse)) {
      if (!extension.sparse.set(key.substr(kSparse.size()), value))
        fail("the extended header's " + std::string(key) + " is malformed", at);
    }
  }

  // Records "<length> <key>=<value>\n" whose length counts all of itself.
  void parse_records(std::string_view text, Extension& extension, std::uint64_t at) const {
    while (!text.empty()) {
      const std::size_t blank = text.find(' ');
      const auto length =
          blank == std::string_view::npos ? std::nullopt : parse_unsigned(text.substr(0, blank));
      if (!length || *length > text.size() || *length < blank + 3 || text[*length - 1] != '\n')
        fail("an extended header's record has a wrong length", at);
      const std::string_view record = text.substr(blank + 1, static_cast<std::size_t>(*length) - blank - 2);
      const std::size_t equals = record.find('=');
      if (equals == std::string_view::npos || equals == 0 ||
          record.substr(0, equals).find('\0') != std::string_view::npos)
        fail("an extended header's record is not <key>=<value>", at);
      apply_record(extension, record.substr(0, equals), record.substr(equals + 1), at);
      text.remove_prefix(static_cast<std::size_t>(*length));
    }
  }

  std::string name_of(const Block& block) const {
    std::string text(tar::text_of(block, tar::kName));
    if (tar::bytes_of(block, tar::kMagic) != tar::kMagicUstar) return text;
    const std::string_view prefix = tar::text_of(block, tar::kPrefix);
    return prefix.empty() ? text : std::string(prefix) + "/" + text;
  }

  EntryType type_of(char type, std::string_view member_name, std::uint64_t at) const {
    switch (type) {
      case '\0':
        return member_name.ends_with('/') ? EntryType::directory : EntryType::file;
      case '0':
      case '7':  // contiguous: a file
      case 'S':  // sparse, of GNU tar
        return EntryType::file;
      case '1':
        return EntryType::hardlink;
      case '2':
        return EntryType::symlink;
      case '3':
        return EntryType::char_device;
      case '4':
        return EntryType::block_device;
      case '5':
        return EntryType::directory;
      case '6':
        return EntryType::fifo;
      default:
        fail("\"" + escape_word(member_name) + "\" has the unknown type \"" +
                 escape_word(std::string_view(&type, 1)) + "\"",
             at);
    }
  }

  // Of the member's data `stored` bytes are left behind its map.
  void read_sparse_map(const Block& header, const Extension& extension, std::string_view member_name,
                       std::uint64_t& stored, std::uint64_t at) {
    const auto next = [&] {
      Block block;
      if (!read_block(block)) fail_truncated("the map of a sparse file");
      return block;
    };
    tar::SparseMap map;
    if (header[tar::kType] == 'S' && tar::bytes_of(header, tar::kMagic) != tar::kMagicGnu)
      fail("the sparse file \"" + escape_word(member_name) + "\" is not in a GNU header", at);
    const char* defect = header[tar::kType] == 'S' ? tar::read_gnu_map(header, next, map)
                                                   : tar::read_pax_map(extension.sparse, next, stored, map);
    if (defect == nullptr) defect = map.defect(stored);
    if (defect != nullptr) fail("the sparse file \"" + escape_word(member_name) + "\": " + defect, at);
    sparse = std::move(map);
  }

  void apply_whiteout(Entry& entry, std::uint64_t at) const {
    const std::string_view base = base_name(entry.path);
    if (!base.starts_with(tar::kWhiteoutPrefix)) return;
    std::string path(parent_path(entry.path));
    if (base == tar::kOpaqueName) {
      entry.type = EntryType::opaque;
    } else {
      const std::string_view hidden = base.substr(tar::kWhiteoutPrefix.size());
      if (hidden.empty() || hidden == "." || hidden == "..")
        fail("invalid whiteout name \"" + escape_word(base) + "\"", at);
      entry.type = EntryType::whiteout;
      if (!path.empty()) path += '/';
      path += hidden;
    }
    entry.path = std::move(path);
    // A mark has no attributes: the index is the same whatever the writer put there.
    entry.mode = 0;
    entry.uid = entry.gid = 0;
    entry.mtime = 0;
    entry.size = 0;
    entry.link.clear();
    entry.xattrs.clear();
    entry.device_major = entry.device_minor = 0;
  }

  TarMember member(const Block& block, Extension& extension, std::uint64_t first, std::uint64_t at) {
    TarMember result;
    result.header_offset = first;
    // As in Go, a GNU long name wins over PAX, and both over the header.
    result.raw_name = extension.sparse.name() ? *extension.sparse.name()
                      : extension.gnu_path    ? *extension.gnu_path
                      : extension.path        ? *extension.path
                                              : name_of(block);
    const std::string link = extension.gnu_link ? std::move(*extension.gnu_link)
                             : extension.link   ? std::move(*extension.link)
                                                : std::string(tar::text_of(block, tar::kLink));
    Entry& entry = result.entry;
    entry.type = type_of(block[tar::kType], result.raw_name, at);
    entry.mode = static_cast<std::uint16_t>(number(block, tar::kMode, "the mode", at) & 07777);
    entry.uid = id(block, tar::kUid, extension.uid, "the user", at);
    entry.gid = id(block, tar::kGid, extension.gid, "the group", at);
    entry.mtime = extension.mtime ? *extension.mtime : number(block, tar::kMtime, "the time", at);
    for (auto& [key, value] : extension.xattrs)
      entry.xattrs.add(key, std::move(value));

    const std::uint64_t size = extension.size ? *extension.size : size_of(block, at);
    if (size > static_cast<std::uint64_t>(INT64_MAX) - offset - tar::kBlock)
      fail("the size is out of range", at);
    if (entry.type == EntryType::file) {
      remaining = size;
      padding = tar::padding(size);
      result.is_sparse = block[tar::kType] == 'S' || extension.sparse.any();
      if (result.is_sparse) read_sparse_map(block, extension, result.raw_name, remaining, at);
      entry.size = sparse ? sparse->size : size;
    }
    result.data_offset = offset;
    entry.path = normalize_path(result.raw_name);
    if (const char* defect = path_defect(entry.path); defect != nullptr) fail(defect, at);
    set_details(block, entry, link, at);
    // Before whiteouts: ".wh..wh..opq" at the top is a mark for the root, not the root.
    result.ignored = entry.path.empty() && entry.type != EntryType::directory;
    if (whiteouts == Whiteouts::interpret) apply_whiteout(entry, at);
    return result;
  }

  std::uint32_t id(const Block& block, tar::Field field, const std::optional<std::uint64_t>& pax,
                   const char* what, std::uint64_t at) const {
    return in_range<std::uint32_t>(pax ? static_cast<std::int64_t>(*pax) : number(block, field, what, at),
                                   what, at);
  }

  void set_details(const Block& block, Entry& entry, const std::string& link, std::uint64_t at) const {
    switch (entry.type) {
      case EntryType::symlink:
        if (link.empty()) fail("the symbolic link \"" + escape_word(entry.path) + "\" has no target", at);
        if (link.size() > kMaximumPath)
          fail(
              "the target of the symbolic link \"" + escape_word(entry.path) + "\" is longer than 4095 bytes",
              at);
        if (link.find('\0') != std::string::npos)
          fail("the target of a symbolic link contains a NUL byte", at);
        entry.link = link;
        entry.mode = 0777;  // Linux knows no other
        break;
      case EntryType::hardlink:
        entry.link = normalize_path(link);
        if (const char* defect = path_defect(entry.link); defect != nullptr) fail(defect, at);
        if (entry.link.empty()) fail("the hard link \"" + escape_word(entry.path) + "\" has no target", at);
        break;
      case EntryType::char_device:
      case EntryType::block_device:
        entry.device_major = in_range<std::uint32_t>(number(block, tar::kDeviceMajor, "the major number", at),
                                                     "the major number", at);
        entry.device_minor = in_range<std::uint32_t>(number(block, tar::kDeviceMinor, "the minor number", at),
                                                     "the minor number", at);
        break;
      default:
        break;
    }
  }

  std::optional<TarMember> next() {
    if (finished) return std::nullopt;
    skip_data();
    sparse.reset();
    Extension extension;
    bool extended = false;
    const std::uint64_t first = offset;
    while (true) {
      const std::uint64_t at = offset;
      Block block;
      if (!read_block(block)) {
        if (extended) fail_truncated("a member: no header follows its extended header");
        finished = true;
        return std::nullopt;
      }
      if (tar::is_zero(block)) {
        if (extended) fail("the end marker follows an extended header", at);
        finished = true;
        // One block of zeros at the very end passes as the marker (GNU tar's "lone zero block").
        had_end_marker = read_block(block) ? tar::is_zero(block) : true;
        if (!had_end_marker) fail("expected a header after a block of zeros", at + tar::kBlock);
        return std::nullopt;
      }
      if (!tar::checksum_matches(block)) fail("a header's checksum is wrong", at);
      switch (block[tar::kType]) {
        case 'L':
        case 'K': {
          std::string text = read_extension(size_of(block, at), at);
          text.resize(std::min(text.find('\0'), text.size()));
          (block[tar::kType] == 'L' ? extension.gnu_path : extension.gnu_link) = std::move(text);
          extended = true;
          continue;
        }
        case 'x':
          // A second one replaces the first, as in Go.
          extension =
              Extension{.gnu_path = std::move(extension.gnu_path), .gnu_link = std::move(extension.gnu_link)};
          parse_records(read_extension(size_of(block, at), at), extension, at);
          extended = true;
          continue;
        case 'g': {
          Extension ignored;
          parse_records(read_extension(size_of(block, at), at), ignored, at);
          continue;
        }
        default:
          return member(block, extension, first, at);
      }
    }
  }
};

TarReader::TarReader(Source source, std::string name, Whiteouts whiteouts)
    : state_(std::make_unique<State>()) {
  state_->source = std::move(source);
  state_->name = std::move(name);
  state_->whiteouts = whiteouts;
}

TarReader::~TarReader() = default;
TarReader::TarReader(TarReader&&) noexcept = default;

std::optional<TarMember> TarReader::next() {
  return state_->next();
}

void TarReader::on_skip(std::function<void(std::uint64_t)> skip) {
  state_->skip = std::move(skip);
}

void TarReader::read_data(const Sink& sink) {
  const std::uint64_t size = std::exchange(state_->remaining, 0);
  const auto take = [&](std::uint64_t length) {
    if (state_->take(length, sink) != length) state_->fail_truncated("a member's data");
  };
  const auto sparse = std::exchange(state_->sparse, std::nullopt);
  if (!sparse) return take(size);
  const std::vector<std::byte> zeros(kBuffer);
  std::uint64_t at = 0;
  const auto fill = [&](std::uint64_t end) {
    while (sink && at < end) {
      check_interrupted();
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), end - at));
      sink(std::span(zeros).first(count));
      at += count;
    }
  };
  for (const tar::Extent& extent : sparse->extents) {
    fill(extent.offset);
    take(extent.size);
    at = extent.offset + extent.size;
  }
  fill(sparse->size);
}

Digest TarReader::hash_data() {
  static const Digest kEmpty = sha256(std::string_view());
  if (state_->remaining == 0 && (!state_->sparse || state_->sparse->size == 0)) return kEmpty;
  read_data([&](std::span<const std::byte> data) { state_->hasher.update(data); });
  return state_->hasher.finish();
}

void TarReader::drain() {
  state_->take(UINT64_MAX, {});
}

std::uint64_t TarReader::offset() const {
  return state_->offset;
}

bool TarReader::had_end_marker() const {
  return state_->had_end_marker;
}

}  // namespace bottle::oci
