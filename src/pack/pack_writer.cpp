// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "oci/tar_writer.hpp"
#include "pack/chunker.hpp"
#include "pack/crc32.hpp"
#include "pack/footer.hpp"
#include "pack/limits.hpp"
#include "pack/outer_tar.hpp"
#include "pack/pack_entries.hpp"
#include "pack/pack_user.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/parallel.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr int kRecipeFormat = 2;
constexpr std::uint64_t kMaximumFrame = 4 * kMaximumChunk;  // none comes near it
constexpr std::size_t kWaiting = 4;  // frames read ahead of the writing, besides one a thread

// What follows the frames: manifest and footer.
std::string end_of_pack(const std::string& manifest, std::uint64_t assets_size, std::uint32_t assets_crc) {
  Footer footer;
  footer.assets_size = assets_size;
  footer.manifest_offset = assets_size;
  footer.manifest_size = manifest.size();
  footer.checksum = crc32(assets_crc, manifest);
  const auto bytes = encode_footer(footer);
  return manifest + std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// The file under way: size and CRC-32 of what was written.
class PackFile {
 public:
  PackFile(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  void frame(std::span<const std::byte> bytes, std::uint32_t crc) {
    write(bytes);
    crc_ = combine_crc32(crc_, crc, bytes.size());
  }

  void finish(const std::string& manifest) {
    if (manifest.size() > kMaximumManifestSize)
      throw Error(fmt::format("the manifest has {} bytes: smolvm reads at most {}", manifest.size(),
                              kMaximumManifestSize),
                  {.where = name_});
    const std::string end = end_of_pack(manifest, size_, crc_);
    write(std::as_bytes(std::span(end)));
  }

  std::uint64_t size() const { return size_; }

 private:
  void write(std::span<const std::byte> bytes) {
    write_all(descriptor_, bytes, name_);
    size_ += bytes.size();
  }

  int descriptor_;
  std::string name_;
  std::uint64_t size_ = 0;
  std::uint32_t crc_ = 0;
};

void append(std::vector<Chunk>& chunks, ArchiveChunks&& more) {
  std::move(more.chunks.begin(), more.chunks.end(), std::back_inserter(chunks));
}

// The end of an inner tar, and the zeros up to the outer tar's next header: none, tars are whole blocks.
std::string end_of_archive() {
  return std::string(oci::tar_end());
}

std::string hex_of(std::string_view bytes) {
  std::string text;
  for (const char c : bytes)
    text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string bytes_of(const JsonView& view) {
  const std::string hex = view.string();
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    const auto value = parse_unsigned(std::string_view(hex).substr(i, 2), 16);
    if (!value) view.fail("hexadecimal digits");
    bytes += static_cast<char>(*value);
  }
  return bytes;
}

Digest digest_of(const JsonView& view) {
  const auto digest = Digest::parse(view.string());
  if (!digest) view.fail("sha256:<64 hexadecimal digits>");
  return *digest;
}

// The manifest's smolvm_version for a pack with this agent: the agent's, by which a smolvm decides whether
// the guest can unpack the layers.
std::string describe_agent(const Runtime& runtime, Findings& findings) {
  const auto& [version, problem] = runtime.agent;
  const char* lost =
      "smolvm unpacks the layers of this pack on the host, where owners and set-id bits are lost";
  if (!version) {
    findings.warnings.push_back(
        fmt::format("agent rootfs: cannot determine the version of the agent: {}; {}", problem, lost));
    return unknown_pack_version();
  }
  if (*version < kOldestSmolvm)
    findings.warnings.push_back(
        fmt::format("agent rootfs: the agent belongs to smolvm {}, expected {} or newer: {}",
                    version->string(), kOldestSmolvm.string(), lost));
  return version->string();
}

}  // namespace

PackRecipe write_pack(const image::LoadedPlan& plan, const PackSettings& settings, store::Store& store,
                      int output, const std::string& output_name, FrameCounts& counts) {
  PackRecipe recipe;
  Manifest manifest = describe_image(image::image_config(plan.plan), settings.options, recipe.findings);

  std::vector<Chunk> chunks;
  std::string structure;  // outer tar bytes since the last chunk of contents
  const auto end_structure = [&] {
    if (!structure.empty()) chunks.push_back(literal_chunk(std::exchange(structure, {})));
  };

  std::optional<Archive> agent;
  manifest.agent_rootfs.path = kAgentMember;
  if (settings.runtime) {
    manifest.smolvm_version = describe_agent(*settings.runtime, recipe.findings);
    oci::MergedTree tree;
    tree.apply(settings.runtime->index, "agent rootfs");
    PackEntries entries = pack_entries(tree, "agent rootfs", settings.options.smolvm, recipe.findings);
    agent.emplace(Archive{
        "agent rootfs", std::move(entries.entries), tree.roots(),
        oci::ContentReader({{"context:runtime", settings.runtime->directory}}, [](const Digest&) -> fs::path {
          throw Error("an agent root filesystem does not use blobs");
        })});
    ArchiveChunks cut = cut_chunks(*agent, settings.threads);
    manifest.agent_rootfs.size = cut.size + end_of_archive().size();
    structure += outer_file_header(kAgentMember, manifest.agent_rootfs.size);
    end_structure();
    append(chunks, std::move(cut));
    structure += end_of_archive();
  }

  std::optional<Archive> layer;
  {
    const oci::MergedTree tree = plan.merged();
    if (manifest.user)
      manifest.user = resolvable_user(*manifest.user, tree, plan.reader(store), recipe.findings);
    PackEntries entries = pack_entries(tree, "image", settings.options.smolvm, recipe.findings);
    recipe.image_size = std::max<std::uint64_t>(1, entries.file_bytes);
    recipe.entries = entries.entries.size();
    layer.emplace(Archive{"layer", std::move(entries.entries), tree.roots(), plan.reader(store)});
  }
  ArchiveChunks cut = cut_chunks(*layer, settings.threads);
  recipe.layer_id = cut.identity.hex();
  recipe.layer_size = cut.size + end_of_archive().size();
  const std::string layer_path = fmt::format("{}/{}.tar", kLayerDirectory, recipe.layer_id);
  structure += outer_directory_header(std::string(kLayerDirectory) + "/");
  structure += outer_file_header(layer_path, recipe.layer_size);
  end_structure();
  append(chunks, std::move(cut));
  structure += end_of_archive();  // of the layer
  structure += end_of_archive();  // of the outer tar
  end_structure();

  manifest.image_size = recipe.image_size;
  manifest.layers.push_back({"sha256:" + recipe.layer_id, layer_path, recipe.layer_size});
  recipe.manifest = manifest.serialize();

  PackFile file(output, output_name);
  counts = write_frames(
      chunks, store, settings.options.level, settings.threads, [&](const Chunk& chunk, const Frame& frame) {
        file.frame(*frame.bytes, frame.crc);
        PackRecipe::Piece piece{frame.digest, frame.key, {}, frame.bytes->size(), frame.crc, frame.raw_size};
        if (chunk.kind == Chunk::Kind::literal)
          piece.bytes.assign(reinterpret_cast<const char*>(frame.bytes->data()), frame.bytes->size());
        recipe.frames.push_back(std::move(piece));
      });
  file.finish(recipe.manifest);
  recipe.pack_size = file.size();
  return recipe;
}

bool write_pack(const PackRecipe& recipe, const store::Store& store, int output,
                const std::string& output_name) {
  PackFile file(output, output_name);
  BufferPool buffers(kFrameBuffer);
  std::atomic<bool> whole = true;
  std::vector<std::optional<Frame>> stored(recipe.frames.size());
  const std::size_t threads = std::min(default_threads(), kMaximumThreads);
  parallel_ordered(
      recipe.frames.size(), threads, threads + kWaiting,
      [&](std::size_t i) {
        const PackRecipe::Piece& piece = recipe.frames[i];
        if (!whole || piece.blob.empty()) return;
        stored[i] = read_stored_frame(store, piece.blob, piece.size, piece.crc, piece.raw_size, buffers);
        if (!stored[i]) whole = false;
      },
      [&](std::size_t i) {
        const PackRecipe::Piece& piece = recipe.frames[i];
        if (!whole) return;
        if (piece.blob.empty())
          file.frame(std::as_bytes(std::span(piece.bytes)), piece.crc);
        else
          file.frame(*stored[i]->bytes, piece.crc);
        stored[i].reset();
      });
  if (whole) file.finish(recipe.manifest);
  return whole;
}

bool is_pack(const PackRecipe& recipe, int file, const std::string& name) {
  std::vector<std::uint64_t> offsets;
  std::uint64_t assets_size = 0;
  std::uint32_t crc = 0;
  for (const PackRecipe::Piece& piece : recipe.frames) {
    offsets.push_back(assets_size);
    assets_size += piece.size;
    crc = combine_crc32(crc, piece.crc, piece.size);
  }
  BufferPool buffers(kFrameBuffer);
  const auto read = [&](std::uint64_t offset, std::uint64_t size) {
    std::shared_ptr<Bytes> bytes = buffers.take(size);
    bytes->resize(pread_some(file, *bytes, offset, name));
    return bytes;
  };
  const auto equal = [](const Bytes& bytes, const std::string& text) {
    return bytes.size() == text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
  };
  const std::string end = end_of_pack(recipe.manifest, assets_size, crc);
  if (!equal(*read(assets_size, end.size()), end)) return false;
  std::atomic<bool> same = true;
  parallel_for(recipe.frames.size(), std::min(default_threads(), kMaximumThreads), [&](std::size_t i) {
    if (!same) return;
    const PackRecipe::Piece& piece = recipe.frames[i];
    const std::shared_ptr<Bytes> bytes = read(offsets[i], piece.size);
    if (piece.blob.empty() ? !equal(*bytes, piece.bytes) : sha256(*bytes) != piece.blob) same = false;
  });
  return same;
}

Digest PackRecipe::identity() const {
  std::string text;
  for (const Piece& piece : frames)
    text += fmt::format("{} {}\n", (piece.blob.empty() ? sha256(piece.bytes) : piece.blob).hex(), piece.size);
  return sha256(text + manifest);
}

std::string PackRecipe::serialize() const {
  OrderedJson json;
  json["recipe"] = kRecipeFormat;
  json["packSize"] = pack_size;
  json["layer"] = layer_id;
  json["layerSize"] = layer_size;
  json["entries"] = entries;
  json["imageSize"] = image_size;
  json["warnings"] = findings.warnings;
  json["notes"] = findings.notes;
  json["manifest"] = manifest;
  json["frames"] = OrderedJson::array();
  for (const Piece& piece : frames) {
    // [blob or hexadecimal bytes, size, CRC-32, uncompressed size, action key]
    const std::string where = piece.blob.empty() ? hex_of(piece.bytes) : piece.blob.string();
    json["frames"].push_back({where, piece.size, piece.crc, piece.raw_size, piece.key.string()});
  }
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

PackRecipe PackRecipe::parse(std::string_view text, const std::string& name) {
  const Json document = parse_json(text, name);
  const JsonView view(document, name + "#");
  if (view.at("recipe").unsigned_number() != kRecipeFormat) view.at("recipe").fail("2");
  PackRecipe recipe;
  recipe.pack_size = view.at("packSize").unsigned_number();
  recipe.layer_id = view.at("layer").string();
  recipe.layer_size = view.at("layerSize").unsigned_number();
  recipe.entries = view.at("entries").unsigned_number();
  recipe.image_size = view.at("imageSize").unsigned_number();
  recipe.findings = {view.at("warnings").strings(), view.at("notes").strings()};
  recipe.manifest = view.at("manifest").string();
  std::uint64_t assets_size = 0;
  for (const JsonView& item : view.at("frames").elements()) {
    const std::vector<JsonView> parts = item.elements();
    if (parts.size() != 5) item.fail("an array of five");
    Piece piece;
    if (parts[0].string().starts_with("sha256:"))
      piece.blob = digest_of(parts[0]);
    else
      piece.bytes = bytes_of(parts[0]);
    piece.size = parts[1].unsigned_number(kMaximumFrame);
    if (piece.blob.empty() && piece.size != piece.bytes.size()) parts[1].fail("the number of the bytes");
    assets_size += piece.size;
    piece.crc = static_cast<std::uint32_t>(parts[2].unsigned_number(UINT32_MAX));
    piece.raw_size = parts[3].unsigned_number();
    piece.key = digest_of(parts[4]);
    recipe.frames.push_back(std::move(piece));
  }
  if (recipe.pack_size != assets_size + recipe.manifest.size() + kFooterSize)
    view.at("packSize").fail("the sizes of frames, manifest and footer together");
  return recipe;
}

}  // namespace bottle::pack
