// SPDX-License-Identifier: Apache-2.0
#include "copy/archive.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "oci/decompress.hpp"
#include "oci/layer_import.hpp"
#include "oci/tar_reader.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/interrupt.hpp"

namespace bottle::copy {
namespace {

constexpr const char* kIndex = "index";
constexpr const char* kTar = "tar";

// The bytes of an entry, hashed as they are read.
class HashedFile {
 public:
  HashedFile(const oci::ContentReader& reader, const oci::Entry& entry, const std::vector<std::string>& roots)
      : entry_(entry), opened_(reader.open(entry, roots)) {}

  std::size_t read(std::span<std::byte> data) {
    const std::uint64_t left = entry_.size - at_;
    data = data.first(static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), left)));
    const std::size_t count = pread_some(opened_.file->get(), data, opened_.offset + at_, opened_.name);
    hash_.update(data.first(count));
    at_ += count;
    return count;
  }

  // Reads what is left and throws if it was not the content that the entry stands for.
  void verify() {
    std::vector<std::byte> buffer(256 << 10);
    while (read(buffer) != 0)
      check_interrupted();
    const Digest digest = hash_.finish();
    if (at_ != entry_.size || digest != entry_.digest) {
      oci::ContentReader::fail_changed(opened_, entry_, at_, digest);
    }
  }

  const std::string& name() const { return opened_.name; }

 private:
  const oci::Entry& entry_;
  oci::ContentReader::Opened opened_;
  std::uint64_t at_ = 0;
  Sha256 hash_;
};

class Opener {
 public:
  Opener(const store::Store& store, const oci::ContentReader& reader, const ArchiveLimits& limits)
      : store_(store), reader_(reader), limits_(limits) {}

  std::optional<oci::LayerIndex> open(const oci::Entry& entry, const std::vector<std::string>& roots) const {
    if (entry.type != oci::EntryType::file || entry.size == 0) return std::nullopt;
    const Digest key = sha256("bottle-archive 1\nfile = " + entry.digest.hex() + "\n");
    if (auto known = find(key)) return known;
    if (!is_archive(entry, roots)) return std::nullopt;
    return import(entry, roots, key);
  }

 private:
  std::optional<oci::LayerIndex> find(const Digest& key) const {
    const store::Store::Lookup lookup = store_.find_action(key);
    if (lookup.presence != store::Presence::present) return std::nullopt;
    const auto index = lookup.result->outputs.find(kIndex);
    if (index == lookup.result->outputs.end()) return std::nullopt;
    const auto path = store_.find_blob(index->second.digest);
    if (!path) return std::nullopt;
    const std::string text = read_file(*path, index->second.size);
    if (sha256(text) != index->second.digest) {
      store_.drop_damaged_blob(index->second.digest, "the index of the archive does not match its digest");
      return std::nullopt;
    }
    return oci::LayerIndex::parse(text, path->native());
  }

  std::uint64_t maximum_output(const oci::Entry& entry) const {
    return oci::maximum_inflated(entry.size, limits_.size, limits_.ratio.value_or(oci::ratio_bound()),
                                 limits_.ratio_from);
  }

  // A first member can be read. Whatever is wrong before that makes it a file like any other.
  bool is_archive(const oci::Entry& entry, const std::vector<std::string>& roots) const {
    HashedFile file(reader_, entry, roots);
    try {
      oci::Decompressor plain([&](std::span<std::byte> data) { return file.read(data); }, file.name(),
                              maximum_output(entry));
      oci::TarReader tar([&](std::span<std::byte> data) { return plain.read(data); }, file.name(),
                         oci::Whiteouts::literal);
      return tar.next().has_value();
    } catch (const Error&) {
      return false;
    }
  }

  oci::LayerIndex import(const oci::Entry& entry, const std::vector<std::string>& roots,
                         const Digest& key) const {
    const auto start = std::chrono::steady_clock::now();
    HashedFile file(reader_, entry, roots);
    store::Store::Writer writer(store_);
    oci::Decompressor plain([&](std::span<std::byte> data) { return file.read(data); }, file.name(),
                            maximum_output(entry));
    // What the reader does not ask for (after the end marker) does not enter the store.
    oci::TarReader tar(
        [&](std::span<std::byte> data) {
          check_interrupted();
          const std::size_t count = plain.read(data);
          writer.write(data.first(count));
          return count;
        },
        file.name(), oci::Whiteouts::literal);
    store::ActionResult result;
    oci::LayerIndex index = members(tar, file.name(), result);
    file.verify();
    const store::Output blob = writer.commit();
    index.roots[0] = "blob:" + blob.digest.string();

    result.kind = "archive";
    result.label = entry.place.path.empty() ? entry.digest.string() : entry.place.path.string();
    result.outputs[kIndex] = store_.put(index.serialize());
    result.outputs[kTar] = blob;
    result.facts = {{"members", std::to_string(index.entries.size())}};
    result.tool_version = BOTTLE_VERSION;
    result.milliseconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start)
            .count());
    store_.put_action(key, result);
    return index;
  }

  // The first root is the tar; what else is kept becomes outputs of `result`.
  oci::LayerIndex members(oci::TarReader& tar, const std::string& name, store::ActionResult& result) const {
    oci::LayerIndex index;
    index.roots.emplace_back();
    std::uint64_t sparse = 0;
    while (auto member = tar.next()) {
      oci::Entry& entry = member->entry;
      if (member->ignored || entry.path.empty()) continue;  // the directory that it is unpacked into
      if (index.entries.size() == limits_.members) {
        throw Error(fmt::format("the archive has more than {} members", limits_.members), {.where = name});
      }
      if (entry.type == oci::EntryType::file && member->is_sparse && entry.size != 0) {
        if (entry.size > limits_.size - sparse)
          throw Error(
              fmt::format("the sparse files of the archive expand to more than {} bytes", limits_.size),
              {.where = name});
        sparse += entry.size;
        const store::Output content = keep(tar);
        result.outputs["content " + content.digest.hex()] = content;
        entry.digest = content.digest;
        entry.place = {index.root("blob:" + content.digest.string()), 0, {}};
      } else if (entry.type == oci::EntryType::file) {
        entry.digest = entry.size == 0 ? sha256("") : tar.hash_data();
        if (entry.size != 0) entry.place = {0, member->data_offset, {}};
      }
      index.entries.push_back(std::move(entry));
    }
    return index;
  }

  // The content of a sparse file, which is not in the tar in one piece.
  store::Output keep(oci::TarReader& tar) const {
    store::Store::Writer content(store_);
    tar.read_data([&](std::span<const std::byte> data) { content.write(data); });
    return content.commit();
  }

  const store::Store& store_;
  const oci::ContentReader& reader_;
  const ArchiveLimits limits_;
};

}  // namespace

ArchiveOpener make_archive_opener(const store::Store& store, const oci::ContentReader& reader,
                                  const ArchiveLimits& limits) {
  return [opener = Opener(store, reader, limits)](const oci::Entry& entry,
                                                  const std::vector<std::string>& roots) {
    return opener.open(entry, roots);
  };
}

}  // namespace bottle::copy
