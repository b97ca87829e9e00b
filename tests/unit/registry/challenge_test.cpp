// SPDX-License-Identifier: Apache-2.0
#include "registry/challenge.hpp"

#include <gtest/gtest.h>

#include "registry/authorizer.hpp"
#include "util/error.hpp"

namespace bottle::registry {
namespace {

Challenge bearer(std::vector<std::pair<std::string, std::string>> parameters) {
  return {.scheme = "bearer", .parameters = std::move(parameters)};
}

TEST(Challenge, ChallengesOfRegistriesAreParsed) {
  const auto hub = parse_challenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")");
  ASSERT_TRUE(hub);
  ASSERT_EQ(hub->size(), 1u);
  EXPECT_EQ(hub->front().scheme, "bearer");
  EXPECT_EQ(*hub->front().find("realm"), "https://auth.docker.io/token");
  EXPECT_EQ(*hub->front().find("scope"), "repository:a/b:pull,push");
  EXPECT_EQ(hub->front().find("error"), nullptr);

  const auto two = parse_challenges(R"(Basic realm="x, y=\"z\"", BEARER Realm = http://h , service=s)");
  ASSERT_FALSE(two) << "a ':' is not of a token";
  const auto mixed = parse_challenges(R"(Basic realm="x, y=\"z\"",, Bearer Realm = "http://h" , service=s)");
  ASSERT_TRUE(mixed);
  ASSERT_EQ(mixed->size(), 2u);
  EXPECT_EQ(*mixed->at(0).find("realm"), "x, y=\"z\"");
  EXPECT_EQ(mixed->at(1), bearer({{"realm", "http://h"}, {"service", "s"}}));
}

TEST(Challenge, SchemesWithoutParametersOrWithAToken) {
  const auto found = parse_challenges("Negotiate, NTLM abc==, Basic realm=x");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ(found->at(0).scheme, "negotiate");
  EXPECT_TRUE(found->at(1).parameters.empty());
  EXPECT_EQ(*found->at(2).find("realm"), "x");
}

TEST(Challenge, MalformedHeadersAreRefused) {
  for (const char* text : {"", " ", ",", "Bearer realm=\"x", "Bearer realm=\"x\\", "Bearer realm=x y=z",
                           "Bearer realm=x, realm=y", "=x", "Bearer realm=x;service=y", "Bearer realm=\"a\"b",
                           "Bear\x01er realm=x", "Bearer realm=\"a\r\nX: y\""})
    EXPECT_FALSE(parse_challenges(text)) << text;
  EXPECT_FALSE(parse_challenges("Bearer realm=\"" + std::string(9000, 'x') + '"'));
  std::string many;
  for (int i = 0; i < 20; ++i)
    many += "a" + std::to_string(i) + ", ";
  EXPECT_FALSE(parse_challenges(many));
}

TEST(TokenUrl, HasOnlyTheRequestedScopes) {
  const Endpoint registry{.registry = "r.example", .base = *Url::parse("https://r.example/")};
  const Scope scope{.repository = "a/b", .actions = "pull", .also_pull = "c"};
  const Url url =
      token_url(registry,
                bearer({{"realm", "https://auth.example/token?x=1"},
                        {"service", "s t"},
                        {"scope", "repository:a/b:pull repository:team/a/b:pull registry:catalog:delete"}}),
                scope, "where");
  EXPECT_EQ(url.string(),
            "https://auth.example/token?x=1&service=s%20t&scope=repository:a/b:pull&scope=repository:c:pull"
            "&scope=repository:team/a/b:pull");
}

TEST(TokenUrl, RefusesUntrustedTokenServices) {
  const Endpoint registry{.registry = "r.example", .base = *Url::parse("https://r.example/")};
  for (const char* realm :
       {"http://auth.example/token", "file:///etc/passwd", "https://user:secret@auth.example/", "/token",
        "https://auth.example\\@evil/", ""})
    EXPECT_THROW(token_url(registry, bearer({{"realm", realm}}), {}, "where"), Error) << realm;
  EXPECT_THROW(token_url(registry, bearer({}), {}, "where"), Error);
  const Endpoint plain{.registry = "localhost:5000", .base = *Url::parse("http://localhost:5000/")};
  EXPECT_EQ(token_url(plain, bearer({{"realm", "http://localhost:5001/token"}}), {}, "where").string(),
            "http://localhost:5001/token");
}

TEST(Token, AcceptsTokenAndAccessTokenMembers) {
  EXPECT_EQ(parse_token(R"({"token":"a.b","expires_in":300})", "where").token, "a.b");
  EXPECT_EQ(parse_token(R"({"token":"a.b","expires_in":300})", "where").lifetime, std::chrono::seconds(300));
  EXPECT_EQ(parse_token(R"({"token":"","access_token":"c"})", "where").token, "c");
  EXPECT_EQ(parse_token(R"({"token":"x","expires_in":99999999999})", "where").lifetime,
            std::chrono::hours(24));
}

TEST(Token, ErrorsDoNotShowTheResponse) {
  for (const char* text : {"{\"token\": \"secret", "[\"secret\"]", "{\"token\": [\"secret\"]}",
                           "{\"token\":\"secret\\r\\nX: y\"}"}) {
    try {
      parse_token(text, "where");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace bottle::registry
