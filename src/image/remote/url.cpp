// SPDX-License-Identifier: Apache-2.0
#include "image/remote/url.hpp"

#include <openssl/evp.h>

#include "util/error.hpp"

namespace bottle::image::remote {
namespace {

constexpr const char* kUrlSchema = "bottle-url 1";
constexpr std::uint64_t kMaximumFile = std::uint64_t{64} << 30;

// Where "user:password@" begins and ends: [first, second), empty if there is none.
std::pair<std::size_t, std::size_t> credentials_in(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return {0, 0};
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::size_t at = url.rfind('@', end);
  if (at == std::string::npos || at < begin || at >= end) return {0, 0};
  return {begin, at + 1};
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      result += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

// "Basic ..." of the user and password in a URL (RFC 7617); "" without them.
std::string authorization_of(const std::string& url) {
  const auto [begin, end] = credentials_in(url);
  if (begin == end) return {};
  std::string plain = percent_decoded(std::string_view(url).substr(begin, end - 1 - begin));
  if (plain.find(':') == std::string::npos) plain += ':';
  std::string encoded(4 * ((plain.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                      reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
  encoded.resize(static_cast<std::size_t>(length));
  return "Basic " + encoded;
}

}  // namespace

Digest url_action(const Digest& digest) {
  return sha256(std::string(kUrlSchema) + "\ndigest = " + digest.hex() + "\n");
}

std::string without_credentials(const std::string& url) {
  auto [begin, end] = credentials_in(url);
  if (url.starts_with("ssh://") && begin != end) {
    begin = std::min(url.find(':', begin), end - 1);
    --end;
  }
  const std::string plain = url.substr(0, begin) + url.substr(end);
  std::string result;
  for (const char c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f) {
      result += c;
    } else {
      static constexpr char kDigits[] = "0123456789ABCDEF";
      result += '%';
      result += kDigits[byte >> 4];
      result += kDigits[byte & 15];
    }
  }
  return result;
}

store::Output fetch_url(const std::string& url, const UrlExpectation& expected, const store::Store& store,
                        const RemoteAccess& access) {
  if (expected.digest) {
    const auto lookup = store.find_action(url_action(*expected.digest));
    if (lookup.result) return lookup.result->outputs.at("content");
  }
  const std::string shown = registry::redacted(url);
  std::string plain = without_credentials(url);
  plain.resize(std::min(plain.find('#'), plain.size()));
  store::Store::Writer writer(store);
  Sha256 hasher;
  registry::Response response;
  try {
    response = access.http().download(
        plain,
        [&](std::span<const std::byte> data) {
          hasher.update(data);
          writer.write(data);
        },
        {.authorization = authorization_of(url), .maximum = expected.size.value_or(kMaximumFile)});
  } catch (const registry::ConnectionError&) {
    throw;
  } catch (const Error& error) {
    // Longer than what was locked, for example.
    if (error.where() != shown) throw;
    throw Error(error.message(),
                {.where = shown, .hint = error.hint().empty() ? expected.hint : error.hint()});
  }
  if (response.status != 200 && response.status != 206)
    throw Error(
        "cannot download the file: expected status 200 or 206, found " + std::to_string(response.status),
        {.where = shown});
  const Digest found = hasher.finish();
  if (expected.digest && found != *expected.digest)
    throw Error("the content does not match its digest: expected " + expected.digest->string() + ", found " +
                    found.string() + " (" + std::to_string(writer.size()) + " bytes)",
                {.where = shown, .hint = expected.hint});
  const store::Output content = writer.commit(found);
  store::ActionResult result{.kind = "url", .label = shown};
  result.outputs["content"] = content;
  result.tool_version = BOTTLE_VERSION;
  store.put_action(url_action(found), result);
  return content;
}

LockedUrl resolve_url(const std::string& url, const store::Store& store, const RemoteAccess& access) {
  const store::Output content = fetch_url(url, {}, store, access);
  return {.digest = content.digest, .size = content.size};
}

}  // namespace bottle::image::remote
