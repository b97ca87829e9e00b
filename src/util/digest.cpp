// SPDX-License-Identifier: Apache-2.0
#include "util/digest.hpp"

// The functions by name and not EVP: what they need is a page of libcrypto and no start of the library, which
// reads its configuration and makes tables of all algorithms in 1.5 ms. The code that hashes is the same.
// OPENSSL_SUPPRESS_DEPRECATED is defined for this room (CMakeLists.txt).
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

#include "util/error.hpp"

namespace bottle {
namespace {

constexpr std::string_view kPrefix = "sha256:";

// The value of a digit, or 0xff: indexes of layers are full of digests, so this is done millions of times.
constexpr std::array<std::uint8_t, 256> kNibbles = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(0xff);
  for (std::uint8_t i = 0; i < 10; ++i)
    table[static_cast<std::size_t>('0' + i)] = i;
  for (std::uint8_t i = 0; i < 6; ++i)
    table[static_cast<std::size_t>('a' + i)] = static_cast<std::uint8_t>(10 + i);
  return table;
}();

unsigned nibble(char c) {
  return kNibbles[static_cast<unsigned char>(c)];
}

}  // namespace

std::string Digest::hex() const {
  std::string text;
  append_hex(text);
  return text;
}

void Digest::append_hex(std::string& text) const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 64> digits;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    digits[2 * i] = kDigits[bytes[i] >> 4];
    digits[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  text.append(digits.data(), digits.size());
}

std::string Digest::string() const {
  return std::string(kPrefix) + hex();
}

bool Digest::empty() const {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::optional<Digest> Digest::from_hex(std::string_view hex) {
  if (hex.size() != 64) return std::nullopt;
  Digest digest;
  unsigned all = 0;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    const unsigned high = nibble(hex[2 * i]);
    const unsigned low = nibble(hex[2 * i + 1]);
    all |= high | low;
    digest.bytes[i] = static_cast<std::uint8_t>(high << 4 | (low & 15));
  }
  if (all > 15) return std::nullopt;
  return digest;
}

std::optional<Digest> Digest::parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  return from_hex(text.substr(kPrefix.size()));
}

std::size_t DigestHash::operator()(const Digest& digest) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, digest.bytes.data(), sizeof value);
  return value;
}

struct Sha256::Context {
  SHA256_CTX state;
  Context() { reset(); }
  void reset() {
    if (SHA256_Init(&state) != 1) throw Error("OpenSSL cannot start SHA-256");
  }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> data) {
  if (SHA256_Update(&context_->state, data.data(), data.size()) != 1)
    throw Error("OpenSSL cannot compute SHA-256");
}

void Sha256::update(std::string_view text) {
  update(std::as_bytes(std::span(text)));
}

Digest Sha256::finish() {
  Digest digest;
  if (SHA256_Final(digest.bytes.data(), &context_->state) != 1) throw Error("OpenSSL cannot finish SHA-256");
  context_->reset();
  return digest;
}

Digest sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text)));
}

Digest sha256(std::span<const std::byte> data) {
  Sha256 hasher;
  hasher.update(data);
  return hasher.finish();
}

}  // namespace bottle
