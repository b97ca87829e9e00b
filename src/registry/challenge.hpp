// SPDX-License-Identifier: Apache-2.0
// What a registry asks for when it answers 401: the WWW-Authenticate header.
// Source: RFC 9110 section 11.6.1 (the grammar), RFC 6750 section 3 (Bearer), RFC 7617 (Basic), Docker token
// authentication specification.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bottle::registry {

struct Challenge {
  std::string scheme;  // lower case: "basic", "bearer"
  // Names in lower case, in order, each once.
  std::vector<std::pair<std::string, std::string>> parameters;

  const std::string* find(std::string_view name) const;
  bool operator==(const Challenge&) const = default;
};

// All challenges of one header field; nullopt if it is not exactly of the grammar, or has a control
// character, a parameter twice, more than 16 challenges or parameters, or more than 8 KiB.
std::optional<std::vector<Challenge>> parse_challenges(std::string_view text);

}  // namespace bottle::registry
