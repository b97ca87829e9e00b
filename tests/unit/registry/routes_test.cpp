// SPDX-License-Identifier: Apache-2.0
#include "registry/routes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>

#include "registry/toml.hpp"
#include "util/error.hpp"

namespace bottle::registry {
namespace {

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Toml, KeepsTheOrderOfTheFile) {
  const OrderedJson json = parse_toml("z = 1\n[t]\nb = \"x\"\na = [1.5, true]\n[s]\nd = 2020-01-02\n", "f");
  EXPECT_EQ(json.dump(), R"({"z":1,"t":{"b":"x","a":[1.5,true]},"s":{"d":"2020-01-02"}})");
}

TEST(Toml, ErrorsNameLineAndColumn) {
  EXPECT_NE(error_of([] { parse_toml("a = 1\nb = \n", "f.toml"); }).find("f.toml:2:"), std::string::npos);
}

RegistriesConf conf(const std::string& text) {
  return RegistriesConf(parse_registries_conf(text, "registries.conf"));
}

TEST(RegistriesConf, LongestPrefixGoesFirst) {
  const RegistriesConf found = conf(R"(
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "r.example"
insecure = true
[[registry]]
prefix = "r.example/team"
location = "inner.example/x"
[[registry]]
prefix = "*.wild.example"
blocked = true
)");
  EXPECT_TRUE(found.find("r.example/a")->insecure);
  EXPECT_EQ(found.find("r.example/team/app")->location, "inner.example/x");
  EXPECT_EQ(found.find("r.example/teammate")->prefix, "r.example");
  EXPECT_EQ(found.find("r.example:5000/a"), nullptr) << "another port is another registry";
  EXPECT_EQ(found.find("xr.example/a"), nullptr);
  EXPECT_TRUE(found.find("a.b.wild.example:5000/x")->blocked);
  EXPECT_EQ(found.find("wild.example/x"), nullptr);
  EXPECT_EQ(relocated(*found.find("r.example/team/app"), "inner.example/x", "r.example/team/app"),
            "inner.example/x/app");
  EXPECT_EQ(relocated(*found.find("a.wild.example:1/x"), "m.example/y", "a.wild.example:1/x"),
            "m.example/y:1/x");
}

TEST(RegistriesConf, LaterFileReplacesTheRuleOfAPrefix) {
  std::vector<RegistryRule> rules =
      parse_registries_conf("[[registry]]\nlocation = \"r.example\"\nblocked = true\n", "a");
  for (const RegistryRule& rule :
       parse_registries_conf("[[registry]]\nprefix = \"r.example\"\nlocation = \"m.example\"\n", "b"))
    rules.push_back(rule);
  const RegistriesConf both(rules);
  EXPECT_FALSE(both.find("r.example/a")->blocked);
  EXPECT_EQ(both.find("r.example/a")->location, "m.example");
}

TEST(RegistriesConf, VersionOneHasNoRules) {
  EXPECT_TRUE(parse_registries_conf("[registries.search]\nregistries = ['docker.io']\n", "f").empty());
}

TEST(RegistriesConf, ErrorsNameTheMember) {
  for (const auto& one : std::vector<std::pair<std::string, std::string>>{
           {"[[registry]]\ninsecure = true\n", "f#registry[0]"},
           {"[[registry]]\nlocation = 5\n", "f#registry[0].location"},
           {"[[registry]]\nlocation = 'http://r.example'\n", "f#registry[0].location"},
           {"[[registry]]\nlocation = 'r'\ninsecure = 'yes'\n", "f#registry[0].insecure"},
           {"[[registry]]\nlocation = 'r'\n[[registry.mirror]]\nlocation = 'm'\npull-from-mirror = 'x'\n",
            "f#registry[0].mirror[0].pull-from-mirror"},
           {"registry = 'r'\n", "f#registry"}})
    EXPECT_NE(error_of([&] { parse_registries_conf(one.first, "f"); }).find(one.second), std::string::npos)
        << one.first;
}

TEST(HostsToml, HostsHaveOrderAndCapabilities) {
  const HostsFile file = parse_hosts_toml(R"(
server = "https://upstream.example"
[host."https://z.example:5000"]
  capabilities = ["pull", "resolve"]
  ca = "ca.crt"
  client = [["c.cert", "c.key"]]
  [host."https://z.example:5000".header]
    X-Team = ["a", "b"]
[host."http://a.example/prefix"]
  capabilities = ["push"]
  skip_verify = true
[host."https://b.example/api/"]
  override_path = true
)",
                                          "/etc/containerd/certs.d/r.example/hosts.toml");
  ASSERT_EQ(file.hosts.size(), 3u);
  EXPECT_EQ(file.hosts[0].base.origin(), "https://z.example:5000");
  EXPECT_TRUE(file.hosts[0].pull && file.hosts[0].resolve && !file.hosts[0].push);
  EXPECT_EQ(file.hosts[0].settings->authorities.at(0), "/etc/containerd/certs.d/r.example/ca.crt");
  EXPECT_EQ(file.hosts[0].settings->key, "/etc/containerd/certs.d/r.example/c.key");
  EXPECT_EQ(file.hosts[0].settings->headers, (std::vector<std::string>{"X-Team: a", "X-Team: b"}));
  EXPECT_EQ(file.hosts[1].api, "/prefix/v2/");
  EXPECT_FALSE(file.hosts[1].settings->verify);
  EXPECT_FALSE(file.hosts[1].pull);
  EXPECT_EQ(file.hosts[2].api, "/api/");
  EXPECT_EQ(file.hosts[2].settings, nullptr);
  EXPECT_EQ(file.server->base.origin(), "https://upstream.example");
}

