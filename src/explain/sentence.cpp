// SPDX-License-Identifier: Apache-2.0
// Changes as sentences for people.
#include "explain/key_text.hpp"
#include "util/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace bottle::explain {
namespace {

constexpr std::size_t kLongest = 100;

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// A value that fits into a line, with digests by their beginnings.
std::string shown(const std::string& value) {
  std::string text;
  for (std::size_t begin = 0; begin < value.size();) {
    std::size_t end = begin;
    while (end < value.size() && is_hex(value[end]))
      ++end;
    if (end == begin) ++end;
    text += value.substr(begin, end - begin == 64 ? 12 : end - begin);
    begin = end;
  }
  if (text.size() <= kLongest) return text;
  std::size_t end = kLongest - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;  // not inside of a UTF-8 sequence
  return text.substr(0, end) + "...";
}

// "x added", "x removed", "x changed old -> new".
std::string plain(const std::string& name, const Change& change) {
  switch (change.kind) {
    case Change::Kind::added:
      return change.new_value.empty() ? name + " added" : name + " added: " + shown(change.new_value);
    case Change::Kind::removed:
      return change.old_value.empty() ? name + " removed"
                                      : name + " removed (it was " + shown(change.old_value) + ")";
    case Change::Kind::changed:
      break;
  }
  const std::string before = change.old_value.empty() ? "(nothing)" : shown(change.old_value);
  const std::string after = change.new_value.empty() ? "(nothing)" : shown(change.new_value);
  // Long values that differ only beyond what is shown.
  if (before == after) return name + " changed";
  return name + " changed " + before + " -> " + after;
}

// The value of an input line: "f 644 12 <sha256>", "d 755", "l <target>", "s 644 1:3"; then extended
// attributes.
struct Node {
  std::string type;  // "f", "d", "l", ...
  std::string mode;
  std::string size;
  std::string content;  // digest, link target or device
  std::string rest;     // extended attributes
};

Node parse_node(const std::string& value) {
  std::vector<std::string> words;
  for (const std::string_view word : split(value, ' '))
    words.emplace_back(word);
  const auto word = [&](std::size_t index) { return index < words.size() ? words[index] : std::string(); };
  Node node;
  node.type = word(0);
  std::size_t used = 0;
  if (node.type == "f") {
    node.mode = word(1);
    node.size = word(2);
    node.content = word(3);
    used = 4;
  } else if (node.type == "d") {
    node.mode = word(1);
    used = 2;
  } else if (node.type == "l") {
    node.content = unescape_word(word(1)).value_or(word(1));
    used = 2;
  } else {
    node.mode = word(1);
    node.content = word(2);
    used = 3;
  }
  for (std::size_t i = used; i < words.size(); ++i)
    node.rest += " " + words[i];
  return node;
}

std::string type_name(const std::string& type) {
  if (type == "f") return "file";
  if (type == "d") return "directory";
  if (type == "l") return "symbolic link";
  return "special file";
}

std::string node_difference(const Node& before, const Node& after) {
  if (before.type != after.type) return "was a " + type_name(before.type) + ", is a " + type_name(after.type);
  std::vector<std::string> parts;
  if (before.size != after.size)
    parts.push_back(before.size + " -> " + after.size + " bytes");
  else if (before.content != after.content && before.type == "f")
    parts.push_back("same size of " + after.size + " bytes");
  else if (before.content != after.content)
    parts.push_back(before.content + " -> " + after.content);
  if (before.mode != after.mode) parts.push_back("mode " + before.mode + " -> " + after.mode);
  if (before.rest != after.rest) parts.push_back("extended attributes");
  return fmt::format("{}", fmt::join(parts, ", "));
}

// "context" is the main one, "context:<name>" a named one.
std::string context_name(const std::string& word) {
  if (word == "context" || word.empty() || word == ".") return "context";
  static constexpr std::string_view kNamed = "context:";
  return "context " + (word.starts_with(kNamed) ? word.substr(kNamed.size()) : word);
}

std::string input_sentence(const Change& change) {
  const Node before = parse_node(change.old_value);
  const Node after = parse_node(change.new_value);
  const Node& known = change.kind == Change::Kind::removed ? before : after;
  const std::string& path = change.subject[2];
  const std::string name = context_name(change.subject[1]) + " " + type_name(known.type) + " " +
                           (path.empty()                                       ? "."
                            : escape_word(path).find('%') == std::string::npos ? path
                                                                               : "\"" + path + "\"");
  if (change.kind == Change::Kind::added) return name + " added";
  if (change.kind == Change::Kind::removed) return name + " removed";
  return name + " changed (" + node_difference(before, after) + ")";
}

std::string step_sentence(const Change& change) {
  const std::uint64_t ordinal = parse_unsigned(change.subject[1]).value_or(0);
  const std::string& text = change.kind == Change::Kind::removed ? change.old_value : change.new_value;
  const std::string name = fmt::format("Dockerfile step {} ({})", ordinal, shown(text));
  const std::string stage = change.subject[2].empty() ? "" : " of stage " + change.subject[2];
  if (change.kind == Change::Kind::added) return name + stage + " added";
  if (change.kind == Change::Kind::removed) return name + stage + " removed";
  return name + stage + " changed from: " + shown(change.old_value);
}

std::string source_sentence(const Change& change) {
  const std::string& value = change.kind == Change::Kind::removed ? change.old_value : change.new_value;
  std::string name = change.subject[1];
  static constexpr std::string_view kBottle = "bottle:";
  if (name.starts_with(kBottle))
    name = "base bottle " + name.substr(kBottle.size());
  else if (value.starts_with("plan "))
    name = "base bottle " + name;
  else
    name = "base image " + name;
  return plain(name, change);
}

}  // namespace

