// SPDX-License-Identifier: Apache-2.0
#include "copy/copy.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "copy/mode.hpp"
#include "copy/sources.hpp"
#include "copy/target.hpp"
#include "copy/unpack.hpp"
#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::copy {
namespace {

using oci::Entry;
using oci::EntryType;
using Kind = SourceTree::Kind;
using Node = oci::MergedTree::Node;

bool is_directory(const Node& node) {
  return node.inode->type == EntryType::directory;
}

std::string shown(std::string_view path) {
  return fmt::format("\"/{}\"", path);
}

// What the instruction asks for, understood.
struct CopyPlan {
  std::string destination;  // from the root, links not followed
  bool into_directory;      // the destination is written as a directory: "dir/" or "dir/."
  std::optional<image::Owner> owner;
  std::optional<ModeChange> mode;
  bool unpack;
};

CopyPlan understand(const CopyRequest& request, const oci::MergedTree& destination) {
  CopyPlan plan;
  const std::string& written = request.destination;
  plan.destination = path_in_root(!written.empty() && written.front() == '/'
                                      ? written
                                      : clean_path("/" + request.workdir) + "/" + written);
  const auto ends_with = [&](std::string_view end) {
    return written.size() >= end.size() && written.substr(written.size() - end.size()) == end;
  };
  // "" and "." are the working directory.
  plan.into_directory = written.empty() || written == "." || ends_with("/") || ends_with("/.");
  if (const std::size_t count = request.sources.size() + request.inlines.size();
      count > 1 && !plan.into_directory && request.warn) {
    request.warn(
        fmt::format("\"{0}\" is the destination of {1} sources but has no '/' at its end: unless it is a "
                    "directory, each file replaces the one before; write \"{0}/\"",
                    written, count));
  }
  if (request.chmod && !request.chmod->empty()) plan.mode = ModeChange::parse(*request.chmod);
  if (request.chown && !request.chown->empty()) {
    plan.owner = image::resolve_owner(*request.chown, destination, request.read_destination, request.warn);
  }
  plan.unpack = request.unpack.value_or(request.is_add);
  return plan;
}

// The pattern that matches the path alone.
std::string literal_pattern(const std::string& path) {
  if (!has_wildcards(path)) return path;
  std::string pattern;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[')
      pattern += std::string("[") + c + "]";
    else if (c == '\\')
      pattern += "\\\\";
    else
      pattern += c;
  }
  return pattern;
}

class Copier {
 public:
  Copier(CopyTarget& target, const CopyRequest& request, const CopyPlan& plan)
      : target_(target), request_(request), plan_(plan) {}

  // `uses_up`: the files of `from` are no longer needed, and the tree is not const.
  void copy_source(const oci::MergedTree& from, const Source& source, bool unpack,
                   const ArchiveOpener& open_archive, bool uses_up = false) {
    from_ = &from;
    const MergedSourceTree tree(from);
    took_required_ = !source.required;
    const std::vector<SourceMatch> matches = find_matches(tree, source.pattern);
    uses_up_ = uses_up && matches.size() == 1;  // in one match nothing comes twice
    for (const SourceMatch& match : matches) {
      const Node* node = from.find(match.path);
      if (node == nullptr) not_found(source);
      if (unpack && node->inode->type == EntryType::file) {
        if (const auto archive = open_archive(*node->inode, from.roots())) {
          unpack_archive(*archive);
          continue;
        }
      }
      copy_match(source, match, *node);
    }
    if (!took_required_) {
      throw Error(fmt::format("{} not found, the start of \"{}\" for --parents", shown(*source.required),
                              source.written));
    }
  }

  void copy_inline(const CopyRequest::Inline& document) {
    auto inode = std::make_shared<Entry>();
    inode->mode = 0644;
    inode->size = document.size;
    inode->digest = document.digest;
    if (document.size != 0) inode->place.root = target_.root(document.root);
    inode->mtime = request_.epoch;
    apply_options(*inode);
    const std::string path = prepare_target(document.name, false);
    make_room(path);
    target_.put(path, std::move(inode));
  }

 private:
  // A source directory on the way to the entry at hand that is only made if something below it is taken.
  struct Parent {
    const Node* node;
    std::string path;
    bool is_made;
  };

