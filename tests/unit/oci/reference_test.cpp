// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "util/error.hpp"

namespace bottle::oci {
namespace {

const std::string kHex(64, 'a');

TEST(Reference, FamiliarNamesBecomeFullOnes) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"debian", "docker.io/library/debian:latest"},
      {"debian:12", "docker.io/library/debian:12"},
      {"index.docker.io/debian", "docker.io/library/debian:latest"},
      {"docker.io/library/debian", "docker.io/library/debian:latest"},
      {"team/tool", "docker.io/team/tool:latest"},
      {"localhost/tool", "localhost/tool:latest"},
      {"localhost:5000/a/b__c-d.e:T_1", "localhost:5000/a/b__c-d.e:T_1"},
      {"[::1]:5000/a", "[::1]:5000/a:latest"},
      {"127.0.0.1:80/a@sha256:" + kHex, "127.0.0.1:80/a@sha256:" + kHex},
      {"ghcr.io/a/b:1@sha256:" + kHex, "ghcr.io/a/b:1@sha256:" + kHex},
      {"Registry/a", "Registry/a:latest"},
  };
  for (const auto& [text, full] : cases) {
    EXPECT_EQ(Reference::parse(text).string(), full) << text;
    EXPECT_EQ(Reference::parse(full), Reference::parse(text)) << text;
  }
}

TEST(Reference, SplitsIntoParts) {
  const Reference tagged = Reference::parse("localhost:5000/a/b:x@sha256:" + kHex);
  EXPECT_EQ(tagged.registry, "localhost:5000");
  EXPECT_EQ(tagged.repository, "a/b");
  EXPECT_EQ(tagged.tag, "x");
  EXPECT_EQ(tagged.target(), "sha256:" + kHex);
  EXPECT_EQ(tagged.with_tag("y").string(), "localhost:5000/a/b:y");
  EXPECT_EQ(tagged.with_digest(*tagged.digest).tag, "");
}

TEST(Reference, AcceptsSha512Digests) {
  const std::string text = "r.example/a:x@sha512:" + kHex + kHex;
  const Reference reference = Reference::parse(text);
  EXPECT_EQ(reference.string(), text);
  EXPECT_FALSE(reference.digest);
  EXPECT_TRUE(reference.has_digest());
  EXPECT_EQ(reference.target(), "sha512:" + kHex + kHex);
  EXPECT_EQ(reference.with_tag("y").string(), "r.example/a:y");
  EXPECT_EQ(Reference::parse("r.example/a@sha512:" + kHex + kHex).tag, "");
}

TEST(Reference, InvalidReferencesAreErrors) {
  const std::vector<std::string> bad{"",
                                     "/a",
                                     "a/",
                                     "a//b",
                                     "A",
                                     "a:",
                                     "a:-x",
                                     "a b",
                                     "a:x y",
                                     "a\n",
                                     "a@sha256:aa",
                                     "a@sha512:" + kHex,
                                     "a@sha384:" + std::string(96, 'a'),
                                     "a@sha512:" + std::string(128, 'A'),
                                     "a@sha256:" + std::string(64, 'A'),
                                     "host.example:x/a",
                                     "host.example:0/a",
                                     "host.example:65536/a",
                                     "[::1/a",
                                     "-x.y/a",
                                     "user:password@host/a",
                                     "a_.b",
                                     "a..b",
                                     "a___b",
                                     "https://host/a",
                                     std::string(256, 'a'),
                                     "a:" + std::string(129, 'a')};
  for (const std::string& text : bad) {
    try {
      const Reference found = Reference::parse(text);
      ADD_FAILURE() << text << " is taken for " << found.string();
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), testing::HasSubstr("expected")) << text;
    }
  }
}

}  // namespace
}  // namespace bottle::oci
