// SPDX-License-Identifier: Apache-2.0
// What the micro-benchmarks work on: the same in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "oci/entry.hpp"
#include "util/file.hpp"

namespace bottle::bench {

// Bytes of which about half can be compressed away.
std::string some_bytes(std::size_t size, std::uint64_t seed = 1);

// Files of `size` bytes below `directory`, in directories of 100.
void write_tree(const fs::path& directory, std::size_t files, std::size_t size);

// The entries of such a tree as a pack holds them, with digests that no data has.
std::vector<oci::Entry> tree_entries(std::size_t files, std::uint64_t size);

// "data/012/file-01234.dat"
std::string file_name(std::size_t number);

}  // namespace bottle::bench
