// SPDX-License-Identifier: Apache-2.0
#include "pack/smolvm_packer.hpp"

#include <algorithm>

#include "image/model/export.hpp"
#include "oci/descriptor.hpp"
#include "pack/crc32.hpp"
#include "pack/footer.hpp"
#include "pack/pack_file.hpp"
#include "pack/smolvm_command.hpp"
#include "pack/smolvm_registry.hpp"
#include "pack/verify.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/staged_directory.hpp"

namespace bottle::pack {
namespace {

// Pieces of the assets in the store: enough to hold two of them in memory when the pack is put together
// again.
constexpr std::size_t kPiece = 4u << 20;
// Of the image ID, in the tag that smolvm asks for.
constexpr std::size_t kTagDigits = 16;

// The image's name in a layout, once its ID is known.
void set_ref_name(const fs::path& layout, const std::string& name) {
  const fs::path file = layout / "index.json";
  Json index = parse_json(read_file(file), file.native());
  index.at("manifests").at(0)["annotations"][std::string(oci::kRefNameAnnotation)] = name;
  write_file(file, index.dump(), Durable::no);
}

// What a file of these entries weighs, roughly, for the pre-flight.
std::uint64_t weight(const image::LoadedPlan& plan) {
  std::uint64_t bytes = 0;
  for (const oci::LayerIndex& layer : plan.layers)
    for (const oci::Entry& entry : layer.entries)
      bytes += entry.size;
  return bytes;
}

// smolvm's manifest with the fields that the native packer would write.
Manifest with_native_fields(Manifest manifest, const Manifest& native) {
  manifest.image = native.image;
  manifest.digest = native.digest;
  manifest.platform = native.platform;
  manifest.entrypoint = native.entrypoint;
  manifest.cmd = native.cmd;
  manifest.env = native.env;
  manifest.workdir = native.workdir;
  manifest.user = native.user;
  manifest.cpus = native.cpus;
  manifest.mem = native.mem;
  manifest.network = native.network;
  return manifest;
}

PackRecipe take_in(const fs::path& file, const SmolvmPackRequest& request, const store::Store& store,
                   std::map<std::string, store::Output>& outputs) {
  PackRecipe recipe;
  const OpenPack pack = open_pack(file);
  const VerifyReport report = verify_pack(pack);
  recipe.findings = report.findings;
  recipe.entries = report.entries;
  const Manifest native =
      describe_image(image::image_config(request.plan.plan), request.options, recipe.findings);
  const Manifest manifest = with_native_fields(pack.manifest, native);
  recipe.manifest = manifest.serialize(foreign_members(pack.manifest_text));
  recipe.image_size = manifest.image_size;
  if (!manifest.layers.empty()) {
    recipe.layer_id = layer_stem(manifest.layers.back().path);
    recipe.layer_size = manifest.layers.back().size;
  }
  std::string bytes(kPiece, '\0');
  for (std::uint64_t at = 0; at < pack.footer.assets_size;) {
    check_interrupted();
    bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, pack.footer.assets_size - at)));
    if (pread_some(pack.file.get(), std::as_writable_bytes(std::span(bytes)), at, pack.name) != bytes.size())
      throw Error("the pack is truncated", {.where = pack.name});
    const store::Output stored = store.put(bytes);
    outputs["assets/" + std::to_string(recipe.frames.size())] = stored;
    recipe.frames.push_back({.blob = stored.digest,
                             .key = {},
                             .bytes = {},
                             .size = bytes.size(),
                             .crc = crc32(0, bytes),
                             .raw_size = bytes.size()});
    at += bytes.size();
  }
  recipe.pack_size = pack.footer.assets_size + recipe.manifest.size() + kFooterSize;
  return recipe;
}

}  // namespace

PackRecipe make_smolvm_pack(const SmolvmPackRequest& request, const store::Store& store,
                            std::map<std::string, store::Output>& outputs) {
  const StagedDirectory work(request.directory / "smolvm");
  const fs::path layout = work.path() / "oci";
  const image::ExportReport exported = image::export_layout(request.plan, store, layout, {});
  const std::string tag = exported.image_id.hex().substr(0, kTagDigits);
  set_ref_name(layout, tag);
  const PackRegistryRequest served{
      .layout = layout, .slug = request.slug, .tag = tag, .build_directory = request.directory};
  const auto registry = request.registry_image.empty()
                            ? serve_layout(served)
                            : run_registry_container(served, request.registry_image, store);
  SmolvmImage image{.reference = registry->reference(),
                    .cpus = request.options.cpus,
                    .memory_mib = request.options.memory_mib,
                    .platform = image::platform_text(request.plan.plan),
                    .entrypoint = std::nullopt,
                    .output = work.path() / request.slug,
                    .agent_rootfs = request.runtime.value_or("")};
  if (request.options.entrypoint && request.options.entrypoint->size() == 1)
    image.entrypoint = request.options.entrypoint->front();
  const SmolvmInstallation smolvm = check_smolvm(image.reference, weight(request.plan), request.runtime);
  request.on_line("smolvm " + smolvm.version + ": " + image.reference);
  return take_in(run_smolvm(image, request.on_line), request, store, outputs);
}

}  // namespace bottle::pack
