// SPDX-License-Identifier: Apache-2.0
// How Resolved is made; of this room alone. Each kind of instruction and of source has a separate file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "image/resolve/resolve.hpp"

namespace bottle::image::resolve {

constexpr const char* kMainContext = "context";

class Resolver {
 public:
  Resolver(const BuildSpec& spec, const store::Store& store, ResolveOptions options);

  Resolved resolve() &&;

 private:
  // resolver.cpp: stages.
  void resolve_stage(int number);
  [[noreturn]] void fail(const dockerfile::Position& position, const std::string& message,
                         const std::string& hint) const;

  // epoch.cpp. The environment's time, if it is not 0, is a build argument unless there is one.
  void give_epoch();
  // From the build argument or the global ARG. Throws SourceError or UsageError for a wrong value.
  void decide_epoch();
  std::optional<std::int64_t> epoch_of(const std::string& text);
  std::optional<std::int64_t> stage_epoch(const dockerfile::StageText& stage);
  std::optional<std::int64_t> remote_epoch(const dockerfile::RemoteOrPath& source,
                                           const dockerfile::Position& position);

  // copy_instruction.cpp, run_instruction.cpp: nullopt for an instruction that makes no layer.
  std::optional<FileStep> step_of(const dockerfile::PlannedInstruction& planned,
                                  const dockerfile::Instruction& expanded, const ImageConfig& config,
                                  const dockerfile::Scope& scope);
  CopyStep copy_step(const dockerfile::PlannedInstruction& planned, const dockerfile::Instruction& expanded,
                     const ImageConfig& config);
  void take_sources(CopyStep& step, const dockerfile::PlannedInstruction& planned,
                    const dockerfile::Position& position, const std::vector<dockerfile::RemoteOrPath>& kinds);
  run::RunRequest run_request(const dockerfile::PlannedInstruction& planned, const dockerfile::Run& run,
                              const dockerfile::Position& position, const ImageConfig& config,
                              const dockerfile::Scope& scope);

  // contexts.cpp.
  FileSource find_source(const dockerfile::Origin& origin, const dockerfile::Position& position,
                         const std::vector<copy::Source>& taken, const copy::EntryDetail& detail);
  ContextFiles take_from_context(std::string name, const dockerfile::Position& position,
                                 const std::vector<copy::Source>& taken, const copy::EntryDetail& detail);
  context::ContextScan& open_scan(const std::string& context_name);
  dockerfile::IgnoreMatcher read_ignore(const std::vector<fs::path>& candidates, std::string& name);

  // outside_sources.cpp. The names of images in Resolved::images; nullopt if it is left open.
  std::string open_scratch();
  std::optional<std::string> open_image(const dockerfile::Origin& origin,
                                        const std::optional<oci::Platform>& platform,
                                        const dockerfile::Position& position);
  std::optional<std::string> open_locked(const std::string& written, const std::string& reference_text,
                                         const oci::Platform& platform, const dockerfile::Position& position);
  std::optional<remote::RemoteSource> remote_source(const dockerfile::RemoteOrPath& source,
                                                    const dockerfile::Position& position);
  auto first_locked(const dockerfile::Position& position, const std::string& name, const auto& look_up) const;
  std::string frozen_text() const;
  remote::SourceLock& source_lock() { return options_.survey ? options_.survey->lock : lock_; }

  const store::Store& store_;
  ResolveOptions options_;
  Resolved resolved_;
  std::map<int, dockerfile::Scope> scopes_;  // at the ends of stages
  remote::LockFile lock_;
  std::string frozen_by_;  // what forbids to add to the lock
  std::optional<remote::FirstLock> first_lock_;
};

}  // namespace bottle::image::resolve
