#include "image/remote_git.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <vector>

#include "image/remote_url.hpp"
#include "image/stored_index.hpp"
#include "util/error.hpp"
#include "util/path.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

using dockerfile::GitSource;

constexpr const char* kSchema = "bottle-git 1";
constexpr std::uint64_t kMaximumBytes = std::uint64_t{64} << 30;
constexpr std::size_t kMaximumEntries = 4'000'000;
constexpr std::size_t kMaximumDepth = 512;  // of directories
constexpr std::size_t kMaximumListing = 1u << 30;

std::string shown(const GitSource& source) {
  return without_credentials(source.remote);
}

// Nothing that git could take for an option, and no name that no ref can have (git-check-ref-format(1)).
void check(const GitSource& source) {
  const auto refuse = [&](const char* what, const std::string& text) {
    throw Error(std::string("\"") + escape_word(text) + "\" is no " + what, {.where = shown(source)});
  };
  if (source.remote.empty() || source.remote.front() == '-') refuse("git remote", source.remote);
  // "ssh://-oProxyCommand=..." is an option to ssh.
  const std::size_t scheme = source.remote.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t end = std::min(source.remote.find('/', host), source.remote.size());
  const std::size_t at = source.remote.rfind('@', end);
  const std::size_t name = at == std::string::npos || at < host ? host : at + 1;
  if (source.remote.compare(host, 1, "-") == 0 || source.remote.compare(name, 1, "-") == 0)
    refuse("git remote", source.remote);
  const std::string& ref = source.ref;
  const bool is_bad = std::any_of(ref.begin(), ref.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f ||
           std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
  });
  if (is_bad || ref.starts_with('-') || ref.ends_with('.') || ref.find("..") != std::string::npos ||
      ref.find("@{") != std::string::npos)
    refuse("name of a commit, branch or tag", ref);
  if (dockerfile::is_commit(ref) && !ref.starts_with(source.checksum))
    throw Error("the commit " + ref + " is not the checksum " + source.checksum, {.where = shown(source)});
}

