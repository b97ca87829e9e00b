// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/arguments.hpp"

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {

std::vector<std::string> argument_words(std::string_view text, char escape) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  bool had_quote = false;  // "" is a word
  char quote = '\0';
  const auto finish = [&]() {
    if (had_quote || !word.empty()) words.push_back(word);
    word.clear();
    in_word = had_quote = false;
  };
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = decode_rune(text, at);
    const char character = text[at];
    if (quote == '\0' && is_space(rune.value)) {
      if (in_word) finish();
      at += rune.width;
      continue;
    }
    in_word = true;
    if (quote == '\0' && (character == '\'' || character == '"')) {
      quote = character;
      had_quote = true;
    } else if (quote != '\0' && character == quote) {
      quote = '\0';
    } else if (character == escape && quote != '\'') {
      at += 1;
      if (at == text.size()) break;  // an escape character at the very end is dropped
      word += escape;
    }
    const std::size_t width = decode_rune(text, at).width;
    word += text.substr(at, width);
    at += width;
  }
  if (in_word) finish();
  return words;
}

std::vector<KeyValue> key_values(const Node& node, char escape, const SourceText& source) {
  const Position position = node.position_at(node.arguments_offset);
  const std::string keyword = to_upper(node.keyword);
  const std::vector<std::string> words = argument_words(node.arguments, escape);
  std::vector<KeyValue> pairs;
  if (words.empty()) return pairs;
  if (words.front().find('=') == std::string::npos) {
    const std::string_view rest = node.arguments;
    std::size_t end = 0;
    while (end < rest.size() && !is_blank(rest[end]))
      ++end;
    std::size_t next = end;
    while (next < rest.size() && is_blank(rest[next]))
      ++next;
    if (end == rest.size()) {
      throw SourceError(source, position, keyword + " must have two arguments",
                        "write " + keyword + " " + std::string(rest) + "=<value>");
    }
    pairs.push_back({std::string(rest.substr(0, end)), std::string(rest.substr(next)), false});
    return pairs;
  }
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      throw SourceError(source, position, "can't find = in " + in_quotes(word),
                        "write name=value, and quote a value that contains blanks");
    }
    pairs.push_back({word.substr(0, equals), word.substr(equals + 1), true});
  }
  return pairs;
}

}  // namespace bottle::dockerfile
