// SPDX-License-Identifier: Apache-2.0
// Word expansion: quotes, escapes and variables in the words of instructions (Dockerfile reference,
// "Environment replacement"). One expansion gives both readings of a word: one string, and the list that
// splitting at unquoted white space makes of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dockerfile/word_error.hpp"

namespace bottle::dockerfile {

// Variables in the order of their first definition, as the configuration of an image lists them.
class Environment {
 public:
  using Entry = std::pair<std::string, std::string>;

  Environment() = default;
  explicit Environment(const std::vector<Entry>& entries);
  // From "name=value" lines; of two with one name the later wins. A line without "=" is an empty variable.
  static Environment from_lines(std::span<const std::string> lines);

  std::optional<std::string_view> find(std::string_view name) const;
  void set(std::string_view name, std::string_view value);
  bool erase(std::string_view name);
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<std::string> lines() const;  // "name=value"
  std::vector<std::string> names() const;

 private:
  std::vector<Entry> entries_;
};

struct ExpandOptions {
  char escape = '\\';         // '\\' or '`'
  bool raw_quotes = false;    // quotes are understood but stay in the result
  bool raw_escapes = false;   // escape characters are understood but stay in the result
  bool plain_quotes = false;  // quotes are ordinary characters (contents of heredocs)
  bool skip_unset = false;    // references to unset variables stay as they are written
};

struct Expansion {
  std::string text;
  std::vector<std::string> words;
  std::vector<std::string> used;   // names that were set, sorted, each once
  std::vector<std::string> unset;  // names that were not
};

// Throws WordError: a quote or brace that is not closed, an unknown modifier, a bad pattern,
// ${name:?message}.
Expansion expand(std::string_view word, const Environment& environment, const ExpandOptions& options = {});

}  // namespace bottle::dockerfile
