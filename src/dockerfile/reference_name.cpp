// The grammar of image references, as far as names of bases have to be compared: domain, path components,
// tag, digest.
#include <algorithm>

#include "dockerfile/stages.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

bool lower_alnum(char character) {
  return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}
bool alnum(char character) {
  return lower_alnum(character) || (character >= 'A' && character <= 'Z');
}
bool digit(char character) {
  return character >= '0' && character <= '9';
}

// alpha-numeric runs between separators: one period, one or two underscores, or hyphens.
bool is_path_component(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    const std::size_t start = at;
    while (at < text.size() && lower_alnum(text[at]))
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

bool is_domain(std::string_view text) {
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos && text.back() != ']') {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || !std::all_of(port.begin(), port.end(), digit)) return false;
    text = text.substr(0, colon);
  }
  if (!text.empty() && text.front() == '[') {
    if (text.back() != ']') return false;
    text = text.substr(1, text.size() - 2);
    return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos;
  }
  for (const std::string& label : split(text, '.')) {
    if (label.empty() || !alnum(label.front()) || !alnum(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(),
                     [](char character) { return alnum(character) || character == '-'; }))
      return false;
  }
  return true;
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char character) {
    return alnum(character) || character == '_' || character == '.' || character == '-';
  });
}

bool is_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view hex = text.substr(colon + 1);
  if (hex.size() < 32 || hex.find_first_not_of("0123456789abcdef") != std::string_view::npos) return false;
  const std::string_view algorithm = text.substr(0, colon);
  if (algorithm == "sha256") return hex.size() == 64;
  if (algorithm == "sha384") return hex.size() == 96;
  if (algorithm == "sha512") return hex.size() == 128;
  return false;
}

}  // namespace

std::optional<std::string> familiar_name(std::string_view reference) {
  // 64 hexadecimal digits alone would be an image ID.
  if (reference.size() == 64 && reference.find_first_not_of("0123456789abcdef") == std::string_view::npos)
    return std::nullopt;
  std::string_view rest = reference;
  std::string digest;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    if (!is_digest(rest.substr(at + 1))) return std::nullopt;
    digest = std::string(rest.substr(at));
    rest = rest.substr(0, at);
  }
  std::string domain;
  std::string_view path = rest;
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view first = rest.substr(0, slash);
    const bool upper = std::any_of(first.begin(), first.end(),
                                   [](char character) { return character >= 'A' && character <= 'Z'; });
    if (first.find_first_of(".:") != std::string_view::npos || first == "localhost" || upper) {
      if (!is_domain(first)) return std::nullopt;
      domain = first == "index.docker.io" ? "docker.io" : std::string(first);
      path = rest.substr(slash + 1);
    }
  }
  std::string tag;
  if (const std::size_t colon = path.rfind(':');
      colon != std::string_view::npos && path.find('/', colon) == std::string_view::npos) {
    if (!is_tag(path.substr(colon + 1))) return std::nullopt;
    tag = std::string(path.substr(colon));
    path = path.substr(0, colon);
  }
  if (path.empty() || path.size() > 255) return std::nullopt;
  for (const std::string& component : split(path, '/')) {
    if (!is_path_component(component)) return std::nullopt;
  }
  std::string name(path);
  if (domain == "docker.io") {
    domain.clear();
    if (name.rfind("library/", 0) == 0 && name.find('/', 8) == std::string::npos) name.erase(0, 8);
  } else if (domain.empty() && name.rfind("library/", 0) == 0 && name.find('/', 8) == std::string::npos) {
    name.erase(0, 8);
  }
  if (tag == ":latest" && digest.empty()) tag.clear();
  return (domain.empty() ? "" : domain + "/") + name + tag + digest;
}

}  // namespace bottle::dockerfile
