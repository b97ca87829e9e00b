// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_entries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "pack/limits.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

using oci::Entry;
using oci::EntryType;

// A few names for a message: "a, b, c and 7 more".
class Names {
 public:
  void add(const std::string& name) {
    if (++count_ <= 3) text_ += (text_.empty() ? "" : ", ") + name;
  }
  std::size_t count() const { return count_; }
  std::string text() const { return count_ > 3 ? fmt::format("{} and {} more", text_, count_ - 3) : text_; }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

bool is_real_directory(const oci::MergedTree& tree, const std::string& path) {
  const oci::MergedTree::Node* node = tree.find(path);
  return node != nullptr && node->inode->type == EntryType::directory;
}

std::string join(const std::vector<std::string_view>& parts) {
  std::string text;
  for (const std::string_view part : parts) {
    if (!text.empty()) text += '/';
    text += part;
  }
  return text;
}

// Whether Windows can have a file of this name. Source: Microsoft, "Naming Files, Paths, and Namespaces".
bool is_windows_name(std::string_view name) {
  const auto is_refused = [](char c) {
    return static_cast<unsigned char>(c) < ' ' ||
           std::string_view(R"(<>:"\|?*)").find(c) != std::string_view::npos;
  };
  if (std::ranges::any_of(name, is_refused)) return false;
  if (name.ends_with('.') || name.ends_with(' ')) return false;
  // A device's name, alone or before a dot, in any case.
  std::string stem(name.substr(0, name.find('.')));
  std::ranges::transform(stem, stem.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (stem == "CON" || stem == "PRN" || stem == "AUX" || stem == "NUL") return false;
  const bool is_numbered = stem.size() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT"));
  return !(is_numbered && stem[3] >= '1' && stem[3] <= '9');
}

struct Report {
  Names omitted;
  Names setuid;
  Names sticky;
  Names owners;
  Names xattrs;
  Names rewritten;
  Names unsafe;
  Names windows;

  void add_to(const std::string& what, const SmolvmVersion& smolvm, Findings& findings) const {
    const auto warn = [&](const Names& names, const char* text) {
      if (names.count() > 0)
        findings.warnings.push_back(fmt::format("{}: {} ({})", what, text, names.text()));
    };
    const auto note = [&](const Names& names, const char* text) {
      if (names.count() > 0) findings.notes.push_back(fmt::format("{}: {} ({})", what, text, names.text()));
    };
    warn(omitted, "device nodes and fifos are left out: smolvm would skip them when it unpacks the pack");
    if (smolvm < kRootKeepsOwners) {
      warn(owners, "owners other than root are lost where smolvm runs as root on the host, kept elsewhere");
      warn(setuid, "setuid and setgid bits are lost where smolvm runs as root on the host, kept elsewhere");
      note(sticky,
           "sticky bits of directories are lost where smolvm runs as root on the host, kept elsewhere");
    }
    warn(xattrs, "extended attributes, file capabilities among them, are left out: packs cannot hold them");
    warn(unsafe, "symbolic links that point outside the image: smolvm refuses the pack when it runs as root");
    if (smolvm >= kUnpacksWithOwners)
      warn(windows, "names that a Windows host cannot extract: the pack cannot be used there");
    note(rewritten, "symbolic links rewritten to an equivalent target that smolvm accepts");
  }
};

}  // namespace

std::string safe_symlink_target(const oci::MergedTree& tree, const std::string& path,
                                const std::string& target) {
  const bool absolute = target.starts_with('/');
  // The directory the kernel is in after the components so far, as far as no link was followed.
  std::vector<std::string_view> position;
  const std::string_view parent = oci::parent_path(path);
  if (!absolute && !parent.empty()) position = split(parent, '/');
  const std::size_t depth = parent.empty() ? 0 : split(parent, '/').size();

  bool exact = true;  // `position` is where the kernel is, not only where the text says
  bool changed = false;
  std::vector<std::string_view> kept;
  for (const std::string_view part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (position.empty()) {
        // At the root ".." stays there: it may be dropped, if the kernel is at the root as well.
        if (!exact) return "";
        changed = true;
        continue;
      }
      position.pop_back();
    } else {
      position.push_back(part);
      if (exact && !is_real_directory(tree, join(position))) exact = false;
    }
    kept.push_back(part);
  }
  if (absolute && position.empty()) {
    // The root itself, which only a relative target may name. With ".." after a link it may be elsewhere.
    if (!exact) return "";
    std::string relative;
    for (std::size_t i = 0; i < depth; ++i)
      relative += i == 0 ? ".." : "/..";
    return relative.empty() ? "." : relative;
  }
  if (!changed) return target;
  const std::string text = join(kept);
  if (absolute) return "/" + text;
  return text.empty() ? "." : text;
}

