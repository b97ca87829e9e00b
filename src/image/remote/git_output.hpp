// SPDX-License-Identifier: Apache-2.0
// What the git program prints, read. A remote may have chosen every name in it.
// Source: git-ls-remote(1), git-ls-tree(1), "Output".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "image/remote/tree.hpp"

namespace bottle::image::remote {

// The commit of each ref in what `git ls-remote` prints: "<commit>\t<ref>" lines. Other lines are warnings.
std::map<std::string, std::string> parse_ls_remote(std::string_view listing);

// The sum of the sizes in what `git ls-tree -r -l` prints as it comes: "<mode> <type> <object>
// <size>\t<path>".
class TreeSize {
 public:
  void read(std::string_view text);
  // Of the lines that have ended; at most kMaximumTreeBytes + 1.
  std::uint64_t bytes() const { return bytes_; }
  bool is_too_large() const { return bytes_ > kMaximumTreeBytes; }

 private:
  static constexpr std::size_t kKept = 256;  // of a line; paths come last

  void keep(std::string_view text);
  void add();

  std::string line_;
  std::uint64_t bytes_ = 0;
};

}  // namespace bottle::image::remote
