// SPDX-License-Identifier: Apache-2.0
#include "pack/image_reference.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pack/limits.hpp"

namespace bottle::pack {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string canonical_image(std::string_view reference) {
  if (reference.starts_with("local:") || reference.starts_with("local-dir:")) return std::string(reference);
  std::string text(reference);
  if (text.starts_with("index.docker.io/")) text.erase(0, std::string_view("index.").size());

  std::string suffix = ":latest";
  std::string name = text.substr(0, text.find('@'));
  const std::size_t colon = name.rfind(':');
  if (colon != std::string::npos && name.find('/', colon) == std::string::npos) {
    suffix = name.substr(colon);
    name.erase(colon);
  }
  if (const std::size_t at = text.find('@'); at != std::string::npos) suffix = text.substr(at);

  std::string registry = "docker.io";
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) {
    const std::string first = name.substr(0, slash);
    if (first.find_first_of(".:") != std::string::npos) {
      registry = first;
      name.erase(0, slash + 1);
    }
  }
  if (registry == "docker.io" && name.find('/') == std::string::npos) name.insert(0, "library/");
  return registry + "/" + name + suffix;
}

std::string image_problem(std::string_view canonical) {
  if (canonical.empty() || canonical.size() > kMaximumCanonicalImage)
    return fmt::format("expected 1 to {} bytes, found {}", kMaximumCanonicalImage, canonical.size());
  const auto allowed = [](char c) {
    return is_alphanumeric(c) || std::string_view("._/:@-").find(c) != std::string_view::npos;
  };
  const auto bad = std::find_if_not(canonical.begin(), canonical.end(), allowed);
  if (bad != canonical.end())
    return fmt::format("expected letters, digits and ._/:@- only, found byte 0x{:02x}",
                       static_cast<unsigned char>(*bad));
  if (!is_alphanumeric(canonical.front()) || !is_alphanumeric(canonical.back()))
    return "expected a letter or digit at both ends";
  if (canonical.find("..") != std::string_view::npos && canonical.find('/') != std::string_view::npos)
    return "expected no \"..\"";
  return "";
}

}  // namespace bottle::pack
