#include "image/stat_cache.hpp"

#include <algorithm>
#include <charconv>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

constexpr std::string_view kHeader = "bottle-stat-cache 2\n";
constexpr std::uint64_t kLimit = 1ull << 30;

template <typename Number>
bool take_number(std::string_view& line, Number& number) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || end == line.data() + line.size() || *end != ' ') return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()) + 1);
  return true;
}

// The words after the first.
bool take_xattrs(std::string_view line, FileContent& content) {
  for (std::size_t blank = line.find(' '); blank != std::string_view::npos; blank = line.find(' ')) {
    line.remove_prefix(blank + 1);
    const std::string_view word = line.substr(0, line.find(' '));
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return false;
    auto name = unescape_word(word.substr(0, equals));
    auto value = unescape_word(word.substr(equals + 1));
    if (!name || !value) return false;
    content.xattrs.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

template <typename Number>
void append_number(std::string& text, Number number) {
  char digits[24];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  text += ' ';
}

}  // namespace

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
  std::optional<std::string> text;
  try {
    text = read_file_if_exists(file_, kLimit);
  } catch (const Error&) {
    return;  // only a cache: without it every file is read
  }
  if (!text || !std::string_view(*text).starts_with(kHeader)) return;
  std::string_view rest = std::string_view(*text).substr(kHeader.size());
  decltype(records_) records;
  records.reserve(static_cast<std::size_t>(std::count(rest.begin(), rest.end(), '\n')));
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return;
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.starts_with("end ")) {
      if (rest.empty() && parse_unsigned(line.substr(4)) == records.size()) records_ = std::move(records);
      return;
    }
    Record record;
    FileStatus& status = record.status;
    if (!take_number(line, status.device) || !take_number(line, status.inode) ||
        !take_number(line, status.size) || !take_number(line, status.mtime_ns) ||
        !take_number(line, status.ctime_ns) || line.size() < 66)
      return;
    const auto digest = Digest::from_hex(line.substr(0, 64));
    line.remove_prefix(65);
    auto path = unescape_word(line.substr(0, line.find(' ')));
    if (!digest || !path || !take_xattrs(line, record.content)) return;
    record.content.digest = *digest;
    records.emplace(std::move(*path), std::move(record));
  }
}

const FileContent* StatCache::find(const std::string& path, const FileStatus& status) const {
  const auto found = records_.find(path);
  return found == records_.end() || !(found->second.status == status) ? nullptr : &found->second.content;
}

void StatCache::add(const std::string& path, const FileStatus& status, const FileContent& content,
                    std::int64_t read_at) {
  // ctime alone: every change moves it to the present, whatever mtime is set to.
  if (status.ctime_ns + kRacyWindow > read_at) return;
  records_[path] = {status, content};
  changed_ = true;
}

void StatCache::save() {
  if (!changed_) return;
  std::string text(kHeader);
  text.reserve(records_.size() * 180);
  for (const auto& [path, record] : records_) {
    append_number(text, record.status.device);
    append_number(text, record.status.inode);
    append_number(text, record.status.size);
    append_number(text, record.status.mtime_ns);
    append_number(text, record.status.ctime_ns);
    text += record.content.digest.hex();
    text += ' ';
    text += escape_word(path);
    for (const auto& [name, value] : record.content.xattrs)
      text += " " + escape_word(name) + "=" + escape_word(value);
    text += '\n';
  }
  text += "end " + std::to_string(records_.size()) + "\n";
  try {
    make_directories(file_.parent_path());
    write_file(file_, text, Durable::no);
  } catch (const Error&) {
    return;  // see the header
  }
  changed_ = false;
}

}  // namespace bottle::image
