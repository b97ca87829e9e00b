// SPDX-License-Identifier: Apache-2.0
// SHA-256 digests, the only content identity Bottle uses for its own data (OCI image-spec, descriptor.md
// "Digests").
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bottle {

// A SHA-256 value. Default-constructed it is all zero, which stands for "none".
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  std::string hex() const;  // 64 lower-case hex digits
  void append_hex(std::string& text) const;
  std::string string() const;  // "sha256:" + hex()
  bool empty() const;
  auto operator<=>(const Digest&) const = default;

  // Exactly 64 lower-case hex digits; anything else is nullopt.
  static std::optional<Digest> from_hex(std::string_view hex);
  // "sha256:" + 64 lower-case hex digits; anything else (other algorithms too) is nullopt.
  static std::optional<Digest> parse(std::string_view text);
};

struct DigestHash {
  std::size_t operator()(const Digest& digest) const noexcept;
};

// Incremental SHA-256. Reusable: finish() resets.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> data);
  void update(std::string_view text);
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Digest sha256(std::string_view text);
Digest sha256(std::span<const std::byte> data);

}  // namespace bottle
