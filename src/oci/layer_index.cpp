// SPDX-License-Identifier: Apache-2.0
#include "oci/layer_index.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::string_view kHeader = "bottle-layer-index 1";
// In the order of EntryType.
constexpr std::string_view kLetters = "fdlhcbpwo";

enum class Places { yes, no };

void append_escaped(std::string& out, std::string_view text) {
  const auto plain = [](char c) {
    const auto code = static_cast<unsigned char>(c);
    return code > ' ' && code != 0x7f && c != '%' && c != '=';
  };
  if (std::all_of(text.begin(), text.end(), plain))
    out += text;
  else
    out += escape_word(text);
}

void append_entry(std::string& out, const Entry& entry, Places places) {
  out += kLetters[static_cast<std::size_t>(entry.type)];
  out += ' ';
  append_number(out, entry.mode, 8);
  out += ' ';
  append_number(out, entry.uid);
  out += ' ';
  append_number(out, entry.gid);
  out += ' ';
  append_number(out, entry.mtime);
  out += ' ';
  append_escaped(out, entry.path.empty() ? std::string_view(".") : entry.path);
  switch (entry.type) {
    case EntryType::file:
      out += ' ';
      append_number(out, entry.size);
      out += ' ';
      entry.digest.append_hex(out);
      break;
    case EntryType::symlink:
    case EntryType::hardlink:
      out += ' ';
      append_escaped(out, entry.link);
      break;
    case EntryType::char_device:
    case EntryType::block_device:
      out += ' ';
      append_number(out, entry.device_major);
      out += ' ';
      append_number(out, entry.device_minor);
      break;
    default:
      break;
  }
  for (const auto& [name, value] : entry.xattrs) {
    out += " x:";
    append_escaped(out, name);
    out += '=';
    append_escaped(out, value);
  }
  if (places == Places::yes && entry.place.root != Place::kNone) {
    out += " @";
    append_number(out, entry.place.root);
    out += ':';
    append_number(out, entry.place.offset);
    out += ':';
    append_escaped(out, entry.place.path);
  }
  out += '\n';
}

// The words of one line, taken from the left.
class Line {
 public:
  Line(std::string_view text, const std::string& name, std::size_t number)
      : rest_(text), name_(name), number_(number) {}

  bool at_end() const { return ended_; }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

  std::string_view word(const char* what) {
    if (ended_) fail(std::string(what) + " is missing");
    const std::size_t blank = rest_.find(' ');
    const std::string_view word = rest_.substr(0, blank);
    ended_ = blank == std::string_view::npos;
    rest_.remove_prefix(ended_ ? rest_.size() : blank + 1);
    return word;
  }

  template <typename Number>
  Number number(const char* what, Number maximum = std::numeric_limits<Number>::max(), int base = 10) {
    return number_of<Number>(word(what), what, maximum, base);
  }

  template <typename Number>
  Number number_of(std::string_view text, const char* what,
                   Number maximum = std::numeric_limits<Number>::max(), int base = 10) const {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size() || value > maximum)
      fail(std::string(what) + " is not a number in range: \"" + std::string(text) + "\"");
    return value;
  }

  std::string unescape(std::string_view word, const char* what) const {
    auto text = unescape_word(word);
    if (!text) fail(std::string(what) + " has an invalid escape: \"" + std::string(word) + "\"");
    return std::move(*text);
  }

  SharedText text(std::string_view word, const char* what) const {
    return word.find('%') == std::string_view::npos ? SharedText(word) : SharedText(unescape(word, what));
  }

  std::string path(const char* what) {
    std::string text = unescape(word(what), what);
    if (text == ".") return {};
    if (text.empty() || !is_entry_path(text))
      fail(std::string(what) + " is not a normal relative path: \"" + escape_word(text) + "\"");
    return text;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error("corrupt layer index: " + message, {.where = name_ + ":" + std::to_string(number_)});
  }

 private:
  std::string_view rest_;
  const std::string& name_;
  std::size_t number_;
  bool ended_ = false;
};

void parse_xattr(Line& line, Entry& entry) {
  std::string_view word = line.word("an extended attribute");
  if (!word.starts_with("x:")) line.fail("an extended attribute does not begin with x:");
  word.remove_prefix(2);
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0)
    line.fail("an extended attribute is not <name>=<value>");
  std::string name = line.unescape(word.substr(0, equals), "the name of an extended attribute");
  if (!entry.xattrs.empty() && entry.xattrs.back().first >= name)
    line.fail("the extended attributes are not sorted by name");
  entry.xattrs.add(std::move(name),
                   line.unescape(word.substr(equals + 1), "the value of an extended attribute"));
}

void parse_place(Line& line, Entry& entry, std::size_t roots) {
  const std::string_view word = line.word("the place").substr(1);
  const std::size_t first = word.find(':');
  const std::size_t second = first == std::string_view::npos ? first : word.find(':', first + 1);
  if (second == std::string_view::npos) line.fail("the place is not @<root>:<offset>:<path>");
  entry.place.root = line.number_of<std::uint32_t>(word.substr(0, first), "the place's root");
  if (entry.place.root >= roots) line.fail("the place names a root that is not in the table");
  entry.place.offset =
      line.number_of<std::uint64_t>(word.substr(first + 1, second - first - 1), "the place's offset");
  entry.place.path = line.text(word.substr(second + 1), "the place's path");
  if (!is_entry_path(entry.place.path)) line.fail("the place's path is not a normal relative path");
}

