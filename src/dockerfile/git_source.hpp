// SPDX-License-Identifier: Apache-2.0
// What a source of COPY or ADD is: a path, a URL to download, or a git repository. Nothing is fetched here.
// Source: Dockerfile reference, "ADD" ("Adding files from a Git repository", "--keep-git-dir",
// "--checksum"); BuildKit, frontend/dockerfile/dfgitutil and util/gitutil (what counts as a git source).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dockerfile/instructions.hpp"
#include "util/error.hpp"

namespace bottle::dockerfile {

// "https://host/repo.git#ref:dir", "git@host:path?ref=...&subdir=...".
struct GitSource {
  std::string remote;  // the argument for git: no query, no fragment; credentials, if any, are in it
  std::string ref;     // commit, tag or branch; of ?tag= and ?branch= the full "refs/tags/<tag>"; "" is HEAD
  std::string checksum;  // the commit that `ref` must be, or the start of its name; "" for any
  std::string subdir;    // the directory of the repository that is taken, "" is all of it
  std::optional<bool> keep_git_dir{};
  std::optional<bool> submodules{};  // unset is true
  bool commit_times = false;         // mtime=commit: files have the commit's time
  bool fetch_by_commit = false;      // `checksum` is fetched, whatever `ref` is at the remote
  bool unencrypted = false;          // http:// or git://
  bool operator==(const GitSource&) const = default;

  // Remote, ref and subdir in the form with a fragment: one text for all ways to write the same.
  std::string string() const;
};

// "http://" or "https://" that is not a git repository.
struct UrlSource {
  std::string url;
  std::string file_name;   // under which it is stored in a directory; "__unnamed__" for a URL without a path
  std::string checksum{};  // "sha256:..." that it must have, "" for any
  bool operator==(const UrlSource&) const = default;
};

struct PathSource {
  std::string path;
  bool operator==(const PathSource&) const = default;
};

using RemoteOrPath = std::variant<PathSource, UrlSource, GitSource>;

// Throws SourceKindError for a git source whose query is wrong. `text` has its variables replaced.
RemoteOrPath classify_source(std::string_view text);
// Whether it is not a path (a git source with a wrong query is remote too).
bool is_remote_source(std::string_view text);

// Of the whole instruction, expanded: each source with its --checksum and --keep-git-dir. Throws
// SourceKindError: a remote source of COPY, --checksum with several sources or with a path or not of the
// source's kind, flag and query that contradict each other.
std::vector<RemoteOrPath> classify_sources(const Copy& copy);
std::vector<RemoteOrPath> classify_sources(const Add& add);

// Without a place, which the caller knows.
class SourceKindError : public Error {
 public:
  using Error::Error;
};

// 40 or 64 digits in lower case: a whole commit name.
bool is_commit(std::string_view text);

}  // namespace bottle::dockerfile
