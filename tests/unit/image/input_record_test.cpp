// SPDX-License-Identifier: Apache-2.0
#include "image/context/input_record.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>

#include "testing.hpp"

namespace bottle::image {
namespace {

class InputRecordTest : public ImageTest {
 protected:
  static constexpr std::int64_t kLater = std::numeric_limits<std::int64_t>::max();

  void record(std::int64_t begin = kLater) const {
    std::vector<context::Dependency> all;
    for (const char* path : {"", "/a", "/a/x", "/a/y", "/none"})
      all.push_back({context().native() + path});
    context::InputRecord(all, begin).write(directory());
  }
  // Relative to the context; "-" if nothing changed.
  std::string change() const {
    const auto path = context::InputRecord::find_change(directory());
    if (!path || path->empty()) return path ? "" : "-";
    return fs::path(*path).lexically_relative(context()).native();
  }
};

TEST_F(InputRecordTest, FindsChangesThatKeepTheTime) {
  write("a/x", "1");
  write("a/y", "2");
  EXPECT_EQ(change(), "") << "no record";
  record();
  EXPECT_EQ(change(), "-");
  fs::permissions(context() / "a/x", fs::perms(0600));
  EXPECT_EQ(change(), "a/x");
  record();
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (context() / "a/y").c_str(), old, 0), 0);
  EXPECT_EQ(change(), "a/y") << "older";
  record();
  fs::remove(context() / "a/x");
  link("a/x", "x");
  EXPECT_NE(change(), "-") << "a link to itself";
  record();
  EXPECT_EQ(change(), "-");
  write("none", "");
  EXPECT_NE(change(), "-");
}

TEST_F(InputRecordTest, RecentChangesAreNotTrusted) {
  write("a/x", "1");
  write("a/y", "2");
  record(0);
  EXPECT_NE(change(), "-");
}

TEST_F(InputRecordTest, DiffersWhenDamaged) {
  write("a/x", "1");
  write("a/y", "2");
  record();
  const std::string whole = read_file(directory() / "inputs.record");
  write_file(directory() / "inputs.record", whole.substr(0, whole.size() - 1));
  EXPECT_EQ(change(), "");
  write_file(directory() / "inputs.record", "");
  EXPECT_EQ(change(), "");
}

}  // namespace
}  // namespace bottle::image
