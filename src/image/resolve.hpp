// From a specification to what has to be done: the Dockerfile read, its needed stages expanded, its inputs
// found and digested, and the key that all of this makes. Nothing is built here, so this is what runs often.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dockerfile/ignore.hpp"
#include "dockerfile/stages.hpp"
#include "image/config.hpp"
#include "image/context_scan.hpp"
#include "image/copy.hpp"
#include "image/file_source.hpp"
#include "image/outside.hpp"
#include "image/run_request.hpp"
#include "image/spec.hpp"

namespace bottle::image {

// An instruction that makes a layer.
struct FileStep {
  enum class Kind { copy, workdir, run } kind = Kind::copy;
  dockerfile::Position position;
  std::string where;                         // "Dockerfile:9:1"
  std::string text;                          // what it does, variables replaced: part of its key
  CopyRequest request;                       // of a copy
  std::vector<std::string> inline_contents;  // heredocs, in the order of request.inlines
  std::string directory;                     // of a workdir, made for the user in force: `user`
  std::string user;
  FileSource source;
  RunRequest run;
};

struct ResolvedStage {
  ResolvedStage(ImageConfig initial) : config(std::move(initial)) {}

  std::string name;  // or its number
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

class Resolved {
 public:
  // Reads everything. Throws SourceError for what the Dockerfile has wrong.
  Resolved(const BuildSpec& spec, const store::Store& store);
  ~Resolved();

  const BuildSpec& spec() const { return spec_; }
  const dockerfile::Dockerfile& file() const { return file_; }
  const std::map<int, ResolvedStage>& stages() const { return stages_; }  // the needed ones
  const ResolvedStage& target() const { return stages_.at(plan_.target); }
  int target_number() const { return plan_.target; }
  const ContextScan& scan(const std::string& name) const { return *scans_.at(name).scan; }
  const OutsideImage& image(const std::string& name) const { return *images_.at(name); }
  const std::map<std::string, std::unique_ptr<OutsideImage>>& images() const { return images_; }
  std::int64_t epoch() const { return epoch_; }

  // What the names of context roots stand for here.
  std::map<std::string, fs::path> context_roots() const;
  // The key text (docs/formats/key.md).
  std::string key_text() const;
  std::vector<std::string> dependencies() const;  // absolute, sorted
  std::size_t files_read() const;

 private:
  struct OpenScan {
    dockerfile::IgnoreMatcher ignore;
    std::unique_ptr<ContextScan> scan;
  };

  void read_dockerfile();
  void resolve_stage(int number, const store::Store& store);
  std::optional<FileStep> file_step(const dockerfile::PlannedInstruction& planned,
                                    const dockerfile::Instruction& expanded, const ImageConfig& config,
                                    const store::Store& store);
  FileStep run_step(const dockerfile::PlannedInstruction& planned, const dockerfile::Instruction& expanded,
                    const ImageConfig& config, const dockerfile::Scope& scope, const store::Store& store);
  FileSource find_source(const dockerfile::Origin& origin, const dockerfile::Position& position,
                         const std::vector<Source>& taken, const store::Store& store);
  void take_sources(FileStep& step, const dockerfile::PlannedInstruction& planned, const store::Store& store);
  ContextScan& open_scan(const std::string& context_name, const store::Store& store);
  dockerfile::IgnoreMatcher read_ignore(const std::vector<fs::path>& candidates, std::string& name);
  const OutsideImage& open_image(const std::string& context_name);
  const ContextSpec* find_context(const std::string& name) const;
  [[noreturn]] void fail(const dockerfile::Position& position, const std::string& message,
                         const std::string& hint) const;

  BuildSpec spec_;
  std::int64_t epoch_;
  dockerfile::BuildValues values_;
  dockerfile::Dockerfile file_;
  dockerfile::StagePlan plan_;
  std::map<int, ResolvedStage> stages_;
  std::map<int, dockerfile::Scope> scopes_;
  std::map<std::string, OpenScan> scans_;
  std::map<std::string, std::unique_ptr<OutsideImage>> images_;
  std::vector<fs::path> dependencies_;
};

}  // namespace bottle::image
