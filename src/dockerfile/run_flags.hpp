// SPDX-License-Identifier: Apache-2.0
// The values of RUN --mount and --device: comma-separated fields (Dockerfile reference, "RUN --mount").
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/instruction.hpp"

namespace bottle::dockerfile {

// What is wrong with a value; the caller knows the place.
class FieldError : public Error {
 public:
  using Error::Error;
};

using WordExpander = std::function<std::string(std::string_view)>;

// The fields of a comma-separated line (RFC 4180, section 2, one record). Throws FieldError for bad quoting.
std::vector<std::string> csv_fields(std::string_view line);

// A mount with its values expanded by `expander`. Throws FieldError, and whatever the expander throws.
Mount parse_mount(std::string_view text, const WordExpander& expander);
// What holds whatever the variables are: `from` is plain text. Throws FieldError if it is not.
Mount parse_mount_unexpanded(std::string_view text);

Device parse_device(std::string_view text);

// "64m", "1.5GiB", "100": decimal numbers with a binary unit, as Docker writes sizes of memory. `key` is what
// the error calls it. Throws FieldError.
std::int64_t size_in_bytes(const std::string& key, const std::string& value);

}  // namespace bottle::dockerfile