TEST(HostsToml, ErrorsNameTheMember) {
  for (const auto& one : std::vector<std::pair<std::string, std::string>>{
           {"server = 1\n", "#server"},
           {"server = 'ftp://x'\n", "#server"},
           {"[host.'https://a']\ncapabilities = ['write']\n", ".capabilities"},
           {"[host.'https://a']\nskip_verify = 'no'\n", ".skip_verify"},
           {"[host.'https://a']\nca = 3\n", ".ca"},
           {"[host.'https://a'.header]\nx = \"a\\r\\nb: c\"\n", ".header"},
           {"host = 'x'\n", "#host"}})
    EXPECT_NE(error_of([&] { parse_hosts_toml(one.first, "/d/hosts.toml"); }).find(one.second),
              std::string::npos)
        << one.first << error_of([&] { parse_hosts_toml(one.first, "/d/hosts.toml"); });
}

// Configuration in a home of the test's own.
class RoutesOf : public testing::Test {
 protected:
  static constexpr std::array<const char*, 3> kNames{"HOME", "XDG_CONFIG_HOME", "CONTAINERS_REGISTRIES_CONF"};
  void SetUp() override {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      ::unsetenv(name);
    }
    ::setenv("HOME", directory_.path().c_str(), 1);
  }
  void TearDown() override {
    for (const char* name : kNames)
      ::unsetenv(name);
    for (const auto& [name, value] : before_)
      ::setenv(name.c_str(), value.c_str(), 1);
  }
  void write(const std::string& name, const std::string& text) const {
    const fs::path file = directory_.path() / name;
    make_directories(file.parent_path());
    write_file(file, text);
  }
  std::vector<std::string> places(const std::string& name, Purpose purpose) const {
    const Http http;
    Routes routes({.hosts_directories = {directory_.path() / "certs.d"}}, http);
    const std::size_t slash = name.find('/');
    std::vector<std::string> result;
    for (const Place& place : routes.places(name.substr(0, slash), name.substr(slash + 1), purpose))
      result.push_back(place.endpoint.base.origin() + place.endpoint.api + place.repository +
                       (place.is_mirror ? " mirror" : "") +
                       (place.endpoint.upstream.empty() ? "" : " ns=" + place.endpoint.upstream));
    return result;
  }
  using List = std::vector<std::string>;
  TemporaryDirectory directory_;
  std::map<std::string, std::string> before_;
};

TEST_F(RoutesOf, RegistryItselfWithoutConfiguration) {
  EXPECT_EQ(places("r.example:5000/a", Purpose::pull), List{"https://r.example:5000/v2/a"});
  EXPECT_EQ(places("docker.io/library/a", Purpose::push), List{"https://registry-1.docker.io/v2/library/a"});
  EXPECT_EQ(places("localhost:5000/a", Purpose::resolve), List{"http://localhost:5000/v2/a"});
}

