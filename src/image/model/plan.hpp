// SPDX-License-Identifier: Apache-2.0
// The image plan: what an image is, before any layer tar exists. Later steps depend on its plan digest only.
//
// In a bottle's build directory it is a set of files:
//   image.json            the plan below; changes only if the plan digest changes
//   layers/<hex>.idx      the layer indexes by their identity digest (they also hold places, which no step
//   depends on) roots.json            what the names of context roots stand for on this machine: {"context":
//   "/abs", "base/context": "/abs"} blobs/<hex>           the blobs that places name, linked from the store,
//   so that collecting the store breaks no build tree
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "oci/content.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"
#include "store/store.hpp"
#include "util/digest.hpp"

namespace bottle::image {
inline namespace model {

struct PlanLayer {
  Digest digest;      // identity of the layer index
  std::string scope;  // put before the context roots of the index: "" or "base/"
  // Known when the layer came from outside as a tar; then the blob travels as it is.
  std::optional<Digest> diff_id;
  std::string blob_media_type;
  std::optional<Digest> blob;
  std::uint64_t blob_size = 0;
  // The index as text in the store, if it was put or found there by who loaded the layer; no part of the
  // plan.
  std::optional<store::Output> index_blob = std::nullopt;
};

struct Plan {
  // The OCI image configuration without rootfs.diff_ids and without "created" of layers not made yet: an
  // object with architecture, os, variant?, config, history (created, created_by, empty_layer?, comment?), as
  // JSON text with sorted keys (canonical).
  std::string config;
  std::vector<PlanLayer> layers;
  // The configuration's bytes as an outside engine wrote them; "" if Bottle made the image. Their digest is
  // the image ID, which an export keeps.
  std::string engine_config;

  // Merkle digest: SHA-256 over the config text and the layers' identity digests.
  Digest digest() const;
  std::string serialize() const;  // image.json
  static Plan parse(std::string_view text, const std::string& name);
};

// The configuration as an image has it: the engine's bytes, where there are any.
const std::string& image_config(const Plan& plan);
// "linux/amd64", as the configuration says; without the variant.
std::string platform_text(const Plan& plan);

// A plan with all that is needed to use it.
struct LoadedPlan {
  Plan plan;
  std::vector<oci::LayerIndex> layers;            // same order as plan.layers
  std::map<std::string, fs::path> context_roots;  // scoped name -> directory on this machine
  fs::path directory;                             // where it was loaded from; empty if it was just built
  std::vector<fs::path> blob_directories;         // build directories of other bottles whose blobs it uses

  // The file of a blob in the build directories or the store.
  std::optional<fs::path> find_blob(const Digest& digest, const store::Store& store) const;
  // Puts `base` below what is there: its layers first, with their context roots in the scope "<name>/".
  static LoadedPlan in_scope(LoadedPlan base, const std::string& name);

  oci::MergedTree merged() const;
  // Finds blobs in the build directories, then in the store.
  oci::ContentReader reader(const store::Store& store) const;

 private:
  LoadedPlan places() const;  // without layers: what finding blobs needs
};

// Reads the plan of a bottle's build directory (the directory with image.json).
LoadedPlan load_plan(const fs::path& directory);
// Writes it there (image.json last, and only if it changed) with layers/, roots.json and blobs/ linked from
// the store; removes layers and blobs that are no longer named. Returns whether image.json changed.
bool save_plan(const LoadedPlan& plan, const fs::path& directory, const store::Store& store);

}  // namespace model
}  // namespace bottle::image
