// SPDX-License-Identifier: Apache-2.0
// The step after a fingerprint takes the contents of contexts from the key.
#include <sys/stat.h>

#include "image/build_steps.hpp"
#include "image/model/recorded_inputs.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

class FingerprintedTest : public ImageTest {
 protected:
  FingerprintedTest() {
    write("data/one", "1");
    write("data/deep/er/two words", "2", 0755);
    link("data/link", "deep/er");
    write("100%", "%");
    write("other/not taken", "n");
    dockerfile(R"(FROM scratch
COPY data/deep/* data/link* /d/
COPY data /data
COPY 1* /f
)");
  }
  static void ignore_warning(const std::string&) {}
  ImageResult image(bool is_fingerprinted) const {
    return image_step(spec(), ignore_warning, is_fingerprinted);
  }
  std::string recorded_text() const {
    auto recorded = RecordedInputs::parse(key_text());
    if (!recorded) return "not understood";
    fs::rename(context() / "data", context() / "away");
    const std::string text =
        resolve::key_text(resolve::resolve_image(spec(), store(), {.recorded = std::move(recorded)}));
    fs::rename(context() / "away", context() / "data");
    return text;
  }
};

TEST_F(FingerprintedTest, RecordGivesTheSameKeyWithoutFiles) {
  EXPECT_EQ(recorded_text(), key_text());
}

TEST_F(FingerprintedTest, PipesAreNotRecorded) {
  ASSERT_EQ(::mkfifo((context() / "data/pipe").c_str(), 0644), 0);
  EXPECT_EQ(recorded_text(), "not understood");
  fingerprint_step(spec(), {}, ignore_warning);
  EXPECT_EQ(image(true).key, sha256(key_text()));
}

TEST_F(FingerprintedTest, BuildsFromTheKey) {
  fingerprint_step(spec(), {}, ignore_warning);
  const Digest before = sha256(key_text());
  write("data/one", "changed");
  EXPECT_EQ(image(true).key, before);
  EXPECT_NE(image(false).key, before);
  EXPECT_EQ(image(true).outcome, "stored");
}

TEST_F(FingerprintedTest, GivesTheSamePlan) {
  const Digest looked = image(false).plan_digest;
  fingerprint_step(spec(), {}, ignore_warning);
  fs::remove_all(store_directory());
  const ImageResult recorded = image(true);
  EXPECT_EQ(recorded.plan_digest, looked);
  EXPECT_EQ(recorded.executed, 3u);
}

TEST_F(FingerprintedTest, ReadsFilesAgainAfterOtherChanges) {
  fingerprint_step(spec(), {}, ignore_warning);
  const Digest before = sha256(key_text());
  dockerfile("FROM scratch\nCOPY other /other\n");
  const Digest after = sha256(key_text());
  EXPECT_NE(after, before);
  EXPECT_EQ(image(true).key, after);
  write_file(spec().directory / "key", "input context");
  EXPECT_EQ(image(true).key, after);
  fs::remove(spec().directory / "key");
  EXPECT_EQ(image(true).key, after);
}

TEST_F(FingerprintedTest, OutputHasTheTimeOfTheStart) {
  fingerprint_step(spec(), {}, ignore_warning);
  const auto time = [&](const char* name) { return fs::last_write_time(spec().directory / name); };
  EXPECT_EQ(time("key"), time("key.stamp"));
  EXPECT_EQ(time("key.stamp"), time("key.d"));
}

}  // namespace
}  // namespace bottle::image
