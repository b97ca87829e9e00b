// SPDX-License-Identifier: Apache-2.0
#include "registry/server/repositories.hpp"
#include "oci/reference.hpp"

#include "registry/server/target.hpp"
#include "util/error.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace bottle::registry {
namespace {

// Each may hold its index in memory.
constexpr std::size_t kOpenLayouts = 256;

std::string folder_of(std::string_view name) {
  std::string folder(name);
  std::replace(folder.begin(), folder.end(), '/', '+');
  return folder;
}

}  // namespace

Repositories::Repositories(Kind kind, fs::path directory, Durable durable)
    : kind_(kind), directory_(std::move(directory)), durable_(durable) {
  if (kind_ == Kind::store) store_ = store::Store::open(directory_);
}

std::shared_ptr<Layout> Repositories::layout_of(const fs::path& directory) const {
  const std::lock_guard guard(mutex_);
  auto& layout = layouts_[directory];
  if (layout) return layout;
  auto made = std::make_shared<Layout>(directory, durable_);
  layout = made;
  // Not those in use: their locks order the changes of this process.
  for (auto other = layouts_.begin(); other != layouts_.end() && layouts_.size() > kOpenLayouts;)
    other = other->second.use_count() == 1 ? layouts_.erase(other) : std::next(other);
  return made;
}

std::shared_ptr<Layout> Repositories::find(std::string_view name) const {
  // A store has no layout: this one has neither an index nor its own blobs.
  if (kind_ == Kind::store) return layout_of(fs::path("/dev/null/store"));
  const fs::path directory = kind_ == Kind::layout ? directory_ : directory_ / folder_of(name);
  if (::access((directory / "index.json").c_str(), F_OK) != 0) return nullptr;
  return layout_of(directory);
}

std::shared_ptr<Layout> Repositories::make(std::string_view name) {
  if (auto layout = find(name)) return layout;
  auto layout = layout_of(kind_ == Kind::layout ? directory_ : directory_ / folder_of(name));
  layout->create();
  return layout;
}

std::vector<std::string> Repositories::names() const {
  std::vector<std::string> names;
  if (kind_ != Kind::root) return names;
  for (const fs::path& directory : directories()) {
    std::string name = directory.filename().native();
    std::replace(name.begin(), name.end(), '+', '/');
    if (oci::is_repository(name)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<fs::path> Repositories::directories() const {
  std::vector<fs::path> found;
  if (kind_ == Kind::store) return found;
  const auto add = [&](const fs::path& directory) {
    if (::access((directory / "index.json").c_str(), F_OK) == 0) found.push_back(directory);
  };
  if (kind_ == Kind::layout) {
    add(directory_);
    return found;
  }
  std::error_code error;
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error))
    add(entry->path());
  if (error && error.value() != ENOENT)
    throw_errno("cannot read the directory", directory_.native(), error.value());
  return found;
}

std::shared_ptr<Layout> Repositories::find_blob(const oci::ContentDigest& digest) const {
  for (const fs::path& directory : directories()) {
    auto layout = layout_of(directory);
    if (layout->has_blob(digest)) return layout;
  }
  return nullptr;
}

std::optional<OpenBlob> Repositories::open_blob(const Layout& layout,
                                                const oci::ContentDigest& digest) const {
  if (!store_) return layout.open_blob(digest);
  if (digest.algorithm != oci::Algorithm::sha256) return std::nullopt;
  const auto path = store_->find_blob(*Digest::from_hex(digest.hex));
  if (!path) return std::nullopt;
  OpenBlob blob{open_for_reading(*path)};
  blob.size = static_cast<std::uint64_t>(stat_of(blob.file.get(), path->native()).st_size);
  return blob;
}

bool Repositories::has_blob(const Layout& layout, const oci::ContentDigest& digest) const {
  return store_ ? open_blob(layout, digest).has_value() : layout.has_blob(digest);
}

}  // namespace bottle::registry
