// SPDX-License-Identifier: Apache-2.0
// The git program, for untrusted repositories: no hook is run, no configuration of the machine or the user is
// read, no transport reaches into this machine, there are no prompts.
//
// Source: git(1), git-config(1) (protocol.allow, core.hooksPath, fetch.unpackLimit).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/git_source.hpp"
#include "util/file.hpp"
#include "util/process.hpp"

namespace bottle::image::remote {

// Refuses what git could take for an option, and names that no ref can have (git-check-ref-format(1)).
void check_git_source(const dockerfile::GitSource& source);

class GitCommand {
 public:
  // Refers to `source`, which check_git_source() has let pass. Throws when git is not installed.
  explicit GitCommand(const dockerfile::GitSource& source);

  // Standard output and error together, lines of both. A file that it writes may have kMaximumTreeBytes
  // (remote/tree.hpp); one that would have more ends it.
  ProcessResult run(const std::vector<std::string>& arguments, const fs::path& directory = {},
                    const std::function<void(std::string_view)>& on_output = {}) const;
  // The same; a failure is an Error with git's last words.
  std::string must(const std::vector<std::string>& arguments, const fs::path& directory = {}) const;
  [[noreturn]] void fail(const std::string& what, const ProcessResult& finished) const;

 private:
  std::string last_words(std::string text) const;

  const dockerfile::GitSource& source_;
  std::vector<std::string> environment_;
};

// The remote without credentials.
std::string shown_remote(const dockerfile::GitSource& source);

}  // namespace bottle::image::remote
