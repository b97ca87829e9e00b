// SPDX-License-Identifier: Apache-2.0
// Where the data of a sparse tar member belong in the file; all else in it is zeros.
// Source: GNU tar manual, "Storing Sparse Files" (old GNU format, PAX formats 0.0, 0.1 and 1.0); what is
// accepted beyond that is what Go's archive/tar accepts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/tar_format.hpp"

namespace bottle::oci::tar {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct SparseMap {
  std::vector<Extent> extents;
  std::uint64_t size = 0;  // of the file, in bytes

  // What is wrong with it for a member with `stored` bytes of data, or null: extents are in order, within the
  // file, and their data are exactly what is stored.
  const char* defect(std::uint64_t stored) const;
};

inline constexpr std::size_t kMaximumExtents = 1'000'000;

// What the PAX records "GNU.sparse.*" of one member say.
class SparseRecords {
 public:
  // False if the value is not what the key (without "GNU.sparse.") asks for.
  bool set(std::string_view key, std::string_view value);
  bool any() const { return any_; }
  // Format 1.0: the map is in front of the data.
  bool has_map_in_data() const { return major_ == "1" && minor_ == "0"; }
  // The map of formats 0.0 and 0.1, and the size alone of 1.0. nullopt for another format, and for a map
  // without a size or with another number of extents than it says.
  std::optional<SparseMap> map() const;
  const std::optional<std::string>& name() const { return name_; }

 private:
  bool any_ = false;
  std::string major_;
  std::string minor_;
  std::optional<std::string> name_;
  std::optional<std::uint64_t> size_;
  std::optional<std::uint64_t> count_;
  std::vector<std::uint64_t> numbers_;  // offset and size in turn
};

// The following block of the archive; throws where the archive is cut off.
using NextBlock = std::function<Block()>;

// The map of a member of type 'S': in its header, and in extension blocks behind it. Returns what is wrong
// with it, or null.
const char* read_gnu_map(const Block& header, const NextBlock& next, SparseMap& map);
// The map that the records say, or that stands in front of the data (format 1.0), of which `stored` bytes are
// left then.
const char* read_pax_map(const SparseRecords& records, const NextBlock& next, std::uint64_t& stored,
                         SparseMap& map);

}  // namespace bottle::oci::tar
