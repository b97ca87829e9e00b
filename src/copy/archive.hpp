// SPDX-License-Identifier: Apache-2.0
// Archives that ADD unpacks: files that are a tar, plain or compressed with gzip, bzip2, xz or zstd, known by
// their content and never by their name.
//
// Source: BuildKit, solver/llbsolver/file (isArchivePath): an archive is what has at least one tar header
// after decompression; moby/go-archive for what the members mean.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oci/content.hpp"
#include "oci/entry.hpp"
#include "oci/layer_index.hpp"
#include "store/store.hpp"

namespace bottle::copy {

// The members of the archive that a file is, or nullopt if it is not an archive. `roots` is the table that
// the entry's place refers to. Members are in the archive's order, as they are written: a path may pass
// through a symbolic link, or be put twice; names that mark whiteouts in layers are plain names. Paths and
// hard links' targets are normalised: relative, ".." taken back, never above the root.
using ArchiveOpener =
    std::function<std::optional<oci::LayerIndex>(const oci::Entry&, const std::vector<std::string>& roots)>;

struct ArchiveLimits {
  std::uint64_t size = 64ull << 30;  // of the decompressed tar, and of sparse files with their holes
  // Decompressed to compressed, looked at above `ratio_from` bytes; unset is oci::ratio_bound().
  std::optional<std::uint64_t> ratio = {};
  std::uint64_t ratio_from = 256u << 20;
  std::uint64_t members = 4'000'000;
};

// The decompressed tar of an archive (up to its end marker) becomes a blob of the store, the first root of
// the index: "blob:sha256:<hex>"; the content of each sparse file becomes another. The answer is kept as an
// action of kind "archive" by the file's digest. Both arguments must outlive the opener. Thread-safe. The
// opener throws Error for archives that are broken after the first member, beyond the limits, or not the
// content that the entry's digest says.
ArchiveOpener make_archive_opener(const store::Store& store, const oci::ContentReader& reader,
                                  const ArchiveLimits& limits = {});

}  // namespace bottle::copy
