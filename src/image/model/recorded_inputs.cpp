// SPDX-License-Identifier: Apache-2.0
#include "image/model/recorded_inputs.hpp"

#include <algorithm>
#include <utility>

#include "util/text.hpp"

namespace bottle::image {
inline namespace model {
namespace {

constexpr std::string_view kInput = "input ";

// Up to the blank, which goes too; all if there is none.
std::string_view take_word(std::string_view& rest) {
  const std::size_t blank = rest.find(' ');
  const std::string_view word = rest.substr(0, blank);
  rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
  return word;
}

bool take_mode(std::string_view& rest, oci::Entry& entry) {
  const auto mode = parse_unsigned(take_word(rest), 8);
  if (!mode || *mode > 07777) return false;
  entry.mode = static_cast<std::uint16_t>(*mode);
  return true;
}

bool take_text(std::string_view word, std::string& text) {
  if (word.find('%') == std::string_view::npos) {  // nothing is escaped
    text = word;
    return true;
  }
  auto unescaped = unescape_word(word);
  if (!unescaped) return false;
  text = std::move(*unescaped);
  return true;
}

bool parse_value(std::string_view rest, oci::Entry& entry) {
  const std::string_view type = take_word(rest);
  if (type == "f") {
    entry.type = oci::EntryType::file;
    if (!take_mode(rest, entry)) return false;
    const auto size = parse_unsigned(take_word(rest));
    const auto digest = Digest::from_hex(take_word(rest));
    if (!size || !digest) return false;
    entry.size = *size;
    entry.digest = *digest;
  } else if (type == "d") {
    entry.type = oci::EntryType::directory;
    if (!take_mode(rest, entry)) return false;
  } else if (type == "l") {
    entry.type = oci::EntryType::symlink;
    entry.mode = 0777;
    std::string link;
    if (!take_text(take_word(rest), link)) return false;
    entry.link = link;
  } else {
    return false;  // pipes and devices: the text does not say which
  }
  while (!rest.empty()) {
    const std::string_view word = take_word(rest);
    const std::size_t equals = word.find('=');
    std::string name;
    std::string value;
    if (equals == std::string_view::npos || !take_text(word.substr(0, equals), name) ||
        !take_text(word.substr(equals + 1), value))
      return false;
    entry.xattrs.add(std::move(name), std::move(value));
  }
  return true;
}

}  // namespace

std::optional<RecordedInputs> RecordedInputs::parse(std::string_view key_text) {
  RecordedInputs result;
  std::string_view known;  // the scan of the line before
  std::vector<oci::Entry>* entries = nullptr;
  while (!key_text.empty()) {
    const std::size_t end = key_text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = key_text.substr(0, end);
    key_text.remove_prefix(end + 1);
    if (!line.starts_with(kInput)) continue;
    line.remove_prefix(kInput.size());
    const std::string_view scan = take_word(line);
    if (entries == nullptr || scan != known) {
      std::string name;
      if (!take_text(scan, name)) return std::nullopt;
      entries = &result.entries_[name];
      known = scan;
    }
    oci::Entry& entry = entries->emplace_back();
    if (!take_text(take_word(line), entry.path) || take_word(line) != "=" || !parse_value(line, entry))
      return std::nullopt;
  }
  const auto is_before = [](const oci::Entry& a, const oci::Entry& b) { return a.path < b.path; };
  for (auto& [name, all] : result.entries_)
    if (!std::is_sorted(all.begin(), all.end(), is_before)) std::sort(all.begin(), all.end(), is_before);
  return result;
}

std::vector<oci::Entry> RecordedInputs::take(const std::string& scan) {
  const auto found = entries_.find(scan);
  return found == entries_.end() ? std::vector<oci::Entry>() : std::exchange(found->second, {});
}

}  // namespace model
}  // namespace bottle::image
