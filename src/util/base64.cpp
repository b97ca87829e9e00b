// SPDX-License-Identifier: Apache-2.0
#include "util/base64.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace bottle {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// In lines, without padding or in the alphabet of URLs, as whole groups; a text that cannot be that stays
// incomplete.
std::string regular(std::string_view loose) {
  std::string text;
  for (const char c : loose)
    if (c != '\n' && c != '\r') text += c == '-' ? '+' : c == '_' ? '/' : c;
  text.erase(text.find_last_not_of('=') + 1);
  if (text.size() % 4 > 1) text.append(4 - text.size() % 4, '=');
  return text;
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock() adds a NUL
  const int size =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<std::string> decode_base64(std::string_view given, Base64 form) {
  const std::string text = form == Base64::loose ? regular(given) : std::string(given);
  const std::size_t digits = std::min(text.find_last_not_of('=') + 1, text.size());
  const std::size_t padding = text.size() - digits;
  // EVP_DecodeBlock() skips blanks around the text, and takes padding for digits.
  if (text.size() % 4 != 0 || padding > 2 ||
      std::string_view(text).substr(0, digits).find_first_not_of(kAlphabet) != std::string_view::npos)
    return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size =
      ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  if (form == Base64::canonical && encode_base64(bytes) != text) return std::nullopt;
  return bytes;
}

}  // namespace bottle
