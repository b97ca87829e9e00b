// SPDX-License-Identifier: Apache-2.0
// What fuzzers share: their input as text, as a stream in uneven pieces, and as a file.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "oci/stream.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void check(bool holds) {
  if (!holds) __builtin_trap();
}

// Runs what may refuse its input. An Error must say something; anything else that is thrown is a finding.
template <typename Function>
void may_refuse(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    check(!error.message().empty());
  }
}

// A file without a name that holds the text.
class InputFile {
 public:
  explicit InputFile(std::string_view text) : file_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    check(static_cast<bool>(file_));
    write_all(file_.get(), std::as_bytes(std::span(text)), "fuzz");
  }
  fs::path path() const { return "/proc/self/fd/" + std::to_string(file_.get()); }

 private:
  Fd file_;
};

// The first byte of the input, which chooses among `count` ways to use the rest.
struct Choice {
  Choice(std::string_view input, unsigned count)
      : way(input.empty() ? 0 : static_cast<unsigned char>(input[0]) % count),
        rest(input.substr(std::min<std::size_t>(1, input.size()))) {}
  unsigned way;
  std::string_view rest;
};

}  // namespace bottle::fuzz
