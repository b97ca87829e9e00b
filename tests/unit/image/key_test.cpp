// SPDX-License-Identifier: Apache-2.0
// What must change an image's key, and what the key text and the depfile say.
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class KeyTest : public ImageTest {
 protected:
  KeyTest() {
    write("app/main.c", "int main;\n");
    write("app/tool", "#!/bin/sh\n", 0755);
    write("app/data/x.txt", "x");
    link("app/link", "main.c");
    dockerfile(kText);
    before_ = key_text();
  }
  static constexpr const char* kText =
      R"(FROM scratch AS first
COPY app/main.c /t
FROM scratch
ARG MODE=1
ENV M=$MODE
COPY app /app
COPY --from=first /t /t
CMD ["/t"]
)";
  void replace(const std::string& from, const std::string& to) const {
    std::string text = kText;
    text.replace(text.find(from), from.size(), to);
    dockerfile(text);
  }
  std::vector<std::string> dependencies(const BuildSpec& spec) const {
    std::vector<std::string> paths;
    for (const fs::path path : resolve::dependency_paths(resolve::resolve_image(spec, store())))
      paths.push_back(path.lexically_relative(context()).native());
    return paths;
  }

  std::string before_;
};

TEST_F(KeyTest, IsReadable) {
  EXPECT_EQ(before_,
            "engine = builtin\n"
            "epoch = 0\n"
            "input context app = d 755\n"
            "input context app/data = d 755\n"
            "input context app/data/x.txt = f 644 1 " +
                sha256("x").hex() +
                "\n"
                "input context app/link = l main.c\n"
                "input context app/main.c = f 644 10 " +
                sha256("int main;\n").hex() +
                "\n"
                "input context app/tool = f 755 10 " +
                sha256("#!/bin/sh\n").hex() +
                "\n"
                "platform = linux/amd64\n"
                "schema = bottle-image 3\n"
                "step 001 0 = FROM scratch\n"
                "step 002 0 = COPY app/main.c /t\n"
                "step 003 1 = FROM scratch\n"
                "step 004 1 = ARG MODE=1\n"
                "step 005 1 = ENV M=1\n"
                "step 006 1 = COPY app /app\n"
                "step 007 1 = COPY --from=stage%200 /t /t\n"
                "step 008 1 = CMD [\"/t\"]\n"
                "tool = bottle " BOTTLE_VERSION "\n");
}

TEST_F(KeyTest, ChangesWithTheFiles) {
  const auto changes = [&](const char* what) {
    const std::string now = key_text();
    EXPECT_NE(now, before_) << what;
    before_ = now;
  };
  write("app/main.c", "int Main;\n");
  changes("content of the same size");
  fs::permissions(context() / "app/main.c", fs::perms(0600));
  changes("mode of a file");
  fs::permissions(context() / "app/data", fs::perms(0700));
  changes("mode of a directory");
  link("app/link", "tool");
  changes("target of a link");
  fs::rename(context() / "app/data/x.txt", context() / "app/data/y.txt");
  changes("name");
  write("app/data/new", "");
  changes("an empty file more");
  fs::create_directory(context() / "app/empty");
  changes("an empty directory more");
  remove("app/data/new");
  changes("a file less");
  remove("app/link");
  write("app/link", "tool");
  changes("a file for a link");
  write(".dockerignore", "app/data\n");
  changes("an ignore rule with effect");
  write("Dockerfile.dockerignore", "app/tool\n");
  changes("an ignore file that goes before the other");
}

TEST_F(KeyTest, ChangesWithTheOptions) {
  const auto changes = [&](const BuildSpec& spec, const char* what) {
    EXPECT_NE(key_text(spec), before_) << what;
  };
  BuildSpec other = spec();
  other.build_args = {{"MODE", "2"}};
  changes(other, "used argument");
  other = spec();
  other.platform = "linux/arm64";
  changes(other, "platform");
  other = spec();
  other.labels = {{"a", "b"}};
  changes(other, "label");
  other = spec();
  other.target = "first";
  changes(other, "target");
  other = spec();
  other.git_modes = true;
  fs::permissions(context() / "app/main.c", fs::perms(0664));
  EXPECT_NE(key_text(spec()), before_);
  EXPECT_EQ(key_text(other), before_) << "git keeps no such mode";
  const ScopedVariable variable("SOURCE_DATE_EPOCH", "1");
  changes(other, "epoch");
}

TEST_F(KeyTest, ChangesWithTheInstructions) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"CMD [\"/t\"]", "CMD [\"/t\", \"x\"]"},
           {"CMD [\"/t\"]\n", ""},
           {"COPY app /app", "COPY app /app2"},
           {"COPY app /app", "COPY --chown=1 app /app"},
           {"COPY app /app", "COPY --chmod=700 app /app"},
           {"COPY app /app", "COPY --link app /app"},
           {"COPY app /app", "ADD app /app"},
           {"COPY app /app", "COPY --exclude=*.c app /app"},
           {"COPY app /app", "WORKDIR /w\nCOPY app /app"},
           {"COPY app /app\nCOPY --from=first /t /t\n", "COPY --from=first /t /t\nCOPY app /app\n"},
           {"COPY app /app", "COPY <<EOF /app\nhello\nEOF"},
           {"ENV M=$MODE", "ENV M=2"},
           {"FROM scratch\nARG", "FROM first\nARG"}}) {
    replace(from, to);
    EXPECT_NE(key_text(), before_) << from << " -> " << to;
  }
  replace("COPY app /app", "COPY <<EOF /app\nhello\nEOF");
  const std::string hello = key_text();
  replace("COPY app /app", "COPY <<EOF /app\nhellO\nEOF");
  EXPECT_NE(key_text(), hello);
}

