// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/words.hpp"

#include <algorithm>
#include <set>

#include "dockerfile/shell_pattern.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

constexpr int kMaximumDepth = 200;  // of nested ${a:-${b:-...}}: beyond it a word is an attack on the stack

// Builds the split reading of a word. The text of the word being built is shared by all levels of nesting,
// and a nested level empties it when it starts: "a${b:-c}" split is one word "c" for the reference frontend
// too.
class Splitter {
 public:
  explicit Splitter(std::string& buffer) : buffer_(buffer) { buffer_.clear(); }

  void add(char32_t rune) {
    if (!is_space(rune)) {
      add_raw(rune);
    } else if (in_word_ && !buffer_.empty()) {
      words_.push_back(buffer_);
      buffer_.clear();
      in_word_ = false;
    }
  }
  void add_raw(char32_t rune) {
    append_rune(buffer_, rune);
    in_word_ = true;
  }
  void add(std::string_view text) {
    for (std::size_t offset = 0; offset < text.size();) {
      const Rune rune = decode_rune(text, offset);
      add(rune.value);
      offset += rune.width;
    }
  }
  void add_raw(std::string_view text) {
    buffer_ += text;
    in_word_ = true;
  }
  std::vector<std::string> take() {
    if (!buffer_.empty()) words_.push_back(buffer_);
    buffer_.clear();
    return std::move(words_);
  }

 private:
  std::string& buffer_;
  std::vector<std::string> words_;
  bool in_word_ = false;
};

class Expander {
 public:
  Expander(std::string_view word, const Environment& environment, const ExpandOptions& options)
      : word_(word), environment_(environment), options_(options) {
    if (decode_rune(word_, 0).value == 0xFEFF) at_ = 3;  // a byte order mark at the start is not a character
  }

  Expansion run() {
    Expansion result;
    result.text = until(kEnd, options_.raw_escapes, &result.words);
    result.used.assign(used_.begin(), used_.end());
    result.unset = unset();
    return result;
  }

  std::vector<std::string> unset() const { return {unset_.begin(), unset_.end()}; }

 private:
  static constexpr char32_t kEnd = 0xFFFFFFFF;

  char32_t peek() const { return at_ < word_.size() ? decode_rune(word_, at_).value : kEnd; }
  char32_t next() {
    if (at_ >= word_.size()) return kEnd;
    const Rune rune = decode_rune(word_, at_);
    at_ += rune.width;
    return rune.value;
  }
  char32_t escape() const { return static_cast<unsigned char>(options_.escape); }

  [[noreturn]] static void fail(const std::string& message) { throw WordError(message); }

  // The text up to `stop`, which is taken; kEnd is the end of the word.
  std::string until(char32_t stop, bool raw_escapes, std::vector<std::string>* words = nullptr) {
    if (++depth_ > kMaximumDepth)
      fail("substitutions are nested more than " + std::to_string(kMaximumDepth) + " deep");
    const bool outer_raw = raw_escapes_;
    raw_escapes_ = raw_escapes;
    std::string result;
    Splitter splitter(buffer_);
    for (char32_t rune = peek(); rune != stop; rune = peek()) {
      if (rune == kEnd) {
        std::string shown;
        append_rune(shown, stop);
        fail("unexpected end of statement while looking for matching " + shown);
      }
      if (rune == '$') {
        const std::string value = dollar();
        result += value;
        splitter.add(value);
      } else if (rune == '<') {
        const std::string marker = heredoc_marker();
        result += marker;
        splitter.add_raw(marker);
      } else if (rune == '\'' && !options_.plain_quotes) {
        const std::string value = single_quoted();
        result += value;
        splitter.add_raw(value);
      } else if (rune == '"' && !options_.plain_quotes) {
        const std::string value = double_quoted();
        result += value;
        splitter.add_raw(value);
      } else {
        next();
        if (rune != escape()) {
          splitter.add(rune);
          append_rune(result, rune);
          continue;
        }
        if (raw_escapes_) {
          splitter.add_raw(rune);
          append_rune(result, rune);
        }
        rune = next();
        if (rune == kEnd) break;
        splitter.add_raw(rune);
        append_rune(result, rune);
      }
    }
    if (stop != kEnd && peek() != stop) {
      std::string shown;
      append_rune(shown, stop);
      fail("unexpected end of statement while looking for matching " + shown);
    }
    next();
    std::vector<std::string> split = splitter.take();
    if (words != nullptr) *words = std::move(split);
    raw_escapes_ = outer_raw;
    --depth_;
    return result;
  }