TEST_F(RoutesOf, MirrorsAndLocationsApplyToPullsOnly) {
  write(".config/containers/registries.conf", R"(
[[registry]]
prefix = "r.example/team"
location = "inner.example/x"
[[registry.mirror]]
location = "digests.example"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.example/y"
pull-from-mirror = "tag-only"
[[registry]]
location = "no.example"
blocked = true
)");
  EXPECT_EQ(places("r.example/team/app", Purpose::pull),
            (List{"https://digests.example/v2/app mirror", "https://inner.example/v2/x/app"}));
  EXPECT_EQ(places("r.example/team/app", Purpose::resolve),
            (List{"https://tags.example/v2/y/app mirror", "https://inner.example/v2/x/app"}));
  EXPECT_EQ(places("r.example/team/app", Purpose::push), List{"https://r.example/v2/team/app"});
  for (const Purpose purpose : {Purpose::pull, Purpose::resolve, Purpose::push})
    EXPECT_NE(error_of([&] { places("no.example/a", purpose); }).find("blocked"), std::string::npos);
}

TEST_F(RoutesOf, ReadsDropInsAndTheChosenFile) {
  write(".config/containers/registries.conf", "[[registry]]\nprefix='r.example'\nlocation='one.example'\n");
  write(".config/containers/registries.conf.d/10-a.conf",
        "[[registry]]\nprefix='r.example'\nlocation='two.example'\n[[registry]]\nprefix='r.example'"
        "\nlocation='no.example'\n");
  write(".config/containers/registries.conf.d/ignored.txt", "not TOML");
  EXPECT_EQ(places("r.example/a", Purpose::pull), List{"https://two.example/v2/a"});
  write("chosen.conf", "[[registry]]\nprefix='s.example'\nlocation='three.example'\n");
  ::setenv("CONTAINERS_REGISTRIES_CONF", (directory_.path() / "chosen.conf").c_str(), 1);
  EXPECT_EQ(places("s.example/a", Purpose::pull), List{"https://three.example/v2/a"});
}

TEST_F(RoutesOf, ReadsHostsOfContainerd) {
  write("certs.d/r.example:5000/hosts.toml", R"(
[host."https://m.example"]
  capabilities = ["pull"]
[host."https://w.example"]
  capabilities = ["push", "resolve"]
)");
  EXPECT_EQ(places("r.example:5000/a", Purpose::pull),
            (List{"https://m.example/v2/a mirror ns=r.example:5000", "https://r.example:5000/v2/a"}));
  EXPECT_EQ(places("r.example:5000/a", Purpose::resolve),
            (List{"https://w.example/v2/a mirror ns=r.example:5000", "https://r.example:5000/v2/a"}));
  EXPECT_EQ(places("r.example:5000/a", Purpose::push), List{"https://w.example/v2/a"});
  write("certs.d/s.example/hosts.toml", R"(
server = ""
[host."https://v.example/v2"]
  capabilities = ["Resolve"]
[host."https://w.example/x/v2/"]
  capabilities = []
)");
  EXPECT_EQ(places("s.example/a", Purpose::resolve),
            (List{"https://v.example/v2/a mirror ns=s.example",
                  "https://w.example/x/v2/a mirror ns=s.example", "https://s.example/v2/a"}));
  EXPECT_EQ(places("s.example/a", Purpose::push), List{"https://w.example/x/v2/a"});
  write("certs.d/_default/hosts.toml", "server = 'https://all.example'\n");
  EXPECT_EQ(places("other.example/a", Purpose::pull), List{"https://all.example/v2/a ns=other.example"});
  EXPECT_EQ(places("other.example/a", Purpose::push), List{"https://all.example/v2/a"});
  write("certs.d/docker.io/hosts.toml",
        "server = 'https://registry-1.docker.io'\n[host.'http://m.example:5000']\n");
  EXPECT_EQ(places("docker.io/library/a", Purpose::resolve),
            (List{"http://m.example:5000/v2/library/a mirror ns=docker.io",
                  "https://registry-1.docker.io/v2/library/a"}));
}

}  // namespace
}  // namespace bottle::registry
