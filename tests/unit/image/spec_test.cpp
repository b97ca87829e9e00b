// SPDX-License-Identifier: Apache-2.0
#include "image/model/spec.hpp"

#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class SpecTest : public ImageTest {
 protected:
  fs::path file() const { return directory() / "spec.json"; }
  BuildSpec load(const Json& document) const {
    write_file(file(), document.dump());
    return load_spec(file());
  }
  std::string refused(const Json& document) const {
    return error_of([&] { load(document); });
  }
  static Json minimal() {
    return {{"schema", 1}, {"slug", "hello"}, {"dockerfile", "/src/Dockerfile"}, {"context", "/src"}};
  }
  static Json with(const std::string& pointer, const Json& value) {
    Json document = minimal();
    document[Json::json_pointer(pointer)] = value;
    return document;
  }
};

TEST_F(SpecTest, HasDefaults) {
  const BuildSpec spec = load(minimal());
  EXPECT_EQ(spec.slug, "hello");
  EXPECT_EQ(spec.dockerfile, "/src/Dockerfile");
  EXPECT_EQ(spec.context, "/src");
  EXPECT_EQ(spec.target, "");
  EXPECT_EQ(spec.platform, "");
  EXPECT_EQ(spec.engine, "builtin");
  EXPECT_EQ(spec.packer, "native");
  EXPECT_FALSE(spec.git_modes);
  EXPECT_TRUE(spec.build_args.empty());
  EXPECT_TRUE(spec.contexts.empty());
  EXPECT_EQ(spec.pack.cpus, 4u);
  EXPECT_EQ(spec.pack.memory_mib, 8192u);
  EXPECT_FALSE(spec.pack.network);
  EXPECT_FALSE(spec.pack.entrypoint);
  EXPECT_EQ(spec.directory, directory());
}

TEST_F(SpecTest, ReadsEveryMember) {
  Json document = minimal();
  document["exclude"] = {"/src/build/"};
  document["target"] = "final";
  document["platform"] = "linux/arm64";
  document["buildArgs"] = {{"A/B", "1"}, {"C", ""}};
  document["contexts"] = {
      {{"name", "base"}, {"kind", "bottle"}, {"value", "/build/base"}},
      {{"name", "debian"}, {"kind", "oci-layout"}, {"value", "/images/d"}, {"reference", "12"}},
      {{"name", "app"}, {"kind", "target"}, {"files", {"/build/a", "/build/b"}}},
      {{"name", "tools"}, {"kind", "image"}, {"value", "debian:12"}},
  };
  document["engine"] = "docker";
  document["packer"] = "smolvm";
  document["tag"] = "x:1";
  document["gitModes"] = true;
  document["pack"] = {{"cpus", 2},        {"memory", 512},        {"network", true},
                      {"env", {"K=V"}},   {"entrypoint", {"/a"}}, {"cmd", Json::array()},
                      {"runtime", "none"}};
  document["store"] = "/cache";
  document["lock"] = "/locks/bottle.lock";
  const BuildSpec spec = load(document);
  EXPECT_THAT(spec.build_args, ElementsAre(Pair("A/B", "1"), Pair("C", "")));
  ASSERT_EQ(spec.contexts.size(), 4u);
  EXPECT_EQ(spec.contexts[0].kind, ContextKind::bottle);
  EXPECT_EQ(spec.contexts[1].reference, "12");
  EXPECT_THAT(spec.contexts[2].files, ElementsAre("/build/a", "/build/b"));
  EXPECT_EQ(spec.contexts[3].reference, "debian:12");
  EXPECT_EQ(spec.target, "final");
  EXPECT_EQ(spec.engine, "docker");
  EXPECT_TRUE(spec.git_modes);
  EXPECT_EQ(spec.pack.cpus, 2u);
  EXPECT_TRUE(spec.pack.network);
  EXPECT_EQ(spec.pack.entrypoint, std::vector<std::string>{"/a"});
  EXPECT_EQ(spec.pack.cmd, std::vector<std::string>{});
  EXPECT_EQ(spec.pack.runtime, "none");
  EXPECT_EQ(spec.store, "/cache");
  EXPECT_EQ(lock_file(spec), "/locks/bottle.lock");
  EXPECT_EQ(spec.file, directory() / "spec.json");
}

