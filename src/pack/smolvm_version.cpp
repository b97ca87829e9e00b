// SPDX-License-Identifier: Apache-2.0
#include "pack/smolvm_version.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr const char* kMetadata = "+bottle." BOTTLE_VERSION;

bool is_identifier(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

bool are_identifiers(std::string_view text) {
  return std::ranges::all_of(split(text, '.'), is_identifier);
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  const auto value = parse_unsigned(text);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

}  // namespace

std::optional<SmolvmVersion> SmolvmVersion::parse(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos && !are_identifiers(text.substr(plus + 1))) return std::nullopt;
  text = text.substr(0, plus);
  SmolvmVersion version;
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    version.prerelease = text.substr(dash + 1);
    if (!are_identifiers(version.prerelease)) return std::nullopt;
  }
  const std::vector<std::string_view> parts = split(text.substr(0, dash), '.');
  if (parts.size() != version.numbers.size()) return std::nullopt;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto number = parse_number(parts[i]);
    if (!number) return std::nullopt;
    version.numbers[i] = *number;
  }
  return version;
}

std::string SmolvmVersion::string() const {
  return fmt::format("{}.{}.{}{}{}", numbers[0], numbers[1], numbers[2], prerelease.empty() ? "" : "-",
                     prerelease);
}

std::strong_ordering SmolvmVersion::operator<=>(const SmolvmVersion& other) const {
  if (const auto order = numbers <=> other.numbers; order != 0) return order;
  if (prerelease.empty() != other.prerelease.empty())
    return prerelease.empty() ? std::strong_ordering::greater : std::strong_ordering::less;
  return prerelease <=> other.prerelease;
}

SmolvmVersion parse_smolvm_setting(const std::string& text) {
  if (text.empty() || text == "current") return kCurrentSmolvm;
  const bool is_short = std::ranges::count(text, '.') == 1;
  const auto version = SmolvmVersion::parse(is_short ? text + ".0" : text);
  const std::string hint = "write a version such as " + kUnpacksWithOwners.string() + ", or \"current\"";
  if (!version)
    throw Error(
        "invalid version of smolvm: expected numbers such as 1.16.2, found \"" + escape_word(text) + '"',
        {.hint = hint});
  if (*version < kOldestSmolvm)
    throw Error(fmt::format("unsupported version of smolvm: expected at least {}, found {}",
                            kOldestSmolvm.string(), version->string()),
                {.hint = hint});
  return *version;
}

std::string pack_version(const SmolvmVersion& meant_for) {
  return std::min(meant_for, kUnpacksWithOwners).string() + kMetadata;
}

std::string unknown_pack_version() {
  return SmolvmVersion{}.string() + kMetadata;
}

}  // namespace bottle::pack
