// SPDX-License-Identifier: Apache-2.0
#include "oci/inflation_bound.hpp"

#include <algorithm>
#include <string>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {

std::uint64_t maximum_inflated(std::uint64_t compressed, std::uint64_t maximum, std::uint64_t ratio,
                               std::uint64_t ratio_from) {
  if (ratio == 0 || compressed > maximum / ratio) return maximum;
  return std::min(maximum, std::max(compressed * ratio, ratio_from));
}

std::uint64_t ratio_bound() {
  const std::string text = environment::value(environment::kMaximumRatio);
  if (text.empty()) return kMaximumRatio;
  if (text == "none") return 0;
  const auto ratio = parse_unsigned(text);
  if (!ratio || *ratio == 0)
    throw UsageError("expected a number of at least 1, or none, found \"" + escape_word(text) + "\"",
                     {.where = "BOTTLE_MAXIMUM_RATIO"});
  return *ratio;
}

}  // namespace bottle::oci
