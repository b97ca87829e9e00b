// From a specification to what has to be done: the Dockerfile read, its needed stages expanded, its inputs
// found and digested, and the key that all of this makes. Nothing is built here, so this is what runs often.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "copy/copy.hpp"
#include "copy/selection.hpp"
#include "dockerfile/ignore.hpp"
#include "dockerfile/stages.hpp"
#include "image/context/scan.hpp"
#include "image/model/config.hpp"
#include "image/model/file_source.hpp"
#include "image/model/outside_image.hpp"
#include "image/model/recorded_inputs.hpp"
#include "image/model/spec.hpp"
#include "image/remote/first_lock.hpp"
#include "image/remote/source.hpp"
#include "image/remote/source_lock.hpp"
#include "run/request.hpp"

namespace bottle::image::resolve {

// An instruction that makes a layer.
struct FileStep {
  enum class Kind { copy, workdir, run } kind = Kind::copy;
  dockerfile::Position position;
  std::string where;                         // "Dockerfile:9:1"
  std::string text;                          // what it does, variables replaced: part of its key
  copy::CopyRequest request;                 // of a copy
  std::vector<std::string> inline_contents;  // heredocs, in the order of request.inlines
  std::string directory;                     // of a workdir, made for the user in force: `user`
  std::string user;
  FileSource source;
  run::RunRequest run;
  std::vector<remote::RemoteSource> remotes;  // which of request.sources are URLs and git repositories

  // Whether some are in `source`.
  bool takes_files() const { return request.sources.size() > remotes.size(); }
  // What it takes of the image that `source` is.
  oci::LayerIndex taken_of(const oci::MergedTree& tree) const;
};

struct ResolvedStage {
  ResolvedStage(ImageConfig initial) : config(std::move(initial)) {}

  std::string name;    // or its number
  std::string number;  // among the needed stages; in keys instead of the name
  int base_stage = -1;
  std::string base_image;  // neither: scratch
  ImageConfig config;
  std::vector<FileStep> steps;
  struct Line {
    std::string text;  // an instruction with its variables replaced
    bool makes_layer;
  };
  std::vector<Line> lines;
};

// To find out which outside sources there are, and nothing else: no file of a context is looked at, and a
// bottle that has not been built is taken for an empty image.
struct Survey {
  remote::SourceLock& lock;
  bool all_stages = false;  // also those that the target does not need
  std::function<void(const std::string&)> warn = {};
  bool locked_only = false;  // what `lock` does not know is left open
};

class Resolved {
 public:
  // What is done with outside sources of which nothing here says what they are. Left open, a base is taken to
  // be empty and the others to hold no files: enough to describe a Dockerfile, never to build it. Added, they
  // are resolved and written to the lock, unless that is frozen (image/remote/first_lock.hpp).
  enum class Unlocked { refused, left_open, added };

  // Reads everything. Throws SourceError for what the Dockerfile has wrong.
  Resolved(const BuildSpec& spec, const store::Store& store, Unlocked unlocked = Unlocked::refused);
  // With Unlocked::added. `say` is given a line for each source that was added to the lock.
  Resolved(const BuildSpec& spec, const store::Store& store, remote::FirstLock::Say say);
  // Takes the contents of contexts from a record. Whether the record was made of the same Dockerfile and
  // options is the caller's to find out: then it has the same key text. Not for dependencies().
  Resolved(const BuildSpec& spec, const store::Store& store, RecordedInputs recorded);
  Resolved(const BuildSpec& spec, const store::Store& store, const Survey& survey);
  ~Resolved();

  const BuildSpec& spec() const { return spec_; }
  const dockerfile::Dockerfile& file() const { return file_; }
  const std::map<int, ResolvedStage>& stages() const { return stages_; }  // the needed ones
  bool has_run() const;                                                   // in one of them
  const ResolvedStage& target() const { return stages_.at(plan_.target); }
  int target_number() const { return plan_.target; }
  const context::ContextScan& scan(const std::string& name) const { return *scans_.at(name).scan; }
  // Forgets the files of the context `name`; of its scan context_roots() alone may be asked then.
  void release(const std::string& name) { scans_.at(name).scan->release(); }
  const OutsideImage& image(const std::string& name) const { return *images_.at(name); }
  const std::map<std::string, std::unique_ptr<OutsideImage>>& images() const { return images_; }
  std::int64_t epoch() const { return epoch_; }
  const dockerfile::StagePlan& plan() const { return plan_; }
  const dockerfile::BuildValues& values() const { return values_; }
  const dockerfile::Scope& scope(int stage) const { return scopes_.at(stage); }  // at the stage's end
  const std::set<std::string>& open_sources() const { return open_sources_; }
  bool has_added_to_lock() const { return first_lock_ && first_lock_->has_added(); }
  std::vector<std::string> scan_names() const;  // of contexts that files are taken from