TEST_F(SpecTest, ErrorsNameTheMember) {
  const struct {
    const char* pointer;
    Json value;
    const char* place;
    const char* expected;
  } kCases[] = {
      {"/schema", 2, "spec.json", "unsupported version"},
      {"/schema", "1", "spec.json#/schema", "a whole number"},
      {"/slug", "Hello", "spec.json#/slug", "[a-z0-9]"},
      {"/slug", std::string(64, 'a'), "spec.json#/slug", "at most 63"},
      {"/slug", 5, "spec.json#/slug", "a string"},
      {"/dockerfile", "Dockerfile", "spec.json#/dockerfile", "an absolute path"},
      {"/context", ".", "spec.json#/context", "an absolute path"},
      {"/exclude", Json::array({"/a", "b"}), "spec.json#/exclude/1", "an absolute path"},
      {"/exclude", "/a", "spec.json#/exclude", "an array"},
      {"/target", 1, "spec.json#/target", "a string"},
      {"/buildArgs", Json::array({"A=1"}), "spec.json#/buildArgs", "an object"},
      {"/buildArgs", {{"A", 1}}, "spec.json#/buildArgs/A", "a string"},
      {"/buildArgs", {{"A/B", 1}}, "spec.json#/buildArgs/A~1B", "a string"},
      {"/contexts", "x", "spec.json#/contexts", "an array"},
      {"/contexts/0", "x", "spec.json#/contexts/0", "an object"},
      {"/contexts/0", {{"name", ""}}, "spec.json#/contexts/0/name", "the name of a context"},
      {"/contexts/0", {{"kind", "path"}}, "spec.json#/contexts/0", "\"name\" is missing"},
      {"/contexts/0", {{"name", "a"}}, "spec.json#/contexts/0", "\"kind\" is missing"},
      {"/contexts/0", {{"name", "a"}, {"kind", "tar"}}, "spec.json#/contexts/0/kind", "use path"},
      {"/contexts/0", {{"name", "a"}, {"kind", "path"}}, "spec.json#/contexts/0", "\"value\" is missing"},
      {"/contexts/0", {{"name", "a"}, {"kind", "path"}, {"value", "b"}}, "#/contexts/0/value", "absolute"},
      {"/contexts/0", {{"name", "a"}, {"kind", "target"}}, "spec.json#/contexts/0", "\"files\" is missing"},
      {"/contexts/0",
       {{"name", "a"}, {"kind", "target"}, {"files", {"/a/x", "/b/x"}}},
       "spec.json#/contexts/0/files",
       "two files have the name \"x\""},
      {"/gitModes", "perhaps", "spec.json#/gitModes", "true or false"},
      {"/pack", 1, "spec.json#/pack", "an object"},
      {"/pack/cpus", 256, "spec.json#/pack/cpus", "255"},
      {"/pack/memory", -1, "spec.json#/pack/memory", "a number from 64"},
      {"/pack/env", {1}, "spec.json#/pack/env/0", "a string"},
      {"/pack/cmd", "a", "spec.json#/pack/cmd", "an array"},
      {"/store", 1, "spec.json#/store", "a string"},
      {"/lock", "bottle.lock", "spec.json#/lock", "an absolute path"},
      {"/contexts/0", {{"name", "a"}, {"kind", "image"}, {"value", ""}}, "#/contexts/0/value", "reference"},
  };
  for (const auto& [pointer, value, place, expected] : kCases)
    EXPECT_THAT(refused(with(pointer, value)), AllOf(HasSubstr(place), HasSubstr(expected))) << pointer;
}

TEST_F(SpecTest, UnknownMembersNameTheNearest) {
  EXPECT_THAT(refused(with("/dockerFile", "/x")), AllOf(HasSubstr("spec.json#"), HasSubstr("\"dockerFile\""),
                                                        HasSubstr("did you mean \"dockerfile\"?")));
  EXPECT_THAT(refused(with("/pack/memmory", 1)),
              AllOf(HasSubstr("spec.json#/pack"), HasSubstr("did you mean \"memory\"?")));
  EXPECT_THAT(refused(with("/contexts/0", {{"nam", "a"}})),
              AllOf(HasSubstr("spec.json#/contexts/0"), HasSubstr("did you mean \"name\"?")));
}

TEST_F(SpecTest, MissingMembersAndFilesAreErrors) {
  for (const char* member : {"schema", "slug", "dockerfile", "context"}) {
    Json document = minimal();
    document.erase(member);
    EXPECT_THAT(refused(document), HasSubstr("the member \"" + std::string(member) + "\" is missing"));
  }
  EXPECT_THAT(refused(Json::array()), AllOf(HasSubstr("spec.json#"), HasSubstr("an object")));
  write_file(file(), "{\"schema\":");
  EXPECT_THAT(error_of([&] { load_spec(file()); }), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of([&] { load_spec(directory() / "none.json"); }), HasSubstr("none.json"));
}

