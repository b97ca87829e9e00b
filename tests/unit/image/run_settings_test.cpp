// SPDX-License-Identifier: Apache-2.0
#include "image/model/run_settings.hpp"

#include "run/bundle.hpp"
#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RunSettings, SpellingsHaveOneCanonicalForm) {
  RunSettings settings;
  EXPECT_THAT(settings.options(), IsEmpty());
  for (const char* usual : {"", "0", "64m", "64MiB", "67108864"}) {
    settings.set_shm_size(usual, "");
    EXPECT_THAT(settings.options(), IsEmpty()) << usual;
  }
  settings.set_shm_size("1.5g", "");
  settings.add_limit("nofile=5", "");
  settings.add_limit("core=-1", "");
  settings.add_limit("nofile=1000:2000", "");
  settings.add_limit("cpu=5:-1", "");
  settings.add_host("b=[::1]", "");
  settings.add_host("a:1.2.3.4", "");
  settings.add_host("c:::2", "");
  EXPECT_THAT(settings.options(),
              ElementsAre("--shm-size=1610612736", "--ulimit=core=-1:-1", "--ulimit=cpu=5:-1",
                          "--ulimit=nofile=1000:2000", "--add-host=b:::1", "--add-host=a:1.2.3.4",
                          "--add-host=c:::2"));
}

TEST(RunSettings, InvalidSettingsAreErrors) {
  RunSettings settings;
  for (const char* bad : {"x", "-1", "1q", "1e3"})
    EXPECT_THAT(error_of([&] { settings.set_shm_size(bad, "place"); }), HasSubstr("place")) << bad;
  for (const char* bad : {"nofile", "nofile=", "nofile=x", "nofile=1:", "nofile=2:1", "nofile=-1:5",
                          "nofile=-2", "NOFILE=1", "none=1", "=1", "nofile=1:2:3"})
    EXPECT_THAT(error_of([&] { settings.add_limit(bad, "place"); }), HasSubstr("place")) << bad;
  EXPECT_THAT(error_of([&] { settings.add_limit("nofiles=1", "place"); }), HasSubstr("nofile"));
  for (const char* bad : {"a", ":1.2.3.4", "a:", "a:1.2.3", "a:b", "a b:1.2.3.4", "a\n:1.2.3.4",
                          "a:host-gateway", "a:1.2.3.4\nb"})
    EXPECT_THAT(error_of([&] { settings.add_host(bad, "place"); }), HasSubstr("place")) << bad;
}

TEST(RunSettings, AreInTheBundle) {
  run::Bundle bundle;
  bundle.shm_size = 1u << 20;
  bundle.limits = {{"core", 0, 0}, {"nofile", 5, -1}};
  const Json config = Json::parse(run::bundle_config(bundle));
  EXPECT_EQ(config["process"]["rlimits"], Json::parse(R"([{"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
                            {"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 5}])"));
  const auto sizes = [&] {
    std::vector<std::string> found;
    const Json document = Json::parse(run::bundle_config(bundle));
    for (const Json& mount : document["mounts"])
      if (mount["destination"] == "/dev/shm") found.push_back(mount["options"].back());
    return found;
  };
  EXPECT_THAT(sizes(), ElementsAre("size=1048576"));
  bundle.mounts.push_back({.target = "/dev/shm", .type = "tmpfs", .source = "tmpfs", .options = {"size=5"}});
  EXPECT_THAT(sizes(), ElementsAre("size=5"));
}

}  // namespace
}  // namespace bottle::image