  // The sources of an instruction that are fetched, as layers in separate trees; from the store where they
  // are there. In the order of step.remotes.
  std::vector<oci::LayerIndex> fetch(const FileStep& step, const store::Store& store) const;

  // The keys by which the store keeps what comes over the network: manifests, layers, files, commits.
  std::vector<Digest> source_actions() const;
  // What the names of context roots stand for here.
  std::map<std::string, fs::path> context_roots() const;
  // A digest of where the bytes of images lie that are taken from, as far as no key has that.
  std::string places() const;
  // The key text (docs/formats/key.md).
  std::string key_text() const;
  std::vector<context::Dependency> dependencies() const;  // sorted
  std::vector<std::string> dependency_paths() const;
  // What was left out of a context although a source would have taken it, a line each.
  std::vector<std::string> notes() const;
  std::size_t files_read() const;

 private:
  struct OpenScan {
    dockerfile::IgnoreMatcher ignore;
    std::unique_ptr<context::ContextScan> scan;
  };

  void resolve(const store::Store& store);
  // The environment's time, if it is not 0, is a build argument unless there is one.
  void give_epoch();
  // From the build argument or the global ARG. Throws SourceError or UsageError for a wrong value.
  void decide_epoch(const store::Store& store);
  std::optional<std::int64_t> epoch_of(const std::string& text, const store::Store& store);
  std::optional<std::int64_t> stage_epoch(const dockerfile::StageText& stage, const store::Store& store);
  void resolve_stage(int number, const store::Store& store);
  std::optional<FileStep> file_step(const dockerfile::PlannedInstruction& planned,
                                    const dockerfile::Instruction& expanded, const ImageConfig& config,
                                    const store::Store& store);
  FileStep run_step(const dockerfile::PlannedInstruction& planned, const dockerfile::Instruction& expanded,
                    const ImageConfig& config, const dockerfile::Scope& scope, const store::Store& store);
  FileSource find_source(const dockerfile::Origin& origin, const dockerfile::Position& position,
                         const std::vector<copy::Source>& taken, const copy::EntryDetail& detail,
                         const store::Store& store);
  void take_sources(FileStep& step, const dockerfile::PlannedInstruction& planned,
                    const std::vector<dockerfile::RemoteOrPath>& kinds, const store::Store& store);
  std::optional<remote::RemoteSource> remote_source(const dockerfile::RemoteOrPath& source,
                                                    const dockerfile::Position& position);
  context::ContextScan& open_scan(const std::string& context_name, const store::Store& store);
  dockerfile::IgnoreMatcher read_ignore(const std::vector<fs::path>& candidates, std::string& name);
  // The names of images in images_; nullopt if it is left open.
  std::string open_scratch();
  std::optional<std::string> open_image(const dockerfile::Origin& origin,
                                        const std::optional<oci::Platform>& platform,
                                        const dockerfile::Position& position, const store::Store& store);
  std::optional<std::string> open_locked(const std::string& written, const std::string& reference_text,
                                         const oci::Platform& platform, const dockerfile::Position& position,
                                         const store::Store& store);
  std::string source_text(const std::string& name, const OutsideImage& image) const;
  std::string taken_text(const std::string& name, const OutsideImage& image) const;
  auto first_locked(const dockerfile::Position& position, const std::string& name, const auto& look_up) const;
  std::string frozen_text() const;
  remote::SourceLock& source_lock() { return survey_ ? survey_->lock : lock_; }
  [[noreturn]] void fail(const dockerfile::Position& position, const std::string& message,
                         const std::string& hint) const;

  BuildSpec spec_;
  Unlocked unlocked_ = Unlocked::refused;
  std::optional<Survey> survey_;
  std::optional<RecordedInputs> recorded_;
  remote::LockFile lock_;
  std::shared_ptr<const remote::RemoteAccess> access_;
  std::optional<remote::FirstLock> first_lock_;
  std::string frozen_by_;  // what forbids to add to the lock
  std::set<std::string> open_sources_;
  std::int64_t epoch_;
  dockerfile::BuildValues values_;
  dockerfile::Dockerfile file_;
  dockerfile::StagePlan plan_;
  std::map<int, ResolvedStage> stages_;
  std::map<int, dockerfile::Scope> scopes_;
  std::map<std::string, OpenScan> scans_;
  std::map<std::string, std::unique_ptr<OutsideImage>> images_;
  std::optional<Digest> epoch_action_;  // of the stage that SOURCE_DATE_EPOCH names
  std::set<Digest> pinned_;             // manifests and indexes that references by digest name
  std::vector<fs::path> dependencies_;
  std::vector<fs::path> plans_;  // of bottles that images_ holds: made by rules of the build tool
};

}  // namespace bottle::image::resolve
