// SPDX-License-Identifier: Apache-2.0
// Counting attempts and waiting between them. For the files of this room only.
#pragma once

#include <random>

#include "registry/http_types.hpp"
#include "registry/http_values.hpp"

namespace bottle::registry {

class Attempts {
 public:
  explicit Attempts(const RetryPolicy& policy) : policy_(policy), random_(std::random_device{}()) {}

  // Waits; false when the policy allows no more. An interrupt throws.
  bool again(std::optional<std::chrono::seconds> retry_after = std::nullopt);
  // A success resets the count, within bounds.
  void progressed() { attempt_ = 0; }
  unsigned made() const { return all_ + 1; }

 private:
  RetryPolicy policy_;
  std::minstd_rand random_;
  unsigned attempt_ = 0;
  unsigned all_ = 0;
  std::chrono::milliseconds waited_{0};
};

// What the answer's Retry-After says.
std::optional<std::chrono::seconds> retry_after(const Headers& headers);

// The same error, saying how many attempts there were.
[[noreturn]] void rethrow_counted(const ConnectionError& error, unsigned attempts);

}  // namespace bottle::registry