  std::string single_quoted() {
    std::string result;
    next();
    if (options_.raw_quotes) result += '\'';
    for (;;) {
      const char32_t rune = next();
      if (rune == kEnd) fail("unexpected end of statement while looking for matching single-quote");
      if (rune == '\'') break;
      append_rune(result, rune);
    }
    if (options_.raw_quotes) result += '\'';
    return result;
  }

  std::string double_quoted() {
    std::string result;
    next();
    if (options_.raw_quotes) result += '"';
    for (;;) {
      const char32_t rune = peek();
      if (rune == kEnd) fail("unexpected end of statement while looking for matching double-quote");
      if (rune == '"') break;
      if (rune == '$') {
        result += dollar();
        continue;
      }
      next();
      if (rune != escape()) {
        append_rune(result, rune);
        continue;
      }
      if (raw_escapes_) append_rune(result, rune);
      const char32_t after = peek();
      if (after == kEnd) continue;
      // Between double quotes only these can be escaped; another escape character stands for itself.
      append_rune(result, after == '"' || after == '$' || after == escape() ? next() : rune);
    }
    next();
    if (options_.raw_quotes) result += '"';
    return result;
  }

  // "<<" and the blanks after it stay together, so that a heredoc's word is one word.
  std::string heredoc_marker() {
    next();
    if (peek() != '<') return "<";
    next();
    std::string result = "<<";
    while (peek() == ' ' || peek() == '\t' || peek() == '\r')
      append_rune(result, next());
    return result;
  }

  std::string name() {
    std::string result;
    const char32_t first = peek();
    if (first == kEnd) return result;
    if (is_digit(first)) {
      while (peek() != kEnd && is_digit(peek()))
        append_rune(result, next());
      return result;
    }
    constexpr std::u32string_view kSpecial = U"@*#?-$!";  // POSIX.1-2017, XCU 2.5.2
    if (kSpecial.find(first) != std::u32string_view::npos) {
      append_rune(result, next());
      return result;
    }
    while (peek() != kEnd && (is_letter(peek()) || is_digit(peek()) || peek() == '_'))
      append_rune(result, next());
    return result;
  }

  std::optional<std::string_view> lookup(const std::string& variable) {
    const auto value = environment_.find(variable);
    (value ? used_ : unset_).insert(variable);
    return value;
  }

  // The text between a modifier and its end; running into the end of the word is reported as the missing
  // `closing`.
  std::string part(char32_t stop, bool raw_escapes, const char* missing) {
    try {
      return until(stop, raw_escapes);
    } catch (const WordError&) {
      if (peek() == kEnd) fail(missing);
      throw;
    }
  }

  std::string dollar() {
    next();
    if (peek() != '{') {
      const std::string variable = name();
      if (variable.empty()) return "$";
      const auto value = lookup(variable);
      if (!value && options_.skip_unset) return "$" + variable;
      return std::string(value.value_or(""));
    }
    next();
    if (peek() == kEnd) fail("syntax error: missing '}'");
    if (peek() == '{' || peek() == '}' || peek() == ':') fail("syntax error: bad substitution");
    const std::string variable = name();
    const char32_t modifier = next();
    switch (modifier) {
      case '}': {
        const auto value = lookup(variable);
        if (!value && options_.skip_unset) return "${" + variable + "}";
        return std::string(value.value_or(""));
      }
      case '/':
        return replaced(variable);
      case ':':
      case '+':
      case '-':
      case '?':
      case '#':
      case '%':
        return modified(variable, modifier);
      default: {
        std::string shown;
        append_rune(shown, modifier == kEnd ? kReplacement : modifier);
        fail("unsupported modifier (" + shown + ") in substitution");
      }
    }
  }

