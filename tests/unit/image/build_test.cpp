// SPDX-License-Identifier: Apache-2.0
#include "image/builtin/build.hpp"

#include "image/build_steps.hpp"
#include "store/layout.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BuildTest : public ImageTest {
 protected:
  void three_steps() const {
    for (const char* name : {"a", "b", "c"})
      write(name, name);
    dockerfile(R"(FROM scratch
COPY a /
COPY b /
COPY c /
)");
  }
  static BuildSpec with_bottle(BuildSpec spec, const BuildSpec& other) {
    spec.contexts.push_back({.name = other.slug, .kind = ContextKind::bottle, .value = other.directory});
    return spec;
  }
  // Everything the store has under its blobs, as paths.
  std::vector<fs::path> blobs() const {
    std::vector<fs::path> files;
    store::for_each_file(store::Layout(store_directory()).blobs(),
                         [&](const Digest&, const fs::path& file) { files.push_back(file); });
    return files;
  }
  static void overwrite(const fs::path& file, const std::string& text) {
    fs::remove(file);
    write_file(file, text);
  }
};

TEST_F(BuildTest, ExecutesFromTheFirstAffectedInstruction) {
  three_steps();
  EXPECT_THAT(build().executed, SizeIs(3));
  EXPECT_THAT(build().executed, IsEmpty());
  write("b", "changed");
  BuiltImage again = build();
  EXPECT_THAT(again.stored, ElementsAre(HasSubstr(" a ")));
  EXPECT_THAT(again.executed, ElementsAre(HasSubstr(" b "), HasSubstr(" c ")));
  write("b", "b");
  EXPECT_THAT(build().executed, IsEmpty()) << "seen before";
  dockerfile(R"(FROM scratch
COPY a /
ENV X=1
COPY b /
# comment
COPY c /
CMD x
)");
  EXPECT_THAT(build().executed, IsEmpty()) << "nothing that makes a layer changed";
  dockerfile(R"(FROM scratch
COPY a /
COPY b /
COPY --chmod=600 c /
)");
  EXPECT_THAT(build().executed, ElementsAre(HasSubstr("--chmod=600 c ")));
  const ScopedVariable variable("SOURCE_DATE_EPOCH", "1");
  EXPECT_THAT(build().executed, SizeIs(3)) << "times are in every layer";
}

TEST_F(BuildTest, ScratchHasNoFilesToCopy) {
  dockerfile(R"(FROM scratch
COPY --from=scratch / /x/y
COPY --from=scratch . /x/z/
)");
  const LoadedPlan image = build().image;
  EXPECT_THAT(paths_of(image), ElementsAre("x", "x/y", "x/z"));
  const oci::MergedTree tree = image.merged();
  EXPECT_EQ(tree.find("x/y")->inode->type, oci::EntryType::directory);
  EXPECT_EQ(tree.find("x/y")->inode->mode, 0755u);
  EXPECT_THAT(build().executed, IsEmpty());
  dockerfile("FROM scratch\nCOPY --from=scratch /a /x\n");
  EXPECT_THAT(error_of([&] { build(); }), AllOf(HasSubstr("Dockerfile:2:1"), HasSubstr("\"/a\"")));
}

TEST_F(BuildTest, AnEmptiedStoreGivesTheSameImage) {
  three_steps();
  const Digest before = build().image.plan.digest();
  fs::remove_all(store_directory());
  const BuiltImage again = build();
  EXPECT_THAT(again.executed, SizeIs(3));
  EXPECT_EQ(again.image.plan.digest(), before);
}

TEST_F(BuildTest, DamagedEntriesAreRebuilt) {
  three_steps();
  const Digest before = build().image.plan.digest();
  const auto damage_each = [&](const std::function<void(const fs::path&)>& damage) {
    for (const fs::path& file : blobs()) {
      const std::string good = read_file(file);
      damage(file);
      const BuiltImage again = build();
      EXPECT_EQ(again.image.plan.digest(), before) << file;
      EXPECT_THAT(again.executed, SizeIs(1)) << file;
      EXPECT_EQ(read_file(file), good) << "made again";
    }
  };
  damage_each([](const fs::path& file) { fs::remove(file); });
  damage_each([](const fs::path& file) { overwrite(file, "short"); });
  damage_each([](const fs::path& file) {
    std::string text = read_file(file);
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    overwrite(file, text);
  });
  EXPECT_THAT(build().executed, IsEmpty());
  store::for_each_file(store::Layout(store_directory()).actions(),
                       [](const Digest&, const fs::path& file) { overwrite(file, "{}"); });
  const BuiltImage again = build();
  EXPECT_EQ(again.image.plan.digest(), before);
  EXPECT_THAT(again.executed, SizeIs(3));
}

