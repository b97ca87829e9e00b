// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/platform.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

using oci::host_platform;
using oci::normalized;
using oci::Platform;

constexpr std::array<std::string_view, 18> kSystems{
    "aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios",     "js",
    "linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "wasip1",  "windows", "zos"};
constexpr std::array<std::string_view, 25> kArchitectures{
    "386",     "amd64",  "amd64p32", "arm",       "armbe",       "arm64", "arm64be", "loong64", "mips",
    "mipsle",  "mips64", "mips64le", "mips64p32", "mips64p32le", "ppc",   "ppc64",   "ppc64le", "riscv",
    "riscv64", "s390",   "s390x",    "sparc",     "sparc64",     "wasm",  "ia64"};

template <std::size_t count>
bool one_of(const std::array<std::string_view, count>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool plain(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '_' || character == '-' || character == '.';
  });
}

}  // namespace

std::optional<Platform> parse_platform(std::string_view text) {
  const std::vector<std::string> parts = split(text, '/');
  if (parts.size() > 3) return std::nullopt;
  Platform platform{"", "", "", ""};
  std::string_view os = parts[0];
  if (const std::size_t open = os.find('('); open != std::string_view::npos) {
    if (os.back() != ')') return std::nullopt;
    platform.os_version = std::string(os.substr(open + 1, os.size() - open - 2));
    if (!platform.os_version.empty() && !plain(platform.os_version)) return std::nullopt;
    os = os.substr(0, open);
  }
  if (!plain(os)) return std::nullopt;
  for (std::size_t index = 1; index < parts.size(); ++index) {
    if (!plain(parts[index])) return std::nullopt;
  }
  if (parts.size() == 1) {
    platform.os = normalized({std::string(os), "", "", ""}).os;
    if (one_of(kSystems, platform.os)) {
      const Platform host = host_platform();
      platform.architecture = host.architecture;
      platform.variant = host.architecture == "arm" && host.variant != "v7" ? host.variant : "";
      return platform;
    }
    platform.os = host_platform().os;
    platform.architecture = std::string(os);
    platform = normalized(std::move(platform));
    if (platform.architecture == "arm" && platform.variant == "v7") platform.variant.clear();
    if (!one_of(kArchitectures, platform.architecture)) return std::nullopt;
    return platform;
  }
  platform.os = std::string(os);
  platform.architecture = parts[1];
  if (parts.size() == 3) platform.variant = parts[2];
  platform = normalized(std::move(platform));
  if (parts.size() == 2 && platform.architecture == "arm" && platform.variant == "v7")
    platform.variant.clear();
  if (parts.size() == 3 && platform.architecture == "arm64" && platform.variant.empty())
    platform.variant = "v8";
  return platform;
}

}  // namespace bottle::dockerfile
