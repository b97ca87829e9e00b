// SPDX-License-Identifier: Apache-2.0
#include "image/remote/git_checkout.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "image/remote/git_command.hpp"
#include "image/remote/git_output.hpp"
#include "image/remote/tree.hpp"
#include "util/error.hpp"
#include "util/path.hpp"
#include "util/text.hpp"

namespace bottle::image::remote {
namespace {

using dockerfile::GitSource;

constexpr std::uint64_t kLargestTime = 077777777777;  // of a tar header's eleven octal digits
constexpr std::size_t kMaximumListing = 1u << 30;

// The commit in a new repository `directory`, without history if the remote allows that.
void fetch_commit(const GitCommand& git, const GitSource& source, const LockedGit& locked,
                  const fs::path& directory) {
  std::vector<std::string> init{"init", "--quiet", "--bare", "--template="};
  if (locked.commit.size() == 64) init.push_back("--object-format=sha256");
  init.push_back("--");
  init.push_back(directory.native());
  git.must(init);
  const auto fetch = [&](bool shallow, const std::string& what) {
    std::vector<std::string> arguments{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
                                       "--no-recurse-submodules"};
    if (shallow) arguments.push_back("--depth=1");
    arguments.insert(arguments.end(), {"--", source.remote, what});
    return git.run(arguments, directory);
  };
  const auto is_there = [&] {
    return git.run({"cat-file", "-e", locked.commit + "^{commit}"}, directory).status.success();
  };
  const ProcessResult direct = fetch(true, locked.commit);
  if (direct.status.success() && is_there()) return;
  // Not every server gives commits by name, or without history; then it must be in that of the ref.
  std::string ref = locked.ref;
  if (ref == "HEAD" && !source.ref.empty() && !dockerfile::is_commit(source.ref)) ref = source.ref;
  if (fetch(true, ref).status.success() && is_there()) return;
  if (fetch(false, ref).status.success() && is_there()) return;
  if (!direct.status.success()) git.fail("fetch " + locked.commit, direct);
  throw Error("the repository has no commit " + locked.commit,
              {.where = shown_remote(source), .hint = "run bottle-lock update if the history was rewritten"});
}

// A repository with nothing but the commit's own objects, in a form that depends on nothing else.
void make_git_directory(const GitCommand& git, const GitSource& source, const LockedGit& locked,
                        const fs::path& from, const fs::path& directory) {
  make_directories(directory / "objects" / "info");
  make_directories(directory / "objects" / "pack");
  make_directories(directory / "refs" / "heads");
  make_directories(directory / "refs" / "tags");
  std::string listing;
  const ProcessResult listed =
      git.run({"rev-list", "--objects", "--no-object-names", "--max-count=1", locked.commit}, from,
              [&](std::string_view text) {
                if (listing.size() + text.size() > kMaximumListing)
                  throw Error("the commit has too many objects", {.where = shown_remote(source)});
                listing += text;
              });
  if (!listed.status.success()) git.fail("rev-list", listed);
  for (const std::string_view line : split(listing, '\n')) {
    if (!dockerfile::is_commit(line)) continue;
    const fs::path object = fs::path("objects") / line.substr(0, 2) / line.substr(2);
    make_directories((directory / object).parent_path());
    fs::copy_file(from / object, directory / object);
  }
  const bool is_sha256 = locked.commit.size() == 64;
  write_file(directory / "HEAD", locked.commit + "\n", Durable::no);
  write_file(directory / "config",
             std::string("[core]\n\trepositoryformatversion = ") + (is_sha256 ? "1" : "0") +
                 "\n\tfilemode = true\n\tbare = false\n" +
                 (is_sha256 ? "[extensions]\n\tobjectformat = sha256\n" : "") +
                 "[remote \"origin\"]\n\turl = " + shown_remote(source) +
                 "\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
             Durable::no);
  if (locked.ref.starts_with("refs/") && path_in_root(locked.ref) == locked.ref) {
    make_directories((directory / locked.ref).parent_path());
    write_file(directory / locked.ref, locked.commit + "\n", Durable::no);
  }
  // Its parents are not there.
  const std::string commit = git.must({"cat-file", "commit", locked.commit}, from);
  if (commit.substr(0, commit.find("\n\n") + 1).find("\nparent ") != std::string::npos)
    write_file(directory / "shallow", locked.commit + "\n", Durable::no);
  git.must({"--git-dir=" + directory.native(), "read-tree", locked.commit});
}

// Few objects can stand for any number of files and bytes, so they are counted before anything is written
// out: the files first, since to ask for the size of each takes forty times as long. What submodules hold is
// not known before git has written it.
void check_size(const GitCommand& git, const GitSource& source, const LockedGit& locked,
                const fs::path& repository) {
  const auto list = [&](std::vector<std::string> arguments,
                        const std::function<void(std::string_view)>& read) {
    arguments.push_back(locked.commit);
    const ProcessResult listed = git.run(arguments, repository, read);
    if (!listed.status.success()) git.fail("ls-tree", listed);
  };
  std::size_t entries = 0;
  list({"ls-tree", "-r", "--full-tree"}, [&](std::string_view text) {
    entries += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    if (entries > kMaximumTreeEntries)
      throw Error("the commit holds more than " + std::to_string(kMaximumTreeEntries) + " files",
                  {.where = shown_remote(source)});
  });
  TreeSize size;
  list({"ls-tree", "-r", "-l", "--full-tree"}, [&](std::string_view text) {
    size.read(text);
    if (size.is_too_large())
      throw Error("the files of the commit are larger than " + human_size(kMaximumTreeBytes),
                  {.where = shown_remote(source)});
  });
}

// Each component must be a directory, not a link that leads elsewhere.
fs::path below(const fs::path& top, const GitSource& source) {
  fs::path directory = top;
  const std::string subdir = path_in_root(source.subdir);
  for (const std::string_view part : path_components(subdir)) {
    directory /= part;
    const auto status = fs::symlink_status(directory);
    if (status.type() != fs::file_type::directory)
      throw Error("the commit has no directory \"" + escape_word(subdir) + "\"",
                  {.where = shown_remote(source)});
  }
  return directory;
}

}  // namespace

bool keeps_git(const GitSource& source) {
  return source.keep_git_dir.value_or(false) && path_in_root(source.subdir).empty();
}

oci::LayerIndex check_out_git(const GitSource& source, const LockedGit& locked, const store::Store& store,
                              store::Output& content) {
  check_git_source(source);
  const GitCommand git(source);
  const fs::path parent = store.directory() / "tmp";
  make_directories(parent);
  const TemporaryDirectory scratch(parent);
  const fs::path repository = scratch.path() / "repository";
  const fs::path tree = scratch.path() / "tree";
  fetch_commit(git, source, locked, repository);
  check_size(git, source, locked, repository);
  make_directories(tree);
  const std::string git_dir = "--git-dir=" + repository.native();
  const std::string work_tree = "--work-tree=" + tree.native();
  // As a repository with a work tree, which submodules need.
  git.must({git_dir, "config", "core.bare", "false"});
  git.must({git_dir, "config", "remote.origin.url", source.remote});
  git.must({git_dir, "update-ref", "--no-deref", "HEAD", locked.commit});
  git.must({git_dir, work_tree, "checkout", "--quiet", "--force", "HEAD", "--", "."}, tree);
  if (source.submodules.value_or(true) && fs::is_regular_file(fs::symlink_status(tree / ".gitmodules")))
    git.must({git_dir, work_tree, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"},
             tree);
  if (keeps_git(source)) make_git_directory(git, source, locked, repository, tree / ".git");
  return collect_tree(below(tree, source), shown_remote(source), store, content);
}

std::int64_t read_commit_time(const GitSource& source, const LockedGit& locked, const store::Store& store) {
  check_git_source(source);
  const GitCommand git(source);
  const fs::path parent = store.directory() / "tmp";
  make_directories(parent);
  const TemporaryDirectory scratch(parent);
  const fs::path repository = scratch.path() / "repository";
  fetch_commit(git, source, locked, repository);
  const std::string text = git.must({"show", "-s", "--format=%ct", locked.commit}, repository);
  const auto seconds = parse_unsigned(std::string_view(text).substr(0, text.find('\n')));
  if (!seconds || *seconds > kLargestTime)
    throw Error("the time of the commit " + locked.commit + " is out of range: expected 1970 to 2242",
                {.where = shown_remote(source)});
  return static_cast<std::int64_t>(*seconds);
}

}  // namespace bottle::image::remote
