#include "registry/server_digest.hpp"

#include "util/error.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <new>

namespace bottle::registry {
namespace {

std::size_t hex_length(Algorithm algorithm) {
  return algorithm == Algorithm::sha256 ? 64 : 128;
}

// Fetched once: an implicit fetch a context costs more than hashing a small manifest.
const EVP_MD* implementation(Algorithm algorithm) {
  using Fetched = std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)>;
  static const Fetched sha256(EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free);
  static const Fetched sha512(EVP_MD_fetch(nullptr, "SHA512", nullptr), EVP_MD_free);
  const EVP_MD* fetched = algorithm == Algorithm::sha256 ? sha256.get() : sha512.get();
  if (fetched == nullptr)
    throw Error("OpenSSL offers no " + std::string(name_of(algorithm)),
                {.hint = "check the OpenSSL configuration"});
  return fetched;
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
  EVP_MD_CTX* handle = EVP_MD_CTX_new();
  explicit Context(Algorithm algorithm) {
    if (handle == nullptr) throw std::bad_alloc();
    if (EVP_DigestInit_ex2(handle, implementation(algorithm), nullptr) != 1) {
      EVP_MD_CTX_free(handle);
      throw Error("OpenSSL cannot start " + std::string(name_of(algorithm)));
    }
  }
  ~Context() { EVP_MD_CTX_free(handle); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Hasher::Hasher(Algorithm algorithm) : algorithm_(algorithm), context_(std::make_unique<Context>(algorithm)) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::byte> data) {
  if (EVP_DigestUpdate(context_->handle, data.data(), data.size()) != 1)
    throw Error("OpenSSL cannot compute " + std::string(name_of(algorithm_)));
}

ContentDigest Hasher::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context_->handle, bytes.data(), &length) != 1)
    throw Error("OpenSSL cannot finish " + std::string(name_of(algorithm_)));
  static constexpr char kDigits[] = "0123456789abcdef";
  ContentDigest digest{algorithm_, std::string(2 * static_cast<std::size_t>(length), '0')};
  for (std::size_t i = 0; i < length; ++i) {
    digest.hex[2 * i] = kDigits[bytes[i] >> 4];
    digest.hex[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return digest;
}

}  // namespace bottle::registry