TEST_F(BuildTest, StoredImageIsFoundByItsKeyAndChecked) {
  three_steps();
  const BuildSpec spec = this->spec();
  const Warn warn = [](const std::string&) {};
  EXPECT_EQ(image_step(spec, warn).outcome, "built");
  EXPECT_EQ(image_step(spec, warn).outcome, "unchanged");
  fs::remove_all(spec.directory);
  const ImageResult stored = image_step(spec, warn);
  EXPECT_EQ(stored.outcome, "stored");
  EXPECT_EQ(stored.executed, 0u);
  const std::string index = read_file(fs::directory_iterator(spec.directory / "layers")->path());
  for (const fs::path& file : blobs()) {
    std::string text = read_file(file);
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    overwrite(file, text);
  }
  const ImageResult again = image_step(spec, warn);
  EXPECT_EQ(again.outcome, "built");
  EXPECT_EQ(again.plan_digest, stored.plan_digest);
}

TEST_F(BuildTest, WorkdirCreatesMissingDirectories) {
  write("d/sub/x", "1", 0600);
  fs::permissions(context() / "d/sub", fs::perms(0700));
  dockerfile(R"(FROM scratch
COPY d /d
WORKDIR /d/sub/new/deep
WORKDIR /d/sub
WORKDIR /
COPY d/sub/x y
)");
  const BuiltImage result = build();
  EXPECT_THAT(result.executed, SizeIs(4)) << "WORKDIR / makes no layer";
  EXPECT_THAT(paths_of(result.image),
              ElementsAre("d", "d/sub", "d/sub/new", "d/sub/new/deep", "d/sub/x", "y"));
  const oci::MergedTree tree = result.image.merged();
  EXPECT_EQ(tree.find("d/sub")->inode->mode, 0700) << "as it was";
  EXPECT_EQ(tree.find("d/sub/new")->inode->mode, 0755);
  EXPECT_THAT(result.image.layers[2].entries, IsEmpty()) << "a layer all the same: history counts it";
  dockerfile(R"(FROM scratch
COPY d/sub/x /f
WORKDIR /f/g
)");
  EXPECT_THAT(error_of([&] { build(); }),
              AllOf(HasSubstr("Dockerfile:3"), HasSubstr("/f is not a directory")));
}

TEST_F(BuildTest, WorkdirsFollowLinks) {
  link("l", "/real");
  write("real/keep", "1");
  dockerfile(R"(FROM scratch
COPY . /
WORKDIR /l/new
)");
  EXPECT_THAT(paths_of(build().image), AllOf(Contains("real/new"), Contains("l")));
  link("l", "l");
  EXPECT_THAT(error_of([&] { build(); }), AllOf(HasSubstr("Dockerfile:3"), HasSubstr("loop")));
}

TEST_F(BuildTest, CopiesFromStages) {
  write("a", "1");
  write("b", "2");
  dockerfile(
      R"(FROM scratch AS one
COPY a /deep/a
FROM one AS two
COPY b /deep/b
FROM scratch
COPY --from=two /deep /all
COPY --from=one /deep/a /single
)");
  const BuiltImage result = build();
  EXPECT_THAT(paths_of(result.image), ElementsAre("all", "all/a", "all/b", "single"));
  EXPECT_EQ(content(result.image, "all/b"), "2");
  EXPECT_EQ(content(result.image, "single"), "1");
  write("b", "3");
  const BuiltImage again = build();
  EXPECT_THAT(again.executed,
              ElementsAre(HasSubstr("b /deep/b"), HasSubstr("--from=stage%201 "), HasSubstr("/single")));
  EXPECT_EQ(content(again.image, "all/b"), "3");
}

// The same bytes under another name give the same image, but they have to be looked for elsewhere.
TEST_F(BuildTest, RenamedFileIsReadUnderItsNewName) {
  write("one.txt", "same");
  dockerfile(R"(FROM scratch AS s
COPY *.txt /file
FROM scratch
COPY --from=s /file /copy
)");
  const BuiltImage before = build();
  fs::rename(context() / "one.txt", context() / "two.txt");
  const BuiltImage after = build();
  EXPECT_EQ(after.image.plan.digest(), before.image.plan.digest());
  EXPECT_EQ(content(after.image, "copy"), "same");
}

