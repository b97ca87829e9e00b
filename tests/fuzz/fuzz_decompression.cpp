// SPDX-License-Identifier: Apache-2.0
// A compressed blob: read in pieces of two sizes it gives the same bytes, never more than allowed.
#include <array>
#include <optional>

#include "input.hpp"
#include "oci/decompress.hpp"

using namespace bottle;

namespace {

constexpr std::uint64_t kLimit = 1u << 20;

std::optional<std::string> decompressed(std::string_view text, std::size_t piece) {
  std::string output;
  try {
    oci::Decompressor decompressor(oci::memory_source(std::as_bytes(std::span(text))), "fuzz", kLimit);
    std::array<std::byte, 64u << 10> buffer;
    for (;;) {
      const std::size_t count = decompressor.read(std::span(buffer).first(piece));
      output.append(reinterpret_cast<const char*>(buffer.data()), count);
      fuzz::check(output.size() <= kLimit);
      if (count < piece) return output;
    }
  } catch (const Error& error) {
    fuzz::check(!error.message().empty());
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::check(decompressed(text, 64u << 10) == decompressed(text, 777));
  return 0;
}