class Git {
 public:
  explicit Git(const GitSource& source) : source_(source) {
    if (!find_program("git"))
      throw Error("git is not installed, and ADD takes files from a repository",
                  {.where = shown(source), .hint = "install git"});
    const char* path = std::getenv("PATH");
    environment_ = {std::string("PATH=") + (path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin"),
                    "LC_ALL=C",
                    "HOME=/dev/null",
                    "GIT_CONFIG_NOSYSTEM=1",
                    "GIT_CONFIG_GLOBAL=/dev/null",
                    "GIT_ATTR_NOSYSTEM=1",
                    "GIT_TERMINAL_PROMPT=0",
                    "GIT_ASKPASS=true",
                    "GIT_SSH_COMMAND=ssh -o BatchMode=yes",
                    "GIT_LFS_SKIP_SMUDGE=1"};
    for (const char* name :
         {"SSH_AUTH_SOCK", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy",
          "no_proxy", "all_proxy", "SSL_CERT_FILE", "GIT_SSL_CAINFO"})
      if (const char* value = std::getenv(name)) environment_.push_back(std::string(name) + "=" + value);
  }

  // Standard output and error together, lines of both.
  Finished run(const std::vector<std::string>& arguments, const fs::path& directory = {},
               const std::function<void(std::string_view)>& on_output = {}) const {
    // file: and ext: would reach what is on this machine; a repository may name them for its submodules.
    Command command;
    command.arguments = {
        "git", "-c", "protocol.allow=never", "-c", "protocol.http.allow=always", "-c",
        "protocol.https.allow=always", "-c", "protocol.git.allow=always", "-c", "protocol.ssh.allow=always",
        "-c", "protocol.file.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
        "-c", "core.symlinks=true", "-c", "core.fileMode=true", "-c", "credential.helper=", "-c", "gc.auto=0",
        "-c", "maintenance.auto=false", "-c",
        // Each object a file of its own where they are to be picked from.
        std::string("fetch.unpackLimit=") + (source_.keep_git_dir.value_or(false) ? "2000000000" : "100"),
        "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "advice.detachedHead=false"};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.environment = environment_;
    command.directory = directory;
    return bottle::run(std::move(command), on_output);
  }

  // The same; a failure is an Error with git's last words.
  std::string must(const std::vector<std::string>& arguments, const fs::path& directory = {}) const {
    const Finished finished = run(arguments, directory);
    if (!finished.status.success()) fail(arguments.front(), finished);
    return finished.output;
  }

  [[noreturn]] void fail(const std::string& what, const Finished& finished) const {
    throw Error("git " + what + " failed (" + finished.status.text() + "): " + last_words(finished.output),
                {.where = shown(source_), .hint = "see whether git can fetch it without your configuration"});
  }

 private:
  // The last lines, without what the remote's URL may hold.
  std::string last_words(std::string text) const {
    const std::string plain = shown(source_);
    if (plain != source_.remote)
      for (std::size_t at = text.find(source_.remote); at != std::string::npos;
           at = text.find(source_.remote, at + plain.size()))
        text.replace(at, source_.remote.size(), plain);
    if (text.size() > 600) text.erase(0, text.find('\n', text.size() - 600) + 1);
    while (text.ends_with('\n'))
      text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text.empty() ? "it said nothing" : text;
  }

  const GitSource& source_;
  std::vector<std::string> environment_;
};

// The commit in a new repository `directory`, without history if the remote allows that.
void fetch_commit(const Git& git, const GitSource& source, const LockedGit& locked,
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
  const Finished direct = fetch(true, locked.commit);
  if (direct.status.success() && is_there()) return;
  // Not every server gives commits by name, or without history; then it must be in that of the ref.
  std::string ref = locked.ref;
  if (ref == "HEAD" && !source.ref.empty() && !dockerfile::is_commit(source.ref)) ref = source.ref;
  if (fetch(true, ref).status.success() && is_there()) return;
  if (fetch(false, ref).status.success() && is_there()) return;
  if (!direct.status.success()) git.fail("fetch " + locked.commit, direct);
  throw Error("the repository has no commit " + locked.commit,
              {.where = shown(source), .hint = "has its history been rewritten? bottle-lock update"});
}

// A repository with nothing but the commit's own objects, in a form that depends on nothing else.
void make_git_directory(const Git& git, const GitSource& source, const LockedGit& locked,
                        const fs::path& from, const fs::path& directory) {
  make_directories(directory / "objects" / "info");
  make_directories(directory / "objects" / "pack");
  make_directories(directory / "refs" / "heads");
  make_directories(directory / "refs" / "tags");
  std::string listing;
  const Finished listed =
      git.run({"rev-list", "--objects", "--no-object-names", "--max-count=1", locked.commit}, from,
              [&](std::string_view text) {
                if (listing.size() + text.size() > kMaximumListing)
                  throw Error("the commit has too many objects", {.where = shown(source)});
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
                 "[remote \"origin\"]\n\turl = " + shown(source) +
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

// What is below a directory as entries, its bytes one after the other in one blob.
class Collector {
 public:
  Collector(const std::string& where, const store::Store& store) : where_(where), writer_(store) {
    index_.roots.emplace_back();  // named when all bytes are known
  }

  void walk(const fs::path& directory, const std::string& prefix, std::size_t depth,
            const std::set<std::string>& left_out) {
    if (depth > kMaximumDepth) throw Error("directories nested too deeply", {.where = where_});
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory))
      names.push_back(entry.path().filename().native());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const std::string path = join_path(prefix, name);
      // Of a submodule's checkout: where its repository was.
      if (left_out.contains(path) || (name == ".git" && !fs::is_directory(directory / name))) continue;
      if (const char* defect = oci::path_defect(path))
        throw Error("the path \"" + escape_word(path) + "\" cannot be in an image: " + defect,
                    {.where = where_});
      if (index_.entries.size() >= kMaximumEntries)
        throw Error("more than " + std::to_string(kMaximumEntries) + " files", {.where = where_});
      add(directory / name, path);
      if (index_.entries.back().type == oci::EntryType::directory)
        walk(directory / name, path, depth + 1, left_out);
    }
  }

  oci::LayerIndex finish(store::Output& content) {
    content = writer_.commit();
    index_.roots.front() = "blob:" + content.digest.string();
    if (content.size == 0) index_.roots.clear();
    return std::move(index_);
  }

 private:
  void add(const fs::path& file, const std::string& path) {
    oci::Entry entry;
    entry.path = path;
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0) throw_errno("cannot read", file.native());
    if (S_ISDIR(status.st_mode)) {
      entry.type = oci::EntryType::directory;
      entry.mode = 0755;
    } else if (S_ISLNK(status.st_mode)) {
      entry.type = oci::EntryType::symlink;
      entry.mode = 0777;
      entry.link = fs::read_symlink(file).native();
    } else if (S_ISREG(status.st_mode)) {
      // As a checkout under umask 022 leaves it.
      entry.mode = (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
      const std::uint64_t begin = writer_.size();
      Sha256 hasher;
      const Fd input = open_for_reading(file, O_NOFOLLOW);
      while (const std::size_t count = read_some(input.get(), buffer_, file.native())) {
        const auto data = std::span<const std::byte>(buffer_).first(count);
        if (writer_.size() + count > kMaximumBytes)
          throw Error("more than " + human_size(kMaximumBytes), {.where = where_});
        hasher.update(data);
        writer_.write(data);
      }
      entry.digest = hasher.finish();
      entry.size = writer_.size() - begin;
      if (entry.size != 0) {
        entry.place.root = 0;
        entry.place.offset = begin;
      }
    } else {
      throw Error("\"" + escape_word(path) + "\" is neither file, directory nor link", {.where = where_});
    }
    index_.entries.push_back(std::move(entry));
  }

  std::string where_;
  store::Store::Writer writer_;
  oci::LayerIndex index_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(256u << 10);
};

// Each component must be a directory, not a link that leads elsewhere.
fs::path below(const fs::path& top, const GitSource& source) {
  fs::path directory = top;
  const std::string subdir = path_in_root(source.subdir);
  for (const std::string_view part : path_components(subdir)) {
    directory /= part;
    const auto status = fs::symlink_status(directory);
    if (status.type() != fs::file_type::directory)
      throw Error("the commit has no directory \"" + escape_word(subdir) + "\"", {.where = shown(source)});
  }
  return directory;
}

bool keeps_git(const GitSource& source) {
  // Of a subdirectory there is no repository.
  return source.keep_git_dir.value_or(false) && path_in_root(source.subdir).empty();
}

oci::LayerIndex check_out(const GitSource& source, const LockedGit& locked, const store::Store& store,
                          store::Output& content) {
  check(source);
  const Git git(source);
  const fs::path parent = store.directory() / "tmp";
  make_directories(parent);
  const TemporaryDirectory scratch(parent);
  const fs::path repository = scratch.path() / "repository";
  const fs::path tree = scratch.path() / "tree";
  fetch_commit(git, source, locked, repository);
  make_directories(tree);
  const std::string git_dir = "--git-dir=" + repository.native();
  const std::string work_tree = "--work-tree=" + tree.native();
  // As a repository with a work tree, which submodules need.
  git.must({git_dir, "config", "core.bare", "false"});
  git.must({git_dir, "config", "remote.origin.url", source.remote});
  git.must({git_dir, "update-ref", "--no-deref", "HEAD", locked.commit});
  git.must({git_dir, work_tree, "checkout", "--quiet", "--force", "HEAD", "--", "."}, tree);
  std::set<std::string> left_out;
  if (source.submodules.value_or(true) && fs::is_regular_file(fs::symlink_status(tree / ".gitmodules")))
    git.must({git_dir, work_tree, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"},
             tree);
  if (keeps_git(source)) make_git_directory(git, source, locked, repository, tree / ".git");
  Collector collector(shown(source), store);
  collector.walk(below(tree, source), "", 0, left_out);
  return collector.finish(content);
}

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
  check(source);
  if (const std::string commit = pinned_commit(source); !commit.empty())
    return {.commit = commit, .ref = source.ref.starts_with("refs/") ? source.ref : "HEAD"};
  const Git git(source);
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
  std::map<std::string, std::string> found;
  for (const std::string_view line : split(listing, '\n')) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || !dockerfile::is_commit(line.substr(0, tab))) continue;
    found.emplace(line.substr(tab + 1), line.substr(0, tab));
  }
  for (const std::string& candidate : candidates) {
    // Of an annotated tag, what it points to.
    auto commit = found.find(candidate + "^{}");
    if (commit == found.end()) commit = found.find(candidate);
    if (commit == found.end()) continue;
    if (!source.checksum.empty() && !commit->second.starts_with(source.checksum))
      throw Error("expected the commit " + source.checksum + ", found " + commit->second + " as " + candidate,
                  {.where = shown(source)});
    return {.commit = commit->second, .ref = candidate};
  }
  throw Error(
      "the repository has neither a branch nor a tag \"" + (source.ref.empty() ? "HEAD" : source.ref) + "\"",
      {.where = shown(source), .hint = "name a commit by all of its digits"});
}

std::string git_identity(const GitSource& source, const LockedGit& locked) {
  std::string text = "git " + locked.commit;
  if (const std::string subdir = path_in_root(source.subdir); !subdir.empty())
    text += " subdir=" + escape_word(subdir);
  if (!source.submodules.value_or(true)) text += " submodules=false";
  // Then the files say where they are from.
  if (keeps_git(source))
    text += " keep-git-dir=" + escape_word(shown(source)) + " ref=" + escape_word(locked.ref);
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
  oci::LayerIndex index = check_out(source, locked, store, content);
  store::ActionResult result{.kind = "git", .label = git_name(source) + " " + locked.commit};
  result.outputs["content"] = content;
  result.outputs["index"] = store.put(index.serialize());
  result.tool_version = BOTTLE_VERSION;
  store.put_action(key, result);
  return index;
}

}  // namespace bottle::image