TEST_F(BuildTest, ABottleIsABase) {
  const BuildSpec base = spec_of("base");
  write("base/a", "a of base");
  write("base/Dockerfile",
        R"(FROM scratch
COPY a /a
COPY <<x /x
inline
x
ENV B=1
ONBUILD COPY own /triggered
)");
  build_and_save(base);
  const BuildSpec middle = with_bottle(spec_of("middle"), base);
  write("middle/own", "own of middle");
  write("middle/Dockerfile", "FROM base\nENV M=$B\n");
  build_and_save(middle);
  const BuildSpec top = with_bottle(spec_of("top"), middle);
  write("top/own", "own of top");
  write("top/Dockerfile", "FROM middle\nCOPY own /own\n");
  const LoadedPlan image = build_and_save(top);

  EXPECT_THAT(paths_of(image), ElementsAre("a", "own", "triggered", "x"));
  EXPECT_EQ(content(image, "a"), "a of base");
  EXPECT_EQ(content(image, "triggered"), "own of middle");
  EXPECT_EQ(content(image, "own"), "own of top");
  EXPECT_EQ(content(image, "x"), "inline\n");
  EXPECT_EQ(image.plan.layers[0].scope, "middle/base/");
  EXPECT_THAT(image.plan.config, AllOf(HasSubstr("\"B=1\""), HasSubstr("\"M=1\"")));
  EXPECT_EQ(image.context_roots.at("middle/base/context"), base.context);
  EXPECT_THAT(key_text(top), HasSubstr("source middle = plan sha256:"));
  EXPECT_THAT(resolve::dependency_paths(resolve::resolve_image(top, store())),
              Contains((middle.directory / "image.json").native()));

  write("base/a", "changed");
  build_and_save(base);
  build_and_save(middle);
  EXPECT_EQ(content(build_and_save(top), "a"), "changed");
}

TEST_F(BuildTest, ABottleIsACopySource) {
  const BuildSpec lib = spec_of("lib");
  write("lib/l", "library");
  write("lib/Dockerfile", R"(FROM scratch
COPY l /out/l
COPY <<x /out/x
inline
x
)");
  build_and_save(lib);
  const BuildSpec app = with_bottle(spec_of("app"), lib);
  write("app/Dockerfile", "FROM scratch\nCOPY --from=lib /out /lib\n");
  build_and_save(app);
  const BuildSpec top = with_bottle(spec_of("top"), app);
  write("top/Dockerfile", "FROM app\nCOPY --from=app /lib/l /again\n");
  const LoadedPlan image = build_and_save(top);
  EXPECT_EQ(content(image, "lib/l"), "library");
  EXPECT_EQ(content(image, "lib/x"), "inline\n");
  EXPECT_EQ(content(image, "again"), "library");
  EXPECT_EQ(image.context_roots.at("app/lib/context"), lib.context);
}

// Layers of the same identity may have their bytes in different places; a plan keeps one index for both.
TEST_F(BuildTest, TheSameLayerTwiceIsReadFromOnePlace) {
  const BuildSpec base = spec_of("base");
  write("base/one", "same");
  write("base/Dockerfile", "FROM scratch\nCOPY one /file\n");
  build_and_save(base);
  const BuildSpec child = with_bottle(spec_of("child"), base);
  write("child/two", "same");
  write("child/other", "not the same");
  write("child/Dockerfile", R"(FROM base
COPY other /file
COPY two /file
)");
  const LoadedPlan image = build_and_save(child);
  ASSERT_EQ(image.plan.layers.size(), 3u);
  EXPECT_EQ(image.plan.layers[0].digest, image.plan.layers[2].digest);
  EXPECT_EQ(content(image, "file"), "same");
  LoadedPlan lower = image;
  lower.layers.resize(1);
  lower.plan.layers.resize(1);
  EXPECT_EQ(content(lower, "file"), "same");
}

TEST_F(BuildTest, AMissingBottleIsAnError) {
  const BuildSpec child = with_bottle(spec(), spec_of("base"));
  dockerfile("FROM base\n");
  EXPECT_THAT(error_of([&] { build(child); }),
              AllOf(HasSubstr("base/image.json"), HasSubstr("build the image first")));
}

TEST_F(BuildTest, AFileThatChangesBeforeItIsReadIsAnError) {
  write("a", "12");
  dockerfile("FROM scratch\nCOPY a /\n");
  const LoadedPlan image = build().image;
  write("a", "34");
  EXPECT_THAT(error_of([&] { content(image, "a"); }), HasSubstr((context() / "a").native()));
}

}  // namespace
}  // namespace bottle::image
