// SPDX-License-Identifier: Apache-2.0
// The parser directives at the top of a Dockerfile ("# syntax=", "# escape=", "# check=").
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bottle::dockerfile {

// Takes the lines of a file one by one and says which are directives. The first line that is not a directive
// ends them.
class DirectiveReader {
 public:
  explicit DirectiveReader(std::string_view comment = "#") : comment_(comment) {}

  struct Found {
    std::string name;   // in lower case
    std::string value;  // trimmed
    bool repeated = false;
  };
  std::optional<Found> take(std::string_view line);

 private:
  std::string_view comment_;
  bool done_ = false;
  std::string seen_;  // names taken, each between commas
};

}  // namespace bottle::dockerfile
