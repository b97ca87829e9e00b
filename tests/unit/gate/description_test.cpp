// SPDX-License-Identifier: Apache-2.0
#include "gate/description.hpp"

#include <gtest/gtest.h>

#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::gate {
namespace {

Json good() {
  return Json::parse(good_description());
}
Description parsed(const Json& json) {
  return parse_description(json.dump(), "f");
}
std::string refusal(const Json& json) {
  return failure([&] { parsed(json); });
}
Json with_url(const std::string& url) {
  Json json = good();
  json["upstreams"][0]["url"] = url;
  return json;
}

TEST(Description, MissingMembersHaveDefaults) {
  const Description description = parsed(good());
  EXPECT_EQ(description.kind, Kind::git);
  EXPECT_EQ(description.listen_port, 9418);
  ASSERT_EQ(description.upstreams.size(), 1u);
  const Upstream& upstream = description.upstreams[0];
  EXPECT_EQ(upstream.host, "example.com");
  EXPECT_EQ(upstream.port, 2222);
  EXPECT_EQ(upstream.user, "git");
  EXPECT_EQ(upstream.repository, "/team/project.git");
  EXPECT_EQ(upstream.url(), "ssh://git@example.com:2222/team/project.git");
  EXPECT_EQ(upstream.identity.value, "~/.ssh/id");
  EXPECT_EQ(upstream.host_keys[0].line(), kKey);
  EXPECT_EQ(upstream.refs, (std::vector<std::string>{"refs/heads/*", "refs/tags/*"}));
  EXPECT_FALSE(upstream.allow_force);
  EXPECT_FALSE(upstream.allow_delete);
  EXPECT_EQ(upstream.max_blob_bytes, 10u << 20);
  EXPECT_TRUE(description.scanner.use_default);
  EXPECT_EQ(description.given, (std::vector<std::string>{"name"}));
}

TEST(Description, AcceptsAllFormsOfAUrl) {
  const auto url = [](const std::string& text) { return parsed(with_url(text)).upstreams[0].url(); };
  EXPECT_EQ(url("git@example.com:team/x.git"), "ssh://git@example.com:22/~/team/x.git");
  EXPECT_EQ(url("example.com:/srv/x.git"), "ssh://git@example.com:22/srv/x.git");
  EXPECT_EQ(url("ssh://example.com/~me/x.git"), "ssh://git@example.com:22/~me/x.git");
  EXPECT_EQ(url("ssh://me@[2001:db8::1]:9/x"), "ssh://me@[2001:db8::1]:9/x");
  EXPECT_EQ(url("[2001:db8::1]:x"), "ssh://git@[2001:db8::1]:22/~/x");
  EXPECT_EQ(url("ssh://example.com/a%20b/%25"), "ssh://git@example.com:22/a%20b/%25");
  EXPECT_EQ(parsed(with_url("ssh://h/a%20b")).upstreams[0].repository, "/a b");

  Json json = good();
  json["upstreams"][0].erase("url");
  json["upstreams"][0]["host"] = "2001:db8::1";
  json["upstreams"][0]["repository"] = "a b?#\"%";
  EXPECT_EQ(parsed(json).upstreams[0].url(), "ssh://git@[2001:db8::1]:22/~/a%20b%3F%23%22%25");
}

TEST(Description, InvalidUrlsAreErrors) {
  for (const char* url : {"https://example.com/x",
                          "ext::sh -c touch% /x",
                          "file:///x",
                          "/x",
                          "x",
                          "ssh://",
                          "ssh://example.com",
                          "ssh:///x",
                          "ssh://-oProxyCommand=x/y",
                          "-oProxyCommand=x:y",
                          "ssh://h:0/x",
                          "ssh://h:65536/x",
                          "ssh://h:x/y",
                          "ssh://[::1/x",
                          "ssh://[h]/x",
                          "ssh://a b/x",
                          "ssh://-x@h/y",
                          "ssh://h/%zz",
                          "ssh://h/%00",
                          "ssh://h/%0a",
                          "h:-x",
                          "h:",
                          "ssh://$(x)/y",
                          "ssh://h/",
                          "ssh://@h/x"})
    EXPECT_EQ(refusal(with_url(url)).substr(0, 18), "f#/upstreams/0/url")
        << url << " " << refusal(with_url(url));
  EXPECT_NE(refusal(with_url("ssh://me:secret@h/x")).find("expected no password"), std::string::npos);
  EXPECT_EQ(refusal(with_url("ssh://me:secret@h/x")).find("secret@"), std::string::npos);
}

TEST(Description, ConsistencyIsChecked) {
  Json json = good();
  json["upstreams"].push_back(json["upstreams"][0]);
  EXPECT_EQ(refusal(json), "f#/upstreams/1/name: expected different names, found \"project\" twice");
  json = good();
  json["upstreams"][0]["host"] = "h";
  EXPECT_EQ(refusal(json), "f#/upstreams/0: expected \"url\" or \"host\", found both");
  json = good();
  json["upstreams"][0].erase("url");
  EXPECT_EQ(refusal(json), "f#/upstreams/0: expected \"url\", or \"host\" and \"repository\", found neither");
  json = good();
  json["hosts"] = Json::parse(R"([{"name": "a", "host": "h", "port": 1}])");
  EXPECT_EQ(refusal(json), "f#/hosts: expected no \"hosts\" in a git-gate, found it");
  json = good();
  json["scanner"] = {{"useDefault", false}};
  EXPECT_EQ(refusal(json),
            "f#/scanner: expected \"rules\" because the rules of gitleaks are disabled, found none");
  json = good();
  json["environment"] = {{"GIT_SSH_COMMAND", "x"}};
  EXPECT_EQ(refusal(json),
            "f#/environment/GIT_SSH_COMMAND: expected a variable that the gate does not use itself, found "
            "\"GIT_SSH_COMMAND\"");
  json = good();
  json["environment"] = {{"A B", "x"}};
  EXPECT_EQ(refusal(json).substr(0, 21), "f#/environment/A B: e");
  json = good();
  json["variables"] = {{"x", std::string("a\0b", 3)}};
  EXPECT_EQ(refusal(json), "f#/variables/x: expected text without NUL characters, found one");
  json = good();
  json["hashKnownHosts"] = nullptr;
  EXPECT_EQ(refusal(json), "f#/hashKnownHosts: expected a value, found null");
  json = good();
  json["upstreams"][0]["knownHostKey"] = {kKey, "ssh-rsa AAAA"};
  EXPECT_EQ(refusal(json).substr(0, 32), "f#/upstreams/0/knownHostKey/1: e") << refusal(json);
  EXPECT_EQ(refusal(Json::parse(R"({"schema": 1, "kind": "git-gate"})")),
            "f#: the member \"upstreams\" is missing");
}

TEST(Description, SshGateIsParsed) {
  Json json = Json::parse(
      R"({"schema": 1, "kind": "ssh-gate", "hosts": [{"name": "db", "host": "db.example", "port": 5432}]})");
  json["clients"] = {kKey, std::string(kKey) + " again"};
  const Description description = parsed(json);
  EXPECT_EQ(description.hosts[0].port, 5432);
  EXPECT_EQ(description.clients.size(), 1u);
  EXPECT_EQ(description.listen_port, 2222);
  json.erase("clients");
  EXPECT_EQ(refusal(json), "f#: the member \"clients\" is missing");
}

}  // namespace
}  // namespace bottle::gate