Entry parse_entry(Line& line, std::size_t roots) {
  Entry entry;
  const std::string_view letter = line.word("the type");
  const std::size_t type = letter.size() == 1 ? kLetters.find(letter[0]) : std::string_view::npos;
  if (type == std::string_view::npos) line.fail("unknown type \"" + std::string(letter) + "\"");
  entry.type = static_cast<EntryType>(type);
  entry.mode = line.number<std::uint16_t>("the mode", 07777, 8);
  entry.uid = line.number<std::uint32_t>("the user");
  entry.gid = line.number<std::uint32_t>("the group");
  entry.mtime = line.number<std::int64_t>("the time");
  entry.path = line.path("the path");
  if (entry.path.empty() && entry.type != EntryType::directory && entry.type != EntryType::opaque)
    line.fail("the root is not a directory");
  switch (entry.type) {
    case EntryType::file: {
      entry.size = line.number<std::uint64_t>("the size");
      const auto digest = Digest::from_hex(line.word("the digest"));
      if (!digest) line.fail("the digest is not 64 hex digits");
      entry.digest = *digest;
      break;
    }
    case EntryType::symlink:
      entry.link = line.text(line.word("the link"), "the link");
      if (entry.link.empty() || entry.link.size() > kMaximumPath ||
          entry.link.view().find('\0') != std::string_view::npos)
        line.fail("the link is empty, too long or contains a NUL byte");
      break;
    case EntryType::hardlink:
      entry.link = line.path("the link");
      if (entry.link.empty()) line.fail("a hard link to the root directory");
      break;
    case EntryType::char_device:
    case EntryType::block_device:
      entry.device_major = line.number<std::uint32_t>("the major number");
      entry.device_minor = line.number<std::uint32_t>("the minor number");
      break;
    default:
      break;
  }
  while (!line.at_end() && line.peek() == 'x')
    parse_xattr(line, entry);
  if (!line.at_end() && line.peek() == '@') parse_place(line, entry, roots);
  if (!line.at_end()) line.fail("more words than expected");
  return entry;
}

}  // namespace

namespace {

std::string head(const std::vector<std::string>& roots) {
  std::string text(kHeader);
  text += '\n';
  for (const std::string& name : roots) {
    text += "root ";
    append_escaped(text, name);
    text += '\n';
  }
  return text;
}

Digest digest_of_lines(std::string buffer, const std::vector<Entry>& entries, Places places) {
  Sha256 hasher;
  for (const Entry& entry : entries) {
    append_entry(buffer, entry, places);
    if (buffer.size() >= 64u << 10) {
      hasher.update(buffer);
      buffer.clear();
    }
  }
  hasher.update(buffer);
  return hasher.finish();
}

// Words of an entry that are always there, up to and with those that its type adds.
std::ptrdiff_t fixed_words(char letter) {
  switch (letter) {
    case 'f':
    case 'c':
    case 'b':
      return 8;
    case 'l':
    case 'h':
      return 7;
    default:
      return 6;
  }
}

// The line of an entry without its place, which is the last word and begins with '@', as names may too.
std::string_view without_place(std::string_view line) {
  const std::size_t blank = line.rfind(' ');
  if (blank == std::string_view::npos || !line.substr(blank + 1).starts_with('@')) return line;
  const std::string_view rest = line.substr(0, blank);
  const bool is_place = std::count(rest.begin(), rest.end(), ' ') + 1 >= fixed_words(line.front());
  return is_place ? rest : line;
}

}  // namespace

Digest LayerIndex::digest() const {
  return digest_of_lines(head({}), entries, Places::no);
}

Digest LayerIndex::digest_with_places() const {
  return digest_of_lines(head(roots), entries, Places::yes);
}

Digest LayerIndex::digest_of(std::string_view text) {
  constexpr std::size_t kGather = 64u << 10;
  Sha256 hasher;
  std::string buffer;
  buffer.reserve(kGather + 2 * kMaximumPath);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("root ")) continue;
    buffer += without_place(line);
    buffer += '\n';
    if (buffer.size() >= kGather) {
      hasher.update(buffer);
      buffer.clear();
    }
  }
  hasher.update(buffer);
  return hasher.finish();
}

std::string LayerIndex::serialize() const {
  std::string text;
  text.reserve(256 + entries.size() * 160);
  text += head(roots);
  for (const Entry& entry : entries)
    append_entry(text, entry, Places::yes);
  return text;
}

LayerIndex LayerIndex::parse(std::string_view text, const std::string& name) {
  LayerIndex index;
  // No entry is shorter than "d 0 0 0 0 .": a file of empty lines must not reserve more than it can hold.
  index.entries.reserve(
      std::min(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), text.size() / 12));
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    Line line(text.substr(0, end), name, number);
    if (end == std::string_view::npos) line.fail("the last line is truncated");
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      if (content != kHeader) line.fail("the first line is not \"" + std::string(kHeader) + "\"");
    } else if (content.starts_with("root ")) {
      if (!index.entries.empty()) line.fail("a root follows the first entry");
      line.word("root");
      index.roots.push_back(line.unescape(line.word("the root's name"), "the root's name"));
      if (!line.at_end()) line.fail("more words than expected");
    } else {
      index.entries.push_back(parse_entry(line, index.roots.size()));
    }
    if (text.empty()) return index;
  }
  throw Error("corrupt layer index: the file is empty", {.where = name});
}

std::uint32_t LayerIndex::root(std::string_view root_name) {
  const auto found = std::find(roots.begin(), roots.end(), root_name);
  if (found != roots.end()) return static_cast<std::uint32_t>(found - roots.begin());
  roots.emplace_back(root_name);
  return static_cast<std::uint32_t>(roots.size() - 1);
}

}  // namespace bottle::oci
