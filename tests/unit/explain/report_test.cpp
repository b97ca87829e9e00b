// SPDX-License-Identifier: Apache-2.0
#include "explain/report.hpp"

#include "util/error.hpp"
#include "util/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::explain {
namespace {

using testing::HasSubstr;
using testing::Not;

class Reports : public testing::Test {
 protected:
  // What a step leaves behind that ran with this key text.
  void ran(const std::string& step, const std::string& outcome, const std::string& text,
           store::Presence presence = store::Presence::never, const std::string& detail = "") {
    const auto reason =
        store::run_reason(directory(), step, text, store::Store::Lookup{presence, std::nullopt, detail});
    store::rotate_key_text(directory(), step, text);
    store::write_step_record(directory(),
                             {step, outcome, reason.reason, reason.detail, "00", 12, 1700000000});
  }
  std::string text() const { return to_text(report("hello", directory())); }
  const fs::path& directory() const { return directory_.path(); }
  TemporaryDirectory directory_;
};

TEST_F(Reports, NeverBuilt) {
  EXPECT_EQ(text(),
            "hello (" + directory().native() + ")\n  image: never built here\n  pack: never built here\n");
}

TEST_F(Reports, TheFirstBuild) {
  ran("image", "built", "tool = 1\n");
  EXPECT_THAT(text(), HasSubstr("image: built on 2023-11-14 at 22:13:20 UTC in 12 ms, "
                                "because it had never been built here\n"));
}

TEST_F(Reports, ListsChanges) {
  ran("image", "built", "tool = 1\n");
  ran("image", "built", "tool = 2\n");
  EXPECT_THAT(text(), HasSubstr("because its inputs changed:\n    tool changed 1 -> 2\n"));
  ran("image", "stored", "tool = 1\n", store::Presence::present);
  EXPECT_THAT(text(), HasSubstr("image: taken from the store on"));
  EXPECT_THAT(text(), HasSubstr("tool changed 2 -> 1\n"));
}

TEST_F(Reports, NothingChanged) {
  ran("image", "built", "tool = 1\n");
  ran("image", "built", "tool = 2\n");
  ran("image", "unchanged", "tool = 2\n", store::Presence::present);
  EXPECT_THAT(text(), HasSubstr("image: nothing changed on"));
  EXPECT_THAT(text(), HasSubstr("the last change before that:\n    tool changed 1 -> 2\n"));
}

TEST_F(Reports, EvictionAndDamageAreSeparateReasons) {
  ran("pack", "built", "tool = 1\n");
  ran("pack", "built", "tool = 2\n");
  ran("pack", "built", "tool = 2\n", store::Presence::evicted, "evicted yesterday");
  EXPECT_THAT(text(), HasSubstr("because its result had been evicted from the store: evicted yesterday\n"));
  EXPECT_THAT(text(), Not(HasSubstr("tool changed")));
  ran("pack", "built", "tool = 2\n", store::Presence::damaged, "0 bytes found");
  EXPECT_THAT(text(), HasSubstr("because its result in the store was damaged: 0 bytes found\n"));
}

TEST_F(Reports, ListsPendingChanges) {
  ran("image", "built", "tool = 1\n");
  write_file(directory() / "key", "tool = 1\n");
  EXPECT_THAT(text(), Not(HasSubstr("next build")));
  write_file(directory() / "key", "argument A = x\ntool = 1\n");
  EXPECT_THAT(text(), HasSubstr("next build: the image will run"));
  EXPECT_THAT(text(), HasSubstr("build argument A added: x\n"));
}

TEST_F(Reports, PrintsJson) {
  ran("image", "built", "tool = 1\n");
  ran("image", "built", "tool = 2\n");
  const Json json = parse_json(to_json({report("hello", directory())}), "report");
  const Json& bottle = json["bottles"][0];
  EXPECT_EQ(bottle["slug"], "hello");
  EXPECT_EQ(bottle["steps"][0]["reason"], "changed");
  EXPECT_EQ(bottle["steps"][0]["changes"][0]["kind"], "changed");
  EXPECT_EQ(bottle["steps"][0]["changes"][0]["subject"], Json::parse("[\"tool\"]"));
  EXPECT_EQ(bottle["steps"][0]["changes"][0]["old"], "1");
  EXPECT_EQ(bottle["steps"][1]["reason"], "never");
  EXPECT_TRUE(bottle["pending"].is_null());
  write_file(directory() / "key", "tool = 2\n");
  EXPECT_TRUE(parse_json(to_json({report("hello", directory())}), "r")["bottles"][0]["pending"].empty());
}

TEST_F(Reports, InvalidRecordIsNamed) {
  write_file(directory() / "image.last.json", "{");
  try {
    report("hello", directory());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.where(), HasSubstr("image.last.json"));
  }
}

}  // namespace
}  // namespace bottle::explain
