// SPDX-License-Identifier: Apache-2.0
// What an instruction takes decides its key, and nothing else of where it takes it from.
#include "copy/selection.hpp"

#include <sys/xattr.h>

#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TakenTest : public ImageTest {
 protected:
  void chmod(const std::string& path, unsigned mode) const {
    fs::permissions(context() / path, fs::perms(mode));
  }
  // Whether the key is another after `edit`.
  template <typename Edit>
  bool changes_key(const Edit& edit) const {
    const std::string before = key_text();
    edit();
    return key_text() != before;
  }
};

TEST_F(TakenTest, OnlyCopiedEntriesOfAStageAreInputs) {
  for (const char* name : {"a", "b"})
    write(name, name);
  dockerfile(
      R"(FROM scratch AS s
COPY a /d/a
COPY b /e/b
FROM scratch
COPY --from=s /d /copy
COPY --from=s /*/b /
)");
  build();
  write("b", "changed");
  EXPECT_THAT(build().executed, ElementsAre(HasSubstr(" b /e/b"), HasSubstr("/*/b")));
  dockerfile(
      R"(FROM scratch AS s
COPY a /d/a
COPY b /e/b
COPY a /more
FROM scratch
COPY --from=s /d /copy
COPY --from=s /*/b /
)");
  const BuiltImage more = build();
  EXPECT_THAT(more.executed, ElementsAre(HasSubstr(" a /more")));
  EXPECT_EQ(content(more.image, "b"), "changed");
}

TEST_F(TakenTest, LinksToASourceAreInputs) {
  for (const char* name : {"a", "b"})
    write(name, name);
  link("l", "a");
  dockerfile(R"(FROM scratch AS s
COPY a b l /
FROM scratch
COPY --from=s /l /copy
)");
  EXPECT_EQ(content(build().image, "copy"), "a");
  link("l", "b");
  EXPECT_EQ(content(build().image, "copy"), "b");
}

TEST_F(TakenTest, OnlyCopiedEntriesOfABottleAreInputs) {
  const BuildSpec lib = spec_of("lib");
  write("lib/l", "library");
  write("lib/other", "1");
  write("lib/Dockerfile", R"(FROM scratch
COPY l /out/l
COPY other /other
ENV A=1
)");
  build_and_save(lib);
  BuildSpec app = spec_of("app");
  app.contexts.push_back({.name = "lib", .kind = ContextKind::bottle, .value = lib.directory});
  write("app/Dockerfile", "FROM scratch\nCOPY --from=lib /out /lib\n");
  build_and_save(app);
  const std::string before = key_text(app);
  write("lib/other", "2");
  write("lib/Dockerfile", R"(FROM scratch
COPY l /out/l
COPY other /other
ENV A=2
)");
  build_and_save(lib);
  EXPECT_EQ(key_text(app), before);
  EXPECT_THAT(build(app).executed, IsEmpty());
  write("lib/l", "another");
  build_and_save(lib);
  EXPECT_NE(key_text(app), before);
  EXPECT_EQ(content(build_and_save(app), "lib/l"), "another");
}

TEST_F(TakenTest, ModesThatChmodReplacesAreNotInputs) {
  write("f", "f");
  write("d/g", "g");
  for (const auto& [option, counts] :
       std::vector<std::pair<std::string, bool>>{{"", true},
                                                 {"--chmod=640", false},
                                                 {"--chmod=go-w", true},
                                                 {"--chmod=a=rX", true},
                                                 {"--chmod=640 --exclude=x", true}}) {
    for (const char* path : {"f", "d/g"}) {
      chmod("f", 0644);
      chmod("d/g", 0644);
      dockerfile("FROM scratch\nCOPY " + option + " f d /\n");
      build();
      EXPECT_EQ(changes_key([&] { chmod(path, 0755); }), counts) << option << " " << path;
      EXPECT_EQ(build().executed.empty(), !counts) << option << " " << path;
    }
  }
  dockerfile(R"(FROM scratch
COPY --chmod=640 f /a
COPY f /b
)");
  chmod("f", 0644);
  build();
  chmod("f", 0600);
  EXPECT_THAT(build().executed, ElementsAre(HasSubstr("/b"))) << "one of two needs the mode";
}

TEST_F(TakenTest, ModeOfANamedDirectoryIsNotAnInput) {
  write("d/e/f", "f");
  dockerfile("FROM scratch\nCOPY d /new\n");
  EXPECT_FALSE(changes_key([&] { chmod("d", 0700); }));
  EXPECT_TRUE(changes_key([&] { chmod("d/e", 0700); }));
  dockerfile("FROM scratch\nCOPY d d/e /new/\n");
  EXPECT_TRUE(changes_key([&] { chmod("d/e", 0755); })) << "it is below the other source too";
}

TEST_F(TakenTest, AttributesThatLayersDoNotStoreAreNotInputs) {
  write("f", "f");
  const auto set = [&](const char* value) {
    ASSERT_EQ(::setxattr((context() / "f").c_str(), "user.note", value, 1, 0), 0);
  };
  if (::setxattr((context() / "f").c_str(), "user.note", "1", 1, 0) != 0)
    GTEST_SKIP() << "the file system has no user.* attributes";
  dockerfile("FROM scratch\nCOPY f /\n");
  EXPECT_FALSE(changes_key([&] { set("2"); }));
  dockerfile("FROM scratch\nRUN --mount=type=bind,target=/m x\n");
  EXPECT_TRUE(changes_key([&] { set("3"); })) << "the command sees them";
}

TEST_F(TakenTest, StageNamesAreNotInputs) {
  write("a", "a");
  const auto with_names = [&](const std::string& one, const std::string& two, const std::string& ref,
                              const std::string& mounted) {
    dockerfile("FROM scratch AS " + one + "\nCOPY a /\nFROM " + one + " AS " + two + "\nCOPY a /b\n" +
               "FROM scratch\nCOPY --from=" + ref + " /b /c\nRUN --mount=from=" + mounted + ",target=/m x\n");
  };
  with_names("one", "two", "two", "two");
  const std::string before = key_text();
  with_names("first", "second", "second", "second");
  EXPECT_EQ(key_text(), before);
  with_names("first", "second", "1", "second");
  EXPECT_EQ(key_text(), before);
  with_names("first", "second", "first", "second");
  EXPECT_NE(key_text(), before);
}

TEST_F(TakenTest, LinkedLayerIsIndependentOfItsParent) {
  for (const char* name : {"a", "b"})
    write(name, name);
  dockerfile(R"(FROM scratch
COPY a /
COPY --link b /
)");
  build();
  write("a", "changed");
  EXPECT_THAT(build().executed, ElementsAre(HasSubstr(" a ")));
  dockerfile(R"(FROM scratch
COPY a /
COPY --link --chmod=600 b /
)");
  build();
  write("a", "again");
  EXPECT_THAT(build().executed, ElementsAre(HasSubstr(" a "), HasSubstr(" b ")))
      << "--chmod makes BuildKit ignore --link";
}

}  // namespace
}  // namespace bottle::image