std::string sentence(const Change& change) {
  const std::vector<std::string>& words = change.subject;
  const std::string& first = words.front();
  if (first == "input" && words.size() == 3) return input_sentence(change);
  if (first == "step" && words.size() == 3 && parse_unsigned(words[1])) return step_sentence(change);
  if (first == "source" && words.size() == 2) return source_sentence(change);
  if (words.size() == 2) {
    if (first == "argument") return plain("build argument " + words[1], change);
    if (first == "option") return plain("pack option " + words[1], change);
    if (first == "label" || first == "secret") return plain(first + " " + words[1], change);
  }
  if (words.size() == 1) {
    if (first == "plan") return plain("the image", change);
    if (first == "schema") return plain("the format of keys", change);
    if (first == "zstd") return plain("the zstd library", change);
    if (first == "epoch") return plain("SOURCE_DATE_EPOCH", change);
    if (first == "runtime") return plain("the smolvm agent", change);
    if (first == "target") return plain("the target stage", change);
  }
  return plain(fmt::format("{}", fmt::join(words, " ")), change);
}

std::vector<std::string> sentences(const std::vector<Change>& changes, std::size_t limit) {
  struct Rest {
    std::map<Change::Kind, std::size_t> counts;
    std::size_t shown = 0;
    std::size_t left = 0;
  };
  std::map<std::string, Rest> contexts;
  std::vector<std::string> result;
  for (const Change& change : changes) {
    if (change.subject.front() == "input" && change.subject.size() == 3) {
      Rest& rest = contexts[context_name(change.subject[1])];
      if (rest.shown >= limit) {
        ++rest.counts[change.kind];
        ++rest.left;
        continue;
      }
      ++rest.shown;
    }
    result.push_back(sentence(change));
  }
  for (const auto& [name, rest] : contexts) {
    if (rest.left == 0) continue;
    std::vector<std::string> parts;
    for (const auto& [kind, count] : rest.counts)
      parts.push_back(fmt::format("{} {}", count,
                                  kind == Change::Kind::added     ? "added"
                                  : kind == Change::Kind::removed ? "removed"
                                                                  : "changed"));
    result.push_back(
        fmt::format("... and {} further files of the {} ({})", rest.left, name, fmt::join(parts, ", ")));
  }
  return result;
}

}  // namespace bottle::explain
