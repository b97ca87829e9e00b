// SPDX-License-Identifier: Apache-2.0
// What a bottle comes to: its stages with all variables replaced, what it takes from outside, and all that
// its key is made of. Plain data, made by resolve_image() (resolve/resolve.hpp); nothing is built yet.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "copy/copy.hpp"
#include "dockerfile/ignore.hpp"
#include "dockerfile/stages.hpp"
#include "image/context/scan.hpp"
#include "image/model/config.hpp"
#include "image/model/file_source.hpp"
#include "image/model/outside_image.hpp"
#include "image/model/spec.hpp"
#include "image/remote/source.hpp"
#include "run/request.hpp"

namespace bottle::image::resolve {

// COPY and ADD.
struct CopyStep {
  copy::CopyRequest request;
  std::vector<std::string> inline_contents;   // heredocs, in the order of request.inlines
  std::vector<remote::RemoteSource> remotes;  // which of request.sources are URLs and git repositories
  FileSource source;                          // of the others

  // Whether some are in `source`.
  bool takes_files() const { return request.sources.size() > remotes.size(); }
  // What it takes of the image that `source` is.
  oci::LayerIndex taken_of(const oci::MergedTree& tree) const;
};

struct WorkdirStep {
  std::string directory;
  std::string user;  // in force; it owns the directory
};

struct RunStep {
  run::RunRequest request;
};

// An instruction that makes a layer.
struct FileStep {
  dockerfile::Position position;
  std::string where;  // "Dockerfile:9:1"
  std::string text;   // what it does, variables replaced: part of its key
  std::variant<CopyStep, WorkdirStep, RunStep> what;

  template <typename Type>
  const Type* as() const {
    return std::get_if<Type>(&what);
  }
  // All sources of files, those of mounts too.
  std::vector<const FileSource*> sources() const;
};

struct ResolvedStage {
  explicit ResolvedStage(ImageConfig initial) : config(std::move(initial)) {}

  std::string name;    // or its number
  std::string number;  // among the needed stages; in keys instead of the name
  int base_stage = -1;
  std::string base_image;  // neither: scratch
  ImageConfig config;
  std::vector<dockerfile::ArgDefinition>
      arguments;  // ARGs in order, repetitions included, as they are at the end
  std::vector<FileStep> steps;
  struct Line {
    std::string text;  // an instruction with its variables replaced
    bool makes_layer;
  };
  std::vector<Line> lines;
};

// A context that files are taken from.
struct OpenScan {
  dockerfile::IgnoreMatcher ignore;  // the scan refers to it
  std::unique_ptr<context::ContextScan> scan;
};

struct Resolved {
  BuildSpec spec;
  dockerfile::Dockerfile file;
  dockerfile::StagePlan plan;
  dockerfile::BuildValues values;
  std::int64_t epoch = 0;
  std::map<int, ResolvedStage> stages;  // the needed ones
  std::map<std::string, OpenScan> scans;
  std::map<std::string, std::unique_ptr<OutsideImage>> images;
  std::shared_ptr<const remote::RemoteAccess> access;

  std::set<std::string> open_sources;  // what is not known, with Unlocked::left_open
  bool has_added_to_lock = false;
  std::optional<Digest> epoch_action;  // of the stage that SOURCE_DATE_EPOCH names
  std::set<Digest> pinned;             // manifests and indexes that references by digest name
  std::vector<fs::path> files;         // that were read, and directories in which one may appear
  std::vector<fs::path> lock_files;    // likewise; none if the lock was not asked
  std::vector<fs::path> plans;         // of bottles that `images` holds: made by rules of the build tool

  const ResolvedStage& target() const { return stages.at(plan.target); }
  const context::ContextScan& scan(const std::string& name) const { return *scans.at(name).scan; }
};

bool has_run(const Resolved& resolved);  // in one of the needed stages

// The sources of an instruction that are fetched, as layers in separate trees; from the store where they are
// there. In the order of step.remotes.
std::vector<oci::LayerIndex> fetch(const Resolved& resolved, const CopyStep& step, const store::Store& store);

// The keys by which the store keeps what comes over the network: manifests, layers, files, commits.
std::vector<Digest> source_actions(const Resolved& resolved);
// What the names of context roots stand for here.
std::map<std::string, fs::path> context_roots(const Resolved& resolved);
// A digest of where the bytes of images lie that are taken from, as far as no key has that.
std::string places(const Resolved& resolved);
// The key text (docs/formats/key.md).
std::string key_text(const Resolved& resolved);
std::vector<context::Dependency> dependencies(const Resolved& resolved);  // sorted
std::vector<std::string> dependency_paths(const Resolved& resolved);
// What was left out of a context although a source would have taken it, a line each.
std::vector<std::string> notes(const Resolved& resolved);
std::size_t files_read(const Resolved& resolved);

}  // namespace bottle::image::resolve
