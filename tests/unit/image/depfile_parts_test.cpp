// SPDX-License-Identifier: Apache-2.0
#include "image/context/depfile_parts.hpp"

#include <fcntl.h>

#include <array>
#include <set>
#include <sstream>

#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kSecond = 1'000'000'000;

class DepfilePartsTest : public ImageTest {
 protected:
  DepfilePartsTest() { fs::create_directories(out() / "key.inputs"); }
  fs::path out() const { return directory() / "build" / "bottles" / "a"; }
  fs::path part(std::size_t number) const {
    return out() / "key.inputs" / (std::to_string(options_.parts) + "." + std::to_string(number));
  }
  void set_stamp(std::size_t number, std::time_t seconds) const {
    touch(part(number));
    const std::array<timespec, 2> times{timespec{seconds, 0}, timespec{seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, part(number).c_str(), times.data(), 0), 0);
  }
  void write_all_of(const std::vector<context::Dependency>& dependencies) const {
    touch(out() / "key.stamp");
    context::write_depfiles(out(), options_, dependencies);
  }
  static std::vector<std::string> words(const fs::path& file) {
    std::istringstream text(read_file(file));
    std::vector<std::string> result;
    for (std::string word; text >> word;)
      if (word != "\\") result.push_back(word);
    return result;
  }
  std::string wanted() const { return read_file(out() / "key.parts"); }
  bool has_stamp() const { return fs::exists(out() / "key.stamp"); }
  static std::vector<context::Dependency> many(std::size_t count, std::int64_t mtime) {
    std::vector<context::Dependency> result;
    for (std::size_t i = 0; i < count; ++i)
      result.push_back({"/context/" + std::to_string(100000 + i), mtime});
    return result;
  }

  context::DepfileOptions options_;
};

TEST_F(DepfilePartsTest, OnePartHasAllPaths) {
  write_all_of({{"/a", 5}, {"/b", -1}});
  EXPECT_THAT(words(out() / "key.d"), ElementsAre((out() / "key.stamp").native() + ":", "/a", "/b"));
  EXPECT_FALSE(fs::exists(out() / "key.parts"));
  EXPECT_TRUE(fs::exists(out() / "key.inputs")) << "Ninja's affair";
  options_.target = "target";
  write_all_of({});
  EXPECT_THAT(words(out() / "key.d"), ElementsAre("target:"));
}

TEST_F(DepfilePartsTest, PathsAreRelativeLikeNinjas) {
  options_.base = (directory() / "build").native();
  write_all_of({{options_.base, 1}, {options_.base + "/made/f", 1}, {options_.base + "-other/f", 1}});
  EXPECT_THAT(words(out() / "key.d"),
              ElementsAre("bottles/a/key.stamp:", options_.base, "made/f", options_.base + "-other/f"));
  EXPECT_EQ(wanted(), "0\n");
  EXPECT_FALSE(fs::exists(out() / "key.inputs"));
}

TEST_F(DepfilePartsTest, PathIsInAPartNewerThanIt) {
  options_.parts = 8;
  options_.base = (directory() / "build").native();
  for (std::size_t number = 0; number < 7; ++number)
    set_stamp(number, static_cast<std::time_t>(100 * (number + 1)));  // the eighth has none
  std::vector<context::Dependency> all = many(800, 50 * kSecond);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].mtime_ns = static_cast<std::int64_t>(i % 80) * 10 * kSecond + 5;
  all.push_back({"/unknown", -1});
  write_all_of(all);
  std::map<std::string, std::size_t> found;
  for (std::size_t number = 0; number < 8; ++number) {
    const auto paths = words(part(number).native() + ".d");
    EXPECT_EQ(paths.at(0), "bottles/a/key.inputs/8." + std::to_string(number) + ":");
    for (std::size_t i = 1; i < paths.size(); ++i)
      EXPECT_TRUE(found.emplace(paths[i], number).second) << paths[i];
  }
  const auto rest = words(out() / "key.d");
  for (std::size_t i = 1; i < rest.size(); ++i)
    EXPECT_TRUE(found.emplace(rest[i], 8).second) << rest[i];
  ASSERT_EQ(found.size(), all.size());
  std::set<std::size_t> used;
  for (const context::Dependency& dependency : all) {
    const std::size_t number = found.at(dependency.path);
    used.insert(number);
    const bool is_last = dependency.mtime_ns < 0 || dependency.mtime_ns >= 700 * kSecond;
    EXPECT_EQ(number == 8, is_last) << dependency.path;
    EXPECT_TRUE(is_last || static_cast<std::int64_t>(100 * (number + 1)) * kSecond > dependency.mtime_ns);
  }
  EXPECT_THAT(used, ElementsAre(0, 1, 2, 3, 4, 5, 6, 8)) << "one has no stamp";
}

TEST_F(DepfilePartsTest, PathStaysInItsPart) {
  options_.parts = 4;
  for (std::size_t number = 0; number < 4; ++number)
    set_stamp(number, 100);
  std::vector<context::Dependency> all = many(400, 5);
  write_all_of(all);
  EXPECT_FALSE(has_stamp());
  write_all_of(all);
  EXPECT_TRUE(has_stamp()) << "nothing was rewritten";
  set_stamp(2, 200);
  write_all_of(all);
  EXPECT_TRUE(has_stamp());
  for (std::size_t i = 0; i < 40; ++i)
    all[i].mtime_ns = 150 * kSecond;  // only 2 was looked at after that
  write_all_of(all);
  EXPECT_FALSE(has_stamp());
  EXPECT_THAT(words(part(2).native() + ".d"), ::testing::Contains(all[7].path));
  all.pop_back();
  write_all_of(all);
  EXPECT_FALSE(has_stamp());
}

TEST_F(DepfilePartsTest, WritesTheNumberOfParts) {
  options_.base = directory().native();
  const auto fill = [&](std::size_t parts, std::size_t paths, bool is_new) {
    options_.parts = parts;
    fs::create_directories(out() / "key.inputs");
    for (std::size_t number = 0; number < parts; ++number)
      set_stamp(number, 100);
    write_all_of(many(paths, is_new ? 200 * kSecond : 5));
    return wanted();
  };
  EXPECT_EQ(fill(0, 1000, false), "0\n");
  EXPECT_EQ(fill(0, 20000, false), "80\n");
  EXPECT_EQ(fill(80, 20000, false), "80\n");
  EXPECT_EQ(fill(80, 15000, false), "80\n");
  EXPECT_EQ(fill(80, 100000, false), "400\n");
  EXPECT_EQ(fill(80, 500, false), "0\n");
  EXPECT_EQ(fill(80, 20000, true), "81\n") << "all are in one depfile; other stamps would spread them";
}

TEST_F(DepfilePartsTest, PartsOfAnotherNumberAreRemoved) {
  options_.base = directory().native();
  options_.parts = 3;
  write_all_of(many(10, 5));
  touch(part(0));
  options_.parts = 2;
  write_all_of(many(10, 5));
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(out() / "key.inputs"))
    names.insert(entry.path().filename().native());
  EXPECT_THAT(names, ElementsAre("2.0.d", "2.1.d"));
}

}  // namespace
}  // namespace bottle::image
