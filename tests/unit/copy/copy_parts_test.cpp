// SPDX-License-Identifier: Apache-2.0
// The parts that COPY and ADD are made of: patterns, sources, modes, owners.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "copy/glob.hpp"
#include "copy/mode.hpp"
#include "copy/sources.hpp"
#include "image/model/users.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/path.hpp"

namespace bottle::copy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CopyPath, CleansLikeGo) {
  const struct {
    const char* written;
    const char* clean;
    const char* in_root;
  } kCases[] = {
      {"", ".", ""},        {".", ".", ""},        {"/", "/", ""},         {"a//b/./c/", "a/b/c", "a/b/c"},
      {"a/../b", "b", "b"}, {"../a", "../a", "a"}, {"/../a", "/a", "a"},   {"a/../../b", "../b", "b"},
      {"./a", "a", "a"},    {"/a/..", "/", ""},    {"a/b/../..", ".", ""},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(clean_path(c.written), c.clean) << c.written;
    EXPECT_EQ(path_in_root(c.written), c.in_root) << c.written;
  }
}

// From the documentation of Go's path/filepath.Match.
TEST(Glob, MatchesFilePaths) {
  const struct {
    const char* pattern;
    const char* path;
    bool matches;
  } kCases[] = {
      {"abc", "abc", true},
      {"*", "abc", true},
      {"*c", "abc", true},
      {"a*", "ab/c", false},
      {"a*/b", "abc/b", true},
      {"a*/b", "a/c/b", false},
      {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
      {"a*b?c*x", "abxbbxdbxebxczzx", true},
      {"a*b?c*x", "abxbbxdbxebxczzy", false},
      {"ab[c]", "abc", true},
      {"ab[b-d]", "abc", true},
      {"ab[e-g]", "abc", false},
      {"ab[^c]", "abc", false},
      {"ab[^e-g]", "abc", true},
      {"a\\*b", "a*b", true},
      {"a\\*b", "ab", false},
      {"a?b",
       "a\xe2\x98\xba"
       "b",
       true},
      {"a[^a]b",
       "a\xe2\x98\xba"
       "b",
       true},
      {"a???b",
       "a\xe2\x98\xba"
       "b",
       false},
      {"[a-\xce\xb6]*", "\xce\xb1", true},
      {"a?b", "a/b", false},
      {"a*b", "a/b", false},
      {"[\\]a]", "]", true},
      {"[\\-x]", "-", true},
      {"[[]x]", "[x]", true},
      {"*", "", true},
      {"a**b", "a/b", false},
      {"[z-a]", "m", false},
      {"?", "\xff", true},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Glob(c.pattern, Glob::Language::file_path).match(c.path), c.matches)
        << c.pattern << " " << c.path;
  }
}

TEST(Glob, RefusesMalformedPatterns) {
  for (const char* pattern : {"[", "[]", "[]a]", "[-x]", "[x-]", "[a-b-c]", "[^", "a\\", "[^bc", "a["}) {
    EXPECT_THROW(Glob(pattern, Glob::Language::file_path), Error) << pattern;
  }
}

TEST(Glob, RulesOutDirectoriesWithoutMatches) {
  const Glob glob("a*/b/*.c", Glob::Language::file_path);
  EXPECT_TRUE(glob.could_match_below(""));
  EXPECT_TRUE(glob.could_match_below("ax"));
  EXPECT_TRUE(glob.could_match_below("ax/b"));
  EXPECT_FALSE(glob.could_match_below("x"));
  EXPECT_FALSE(glob.could_match_below("ax/c"));
  EXPECT_FALSE(glob.could_match_below("ax/b/d.c"));
  EXPECT_TRUE(Glob("**/x", Glob::Language::ignore).could_match_below("a/b/c"));
}

TEST(Glob, TimeIsProportionalToTheInput) {
  std::string pattern;
  for (int i = 0; i < 200; ++i)
    pattern += "*a";
  EXPECT_FALSE(Glob(pattern + "b", Glob::Language::file_path).match(std::string(4000, 'a')));
}

