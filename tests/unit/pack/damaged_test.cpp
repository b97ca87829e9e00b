// SPDX-License-Identifier: Apache-2.0
// Damaged packs: every one is refused with an Error, none crashes, hangs or takes much memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <functional>

#include "fixtures.hpp"
#include "pack/crc32.hpp"
#include "pack/extract.hpp"
#include "pack/footer.hpp"
#include "pack/tree.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

using test::compressed;
using test::manifest_for;
using test::outer_tar;
using test::pack_bytes;
using test::RawTar;
using test::verify_error_of_bytes;
using testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

using Layers = std::vector<std::pair<std::string, std::string>>;

std::string layer_tar() {
  return RawTar()
      .add({.name = "./", .type = '5', .mode = 0755})
      .add({.name = "./a", .content = "hello"})
      .add({.name = "./d/", .type = '5', .mode = 0755})
      .add({.name = "./d/l", .type = '2', .link = "../a"})
      .add({.name = "./h", .type = '1', .link = "./a"})
      .finish();
}

const Layers kLayers{{"aaaa", layer_tar()}};
std::string whole() {
  return pack_bytes(compressed(outer_tar(kLayers, layer_tar())), manifest_for(kLayers).serialize());
}

std::string with_footer(const std::function<void(Footer&)>& change) {
  const std::string pack = whole();
  std::array<std::byte, kFooterSize> bytes;
  std::memcpy(bytes.data(), pack.data() + pack.size() - kFooterSize, kFooterSize);
  Footer footer = decode_footer(bytes, "", 0);
  change(footer);
  const auto end = encode_footer(footer);
  return pack.substr(0, pack.size() - kFooterSize) +
         std::string(reinterpret_cast<const char*>(end.data()), end.size());
}

std::string with_layer(const std::string& tar) {
  const Layers layers{{"aaaa", tar}};
  return pack_bytes(compressed(outer_tar(layers)), manifest_for(layers).serialize());
}

std::string with_outer(const std::string& tar) {
  return pack_bytes(compressed(tar), manifest_for(kLayers).serialize());
}

std::string with_manifest(const std::function<void(Manifest&)>& change) {
  Manifest manifest = manifest_for(kLayers);
  change(manifest);
  return pack_bytes(compressed(outer_tar(kLayers)), manifest.serialize());
}

// Reading in every other way may succeed or fail, but must end.
void read_every_way(const std::string& pack) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "p", pack, Durable::no);
  const auto attempt = [&](const std::function<void(const OpenPack&)>& use) {
    try {
      use(open_pack(directory.path() / "p"));
    } catch (const Error&) {
    }
  };
  attempt([](const OpenPack& p) { tree_of_pack(p); });
  attempt([&](const OpenPack& p) {
    extract_pack(p, directory.path() / "x", ExtractWhat::rootfs, Existing::refuse);
  });
  attempt([&](const OpenPack& p) {
    extract_pack(p, directory.path() / "y", ExtractWhat::raw, Existing::refuse);
  });
}

std::vector<TreeRow> tree_of(const std::string& pack) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "p", pack, Durable::no);
  return tree_of_pack(open_pack(directory.path() / "p"));
}

TEST(DamagedPack, IntactPackIsAccepted) {
  EXPECT_EQ(verify_error_of_bytes(whole()), "");
}

TEST(DamagedPack, EveryTruncationIsFound) {
  const std::string pack = whole();
  for (std::size_t size = 0; size < pack.size(); size += size + 70 < pack.size() && size > 70 ? 13 : 1)
    EXPECT_NE(verify_error_of_bytes(pack.substr(0, size)), "") << size;
  // With a footer that is still there.
  const std::string end = pack.substr(pack.size() - kFooterSize);
  for (std::size_t cut = 1; cut < pack.size() - kFooterSize; cut += 31)
    EXPECT_NE(verify_error_of_bytes(pack.substr(0, pack.size() - kFooterSize - cut) + end), "") << cut;
}

TEST(DamagedPack, EveryAlteredByteIsFound) {
  const std::string pack = whole();
  constexpr std::size_t kReserved = 8;  // the footer's last bytes, which readers ignore
  for (std::size_t at = 0; at < pack.size() - kReserved; ++at) {
    std::string altered = pack;
    altered[at] = static_cast<char>(altered[at] ^ (at % 2 ? 0x10 : 0xff));
    EXPECT_NE(verify_error_of_bytes(altered), "") << at;
    if (at % 17 == 0) read_every_way(altered);
  }
}