TEST_F(KeyTest, NamesUnusualPathsInOneWord) {
  write("app/with blank = x\n", "1");
  EXPECT_THAT(key_text(), HasSubstr("\ninput context app/with%20blank%20%3D%20x%0A = f 644 1 "));
}

TEST_F(KeyTest, NamedContextsAreInputs) {
  BuildSpec named = spec();
  write("other/file", "1");
  named.contexts.push_back({.name = "extra", .kind = ContextKind::path, .value = context() / "other"});
  named.contexts.push_back({.name = "made",
                            .kind = ContextKind::target,
                            .value = {},
                            .reference = {},
                            .files = {context() / "app/tool"}});
  dockerfile(R"(FROM scratch
COPY --from=extra / /
COPY --from=made tool /
)");
  const std::string text = key_text(named);
  EXPECT_THAT(text, AllOf(HasSubstr("input context:extra file = f 644 1 "),
                          HasSubstr("input context:made tool = f 755 10 "),
                          HasSubstr("COPY --from=extra / /"), Not(HasSubstr("input context app"))));
  EXPECT_THAT(dependencies(named), AllOf(Contains("other"), Contains("other/file"), Contains("app/tool"),
                                         Contains("Dockerfile"), Contains("app")))
      << "an older tool may take the place of the one that is copied";
  write("other/.dockerignore", "file\n");
  EXPECT_THAT(key_text(named), Not(HasSubstr("input context:extra file")));
}

TEST_F(KeyTest, DependsOnInputsAndIgnoreFileLocations) {
  EXPECT_THAT(dependencies(spec()), ::testing::ElementsAre(".", "Dockerfile", "app", "app/data",
                                                           "app/data/x.txt", "app/main.c", "app/tool"));
  write(".dockerignore", "x\n");
  EXPECT_THAT(dependencies(spec()), Contains(".dockerignore"));
  BuildSpec in_build_tree = spec();
  in_build_tree.excludes = {context()};
  EXPECT_THAT(dependencies(in_build_tree), Not(Contains("."))) << "a build tree changes all the time";
}

TEST_F(KeyTest, ErrorsHavePlaces) {
  const auto refused = [&](const std::string& text) {
    dockerfile(text);
    return error_of([&] { key_text(); });
  };
  EXPECT_THAT(refused("FROM scratch\nCOPY none /\n"),
              AllOf(HasSubstr("Dockerfile:2"), HasSubstr("\"none\" is not in the context")));
  EXPECT_THAT(refused(R"(FROM scratch

COPY --from=none a /
)"),
              AllOf(HasSubstr("Dockerfile:3"), HasSubstr("not a stage, not a named context and not locked")));
  EXPECT_THAT(refused(R"(FROM scratch AS one
COPY file /
FROM scratch
COPY --from=onee a /
)"),
              AllOf(HasSubstr("Dockerfile:4"), HasSubstr("did you mean the stage \"one\"?")));
  EXPECT_THAT(refused("FROM scrach\nCOPY file /\n"),
              AllOf(HasSubstr("Dockerfile:1"), HasSubstr("did you mean \"scratch\"")));
  EXPECT_THAT(refused("FROM scratch AS one\nFROM debian\n"), Not(HasSubstr("did you mean")));
  EXPECT_THAT(refused("FROM debian\n"), AllOf(HasSubstr("Dockerfile:1"), HasSubstr("CONTEXTS debian=")));
  EXPECT_THAT(refused("FROM scratch\nRUN --security=insecure x\n"),
              AllOf(HasSubstr("Dockerfile:2"), HasSubstr("RUN --security=insecure")));
  EXPECT_THAT(refused("FROM scratch\nADD https://x.org/y /\n"),
              AllOf(HasSubstr("Dockerfile:2"), HasSubstr("not locked")));
  EXPECT_THAT(refused("FROM scratch\nCOPY [a /\n"), HasSubstr("Dockerfile:2"));
  BuildSpec bad = spec();
  dockerfile(kText);
  bad.platform = "a/b/c/d";
  EXPECT_THAT(error_of([&] { key_text(bad); }), HasSubstr("is not a platform"));
  bad = spec();
  bad.target = "frist";
  EXPECT_THAT(error_of([&] { key_text(bad); }), HasSubstr("first"));
  write(".dockerignore", "[a-\n");
  EXPECT_THAT(error_of([&] { key_text(); }), HasSubstr(".dockerignore"));
}

}  // namespace
}  // namespace bottle::image