// The image of several that a layout or archive holds, behind its path.
TEST_F(SpecTest, SelectsAnImageOfALayout) {
  const fs::path layout = directory() / "lay:out";
  fs::create_directory(layout);
  write_file(directory() / "a.tar", "");
  const std::string digest = "sha256:" + std::string(64, 'a');
  const auto split = [](ContextKind kind, const fs::path& place) {
    ContextSpec context{.name = {}, .kind = kind, .value = place, .reference = {}, .files = {}};
    split_image_place(context);
    return context.value.native() + " " + context.reference;
  };
  const auto of_layout = [&](const std::string& text) { return split(ContextKind::oci_layout, text); };
  const std::string there = layout.native();
  EXPECT_EQ(of_layout(there), there + " ");
  EXPECT_EQ(of_layout(there + ":tag"), there + " tag");
  EXPECT_EQ(of_layout(there + "@" + digest), there + " " + digest);
  EXPECT_EQ(of_layout(there + ":tag@" + digest), there + " tag@" + digest);
  const std::string archive = (directory() / "a.tar").native();
  EXPECT_EQ(split(ContextKind::docker_archive, archive + ":host:5000/app:1"), archive + " host:5000/app:1");
  // What is made later, by the build itself.
  EXPECT_EQ(of_layout("/no/such"), "/no/such ");
  EXPECT_EQ(of_layout("/no/such:tag"), "/no/such tag");
  EXPECT_EQ(of_layout("/no:such/dir"), "/no:such/dir ");
  EXPECT_EQ(of_layout("/no/such@" + digest), "/no/such " + digest);
  EXPECT_EQ(of_layout("/no/such:tag@" + digest), "/no/such " + digest);
  EXPECT_EQ(split(ContextKind::path, there + ":tag"), there + ":tag ");
}

TEST_F(SpecTest, ContextsWithoutAPlaceAreErrors) {
  for (const char* text : {"", "path:", "oci-layout:", "oci-layout://",
                           "docker-archive:", "bottle:", "image:", "docker-image://"}) {
    const std::string error = error_of([&] { parse_context_value(text, "--build-context"); });
    EXPECT_NE(error.find("--build-context: expected a"), std::string::npos) << text << ": " << error;
  }
}

TEST_F(SpecTest, AcceptsBuildKitContexts) {
  const auto parse = [](const std::string& text) { return parse_context_value(text, "--build-context"); };
  for (const char* text : {"image:debian:12", "docker-image://debian:12", "docker-image:debian:12"}) {
    EXPECT_EQ(parse(text).kind, ContextKind::image) << text;
    EXPECT_EQ(parse(text).reference, "debian:12") << text;
  }
  for (const char* text : {"https://host/repo.git#v1:dir", "https://host/file.tar.gz",
                           "git@host:team/repo.git", "ssh://git@host/repo.git", "git://host/repo"}) {
    EXPECT_EQ(parse(text).kind, ContextKind::remote) << text;
    EXPECT_EQ(parse(text).reference, text);
  }
  EXPECT_EQ(parse("oci-layout:///no/such:tag").value, "/no/such");
  EXPECT_EQ(parse("oci-layout:///no/such:tag").reference, "tag");
  EXPECT_EQ(parse("/some/dir/").value, "/some/dir");
  EXPECT_EQ(parse("path:/some/dir").kind, ContextKind::path);
  EXPECT_THAT(error_of([&] { parse("podman:x"); }), HasSubstr("unknown kind of context \"podman\""));
}

TEST(ImageName, IsCheckedByTheGrammar) {
  for (const char* good :
       {"app", "app:1.0", "V1", "registry.example/team/app:1.0", "localhost:5000/app", "[::1]:5000/app:x"})
    EXPECT_EQ(error_of([&] { check_image_name(good, "--tag"); }), "") << good;
  for (const std::string& bad :
       {std::string("a b"), std::string("app:"), std::string("app:a/b"), std::string("/app"),
        std::string("App/x y"), std::string("a\nb"), std::string("app:") + std::string(129, 'x'),
        "app@sha256:" + std::string(64, 'a')})
    EXPECT_THAT(error_of([&] { check_image_name(bad, "--tag"); }), HasSubstr("--tag")) << bad;
}

TEST(Slug, EveryCharacterIsChecked) {
  EXPECT_TRUE(is_slug("a"));
  EXPECT_TRUE(is_slug("0a_.-"));
  EXPECT_TRUE(is_slug(std::string(63, 'a')));
  for (const char* bad : {"", "-a", ".a", "_a", "A", "a/b", "a b", "ä", "a\n"})
    EXPECT_FALSE(is_slug(bad)) << bad;
}