TEST(PathPatterns, AgreesWithMobyPatternmatcher) {
  const std::filesystem::path table =
      std::string(BOTTLE_CONFORMANCE_DIR) + "/data/dockerignore/patterns.jsonl";
  if (!std::filesystem::exists(table)) GTEST_SKIP() << "no conformance data at " << table;
  std::ifstream file(table);
  int rows = 0;
  for (std::string line; std::getline(file, line);) {
    const Json row = parse_json(line, table.string());
    if (!row.contains("path") || !row.contains("expect")) continue;
    std::optional<bool> matches;
    try {
      matches =
          PathPatterns(row["patterns"].get<std::vector<std::string>>()).match(row["path"].get<std::string>());
    } catch (const Error&) {
    }
    EXPECT_EQ(matches, row["expect"].is_string() ? std::nullopt : std::optional(row["expect"].get<bool>()))
        << line;
    ++rows;
  }
  EXPECT_GT(rows, 100);
}

TEST(Sources, AreSplitAtTheFirstWildcard) {
  const struct {
    const char* written;
    const char* literal;
    const char* wildcard;
    bool climbs;
  } kCases[] = {
      {".", "", "", false},
      {"/", "", "", false},
      {"./a/b/", "a/b", "", false},
      {"a/*/b", "a", "*/b", false},
      {"../x", "x", "", true},
      {"a/../../x", "x", "", true},
      {"*", "", "*", false},
      {"a/\\*/b", "a/\\*/b", "", false},
      {"a[b]/c", "", "a[b]/c", false},
  };
  for (const auto& c : kCases) {
    const SourcePattern source(c.written);
    EXPECT_EQ(source.literal, c.literal) << c.written;
    EXPECT_EQ(source.wildcard, c.wildcard) << c.written;
    EXPECT_EQ(source.climbs, c.climbs) << c.written;
  }
}

TEST(Sources, PatternsMatchPathsAndDirectories) {
  const SourcePattern source("a/b*/c");
  EXPECT_TRUE(source.match("a/bx/c"));
  EXPECT_FALSE(source.match("a/bx"));
  EXPECT_FALSE(source.match("a"));
  EXPECT_TRUE(source.could_match_below(""));
  EXPECT_TRUE(source.could_match_below("a"));
  EXPECT_TRUE(source.could_match_below("a/bx"));
  EXPECT_FALSE(source.could_match_below("a/x"));
  EXPECT_FALSE(source.could_match_below("ab"));
  EXPECT_FALSE(SourcePattern("a").could_match_below("a"));
}

TEST(Sources, ChooseWithParentsAndExcludes) {
  const Source source = parse_source("./base/./x/*/f", true, {"**/no", "!x/yes/no"});
  EXPECT_EQ(source.pattern.path, "base");
  EXPECT_FALSE(source.required);
  EXPECT_TRUE(source.takes("x/y/f"));
  EXPECT_TRUE(source.takes("x/y/f/below"));
  EXPECT_FALSE(source.takes("x/y"));
  EXPECT_FALSE(source.takes("x/y/f/no"));
  EXPECT_TRUE(source.may_take_below(""));
  EXPECT_TRUE(source.may_take_below("x/y"));
  EXPECT_FALSE(source.may_take_below("z"));
  EXPECT_EQ(parse_source("a/b", true, {}).required, "a/b");
  EXPECT_EQ(parse_source("a/./b", true, {}).required, "a/b");
}

std::uint16_t changed(const char* mode, int from, bool is_directory = false) {
  return ModeChange::parse(mode).apply(static_cast<std::uint16_t>(from), is_directory);
}

