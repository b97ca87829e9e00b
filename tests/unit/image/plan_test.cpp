// SPDX-License-Identifier: Apache-2.0
#include "image/model/plan.hpp"

#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class PlanTest : public ImageTest {
 protected:
  LoadedPlan saved() const {
    write("a", "content of a");
    dockerfile(R"(FROM scratch
COPY a /a
COPY <<b /b
inline
b
)");
    return build_and_save(spec());
  }
  fs::path out() const { return spec().directory; }
  std::vector<std::string> names_in(const fs::path& where) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(where))
      names.push_back(entry.path().filename().native());
    return names;
  }
  std::string refused() const {
    return error_of([&] { load_plan(out()); });
  }
  void replace(const std::string& from, const std::string& to) const {
    std::string text = read_file(out() / "image.json");
    ASSERT_NE(text.find(from), std::string::npos) << text;
    text.replace(text.find(from), from.size(), to);
    write_file(out() / "image.json", text);
  }
};

TEST_F(PlanTest, SurvivesItsText) {
  Plan plan;
  plan.config = R"({"architecture":"amd64","config":{"Env":["A=ü"]},"history":[],"os":"linux"})";
  plan.layers.push_back(
      {.digest = sha256("1"), .scope = "base/", .diff_id = {}, .blob_media_type = {}, .blob = {}});
  plan.layers.push_back({.digest = sha256("2"),
                         .scope = {},
                         .diff_id = sha256("3"),
                         .blob_media_type = "application/vnd.oci.image.layer.v1.tar+gzip",
                         .blob = sha256("4"),
                         .blob_size = 5});
  const Plan again = Plan::parse(plan.serialize(), "image.json");
  EXPECT_EQ(again.config, plan.config);
  EXPECT_EQ(again.digest(), plan.digest());
  EXPECT_EQ(again.serialize(), plan.serialize());
  ASSERT_EQ(again.layers.size(), 2u);
  EXPECT_EQ(again.layers[0].scope, "base/");
  EXPECT_EQ(again.layers[1].diff_id, sha256("3"));
  EXPECT_EQ(again.layers[1].blob, sha256("4"));
  EXPECT_EQ(again.layers[1].blob_size, 5u);
}

TEST_F(PlanTest, DigestIsOfConfigurationAndLayers) {
  Plan plan;
  plan.config = "{}";
  plan.layers.push_back(
      {.digest = sha256("1"), .scope = {}, .diff_id = {}, .blob_media_type = {}, .blob = {}});
  const Digest digest = plan.digest();
  EXPECT_EQ(digest, sha256("bottle-plan 1\nconfig " + sha256("{}").string() + "\nlayer " +
                           sha256("1").string() + "\n"));
  Plan other = plan;
  other.layers[0].scope = "base/";
  other.layers[0].diff_id = sha256("x");
  EXPECT_EQ(other.digest(), digest) << "where bytes come from is no part of what an image is";
  other.config = "[]";
  EXPECT_NE(other.digest(), digest);
  other = plan;
  other.layers.push_back(other.layers[0]);
  EXPECT_NE(other.digest(), digest);
}

TEST_F(PlanTest, IsLoadedAsItWasSaved) {
  const LoadedPlan image = saved();
  EXPECT_EQ(image.plan.digest(), build().image.plan.digest());
  EXPECT_THAT(paths_of(image), ElementsAre("a", "b"));
  EXPECT_EQ(content(image, "a"), "content of a");
  EXPECT_EQ(content(image, "b"), "inline\n");
  EXPECT_THAT(image.context_roots, ElementsAre(Pair("context", context())));
  EXPECT_THAT(names_in(out()), UnorderedElementsAre("image.json", "layers", "roots.json", "blobs"));
  EXPECT_THAT(names_in(out() / "blobs"), ElementsAre(sha256("inline\n").hex()));
}

TEST_F(PlanTest, NeedsNoStoreOnceSaved) {
  const LoadedPlan image = saved();
  fs::remove_all(store_directory());
  EXPECT_EQ(content(image, "b"), "inline\n");
  EXPECT_EQ(read_file(out() / "blobs" / sha256("inline\n").hex()), "inline\n");
}

