// SPDX-License-Identifier: Apache-2.0
#include "pack/smolvm_version.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "pack/pack_file.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(SmolvmVersion, ParsesSemanticVersions) {
  const std::pair<const char*, const char*> cases[] = {
      {"1.16.2", "1.16.2"},
      {"v1.16.2", "1.16.2"},
      {"1.16.2+bottle.0.1.0", "1.16.2"},
      {"1.16.2-rc1", "1.16.2-rc1"},
      {"1.2.3-a.b-c+d", "1.2.3-a.b-c"},
      {"0.0.0", "0.0.0"},
  };
  for (const auto& [text, expected] : cases) {
    const auto version = SmolvmVersion::parse(text);
    ASSERT_TRUE(version) << text;
    EXPECT_EQ(version->string(), expected);
  }
  for (const char* text : {"", "bottle 0.1.0", "1.16", "1.16.2.3", "1.16.x", "01.2.3", "1.2.3+", "1.2.3-",
                           "1.2.3 ", "vv1.2.3", "-1.2.3", "1.2.4294967296", "1.2.3-a..b", "1.2.3+a b"})
    EXPECT_FALSE(SmolvmVersion::parse(text)) << text;
}

TEST(SmolvmVersion, OrdersNumbersAndPrereleases) {
  const char* ordered[] = {"0.0.0", "1.8.1", "1.9.3", "1.13.0", "1.16.2-rc1", "1.16.2", "1.29.0", "2.0.0"};
  for (std::size_t i = 0; i + 1 < std::size(ordered); ++i)
    EXPECT_LT(*SmolvmVersion::parse(ordered[i]), *SmolvmVersion::parse(ordered[i + 1])) << ordered[i];
  EXPECT_EQ(*SmolvmVersion::parse("1.16.2+a"), *SmolvmVersion::parse("1.16.2+b"));
}

TEST(SmolvmVersion, SettingsAreVersionsOfAtLeastTheOldest) {
  EXPECT_EQ(parse_smolvm_setting(""), kCurrentSmolvm);
  EXPECT_EQ(parse_smolvm_setting("current"), kCurrentSmolvm);
  EXPECT_EQ(parse_smolvm_setting("1.13").string(), "1.13.0");
  EXPECT_EQ(parse_smolvm_setting("1.8.1"), kOldestSmolvm);
  EXPECT_THROW(parse_smolvm_setting("1.8.0"), Error);
  EXPECT_THROW(parse_smolvm_setting("newest"), Error);
}

// What is written for each smolvm, and why:
//   smolvm_version  the smolvm that the pack is meant for, but none above 1.16.2: with that one the way of
//                   unpacking changed last. From 1.13.1 on it is parsed; what does not parse counts as older
//                   than 1.8.1, and the layers are unpacked without owners and set-id bits.
//   user            from 1.14.5 on a machine made from a pack runs as the user that it names.
//   root hosts      before 1.14.0 a smolvm run as root loses owners and set-id bits: warnings.
//   Windows         from 1.16.2 on layers are unpacked on the host, where some names are refused: a warning.
TEST(SmolvmVersion, WritesTheVersionForEachSmolvm) {
  struct Case {
    const char* smolvm;
    const char* version;
    bool user;
    bool root_hosts_lose;
    bool windows_refuses;
  };
  const Case cases[] = {
      {"1.8.1", "1.8.1+bottle." BOTTLE_VERSION, false, true, false},
      {"1.9.3", "1.9.3+bottle." BOTTLE_VERSION, false, true, false},
      {"1.13", "1.13.0+bottle." BOTTLE_VERSION, false, true, false},
      {"1.14.5", "1.14.5+bottle." BOTTLE_VERSION, true, false, false},
      {"1.16.2", "1.16.2+bottle." BOTTLE_VERSION, true, false, true},
      {"1.29", "1.16.2+bottle." BOTTLE_VERSION, true, false, true},
      {"current", "1.16.2+bottle." BOTTLE_VERSION, true, false, true},
  };
  const TemporaryDirectory directory;
  test::PlanMaker maker(directory.path() / "context");
  oci::Entry owned;
  owned.path = "home";
  owned.type = oci::EntryType::directory;
  owned.mode = 0755;
  owned.uid = 1000;
  maker.add(owned)
      .file("etc/passwd", "app:x:1000:1000::/:/bin/sh\n")
      .file("lib:amd64", "x")
      .file("su", "x", 04755);
  maker.config(R"({"architecture":"amd64","config":{"User":"app"},"os":"linux"})");
  for (const Case& c : cases) {
    PackOptions options = test::options();
    options.smolvm = parse_smolvm_setting(c.smolvm);
    const test::Written written = test::write(maker.plan(), directory.path() / "store", 1, options);
    const Manifest manifest = parse_manifest(written.recipe.manifest, c.smolvm);
    const std::vector<std::string>& warnings = written.recipe.findings.warnings;
    const auto warns = [&](const char* text, bool expected) {
      EXPECT_EQ(testing::Matches(Contains(HasSubstr(text)))(warnings), expected) << c.smolvm << ": " << text;
    };
    EXPECT_EQ(manifest.smolvm_version, c.version);
    EXPECT_EQ(manifest.user, c.user ? std::optional<std::string>("app") : std::nullopt) << c.smolvm;
    warns("the workload runs as root", !c.user);
    warns("owners other than root are lost", c.root_hosts_lose);
    warns("setuid and setgid bits are lost", c.root_hosts_lose);
    warns("Windows", c.windows_refuses);
  }
}

}  // namespace
}  // namespace bottle::pack