TEST(ModeChange, FollowsChmod) {
  EXPECT_EQ(changed("0755", 0600), 0755);
  EXPECT_EQ(changed("4711", 0600), 04711);
  EXPECT_EQ(changed("u=rwX,go=rX", 0600), 0644);
  EXPECT_EQ(changed("u=rwX,go=rX", 0700), 0755);
  EXPECT_EQ(changed("u=rwX,go=rX", 0600, true), 0755);
  EXPECT_EQ(changed("-X", 0777), 0666);
  EXPECT_EQ(changed("a+X", 0644), 0644);
  EXPECT_EQ(changed("a+X", 0744), 0755);
  EXPECT_EQ(changed("a+X", 0644, true), 0755);
  EXPECT_EQ(changed("go-w", 0666), 0644);
  EXPECT_EQ(changed("go=", 0777), 0700);
  EXPECT_EQ(changed("go=u-w", 0700), 0755);
  EXPECT_EQ(changed("g=o", 0704), 0744);
  EXPECT_EQ(changed("u+s", 0755), 04755);
  EXPECT_EQ(changed("g+s", 0755), 02755);
  EXPECT_EQ(changed("o+s", 0755), 0755);
  EXPECT_EQ(changed("+t", 0755), 01755);
  EXPECT_EQ(changed("u-x+w", 0500), 0600);
  EXPECT_EQ(changed("=r", 0777), 0444);
  EXPECT_EQ(ModeChange::parse("4750").mode_of_made_directories(), 0750);
  EXPECT_EQ(ModeChange::parse("u+x").mode_of_made_directories(), 0755);
}

TEST(ModeChange, RefusesOtherTexts) {
  for (const char* text : {"", "8", "10000", "0x7", "u", "u+r,", ",u+r", "rwx", "u?r", "u+rz", "755a"}) {
    EXPECT_THROW(ModeChange::parse(text), Error) << text;
  }
}

class Users : public testing::Test {
 protected:
  Users() {
    tree_.apply(
        {{"context"},
         {file("etc/passwd", "root:x:0:0::/root:/bin/sh\n # web:x:9:9\n web:x:33:44:w:/:/bin/sh\nbad:x:z:\n"),
          file("etc/group", "root:x:0:\nstaff:x:50:a,b\n\nshort\n")}},
        "test");
  }
  static oci::Entry file(const std::string& path, const std::string& content) {
    oci::Entry entry;
    entry.path = path;
    entry.size = content.size();
    entry.digest = sha256(content);
    entry.place.root = 0;
    entry.place.path = content;  // stands in for a disk
    return entry;
  }
  image::Owner resolve(const char* text) {
    return image::resolve_owner(
        text, tree_,
        [](const oci::Entry& entry, const std::vector<std::string>&) { return entry.place.path.string(); },
        [&](const std::string& line) { warnings_.push_back(line); });
  }

  oci::MergedTree tree_;
  std::vector<std::string> warnings_;
};

TEST_F(Users, AreNumbersOrNames) {
  const struct {
    const char* text;
    image::Owner owner;
  } kCases[] = {
      {"5", {5, 5}},
      {"5:6", {5, 6}},
      {"web", {33, 44}},
      {"web:staff", {33, 50}},
      {"web:7", {33, 7}},
      {"7:staff", {7, 50}},
      {"root", {0, 0}},
      {"root:staff", {0, 50}},
      {"bad", {0, 0}},
      {"7:short", {7, 0}},
      // As Go's strconv.ParseInt reads them; lchown(2) leaves an owner of -1 alone.
      {"+5:+6", {5, 6}},
      {"007:08", {7, 8}},
      {"-1", {0, 0}},
      {"-1:5", {0, 5}},
      {"5:-1", {5, 0}},
      {"-2", {4294967294, 4294967294}},
  };
  for (const auto& c : kCases)
    EXPECT_EQ(resolve(c.text), c.owner) << c.text;
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(Users, UnknownUsersAreRootWithAWarning) {
  EXPECT_EQ(resolve("nobody:crew"), (image::Owner{0, 0}));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("\"nobody\" is not in /etc/passwd"), HasSubstr("\"crew\"")));
}

TEST_F(Users, NamesNeedAnImage) {
  const oci::MergedTree nothing;
  EXPECT_THROW(image::resolve_owner("web", nothing, {}, {}), Error);
  EXPECT_EQ(image::resolve_owner("1:2", nothing, {}, {}), (image::Owner{1, 2}));
}

}  // namespace
}  // namespace bottle::copy