  [[noreturn]] static void not_found(const Source& source) {
    if (source.pattern.climbs) {
      throw Error(fmt::format("\"{}\" not found: \"..\" at the root is the root, which makes it {}",
                              source.written, shown(source.pattern.path)),
                  {.hint = "write a source inside the context"});
    }
    throw Error(fmt::format("{} not found", shown(source.pattern.path)),
                {.hint = "write the source relative to the root of the context, and check that no ignore "
                         "file excludes it"});
  }

  void unpack_archive(const oci::LayerIndex& archive) {
    const std::string directory = follow_links(target_, plan_.destination);
    make_directories(directory, 0755);
    unpack(archive, target_, directory, {plan_.owner, request_.epoch, request_.keep_times});
  }

  void copy_match(const Source& source, const SourceMatch& match, const Node& node) {
    const std::string path = prepare_target(match.name, is_directory(node));
    source_ = &source;
    links_.clear();
    copy_node(node, match.name, "", path, false);
  }

  // Makes the directories that are needed and returns the path of what is copied.
  std::string prepare_target(const std::string& name, bool is_source_directory) {
    const std::uint16_t mode = plan_.mode ? plan_.mode->mode_of_made_directories() : std::uint16_t{0755};
    make_directories(follow_links(target_, plan_.into_directory ? std::string_view(plan_.destination)
                                                                : oci::parent_path(plan_.destination)),
                     mode);
    std::string path = follow_links(target_, plan_.destination);
    const Kind kind = target_.kind(path);
    if (!is_source_directory && kind == Kind::directory) path = join_path(path, oci::base_name(name));
    make_directories(
        is_source_directory && kind == Kind::missing ? path : std::string(oci::parent_path(path)), mode);
    return path;
  }

  void make_directories(const std::string& path, std::uint16_t mode) {
    const Kind kind = target_.kind(path);
    if (kind == Kind::directory) return;
    if (kind != Kind::missing)
      throw Error(fmt::format("cannot create the directory {}: it is a file", shown(path)));
    make_directories(std::string(oci::parent_path(path)), mode);
    auto made = std::make_shared<Entry>();
    made->type = EntryType::directory;
    made->mode = mode;
    made->mtime = request_.epoch;
    if (plan_.owner) {
      made->uid = plan_.owner->uid;
      made->gid = plan_.owner->gid;
    }
    target_.put(path, std::move(made));
  }

  // `relative` is the path below what the source named, "" for that itself. What is below a copied directory
  // overwrites the attributes of existing directories; what is named itself does not.
  void copy_node(const Node& node, const std::string& source_path, const std::string& relative,
                 const std::string& path, bool overwrite) {
    const bool taken = relative.empty() || source_->takes(relative);
    if (taken) {
      if (source_->required && !relative.empty() && is_required(source_path)) took_required_ = true;
      make_waiting_parents(overwrite);
    }
    if (!is_directory(node)) {
      if (taken) copy_leaf(node, path);
      return;
    }
    const bool is_made = taken && make_directory(node, path, overwrite);
    if (relative.empty() || source_->may_take_below(relative)) {
      parents_.push_back({&node, path, taken});
      for (const auto& [name, child] : node.children) {
        copy_node(child, join_path(source_path, name), join_path(relative, name), join_path(path, name),
                  true);
      }
      parents_.pop_back();
    }
    if (is_made || (taken && overwrite)) {
      overwrite_attributes(*target_.change(path), *node.inode);
    } else if (taken && !path.empty()) {
      target_.change(path)->mtime = time_of(*node.inode);
    }
  }

  bool is_required(const std::string& source_path) const {
    return is_within(source_path, *source_->required);
  }

  void copy_leaf(const Node& node, const std::string& path) {
    make_room(path);
    // Only files are kept linked to each other.
    CopyTarget::Inode unlinked;
    const bool is_linked = node.inode->type == EntryType::file && node.inode.use_count() > 1;
    CopyTarget::Inode& inode = is_linked ? links_[node.inode.get()] : unlinked;
    if (!inode) {
      inode = uses_up_ && node.inode.use_count() == 1 ? std::move(const_cast<Node&>(node).inode)
                                                      : std::make_shared<Entry>(*node.inode);
      inode->path.clear();
      if (inode->place.root != oci::Place::kNone) {
        inode->place.root = target_.root(from_->roots().at(inode->place.root));
      }
      inode->mtime = time_of(*inode);
      keep_layer_xattrs(*inode);
      apply_options(*inode);
    }
    target_.put(path, is_linked ? inode : std::move(inode));
  }