TEST(DamagedPack, AlterationsWithARightChecksumAreFound) {
  // The frames' own checksum or the structure gives it away, unless the altered frame says the same
  // otherwise.
  const std::string pack = whole();
  const std::string manifest = manifest_for(kLayers).serialize();
  const std::string assets = pack.substr(0, pack.size() - kFooterSize - manifest.size());
  const std::vector<TreeRow> tree = tree_of(pack);
  int found = 0;
  for (std::size_t at = 0; at < assets.size(); ++at) {
    std::string altered = assets;
    altered[at] = static_cast<char>(altered[at] ^ 0x04);
    const std::string damaged = pack_bytes(altered, manifest);
    if (verify_error_of_bytes(damaged).empty())
      EXPECT_TRUE(tree_of(damaged) == tree) << at;
    else
      ++found;
    if (at % 5 == 0) read_every_way(damaged);
  }
  EXPECT_GT(found, static_cast<int>(assets.size() * 9 / 10));
  const std::string tar = outer_tar(kLayers);
  for (std::size_t at = 0; at < tar.size(); at += 31) {
    std::string altered = tar;
    altered[at] = static_cast<char>(altered[at] ^ 0x81);
    const std::string damaged = with_outer(altered);
    // In the content of a file anything may stand, elsewhere not; either way every reader ends.
    const std::string error = verify_error_of_bytes(damaged);
    EXPECT_TRUE(error.empty() || error.find("offset") != std::string::npos ||
                error.find("layer") != std::string::npos)
        << error;
    read_every_way(damaged);
  }
}

TEST(DamagedPack, DamagedFootersAreErrors) {
  const std::pair<const char*, std::function<void(Footer&)>> cases[] = {
      {"version", [](Footer& f) { f.version = 4; }},
      {"version", [](Footer& f) { f.version = 0; }},
      {"assets", [](Footer& f) { f.assets_size += 1; }},
      {"assets", [](Footer& f) { f.assets_size = UINT64_MAX; }},
      {"assets", [](Footer& f) { f.assets_size = UINT64_MAX - 63; }},
      {"manifest", [](Footer& f) { f.manifest_offset -= 1; }},
      {"manifest", [](Footer& f) { f.manifest_offset = 0; }},
      {"manifest", [](Footer& f) { f.manifest_offset = UINT64_MAX; }},
      {"manifest", [](Footer& f) { f.manifest_size += 1; }},
      {"manifest", [](Footer& f) { f.manifest_size -= 1; }},
      {"manifest", [](Footer& f) { f.manifest_size = UINT64_MAX; }},
      {"too big", [](Footer& f) { f.manifest_size = (16u << 20) + 1; }},
      {"manifest", [](Footer& f) { f.manifest_size = 0; }},
      {"", [](Footer& f) { f.assets_size = f.manifest_offset = 0; }},
      {"manifest", [](Footer& f) { f.assets_offset = 1; }},
      {"after the end", [](Footer& f) { f.assets_offset = UINT64_MAX; }},
      {"stub", [](Footer& f) { f.stub_size = 5; }},
      {"checksum", [](Footer& f) { f.checksum ^= 1; }},
      {"checksum", [](Footer& f) { f.checksum = 0; }},
  };
  int index = 0;
  for (const auto& [expected, change] : cases) {
    const std::string pack = with_footer(change);
    EXPECT_THAT(verify_error_of_bytes(pack), testing::AllOf(HasSubstr(expected), testing::Not(""))) << index;
    read_every_way(pack);
    ++index;
  }
  const std::string pack = whole();
  EXPECT_THAT(verify_error_of_bytes(pack.substr(0, pack.size() - kFooterSize) + "gap" +
                                    pack.substr(pack.size() - kFooterSize)),
              HasSubstr("bytes between"));
  EXPECT_NE(verify_error_of_bytes(pack + "tail"), "");
}

