// SPDX-License-Identifier: Apache-2.0
#include "pack/manifest_diff.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "fixtures.hpp"

namespace bottle::pack {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Manifest manifest() {
  Manifest result = test::manifest_for({});
  result.env = {"A=1", "B=2"};
  return result;
}

OpenPack pack_of(const Manifest& manifest, const std::vector<ForeignMember>& foreign = {}) {
  OpenPack pack;
  pack.manifest = manifest;
  pack.manifest_text = manifest.serialize(foreign);
  return pack;
}

std::vector<std::string> differences(const std::function<void(Manifest&)>& change,
                                     Members members = Members::machine) {
  Manifest other = manifest();
  change(other);
  std::vector<std::string> texts;
  for (const ManifestDifference& found : compare_manifests(pack_of(manifest()), pack_of(other), members))
    texts.push_back(found.member + " " + found.a + " | " + found.b);
  return texts;
}

TEST(ManifestDiff, ComparesEachMemberOfAMachine) {
  using M = Manifest;
  EXPECT_THAT(differences([](M&) {}), IsEmpty());
  EXPECT_THAT(differences([](M& m) { m.mode = M::Mode::vm; }), ElementsAre(R"(mode "container" | "vm")"));
  EXPECT_THAT(differences([](M& m) { m.image = "x"; }), ElementsAre(R"(image "test:latest" | "x")"));
  EXPECT_THAT(differences([](M& m) { m.platform = "linux/arm64"; }),
              ElementsAre(R"(platform "linux/amd64" | "linux/arm64")"));
  EXPECT_THAT(differences([](M& m) { m.entrypoint = {"/e"}; }), ElementsAre(R"(entrypoint  | ["/e"])"));
  EXPECT_THAT(differences([](M& m) { m.cmd = {"c", "d"}; }), ElementsAre(R"(cmd  | ["c","d"])"));
  EXPECT_THAT(differences([](M& m) { m.workdir = "/w"; }), ElementsAre(R"(workdir  | "/w")"));
  EXPECT_THAT(differences([](M& m) { m.user = "app"; }), ElementsAre(R"(user  | "app")"));
  EXPECT_THAT(differences([](M& m) { m.cpus = 2; }), ElementsAre("cpus 1 | 2"));
  EXPECT_THAT(differences([](M& m) { m.mem = 128; }), ElementsAre("mem 64 | 128"));
  EXPECT_THAT(differences([](M& m) { m.network = true; }), ElementsAre("network false | true"));
  EXPECT_THAT(differences([](M& m) { m.gpu = true; }), ElementsAre("gpu false | true"));
  EXPECT_THAT(differences([](M& m) { m.cuda = true; }), ElementsAre("cuda false | true"));
  EXPECT_THAT(differences([](M& m) {
                m.secret_refs["s"] = {"E", std::nullopt};
              }),
              ElementsAre(R"(secret_refs  | {"s":{"from_env":"E"}})"));
  EXPECT_THAT(differences([](M& m) { m.agent_rootfs.size = 1; }), ElementsAre("agent_rootfs  | true"));
  EXPECT_THAT(differences([](M& m) {
                m.workspace_seed = Asset{"w.tar", 1};
              }),
              ElementsAre(R"(workspace_seed  | "w.tar")"));
}

TEST(ManifestDiff, ComparesVariablesOneByOne) {
  EXPECT_THAT(differences([](Manifest& m) {
                m.env = {"B=3", "C="};
              }),
              ElementsAre(R"(env A "1" | )", R"(env B "2" | "3")", R"(env C  | "")"));
}

TEST(ManifestDiff, ComparesOriginOnRequest) {
  const auto change = [](Manifest& m) {
    m.created = "2001-09-09T01:46:40Z";
    m.digest = "sha256:1";
    m.image_size = 7;
    m.smolvm_version = "1.9.3";
    m.host_platform = "linux/amd64";
  };
  EXPECT_THAT(differences(change), IsEmpty());
  EXPECT_EQ(differences(change, Members::all).size(), 5u);
}

TEST(ManifestDiff, ComparesMembersOfANewerSmolvm) {
  const std::vector<ForeignMember> foreign{{"/checkpoint", {{"payload", "chunked"}}}, {"/assets/new", 1}};
  const auto found = compare_manifests(pack_of(manifest()), pack_of(manifest(), foreign), Members::machine);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].member, "/checkpoint");
  EXPECT_EQ(found[0].b, R"({"payload":"chunked"})");
  EXPECT_EQ(found[1].member, "/assets/new");
}

}  // namespace
}  // namespace bottle::pack
