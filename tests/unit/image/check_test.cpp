// SPDX-License-Identifier: Apache-2.0
#include "image/check.hpp"

#include <nlohmann/json.hpp>

#include "image/lock_update.hpp"
#include "image/model/export.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kBase = "registry.invalid/base:1";

class CheckTest : public ImageTest {
 protected:
  fs::path layout() const { return directory() / "layout"; }
  // An image layout, of which an index says that it is for linux/amd64.
  void make_base(const std::string& text, const std::string& platform = "linux/amd64") const {
    write("base/Dockerfile", "FROM scratch\n" + text);
    BuildSpec base = spec_of("base");
    base.platform = platform;
    export_layout(build_and_save(base), store(), layout(), "base:1");
    if (platform == "linux/amd64") return;
    auto index = nlohmann::json::parse(read_file(layout() / "index.json"));
    index["manifests"][0]["platform"] = {{"os", "linux"}, {"architecture", "amd64"}};
    write_file(layout() / "index.json", index.dump());
  }
  BuildSpec with_layout(const std::string& name = "base") const {
    BuildSpec spec = this->spec();
    spec.contexts.push_back({.name = name, .kind = ContextKind::oci_layout, .value = layout()});
    return spec;
  }
  // What bottle-lock update --from does.
  void lock_base(const std::string& platform = "linux/amd64") const {
    LockRequest request;
    request.specs = {spec()};
    request.specs.front().platform = platform;
    request.from.push_back({.name = kBase, .kind = ContextKind::oci_layout, .value = layout()});
    const FoundSources found = find_sources(request, {}, store());
    change_lock(context() / kLockName, [&](Lock& lock) {
      for (const auto& [name, source] : found.sources)
        lock.put(name, source);
    });
  }
  static std::vector<std::string> fired(const CheckReport& report) {
    std::vector<std::string> rules;
    for (const dockerfile::LintWarning& warning : report.lint.warnings)
      rules.push_back(std::to_string(warning.lines.first) + " " + warning.rule);
    if (report.lint.error) rules.push_back("error " + report.lint.error->summary());
    return rules;
  }
};

// Its variables, its shell, its triggers.
TEST_F(CheckTest, ExistingBaseIsRead) {
  make_base("ENV GIVEN=1\nSHELL [\"/sh\"]\nONBUILD COPY $other /\n");
  dockerfile(R"(FROM base
COPY $GIVEN $none /
CMD x
)");
  EXPECT_THAT(fired(check(with_layout())), ElementsAre("1 UndefinedVar", "2 UndefinedVar"));
  EXPECT_THAT(fired(check(with_layout("docker.io/library/base:latest"))),
              ElementsAre("1 UndefinedVar", "2 UndefinedVar"));
  EXPECT_THAT(fired(check(spec())), ElementsAre("3 JSONArgsRecommended")) << "of which nothing is known";
}

TEST_F(CheckTest, ABaseForAnotherPlatformIsFound) {
  make_base("ENV A=1\n", "linux/arm64");
  dockerfile("FROM base\nCOPY base /\n");
  const CheckReport report = check(with_layout());
  ASSERT_THAT(fired(report), ElementsAre("1 InvalidBaseImagePlatform"));
  EXPECT_THAT(report.lint.warnings.front().message,
              AllOf(HasSubstr("linux/arm64"), HasSubstr("expected \"linux/amd64\"")));
  EXPECT_THAT(fired(check(resolve::resolve_image(with_layout(), store()))),
              ElementsAre("1 InvalidBaseImagePlatform"));
}

TEST_F(CheckTest, LockedBaseIsReadFromTheStore) {
  make_base("ENV GIVEN=1\n");
  dockerfile(std::string("FROM ") + kBase + "\nCOPY $GIVEN $none /\n");
  EXPECT_THAT(fired(check(spec())), IsEmpty());
  lock_base();
  EXPECT_THAT(fired(check(spec())), ElementsAre("2 UndefinedVar"));
  BuildSpec named = spec();
  named.contexts.push_back({.name = "other", .kind = ContextKind::image, .reference = kBase});
  dockerfile("FROM other\nCOPY $GIVEN $none /\n");
  EXPECT_THAT(fired(check(named)), ElementsAre("2 UndefinedVar"));
  fs::remove_all(store_directory());
  EXPECT_THAT(fired(check(named)), IsEmpty());
  EXPECT_FALSE(fs::exists(store_directory())) << "looking makes no store";
}

TEST_F(CheckTest, ALockOfOneImageForAnotherPlatformIsFound) {
  make_base("ENV A=1\n");
  dockerfile(std::string("FROM ") + kBase + "\n");
  lock_base();
  BuildSpec arm = spec();
  arm.platform = "linux/arm64";
  EXPECT_THAT(fired(check(arm)), ElementsAre("1 InvalidBaseImagePlatform"));
}

TEST_F(CheckTest, BuildChecksNeededStages) {
  dockerfile(R"(FROM scratch as unused
FROM scratch
COPY base /
CMD x
)");
  write("base", "");
  EXPECT_THAT(fired(check(spec())), ElementsAre("1 FromAsCasing", "4 JSONArgsRecommended"));
  BuildSpec other = spec();
  other.build_args = {{"BUILDKIT_DOCKERFILE_CHECK", "skip=FromAsCasing"}};
  EXPECT_THAT(fired(check(other)), ElementsAre("4 JSONArgsRecommended"));
  other.build_args = {{"BUILDKIT_DOCKERFILE_CHECK", "nonsense"}};
  EXPECT_THAT(error_of([&] { check(other); }), HasSubstr("nonsense"));
  write(".dockerignore", "base\n");
  EXPECT_THAT(fired(check(spec())),
              ElementsAre("1 FromAsCasing", "3 CopyIgnoredFile", "4 JSONArgsRecommended"));
}

TEST_F(CheckTest, WarningsCanBeErrors) {
  dockerfile(R"(# check=error=true
FROM scratch
CMD x
)");
  std::vector<std::string> said;
  const auto warn = [&](const std::string& text) { said.push_back(text); };
  EXPECT_THAT(error_of([&] { refuse_warnings(check(spec()), warn); }), HasSubstr("JSONArgsRecommended"));
  EXPECT_THAT(said, ElementsAre(HasSubstr("Dockerfile:3:1")));
  const auto document = to_json(check(spec()));
  EXPECT_EQ(document["error"], true);
  EXPECT_EQ(document["warnings"][0]["lines"].dump(), "[3,3]");
  EXPECT_FALSE(document.contains("buildError"));
  dockerfile("FROM scratch\nCMD x\n");
  refuse_warnings(check(spec()), warn);
  EXPECT_EQ(said.size(), 1u);
  dockerfile("FROM scratch\nCOPY --from=9 x /\n");
  EXPECT_EQ(to_json(check(spec()))["buildError"]["line"], 2);
}

}  // namespace
}  // namespace bottle::image
