// SPDX-License-Identifier: Apache-2.0
// A pack through all its readers. The first byte chooses: the file as it is; a manifest, a NUL byte and the
// outer tar, of which a pack with a right checksum is made; a manifest alone.
#include "input.hpp"
#include "pack/crc32.hpp"
#include "pack/footer.hpp"
#include "pack/manifest_diff.hpp"
#include "pack/pack_file.hpp"
#include "pack/tree.hpp"
#include "pack/verify.hpp"
#include "pack/zstd_frame.hpp"

using namespace bottle;
using namespace bottle::pack;

namespace {

std::string pack_of(std::string_view manifest, std::string_view tar) {
  const Bytes frame = FrameCompressor(1).compress(std::as_bytes(std::span(tar)));
  const std::string assets(reinterpret_cast<const char*>(frame.data()), frame.size());
  Footer footer;
  footer.assets_size = footer.manifest_offset = assets.size();
  footer.manifest_size = manifest.size();
  footer.checksum = crc32(crc32(0, assets), manifest);
  const auto end = encode_footer(footer);
  return assets + std::string(manifest) + std::string(reinterpret_cast<const char*>(end.data()), end.size());
}

void read_every_way(std::string_view bytes) {
  const fuzz::InputFile file(bytes);
  fuzz::may_refuse([&] {
    const OpenPack pack = open_pack(file.path());
    fuzz::may_refuse([&] { verify_pack(pack); });
    fuzz::may_refuse([&] {
      const std::vector<TreeRow> rows = tree_of_pack(pack);
      fuzz::check(compare_trees(rows, rows, Owners::compare).empty());
    });
    fuzz::check(compare_manifests(pack, pack, Members::all).empty());
  });
}

void read_manifest(std::string_view text) {
  fuzz::may_refuse([&] {
    const Manifest manifest = parse_manifest(text, "fuzz");
    const std::string again = manifest.serialize(foreign_members(text));
    fuzz::check(parse_manifest(again, "fuzz") == manifest);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Choice choice(fuzz::text_of(data, size), 3);
  if (choice.way == 0) {
    read_every_way(choice.rest);
  } else if (choice.way == 1) {
    const std::size_t end = choice.rest.find('\0');
    read_every_way(pack_of(choice.rest.substr(0, end),
                           end == std::string_view::npos ? std::string_view() : choice.rest.substr(end + 1)));
  } else {
    read_manifest(choice.rest);
  }
  return 0;
}
