// SPDX-License-Identifier: Apache-2.0
#include "image/remote/git_output.hpp"

#include <algorithm>
#include <charconv>

#include "dockerfile/git_source.hpp"
#include "util/text.hpp"

namespace bottle::image::remote {

std::map<std::string, std::string> parse_ls_remote(std::string_view listing) {
  std::map<std::string, std::string> found;
  for (const std::string_view line : split(listing, '\n')) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || !dockerfile::is_commit(line.substr(0, tab))) continue;
    found.emplace(line.substr(tab + 1), line.substr(0, tab));
  }
  return found;
}

void TreeSize::read(std::string_view text) {
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    keep(text.substr(0, end));
    add();
    text.remove_prefix(end + 1);
  }
  keep(text);
}

void TreeSize::keep(std::string_view text) {
  line_ += text.substr(0, kKept - std::min(line_.size(), kKept));
}

void TreeSize::add() {
  if (const std::size_t end = line_.find('\t'); end != std::string::npos) {  // else it is a warning
    std::uint64_t size = 0;                                                  // a submodule has "-"
    const std::size_t begin = line_.rfind(' ', end) + 1;                     // 0 without a blank
    std::from_chars(line_.data() + begin, line_.data() + end, size);
    bytes_ += std::min(size, kMaximumTreeBytes + 1 - std::min(bytes_, kMaximumTreeBytes + 1));
  }
  line_.clear();
}

}  // namespace bottle::image::remote
