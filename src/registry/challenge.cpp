// SPDX-License-Identifier: Apache-2.0
#include "registry/challenge.hpp"

#include <algorithm>
#include <cctype>

#include "util/ascii.hpp"

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumLength = 8192;
constexpr std::size_t kMaximumItems = 16;

bool is_token_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token68_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("-._~+/").find(c) != std::string_view::npos;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<std::vector<Challenge>> parse() {
    std::vector<Challenge> challenges;
    for (;;) {
      // Elements of a list may be empty (RFC 9110 section 5.6.1.2).
      while (blanks() || take(','))
        continue;
      if (done()) return challenges.empty() ? std::nullopt : std::optional(std::move(challenges));
      if (challenges.size() == kMaximumItems) return std::nullopt;
      Challenge challenge{.scheme = ascii_lower(token()), .parameters = {}};
      if (challenge.scheme.empty()) return std::nullopt;
      if (!done() && peek() != ',') {
        if (!blanks()) return std::nullopt;
        if (!done() && peek() != ',' && !token68() && !parameters(challenge)) return std::nullopt;
      }
      challenges.push_back(std::move(challenge));
    }
  }

 private:
  bool done() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  bool take(char c) {
    if (done() || peek() != c) return false;
    ++at_;
    return true;
  }
  bool blanks() {
    const std::size_t start = at_;
    while (!done() && (peek() == ' ' || peek() == '\t'))
      ++at_;
    return at_ > start;
  }
  std::string_view token() {
    const std::size_t start = at_;
    while (!done() && is_token_character(peek()))
      ++at_;
    return text_.substr(start, at_ - start);
  }

  // A challenge's single opaque value, of which no scheme here makes use: passed over.
  bool token68() {
    const std::size_t start = at_;
    while (!done() && is_token68_character(peek()))
      ++at_;
    while (at_ > start && take('='))
      continue;
    const std::size_t end = at_;
    blanks();
    if (end > start && (done() || peek() == ',')) return true;
    at_ = start;
    return false;
  }

  std::optional<std::string> value() {
    if (!take('"')) {
      const std::string_view text = token();
      return text.empty() ? std::nullopt : std::optional(std::string(text));
    }
    std::string result;
    while (!done() && peek() != '"') {
      if (take('\\') && done()) return std::nullopt;
      result += text_[at_++];
    }
    return take('"') ? std::optional(std::move(result)) : std::nullopt;
  }

  bool parameters(Challenge& challenge) {
    for (;;) {
      std::string name = ascii_lower(token());
      blanks();
      if (name.empty() || !take('=')) return false;
      blanks();
      auto text = value();
      if (!text || challenge.find(name) != nullptr || challenge.parameters.size() == kMaximumItems)
        return false;
      challenge.parameters.emplace_back(std::move(name), std::move(*text));
      blanks();
      if (done()) return true;
      if (!take(',')) return false;
      // The next element is another parameter, or another challenge: a token without '='.
      const std::size_t after_comma = at_;
      while (blanks() || take(','))
        continue;
      const std::size_t start = at_;
      const bool named = !token().empty();
      blanks();
      const bool parameter = named && take('=');
      at_ = parameter ? start : after_comma;
      if (!parameter) return true;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const std::string* Challenge::find(std::string_view name) const {
  for (const auto& [known, value] : parameters)
    if (known == name) return &value;
  return nullptr;
}

std::optional<std::vector<Challenge>> parse_challenges(std::string_view text) {
  if (text.size() > kMaximumLength) return std::nullopt;
  const auto control = [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), control)) return std::nullopt;
  return Parser(text).parse();
}

}  // namespace bottle::registry
