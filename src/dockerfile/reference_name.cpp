// Names of bases as they are compared.
#include "dockerfile/stages.hpp"
#include "oci/reference_grammar.hpp"

namespace bottle::dockerfile {
namespace {

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
    if (oci::begins_with_domain(first)) {
      if (!oci::is_reference_domain(first)) return std::nullopt;
      domain = first == "index.docker.io" ? "docker.io" : std::string(first);
      path = rest.substr(slash + 1);
    }
  }
  std::string tag;
  if (const std::size_t colon = path.rfind(':');
      colon != std::string_view::npos && path.find('/', colon) == std::string_view::npos) {
    if (!oci::is_reference_tag(path.substr(colon + 1))) return std::nullopt;
    tag = std::string(path.substr(colon));
    path = path.substr(0, colon);
  }
  if (!oci::is_reference_path(path)) return std::nullopt;
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
