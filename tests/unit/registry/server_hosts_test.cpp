// SPDX-License-Identifier: Apache-2.0
#include "registry/server/hosts.hpp"

#include <gtest/gtest.h>

#include "registry/server/target.hpp"

namespace bottle::registry {
namespace {

TEST(ServerHosts, AllowsLoopbackItsAddressAndItsNames) {
  const ServerHosts hosts("192.0.2.1", {"registry.example", "2001:db8::1"});
  for (const char* host : {"127.0.0.1", "127.0.0.1:5000", "localhost:5000", "LocalHost.", "[::1]:5000",
                           "192.0.2.1", "registry.example:80", "[2001:db8:0::1]"})
    EXPECT_TRUE(hosts.allows_host(host)) << host;
  for (const char* host : {"", "192.0.2.2", "x.registry.example", "127.0.0.1.example", "[::2]",
                           "localhost:port", "a b", "[::1", "[localhost]", "localhost/x"})
    EXPECT_FALSE(hosts.allows_host(host)) << host;
}

TEST(ServerHosts, AnyAddressIsNamedByAnyNumericAddress) {
  for (const char* listen : {"0.0.0.0", "::", "0:0:0:0:0:0:0:0"}) {
    EXPECT_TRUE(ServerHosts(listen, {}).allows_host("192.0.2.9:1"));
    EXPECT_FALSE(ServerHosts(listen, {}).allows_host("a.example"));
  }
}

TEST(ServerHosts, AllowsOnlyTheOriginOfTheRequestsHost) {
  const ServerHosts hosts("127.0.0.1", {"registry.example"});
  EXPECT_TRUE(hosts.allows_origin("http://127.0.0.1:5000", "127.0.0.1:5000"));
  EXPECT_TRUE(hosts.allows_origin("https://Registry.example", "registry.example"));
  EXPECT_FALSE(hosts.allows_origin("http://127.0.0.1:5001", "127.0.0.1:5000"));
  EXPECT_FALSE(hosts.allows_origin("http://evil.example", "evil.example"));
  EXPECT_FALSE(hosts.allows_origin("null", "127.0.0.1:5000"));
}

TEST(RequestTarget, AbsoluteFormIsSplit) {
  EXPECT_EQ(split_request_target("http://a:1/v2/?n=1").authority, "a:1");
  EXPECT_EQ(split_request_target("http://a:1/v2/?n=1").origin_form, "/v2/?n=1");
  EXPECT_EQ(split_request_target("HTTPS://a").origin_form, "/");
  EXPECT_EQ(split_request_target("/v2/http://a").origin_form, "/v2/http://a");
  EXPECT_EQ(split_request_target("ftp://a/").authority, "");
}

}  // namespace
}  // namespace bottle::registry
