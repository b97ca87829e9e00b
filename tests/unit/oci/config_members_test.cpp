// SPDX-License-Identifier: Apache-2.0
#include "oci/config_members.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/descriptor.hpp"
#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A member with a value, and what becomes of it: a JSON value, kAbsent, or kRefused. The answers are those of
// Docker Engine 20.10 and 28.5 (`docker load` and `FROM`) and of skopeo 1.9 (`inspect --config`), which agree
// but for what is remarked.
constexpr const char* kAbsent = "absent";
constexpr const char* kRefused = "refused";
struct Row {
  const char* pointer;
  const char* value;
  const char* result;
};
constexpr Row kRows[] = {
    {"/config", "null", kAbsent},
    {"/config", "{}", "{}"},
    {"/config", "[]", kRefused},
    {"/config", "\"x\"", kRefused},
    {"/config/Env", "null", kAbsent},
    {"/config/Env", "[]", "[]"},
    {"/config/Env", "[null]", R"([""])"},
    {"/config/Env", R"(["A"])", R"(["A"])"},
    {"/config/Env", R"(["=x"])", R"(["=x"])"},
    {"/config/Env", R"(["A=1","A=2"])", R"(["A=1","A=2"])"},
    {"/config/Env", "\"x\"", kRefused},
    {"/config/Env", "{}", kRefused},
    {"/config/Env", "[5]", kRefused},
    {"/config/Cmd", "null", kAbsent},
    {"/config/Cmd", "[null]", R"([""])"},
    {"/config/Cmd", "\"x\"", kRefused},  // Engine 20.10 loads it, and cannot build on it
    {"/config/Entrypoint", "null", kAbsent},
    {"/config/Entrypoint", "[]", "[]"},
    {"/config/Entrypoint", "{}", kRefused},
    {"/config/Shell", "null", kAbsent},
    {"/config/Shell", "[null]", R"([""])"},
    {"/config/Shell", "\"x\"", kRefused},  // Engine 20.10 takes it for a list of one
    {"/config/OnBuild", "null", kAbsent},
    {"/config/OnBuild", "[5]", kRefused},
    {"/config/User", "null", kAbsent},
    {"/config/User", "\"\"", "\"\""},
    {"/config/User", "5", kRefused},
    {"/config/WorkingDir", "null", kAbsent},
    {"/config/WorkingDir", "5", kRefused},
    {"/config/StopSignal", "null", kAbsent},
    {"/config/StopSignal", "5", kRefused},
    {"/config/ArgsEscaped", "null", kAbsent},
    {"/config/ArgsEscaped", "true", "true"},
    {"/config/ArgsEscaped", "\"x\"", kRefused},
    {"/config/ExposedPorts", "null", kAbsent},
    {"/config/ExposedPorts", R"({"80/tcp":null})", R"({"80/tcp":{}})"},
    {"/config/ExposedPorts", R"({"80/tcp":"x"})", kRefused},
    {"/config/ExposedPorts", R"(["80"])", kRefused},
    {"/config/Volumes", "null", kAbsent},
    {"/config/Volumes", R"({"/v":null})", R"({"/v":{}})"},
    {"/config/Volumes", R"(["/v"])", kRefused},
    {"/config/Labels", "null", kAbsent},
    {"/config/Labels", R"({"a":null})", R"({"a":""})"},
    {"/config/Labels", R"({"a":5})", kRefused},
    {"/config/Labels", "[]", kRefused},
    {"/config/Healthcheck", "null", kAbsent},
    {"/config/Healthcheck", R"({"Test":null,"Retries":null})", "{}"},
    {"/config/Healthcheck", R"({"Test":["CMD","x"],"Interval":-1})", R"({"Test":["CMD","x"],"Interval":-1})"},
    {"/config/Healthcheck", R"({"Interval":"5s"})", kRefused},
    {"/config/Healthcheck", R"({"Interval":1.5})", kRefused},
    {"/config/Healthcheck", R"({"Test":"x"})", kRefused},
    {"/config/Healthcheck", "[]", kRefused},
    {"/config/Unknown", R"([null,{"a":null}])", R"([null,{"a":null}])"},
    {"/created", "null", kAbsent},
    {"/created", "\"2001-09-09T01:46:40.5+01:00\"", "\"2001-09-09T01:46:40.5+01:00\""},
    {"/created", "\"\"", kRefused},
    {"/created", "\"yesterday\"", kRefused},
    {"/created", "5", kRefused},
    {"/author", "null", kAbsent},
    {"/author", "5", kRefused},
    {"/os", "null", kAbsent},
    {"/os", "5", kRefused},
    {"/architecture", "5", kRefused},
    {"/variant", "null", kAbsent},
    {"/variant", "\"\"", "\"\""},
    {"/variant", "5", kRefused},
    {"/os.version", "null", kAbsent},
    {"/os.version", "5", kRefused},
    {"/os.features", "null", kAbsent},
    {"/os.features", "[null]", R"([""])"},
    {"/os.features", "\"x\"", kRefused},
    {"/history", "null", kAbsent},
    {"/history", "[null]", "[{}]"},
    {"/history", R"([{"created":null,"created_by":null,"author":null,"comment":null,"empty_layer":null}])",
     "[{}]"},
    {"/history", R"([{"created":""}])", kRefused},
    {"/history", R"([{"created_by":5}])", kRefused},
    {"/history", R"([{"empty_layer":"x"}])", kRefused},
    {"/history", "[5]", kRefused},
    {"/history", "{}", kRefused},
    {"/rootfs", "null", kAbsent},
    {"/rootfs", "[]", kRefused},
    {"/created", R"("2000-02-29T23:59:59.5+01:00")", R"("2000-02-29T23:59:59.5+01:00")"},
    {"/created", R"("2001-02-01T01:46:40,5Z")", R"("2001-02-01T01:46:40.5Z")"},
    {"/created", R"("2001-02-29T01:46:40Z")", kRefused},
    {"/created", R"("2001-13-01T01:46:40Z")", kRefused},
    {"/created", R"("2001-02-01T24:00:00Z")", kRefused},
    {"/created", R"("2001-02-01T23:60:00Z")", kRefused},
    {"/created", R"("2001-02-01T01:46:40+24:00")", kRefused},  // Engine 28 decodes it and cannot encode it
    {"/created", R"("2001-02-01t01:46:40z")", kRefused},
    {"/rootfs/type", "null", kAbsent},
    {"/rootfs/type", "\"other\"", "\"other\""},
    {"/rootfs/type", "5", kRefused},
    {"/rootfs/diff_ids", "null", kAbsent},
    {"/rootfs/diff_ids", "\"x\"", kRefused},
};

