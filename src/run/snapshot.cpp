// SPDX-License-Identifier: Apache-2.0
#include "run/snapshot.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "oci/diff.hpp"
#include "run/run_directory.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

constexpr std::size_t kNameLength = 32;  // hex digits: overlayfs takes all names in one page of memory
constexpr std::size_t kMaximumDepth = 48;

image::LoadedPlan first_layers(const image::LoadedPlan& image, std::size_t count) {
  image::LoadedPlan part;
  part.context_roots = image.context_roots;
  part.blob_directories = image.blob_directories;
  part.plan.layers.assign(image.plan.layers.begin(),
                          image.plan.layers.begin() + static_cast<std::ptrdiff_t>(count));
  part.layers.assign(image.layers.begin(), image.layers.begin() + static_cast<std::ptrdiff_t>(count));
  return part;
}

std::string parent_text(const SnapshotFacts& facts) {
  return facts.parent + "\n" + facts.boot + "\n" + (facts.is_of_command ? "command\n" : "");
}

struct Lower {
  fs::path directory;
  SnapshotFacts facts;
};

// Whether every file of the tree is in the uppermost directory that has it, with its size, and with its
// digest where a command wrote it before this boot.
bool has_all_files(const oci::MergedTree& tree, const std::vector<Lower>& lowers, const std::string& boot) {
  bool has_all = true;
  tree.walk([&](const std::string& path, const oci::MergedTree::Node& node) {
    if (!has_all || node.inode->type != oci::EntryType::file) return;
    check_interrupted();
    for (const Lower& lower : lowers) {
      const fs::path file = lower.directory / path;
      struct stat status {};
      if (::lstat(file.c_str(), &status) != 0) continue;
      has_all = S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) == node.inode->size;
      if (has_all && lower.facts.is_of_command && lower.facts.boot != boot && node.inode->size > 0)
        has_all = file_digest(file) == node.inode->digest;
      return;
    }
    has_all = false;
  });
  return has_all;
}

}  // namespace

std::string Snapshots::short_name(const Digest& chain) {
  return chain.hex().substr(0, kNameLength);
}

std::optional<SnapshotFacts> read_snapshot(const fs::path& snapshot) {
  const auto text = read_file_if_exists(snapshot / "parent", 4096);
  if (!text) return std::nullopt;
  const auto lines = split(*text, '\n');
  return SnapshotFacts{.parent = std::string(lines.empty() ? "" : lines[0]),
                       .boot = std::string(lines.size() < 2 ? "" : lines[1]),
                       .is_of_command = lines.size() > 2 && lines[2] == "command"};
}

Digest chain_digest(const image::LoadedPlan& image, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += image.plan.layers[i].digest.hex() + "\n";
  return sha256(text);
}

Snapshots::Snapshots(const store::Store& store, const fs::path& place, IdMapping id_mapping, unsigned user,
                     fs::path work)
    : store_(store), directory_(place / "snapshots" / cache_owner(id_mapping, user)), work_(std::move(work)) {
  options_.single_owner = id_mapping == IdMapping::single;
  options_.devices = id_mapping == IdMapping::root;
  boot_ = read_file_if_exists("/proc/sys/kernel/random/boot_id", 4096).value_or("");
  while (!boot_.empty() && boot_.back() == '\n')
    boot_.pop_back();
  make_directories(directory_);
}

fs::path Snapshots::place(const Digest& chain) const {
  return directory_ / short_name(chain);
}

std::vector<fs::path> Snapshots::chain_of(const Digest& chain) const {
  std::vector<fs::path> result;
  for (std::string name = short_name(chain); !name.empty();) {
    const fs::path snapshot = directory_ / name;
    const auto facts = read_snapshot(snapshot);
    if (!facts) return {};
    use(snapshot);
    result.push_back(snapshot / "fs");
    name = facts->parent;
  }
  return result;
}

// Collection takes what was not used for longest. An exact order within a day is not worth a write each time.
void Snapshots::use(const fs::path& snapshot) const {
  constexpr std::time_t kResolution = std::time_t{24} * 60 * 60;
  const std::string file = (snapshot / "parent").native();
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && ::time(nullptr) - status.st_mtim.tv_sec > kResolution)
    touch(file);
}

