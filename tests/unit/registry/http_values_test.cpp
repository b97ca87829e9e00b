// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "registry/http.hpp"

namespace bottle::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ContentRangeField, MalformedRangesAreRefused) {
  EXPECT_EQ(parse_content_range("bytes 5-9/10"), (ContentRange{5, 9, 10}));
  EXPECT_EQ(parse_content_range("Bytes 0-0/*"), (ContentRange{0, 0, std::nullopt}));
  for (const char* text :
       {"", "bytes", "bytes 5-9", "bytes 9-5/10", "bytes 5-10/10", "bytes */10", "bytes -5/10", "bytes 5-/10",
        "bytes 5-9/x", "items 5-9/10", "bytes 5-18446744073709551615/*", "bytes 5-99999999999999999999/*",
        "bytes +5-9/10", "bytes  5-9/10"})
    EXPECT_FALSE(parse_content_range(text)) << text;
}

TEST(UploadRange, IsANumberOfBytes) {
  EXPECT_EQ(parse_upload_range("0-41"), 42u);
  EXPECT_EQ(parse_upload_range("bytes=0-41"), 42u);
  EXPECT_EQ(parse_upload_range("0-0"), 0u);
  EXPECT_EQ(parse_upload_range("0--1"), 0u);
  for (const char* text : {"", "-", "1-41", "41-0", "0-", "0-x", "0-18446744073709551615", "0-41/50"})
    EXPECT_FALSE(parse_upload_range(text)) << text;
}

TEST(Link, FindsTheNextPage) {
  EXPECT_EQ(next_link("</v2/a/tags/list?n=1&last=x>; rel=\"next\""), "/v2/a/tags/list?n=1&last=x");
  EXPECT_EQ(next_link("<a>; rel=prev, <b;,c>; x=\"y, z\"; REL=\"last Next\""), "b;,c");
  EXPECT_EQ(next_link("<a>;rel=next"), "a");
  for (const char* text : {"", "a; rel=next", "<a", "<a> rel=next", "<a>; rel=\"next",
                           "<a>; rel=prev; rel=next", "<>; rel=next", "<a>"})
    EXPECT_FALSE(next_link(text)) << text;
}

TEST(RetryAfter, AcceptsSecondsAndDates) {
  EXPECT_EQ(parse_retry_after("0", 0), seconds(0));
  EXPECT_EQ(parse_retry_after(" 120 ", 0), seconds(120));
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 10), seconds(50));
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 100), seconds(0));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111770), seconds(7));
  for (const char* text :
       {"", "-1", "1.5", "soon", "Thu, 01 Xxx 1970 00:01:00 GMT", "Thu, 01 Jan 1970 00:01:00 CET",
        "Thu, 01 Jan 1970 25:01:00 GMT", "99999999999999999999"})
    EXPECT_FALSE(parse_retry_after(text, 0)) << text;
  EXPECT_GT(parse_retry_after("18446744073709551615", 0), seconds(0));
}

TEST(Retry, WaitsLongerEachTimeAndEnds) {
  const RetryPolicy policy{
      .attempts = 4, .first_wait = milliseconds(100), .longest_wait = milliseconds(250), .total = seconds(1)};
  EXPECT_EQ(next_wait(policy, 1, {}, {}, 0), milliseconds(50));
  EXPECT_EQ(next_wait(policy, 1, {}, {}, 1), milliseconds(100));
  EXPECT_EQ(next_wait(policy, 2, {}, {}, 1), milliseconds(200));
  EXPECT_EQ(next_wait(policy, 3, {}, {}, 1), milliseconds(250));
  EXPECT_FALSE(next_wait(policy, 4, {}, {}, 1));
  EXPECT_FALSE(next_wait(policy, 0, {}, {}, 1));
  EXPECT_FALSE(next_wait(policy, 1, milliseconds(950), {}, 1)) << "the total";
}

TEST(Retry, RetryAfterIsFollowedWithinLimits) {
  const RetryPolicy policy{.attempts = 3,
                           .first_wait = milliseconds(100),
                           .longest_wait = milliseconds(250),
                           .total = seconds(10)};
  EXPECT_EQ(next_wait(policy, 1, {}, seconds(7), 0), milliseconds(7000));
  EXPECT_EQ(next_wait(policy, 1, {}, seconds(0), 1), milliseconds(100));
  EXPECT_FALSE(next_wait(policy, 1, {}, seconds(11), 0));
  EXPECT_FALSE(next_wait(policy, 2, milliseconds(7000), seconds(7), 0));
}

TEST(Retry, TemporaryFailuresAreRetried) {
  for (const int status : {408, 429, 500, 502, 503, 504})
    EXPECT_TRUE(is_worth_retrying(status)) << status;
  for (const int status : {200, 301, 400, 401, 403, 404, 416, 501, 505})
    EXPECT_FALSE(is_worth_retrying(status)) << status;
}

TEST(UrlText, SplitsIntoParts) {
  const auto url = Url::parse("HTTPS://Host.Example:8443/a/b?x=1#f");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->string(), "https://host.example:8443/a/b?x=1");
  EXPECT_EQ(Url::parse("https://h:443?x")->string(), "https://h/?x");
  EXPECT_EQ(Url::parse("http://[::1]:5000")->string(), "http://[::1]:5000/");
  EXPECT_TRUE(Url::parse("https://h/a")->same_origin(*Url::parse("https://H:443/b")));
  EXPECT_FALSE(Url::parse("https://h/a")->same_origin(*Url::parse("http://h:443/a")));
  for (const char* text :
       {"", "h", "/a", "ftp://h/", "file:///etc/passwd", "http://", "http:///a", "http://u:p@h/",
        "http://u@h/", "http://h:0/", "http://h:65536/", "http://h:x/", "http://h /", "http://h/\r\nX: y",
        "http://h\\@e/", "http://[::1/", "http://h%00/"})
    EXPECT_FALSE(Url::parse(text)) << text;
}

TEST(UrlText, ResolvesRelativeUrls) {
  const Url base = *Url::parse("http://h:5000/v2/a/blobs/uploads/?x=1");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"/v2/b", "http://h:5000/v2/b"},
      {"b?y=2", "http://h:5000/v2/a/blobs/uploads/b?y=2"},
      {"?y=2", "http://h:5000/v2/a/blobs/uploads/?y=2"},
      {"../c/./d", "http://h:5000/v2/a/blobs/c/d"},
      {"../../../../../../etc", "http://h:5000/etc"},
      {"//other/x", "http://other/x"},
      {"https://other/x", "https://other/x"},
      {"/a:b", "http://h:5000/a:b"},
  };
  for (const auto& [location, full] : cases) {
    const auto found = base.resolve(location);
    ASSERT_TRUE(found) << location;
    EXPECT_EQ(found->string(), full);
  }
  for (const char* location : {"", "javascript:x", "http://u:p@h/", "/a b", "/a\nb"})
    EXPECT_FALSE(base.resolve(location)) << location;
}

TEST(UrlText, MessagesShowNoSecrets) {
  EXPECT_EQ(redacted("https://user:pass@h/p?X-Sig=abc&digest=sha256:0#t"),
            "https://h/p?X-Sig=...&digest=sha256:0");
  EXPECT_EQ(redacted("https://h/p?token"), "https://h/p?token");
  EXPECT_EQ(redacted("http://a@b@h/"), "http://h/");
  EXPECT_EQ(redacted("http://h/\x1b[31m"), "http://h/[31m");
}

}  // namespace
}  // namespace bottle::registry
