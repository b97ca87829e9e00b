// SPDX-License-Identifier: Apache-2.0
#include "oci/content_digest.hpp"

#include "util/error.hpp"

// By name and not through EVP, as in util/digest.cpp.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <variant>

namespace bottle::oci {
namespace {

std::size_t hex_length(Algorithm algorithm) {
  return algorithm == Algorithm::sha256 ? 64 : 128;
}

}  // namespace

std::string_view name_of(Algorithm algorithm) {
  return algorithm == Algorithm::sha256 ? "sha256" : "sha512";
}

std::optional<Algorithm> parse_algorithm(std::string_view name) {
  if (name == "sha256") return Algorithm::sha256;
  if (name == "sha512") return Algorithm::sha512;
  return std::nullopt;
}

std::string ContentDigest::string() const {
  return std::string(name_of(algorithm)) + ":" + hex;
}

std::optional<ContentDigest> ContentDigest::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto algorithm = parse_algorithm(text.substr(0, colon));
  const std::string_view hex = text.substr(colon + 1);
  if (!algorithm || hex.size() != hex_length(*algorithm)) return std::nullopt;
  if (!std::all_of(hex.begin(), hex.end(),
                   [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }))
    return std::nullopt;
  return ContentDigest{*algorithm, std::string(hex)};
}

struct Hasher::Context {
  std::variant<SHA256_CTX, SHA512_CTX> state;
  explicit Context(Algorithm algorithm) {
    const bool started = algorithm == Algorithm::sha256 ? SHA256_Init(&state.emplace<SHA256_CTX>()) == 1
                                                        : SHA512_Init(&state.emplace<SHA512_CTX>()) == 1;
    if (!started) throw Error("OpenSSL cannot start " + std::string(name_of(algorithm)));
  }
};

Hasher::Hasher(Algorithm algorithm) : algorithm_(algorithm), context_(std::make_unique<Context>(algorithm)) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::byte> data) {
  auto* const sha256 = std::get_if<SHA256_CTX>(&context_->state);
  const int status = sha256 != nullptr
                         ? SHA256_Update(sha256, data.data(), data.size())
                         : SHA512_Update(&std::get<SHA512_CTX>(context_->state), data.data(), data.size());
  if (status != 1) throw Error("OpenSSL cannot compute " + std::string(name_of(algorithm_)));
}

ContentDigest Hasher::finish() {
  std::array<unsigned char, SHA512_DIGEST_LENGTH> bytes;
  auto* const sha256 = std::get_if<SHA256_CTX>(&context_->state);
  const int status = sha256 != nullptr ? SHA256_Final(bytes.data(), sha256)
                                       : SHA512_Final(bytes.data(), &std::get<SHA512_CTX>(context_->state));
  if (status != 1) throw Error("OpenSSL cannot finish " + std::string(name_of(algorithm_)));
  const std::size_t length = hex_length(algorithm_) / 2;
  static constexpr char kDigits[] = "0123456789abcdef";
  ContentDigest digest{algorithm_, std::string(2 * length, '0')};
  for (std::size_t i = 0; i < length; ++i) {
    digest.hex[2 * i] = kDigits[bytes[i] >> 4];
    digest.hex[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return digest;
}

}  // namespace bottle::oci
