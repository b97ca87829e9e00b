// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include "util/ascii.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::size_t kMaximumVersion = 99;  // of a variant; larger ones have no fall-backs

std::optional<std::size_t> number(std::string_view text) {
  const auto value = parse_unsigned(text);
  if (!value || *value > kMaximumVersion) return std::nullopt;
  return static_cast<std::size_t>(*value);
}

// The N of "vN".
std::optional<std::size_t> version(std::string_view variant) {
  return variant.starts_with('v') ? number(variant.substr(1)) : std::nullopt;
}

std::string v(std::size_t major, std::size_t minor = 0) {
  return "v" + std::to_string(major) + (minor == 0 ? "" : "." + std::to_string(minor));
}

// The platforms that run on the last of `platforms`, which is normalized, are put behind it.
void add_older(std::vector<Platform>& platforms, std::size_t major, std::size_t oldest) {
  Platform next = platforms.back();
  while (major-- > oldest) {
    next.variant = v(major);
    platforms.push_back(next);
  }
}

// ARMv9.x has what ARMv8.(x+5) has (Arm Architecture Reference Manual, A2.1); an ARMv8 runs 32-bit programs.
void add_older_arm64(std::vector<Platform>& platforms) {
  Platform next = platforms.front();
  const std::string variant = next.variant.empty() ? "v8" : next.variant;
  const std::size_t point = variant.find('.');
  auto major = version(variant.substr(0, point));
  std::size_t minor = point == std::string::npos ? 0 : number(variant.substr(point + 1)).value_or(0);
  const auto add = [&](const std::string& name) {
    next.variant = name;
    platforms.push_back(next);
  };
  if (major && *major == 9) {
    for (std::size_t i = minor; i-- > 0;)
      add(v(9, i));
    major = 8;
    minor += 5;
    add(v(8, minor));
  }
  if (major && *major == 8)
    for (std::size_t i = minor; i-- > 0;)
      add(v(8, i));
  next.architecture = "arm";
  add("v8");
  add_older(platforms, 8, 5);
}

std::vector<Platform> running_on(const Platform& wanted) {
  std::vector<Platform> platforms{normalized(wanted)};
  const Platform& first = platforms.front();
  if (first.architecture == "amd64") {
    if (const auto major = version(first.variant)) add_older(platforms, *major, 1);
    platforms.push_back({platforms.front().os, "386", "", ""});
  } else if (first.architecture == "arm") {
    if (const auto major = version(first.variant)) add_older(platforms, *major, 5);
  } else if (first.architecture == "arm64") {
    add_older_arm64(platforms);
  }
  return platforms;
}

}  // namespace

std::string Platform::string() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

std::string Platform::string_with_version() const {
  const std::string system = os_version.empty() ? os : os + "(" + os_version + ")";
  return system + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

Platform normalized(Platform platform) {
  platform.os = platform.os.empty() ? host_platform().os : ascii_lower(std::move(platform.os));
  if (platform.os == "macos") platform.os = "darwin";
  std::string& architecture = platform.architecture = ascii_lower(std::move(platform.architecture));
  std::string& variant = platform.variant = ascii_lower(std::move(platform.variant));
  if (architecture == "i386") {
    architecture = "386";
    variant.clear();
  } else if (architecture == "x86_64" || architecture == "x86-64" || architecture == "amd64") {
    architecture = "amd64";
    if (variant == "v1") variant.clear();
  } else if (architecture == "aarch64" || architecture == "arm64") {
    architecture = "arm64";
    if (variant == "8" || variant == "v8" || variant == "v8.0") variant.clear();
    if (variant == "9" || variant == "9.0" || variant == "v9.0") variant = "v9";
  } else if (architecture == "armhf") {
    architecture = "arm";
    variant = "v7";
  } else if (architecture == "armel") {
    architecture = "arm";
    variant = "v6";
  } else if (architecture == "arm") {
    if (variant.empty() || variant == "7") variant = "v7";
    if (variant == "5" || variant == "6" || variant == "8") variant = "v" + variant;
  }
  return platform;
}

std::optional<std::size_t> match_rank(const Platform& offered, const Platform& wanted) {
  const Platform there = normalized(offered);
  const std::vector<Platform> platforms = running_on(wanted);
  for (std::size_t i = 0; i < platforms.size(); ++i) {
    // "v1" and "v8" come from counting down; normalized(), they are not a variant.
    const Platform each = normalized(platforms[i]);
    if (there.os == each.os && there.architecture == each.architecture && there.variant == each.variant)
      return i;
  }
  return std::nullopt;
}

bool is_unknown(const Platform& platform) {
  return platform.os == "unknown" || platform.architecture == "unknown";
}

Platform host_platform() {
#if defined(__x86_64__)
  return {"linux", "amd64", "", ""};
#elif defined(__aarch64__)
  return {"linux", "arm64", "", ""};
#elif defined(__riscv) && __riscv_xlen == 64
  return {"linux", "riscv64", "", ""};
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return {"linux", "ppc64le", "", ""};
#elif defined(__s390x__)
  return {"linux", "s390x", "", ""};
#elif defined(__arm__)
  return {"linux", "arm", "v7", ""};
#elif defined(__i386__)
  return {"linux", "386", "", ""};
#else
#error "name this machine's architecture as GOARCH does"
#endif
}

}  // namespace bottle::oci
