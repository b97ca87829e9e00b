// SPDX-License-Identifier: Apache-2.0
// What must not change an image's key.
#include "testing.hpp"

namespace bottle::image {
namespace {

class KeyUnchanged : public ImageTest {
 protected:
  KeyUnchanged() {
    write("app/main.c", "int main;\n");
    write("app/data/x.txt", "x");
    write("unreferenced", "u");
    dockerfile(kText);
    before_ = key_text();
  }
  static constexpr const char* kText =
      R"(FROM scratch AS tools
COPY app/main.c /t
FROM scratch AS unused
COPY unreferenced /u
FROM scratch
ARG MODE=1
ENV M=$MODE
COPY app /app
COPY --from=tools /t /t
CMD ["/t"]
)";
  std::string before_;
};

TEST_F(KeyUnchanged, ByReadingAgain) {
  EXPECT_EQ(key_text(), before_);
}

TEST_F(KeyUnchanged, ByCommentsBlankLinesAndContinuations) {
  dockerfile(
      R"(# comment

FROM scratch AS tools

# another
COPY app/main.c \
  # inside
  /t
FROM scratch AS unused
COPY unreferenced /u

from scratch
arg MODE=1
  ENV M=$MODE
COPY   app   /app
COPY --from=tools /t /t
CMD ["/t"]

)");
  EXPECT_EQ(key_text(), before_);
}

TEST_F(KeyUnchanged, ByTimesAndInodes) {
  age(context() / "app/main.c");
  age(context() / "app");
  EXPECT_EQ(key_text(), before_);
  fs::copy_file(context() / "app/data/x.txt", context() / "app/data/y");
  fs::rename(context() / "app/data/y", context() / "app/data/x.txt");
  EXPECT_EQ(key_text(), before_);
}

TEST_F(KeyUnchanged, ByAnotherCheckout) {
  const fs::path other = directory() / "some where" / "else";
  fs::create_directories(other.parent_path());
  fs::rename(context(), other);
  BuildSpec moved = spec();
  moved.context = other;
  moved.dockerfile = other / "Dockerfile";
  moved.directory = directory() / "other build";
  moved.store = directory() / "other store";
  EXPECT_EQ(resolve::key_text(resolve::resolve_image(moved, store::Store::open(moved.store))), before_);
  EXPECT_EQ(before_.find(directory().native()), std::string::npos);
}

TEST_F(KeyUnchanged, ByAnotherNameOfTheDockerfileAndOfTheBottle) {
  fs::rename(context() / "Dockerfile", directory() / "Containerfile");
  BuildSpec renamed = spec();
  renamed.dockerfile = directory() / "Containerfile";
  renamed.slug = "other";
  renamed.tag = "other:2";
  renamed.pack.cpus = 9;
  EXPECT_EQ(key_text(renamed), before_);
}

TEST_F(KeyUnchanged, ByUnusedArgumentsAndContexts) {
  BuildSpec more = spec();
  more.build_args = {{"UNUSED", "1"}};
  more.contexts.push_back({.name = "unused", .kind = ContextKind::path, .value = context() / "app"});
  EXPECT_EQ(key_text(more), before_);
  more.build_args = {{"MODE", "1"}};
  EXPECT_EQ(key_text(more), before_) << "the default's value";
}

TEST_F(KeyUnchanged, ByUnreferencedFiles) {
  write("unreferenced", "changed");
  write("new", "1");
  write("sub/new", "1");
  EXPECT_EQ(key_text(), before_);
}

TEST_F(KeyUnchanged, ByUnreachableStages) {
  std::string text = kText;
  text.replace(text.find("COPY unreferenced /u"), 20, "COPY no/such/file /u\nENV X=1");
  dockerfile(text);
  EXPECT_EQ(key_text(), before_);
  dockerfile("FROM scratch\nCOPY unreferenced /u\n" + text);
  EXPECT_EQ(key_text(), before_) << "stages have other numbers now";
}

TEST_F(KeyUnchanged, ByIgnoreRulesWithoutEffect) {
  write(".dockerignore", "# nothing\n*.o\nunreferenced\n");
  EXPECT_EQ(key_text(), before_);
  write("Dockerfile.dockerignore", "build/\n");
  EXPECT_EQ(key_text(), before_);
  write("app/main.o", "hidden");
  write("Dockerfile.dockerignore", "**/*.o\n");
  EXPECT_EQ(key_text(), before_);
}

// Of a stage that files are only copied from, the configuration is not an input.
TEST_F(KeyUnchanged, ByTheConfigurationOfAStageThatIsOnlyCopiedFrom) {
  std::string text = kText;
  text.replace(text.find("COPY app/main.c /t\n"), 19,
               "ENV A=b\nCOPY app/main.c /t\nLABEL c=d\nCMD [\"x\"]\n");
  dockerfile(text);
  EXPECT_EQ(key_text(), before_);
}

}  // namespace
}  // namespace bottle::image