  void make_room(const std::string& path) const {
    if (target_.kind(path) == Kind::directory) {
      throw Error(fmt::format("cannot replace the directory {} with a file", shown(path)));
    }
  }

  void make_waiting_parents(bool overwrite) {
    for (Parent& parent : parents_) {
      if (parent.is_made) continue;
      parent.is_made = true;
      if (make_directory(*parent.node, parent.path, overwrite)) {
        overwrite_attributes(*target_.change(parent.path), *parent.node->inode);
      }
    }
  }

  // True if it was not there.
  bool make_directory(const Node& node, const std::string& path, bool overwrite) {
    const Kind kind = target_.kind(path);
    if (kind == Kind::missing) {
      auto made = std::make_shared<Entry>();
      made->type = EntryType::directory;
      made->mode = node.inode->mode;
      target_.put(path, std::move(made));
      return true;
    }
    if (kind != Kind::directory)
      throw Error(fmt::format("cannot copy a directory to {}: it is not a directory", shown(path)));
    if (overwrite) target_.change(path)->mode = node.inode->mode;
    return false;
  }

  std::int64_t time_of(const Entry& from) const { return request_.keep_times ? from.mtime : request_.epoch; }

  // Of a directory; extended attributes are added to what it has.
  void overwrite_attributes(Entry& inode, const Entry& from) const {
    inode.mode = from.mode;
    inode.uid = from.uid;
    inode.gid = from.gid;
    inode.mtime = time_of(from);
    Entry added = from;
    keep_layer_xattrs(added);
    for (const auto& [name, value] : added.xattrs)
      inode.xattrs.set(name, value);
    apply_options(inode);
  }

  // --chown and --chmod.
  void apply_options(Entry& inode) const {
    if (plan_.owner) {
      inode.uid = plan_.owner->uid;
      inode.gid = plan_.owner->gid;
    }
    if (plan_.mode && inode.type != EntryType::symlink) {
      inode.mode = plan_.mode->apply(inode.mode, inode.type == EntryType::directory);
    }
  }

  const oci::MergedTree* from_ = nullptr;  // of the source at hand
  CopyTarget& target_;
  const CopyRequest& request_;
  const CopyPlan& plan_;
  // Of the match at hand: hard links are kept inside one match only.
  const Source* source_ = nullptr;
  std::unordered_map<const Entry*, CopyTarget::Inode> links_;
  std::vector<Parent> parents_;
  bool took_required_ = true;
  bool uses_up_ = false;  // files may be taken out of the source at hand
};

oci::LayerIndex copy_from(const oci::MergedTree& source, bool uses_up, const oci::MergedTree& destination,
                          const CopyRequest& request, const ArchiveOpener& open_archive) {
  const oci::MergedTree nothing;
  const oci::MergedTree& below = request.is_independent() ? nothing : destination;
  const CopyPlan plan = understand(request, below);
  CopyTarget target(below);
  Copier copier(target, request, plan);
  for (std::size_t i = 0; i < request.sources.size(); ++i) {
    if (const auto apart = request.apart.find(i); apart != request.apart.end())
      copier.copy_source(*apart->second.tree,
                         parse_source("/" + literal_pattern(apart->second.path), false, request.excludes),
                         apart->second.unpack, open_archive);
    else
      copier.copy_source(source, parse_source(request.sources[i], request.parents, request.excludes),
                         plan.unpack, open_archive, uses_up && request.sources.size() == 1);
  }
  for (const CopyRequest::Inline& document : request.inlines)
    copier.copy_inline(document);
  return std::move(target).changes();
}

}  // namespace

oci::LayerIndex copy(const oci::MergedTree& source, const oci::MergedTree& destination,
                     const CopyRequest& request, const ArchiveOpener& open_archive) {
  return copy_from(source, false, destination, request, open_archive);
}

oci::LayerIndex copy(oci::MergedTree&& source, const oci::MergedTree& destination, const CopyRequest& request,
                     const ArchiveOpener& open_archive) {
  return copy_from(source, true, destination, request, open_archive);
}

}  // namespace bottle::copy
