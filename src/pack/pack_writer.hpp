// SPDX-License-Identifier: Apache-2.0
// Writing a pack from an image plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/model/plan.hpp"
#include "pack/describe.hpp"
#include "pack/findings.hpp"
#include "pack/frame_writer.hpp"
#include "pack/runtime.hpp"
#include "store/store.hpp"
#include "util/digest.hpp"

namespace bottle::pack {

// All that is said of a pack, and enough to put it together again from the store.
struct PackRecipe {
  struct Piece {
    Digest blob;        // of a frame in the store; empty: `bytes` is the frame
    Digest key;         // of the frame's action
    std::string bytes;  // a few hundred
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
    std::uint64_t raw_size = 0;
  };
  std::vector<Piece> frames;
  std::string manifest;

  std::uint64_t pack_size = 0;
  std::string layer_id;  // hex
  std::uint64_t layer_size = 0;
  std::uint64_t entries = 0;
  std::uint64_t image_size = 0;
  Findings findings;

  // SHA-256 over digest and size of each piece, and the manifest. Packs of one identity are the same bytes,
  // and it costs no look at them: the SHA-256 of a file of 100 MB takes longer than putting it together.
  Digest identity() const;

  std::string serialize() const;
  static PackRecipe parse(std::string_view text, const std::string& name);
};

struct PackSettings {
  PackOptions options;
  std::optional<Runtime> runtime;
  std::size_t threads = 0;  // 0: default_threads()
};

// Writes the pack to the open file (at its position, which must be its start). The bytes depend on plan,
// options, runtime and libzstd's version only. `counts` says what had to be compressed.
PackRecipe write_pack(const image::LoadedPlan& plan, const PackSettings& settings, store::Store& store,
                      int output, const std::string& output_name, FrameCounts& counts);

// Writes the pack a recipe describes, from the store alone. False, with the file in any state, if a frame is
// gone or damaged.
bool write_pack(const PackRecipe& recipe, const store::Store& store, int output,
                const std::string& output_name);

// Whether an open file of the recipe's size has the bytes that write_pack() would write, by their digests.
bool is_pack(const PackRecipe& recipe, int file, const std::string& name);

}  // namespace bottle::pack