TEST(DamagedPack, DamagedFramesAreErrors) {
  const std::string manifest = manifest_for(kLayers).serialize();
  const std::string frame = compressed(outer_tar(kLayers));
  const auto error = [&](const std::string& assets) {
    return verify_error_of_bytes(pack_bytes(assets, manifest));
  };
  EXPECT_NE(error(""), "");
  EXPECT_THAT(error(frame + "garbage after the frame"), HasSubstr("not a zstd frame"));
  EXPECT_NE(error(frame + "x"), "");
  EXPECT_NE(error("x" + frame), "");
  EXPECT_THAT(error(frame.substr(0, frame.size() - 1)), HasSubstr("truncated"));
  EXPECT_THAT(error(frame.substr(0, 20)), HasSubstr("truncated"));
  EXPECT_NE(error(frame + frame), "");  // data after the end marker
  EXPECT_THAT(error(frame + compressed(std::string(5 << 20, '\0'))), HasSubstr("after the end marker"));
  EXPECT_NE(error(outer_tar(kLayers)), "");  // not compressed
  EXPECT_NE(error(compressed("not a tar")), "");
}

TEST(DamagedPack, DamagedOuterTarsAreErrors) {
  const std::string tar = outer_tar(kLayers);
  const std::string layer = layer_tar();
  const auto error = [&](const std::string& outer) {
    const std::string pack = with_outer(outer);
    read_every_way(pack);
    return verify_error_of_bytes(pack);
  };
  for (const std::size_t size : {std::size_t{100}, std::size_t{512}, std::size_t{1024}, std::size_t{1500},
                                 tar.size() - 1024, tar.size() - 512})
    EXPECT_NE(error(tar.substr(0, size)), "") << size;
  EXPECT_NE(error(std::string(1024, '\0')), "");
  const RawTar::Member member{.name = "layers/aaaa.tar", .content = layer};
  EXPECT_THAT(error(RawTar().add(member).add(member).finish()), HasSubstr("twice"));
  EXPECT_THAT(error(RawTar().add(member).add({.name = "layers/bbbb.tar", .content = layer}).finish()),
              HasSubstr("does not list"));
  EXPECT_THAT(error(RawTar().add({.name = "layers/bbbb.tar", .content = layer}).finish()),
              HasSubstr("do not hold"));
  EXPECT_THAT(error(RawTar().add({.name = "layers/", .type = '5'}).finish()), HasSubstr("do not hold"));
  EXPECT_NE(error(RawTar().add({.name = "layers/aaaa.tar", .type = '2', .link = "/etc/passwd"}).finish()),
            "");
  EXPECT_NE(error(RawTar().add({.name = "layers/aaaa.tar", .type = '5'}).finish()), "");
  EXPECT_NE(error(RawTar().add({.name = "/layers/aaaa.tar", .content = layer}).finish()), "");
  EXPECT_NE(error(RawTar().add({.name = "../layers/aaaa.tar", .content = layer}).finish()), "");
  EXPECT_NE(error(RawTar().add({.name = "layers", .type = '2', .link = "/tmp"}).add(member).finish()), "");
  EXPECT_NE(error(RawTar().add({.name = "agent-rootfs.tar", .content = "no tar"}).add(member).finish()), "");
  EXPECT_NE(error(RawTar().add(member).raw(test::raw_header({.name = "bomb"}, (1ull << 33) - 1)).finish()),
            "");
}

TEST(DamagedPack, DamagedInnerTarsAreErrors) {
  const std::string tar = layer_tar();
  const auto error = [&](const std::string& layer) {
    const std::string pack = with_layer(layer);
    read_every_way(pack);
    return verify_error_of_bytes(pack);
  };
  EXPECT_EQ(error(tar), "");
  for (std::size_t size = 0; size < tar.size() - 512; size += 256)
    EXPECT_NE(error(tar.substr(0, size)), "") << size;
  EXPECT_NE(error("gibberish"), "");
  EXPECT_NE(error(compressed(tar)), "");
  EXPECT_THAT(error(RawTar().add({.name = "/etc/x"}).finish()), HasSubstr("absolute"));
  EXPECT_THAT(error(RawTar().add({.name = "../x"}).finish()), HasSubstr(".."));
  EXPECT_THAT(error(RawTar().add({.name = "x"}).add({.name = "./x"}).finish()), HasSubstr("twice"));
  EXPECT_THAT(error(RawTar().add({.name = "x"}).add({.name = "x/y"}).finish()), HasSubstr("not a directory"));
  EXPECT_THAT(error(RawTar().add({.name = "h", .type = '1', .link = "x"}).add({.name = "x"}).finish()),
              HasSubstr("hard link"));
  EXPECT_NE(error(RawTar().add({.name = "h", .type = '1', .link = "/etc/passwd"}).finish()), "");
  EXPECT_NE(error(RawTar().add({.name = "h", .type = '1', .link = "../../x"}).finish()), "");
  EXPECT_EQ(error(RawTar().add({.name = "l", .type = '2', .link = "/"}).finish()), "");  // only warned of
}

