// SPDX-License-Identifier: Apache-2.0
#include "registry/credentials.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "util/error.hpp"

namespace bottle::registry {
namespace {

ConfiguredCredential find(const std::string& text, const std::string& registry,
                          const std::string& repository = "a/b") {
  return find_in_auth_file(text, registry, repository, "config.json");
}

TEST(AuthFile, KeysOfAllForms) {
  const std::string text = R"({"auths": {
      "https://index.docker.io/v1/": {"auth": "aHViOng="},
      "http://plain.example:5000": {"auth": "cGxhaW46eA=="},
      "r.example": {"username": "u", "password": "p"},
      "r.example/a": {"auth": "bmFycm93Ong="},
      "empty.example": {},
      "token.example": {"identitytoken": "idt", "auth": "dTo="}}})";
  EXPECT_EQ(find(text, "docker.io", "library/debian").credential->user, "hub");
  EXPECT_EQ(find(text, "plain.example:5000").credential->user, "plain");
  EXPECT_EQ(find(text, "r.example", "a/b").credential->user, "narrow");
  EXPECT_EQ(find(text, "r.example", "ab").credential->secret, "p");
  EXPECT_EQ(find(text, "token.example").credential->identity_token, "idt");
  EXPECT_FALSE(find(text, "empty.example").credential);
  EXPECT_FALSE(find(text, "other.example").credential);
  EXPECT_FALSE(find(text, "plain.example").credential) << "another port is another registry";
}

TEST(AuthFile, MembersInAnyCase) {
  EXPECT_EQ(find(R"({"Auths":{"r.example":{"Auth":"dTpw"}},"credstore":"x"})", "r.example").credential->user,
            "u");
  EXPECT_EQ(find(R"({"credhelpers":{"r.example":"special"}})", "r.example").helper, "special");
  EXPECT_EQ(parse_helper_answer(R"({"username":"u","secret":"s"})", "helper")->user, "u");
}

TEST(AuthFile, PasswordsWithColons) {
  EXPECT_EQ(find(R"({"auths":{"r.example":{"auth":"dTphOmI="}}})", "r.example").credential->secret, "a:b");
}

TEST(AuthFile, HelpersOfTheRegistryBeforeTheGeneralOne) {
  const std::string text = R"({"credsStore": "general", "credHelpers": {"r.example": "special"}})";
  EXPECT_EQ(find(text, "r.example").helper, "special");
  EXPECT_EQ(find(text, "other.example").helper, "general");
  EXPECT_THROW(find(R"({"credsStore": "../../bin/sh"})", "r.example"), Error);
  const auto none =
      find(R"({"credsStore":"general","credHelpers":{"r.example":""},"auths":{"r.example":{"auth":"dTpw"}}})",
           "r.example");
  EXPECT_EQ(none.helper, "");
  EXPECT_EQ(none.credential->user, "u");
}

TEST(AuthFile, ErrorsDoNotShowItsContent) {
  for (const char* text : {R"({"auths": {"r.example": {"auth": "c2VjcmV0)", R"(["c2VjcmV0"])",
                           R"({"auths":{"r.example":{"auth":"c2VjcmV0"}}})",
                           R"({"auths":{"r.example":{"auth":"!c2VjcmV0"}}})"}) {
    try {
      find(text, "r.example");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("c2VjcmV0"), std::string::npos) << error.what();
      EXPECT_EQ(error.where(), "config.json");
    }
  }
}

TEST(Helper, AnswersAreParsed) {
  const auto plain = parse_helper_answer(R"({"ServerURL":"r","Username":"u","Secret":"s"})", "h");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->user + ":" + plain->secret, "u:s");
  EXPECT_EQ(parse_helper_answer(R"({"Username":"<token>","Secret":"s"})", "h")->identity_token, "s");
  EXPECT_FALSE(parse_helper_answer("{}", "h"));
  EXPECT_THROW(parse_helper_answer("not json: s3cret", "h"), Error);
}

// A helper in a separate directory at the head of $PATH.
class HelperProgram : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::getenv("PATH");
    ::setenv("PATH", (directory_.path().native() + ":" + path_).c_str(), 1);
    write_file(directory_.path() / "config.json",
               R"({"credsStore": "bottletest", "auths": {"r.example": {"auth": "aW5saW5lOng="}}})");
  }
  void TearDown() override { ::setenv("PATH", path_.c_str(), 1); }
  void helper(const std::string& script) {
    const fs::path file = directory_.path() / "docker-credential-bottletest";
    write_file(file, "#!/bin/sh\n" + script);
    ASSERT_EQ(::chmod(file.c_str(), 0755), 0);
  }

  TemporaryDirectory directory_;
  std::string path_;
};

TEST_F(HelperProgram, IsRunOnceForARegistry) {
  helper("test \"$1\" = get || exit 2\nread server\necho noise >&2\necho x >> \"" +
         (directory_.path() / "asked").native() +
         "\"\necho '{\"Username\":\"'$server'\",\"Secret\":\"s\"}'\n");
  Credentials known(directory_.path() / "config.json");
  for (const char* repository : {"a", "a", "b/c", ""})
    EXPECT_EQ(known.find("r.example:5000", repository)->user, "r.example:5000");
  EXPECT_EQ(read_file(directory_.path() / "asked"), "x\n");
  EXPECT_EQ(known.find("docker.io", "a")->user, "https://index.docker.io/v1/");
}

TEST_F(HelperProgram, NoCredentialsFallsBackToTheFile) {
  helper("echo 'credentials not found in native keychain'\nexit 1\n");
  EXPECT_EQ(Credentials(directory_.path() / "config.json").find("r.example", "a")->user, "inline");
}

TEST_F(HelperProgram, MissingProgramIsAnErrorOfTheFile) {
  try {
    Credentials(directory_.path() / "config.json").find("r.example", "a");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), (directory_.path() / "config.json").native());
    EXPECT_NE(error.message().find("docker-credential-bottletest is not installed"), std::string::npos);
  }
}

TEST_F(HelperProgram, FailureIsAnError) {
  helper("echo s3cret\nexit 3\n");
  try {
    Credentials(directory_.path() / "config.json").find("r.example", "a");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "docker-credential-bottletest");
    EXPECT_EQ(std::string(error.what()).find("s3cret"), std::string::npos);
  }
}

}  // namespace
}  // namespace bottle::registry