Json with(const std::string& pointer, const std::string& value) {
  Json config{{"architecture", "amd64"}, {"os", "linux"}, {"config", Json::object()}};
  config["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
  config[Json::json_pointer(pointer)] = Json::parse(value);
  return config;
}

TEST(ConfigMembers, NullUnusualAndInvalidValues) {
  for (const Row& row : kRows) {
    Json config = with(row.pointer, row.value);
    const std::string error = error_of([&] { normalize_config(config, "c"); });
    const std::string what = std::string(row.pointer) + " = " + row.value;
    EXPECT_EQ(error.empty(), row.result != kRefused) << what << ": " << error;
    if (row.result == kRefused) {
      EXPECT_THAT(error, AllOf(HasSubstr("c#" + std::string(row.pointer)), HasSubstr("expected "))) << what;
      continue;
    }
    const Json::json_pointer pointer(row.pointer);
    EXPECT_EQ(config.contains(pointer), row.result != kAbsent) << what;
    if (row.result != kAbsent) {
      EXPECT_EQ(config[pointer], Json::parse(row.result)) << what;
    }
    EXPECT_EQ(error_of([&] { parse_config(with(row.pointer, row.value).dump(), "c"); }), "") << what;
  }
}

TEST(ConfigMembers, ErrorsNameTheElement) {
  Json config = with("/config/Env", R"(["A=1",5])");
  EXPECT_THAT(error_of([&] { normalize_config(config, "c"); }),
              AllOf(HasSubstr("c#/config/Env/1"), HasSubstr("expected a string, found 5")));
  config = with("/config/ExposedPorts", R"({"80/tcp":5})");
  EXPECT_THAT(error_of([&] { normalize_config(config, "c"); }), HasSubstr("c#/config/ExposedPorts/80~1tcp"));
  config = Json::array();
  EXPECT_THAT(error_of([&] { normalize_config(config, "c"); }), HasSubstr("expected an object"));
}

TEST(ConfigMembers, PlatformOfAConfiguration) {
  const auto platform = [](const char* text) { return parse_config(text, "c").platform.string(); };
  EXPECT_EQ(platform(R"({"os":"linux","architecture":"arm64","variant":"v8"})"), "linux/arm64/v8");
  EXPECT_EQ(platform(R"({"os":null,"architecture":"arm64","variant":null})"), "linux/arm64");
  EXPECT_EQ(platform(R"({"os":"","architecture":"arm64","variant":""})"), "linux/arm64");
  EXPECT_EQ(platform(R"({"architecture":"arm64"})"), "linux/arm64");
  EXPECT_EQ(platform("{}"), "linux/");
}

}  // namespace
}  // namespace bottle::oci
