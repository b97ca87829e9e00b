// SPDX-License-Identifier: Apache-2.0
// Digests of content as a registry meets them: SHA-256 or SHA-512, said by the client.
// Source: OCI image-spec 1.1 descriptor.md, "Digests" and "Registered Algorithms".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bottle::oci {

enum class Algorithm : std::uint8_t { sha256, sha512 };

std::string_view name_of(Algorithm algorithm);  // "sha256"
std::optional<Algorithm> parse_algorithm(std::string_view name);

// An algorithm and lower-case hex digits, as many as the algorithm has: safe as a part of a path.
struct ContentDigest {
  Algorithm algorithm = Algorithm::sha256;
  std::string hex;

  std::string string() const;  // "sha256:..."
  auto operator<=>(const ContentDigest&) const = default;

  // nullopt for anything else: other algorithms, upper case, a wrong length.
  static std::optional<ContentDigest> parse(std::string_view text);
};

// Incremental hashing. finish() may be called once.
class Hasher {
 public:
  explicit Hasher(Algorithm algorithm);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Algorithm algorithm() const { return algorithm_; }
  void update(std::span<const std::byte> data);
  ContentDigest finish();

 private:
  struct Context;
  Algorithm algorithm_;
  std::unique_ptr<Context> context_;
};

}  // namespace bottle::oci
