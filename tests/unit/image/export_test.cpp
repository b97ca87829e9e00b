// SPDX-License-Identifier: Apache-2.0
#include "image/model/export.hpp"

#include "image/build_steps.hpp"
#include "oci/image_source.hpp"
#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using ::testing::HasSubstr;

class ExportTest : public ImageTest {
 protected:
  ExportReport exported(const LoadedPlan& image, const std::string& name) const {
    return export_layout(image, store(), directory() / name, "test:latest");
  }
  // A bottle with two layers, exported.
  void make_base() const {
    write("base/a", "a of base");
    write("base/Dockerfile", R"(FROM scratch
COPY a /a
COPY <<x /x
inline
x
ENV B=1
)");
    exported(build_and_save(spec_of("base")), "layout");
  }
};

TEST_F(ExportTest, MakesALayoutThatOpens) {
  write("a", "1");
  dockerfile(R"(FROM scratch
COPY a /a
ENV A=1
WORKDIR /w
)");
  const ExportReport result = exported(build().image, "out");
  EXPECT_EQ(result.layers_written, 2u);
  EXPECT_EQ(result.layers_copied, 0u);
  const oci::ImageSource source =
      oci::open_layout(directory() / "out", {.reference = "test:latest", .platform = {}});
  EXPECT_EQ(source.manifest->digest, result.image_digest);
  EXPECT_EQ(source.config_digest, result.image_id);
  ASSERT_EQ(source.layers.size(), 2u);
  const Json config = Json::parse(source.config);
  EXPECT_EQ(config["rootfs"]["type"], "layers");
  EXPECT_EQ(config["rootfs"]["diff_ids"][0], source.layers[0].diff_id.string());
  EXPECT_EQ(config["history"].size(), 3u);
  std::size_t with_layer = 0;
  for (const Json& line : config["history"])
    with_layer += line.value("empty_layer", false) ? 0 : 1;
  EXPECT_EQ(with_layer, 2u);
  const oci::ImportedLayer layer = source.layers[0].import({});
  ASSERT_EQ(layer.index.entries.size(), 1u);
  EXPECT_EQ(layer.index.entries[0].digest, sha256("1"));
}

TEST_F(ExportTest, HasTheSameBytesEverywhere) {
  write("a", "1");
  write("b/c", "2", 0700);
  link("b/l", "c");
  dockerfile(R"(FROM scratch
COPY . /x
COPY <<e /e
hello
e
)");
  const ExportReport first = exported(build().image, "one");
  const fs::path other = directory() / "elsewhere";
  fs::copy(context(), other, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  BuildSpec moved = spec();
  moved.context = other;
  moved.dockerfile = other / "Dockerfile";
  moved.store = directory() / "other store";
  const store::Store store = store::Store::open(moved.store);
  resolve::Resolved resolved = resolve::resolve_image(moved, store);
  run::IsolationChoice isolation(std::nullopt, store);
  const LoadedPlan image = builtin::build(
      resolved, store, isolation, [](const builtin::StepReport&) {}, [](const std::string&) {});
  const ExportReport second = export_layout(image, store, directory() / "two", "test:latest");
  EXPECT_EQ(first.image_digest, second.image_digest);
  EXPECT_EQ(files_of(directory() / "one"), files_of(directory() / "two"));
}

TEST_F(ExportTest, ImportedLayersAreCopiedUnchanged) {
  make_base();
  BuildSpec child = spec();
  child.contexts.push_back(
      {.name = "base", .kind = ContextKind::oci_layout, .value = directory() / "layout"});
  write("own", "1");
  dockerfile("FROM base\nCOPY own /own\n");
  const ExportReport result = exported(build_and_save(child), "out");
  EXPECT_EQ(result.layers_copied, 2u);
  EXPECT_EQ(result.layers_written, 1u);
  const oci::ImageSource before = oci::open_layout(directory() / "layout");
  const oci::ImageSource after = oci::open_layout(directory() / "out");
  ASSERT_EQ(after.layers.size(), 3u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after.layers[i].digest, before.layers[i].digest);
    EXPECT_EQ(after.layers[i].diff_id, before.layers[i].diff_id);
  }
}

TEST_F(ExportTest, WritesLayersOfOtherBottlesFromTheirContexts) {
  make_base();
  BuildSpec child = spec_of("child");
  child.contexts.push_back({.name = "base", .kind = ContextKind::bottle, .value = spec_of("base").directory});
  write("child/Dockerfile", "FROM base\nCMD [\"x\"]\n");
  const ExportReport result = exported(build_and_save(child), "out");
  EXPECT_EQ(result.layers_written, 2u);
  const oci::ImageSource source = oci::open_layout(directory() / "out");
  EXPECT_EQ(source.layers[0].digest, oci::open_layout(directory() / "layout").layers[0].digest);
}

TEST_F(ExportTest, FailedExportKeepsTheLayout) {
  write("a", "1");
  dockerfile("FROM scratch\nCOPY a /a\n");
  const LoadedPlan image = build().image;
  exported(image, "out");
  const auto before = files_of(directory() / "out");
  write("a", "2");
  EXPECT_THAT(error_of([&] { exported(image, "out"); }), HasSubstr((context() / "a").native()));
  EXPECT_EQ(files_of(directory() / "out"), before);
}

}  // namespace
}  // namespace bottle::image
