// SPDX-License-Identifier: Apache-2.0
// A WWW-Authenticate header, and the token URL that it leads to.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "registry/authorizer.hpp"
#include "registry/challenge.hpp"
#include "util/error.hpp"

using namespace bottle;
using namespace bottle::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto challenges = parse_challenges({reinterpret_cast<const char*>(data), size});
  if (!challenges) return 0;
  if (challenges->empty()) __builtin_trap();
  const Endpoint endpoint{.registry = "r.example", .base = *Url::parse("https://r.example/")};
  for (const Challenge& challenge : *challenges) {
    if (challenge.scheme.empty()) __builtin_trap();
    try {
      const Url url = token_url(endpoint, challenge, {"a/b", "pull", "c"}, "where");
      // What comes out is asked for: it must be one URL over TLS, without anything that ends a line.
      if (url.scheme != "https" || url.target.find_first_of("\r\n ") != std::string::npos) __builtin_trap();
      if (url.target.find("delete") != std::string::npos &&
          challenge.find("realm")->find("delete") == std::string::npos &&
          url.target.find("scope=repository:a/b:delete") != std::string::npos)
        __builtin_trap();
    } catch (const Error& error) {
      if (error.message().empty()) __builtin_trap();
    }
  }
  return 0;
}
