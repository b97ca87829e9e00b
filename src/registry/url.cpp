// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "registry/http_types.hpp"
#include "util/ascii.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumUrl = 8192;

// Printable ASCII without blanks and without what a URL never holds as it is.
bool is_url_text(std::string_view text) {
  return text.size() <= kMaximumUrl && std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
         });
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  if (host.front() == '[')
    return host.size() > 3 && host.back() == ']' &&
           host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
  });
}

std::uint16_t default_port(std::string_view scheme) {
  return scheme == "https" ? 443 : 80;
}

// RFC 3986 section 5.2.4.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  const auto parts = split(path.substr(1), '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    if (parts[i] == "." || parts[i] == "..") {
      if (parts[i] == ".." && !kept.empty()) kept.pop_back();
      if (last) kept.emplace_back();
    } else {
      kept.push_back(parts[i]);
    }
  }
  std::string result;
  for (const std::string_view part : kept)
    (result += '/') += part;
  return result.empty() ? "/" : result;
}

}  // namespace

std::optional<Url> Url::parse(std::string_view text) {
  if (!is_url_text(text)) return std::nullopt;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  Url url;
  url.scheme = ascii_lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") return std::nullopt;
  text = text.substr(colon + 3);
  text = text.substr(0, text.find('#'));
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  std::string_view authority = text.substr(0, end);
  url.target = text.substr(end);
  if (url.target.empty() || url.target.front() == '?') url.target.insert(0, "/");
  if (authority.find('@') != std::string_view::npos) return std::nullopt;
  url.port = default_port(url.scheme);
  if (const std::size_t port = authority.rfind(':');
      port != std::string_view::npos && !authority.empty() && authority.back() != ']') {
    const auto number = parse_unsigned(authority.substr(port + 1));
    if (!number || *number == 0 || *number > 65535) return std::nullopt;
    url.port = static_cast<std::uint16_t>(*number);
    authority = authority.substr(0, port);
  }
  if (!is_host(authority)) return std::nullopt;
  url.host = ascii_lower(authority);
  return url;
}

std::optional<Url> Url::resolve(std::string_view location) const {
  if (location.empty() || !is_url_text(location)) return std::nullopt;
  if (location.starts_with("//")) return parse(scheme + ":" + std::string(location));
  const std::size_t mark = location.find_first_of(":/?#");
  if (mark != std::string_view::npos && location[mark] == ':') return parse(location);
  location = location.substr(0, location.find('#'));
  Url result = *this;
  const std::string path = target.substr(0, target.find('?'));
  if (location.empty()) return result;
  if (location.front() == '?') {
    result.target = path + std::string(location);
    return result;
  }
  const std::string_view reference_path = location.substr(0, location.find('?'));
  const std::string full = reference_path.starts_with('/')
                               ? std::string(reference_path)
                               : path.substr(0, path.rfind('/') + 1) + std::string(reference_path);
  result.target = without_dot_segments(full) + std::string(location.substr(reference_path.size()));
  return result;
}

std::string Url::origin() const {
  std::string text = scheme + "://" + host;
  if (port != default_port(scheme)) text += ":" + std::to_string(port);
  return text;
}

std::string redacted(std::string_view url) {
  std::string_view rest = url.substr(0, std::min<std::size_t>(url.find('#'), 1024));
  std::string result;
  if (const std::size_t colon = rest.find("://"); colon != std::string_view::npos) {
    result = rest.substr(0, colon + 3);
    rest = rest.substr(colon + 3);
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    if (const std::size_t at = rest.substr(0, end).rfind('@'); at != std::string_view::npos)
      rest = rest.substr(at + 1);
  }
  const std::size_t question = rest.find('?');
  result += rest.substr(0, question);
  if (question != std::string_view::npos) {
    char separator = '?';
    for (const std::string_view part : split(rest.substr(question + 1), '&')) {
      // What Bottle itself asks for may be seen.
      const std::string_view name = part.substr(0, part.find('='));
      const bool harmless = name == "digest" || name == "mount" || name == "from" || name == "n" ||
                            name == "last" || name == "ns" || name == "artifactType" || name == "scope" ||
                            name == "service";
      result += separator;
      result += harmless ? std::string(part) : std::string(name) + (name.size() < part.size() ? "=..." : "");
      separator = '&';
    }
  }
  // A hostile server's URL may hold anything.
  std::erase_if(result, [](char c) { return c <= ' ' || c >= 0x7f; });
  return result;
}

void Headers::add(std::string_view name, std::string value) {
  list_.emplace_back(ascii_lower(name), std::move(value));
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  const std::string wanted = ascii_lower(name);
  for (const auto& [known, value] : list_)
    if (known == wanted) return value;
  return std::nullopt;
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  const std::string wanted = ascii_lower(name);
  std::vector<std::string_view> result;
  for (const auto& [known, value] : list_)
    if (known == wanted) result.emplace_back(value);
  return result;
}

}  // namespace bottle::registry
