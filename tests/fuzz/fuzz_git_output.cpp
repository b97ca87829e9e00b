// SPDX-License-Identifier: Apache-2.0
// What git prints: of ls-remote, and of ls-tree in pieces, whose sum must not depend on where they end.
#include "dockerfile/git_source.hpp"
#include "image/remote/git_output.hpp"
#include "input.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  for (const auto& [ref, commit] : image::remote::parse_ls_remote(text)) {
    fuzz::check(dockerfile::is_commit(commit) && ref.find('\n') == std::string::npos);
  }
  image::remote::TreeSize whole;
  whole.read(text);
  image::remote::TreeSize parts;
  for (std::size_t at = 0; at < text.size(); at += 7)
    parts.read(text.substr(at, 7));
  fuzz::check(whole.bytes() == parts.bytes());
  return 0;
}