TEST(DamagedPack, DamagedManifestsAreErrors) {
  const std::pair<const char*, std::function<void(Manifest&)>> cases[] = {
      {"CPU", [](Manifest& m) { m.cpus = 0; }},
      {"memory", [](Manifest& m) { m.mem = 63; }},
      {"do not hold", [](Manifest& m) { m.layers[0].path = "layers/bbbb.tar"; }},
      {"layers/<name>.tar", [](Manifest& m) { m.layers[0].path = "aaaa.tar"; }},
      {"layers/<name>.tar", [](Manifest& m) { m.layers[0].path = "layers/../aaaa.tar"; }},
      {"layers/<name>.tar", [](Manifest& m) { m.layers[0].path = "/layers/aaaa.tar"; }},
      {"layers/<name>.tar", [](Manifest& m) { m.layers[0].path = ""; }},
      {"invalid name of a layer", [](Manifest& m) { m.layers[0].path = "layers/archive.tar"; }},
      {"twice", [](Manifest& m) { m.layers.push_back(m.layers[0]); }},
      {"does not list", [](Manifest& m) { m.layers.clear(); }},
      {"do not hold", [](Manifest& m) { m.agent_rootfs.size = 100; }},
      {"overlay", [](Manifest& m) { m.mode = Manifest::Mode::vm; }},
      {"do not hold",
       [](Manifest& m) {
         m.overlay_template = Asset{"overlay.raw", 1};
       }},
      {"relative",
       [](Manifest& m) {
         m.storage_template = Asset{"../storage.ext4", 1};
       }},
      {"relative",
       [](Manifest& m) {
         m.workspace_seed = Asset{"/workspace.tar", 1};
       }},
  };
  for (const auto& [expected, change] : cases) {
    const std::string pack = with_manifest(change);
    EXPECT_THAT(verify_error_of_bytes(pack), HasSubstr(expected));
    read_every_way(pack);
  }
  const std::string assets = compressed(outer_tar(kLayers));
  const std::string manifest = manifest_for(kLayers).serialize();
  for (const std::string& text : {std::string(), std::string("{}"), std::string("null"), manifest + "\n}",
                                  manifest.substr(0, manifest.size() - 1), std::string(manifest.size(), '\0'),
                                  std::string(1 << 20, '['), "\xff" + manifest})
    EXPECT_THAT(verify_error_of_bytes(pack_bytes(assets, text)), HasSubstr("manifest"));
}

TEST(DamagedPack, BombsAreBounded) {
  // Two GiB of zeros in a file of a layer: allowed, and read without keeping them.
  std::string zeros;
  const std::string gibibyte_frame = [] {
    // Repeating a small frame is a cheap way to write much.
    return compressed(std::string(64u << 20, '\0'));
  }();
  const std::uint64_t size = 2ull << 30;
  const std::string inner = test::raw_header({.name = "zeros"}, size);
  Manifest manifest = manifest_for(kLayers);
  manifest.layers[0].size = 512 + size + 1024;
  std::string assets =
      compressed(test::raw_header({.name = "layers/aaaa.tar"}, manifest.layers[0].size) + inner);
  for (std::uint64_t done = 0; done < size; done += 64u << 20)
    assets += gibibyte_frame;
  assets += compressed(std::string(2048, '\0'));
  EXPECT_EQ(verify_error_of_bytes(pack_bytes(assets, manifest.serialize())), "");
  if (kSanitized) return;  // a sanitizer's own memory counts as well
  struct rusage usage;
  ASSERT_EQ(::getrusage(RUSAGE_SELF, &usage), 0);
  EXPECT_LT(usage.ru_maxrss, 400 * 1024);  // of this whole test program, in KiB
}

}  // namespace
}  // namespace bottle::pack