TEST_F(PlanTest, IsWrittenOnlyIfItChanged) {
  saved();
  const auto times = [&] {
    std::map<std::string, fs::file_time_type> result;
    for (const auto& entry : fs::recursive_directory_iterator(out()))
      if (entry.is_regular_file()) result[entry.path().native()] = entry.last_write_time();
    return result;
  };
  for (const auto& [file, time] : times())
    age(file);
  const auto before = times();
  EXPECT_FALSE(save_plan(build().image, out(), store()));
  EXPECT_EQ(times(), before);
}

TEST_F(PlanTest, LeavesNothingOfEarlierPlans) {
  saved();
  dockerfile("FROM scratch\nCOPY a /b\n");
  EXPECT_TRUE(save_plan(build().image, out(), store()));
  EXPECT_EQ(names_in(out() / "layers").size(), 1u);
  EXPECT_TRUE(fs::is_empty(out() / "blobs"));
  EXPECT_EQ(content(load_plan(out()), "b"), "content of a");
}

TEST_F(PlanTest, ErrorsDescribeTheDamage) {
  EXPECT_THAT(refused(), AllOf(HasSubstr("image.json"), HasSubstr("cannot find the image plan")));
  const LoadedPlan image = saved();
  const std::string good = read_file(out() / "image.json");

  write_file(out() / "image.json", good.substr(0, good.size() / 2));
  EXPECT_THAT(refused(), AllOf(HasSubstr("image.json"), HasSubstr("not valid JSON")));
  write_file(out() / "image.json", good);
  replace("\"amd64\"", "\"arm64\"");
  EXPECT_THAT(refused(), AllOf(HasSubstr("image.json"), HasSubstr("does not match its planDigest")));
  write_file(out() / "image.json", good);
  replace("\"schema\": 1", "\"schema\": 2");
  EXPECT_THAT(refused(), HasSubstr("another version"));
  write_file(out() / "image.json", good);
  replace("\"digest\": \"sha256:", "\"digest\": \"md5:");
  EXPECT_THAT(refused(), AllOf(HasSubstr("image.json#/layers/0/digest"), HasSubstr("sha256:<64")));
  write_file(out() / "image.json", good);

  const std::string roots = read_file(out() / "roots.json");
  const fs::path index = out() / "layers" / (image.plan.layers[0].digest.hex() + ".idx");
  const std::string text = read_file(index);
  std::string altered = text;
  altered.replace(altered.find(" 644 "), 5, " 755 ");
  fs::remove(index);
  EXPECT_THAT(refused(), HasSubstr(index.native()));
  write_file(index, altered);
  EXPECT_THAT(refused(),
              AllOf(HasSubstr(index.native()), HasSubstr("does not match its digest in roots.json")));
  altered = text;
  altered.replace(altered.rfind(":a\n"), 3, ":b\n");
  write_file(index, altered);
  EXPECT_THAT(refused(), HasSubstr("in roots.json")) << "a place";
  write_file(index, text + "nonsense\n");
  EXPECT_THAT(refused(), HasSubstr(index.native() + ":"));
  write_file(index, text);
  EXPECT_EQ(refused(), "");

  write_file(out() / "roots.json", R"({"context": 1})");
  EXPECT_THAT(refused(), HasSubstr("roots.json#: the member \"schema\" is missing"));
  std::string places = roots;
  places.replace(places.find("context\": \"/") + 12, 1, "x");
  write_file(out() / "roots.json", places);
  EXPECT_THAT(refused(), HasSubstr("roots.json#/check"));
  fs::remove(out() / "roots.json");
  EXPECT_THAT(refused(), HasSubstr("roots.json"));
}

TEST_F(PlanTest, AMissingBlobIsNamed) {
  saved();
  fs::remove_all(out() / "blobs");
  fs::remove_all(store_directory());
  EXPECT_THAT(error_of([&] { content(load_plan(out()), "b"); }),
              AllOf(HasSubstr(sha256("inline\n").string()), HasSubstr("build the image again")));
}

TEST_F(PlanTest, ScopesNestWithTheBottles) {
  LoadedPlan image = saved();
  image = LoadedPlan::in_scope(LoadedPlan::in_scope(image, "inner"), "outer");
  EXPECT_EQ(image.plan.layers[0].scope, "outer/inner/");
  EXPECT_THAT(image.context_roots, ElementsAre(Pair("outer/inner/context", context())));
  EXPECT_THAT(image.blob_directories, ElementsAre(out()));
  EXPECT_EQ(content(image, "a"), "content of a");
  EXPECT_EQ(content(image, "b"), "inline\n");
}

}  // namespace
}  // namespace bottle::image
