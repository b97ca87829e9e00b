// SPDX-License-Identifier: Apache-2.0
#include "image/context/scan.hpp"

#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <utility>

#include "dockerfile/ignore.hpp"
#include "image/context/stat_cache.hpp"
#include "image/context/walk_cache.hpp"
#include "image/context/xattrs.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/parallel.hpp"
#include "util/path.hpp"

namespace bottle::image::context {
namespace {

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

ContextScan::ContextScan(ScanOptions options, const fs::path& store_directory)
    : options_(std::move(options)), walk_cache_(std::make_unique<WalkCache>()) {
  // A target's file may be reached through links (a library's soname); what is copied is the file itself.
  for (auto& [name, file] : options_.files) {
    std::error_code error;
    named_paths_.push_back(file);
    fs::path real = fs::canonical(file, error);
    if (error) throw_errno("cannot resolve the file of a target context", file.native(), error.value());
    file = std::move(real);
  }
  if (options_.recorded) {
    walk_cache_->take_record(std::exchange(*options_.recorded, {}));
    return;
  }
  cache_ = std::make_unique<StatCache>(store_directory, options_.root);
  if (!options_.files.empty()) return;
  named_paths_.push_back(options_.root);
  for (const fs::path& exclude : options_.excludes) {
    struct stat status {};
    if (::stat(exclude.c_str(), &status) == 0) walk_cache_->excluded.emplace(status.st_dev, status.st_ino);
  }
  root_ = Fd(::open(options_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_) throw_errno("cannot open the context", options_.root.native());
}

ContextScan::~ContextScan() = default;

std::string ContextScan::absolute(const std::string& path) const {
  const auto file = options_.files.find(path);
  return file != options_.files.end() ? file->second.native() : join_path(options_.root.native(), path);
}

const WalkNode* ContextScan::look(const std::string& path) const {
  if (options_.recorded) {
    const auto found = walk_cache_->nodes.find(path);
    return found == walk_cache_->nodes.end() ? nullptr : &found->second;
  }
  auto [found, is_new] = walk_cache_->nodes.try_emplace(path);
  WalkNode& node = found->second;
  if (is_new) {
    // What lies below something that is left out is left out too.
    if (!path.empty() && look(std::string(oci::parent_path(path))) == nullptr) return nullptr;
    struct stat status {};
    int result = 0;
    if (!options_.files.empty()) {
      if (path.empty()) {
        node.exists = true;
        node.mode = S_IFDIR | 0755;
        return &node;
      }
      const auto file = options_.files.find(path);
      if (file == options_.files.end()) return nullptr;
      result = ::lstat(file->second.c_str(), &status);
    } else {
      result = ::fstatat(root_.get(), path.empty() ? "." : path.c_str(), &status, AT_SYMLINK_NOFOLLOW);
    }
    if (result != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return nullptr;
      throw_errno("cannot stat", absolute(path));
    }
    if (S_ISSOCK(status.st_mode)) return nullptr;  // has no form in an image
    node.mode = status.st_mode;
    node.status = FileStatus::of(status);
    node.device = status.st_rdev;
    node.exists = !is_left_out(path, node);
    if (S_ISLNK(status.st_mode)) {
      std::string link(static_cast<std::size_t>(std::max<off_t>(status.st_size, 255)) + 1, '\0');
      const ssize_t length = ::readlinkat(root_.get(), path.c_str(), link.data(), link.size());
      if (length < 0) throw_errno("cannot read the link", absolute(path));
      link.resize(static_cast<std::size_t>(length));
      node.link = link;
    }
  }
  return node.exists ? &node : nullptr;
}

bool ContextScan::is_left_out(const std::string& path, const WalkNode& node) const {
  if (path.empty() || !S_ISDIR(node.mode) || !options_.files.empty()) return false;
  if (walk_cache_->is_excluded(node.status)) return true;
  const std::string file = join_path(path, kBuildTreeFile);
  if (::faccessat(root_.get(), file.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0 || walk_cache_->is_named(path))
    return false;
  walk_cache_->build_trees.insert(path);
  return true;
}

const std::vector<std::string>& ContextScan::raw_list(const std::string& path) const {
  auto [found, is_new] = walk_cache_->listings.try_emplace(path);
  if (!is_new || options_.recorded) return found->second;
  check_interrupted();
  if (!options_.files.empty()) {
    for (const auto& [name, file] : options_.files)
      found->second.push_back(name);
    return found->second;
  }
  if (const auto ahead = walk_cache_->ahead.find(path); ahead != walk_cache_->ahead.end()) {
    found->second.reserve(ahead->second.size());
    for (WalkCache::Child& child : ahead->second) {
      walk_cache_->remember(path, child);
      found->second.push_back(std::move(child.name));
    }
    walk_cache_->ahead.erase(ahead);
    return found->second;
  }
  const Fd directory = open_beneath(root_.get(), path, O_RDONLY | O_DIRECTORY, options_.root.native());
  found->second = WalkCache::names_in(directory, (options_.root / path).native());
  return found->second;
}

// What the rules say of the path itself, and for directories remembered, since what is below them depends on
// it.
bool ContextScan::matches_rules(const std::string& path) const {
  const auto known = walk_cache_->rules.find(path);
  if (known != walk_cache_->rules.end()) return known->second.ignored;
  const std::string parent(oci::parent_path(path));
  if (!parent.empty()) (void)matches_rules(parent);
  const dockerfile::IgnoreMatcher::Results& above = walk_cache_->rules[parent].results;
  const WalkNode* node = look(path);
  if (node == nullptr || !S_ISDIR(node->mode)) return options_.ignore->matches(path, above, nullptr);
  WalkCache::Rules own;
  own.ignored = options_.ignore->matches(path, above, &own.results);
  return (walk_cache_->rules[path] = std::move(own)).ignored;
}

bool ContextScan::ignored(const std::string& path, bool is_directory) const {
  if (options_.ignore == nullptr || options_.ignore->empty() || path.empty() || options_.recorded)
    return false;
  return matches_rules(path) && (!is_directory || !holds_anything(path));
}

// Whether an ignored directory is there all the same because a later "!" rule takes back something below it.
bool ContextScan::holds_anything(const std::string& directory) const {
  if (options_.ignore->may_skip(directory)) return false;
  const auto known = walk_cache_->holds_anything.find(directory);
  if (known != walk_cache_->holds_anything.end()) return known->second;
  const std::vector<std::string>& names = raw_list(directory);
  const bool holds = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return kind(join_path(directory, name)) != Kind::missing;
  });
  walk_cache_->holds_anything[directory] = holds;
  return holds;
}

copy::SourceTree::Kind ContextScan::kind(const std::string& path) const {
  const WalkNode* node = look(path);
  if (node == nullptr || ignored(path, S_ISDIR(node->mode))) return Kind::missing;
  if (S_ISDIR(node->mode)) return Kind::directory;
  return S_ISLNK(node->mode) ? Kind::symlink : Kind::other;
}

std::string ContextScan::read_link(const std::string& path) const {
  walk_cache_->links.insert(path);
  return look(path)->link.string();
}

std::vector<std::string> ContextScan::list(const std::string& path) const {
  std::vector<std::string> names;
  for (const std::string& name : raw_list(path))
    if (kind(join_path(path, name)) != Kind::missing) names.push_back(name);
  return names;
}

void ContextScan::take(const copy::Source& source) {
  sources_.back().push_back(source);
  name(source);
  take_one(source);
}

// A source that names a build tree brings it into the context, also for the sources before.
void ContextScan::name(const copy::Source& source) {
  if (options_.recorded || !options_.files.empty()) return;
  const std::string written = path_in_root(source.written);
  std::string literal;
  for (const std::string_view part : path_components(std::string_view(written))) {
    if (copy::has_wildcards(part)) break;
    literal = join_path(literal, part);
  }
  literal = copy::follow_links(*this, literal);
  if (literal.empty() || !walk_cache_->named.insert(literal).second) return;
  const auto is_named = [&](const std::string& tree) { return is_within(literal, tree); };
  bool was_left_out = false;
  for (const std::string& tree : std::set<std::string>(walk_cache_->build_trees))
    if (is_named(tree)) {
      was_left_out = true;
      walk_cache_->build_trees.erase(tree);
      walk_cache_->noted.erase(tree);
      std::erase_if(walk_cache_->nodes, [&](const auto& item) { return is_within(item.first, tree); });
    }
  if (!was_left_out) return;
  walk_cache_->holds_anything.clear();
  const std::vector<std::vector<copy::Source>> sources = std::exchange(sources_, {{}});
  const std::vector<Set> before = std::exchange(sets_, {});
  all_.clear();
  current_.clear();
  matches_ = 0;
  named_ = nullptr;
  for (std::size_t set = 0; set < sources.size(); ++set) {
    const bool is_open = set + 1 == sources.size();
    sources_.back() = sources[set];
    for (std::size_t i = 0; i + (is_open ? 1 : 0) < sources[set].size(); ++i)
      take_one(sources[set][i]);
    if (!is_open) close(before[set].detail);
  }
}

void ContextScan::take_one(const copy::Source& source) {
  const auto refuse_missing = [&](const std::string& path) {
    std::string hint = "write the source relative to the context " + options_.root.native();
    if (options_.ignore != nullptr && ::faccessat(root_.get(), path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
      hint =
          "add an exception (!) to the ignore file: a rule of " + options_.ignore_name + " excludes the file";
    else if (source.pattern.climbs)
      hint = "use a named context and --from=<name> for a directory outside the context";
    throw Error("\"" + source.written + "\" is not in the context", {.where = {}, .hint = hint});
  };
  // Links that lead to a source are inputs like the source: the copy follows them again.
  walk_cache_->links.clear();
  const std::vector<copy::SourceMatch> matches = copy::find_matches(*this, source.pattern);
  for (const std::string& tree : walk_cache_->build_trees)
    if (source.pattern.match(tree)) walk_cache_->noted.insert(tree);
  // A wildcard that matches nothing is not an error as long as the directory it looks in exists.
  matches_ += matches.size();
  if (matches.empty())
    if (const std::string directory = copy::follow_links(*this, source.pattern.literal); !directory.empty())
      take_path(directory);
  for (const copy::SourceMatch& match : matches) {
    const Kind found = kind(match.path);
    if (found == Kind::missing) {
      if (!source.pattern.is_wildcard()) refuse_missing(match.path);
    } else {
      if (!match.path.empty()) take_path(match.path);
      if (found != Kind::directory) continue;
      named_ = match.path.empty() ? nullptr : current_.back();
      // Rules may leave out most of what is there.
      const bool takes_all = (options_.ignore == nullptr || options_.ignore->empty()) && !source.includes &&
                             !source.excludes.could_match_below("");
      if (takes_all && !options_.recorded && options_.files.empty() &&
          !walk_cache_->listings.contains(match.path))
        walk_cache_->look_ahead(root_.get(), options_.root.native(), match.path);
      take_below(source, match.path, "");
    }
  }
  if (source.required) {
    // Before the pivot links are followed, behind it they are not.
    std::string_view below = std::string_view(*source.required).substr(source.pattern.path.size());
    if (below.starts_with('/')) below.remove_prefix(1);
    if (kind(join_path(copy::follow_links(*this, source.pattern.path), below)) == Kind::missing)
      refuse_missing(*source.required);
  }
  for (const std::string& path : walk_cache_->links)
    take_path(path);
}

bool ContextScan::take_below(const copy::Source& source, const std::string& root,
                             const std::string& relative) {
  bool took_any = false;
  const bool takes_all = !source.includes && !source.excludes.could_match_below("");
  for (const std::string& name : raw_list(join_path(root, relative))) {
    const std::string below = join_path(relative, name);
    const std::string path = root.empty() ? below : join_path(root, below);
    auto item = walk_cache_->nodes.find(path);
    if (item == walk_cache_->nodes.end()) {
      (void)look(path);
      item = walk_cache_->nodes.find(path);
    }
    const WalkNode& node = item->second;
    if (!node.exists) {
      if (walk_cache_->build_trees.contains(path) && (takes_all || source.takes(below)))
        walk_cache_->noted.insert(path);
      continue;
    }
    if (ignored(path, S_ISDIR(node.mode))) continue;
    bool takes = takes_all || source.takes(below);
    const std::size_t place = current_.size();
    current_.push_back(&*item);  // before what is below it: nearly in order
    // A directory on the way to something taken comes along, with its own attributes.
    if (S_ISDIR(node.mode) && source.may_take_below(below)) takes |= take_below(source, root, below);
    if (!takes) current_.resize(place);  // nothing below it was taken either
    took_any |= takes;
  }
  return took_any;
}

void ContextScan::take_path(const std::string& path) {
  current_.push_back(&*walk_cache_->nodes.find(path));
}

// By path, each one once.
template <typename Items>
static void put_in_order(Items& items) {
  const auto is_before = [](const auto* a, const auto* b) { return a->first < b->first; };
  if (!std::is_sorted(items.begin(), items.end(), is_before))
    std::sort(items.begin(), items.end(), is_before);
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

std::size_t ContextScan::close(const copy::EntryDetail& detail) {
  put_in_order(current_);
  all_.insert(all_.end(), current_.begin(), current_.end());
  // With several matches the directory may also lie below another one.
  Item* named = matches_ == 1 && !detail.named ? named_ : nullptr;
  for (Item* item : current_) {
    if (item == named) continue;
    copy::EntryDetail& needed = item->second.detail;
    needed.modes |= detail.modes;
    needed.user_xattrs |= detail.user_xattrs;
    needed.named = true;
  }
  sets_.push_back({std::move(current_), detail, named});
  current_ = {};
  matches_ = 0;
  named_ = nullptr;
  sources_.emplace_back();
  return sets_.size() - 1;
}

void ContextScan::digest_files() {
  put_in_order(all_);
  if (options_.recorded) return;
  Items unknown;
  for (Item* item : all_) {
    auto& [path, node] = *item;
    if (S_ISREG(node.mode)) {
      if (const FileContent* content = cache_->find(path, node.status))
        node.content = *content;
      else
        unknown.push_back(item);
    } else if (!S_ISLNK(node.mode)) {
      node.content.xattrs = xattrs_of(absolute(path));
    }
  }
  parallel_for(unknown.size(), default_threads(), [&](std::size_t i) { digest(*unknown[i]); });
  for (const Item* item : unknown)
    cache_->add(item->first, item->second.status, item->second.content, item->second.read_at);
  files_read_ = unknown.size();
  cache_->save();
  cache_.reset();
}

void ContextScan::release() {
  all_ = {};
  sets_ = {};
  sources_ = {};
  walk_cache_.reset();
}

void ContextScan::digest(Item& item) const {
  auto& [path, node] = item;
  const std::string name = absolute(path);
  constexpr int kTries = 5;
  // Room for a byte more than is expected: then the first read of a small file says that it ends there.
  Bytes buffer(std::clamp<std::uint64_t>(node.status.size + 1, 4096, 1u << 20));
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const Fd file = options_.files.empty()
                        ? open_beneath(root_.get(), path, O_RDONLY | O_NONBLOCK, options_.root.native())
                        : open_for_reading(name, O_NOFOLLOW | O_NONBLOCK);
    node.read_at = now_ns();
    const struct stat before = stat_of(file.get(), name);
    if (!S_ISREG(before.st_mode)) break;
    Sha256 hasher;
    while (const std::size_t count = read_some(file.get(), buffer, name)) {
      check_interrupted();
      hasher.update(std::span(buffer).first(count));
      if (count < buffer.size()) break;
    }
    node.content.xattrs = xattrs_of(file, name);
    if (!(FileStatus::of(before) == FileStatus::of(stat_of(file.get(), name)))) continue;
    node.status = FileStatus::of(before);
    node.mode = before.st_mode;
    node.content.digest = hasher.finish();
    return;
  }
  throw Error("the file changed while it was read",
              {.where = name, .hint = "build again when the file is complete"});
}

}  // namespace bottle::image::context
