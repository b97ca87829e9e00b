// SPDX-License-Identifier: Apache-2.0
#include "store/step_record.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

namespace bottle::store {
namespace {

class StepRecords : public testing::Test {
 protected:
  RunReason reason(const std::string& text, Presence presence, const std::string& detail = "") const {
    return run_reason(directory_.path(), "image", text, Store::Lookup{presence, std::nullopt, detail});
  }
  TemporaryDirectory directory_;
};

TEST_F(StepRecords, SurviveARoundTrip) {
  EXPECT_FALSE(read_step_record(directory_.path(), "image"));
  StepRecord record{"image", "built", "changed", "a \"detail\"", sha256("k").hex(), 12, 1700000000};
  write_step_record(directory_.path(), record);
  const auto read = read_step_record(directory_.path(), "image");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->step, "image");
  EXPECT_EQ(read->outcome, "built");
  EXPECT_EQ(read->reason, "changed");
  EXPECT_EQ(read->detail, "a \"detail\"");
  EXPECT_EQ(read->key, sha256("k").hex());
  EXPECT_EQ(read->milliseconds, 12u);
  EXPECT_EQ(read->when, 1700000000);
  record.when = 0;
  write_step_record(directory_.path(), record);
  EXPECT_GT(read_step_record(directory_.path(), "image")->when, 1700000000);
}

TEST_F(StepRecords, InvalidRecordIsNamed) {
  write_file(directory_.path() / "image.last.json", "{\"outcome\":1}");
  EXPECT_THROW(read_step_record(directory_.path(), "image"), Error);
}

TEST_F(StepRecords, KeyTextsRotateOnlyWhenTheyDiffer) {
  const fs::path current = directory_.path() / "image.key";
  const fs::path previous = directory_.path() / "image.key.previous";
  EXPECT_TRUE(rotate_key_text(directory_.path(), "image", "one\n"));
  EXPECT_FALSE(fs::exists(previous));
  EXPECT_FALSE(rotate_key_text(directory_.path(), "image", "one\n"));
  EXPECT_FALSE(fs::exists(previous));
  EXPECT_TRUE(rotate_key_text(directory_.path(), "image", "two\n"));
  EXPECT_FALSE(rotate_key_text(directory_.path(), "image", "two\n"));
  EXPECT_EQ(read_file(current), "two\n");
  EXPECT_EQ(read_file(previous), "one\n");
}

TEST_F(StepRecords, LookupHasFourReasons) {
  EXPECT_EQ(reason("one", Presence::never).reason, "never");
  EXPECT_EQ(reason("one", Presence::present).reason, "never");
  rotate_key_text(directory_.path(), "image", "one");
  EXPECT_EQ(reason("two", Presence::never).reason, "changed");
  EXPECT_EQ(reason("two", Presence::present).reason, "changed");
  EXPECT_EQ(reason("one", Presence::present).reason, "");
  EXPECT_EQ(reason("one", Presence::never).reason, "evicted");
  EXPECT_NE(reason("one", Presence::never).detail, "");
  EXPECT_EQ(reason("two", Presence::evicted, "when").reason, "evicted");
  EXPECT_EQ(reason("two", Presence::damaged, "how").reason, "damaged");
  EXPECT_EQ(reason("two", Presence::damaged, "how").detail, "how");
}

}  // namespace
}  // namespace bottle::store
