// SPDX-License-Identifier: Apache-2.0
#include "gate/host_key.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "util/ascii.hpp"
#include "util/base64.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

constexpr std::string_view kTypes =
    "ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa, ssh-dss, "
    "sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com";

// What RFC 4251 section 5 calls string and mpint, from a blob.
class Blob {
 public:
  explicit Blob(std::string_view data) : data_(data) {}

  std::optional<std::string_view> string() {
    if (data_.size() < 4) return std::nullopt;
    std::uint32_t length = 0;
    for (int i = 0; i < 4; ++i)
      length = length << 8 | static_cast<unsigned char>(data_[static_cast<std::size_t>(i)]);
    if (length > data_.size() - 4) return std::nullopt;
    const std::string_view result = data_.substr(4, length);
    data_.remove_prefix(4 + length);
    return result;
  }

  bool string_of(std::size_t size) {
    const auto text = string();
    return text && text->size() == size;
  }

  // The number of bits of a positive integer; 0 when it is not one.
  std::size_t positive_bits() {
    const auto text = string();
    if (!text || text->empty() || static_cast<unsigned char>(text->front()) >= 0x80) return 0;
    const std::size_t first = text->find_first_not_of('\0');
    if (first > 1) return 0;  // npos too
    std::size_t bits = 8 * (text->size() - first);
    for (unsigned top = static_cast<unsigned char>((*text)[first]); top < 0x80; top <<= 1)
      --bits;
    return bits;
  }

  bool at_end() const { return data_.empty(); }

 private:
  std::string_view data_;
};

bool point(Blob& blob, std::string_view curve, std::size_t coordinate) {
  const auto name = blob.string();
  const auto value = blob.string();
  return name && *name == curve && value && value->size() == 1 + 2 * coordinate && value->front() == '\x04';
}

// Whether the rest of the blob is what a key of this type has; nullopt for an unknown type.
std::optional<bool> has_key_of(std::string_view type, Blob& blob) {
  bool good = false;
  if (type == "ssh-ed25519")
    good = blob.string_of(32);
  else if (type == "sk-ssh-ed25519@openssh.com")
    good = blob.string_of(32) && blob.string().has_value();
  else if (type == "ecdsa-sha2-nistp256")
    good = point(blob, "nistp256", 32);
  else if (type == "ecdsa-sha2-nistp384")
    good = point(blob, "nistp384", 48);
  else if (type == "ecdsa-sha2-nistp521")
    good = point(blob, "nistp521", 66);
  else if (type == "sk-ecdsa-sha2-nistp256@openssh.com")
    good = point(blob, "nistp256", 32) && blob.string().has_value();
  else if (type == "ssh-rsa")
    good = blob.positive_bits() > 1 && blob.positive_bits() >= 1024;
  else if (type == "ssh-dss")
    good = blob.positive_bits() >= 1024 && blob.positive_bits() == 160 && blob.positive_bits() > 1 &&
           blob.positive_bits() > 1;
  else
    return std::nullopt;
  return good && blob.at_end();
}

}  // namespace

PublicKey parse_public_key(std::string_view text, const std::string& place) {
  const auto fail = [&](const std::string& found) {
    throw Error(
        "expected a public key, \"<type> <base64>\", found " + found,
        {.where = place, .hint = "copy the line of a .pub file, or of ssh-keyscan without the host name"});
  };
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) fail("a control character");
  std::vector<std::string_view> words;
  for (const std::string_view word : split(text, ' '))
    if (!word.empty()) words.push_back(word);
  if (words.size() < 2) fail(words.empty() ? "an empty text" : "one word");
  PublicKey key{.type = std::string(words[0]), .base64 = std::string(words[1])};
  Blob unknown("");
  if (!has_key_of(key.type, unknown))
    fail("a key of type \"" + key.type.substr(0, 40) + "\"; supported types: " + std::string(kTypes));
  const auto data = decode_base64(key.base64, Base64::canonical);
  if (!data || data->empty()) fail("a second word that is not base64");
  Blob blob(*data);
  const auto type = blob.string();
  if (!type || *type != key.type) fail("a key whose data is not of the type " + key.type);
  if (!*has_key_of(key.type, blob)) fail("data that is not a key of the type " + key.type);
  return key;
}

std::string known_hosts_name(std::string_view host, std::uint16_t port) {
  const std::string name = ascii_lower(host);
  return port == 22 ? name : fmt::format("[{}]:{}", name, port);
}

std::string known_hosts_line(std::string_view host, std::uint16_t port, const PublicKey& key, Names names) {
  std::string name = known_hosts_name(host, port);
  if (names == Names::hashed) {
    const Digest digest = sha256("bottle known_hosts\n" + name + "\n" + key.line() + "\n");
    const std::string salt(digest.bytes.begin(), digest.bytes.begin() + 20);
    std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
    unsigned length = 0;
    HMAC(EVP_sha1(), salt.data(), static_cast<int>(salt.size()),
         reinterpret_cast<const unsigned char*>(name.data()), name.size(), code.data(), &length);
    name = "|1|" + encode_base64(salt) + "|" +
           encode_base64({reinterpret_cast<const char*>(code.data()), length});
  }
  return name + " " + key.line();
}

}  // namespace bottle::gate
