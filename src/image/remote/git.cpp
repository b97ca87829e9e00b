// SPDX-License-Identifier: Apache-2.0
#include "image/remote/git.hpp"

#include <map>
#include <vector>

#include "image/model/stored_index.hpp"
#include "image/remote/git_checkout.hpp"
#include "image/remote/git_command.hpp"
#include "image/remote/git_output.hpp"
#include "image/remote/url.hpp"
#include "util/error.hpp"
#include "util/path.hpp"
#include "util/text.hpp"

namespace bottle::image::remote {
namespace {

using dockerfile::GitSource;

constexpr const char* kSchema = "bottle-git 1";

}  // namespace

std::string git_name(const GitSource& source) {
  const std::string ref = source.ref.empty() ? "" : "#" + source.ref;
  return without_credentials(source.remote + ref);
}

std::string pinned_commit(const GitSource& source) {
  if (dockerfile::is_commit(source.checksum)) return source.checksum;
  if (dockerfile::is_commit(source.ref)) return source.ref;
  return {};
}

LockedGit resolve_git(const GitSource& source) {
  check_git_source(source);
  if (const std::string commit = pinned_commit(source); !commit.empty())
    return {.commit = commit, .ref = source.ref.starts_with("refs/") ? source.ref : "HEAD"};
  const GitCommand git(source);
  // A branch goes before a tag of the same name, as git-checkout has it.
  std::vector<std::string> candidates;
  if (source.ref.empty() || source.ref == "HEAD")
    candidates = {"HEAD"};
  else if (source.ref.starts_with("refs/"))
    candidates = {source.ref};
  else
    candidates = {"refs/heads/" + source.ref, "refs/tags/" + source.ref, "refs/" + source.ref};
  std::vector<std::string> arguments{"ls-remote", "--quiet", "--", source.remote};
  for (const std::string& candidate : candidates) {
    arguments.push_back(candidate);
    arguments.push_back(candidate + "^{}");
  }
  const std::string listing = git.must(arguments);
  const std::map<std::string, std::string> found = parse_ls_remote(listing);
  for (const std::string& candidate : candidates) {
    // Of an annotated tag, what it points to.
    auto commit = found.find(candidate + "^{}");
    if (commit == found.end()) commit = found.find(candidate);
    if (commit == found.end()) continue;
    if (!source.checksum.empty() && !commit->second.starts_with(source.checksum))
      throw Error("expected the commit " + source.checksum + ", found " + commit->second + " as " + candidate,
                  {.where = shown_remote(source)});
    return {.commit = commit->second, .ref = candidate};
  }
  throw Error(
      "the repository has neither a branch nor a tag \"" + (source.ref.empty() ? "HEAD" : source.ref) + "\"",
      {.where = shown_remote(source), .hint = "check the name, or write all digits of the commit"});
}

std::string git_identity(const GitSource& source, const LockedGit& locked) {
  std::string text = "git " + locked.commit;
  if (const std::string subdir = path_in_root(source.subdir); !subdir.empty())
    text += " subdir=" + escape_word(subdir);
  if (!source.submodules.value_or(true)) text += " submodules=false";
  // Then the files say where they are from.
  if (keeps_git(source))
    text += " keep-git-dir=" + escape_word(shown_remote(source)) + " ref=" + escape_word(locked.ref);
  return text;
}

Digest git_action(const GitSource& source, const LockedGit& locked) {
  return sha256(std::string(kSchema) + "\n" + git_identity(source, locked) + "\n");
}

oci::LayerIndex fetch_git(const GitSource& source, const LockedGit& locked, const store::Store& store) {
  const Digest key = git_action(source, locked);
  if (const auto lookup = store.find_action(key); lookup.result)
    if (auto index = read_stored_index(lookup.result->outputs.at("index").digest, store))
      return std::move(index->index);
  store::Output content;
  oci::LayerIndex index = check_out_git(source, locked, store, content);
  store::ActionResult result{.kind = "git", .label = git_name(source) + " " + locked.commit};
  result.outputs["content"] = content;
  result.outputs["index"] = store.put(index.serialize());
  result.tool_version = BOTTLE_VERSION;
  store.put_action(key, result);
  return index;
}

Digest commit_time_action(const LockedGit& locked) {
  return sha256("bottle-git-time 1\ncommit = " + locked.commit + "\n");
}

std::int64_t commit_time(const GitSource& source, const LockedGit& locked, const store::Store& store) {
  const Digest key = commit_time_action(locked);
  if (const auto lookup = store.find_action(key); lookup.result)
    if (const auto seconds = parse_unsigned(lookup.result->facts.at("seconds")))
      return static_cast<std::int64_t>(*seconds);
  const std::int64_t seconds = read_commit_time(source, locked, store);
  store::ActionResult result{.kind = "git", .label = git_name(source) + " " + locked.commit};
  result.facts["seconds"] = std::to_string(seconds);
  result.tool_version = BOTTLE_VERSION;
  store.put_action(key, result);
  return seconds;
}

}  // namespace bottle::image::remote
