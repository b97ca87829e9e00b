// SPDX-License-Identifier: Apache-2.0
// SOURCE_DATE_EPOCH of the build argument, the environment and the Dockerfile.
#include "image/remote/url.hpp"
#include "oci/tar_writer.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::HasSubstr;

constexpr const char* kName = "SOURCE_DATE_EPOCH";

class EpochTest : public ImageTest {
 protected:
  std::int64_t epoch(const std::string& text, const std::optional<std::string>& argument = {}) const {
    dockerfile(text);
    BuildSpec wanted = spec();
    if (argument) wanted.build_args = {{kName, *argument}};
    return resolve::resolve_image(wanted, store()).epoch;
  }
  // The history's line of the ARG: the value that the stage has.
  std::string history(const std::string& text, const std::optional<std::string>& argument = {}) const {
    dockerfile(text);
    BuildSpec wanted = spec();
    if (argument) wanted.build_args = {{kName, *argument}};
    const resolve::Resolved resolved = resolve::resolve_image(wanted, store());
    return resolved.target().lines.back().text;
  }
  // As if it had been downloaded before.
  std::string in_store(const std::string& content) const {
    const store::Output output = store().put(content);
    store::ActionResult result{.kind = "url", .label = "test"};
    result.outputs["content"] = output;
    store().put_action(remote::url_action(output.digest), result);
    return output.digest.string();
  }
};

TEST_F(EpochTest, FirstSettingIsUsed) {
  struct Row {
    const char* environment;
    std::optional<std::string> argument;
    const char* text;
    std::int64_t expected;
  };
  for (const Row& row : std::vector<Row>{{"", {}, "FROM scratch", 0},
                                         {"5", {}, "FROM scratch", 5},
                                         {"", "7", "FROM scratch", 7},
                                         {"5", "7", "FROM scratch", 7},
                                         {"", {}, "ARG SOURCE_DATE_EPOCH=9\nFROM scratch", 9},
                                         {"", "7", "ARG SOURCE_DATE_EPOCH=9\nFROM scratch", 7},
                                         {"5", {}, "ARG SOURCE_DATE_EPOCH=9\nFROM scratch", 5},
                                         {"5", "", "ARG SOURCE_DATE_EPOCH=9\nFROM scratch", 0},
                                         {"5", "", "FROM scratch", 0},
                                         {"", {}, "ARG SOURCE_DATE_EPOCH=\nFROM scratch", 0},
                                         {"", {}, "ARG X=11\nARG SOURCE_DATE_EPOCH=$X\nFROM scratch", 11},
                                         {"", {}, "FROM scratch\nARG SOURCE_DATE_EPOCH=9", 0},
                                         {"", {}, "ARG SOURCE_DATE_EPOCH=context\nFROM scratch", 0},
                                         // The forms of Go's strconv.ParseInt, which BuildKit uses.
                                         {"", "+7", "FROM scratch", 7},
                                         {"", "007", "FROM scratch", 7},
                                         {"", "-7", "FROM scratch", -7},
                                         {"", "-0", "FROM scratch", 0},
                                         {"+7", {}, "FROM scratch", 7},
                                         {"-7", {}, "FROM scratch", -7},
                                         {"007", {}, "FROM scratch", 7},
                                         {"", {}, "ARG SOURCE_DATE_EPOCH=-7\nFROM scratch", -7},
                                         {"", {}, "ARG SOURCE_DATE_EPOCH=+007\nFROM scratch", 7},
                                         {"", "-62167219200", "FROM scratch", -62167219200},
                                         {"", "253402300799", "FROM scratch", 253402300799}}) {
    const ScopedVariable variable(kName, row.environment);
    EXPECT_EQ(epoch(row.text, row.argument), row.expected)
        << row.environment << " / " << row.argument.value_or("none") << " / " << row.text;
  }
}

