#include "smolmachine/pack_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "oci/tar_writer.hpp"
#include "smolmachine/chunker.hpp"
#include "smolmachine/crc32.hpp"
#include "smolmachine/footer.hpp"
#include "smolmachine/limits.hpp"
#include "smolmachine/outer_tar.hpp"
#include "smolmachine/pack_entries.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/parallel.hpp"
#include "util/stage.hpp"
#include "util/text.hpp"

namespace bottle::smolmachine {
namespace {

constexpr int kRecipeFormat = 1;

std::shared_ptr<const Bytes> copy_of(std::span<const std::byte> bytes) {
  return std::make_shared<const Bytes>(bytes.begin(), bytes.end());
}

// The file under way: position, CRC-32 and SHA-256 of what was written. With more than one thread hashing
// goes on beside writing, since it takes as long.
class PackFile {
 public:
  PackFile(int descriptor, std::string name, std::size_t threads)
      : descriptor_(descriptor), name_(std::move(name)), hashing_(threads > 1 ? kHashing : 0) {}

  void frame(const std::shared_ptr<const Bytes>& bytes, std::uint32_t crc) {
    write(bytes);
    crc_ = combine_crc32(crc_, crc, bytes->size());
  }

  void finish(const std::string& manifest) {
    Footer footer;
    footer.assets_size = size_;
    footer.manifest_offset = size_;
    footer.manifest_size = manifest.size();
    if (manifest.size() > kMaximumManifestSize)
      throw Error(fmt::format("the manifest has {} bytes: smolvm reads at most {}", manifest.size(),
                              kMaximumManifestSize),
                  {.where = name_});
    write(copy_of(std::as_bytes(std::span(manifest))));
    footer.checksum = crc32(crc_, manifest);
    write(copy_of(encode_footer(footer)));
  }

  std::uint64_t size() const { return size_; }
  Digest digest() {
    hashing_.finish();
    return hasher_.finish();
  }

 private:
  static constexpr std::size_t kHashing = 2;  // frames, of a few MiB at most

  void write(const std::shared_ptr<const Bytes>& bytes) {
    hashing_.add([this, bytes] { hasher_.update(*bytes); });
    write_all(descriptor_, *bytes, name_);
    size_ += bytes->size();
  }

  int descriptor_;
  std::string name_;
  std::uint64_t size_ = 0;
  std::uint32_t crc_ = 0;
  Sha256 hasher_;
  Stage hashing_;  // last: it uses the hasher
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
    oci::MergedTree tree;
    tree.apply(settings.runtime->index, "agent rootfs");
    PackEntries entries = pack_entries(tree, "agent rootfs", recipe.findings);
    agent.emplace(Archive{
        "agent rootfs", std::move(entries.entries), tree.roots(),
        oci::ContentReader({{"context:runtime", settings.runtime->directory}}, [](const Digest&) -> fs::path {
          throw Error("an agent root filesystem has no blobs");
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
    PackEntries entries = pack_entries(tree, "image", recipe.findings);
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

  PackFile file(output, output_name, settings.threads == 0 ? default_threads() : settings.threads);
  counts = write_frames(
      chunks, store, settings.options.level, settings.threads, [&](const Chunk& chunk, const Frame& frame) {
        file.frame(frame.bytes, frame.crc);
        PackRecipe::Piece piece{frame.digest, frame.key, {}, frame.bytes->size(), frame.crc, frame.raw_size};
        if (chunk.kind == Chunk::Kind::literal)
          piece.bytes.assign(reinterpret_cast<const char*>(frame.bytes->data()), frame.bytes->size());
        recipe.frames.push_back(std::move(piece));
      });
  file.finish(recipe.manifest);
  recipe.pack_digest = file.digest();
  recipe.pack_size = file.size();
  return recipe;
}

bool write_pack(const PackRecipe& recipe, const store::Store& store, int output,
                const std::string& output_name) {
  PackFile file(output, output_name, default_threads());
  BufferPool buffers(kFrameBuffer);
  for (const PackRecipe::Piece& piece : recipe.frames) {
    check_interrupted();
    if (piece.blob.empty()) {
      file.frame(copy_of(std::as_bytes(std::span(piece.bytes))), piece.crc);
      continue;
    }
    const std::optional<Frame> frame =
        read_stored_frame(store, piece.blob, piece.size, piece.crc, piece.raw_size, buffers);
    if (!frame) return false;
    file.frame(frame->bytes, piece.crc);
  }
  file.finish(recipe.manifest);
  return file.digest() == recipe.pack_digest;
}

std::string PackRecipe::serialize() const {
  OrderedJson json;
  json["recipe"] = kRecipeFormat;
  json["packDigest"] = pack_digest.string();
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
  if (view.at("recipe").unsigned_number() != kRecipeFormat) view.at("recipe").fail("1");
  PackRecipe recipe;
  recipe.pack_digest = digest_of(view.at("packDigest"));
  recipe.pack_size = view.at("packSize").unsigned_number();
  recipe.layer_id = view.at("layer").string();
  recipe.layer_size = view.at("layerSize").unsigned_number();
  recipe.entries = view.at("entries").unsigned_number();
  recipe.image_size = view.at("imageSize").unsigned_number();
  recipe.findings = {view.at("warnings").strings(), view.at("notes").strings()};
  recipe.manifest = view.at("manifest").string();
  for (const JsonView& item : view.at("frames").elements()) {
    const std::vector<JsonView> parts = item.elements();
    if (parts.size() != 5) item.fail("an array of five");
    Piece piece;
    if (parts[0].string().starts_with("sha256:"))
      piece.blob = digest_of(parts[0]);
    else
      piece.bytes = bytes_of(parts[0]);
    piece.size = parts[1].unsigned_number();
    piece.crc = static_cast<std::uint32_t>(parts[2].unsigned_number(UINT32_MAX));
    piece.raw_size = parts[3].unsigned_number();
    piece.key = digest_of(parts[4]);
    recipe.frames.push_back(std::move(piece));
  }
  return recipe;
}

}  // namespace bottle::smolmachine
