// SPDX-License-Identifier: Apache-2.0
#include "pack/footer.hpp"

#include <fmt/format.h>

#include <cstring>
#include <string_view>

#include "pack/limits.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

constexpr std::string_view kMagic = "SMOLPACK";
constexpr std::string_view kLibrariesMagic = "SMOLLIBS";

template <typename Number>
void put(std::byte* at, Number value) {
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    at[i] = static_cast<std::byte>(value >> (8 * i) & 0xff);
}

template <typename Number>
Number get(const std::byte* at) {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    value |= static_cast<Number>(static_cast<Number>(std::to_integer<Number>(at[i])) << (8 * i));
  return value;
}

[[noreturn]] void fail(const std::string& name, std::uint64_t offset, const std::string& message,
                       const std::string& hint = {}) {
  throw Error(message, {.where = fmt::format("{}: offset {}", name, offset), .hint = hint});
}

std::string printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c >= 0x20 && c < 0x7f && c != '\\')
      text += c;
    else
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

}  // namespace

std::array<std::byte, kFooterSize> encode_footer(const Footer& footer) {
  std::array<std::byte, kFooterSize> bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  put(bytes.data() + 8, footer.version);
  put(bytes.data() + 12, footer.stub_size);
  put(bytes.data() + 20, footer.assets_offset);
  put(bytes.data() + 28, footer.assets_size);
  put(bytes.data() + 36, footer.manifest_offset);
  put(bytes.data() + 44, footer.manifest_size);
  put(bytes.data() + 52, footer.checksum);
  return bytes;
}

Footer decode_footer(std::span<const std::byte, kFooterSize> bytes, const std::string& name,
                     std::uint64_t offset) {
  const std::string_view magic(reinterpret_cast<const char*>(bytes.data()), kMagic.size());
  if (magic != kMagic) {
    // A launcher made by smolvm ends with a separate 32-byte footer.
    const std::string_view libraries(reinterpret_cast<const char*>(bytes.data()) + 32, kMagic.size());
    if (libraries == kLibrariesMagic)
      fail(name, offset, "this is the executable of a two-file pack, not the pack itself",
           "give the .smolmachine file in the same directory");
    fail(name, offset, fmt::format("no pack footer: expected \"{}\", found \"{}\"", kMagic, printable(magic)),
         "check the file: it is not a .smolmachine pack, or it is truncated");
  }
  Footer footer;
  footer.version = get<std::uint32_t>(bytes.data() + 8);
  footer.stub_size = get<std::uint64_t>(bytes.data() + 12);
  footer.assets_offset = get<std::uint64_t>(bytes.data() + 20);
  footer.assets_size = get<std::uint64_t>(bytes.data() + 28);
  footer.manifest_offset = get<std::uint64_t>(bytes.data() + 36);
  footer.manifest_size = get<std::uint64_t>(bytes.data() + 44);
  footer.checksum = get<std::uint32_t>(bytes.data() + 52);
  if (footer.version < 1 || footer.version > 3)
    fail(name, offset + 8,
         fmt::format("unsupported pack version: expected 1, 2 or 3, found {}", footer.version));
  return footer;
}

void check_footer_bounds(const Footer& footer, std::uint64_t file_size, const std::string& name) {
  const std::uint64_t at = file_size - kFooterSize;
  if (footer.manifest_size > kMaximumManifestSize)
    fail(name, at + 44,
         fmt::format("the manifest is too big: expected at most {} bytes, found {}", kMaximumManifestSize,
                     footer.manifest_size));
  // Each comparison is against what is left, so that no sum can overflow.
  if (footer.assets_offset > at)
    fail(name, at + 20,
         fmt::format("the assets begin after the end of the data: expected an offset of at most {}, found {}",
                     at, footer.assets_offset));
  if (footer.assets_size > at - footer.assets_offset)
    fail(name, at + 28,
         fmt::format("the assets do not fit in the file: expected at most {} bytes, found {}",
                     at - footer.assets_offset, footer.assets_size),
         "make or fetch the pack again: it is truncated or was altered");
  const std::uint64_t assets_end = footer.assets_offset + footer.assets_size;
  if (footer.manifest_offset != assets_end)
    fail(name, at + 36,
         fmt::format("the manifest must follow the assets: expected offset {}, found {}", assets_end,
                     footer.manifest_offset));
  if (footer.manifest_size > at - assets_end)
    fail(name, at + 44,
         fmt::format("the manifest does not fit in the file: expected at most {} bytes, found {}",
                     at - assets_end, footer.manifest_size),
         "make or fetch the pack again: it is truncated or was altered");
  if (!footer.sidecar() && footer.stub_size != footer.assets_offset)
    fail(name, at + 12,
         fmt::format("the stub must end where the assets begin: expected size {}, found {}",
                     footer.assets_offset, footer.stub_size));
}

void check_footer_exact(const Footer& footer, std::uint64_t file_size, const std::string& name) {
  const std::uint64_t at = file_size - kFooterSize;
  const std::uint64_t end = footer.manifest_offset + footer.manifest_size;
  if (end != at)
    fail(name, end,
         fmt::format("{} unknown bytes between the manifest and the footer, which the checksum does not "
                     "cover: expected the footer at {}, found it at {}",
                     at - end, end, at));
  if (footer.sidecar() && footer.stub_size != 0)
    fail(name, at + 12,
         fmt::format("invalid stub size of a sidecar: expected 0, found {}", footer.stub_size));
}

}  // namespace bottle::pack
