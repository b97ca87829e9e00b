// SPDX-License-Identifier: Apache-2.0
// The step from an image plan to a `.smolmachine` file: key, store lookup, writing, records.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "pack/pack_writer.hpp"
#include "store/store.hpp"
#include "util/file.hpp"

namespace bottle::pack {

struct PackRequest {
  std::string slug;
  fs::path plan_directory;  // with image.json
  fs::path output;
  PackOptions options;
  std::string runtime;                                   // see find_runtime()
  std::size_t threads = 0;                               // 0: default_threads()
  std::string packer = "native";                         // or "smolvm"
  std::string registry_image = {};                       // see SmolvmPackRequest
  std::function<void(const std::string&)> on_line = {};  // progress of an outside packer
  // Where pack.json, pack.key and pack.last.json go; empty: nowhere.
  fs::path records;
};

struct PackOutcome {
  std::string outcome;  // "built", "stored" (frames and manifest from the store), "unchanged" (already there)
  std::string reason;   // why it had to run, see store::run_reason
  std::string key;      // hex
  Digest plan_digest;
  std::optional<fs::path> runtime;
  PackRecipe recipe;
  FrameCounts frames;
  bool replaced = false;  // the output file is another than before
  std::uint64_t milliseconds = 0;

  std::string json(const PackRequest& request) const;  // pack.json
};

// The output appears whole or not at all, and is left alone (with its time) if it would be the same.
PackOutcome make_pack(const PackRequest& request, store::Store& store);

}  // namespace bottle::pack