PackEntries pack_entries(const oci::MergedTree& tree, const std::string& what, const SmolvmVersion& smolvm,
                         Findings& findings) {
  PackEntries result;
  Report report;
  std::unordered_set<std::string> omitted;
  std::uint64_t header_bytes = 0;
  result.entries = tree.entries();
  std::size_t kept = 0;
  for (Entry& entry : result.entries) {
    if (entry.type == EntryType::hardlink) {
      if (omitted.contains(entry.link.string())) {
        report.omitted.add(entry.path);
        continue;
      }
      // A second name of a symbolic link vanishes on a host where the link dangles: a copy of it does not.
      const oci::MergedTree::Node* target = tree.find(entry.link);
      if (target != nullptr && target->inode->type == EntryType::symlink) {
        entry.type = EntryType::symlink;
        entry.link = target->inode->link;
      }
    }
    switch (entry.type) {
      case EntryType::char_device:
      case EntryType::block_device:
      case EntryType::fifo:
      case EntryType::whiteout:
      case EntryType::opaque:
        omitted.insert(entry.path);
        report.omitted.add(entry.path);
        continue;
      case EntryType::symlink: {
        const std::string link = entry.link.string();
        const std::string safe = safe_symlink_target(tree, entry.path, link);
        if (safe.empty()) {
          report.unsafe.add(entry.path + " -> " + link);
        } else if (safe != link) {
          report.rewritten.add(fmt::format("{} -> {} instead of {}", entry.path, safe, link));
          entry.link = safe;
        }
        break;
      }
      case EntryType::directory:
        if (entry.mode & 07000u) report.sticky.add(entry.path);
        break;
      case EntryType::file:
        if (entry.mode & 06000u) report.setuid.add(entry.path);
        result.file_bytes += entry.size;
        header_bytes += entry.size;
        break;
      case EntryType::hardlink:
        break;
    }
    if ((entry.uid != 0 || entry.gid != 0) && entry.type != EntryType::hardlink)
      report.owners.add(entry.path);
    if (!is_windows_name(oci::base_name(entry.path))) report.windows.add(entry.path);
    if (!entry.xattrs.empty() && entry.type != EntryType::hardlink) report.xattrs.add(entry.path);
    if (&entry != &result.entries[kept]) result.entries[kept] = std::move(entry);
    ++kept;
    if (header_bytes > kMaximumArchiveBytes)
      throw Error(fmt::format("the files are too large for a pack: smolvm unpacks at most {}",
                              human_size(kMaximumArchiveBytes)),
                  {.where = what});
  }
  result.entries.erase(result.entries.begin() + static_cast<std::ptrdiff_t>(kept), result.entries.end());
  if (result.entries.size() > kMaximumEntries)
    throw Error(fmt::format("too many entries for a pack: smolvm unpacks at most {}, found {}",
                            kMaximumEntries, result.entries.size()),
                {.where = what});
  report.add_to(what, smolvm, findings);
  return result;
}

}  // namespace bottle::pack