  std::string modified(const std::string& variable, char32_t modifier) {
    std::string shown;
    append_rune(shown, modifier);
    const bool empty_is_unset = modifier == ':';
    if (empty_is_unset) {
      modifier = next();
      append_rune(shown, modifier == kEnd ? kReplacement : modifier);
    }
    const bool trims = modifier == '#' || modifier == '%';
    const std::string unsupported = "unsupported modifier (" + shown + ") in substitution";
    if (empty_is_unset && trims) fail(unsupported);
    std::string argument = part('}', trims, "syntax error: missing '}'");
    const auto value = lookup(variable);
    if (!value && options_.skip_unset) return "${" + variable + shown + argument + "}";
    const bool missing = !value || (empty_is_unset && value->empty());
    switch (modifier) {
      case '-':
        return missing ? argument : std::string(*value);
      case '+':
        return missing ? std::string() : argument;
      case '?':
        if (!missing) return std::string(*value);
        if (argument.empty()) argument = value ? "is not allowed to be empty" : "is not allowed to be unset";
        fail(variable + ": " + argument);
      case '#':
      case '%': {
        const bool doubled = !argument.empty() && static_cast<unsigned char>(argument[0]) == modifier;
        if (doubled) argument.erase(0, 1);
        const Reach reach = doubled ? Reach::longest : Reach::shortest;
        const std::string_view text = value.value_or("");
        return modifier == '%' ? remove_suffix(argument, text, reach) : remove_prefix(argument, text, reach);
      }
      default:
        fail(unsupported);
    }
  }

  std::string replaced(const std::string& variable) {
    const bool all = peek() == '/';
    if (all) next();
    const std::string pattern = part('/', true, "syntax error: missing '/' in ${}");
    const std::string replacement = part('}', true, "syntax error: missing '}'");
    const auto value = lookup(variable);
    if (!value && options_.skip_unset) return "${" + variable + "/" + pattern + "/" + replacement + "}";
    return replace_pattern(pattern, value.value_or(""), replacement, all ? Replace::all : Replace::first);
  }

  std::string_view word_;
  const Environment& environment_;
  const ExpandOptions& options_;
  std::size_t at_ = 0;
  std::string buffer_;
  bool raw_escapes_ = false;
  int depth_ = 0;
  std::set<std::string> used_;
  std::set<std::string> unset_;
};

}  // namespace

Environment::Environment(const std::vector<Entry>& entries) {
  for (const auto& [name, value] : entries)
    set(name, value);
}

Environment Environment::from_lines(std::span<const std::string> lines) {
  Environment environment;
  for (const std::string& line : lines) {
    const std::size_t equals = line.find('=');
    const std::string_view view(line);
    environment.set(view.substr(0, equals), equals == std::string::npos ? "" : view.substr(equals + 1));
  }
  return environment;
}

std::optional<std::string_view> Environment::find(std::string_view name) const {
  for (const auto& [key, value] : entries_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void Environment::set(std::string_view name, std::string_view value) {
  for (auto& [key, current] : entries_) {
    if (key == name) {
      current = std::string(value);
      return;
    }
  }
  entries_.emplace_back(name, value);
}

bool Environment::erase(std::string_view name) {
  const auto place =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.first == name; });
  if (place == entries_.end()) return false;
  entries_.erase(place);
  return true;
}

std::vector<std::string> Environment::lines() const {
  std::vector<std::string> result;
  for (const auto& [name, value] : entries_)
    result.push_back(name + "=" + value);
  return result;
}

std::vector<std::string> Environment::names() const {
  std::vector<std::string> result;
  for (const auto& entry : entries_)
    result.push_back(entry.first);
  return result;
}

Expansion expand(std::string_view word, const Environment& environment, const ExpandOptions& options) {
  Expander expander(word, environment, options);
  try {
    return expander.run();
  } catch (const WordError& error) {
    WordError shown("failed to process " + in_quotes(word) + ": " + error.message(),
                    {.where = error.where(), .hint = error.hint()});
    shown.unset = expander.unset();
    throw shown;
  }
}

}  // namespace bottle::dockerfile
