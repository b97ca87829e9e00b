// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648 section 4), for keys, credentials and what documents embed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bottle {

enum class Base64 : std::uint8_t {
  canonical,  // whole groups, padded, no bits left over: one text for each sequence of bytes
  padded,     // whole groups, padded; bits left over are ignored
  loose,      // also without padding, in lines, and in the alphabet of URLs (section 5)
};

std::string encode_base64(std::string_view bytes);
// nullopt if the text is not of that form. Of "" the result is "".
std::optional<std::string> decode_base64(std::string_view text, Base64 form);

}  // namespace bottle
