// SPDX-License-Identifier: Apache-2.0
#include "image/remote/source.hpp"

#include "image/remote/git.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::remote {

std::string RemoteSource::identity() const {
  if (const auto* url = std::get_if<RemoteUrl>(&what))
    return "url " + url->expected.digest->string() + " " + escape_word(url->source.file_name);
  const auto& git = std::get<RemoteGit>(what);
  return git_identity(git.source, git.locked);
}

Digest RemoteSource::action() const {
  if (const auto* url = std::get_if<RemoteUrl>(&what)) return url_action(*url->expected.digest);
  const auto& git = std::get<RemoteGit>(what);
  return git_action(git.source, git.locked);
}

std::string RemoteSource::path() const {
  const auto* url = std::get_if<RemoteUrl>(&what);
  return url != nullptr ? url->source.file_name : "";
}

oci::LayerIndex fetch_source(const RemoteSource& source, const store::Store& store,
                             const RemoteAccess& access) {
  if (const auto* git = std::get_if<RemoteGit>(&source.what))
    return fetch_git(git->source, git->locked, store);
  const auto& url = std::get<RemoteUrl>(source.what);
  const store::Output content = fetch_url(url.source.url, url.expected, store, access);
  oci::LayerIndex index;
  oci::Entry entry;
  entry.path = url.source.file_name;
  // As BuildKit leaves a downloaded file.
  entry.mode = 0600;
  entry.size = content.size;
  entry.digest = content.digest;
  if (content.size != 0) entry.place.root = index.root("blob:" + content.digest.string());
  index.entries.push_back(std::move(entry));
  return index;
}

}  // namespace bottle::image::remote
