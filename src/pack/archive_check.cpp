// SPDX-License-Identifier: Apache-2.0
#include "pack/archive_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "oci/entry.hpp"
#include "util/digest.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

std::uint64_t identity(std::string_view path) {
  const Digest digest = sha256(path);
  std::uint64_t value = 0;
  std::memcpy(&value, digest.bytes.data(), sizeof value);
  return value;
}

}  // namespace

bool symlink_unpacks(const std::string& path, const std::string& target) {
  const bool absolute = target.starts_with('/');
  const std::string_view parent = oci::parent_path(path);
  std::size_t depth = absolute || parent.empty() ? 0 : split(parent, '/').size();
  for (const std::string_view part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..")
      ++depth;
    else if (depth-- == 0)
      return false;
  }
  return !absolute || depth > 0;
}

std::string ArchiveCheck::check(const PackTar& tar, const TarItem& item) {
  std::string path = member_path(tar, item);
  if (path.empty()) {
    if (item.type != TarType::directory)
      tar.fail(item.offset, fmt::format("the root of the tree is a {}", type_name(item.type)));
    return path;
  }
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto [parent, is_new] =
        seen_.try_emplace(identity(std::string_view(path).substr(0, slash)), Kind::implied);
    if (!is_new && parent->second != Kind::directory && parent->second != Kind::implied)
      tar.fail(item.offset, fmt::format("\"{}\" is below \"{}\", which is not a directory", escape_word(path),
                                        escape_word(path.substr(0, slash))));
  }
  Kind kind = item.type == TarType::directory ? Kind::directory : Kind::other;
  if (item.type == TarType::hardlink) {
    const std::string target = hardlink_path(tar, item);
    const auto found = seen_.find(identity(target));
    if (found != seen_.end() && found->second == Kind::skipped) {
      kind = Kind::skipped;
    } else if (found == seen_.end() || found->second != Kind::other) {
      tar.fail(item.offset,
               fmt::format("\"{}\" is a hard link to \"{}\", which is not an earlier file of the tar",
                           escape_word(path), escape_word(target)));
    }
  } else if (item.type != TarType::file && item.type != TarType::directory && item.type != TarType::symlink) {
    kind = Kind::skipped;
  }
  if (kind == Kind::skipped && skipped_++ == 0) first_skipped_ = path;
  if (item.type == TarType::symlink && !symlink_unpacks(path, item.link) && unsafe_links_++ == 0)
    first_unsafe_link_ = path;
  if (oci::base_name(path).starts_with(".wh.") && whiteouts_++ == 0) first_whiteout_ = path;

  const auto [found, is_new] = seen_.try_emplace(identity(path), kind);
  if (!is_new) {
    if (found->second != Kind::implied || kind != Kind::directory)
      tar.fail(item.offset, fmt::format("\"{}\" occurs twice", escape_word(path)));
    found->second = kind;
  }
  return path;
}

void ArchiveCheck::report(Findings& findings) const {
  const auto warn = [&](std::uint64_t count, const std::string& first, const char* text) {
    if (count > 0)
      findings.warnings.push_back(
          fmt::format("{}: {} {} (first: {})", name_, count, text, escape_word(first)));
  };
  warn(skipped_, first_skipped_, "device nodes or fifos, which smolvm skips on some hosts");
  warn(unsafe_links_, first_unsafe_link_,
       "symbolic links that point outside the image: smolvm refuses the pack when it runs as root");
  warn(whiteouts_, first_whiteout_, "whiteout files, which smolvm does not interpret: they stay as files");
}

}  // namespace bottle::pack
