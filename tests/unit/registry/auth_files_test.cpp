// SPDX-License-Identifier: Apache-2.0
#include "registry/auth_files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "registry/credentials.hpp"
#include "unset_variables.hpp"
#include "util/error.hpp"

namespace bottle::registry {
namespace {

class AuthSources : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (directory_.path() / name).native(); }
  // A file with credentials for the registry, whose user is the file's name.
  std::string write(const std::string& name, const std::string& registry) const {
    make_directories(directory_.path() / fs::path(name).parent_path());
    write_file(path(name),
               R"({"auths":{")" + registry + R"(":{"username":")" + name + R"(","password":"p"}}})");
    return path(name);
  }
  static std::string user(const std::string& registry, const std::string& repository = "a") {
    const auto found = Credentials("").find(registry, repository);
    return found ? found->user : "";
  }

  TemporaryDirectory directory_;
  UnsetVariables unset_{"HOME",          "XDG_RUNTIME_DIR",    "XDG_CONFIG_HOME",
                        "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG"};
};

TEST_F(AuthSources, OrderOfPodmanSkopeoAndDocker) {
  ::setenv("HOME", "/h", 1);
  ::setenv("XDG_RUNTIME_DIR", "/r", 1);
  const auto names = [] {
    std::vector<std::string> result;
    for (const AuthSource& source : auth_sources({}))
      result.push_back(source.name);
    return result;
  };
  const std::string run = "/run/containers/" + std::to_string(::getuid()) + "/auth.json";
  EXPECT_EQ(names(),
            (std::vector<std::string>{"/r/containers/auth.json", run, "/h/.config/containers/auth.json",
                                      "/h/.docker/config.json", "/h/.dockercfg"}));
  ::setenv("XDG_CONFIG_HOME", "/c", 1);
  ::setenv("DOCKER_CONFIG", "/d", 1);
  ::setenv("REGISTRY_AUTH_FILE", "/a.json", 1);
  ::setenv("DOCKER_AUTH_CONFIG", "{}", 1);
  EXPECT_EQ(names(),
            (std::vector<std::string>{"$DOCKER_AUTH_CONFIG", "/a.json", "/r/containers/auth.json", run,
                                      "/c/containers/auth.json", "/d/config.json", "/h/.dockercfg"}));
  EXPECT_EQ(auth_sources("/chosen").size(), 1u);
}

TEST_F(AuthSources, NextFileIsReadWithoutAnEntry) {
  ::setenv("HOME", path("home").c_str(), 1);
  ::setenv("XDG_RUNTIME_DIR", path("run").c_str(), 1);
  ::setenv("REGISTRY_AUTH_FILE", write("first.json", "one.example").c_str(), 1);
  write("run/containers/auth.json", "two.example");
  write("home/.config/containers/auth.json", "three.example");
  write("home/.docker/config.json", "one.example");
  EXPECT_EQ(user("one.example"), "first.json");
  EXPECT_EQ(user("two.example"), "run/containers/auth.json");
  EXPECT_EQ(user("three.example"), "home/.config/containers/auth.json");
  EXPECT_EQ(user("four.example"), "");
  write_file(path("home/.dockercfg"), R"({"https://four.example/v1/":{"auth":"b2xkOnA=","email":"x"}})");
  EXPECT_EQ(user("four.example"), "old");
  ::setenv("DOCKER_AUTH_CONFIG", R"({"auths":{"one.example":{"auth":"Y2k6cA=="}}})", 1);
  EXPECT_EQ(user("one.example"), "ci");
  EXPECT_EQ(user("two.example"), "run/containers/auth.json");
}

TEST_F(AuthSources, EmptyFilesHaveNoEntries) {
  ::setenv("HOME", path("home").c_str(), 1);
  write("home/.docker/config.json", "r.example");
  make_directories(directory_.path() / "run/containers");
  ::setenv("XDG_RUNTIME_DIR", path("run").c_str(), 1);
  for (const char* text : {"", " \n", "{}", R"({"auths":{}})", R"({"auths":{"r.example":{}}})"}) {
    write_file(path("run/containers/auth.json"), text);
    EXPECT_EQ(user("r.example"), "home/.docker/config.json") << text;
  }
  write_file(path("run/containers/auth.json"), "{");
  EXPECT_THROW(user("r.example"), Error);
}

TEST_F(AuthSources, LongestKeyOfAFileGoesFirst) {
  ::setenv("DOCKER_AUTH_CONFIG", R"({"auths":{"r.example":{"auth":"d2hvbGU6cA=="},
      "r.example/team/app":{"auth":"YXBwOnA="},"r.example/team":{"auth":"dGVhbTpw"}}})",
           1);
  EXPECT_EQ(user("r.example", "team/app"), "app");
  EXPECT_EQ(user("r.example", "team/app/x"), "app");
  EXPECT_EQ(user("r.example", "team/other"), "team");
  EXPECT_EQ(user("r.example", "teammate"), "whole");
}

TEST_F(AuthSources, ChosenFileMustExist) {
  EXPECT_THROW(Credentials(path("nowhere")).find("r.example", "a"), Error);
}

}  // namespace
}  // namespace bottle::registry
