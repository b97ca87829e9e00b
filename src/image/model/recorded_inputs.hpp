// SPDX-License-Identifier: Apache-2.0
// What a key text says of the files of contexts, so that the step after a fingerprint need not look at them
// again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/layer_index.hpp"

namespace bottle::image {
inline namespace model {

class RecordedInputs {
 public:
  // Of a key text (docs/formats/key.md); nullopt if it has a line that resolve::key_text() does not write.
  static std::optional<RecordedInputs> parse(std::string_view key_text);

  // Of the scan of that name, sorted by path, without places. Gone from here then.
  std::vector<oci::Entry> take(const std::string& scan);

 private:
  std::map<std::string, std::vector<oci::Entry>> entries_;
};

}  // namespace model
}  // namespace bottle::image
