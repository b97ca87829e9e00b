// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.hpp"

#include <algorithm>
#include <variant>

#include "util/ascii.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::string_view kHub = "docker.io";
constexpr std::string_view kOfficial = "library/";
constexpr std::size_t kMaximumHost = 255;
constexpr std::size_t kMaximumReference = 1024;
constexpr std::size_t kMaximumRepository = 255;
constexpr std::size_t kMaximumTag = 128;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || is_upper(c);
}

bool is_component(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    const std::size_t start = at;
    while (at < text.size() && is_lower_alnum(text[at]))
      ++at;
    if (at == start) return false;
    if (at == text.size()) return true;
    if (text[at] == '.') {
      ++at;
    } else if (text[at] == '_') {
      at += text.substr(at, 2) == "__" ? 2 : 1;
    } else if (text[at] == '-') {
      while (at < text.size() && text[at] == '-')
        ++at;
    } else {
      return false;
    }
  }
}

bool is_host(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    if (text.size() < 3 || text.back() != ']') return false;
    return text.substr(1, text.size() - 2).find_first_not_of("0123456789abcdefABCDEF:") ==
           std::string_view::npos;
  }
  const auto labels = split(text, '.');
  return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && is_alnum(label.front()) && is_alnum(label.back()) &&
           std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
  });
}

// Whether the text before the first '/' of a reference is a registry, and not part of the repository.
bool begins_with_registry(std::string_view first_component) {
  return first_component.find_first_of(".:[") != std::string_view::npos || first_component == "localhost" ||
         std::any_of(first_component.begin(), first_component.end(), is_upper);
}

// The host without its port; nullopt for an invalid port.
std::optional<std::string_view> host_of(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.back() == ']') return text;
  const auto port = parse_unsigned(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  return text.substr(0, colon);
}

}  // namespace

bool is_repository(std::string_view text) {
  if (text.empty() || text.size() > kMaximumRepository) return false;
  const auto components = split(text, '/');
  return std::all_of(components.begin(), components.end(), is_component);
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > kMaximumTag || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_registry(std::string_view text) {
  const auto host = host_of(text);
  return text.size() <= kMaximumHost && host && is_host(*host);
}

namespace {

// What a reference was expected to have where it has something else.
struct Expected {
  std::string what;
};

std::variant<Reference, Expected> parse_reference(std::string_view text) {
  if (text.empty() || text.size() > kMaximumReference)
    return Expected{"1 to " + std::to_string(kMaximumReference) + " bytes, found " +
                    std::to_string(text.size())};
  Reference result;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    const std::string_view digest = rest.substr(at + 1);
    result.digest = Digest::parse(digest);
    if (!result.digest) result.other_digest = ContentDigest::parse(digest);
    if (!result.has_digest())
      return Expected{
          "\"sha256:\" and 64, or \"sha512:\" and 128 lower-case hex digits after the '@', found \"" +
          escape_word(digest) + '"'};
    rest = rest.substr(0, at);
  }
  std::string_view path = rest;
  result.registry = kHub;
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view first = rest.substr(0, slash);
    if (begins_with_registry(first)) {
      if (!is_registry(first))
        return Expected{"a host with an optional port before the first '/', found \"" + escape_word(first) +
                        '"'};
      result.registry = first == "index.docker.io" ? kHub : first;
      path = rest.substr(slash + 1);
    }
  }
  if (const std::size_t colon = path.rfind(':'); colon != std::string_view::npos) {
    const std::string_view tag = path.substr(colon + 1);
    if (!is_tag(tag))
      return Expected{
          "a tag (1 to 128 letters, digits and \"_.-\", not beginning with '.' or '-') after the last ':', "
          "found \"" +
          escape_word(tag) + '"'};
    result.tag = tag;
    path = path.substr(0, colon);
  }
  result.repository = path;
  if (result.registry == kHub && path.find('/') == std::string_view::npos)
    result.repository = std::string(kOfficial) + result.repository;
  if (path.empty() || !is_repository(result.repository))
    return Expected{
        "a repository (lower-case letters and digits, separated by '.', '_', '__', '-' and '/', at most 255 "
        "bytes), found \"" +
        escape_word(path) + '"'};
  if (result.tag.empty() && !result.has_digest()) result.tag = "latest";
  return result;
}

}  // namespace

Reference Reference::parse(std::string_view text) {
  auto parsed = parse_reference(text);
  if (const auto* expected = std::get_if<Expected>(&parsed))
    throw Error("not a reference: expected " + expected->what,
                {.where = '"' + escape_word(text.substr(0, kMaximumReference)) + '"',
                 .hint = "write [registry[:port]/]repository[:tag][@digest]"});
  return std::get<Reference>(std::move(parsed));
}

std::optional<Reference> Reference::parse_if_valid(std::string_view text) {
  auto parsed = parse_reference(text);
  auto* reference = std::get_if<Reference>(&parsed);
  return reference != nullptr ? std::optional(std::move(*reference)) : std::nullopt;
}

std::string Reference::string() const {
  std::string text = name();
  if (!tag.empty()) text += ":" + tag;
  if (has_digest()) text += "@" + (digest ? digest->string() : other_digest->string());
  return text;
}

std::string Reference::familiar() const {
  const std::string_view official = std::string_view(repository).substr(0, kOfficial.size());
  std::string text = name();
  if (registry == kHub)
    text = official == kOfficial && repository.find('/', kOfficial.size()) == std::string::npos
               ? repository.substr(kOfficial.size())
               : repository;
  if (!tag.empty() && (tag != "latest" || has_digest())) text += ":" + tag;
  if (has_digest()) text += "@" + (digest ? digest->string() : other_digest->string());
  return text;
}

Reference Reference::with_tag(std::string new_tag) const {
  Reference result = *this;
  result.tag = std::move(new_tag);
  result.digest.reset();
  result.other_digest.reset();
  return result;
}

Reference Reference::with_digest(const Digest& new_digest) const {
  Reference result = *this;
  result.tag.clear();
  result.digest = new_digest;
  result.other_digest.reset();
  return result;
}

}  // namespace bottle::oci
