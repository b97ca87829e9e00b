// SPDX-License-Identifier: Apache-2.0
#include "oci/sparse_map.hpp"

#include <utility>

#include "util/text.hpp"

namespace bottle::oci::tar {
namespace {

constexpr const char* kMalformed = "its map is malformed or too long";
constexpr std::size_t kExtent = 24;  // two numbers of 12 bytes
constexpr Field kGnuExtents{386, 4 * kExtent};
constexpr std::size_t kGnuExtended = 482;
constexpr Field kGnuRealSize{483, 12};
constexpr Field kExtensionExtents{0, 21 * kExtent};
constexpr std::size_t kExtensionExtended = 504;

std::optional<std::uint64_t> decimal(std::string_view text) {
  const auto value = parse_unsigned(text);
  return value && *value <= INT64_MAX ? value : std::nullopt;
}

std::vector<Extent> paired(const std::vector<std::uint64_t>& numbers) {
  std::vector<Extent> extents;
  extents.reserve(numbers.size() / 2);
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2)
    extents.push_back({numbers[i], numbers[i + 1]});
  return extents;
}

// Appends the extents of a header or extension block, up to the first empty one. False if one is malformed.
bool add_gnu_extents(const Block& block, Field field, SparseMap& map) {
  std::string_view bytes = bytes_of(block, field);
  for (; bytes.size() >= kExtent && bytes[0] != '\0'; bytes.remove_prefix(kExtent)) {
    const auto offset = parse_number(bytes.substr(0, 12));
    const auto size = parse_number(bytes.substr(12, 12));
    if (!offset || !size || *offset < 0 || *size < 0 || map.extents.size() == kMaximumExtents) return false;
    map.extents.push_back({static_cast<std::uint64_t>(*offset), static_cast<std::uint64_t>(*size)});
  }
  return true;
}

// The map of format 1.0: decimal numbers, a line each, the number of extents first.
class MapReader {
 public:
  // Takes one more block. False if it is malformed.
  bool add(const Block& block) {
    for (const char c : block) {
      if (done()) return true;  // what is left fills the block
      if (c != '\n') {
        if (line_.size() > 20) return false;
        line_ += c;
      } else if (!add_number()) {
        return false;
      }
    }
    return true;
  }
  bool done() const { return count_ && numbers_.size() == 2 * *count_; }
  std::vector<Extent> extents() const { return paired(numbers_); }

 private:
  bool add_number() {
    const auto value = decimal(line_);
    line_.clear();
    if (!value) return false;
    if (count_) {
      numbers_.push_back(*value);
      return true;
    }
    count_ = *value;
    return *value <= kMaximumExtents;
  }

  std::string line_;
  std::optional<std::uint64_t> count_;
  std::vector<std::uint64_t> numbers_;
};

}  // namespace

const char* SparseMap::defect(std::uint64_t stored) const {
  std::uint64_t end = 0;
  std::uint64_t sum = 0;
  for (const Extent& extent : extents) {
    if (extent.offset < end) return "its extents are not in order";
    if (extent.offset > size || extent.size > size - extent.offset) return "an extent is beyond its end";
    end = extent.offset + extent.size;
    sum += extent.size;
  }
  return sum == stored ? nullptr : "its extents are not as long as its data";
}

bool SparseRecords::set(std::string_view key, std::string_view value) {
  any_ = true;
  const auto number = [&](std::optional<std::uint64_t>& out) { return (out = decimal(value)).has_value(); };
  // "offset" and "numbytes" alternate in format 0.0.
  const auto next = [&](bool is_offset) {
    const auto parsed = decimal(value);
    if (!parsed || (numbers_.size() % 2 == 0) != is_offset || numbers_.size() >= 2 * kMaximumExtents)
      return false;
    numbers_.push_back(*parsed);
    return true;
  };
  if (key == "major") {
    major_ = value;
  } else if (key == "minor") {
    minor_ = value;
  } else if (key == "name") {
    if (value.empty() || value.find('\0') != std::string_view::npos) return false;
    name_ = std::string(value);
  } else if (key == "size" || key == "realsize") {
    return number(size_);
  } else if (key == "numblocks") {
    return number(count_);
  } else if (key == "offset") {
    return next(true);
  } else if (key == "numbytes") {
    return next(false);
  } else if (key == "map") {
    if (value.empty()) return true;
    for (const std::string_view part : split(value, ',')) {
      const auto parsed = decimal(part);
      if (!parsed || numbers_.size() >= 2 * kMaximumExtents) return false;
      numbers_.push_back(*parsed);
    }
  }
  return true;
}

std::optional<SparseMap> SparseRecords::map() const {
  const bool is_0 = (major_.empty() && minor_.empty()) || (major_ == "0" && (minor_ == "0" || minor_ == "1"));
  if (!size_ || !(is_0 || has_map_in_data())) return std::nullopt;
  SparseMap map{.extents = {}, .size = *size_};
  if (has_map_in_data()) return map;
  if (numbers_.size() % 2 != 0 || (count_ && *count_ != numbers_.size() / 2)) return std::nullopt;
  map.extents = paired(numbers_);
  return map;
}

const char* read_gnu_map(const Block& header, const NextBlock& next, SparseMap& map) {
  const auto size = parse_number(bytes_of(header, kGnuRealSize));
  if (!size || *size < 0) return "its size is out of range";
  map.size = static_cast<std::uint64_t>(*size);
  if (!add_gnu_extents(header, kGnuExtents, map)) return kMalformed;
  for (bool is_extended = header[kGnuExtended] != 0; is_extended;) {
    const Block block = next();
    if (!add_gnu_extents(block, kExtensionExtents, map)) return kMalformed;
    is_extended = block[kExtensionExtended] != 0;
  }
  return nullptr;
}

const char* read_pax_map(const SparseRecords& records, const NextBlock& next, std::uint64_t& stored,
                         SparseMap& map) {
  auto said = records.map();
  if (!said) return "its map is incomplete or of an unknown format";
  map = std::move(*said);
  if (!records.has_map_in_data()) return nullptr;
  MapReader reader;
  while (!reader.done()) {
    if (stored < kBlock) return "its map is longer than its data";
    stored -= kBlock;
    if (!reader.add(next())) return kMalformed;
  }
  map.extents = reader.extents();
  return nullptr;
}

}  // namespace bottle::oci::tar