TEST_F(EpochTest, ArgumentIsVisibleInItsStage) {
  const std::string declared = "FROM scratch\nARG SOURCE_DATE_EPOCH";
  EXPECT_EQ(history(declared), "ARG SOURCE_DATE_EPOCH");
  EXPECT_EQ(history(declared, "7"), "ARG SOURCE_DATE_EPOCH=7");
  EXPECT_EQ(history(declared, ""), "ARG SOURCE_DATE_EPOCH");
  EXPECT_EQ(history("ARG SOURCE_DATE_EPOCH=9\n" + declared), "ARG SOURCE_DATE_EPOCH=9");
  EXPECT_EQ(history(declared, "+007"), "ARG SOURCE_DATE_EPOCH=7");
  EXPECT_EQ(history("ARG SOURCE_DATE_EPOCH=-007\n" + declared), "ARG SOURCE_DATE_EPOCH=-7");
  EXPECT_EQ(history("ARG SOURCE_DATE_EPOCH=context\n" + declared), "ARG SOURCE_DATE_EPOCH");
  EXPECT_EQ(history(declared + "=9"), "ARG SOURCE_DATE_EPOCH=9");
  const ScopedVariable variable(kName, "5");
  EXPECT_EQ(history(declared), "ARG SOURCE_DATE_EPOCH=5");
  EXPECT_EQ(history(declared + "=9"), "ARG SOURCE_DATE_EPOCH=5");
}

TEST_F(EpochTest, InvalidValuesAreErrors) {
  for (const char* bad : {"1.5", "now", " 1", "1 ", "1e3", "0x7", "1_000", "+", "-", "--7", "+-7",
                          "-62167219201", "253402300800", "9223372036854775808", "99999999999999999999"}) {
    EXPECT_THAT(error_of([&] { epoch("FROM scratch", bad); }),
                HasSubstr("the build argument SOURCE_DATE_EPOCH"))
        << bad;
    EXPECT_THAT(
        error_of([&] { epoch("\nARG SOURCE_DATE_EPOCH=\"" + std::string(bad) + "\"\nFROM scratch"); }),
        HasSubstr("Dockerfile:2:1"))
        << bad;
  }
}

TEST_F(EpochTest, UsesTheNewestFileOfAStagesArchive) {
  std::string tar;
  for (const auto& [name, time] : {std::pair("a", 100), std::pair("b", 300), std::pair("c", 200)}) {
    oci::Entry entry;
    entry.path = name;
    entry.mode = 0644;
    entry.mtime = time;
    tar += oci::tar_header(entry, oci::TarStyle::layer);
  }
  tar += std::string(oci::tar_end());
  const auto text = [](const std::string& checksum) {
    return R"(ARG SOURCE_DATE_EPOCH=When
ARG P=a
FROM scratch AS when
ADD --checksum=)" +
           checksum + " https://example.invalid/$P /\nFROM scratch";
  };
  EXPECT_EQ(epoch(text(in_store(tar))), 300);
  EXPECT_EQ(epoch(text(in_store("no archive"))), 0);
}

TEST_F(EpochTest, NamedStageNeedsOneSource) {
  const std::string argument = "ARG SOURCE_DATE_EPOCH=when\n";
  for (const auto& [stage, expected] : std::vector<std::pair<std::string, std::string>>{
           {"FROM scratch AS when", "Dockerfile:2:1"},
           {"FROM scratch AS when\nRUN x\nADD https://a/b /", "Dockerfile:3:1"},
           {"FROM scratch AS when\nADD a /", "Dockerfile:3:1"},
           {"FROM scratch AS when\nADD https://a/b https://a/c /", "Dockerfile:3:1"},
           {"FROM scratch AS one\nFROM one AS when\nADD https://a/b /", "Dockerfile:3:1"},
           {"FROM scratch AS when\nADD https://a/b /", "is not locked"}})
    // Clang 14 cannot capture a structured binding.
    EXPECT_THAT(error_of([&, &text = stage] { epoch(argument + text + "\nFROM scratch"); }),
                HasSubstr(expected))
        << stage;
}

}  // namespace
}  // namespace bottle::image
