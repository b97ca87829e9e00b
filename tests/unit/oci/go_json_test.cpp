// SPDX-License-Identifier: Apache-2.0
#include "oci/go_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "oci/config_members.hpp"
#include "oci/descriptor.hpp"
#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr std::array<Member, 2> kItem{{{"name", MemberType::string}, {"size", MemberType::integer}}};
constexpr std::array<Member, 6> kMembers{{{"Env", MemberType::strings},
                                          {"Labels", MemberType::map},
                                          {"User", MemberType::string},
                                          {"config", MemberType::object, kItem},
                                          {"layers", MemberType::objects, kItem},
                                          {"created", MemberType::time}}};

std::string decoded(std::string_view text) {
  return parse_go_json(text, {.name = "", .type = MemberType::object, .members = kMembers}, "x").dump();
}

// The answers are those of Go 1.24, of Docker Engine 26.1 and of skopeo 1.9.
TEST(GoJson, NamesOfMembersAreFolded) {
  EXPECT_EQ(decoded(R"({"env":["a"],"ENV2":1})"), R"({"ENV2":1,"Env":["a"]})");
  EXPECT_EQ(decoded(R"({"Layers":[{"NAME":"a","Size":1},{"other":2}],"Config":{"Name":"b"}})"),
            R"({"config":{"name":"b"},"layers":[{"name":"a","size":1},{"other":2}]})");
  EXPECT_EQ(decoded(R"({"labels":{"A":"1","a":"2","User":"3"}})"),
            R"({"Labels":{"A":"1","User":"3","a":"2"}})");
  EXPECT_EQ(decoded(R"({"unknown":{"USER":1,"user":2}})"), R"({"unknown":{"USER":1,"user":2}})");
}

TEST(GoJson, LaterMembersCountAndObjectsAreMerged) {
  EXPECT_EQ(decoded(R"({"Env":["a","b"],"env":["c"]})"), R"({"Env":["c"]})");
  EXPECT_EQ(decoded(R"({"env":["c"],"Env":["a"]})"), R"({"Env":["a"]})");
  EXPECT_EQ(decoded(R"({"Env":["a"],"Env":null})"), R"({"Env":null})");
  EXPECT_EQ(decoded(R"({"User":"a","USER":null})"), R"({"User":"a"})");
  EXPECT_EQ(decoded(R"({"User":null,"USER":"a"})"), R"({"User":"a"})");
  EXPECT_EQ(decoded(R"({"config":{"name":"a","size":1},"Config":{"size":2}})"),
            R"({"config":{"name":"a","size":2}})");
  EXPECT_EQ(decoded(R"({"config":{"name":"a"},"config":null})"), R"({"config":{"name":"a"}})");
  EXPECT_EQ(decoded(R"({"Labels":{"a":"1"},"Labels":{"b":"2"}})"), R"({"Labels":{"a":"1","b":"2"}})");
  EXPECT_EQ(decoded(R"({"unknown":{"a":1},"unknown":{"b":2}})"), R"({"unknown":{"b":2}})");
}

TEST(GoJson, InvalidUnicodeIsReplaced) {
  EXPECT_EQ(decoded("{\"User\":\"a\xff\xfe z\"}"), "{\"User\":\"a\xef\xbf\xbd\xef\xbf\xbd z\"}");
  EXPECT_EQ(decoded("{\"User\":\"\xc0\x80\xed\xa0\x80\xe2\x82\"}").size(),
            std::string(R"({"User":""})").size() + 7 * 3);
  EXPECT_EQ(decoded("{\"User\":\"\xf0\x9f\x8d\xbe \xc3\xa9\"}"), "{\"User\":\"\xf0\x9f\x8d\xbe \xc3\xa9\"}");
  EXPECT_EQ(decoded(R"({"User":"\ud800"})"), "{\"User\":\"\xef\xbf\xbd\"}");
  EXPECT_EQ(decoded(R"({"User":"\uDC00\ud83c\uDF7E\ud800\u0041"})"),
            "{\"User\":\"\xef\xbf\xbd\xf0\x9f\x8d\xbe\xef\xbf\xbd"
            "A\"}");
  EXPECT_EQ(decoded(R"({"User":"\\ud800"})"), R"({"User":"\\ud800"})");
}

TEST(GoJson, InvalidDocumentsAreErrors) {
  for (const char* text :
       {"", "{", "{} x", "\xef\xbb\xbf{}", "{\"User\":\"\\\xff\"}", "{\"a\":\xff}", "[1,]", "{\"a\":01}"})
    EXPECT_THAT(error_of([&] { decoded(text); }), HasSubstr("x: not valid JSON at byte")) << text;
  EXPECT_THAT(error_of([] { decoded(std::string_view("{}\n\0", 4)); }),
              HasSubstr("not valid JSON at byte 4"));
  EXPECT_THAT(error_of([] { decoded(R"({"a":1e999})"); }), HasSubstr("a number is too large"));
  EXPECT_THAT(error_of([] { decoded(std::string(65, '[') + std::string(65, ']')); }),
              HasSubstr("deeper than 64"));
}

TEST(GoJson, DocumentsOfAnImage) {
  const Json config = read_config(
      R"({"OS":"linux","Architecture":"arm64","Config":{"env":["A=1"],"healthcheck":{"TEST":["NONE"]}}})",
      "c");
  EXPECT_EQ(config["architecture"], "arm64");
  EXPECT_EQ(config["config"], Json::parse(R"({"Env":["A=1"],"Healthcheck":{"Test":["NONE"]}})"));
  const std::string digest = "sha256:" + std::string(64, 'a');
  const Manifest manifest = parse_manifest(
      R"({"SchemaVersion":2,"Config":{"mediatype":"a/b","Digest":")" + digest +
          R"(","SIZE":5},"Layers":[{"MediaType":"a/c","Digest":")" + digest + R"(","Size":6}]})",
      "m");
  EXPECT_EQ(manifest.config.media_type, "a/b");
  ASSERT_EQ(manifest.layers.size(), 1u);
  EXPECT_EQ(manifest.layers[0].size, 6u);
}

TEST(GoJson, AmbiguousDocumentsAreErrors) {
  const std::string config =
      R"("config":{"mediaType":"a/b","digest":"sha256:)" + std::string(64, 'a') + R"(","size":5})";
  for (const char* member : {R"("manifests":[])", R"("Manifests":[{}])", R"("fsLayers":[])"})
    EXPECT_THAT(error_of([&] { parse_manifest("{" + config + "," + member + "}", "m"); }),
                HasSubstr("ambiguous document: an image manifest has no member"))
        << member;
  for (const std::string& member : {config, std::string(R"("layers":[])"), std::string(R"("FSLayers":[])")})
    EXPECT_THAT(error_of([&] { parse_index("{\"manifests\":[]," + member + "}", "i"); }),
                HasSubstr("ambiguous document: an index has no member"))
        << member;
}

}  // namespace
}  // namespace bottle::oci