TEST_F(SpecTest, AcceptsTextOfExpressions) {
  EXPECT_EQ(load(with("/pack", {{"cpus", "2"}, {"memory", "512"}})).pack.cpus, 2u);
  EXPECT_EQ(load(with("/pack", {{"memory", "512"}})).pack.memory_mib, 512u);
  for (const char* bad : {"", "0", "256", "1G", "2;3", "-1"})
    EXPECT_THAT(refused(with("/pack", {{"cpus", bad}})),
                AllOf(HasSubstr("#/pack/cpus"), HasSubstr("a number from 1 to 255")))
        << bad;
  EXPECT_THAT(refused(with("/pack", {{"memory", "63"}})), HasSubstr("#/pack/memory"));
  EXPECT_THAT(refused(with("/platform", "linux/a b")), HasSubstr("#/platform"));
  EXPECT_THAT(refused(with("/engine", "dokcer")),
              AllOf(HasSubstr("#/engine"), HasSubstr("did you mean docker?")));
  EXPECT_THAT(refused(with("/packer", "smolwm")), HasSubstr("#/packer"));
  EXPECT_THAT(refused(with("/runNetwork", "1")), HasSubstr("#/runNetwork"));
  EXPECT_TRUE(load(with("/gitModes", "on")).git_modes);
  EXPECT_FALSE(load(with("/gitModes", "FALSE")).git_modes);
  EXPECT_THAT(refused(with("/gitModes", "maybe")), HasSubstr("#/gitModes"));
}

TEST_F(SpecTest, NetworkIsABooleanOrTheWordsOfTheArgument) {
  const auto network = [&](const Json& value) {
    return load(with("/pack", {{"network", value}})).pack.network;
  };
  for (const Json& value : {Json(true), Json("1"), Json("Yes"), Json("NETWORK;machine"),
                            Json("NETWORK;none;machine"), Json("NETWORK;1;none")})
    EXPECT_TRUE(network(value)) << value;
  for (const Json& value :
       {Json(false), Json("0"), Json("NETWORK;"), Json("NETWORK;none"), Json("NETWORK;0;host")})
    EXPECT_FALSE(network(value)) << value;
  for (const char* bad : {"", "machine", "host", "NETWORK;nonne", "NETWORK;none;host", "NETWORK"})
    EXPECT_THAT(refused(with("/pack", {{"network", bad}})), HasSubstr("#/pack/network")) << bad;
}

TEST_F(SpecTest, RuntimeIsAPathOrNone) {
  EXPECT_EQ(load(with("/pack", {{"runtime", "none"}})).pack.runtime, "none");
  EXPECT_EQ(load(with("/pack", {{"runtime", "/agent"}})).pack.runtime, "/agent");
  EXPECT_THAT(refused(with("/pack", {{"runtime", "agent"}})), HasSubstr("#/pack/runtime"));
}

TEST_F(SpecTest, EpochIsReadFromTheSpecification) {
  const BuildSpec spec = load(with("/epoch", 1000));
  {
    const ScopedVariable unset("SOURCE_DATE_EPOCH", "");
    EXPECT_EQ(source_date_epoch(spec), 1000);
  }
  {
    const ScopedVariable same("SOURCE_DATE_EPOCH", "01000");
    EXPECT_EQ(source_date_epoch(spec), 1000);
  }
  const ScopedVariable other("SOURCE_DATE_EPOCH", "2000");
  EXPECT_THAT(error_of([&] { source_date_epoch(spec); }),
              AllOf(HasSubstr("#/epoch"), HasSubstr("2000 in the environment, and 1000 in this build"),
                    HasSubstr("-DBOTTLE_SOURCE_DATE_EPOCH=2000")));
  EXPECT_EQ(source_date_epoch(load(minimal())), 2000);
  EXPECT_THAT(refused(with("/epoch", "1000")), HasSubstr("#/epoch"));
  EXPECT_THAT(refused(with("/epoch", 253402300800)), HasSubstr("#/epoch"));
}

TEST(Epoch, IsANumberOfSeconds) {
  {
    const ScopedVariable variable("SOURCE_DATE_EPOCH", "");
    EXPECT_EQ(source_date_epoch(), 0);
  }
  {
    const ScopedVariable variable("SOURCE_DATE_EPOCH", "1700000000");
    EXPECT_EQ(source_date_epoch(), 1700000000);
  }
  for (const char* bad : {"+-1", "1.5", "now", " 1", "253402300800"}) {
    const ScopedVariable variable("SOURCE_DATE_EPOCH", bad);
    EXPECT_THAT(error_of([] { source_date_epoch(); }), HasSubstr("SOURCE_DATE_EPOCH")) << bad;
  }
  const ScopedVariable variable("SOURCE_DATE_EPOCH", "-7");
  EXPECT_EQ(source_date_epoch(), -7);
}

}  // namespace
}  // namespace bottle::image
