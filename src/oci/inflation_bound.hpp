// SPDX-License-Identifier: Apache-2.0
// How much a compressed layer may decompress to: the end of a bomb.
#pragma once

#include <cstdint>

namespace bottle::oci {

// 64 GiB uncompressed: far more than real layers, and an end for a bomb.
inline constexpr std::uint64_t kMaximumLayer = std::uint64_t{64} << 30;
// gzip reaches 1,032 to 1, and only with nothing but zeros. $BOTTLE_MAXIMUM_RATIO is another bound, "none" no
// bound (docs/limits.md).
inline constexpr std::uint64_t kMaximumRatio = 2000;
inline constexpr std::uint64_t kRatioFrom = 256u << 20;

// The most that `compressed` bytes may decompress to.
std::uint64_t maximum_inflated(std::uint64_t compressed, std::uint64_t maximum, std::uint64_t ratio,
                               std::uint64_t ratio_from);
// kMaximumRatio, or what the environment says. Throws UsageError for anything but a number or "none".
std::uint64_t ratio_bound();

}  // namespace bottle::oci
