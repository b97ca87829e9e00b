// SPDX-License-Identifier: Apache-2.0
#include "pack/manifest.hpp"

#include <gtest/gtest.h>

#include "../golden.hpp"
#include "fixtures.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

const std::string kMinimal =
    R"({"image":"a","digest":"d","platform":"linux/amd64","cpus":4,"mem":8192,)"
    R"("assets":{"libraries":[],"agent_rootfs":{"path":"agent-rootfs.tar","size":0},"layers":[]}})";

std::string error_of(const std::string& text) {
  try {
    parse_manifest(text, "m");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Manifest, TextIsExact) {
  Manifest manifest;
  manifest.image = "ex\"ample/ü:1\n\x01\x7f";
  manifest.digest = "sha256:ab";
  manifest.platform = "linux/amd64";
  manifest.entrypoint = {"/bin/a"};
  manifest.env = {"A=1", "B="};
  manifest.workdir = "/w";
  manifest.cpus = 4;
  manifest.mem = 8192;
  manifest.image_size = 5;
  manifest.created = "1970-01-01T00:00:00Z";
  manifest.smolvm_version = "bottle 1";
  manifest.agent_rootfs = {"agent-rootfs.tar", 0};
  manifest.layers = {{"sha256:cd", "layers/cd.tar", 10}};
  const std::string text = manifest.serialize();
  EXPECT_EQ(text, golden("pack_manifest.json", text));
}

TEST(Manifest, AllMembersSurviveARoundTrip) {
  Manifest manifest;
  manifest.mode = Manifest::Mode::vm;
  manifest.cmd = {"a", ""};
  manifest.secret_refs["s"] = {"ENV", std::nullopt};
  manifest.secret_refs["t"] = {std::nullopt, "/f"};
  manifest.cpus = 255;
  manifest.mem = UINT32_MAX;
  manifest.image_size = UINT64_MAX;
  manifest.network = manifest.gpu = manifest.cuda = true;
  manifest.libraries = {{"lib/a", 1}};
  manifest.storage_template = Asset{"storage.ext4", 2};
  manifest.storage_logical_size = 3;
  manifest.overlay_template = Asset{"overlay.raw", 4};
  manifest.overlay_logical_size = 5;
  manifest.workdir = "/w";
  manifest.user = "app:app";
  manifest.workspace_seed = Asset{"workspace.tar", 6};
  EXPECT_EQ(parse_manifest(manifest.serialize(), "m"), manifest);
}

TEST(Manifest, InvalidUtf8IsAnError) {
  Manifest manifest;
  manifest.env = {"A=\xff"};
  EXPECT_THROW(manifest.serialize(), Error);
}

TEST(Manifest, MinimalManifestIsRead) {
  EXPECT_EQ(error_of(kMinimal), "");
}

TEST(Manifest, UnknownMembersAreIgnored) {
  EXPECT_EQ(error_of(replaced(kMinimal, R"("cpus")", R"("x":{"cpus":[1,{"a":1,"a":2}]},"x":null,"cpus")")),
            "");
  EXPECT_EQ(error_of(replaced(kMinimal, R"("libraries")", R"("y":[[]],"libraries")")), "");
}

TEST(Manifest, UnknownMembersArePreserved) {
  const std::string text = replaced(
      replaced(kMinimal, R"("cpus")", R"("checkpoint":{"payload":"chunked"},"new/er":[1,{"a":null}],"cpus")"),
      R"("libraries")", R"("seed2":"x","libraries")");
  const Manifest manifest = parse_manifest(text, "m");
  EXPECT_TRUE(manifest.checkpoint);
  const std::vector<ForeignMember> foreign = foreign_members(text);
  ASSERT_EQ(foreign.size(), 3u);
  EXPECT_EQ(foreign[0].pointer, "/checkpoint");
  EXPECT_EQ(foreign[0].value.dump(), R"({"payload":"chunked"})");
  EXPECT_EQ(foreign[1].pointer, "/new~1er");
  EXPECT_EQ(foreign[2].pointer, "/assets/seed2");
  const std::string again = manifest.serialize(foreign);
  EXPECT_EQ(parse_manifest(again, "m"), manifest);
  EXPECT_EQ(foreign_members(again), foreign);
  EXPECT_TRUE(foreign_members(kMinimal).empty());
  EXPECT_FALSE(
      parse_manifest(replaced(kMinimal, R"("cpus")", R"("checkpoint":null,"cpus")"), "m").checkpoint);
}

TEST(Manifest, NullIsAllowedForOptionalMembers) {
  EXPECT_EQ(error_of(replaced(kMinimal, R"("cpus")", R"("workdir":null,"cpus")")), "");
  EXPECT_EQ(error_of(replaced(kMinimal, R"("libraries")", R"("storage_template":null,"libraries")")), "");
  for (const char* name : {"entrypoint", "env", "network", "mode", "created", "image_size", "secret_refs"})
    EXPECT_NE(error_of(replaced(kMinimal, R"("cpus")", std::string("\"") + name + R"(":null,"cpus")")), "")
        << name;
}

TEST(Manifest, InvalidManifestsAreRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("cpus":4)", R"("cpus":4.0)"},
      {R"("cpus":4)", R"("cpus":256)"},
      {R"("cpus":4)", R"("cpus":-1)"},
      {R"("cpus":4)", R"("cpus":"4")"},
      {R"("cpus":4)", R"("cpus":4,"cpus":4)"},
      {R"("mem":8192)", R"("mem":4294967296)"},
      {R"("mem":8192)", R"("mem":8e3)"},
      {R"("image":"a",)", ""},
      {R"("image":"a")", R"("image":"a","user":1)"},
      {R"("image":"a")", R"("image":"a","checkpoint":"x")"},
      {R"("layers":[])", R"("layers":[],"workspace_seed":{"path":"p"})"},
      {R"("image":"a")", R"("image":1)"},
      {R"("image":"a")", "\"image\":\"\xff\""},
      {R"("digest":"d")", R"("digest":"d","mode":"other")"},
      {R"("digest":"d")", R"("digest":"d","env":["A=1",2])"},
      {R"("digest":"d")", R"("digest":"d","env":{})"},
      {R"("digest":"d")", R"("digest":"d","image_size":18446744073709551616)"},
      {R"("digest":"d")", R"("digest":"d","secret_refs":{"a":{"from_env":"x","other":1}})"},
      {R"("digest":"d")", R"("digest":"d","secret_refs":{"a":1})"},
      {R"("libraries":[],)", ""},
      {R"("layers":[])", R"("layers":{})"},
      {R"("layers":[])", R"("layers":[{"path":"p","size":1}])"},
      {R"("layers":[])", R"("layers":[],"layers":[])"},
      {R"("size":0)", R"("size":0,"size":0)"},
      {R"("agent_rootfs":{"path":"agent-rootfs.tar","size":0},)", ""},
      {"}}", "}},"},
      {"}}", "}} x"},
      {"}}", "}"},
  };
  for (const auto& [from, to] : cases)
    EXPECT_NE(error_of(replaced(kMinimal, from, to)), "") << to;
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of("[]"), "");
  EXPECT_NE(error_of("\xef\xbb\xbf" + kMinimal), "");
  EXPECT_NE(error_of(std::string(1 << 20, '[')), "");
  EXPECT_NE(error_of(R"({"x":)" + std::string(1 << 20, '[')), "");
}

TEST(Manifest, ErrorsNameThePlace) {
  EXPECT_NE(error_of(replaced(kMinimal, R"("layers":[])", R"("layers":[{"digest":"","path":"","size":-1}])"))
                .find("m#/assets/layers/0/size"),
            std::string::npos);
}

}  // namespace
}  // namespace bottle::pack
