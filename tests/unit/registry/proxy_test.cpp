// SPDX-License-Identifier: Apache-2.0
#include "registry/proxy.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "unset_variables.hpp"
#include "util/error.hpp"

namespace bottle::registry {
namespace {

bool goes_direct(const std::string& no_proxy, const std::string& url) {
  return !proxy_for({.http = "http://p:1", .https = "http://p:1", .no_proxy = no_proxy}, *Url::parse(url));
}

// The cases are those that Go's httpproxy documents.
TEST(Proxy, NoProxyIsParsedLikeGo) {
  struct Case {
    const char* no_proxy;
    const char* url;
    bool direct;
  };
  for (const Case& one : {
           Case{"", "https://a.example/", false},
           {"*", "https://a.example/", true},
           {"example.com", "https://example.com/", true},
           {"example.com", "https://a.example.com/", true},
           {"example.com", "https://notexample.com/", false},
           {".example.com", "https://a.example.com/", true},
           {".example.com", "https://example.com/", false},
           {"*.example.com", "https://a.b.example.com/", true},
           {"*.example.com", "https://example.com/", false},
           {" Example.COM , x", "https://EXAMPLE.com/", true},
           {"example.com:5000", "https://example.com:5000/", true},
           {"example.com:5000", "https://example.com/", false},
           {"example.com:443", "https://example.com/", true},
           {"example.com:80", "http://a.example.com/", true},
           {"192.0.2.1", "http://192.0.2.1/", true},
           {"192.0.2.1:80", "http://192.0.2.1/", true},
           {"192.0.2.1:81", "http://192.0.2.1/", false},
           {"192.0.2.0/24", "http://192.0.2.200:5000/", true},
           {"192.0.2.0/25", "http://192.0.2.200/", false},
           {"0.0.0.0/0", "http://198.51.100.1/", true},
           {"0.0.0.0/0", "http://[2001:db8::1]/", false},
           {"2001:db8::/32", "http://[2001:db8::1]:5000/", true},
           {"2001:db8::1", "http://[2001:db8:0::1]/", true},
           {"[2001:db8::1]:5000", "http://[2001:db8::1]:5000/", true},
           {"[2001:db8::1]:5000", "http://[2001:db8::1]/", false},
           {"192.0.2.0/33", "http://192.0.2.1/", false},
           {"10.0.0.0/8,,:80, .", "http://b.example/", false},
       })
    EXPECT_EQ(goes_direct(one.no_proxy, one.url), one.direct) << one.no_proxy << " " << one.url;
}

TEST(Proxy, LoopbackUsesNoProxy) {
  for (const char* url : {"http://127.0.0.1/", "http://localhost:5000/", "https://[::1]/"})
    EXPECT_TRUE(goes_direct("", url)) << url;
}

TEST(Proxy, AcceptsUrlsWithAndWithoutScheme) {
  const auto proxy = [](const std::string& value) {
    return proxy_for({.http = value, .https = {}, .no_proxy = {}}, *Url::parse("http://a.example/"));
  };
  EXPECT_EQ(proxy("p.example:3128"), "http://p.example:3128");
  EXPECT_EQ(proxy("socks5://p.example"), "socks5h://p.example");
  EXPECT_EQ(proxy("http://u:s3cret@p.example:3128/"), "http://u:s3cret@p.example:3128");
  EXPECT_EQ(proxy("HTTP://P.example:3128/x"), "http://P.example:3128");
  // The default port is that of the scheme.
  EXPECT_EQ(proxy("http://u:s3cret@p.example/"), "http://u:s3cret@p.example:80");
  EXPECT_EQ(proxy("p.example"), "http://p.example:80");
  EXPECT_EQ(proxy("[::1]"), "http://[::1]:80");
  EXPECT_EQ(proxy("[::1]:3128"), "http://[::1]:3128");
  EXPECT_EQ(proxy("https://p.example"), "https://p.example");
  EXPECT_EQ(proxy(""), std::nullopt);
  for (const char* bad : {"ftp://u:s3cret@p.example", "http://", "http://u:s3cret@"}) {
    try {
      proxy(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("s3cret"), std::string::npos) << error.what();
    }
  }
}

class ProxyEnvironment : public testing::Test {
 protected:
  UnsetVariables unset_{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",   "ALL_PROXY",
                        "all_proxy",  "NO_PROXY",   "no_proxy",    "REQUEST_METHOD"};
};

TEST_F(ProxyEnvironment, UpperCaseOverridesLowerCase) {
  ::setenv("http_proxy", "small:1", 1);
  ::setenv("all_proxy", "all:1", 1);
  EXPECT_EQ(proxy_environment().http, "small:1");
  EXPECT_EQ(proxy_environment().https, "all:1");
  ::setenv("HTTP_PROXY", "large:1", 1);
  ::setenv("HTTPS_PROXY", "tls:1", 1);
  ::setenv("NO_PROXY", "x", 1);
  EXPECT_EQ(proxy_environment().http, "large:1");
  EXPECT_EQ(proxy_environment().https, "tls:1");
  EXPECT_EQ(proxy_environment().no_proxy, "x");
  ::setenv("REQUEST_METHOD", "GET", 1);
  EXPECT_EQ(proxy_environment().http, "small:1")
      << "in a CGI program HTTP_PROXY is the client's header Proxy";
}

}  // namespace
}  // namespace bottle::registry
