// SPDX-License-Identifier: Apache-2.0
#include "image/model/outside_image.hpp"

#include "image/model/export.hpp"
#include "image/model/stored_layer.hpp"
#include "oci/image_source.hpp"
#include "store/layout.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OutsideTest : public ImageTest {
 protected:
  OutsideTest() {
    write("base/a", "a of base");
    write("base/etc/passwd", "root:x:0:0::/:\napp:x:7:8::/:\n");
    write("base/Dockerfile", R"(FROM scratch
COPY a /a
COPY etc /etc
)");
    exported_ = export_layout(build_and_save(spec_of("base")), store(), layout(), "base:1");
    dockerfile(R"(FROM image
COPY --chown=app Dockerfile /d
COPY --from=image /a /b
)");
  }
  fs::path layout() const { return directory() / "layout"; }
  BuildSpec child() const {
    BuildSpec child = spec();
    child.contexts.push_back({.name = "image", .kind = ContextKind::oci_layout, .value = layout()});
    return child;
  }
  ExportReport exported_;
};

TEST_F(OutsideTest, ALayoutIsABaseAndASource) {
  const LoadedPlan image = build_and_save(child());
  EXPECT_THAT(paths_of(image), ElementsAre("a", "b", "d", "etc", "etc/passwd"));
  EXPECT_EQ(content(image, "b"), "a of base");
  EXPECT_EQ(image.merged().find("d")->inode->uid, 7u);
  EXPECT_EQ(image.merged().find("d")->inode->gid, 8u);
  EXPECT_THAT(key_text(child()), HasSubstr("source image = image " + exported_.image_digest.string() + "\n"));
  EXPECT_THAT(resolve::dependency_paths(resolve::resolve_image(child(), store())),
              Contains((layout() / "index.json").native()));
}

TEST_F(OutsideTest, SavedImageNeedsNoLayoutAndNoStore) {
  const LoadedPlan image = build_and_save(child());
  fs::remove_all(layout());
  fs::remove_all(store_directory());
  EXPECT_EQ(content(image, "a"), "a of base");
  EXPECT_EQ(content(image, "b"), "a of base");
}

TEST_F(OutsideTest, IsImportedOnceOnly) {
  build(child());
  // Only the layer blobs: manifest and configuration are read each time.
  for (const oci::SourceLayer& layer : oci::open_layout(layout()).layers) {
    const fs::path blob = layout() / "blobs/sha256" / layer.digest->hex();
    const std::string good = read_file(blob);
    fs::remove(blob);
    write_file(blob, std::string(good.size(), 'x'));
  }
  EXPECT_THAT(build(child()).executed, ::testing::IsEmpty());
  fs::remove_all(store_directory());
  EXPECT_THAT(error_of([&] { build(child()); }), HasSubstr("layout"));
}

TEST_F(OutsideTest, CopySourceIsNotLoaded) {
  const std::string text =
      R"(FROM image AS first
COPY base /d
FROM scratch
COPY --from=first /d /d
COPY --from=image /a /b
)";
  dockerfile(text);
  const Digest before = build(child()).image.plan.digest();
  for (const oci::SourceLayer& layer : oci::open_layout(layout()).layers) {
    const fs::path blob = layout() / "blobs/sha256" / layer.digest->hex();
    const auto size = fs::file_size(blob);
    fs::remove(blob);
    write_file(blob, std::string(size, 'x'));
    fs::remove(store::Layout(store_directory()).action(layer_action(layer.digest, layer.diff_id)));
  }
  const BuiltImage again = build(child());
  EXPECT_THAT(again.executed, ::testing::IsEmpty());
  EXPECT_EQ(again.image.plan.digest(), before);
  EXPECT_EQ(content(again.image, "b"), "a of base");
  dockerfile(text + "COPY --from=image /a /c\n");
  EXPECT_THAT(error_of([&] { build(child()); }), HasSubstr("layout"));
}

// The same layer twice takes its bytes from one place, in whatever order they are looked at.
TEST_F(OutsideTest, SharedLayerIsTheSame) {
  dockerfile(R"(FROM image
COPY Dockerfile /a
COPY base/a /a
)");
  const BuiltImage first = build(child());
  EXPECT_EQ(first.image.plan.layers[0].digest, first.image.plan.layers[3].digest);
  EXPECT_EQ(first.image.layers[0].serialize(), first.image.layers[3].serialize());
  const BuiltImage again = build(child());
  EXPECT_THAT(again.executed, ::testing::IsEmpty());
  for (std::size_t i = 0; i < first.image.layers.size(); ++i)
    EXPECT_EQ(first.image.layers[i].serialize(), again.image.layers[i].serialize()) << i;
}

TEST_F(OutsideTest, DamagedLayerIsImportedAgain) {
  const Digest before = build(child()).image.plan.digest();
  store::for_each_file(store::Layout(store_directory()).blobs(), [](const Digest&, const fs::path& file) {
    std::string text = read_file(file);
    if (!text.starts_with("bottle-layer-index")) return;
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    fs::remove(file);
    write_file(file, text);
  });
  const BuiltImage again = build(child());
  EXPECT_EQ(again.image.plan.digest(), before);
  EXPECT_EQ(content(again.image, "b"), "a of base");
}

TEST_F(OutsideTest, ErrorsNameTheContext) {
  const auto refused = [&](const ContextSpec& context) {
    return error_of([&] { open_outside(context, {}); });
  };
  const fs::path none = directory() / "none";
  EXPECT_THAT(refused({.name = "x", .kind = ContextKind::oci_layout, .value = none}),
              AllOf(HasSubstr(none.native()), HasSubstr("no such image layout")));
  EXPECT_THAT(refused({.name = "x", .kind = ContextKind::docker_archive, .value = none}),
              HasSubstr(none.native()));
  EXPECT_THAT(refused({.name = "x", .kind = ContextKind::bottle, .value = none}),
              HasSubstr("none/image.json"));
  EXPECT_THAT(refused({.name = "x", .kind = ContextKind::path, .value = context()}),
              AllOf(HasSubstr("is a directory of files, not an image"), HasSubstr("COPY --from=x")));
  EXPECT_THAT(
      refused({.name = "x", .kind = ContextKind::oci_layout, .value = layout(), .reference = "other"}),
      HasSubstr("base:1"));
}

}  // namespace
}  // namespace bottle::image
