// SPDX-License-Identifier: Apache-2.0
#include "image/model/stored_index.hpp"

#include <utility>

#include "util/parallel.hpp"

namespace bottle::image {
inline namespace model {
namespace {

constexpr std::size_t kLong = 256u << 10;  // bytes: worth a thread

}  // namespace

std::optional<std::string> read_stored(const Digest& digest, const store::Store& store) {
  constexpr std::uint64_t kLimit = 4ull << 30;
  const auto path = store.find_blob(digest);
  if (!path) return std::nullopt;
  std::string text = read_file(*path, kLimit);
  if (sha256(text) == digest) return text;
  store.drop_damaged_blob(digest, "its content does not match its digest");
  return std::nullopt;
}

std::optional<StoredIndex> read_stored_index(const Digest& digest, const store::Store& store) {
  const auto text = read_stored(digest, store);
  if (!text) return std::nullopt;
  return StoredIndex{.index = oci::LayerIndex::parse(*text, store.blob_path(digest).native()),
                     .digest = oci::LayerIndex::digest_of(*text),
                     .blob = {digest, text->size()}};
}

StoredIndex store_index(oci::LayerIndex index, const store::Store& store) {
  const std::string text = index.serialize();
  StoredIndex stored;
  both(
      text.size() > kLong, [&] { stored.digest = oci::LayerIndex::digest_of(text); },
      [&] { stored.blob = store.put(text); });
  stored.index = std::move(index);
  return stored;
}

}  // namespace model
}  // namespace bottle::image
