// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace bottle::oci {
namespace {

Platform linux_on(const std::string& text) {
  const std::size_t slash = text.find('/');
  return {"linux", text.substr(0, slash), slash == std::string::npos ? "" : text.substr(slash + 1), ""};
}

// For each requested platform, those that run on it, best first; no other of the list below does. These are
// the answers of Docker Engine 28.5 (containerd/platforms 1.0) to FROM of an index with that one entry.
struct Row {
  const char* wanted;
  const char* offered;
};
constexpr Row kRows[] = {
    {"amd64", "amd64 386"},
    {"amd64/v1", "amd64 386"},
    {"amd64/v2", "amd64/v2 amd64 386"},
    {"amd64/v3", "amd64/v3 amd64/v2 amd64 386"},
    {"386", "386"},
    {"arm", "arm/v7 arm/v6 arm/v5"},
    {"arm/v5", "arm/v5"},
    {"arm/v6", "arm/v6 arm/v5"},
    {"arm/v7", "arm/v7 arm/v6 arm/v5"},
    {"arm/v8", "arm/v8 arm/v7 arm/v6 arm/v5"},
    {"arm64", "arm64 arm/v8 arm/v7 arm/v6 arm/v5"},
    {"arm64/v8", "arm64 arm/v8 arm/v7 arm/v6 arm/v5"},
    {"arm64/v8.2", "arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"},
    {"arm64/v9", "arm64/v9 arm64/v8.5 arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"},
    {"arm64/v9.1", "arm64/v9.1 arm64/v9 arm64/v8.5 arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"},
    {"riscv64", "riscv64"},
    {"s390x", "s390x"},
    {"ppc64le", "ppc64le"},
};
constexpr const char* kOffered[] = {"amd64",      "amd64/v2",   "amd64/v3",   "386",        "arm/v5",
                                    "arm/v6",     "arm/v7",     "arm/v8",     "arm64",      "arm64/v9",
                                    "arm64/v9.1", "arm64/v8.1", "arm64/v8.2", "arm64/v8.5", "riscv64",
                                    "s390x",      "ppc64le"};

TEST(Platform, RanksCompatiblePlatforms) {
  for (const Row& row : kRows) {
    std::vector<std::pair<std::size_t, std::string>> ranked;
    for (const char* offered : kOffered)
      if (const auto rank = match_rank(linux_on(offered), linux_on(row.wanted)))
        ranked.emplace_back(*rank, offered);
    std::sort(ranked.begin(), ranked.end());
    std::string found;
    for (const auto& [rank, name] : ranked)
      found += (found.empty() ? "" : " ") + name;
    EXPECT_EQ(found, row.offered) << "wanted: " << row.wanted;
  }
}

TEST(Platform, SpellingsOfOnePlatform) {
  const auto same = [](const Platform& offered, const Platform& wanted) {
    return match_rank(offered, wanted) == std::size_t{0};
  };
  EXPECT_TRUE(same(linux_on("x86_64"), linux_on("amd64")));
  EXPECT_TRUE(same(linux_on("amd64/v1"), linux_on("amd64")));
  EXPECT_TRUE(same(linux_on("AMD64"), linux_on("amd64")));
  EXPECT_TRUE(same(linux_on("aarch64"), linux_on("arm64/v8")));
  EXPECT_TRUE(same(linux_on("arm64/8"), linux_on("arm64")));
  EXPECT_TRUE(same(linux_on("arm64/v9.0"), linux_on("arm64/v9")));
  EXPECT_TRUE(same(linux_on("arm"), linux_on("arm/v7")));
  EXPECT_TRUE(same(linux_on("armhf"), linux_on("arm/v7")));
  EXPECT_TRUE(same(linux_on("armel"), linux_on("arm/v6")));
  EXPECT_TRUE(same(linux_on("i386"), linux_on("386")));
  EXPECT_TRUE(same({"Linux", "amd64", "", ""}, linux_on("amd64")));
  EXPECT_TRUE(same({"", "amd64", "", ""}, linux_on("amd64")));
  EXPECT_TRUE(same({"macos", "arm64", "", ""}, {"darwin", "arm64", "", ""}));
  EXPECT_FALSE(match_rank({"windows", "amd64", "", ""}, linux_on("amd64")));
  EXPECT_FALSE(match_rank({"linux", "", "", ""}, linux_on("amd64")));
  EXPECT_FALSE(match_rank({"unknown", "unknown", "", ""}, linux_on("amd64")));
}

TEST(Platform, UnknownVariantsHaveNoFallback) {
  for (const char* wanted : {"amd64/vx", "amd64/v", "amd64/v999999999999999999999", "amd64/2"})
    EXPECT_FALSE(match_rank(linux_on("amd64"), linux_on(wanted))) << wanted;
  for (const char* wanted : {"arm/vx", "arm/v100", "arm/v6.1"})
    EXPECT_FALSE(match_rank(linux_on("arm/v6"), linux_on(wanted))) << wanted;
  EXPECT_EQ(match_rank(linux_on("amd64/vx"), linux_on("amd64/vx")), std::size_t{0});
}

}  // namespace
}  // namespace bottle::oci
