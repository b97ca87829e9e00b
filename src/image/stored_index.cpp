#include "image/stored_index.hpp"

namespace bottle::image {

std::optional<std::string> read_stored(const Digest& digest, const store::Store& store) {
  constexpr std::uint64_t kLimit = 4ull << 30;
  const auto path = store.find_blob(digest);
  if (!path) return std::nullopt;
  std::string text = read_file(*path, kLimit);
  if (sha256(text) == digest) return text;
  store.drop_damaged_blob(digest, "its content does not have its digest");
  return std::nullopt;
}

std::optional<oci::LayerIndex> read_stored_index(const Digest& digest, const store::Store& store) {
  const auto text = read_stored(digest, store);
  if (!text) return std::nullopt;
  return oci::LayerIndex::parse(*text, store.blob_path(digest).native());
}

}  // namespace bottle::image
