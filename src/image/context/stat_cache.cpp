// SPDX-License-Identifier: Apache-2.0
#include "image/context/stat_cache.hpp"

#include <cstring>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::context {
namespace {

constexpr std::string_view kCacheMagic = "bottle-stat-cache 3\n";
constexpr std::uint64_t kCacheLimit = 1ull << 30;

struct CacheHeader {
  std::uint64_t count = 0;
  std::uint64_t text_size = 0;
  std::uint64_t check = 0;
};
constexpr std::size_t kBegin = kCacheMagic.size() + sizeof(CacheHeader);  // of the records

// Only against what a crash leaves, so it need not be a good one, but fast.
std::uint64_t check_sum(std::string_view data) {
  std::uint64_t sum = 0xcbf29ce484222325 ^ data.size();
  const auto add = [&sum](std::uint64_t word) {
    sum = (sum ^ word) * 0x9e3779b97f4a7c15;
    sum ^= sum >> 32;
  };
  for (; data.size() >= sizeof(std::uint64_t); data.remove_prefix(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, data.data(), sizeof word);
    add(word);
  }
  for (const char c : data)
    add(static_cast<unsigned char>(c));
  return sum;
}

bool parse_xattrs(std::string_view text, FileContent& content) {
  content.xattrs.clear();
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return false;
    auto name = unescape_word(word.substr(0, equals));
    auto value = unescape_word(word.substr(equals + 1));
    if (!name || !value) return false;
    content.xattrs.add(std::move(*name), std::move(*value));
  }
  return true;
}

std::string xattrs_text(const FileContent& content) {
  std::string text;
  for (const auto& [name, value] : content.xattrs)
    text += (text.empty() ? "" : " ") + escape_word(name) + "=" + escape_word(value);
  return text;
}

}  // namespace

struct StatCache::Record {
  FileStatus status;
  Digest digest;
  std::uint32_t text_begin = 0;
  std::uint32_t path_size = 0;
  std::uint32_t xattrs_size = 0;
  std::uint32_t zero = 0;
};

FileStatus FileStatus::of(const struct stat& status) {
  const auto nanoseconds = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .mtime_ns = nanoseconds(status.st_mtim),
          .ctime_ns = nanoseconds(status.st_ctim)};
}

StatCache::StatCache(const fs::path& store, const fs::path& root)
    : file_(store / "stat" / sha256(root.native()).hex()) {
  static_assert(sizeof(Record) == 88 && sizeof(Digest) == 32, "as the header of this file says");
  try {
    auto data = read_file_if_exists(file_, kCacheLimit);
    if (!data || data->size() < kBegin || !data->starts_with(kCacheMagic)) return;
    CacheHeader header;
    std::memcpy(&header, data->data() + kCacheMagic.size(), sizeof header);
    const std::uint64_t size = data->size() - kBegin;
    if (header.count > size / sizeof(Record) || size - header.count * sizeof(Record) != header.text_size ||
        check_sum(std::string_view(*data).substr(kBegin)) != header.check)
      return;
    data_ = std::move(*data);
    count_ = header.count;
  } catch (const Error&) {
    return;  // only a cache: without it every file is read
  }
}

StatCache::Record StatCache::record(std::size_t number) const {
  Record result;
  std::memcpy(static_cast<void*>(&result), data_.data() + kBegin + number * sizeof(Record), sizeof result);
  return result;
}

std::string_view StatCache::path_of(const Record& record) const {
  return std::string_view(data_).substr(kBegin + count_ * sizeof(Record) + record.text_begin,
                                        record.path_size);
}

std::string_view StatCache::xattrs_of(const Record& record) const {
  return std::string_view(data_).substr(
      kBegin + count_ * sizeof(Record) + record.text_begin + record.path_size, record.xattrs_size);
}

const FileContent* StatCache::find(const std::string& path, const FileStatus& status) const {
  if (!added_.empty()) {
    const auto added = added_.find(path);
    if (added != added_.end()) return added->second.first == status ? &added->second.second : nullptr;
  }
  if (next_ >= count_ || path_of(record(next_)) != path) {
    std::size_t begin = 0;
    for (std::size_t end = count_; begin < end;) {
      const std::size_t middle = begin + (end - begin) / 2;
      if (path_of(record(middle)) < path)
        begin = middle + 1;
      else
        end = middle;
    }
    next_ = begin;
    if (next_ == count_ || path_of(record(next_)) != path) return nullptr;
  }
  const Record known = record(next_++);
  if (!(known.status == status) || !parse_xattrs(xattrs_of(known), found_)) return nullptr;
  found_.digest = known.digest;
  return &found_;
}

void StatCache::add(const std::string& path, const FileStatus& status, const FileContent& content,
                    std::int64_t read_at) {
  // ctime alone: every change moves it to the present, whatever mtime is set to.
  if (status.ctime_ns + kRacyWindow > read_at) return;
  added_[path] = {status, content};
}

void StatCache::save() {
  if (added_.empty()) return;
  std::string whole(kCacheMagic);  // the header's place, then the records, then the text
  std::string text;
  whole.reserve(data_.size() + kBegin + added_.size() * (sizeof(Record) + 64));
  whole.resize(kBegin);
  text.reserve(data_.size() / 4 + added_.size() * 64);
  const auto append = [&](Record record, std::string_view path, std::string_view xattrs) {
    record.text_begin = static_cast<std::uint32_t>(text.size());
    record.path_size = static_cast<std::uint32_t>(path.size());
    record.xattrs_size = static_cast<std::uint32_t>(xattrs.size());
    whole.append(reinterpret_cast<const char*>(&record), sizeof record);
    text += path;
    text += xattrs;
  };
  auto added = added_.begin();
  const auto append_added = [&] {
    const auto& [path, what] = *added++;
    append({what.first, what.second.digest}, path, xattrs_text(what.second));
  };
  for (std::size_t number = 0; number < count_; ++number) {
    const Record known = record(number);
    const std::string_view path = path_of(known);
    while (added != added_.end() && added->first < path)
      append_added();
    if (added == added_.end() || added->first != path) append(known, path, xattrs_of(known));
  }
  while (added != added_.end())
    append_added();

  const std::uint64_t text_size = text.size();
  CacheHeader header{(whole.size() - kBegin) / sizeof(Record), text_size, 0};
  whole += text;
  text = {};
  header.check = check_sum(std::string_view(whole).substr(kBegin));
  whole.replace(kCacheMagic.size(), sizeof header, reinterpret_cast<const char*>(&header), sizeof header);
  try {
    make_directories(file_.parent_path());
    write_file(file_, whole, Durable::no);
  } catch (const Error&) {
    return;  // see the header; what was added is still known here
  }
  data_ = std::move(whole);
  count_ = header.count;
  next_ = 0;
  added_.clear();
}

}  // namespace bottle::image::context
