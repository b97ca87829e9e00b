#include "registry/reference.hpp"

#include <algorithm>

#include "oci/reference_grammar.hpp"
#include "util/ascii.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::string_view kHub = "docker.io";
constexpr std::size_t kMaximumHost = 255;
constexpr std::size_t kMaximumReference = 1024;

// The host without its port; nullopt for an invalid port.
std::optional<std::string_view> without_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.back() == ']') return text;
  const auto port = parse_unsigned(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  return text.substr(0, colon);
}

[[noreturn]] void fail(std::string_view reference, const std::string& expected) {
  throw Error("not a reference: expected " + expected,
              {.where = '"' + escape_word(reference.substr(0, kMaximumReference)) + '"',
               .hint = "write [registry[:port]/]repository[:tag][@digest]"});
}

}  // namespace

bool is_repository(std::string_view text) {
  return oci::is_reference_path(text);
}

bool is_tag(std::string_view text) {
  return oci::is_reference_tag(text);
}

bool is_registry(std::string_view text) {
  return text.size() <= kMaximumHost && oci::is_reference_domain(text) && without_port(text);
}

bool is_loopback(std::string_view registry) {
  const auto port_less = without_port(registry);
  if (!port_less) return false;
  const std::string host = ascii_lower(*port_less);
  if (host == "localhost" || host.ends_with(".localhost") || host == "[::1]") return true;
  const auto parts = split(host, '.');
  return parts.size() == 4 && parts[0] == "127" && std::all_of(parts.begin(), parts.end(), [](auto part) {
           const auto number = parse_unsigned(part);
           return number && *number <= 255;
         });
}

Reference Reference::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaximumReference)
    fail(text, "1 to " + std::to_string(kMaximumReference) + " bytes, found " + std::to_string(text.size()));
  Reference result;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    const std::string_view digest = rest.substr(at + 1);
    result.digest = Digest::parse(digest);
    if (!result.digest) result.other_digest = ContentDigest::parse(digest);
    if (!result.has_digest())
      fail(text, "\"sha256:\" and 64, or \"sha512:\" and 128 lower-case hex digits after the '@', found \"" +
                     escape_word(digest) + '"');
    rest = rest.substr(0, at);
  }
  std::string_view path = rest;
  result.registry = kHub;
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view first = rest.substr(0, slash);
    if (oci::begins_with_domain(first)) {
      if (!is_registry(first))
        fail(text, "a host with an optional port before the first '/', found \"" + escape_word(first) + '"');
      result.registry = first == "index.docker.io" ? kHub : first;
      path = rest.substr(slash + 1);
    }
  }
  if (const std::size_t colon = path.rfind(':'); colon != std::string_view::npos) {
    const std::string_view tag = path.substr(colon + 1);
    if (!is_tag(tag))
      fail(text,
           "a tag (1 to 128 letters, digits and \"_.-\", not beginning with '.' or '-') after the last ':', "
           "found \"" +
               escape_word(tag) + '"');
    result.tag = tag;
    path = path.substr(0, colon);
  }
  result.repository = path;
  if (result.registry == kHub && path.find('/') == std::string_view::npos)
    result.repository = "library/" + result.repository;
  if (path.empty() || !is_repository(result.repository))
    fail(text,
         "a repository (lower-case letters and digits, separated by '.', '_', '__', '-' and '/', at most 255 "
         "bytes), found \"" +
             escape_word(path) + '"');
  if (result.tag.empty() && !result.has_digest()) result.tag = "latest";
  return result;
}

std::string Reference::string() const {
  std::string text = name();
  if (!tag.empty()) text += ":" + tag;
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

}  // namespace bottle::registry