std::vector<fs::path> Snapshots::lowers(const image::LoadedPlan& image, std::size_t base) {
  const std::size_t count = image.layers.size();
  const Digest whole = chain_digest(image, count);
  check_after_boot(image);
  if (auto found = chain_of(whole); !found.empty()) return found;
  std::size_t below = count;
  std::vector<fs::path> chain;
  while (below > 0 && chain.empty()) {
    --below;
    if (below > 0) chain = chain_of(chain_digest(image, below));
  }
  if (chain.size() >= kMaximumDepth) below = 0;
  if (below < base && base < count && chain.size() < kMaximumDepth) {
    make(image, below, base);
    below = base;
  }
  make(image, below, count);
  auto made = chain_of(whole);
  if (made.empty()) throw Error("a snapshot was removed while in use", {.where = place(whole).native()});
  return made;
}

void Snapshots::check_after_boot(const image::LoadedPlan& image) const {
  for (std::size_t count = image.layers.size(); count > 0; --count) {
    const auto found = chain_of(chain_digest(image, count));
    if (found.empty()) continue;
    const auto is_older = [this](const fs::path& lower) {
      const auto facts = read_snapshot(lower.parent_path());
      return facts && facts->boot != boot_;
    };
    if (std::none_of(found.begin(), found.end(), is_older)) return;
    make_directories(directory_ / ".locks");
    const FileLock checking(directory_ / ".locks" / "boot", FileLock::Mode::exclusive);
    std::vector<Lower> lowers;
    lowers.reserve(found.size());
    for (const fs::path& lower : found)
      lowers.push_back({lower, read_snapshot(lower.parent_path()).value_or(SnapshotFacts{})});
    const bool is_whole = has_all_files(first_layers(image, count).merged(), lowers, boot_);
    for (const auto& [lower, facts] : lowers) {
      const fs::path snapshot = lower.parent_path();
      if (!is_older(lower)) continue;  // another process published first
      if (is_whole) {
        write_file(snapshot / "parent", parent_text({facts.parent, boot_, false}), Durable::no);
        continue;
      }
      const fs::path doomed = work_ / ("damaged-" + snapshot.filename().native());
      fs::rename(snapshot, doomed);
      remove_tree(doomed);
    }
    if (is_whole) return;
  }
}

void Snapshots::make(const image::LoadedPlan& image, std::size_t below, std::size_t count) {
  const Digest chain = chain_digest(image, count);
  make_directories(directory_ / ".locks");
  const FileLock making(directory_ / ".locks" / chain.hex().substr(0, 2), FileLock::Mode::exclusive);
  // Another stage, or another build, may have been at it.
  if (!chain_of(chain).empty()) return;
  const fs::path directory = work_ / ("snapshot" + std::to_string(++made_));
  make_directories(directory);
  const image::LoadedPlan whole = first_layers(image, count);
  const oci::MergedTree tree = whole.merged();
  const oci::ContentReader reader = whole.reader(store_);
  std::optional<Digest> parent;
  if (below == 0) {
    unpack(tree.entries(), tree.roots(), reader, directory, options_);
  } else {
    parent = chain_digest(image, below);
    const oci::LayerIndex changes = oci::diff(first_layers(image, below).merged(), tree);
    oci::Entry root = *tree.root().inode;
    root.path.clear();
    std::vector<oci::Entry> entries{root};
    entries.insert(entries.end(), changes.entries.begin(), changes.entries.end());
    unpack(entries, changes.roots, reader, directory, options_);
  }
  publish(directory, chain, {parent ? short_name(*parent) : std::string(), boot_, false});
}

void Snapshots::publish(const fs::path& directory, const Digest& chain, const SnapshotFacts& facts) {
  const fs::path prepared = directory.native() + ".snapshot";
  fs::create_directory(prepared);
  fs::rename(directory, prepared / "fs");
  write_file(prepared / "parent", parent_text(facts), Durable::no);
  std::error_code error;
  fs::rename(prepared, place(chain), error);
  if (!error) return;
  if (!chain_of(chain).empty()) return remove_tree(prepared);
  // The existing snapshot has lost its base.
  const fs::path broken = prepared.native() + ".broken";
  fs::rename(place(chain), broken, error);
  fs::rename(prepared, place(chain), error);
  if (error) throw_errno("cannot publish a snapshot as", place(chain).native(), error.value());
  remove_tree(broken);
}

}  // namespace bottle::run
