// SPDX-License-Identifier: Apache-2.0
#include "image/build_steps.hpp"

#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "image/builtin/build.hpp"
#include "image/builtin/stored_image.hpp"
#include "image/check.hpp"
#include "image/context/depfile_parts.hpp"
#include "image/context/input_record.hpp"
#include "image/engine/engines.hpp"
#include "image/model/plan.hpp"
#include "image/obstacles.hpp"
#include "image/resolve/resolve.hpp"
#include "store/step_record.hpp"
#include "util/error.hpp"
#include "util/parallel.hpp"
#include "util/trace.hpp"

namespace bottle::image {
namespace {

// From here on a thread is worth starting.
constexpr std::size_t kMany = 500;               // files
constexpr std::size_t kLongText = 256u << 10;    // bytes
constexpr std::uint64_t kMaximumKey = 1u << 30;  // bytes
constexpr std::size_t kLongKey = 8u << 20;       // bytes

class Stopwatch {
 public:
  std::uint64_t milliseconds() const {
    const auto passed = std::chrono::steady_clock::now() - begin_;
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(passed).count());
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

bool names_bottles(const BuildSpec& spec) {
  return std::any_of(spec.contexts.begin(), spec.contexts.end(),
                     [](const ContextSpec& context) { return context.kind == ContextKind::bottle; });
}

// One build at a time in a build directory; the second waits and then finds everything done.
FileLock lock_directory(const BuildSpec& spec) {
  make_directories(spec.directory);
  return FileLock(spec.directory / ".lock", FileLock::Mode::exclusive);
}

// Now, as the file system that holds the directory has it.
timespec time_in(const fs::path& directory) {
  const fs::path file = directory / ".lock";
  touch(file);
  return stat_of(open_for_reading(file).get(), file.native()).st_mtim;
}

// As set_time() takes it; nullopt if there is no such file.
std::optional<timespec> time_of(const fs::path& file) {
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0) return std::nullopt;
  return status.st_mtim;
}

void set_time(const fs::path& file, const timespec& time) {
  const std::array<timespec, 2> times{time, time};
  if (::utimensat(AT_FDCWD, file.c_str(), times.data(), 0) != 0)
    throw_errno("cannot set the time of", file.native());
}

std::int64_t clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// The resolved bottle and its key.
struct Wanted {
  resolve::Resolved resolved;
  std::string key_text;
  Digest key;
};

Wanted resolve(const BuildSpec& spec, const store::Store& store, const Warn& warn) {
  Wanted wanted{.resolved = resolve::resolve_image(engine::with_engine(spec, store), store,
                                                   {.unlocked = resolve::Unlocked::added, .say = warn})};
  wanted.key_text = resolve::key_text(wanted.resolved);
  wanted.key = sha256(wanted.key_text);
  return wanted;
}

// The same with the contents of contexts as the last fingerprint's key says; nullopt if anything else than
// they has changed since.
std::optional<Wanted> as_fingerprinted(const BuildSpec& spec, const store::Store& store) {
  try {
    auto text = read_file_if_exists(spec.directory / "key", kMaximumKey);
    auto recorded = text ? RecordedInputs::parse(*text) : std::nullopt;
    if (!recorded) return std::nullopt;
    std::optional<Wanted> wanted(std::in_place);
    wanted->resolved = resolve::resolve_image(spec, store, {.recorded = std::move(recorded)});
    bool is_same = false;
    both(
        text->size() > kLongText, [&] { is_same = resolve::key_text(wanted->resolved) == *text; },
        [&] { wanted->key = sha256(*text); });
    if (!is_same) return std::nullopt;
    wanted->key_text = std::move(*text);
    return wanted;
  } catch (const Error&) {
    return std::nullopt;  // who looks at the contexts themselves knows better what is wrong
  }
}

// Runs the engine that the specification names; what it did is counted in `result`.
LoadedPlan execute(resolve::Resolved& resolved, const store::Store& store, run::IsolationChoice& isolation,
                   const Warn& warn, ImageResult& result) {
  const BuildSpec& spec = resolved.spec;
  if (!is_builtin(spec)) {
    LoadedPlan image = engine::build_with_engine(resolved, store, warn);
    trace_step("bottle-image", spec.slug, "engine", "ran",
               {{"engine", spec.engine}, {"imageId", sha256(image.plan.engine_config).string()}});
    return image;
  }
  const auto report = [&](const builtin::StepReport& step) {
    const bool was_executed = step.outcome == builtin::StepOutcome::executed;
    ++(was_executed ? result.executed : result.stored);
    trace_step("bottle-image", spec.slug, "instruction", was_executed ? "executed" : "stored",
               {{"line", std::to_string(step.step.position.line)},
                {"stage", step.stage.name},
                {"key", step.key.hex()}});
  };
  return builtin::build(resolved, store, isolation, report, warn, default_threads());
}

// What the lock names is found without a network as long as the store has it.
void keep_sources(const BuildSpec& spec, const resolve::Resolved& resolved, const store::Store& store) {
  store.register_root(spec.directory, "sources", source_actions(resolved));
}

void record(const BuildSpec& spec, const ImageResult& result, const store::RunReason& reason) {
  store::write_step_record(spec.directory, {.step = "image",
                                            .outcome = result.outcome,
                                            .reason = result.outcome == "unchanged" ? "" : reason.reason,
                                            .detail = reason.detail,
                                            .key = result.key.hex(),
                                            .milliseconds = result.milliseconds,
                                            .result = result.plan_digest.string()});
  trace_step(
      "bottle-image", spec.slug, "image", result.outcome,
      {{"key", result.key.hex()}, {"planDigest", result.plan_digest.string()}, {"reason", reason.reason}});
  touch(spec.directory / "image.stamp");
}

// The last result of the image step; "" if it is not recorded.
std::string last_plan_digest(const fs::path& directory) {
  try {
    const auto last = store::read_step_record(directory, "image");
    return last ? last->result : "";
  } catch (const Error&) {
    return "";  // a corrupt record is ignored
  }
}

// Returns whether image.json changed. A damaged one that is made again as it was keeps its time: what was
// made from it need not be looked at.
bool save_image(const fs::path& directory, const LoadedPlan& image, const Digest& digest,
                const store::Store& store) {
  const fs::path file = directory / "image.json";
  const std::optional<timespec> time = time_of(file);
  const bool changed = save_plan(image, directory, store);
  if (changed && time && last_plan_digest(directory) == digest.string()) set_time(file, *time);
  return changed;
}

// A file may change twice within a tick of the clock that file times are taken from. So what was looked at
// less than that after a change is looked at again, unless it does not come to rest.
context::InputRecord record_inputs(const BuildSpec& spec, const store::Store& store,
                                   std::shared_ptr<const resolve::Resolved>& resolved, std::int64_t begin) {
  constexpr std::int64_t kPatience = 100'000'000;  // ns
  const std::int64_t end = begin + kPatience;
  for (;;) {
    context::InputRecord record(dependencies(*resolved), begin);
    if (record.is_settled() || begin > end) return record;
    begin = clock_ns();
    resolved = std::make_shared<const resolve::Resolved>(
        resolve::resolve_image(engine::with_engine(spec, store), store));
  }
}

FingerprintResult fingerprint(const BuildSpec& spec, const context::DepfileOptions& depfiles,
                              const Warn& warn) {
  const Stopwatch watch;
  check_engine_name(spec.engine, "bottle " + spec.slug);
  const store::Store store = store::Store::open(spec.store);
  const FileLock lock = lock_directory(spec);
  timespec begin = time_in(spec.directory);
  std::int64_t looked = clock_ns();
  auto all = std::make_shared<const resolve::Resolved>(resolve::resolve_image(
      engine::with_engine(spec, store), store, {.unlocked = resolve::Unlocked::added, .say = warn}));
  if (all->has_added_to_lock) {
    // The lock is an input, and must not be newer than what was made from it.
    begin = time_in(spec.directory);
    looked = clock_ns();
    all = std::make_shared<const resolve::Resolved>(
        resolve::resolve_image(engine::with_engine(spec, store), store));
  }
  std::optional<context::InputRecord> inputs;
  if (depfiles.record) inputs.emplace(record_inputs(spec, store, all, looked));
  const resolve::Resolved& resolved = *all;
  keep_sources(spec, resolved, store);
  refuse_warnings(check(resolved), warn);
  for (const std::string& note : notes(resolved))
    warn(note);
  FingerprintResult result;
  result.resolved = all;
  result.dependencies = dependencies(resolved);
  result.files_read = files_read(resolved);
  both(
      result.dependencies.size() > kMany,
      [&] {
        if (!inputs) context::write_depfiles(spec.directory, depfiles, result.dependencies);
      },
      [&] {
        result.key_text = key_text(resolved);
        result.key = sha256(result.key_text);
      });
  // Ninja 1.11 takes the time of the depfile for that of the last run, if the key is what it was.
  if (!inputs) set_time(spec.directory / "key.d", begin);
  result.changed = write_file_if_changed(spec.directory / "key", result.key_text);
  if (result.changed) set_time(spec.directory / "key", begin);
  if (names_bottles(spec) && write_file_if_changed(spec.directory / "key.places", places(resolved) + "\n"))
    set_time(spec.directory / "key.places", begin);
  result.milliseconds = watch.milliseconds();
  const std::string outcome = result.changed ? "built" : "unchanged";
  store::write_step_record(spec.directory, {.step = "fingerprint",
                                            .outcome = outcome,
                                            .reason = {},
                                            .detail = {},
                                            .key = result.key.hex(),
                                            .milliseconds = result.milliseconds});
  trace_step("bottle-fingerprint", spec.slug, "fingerprint", outcome,
             {{"key", result.key.hex()}, {"filesRead", std::to_string(result.files_read)}});
  if (inputs) inputs->write(spec.directory);
  touch(spec.directory / "key.stamp");
  set_time(spec.directory / "key.stamp", begin);
  return result;
}

ImageResult make_image(const BuildSpec& spec, const Warn& warn, bool is_fingerprinted) {
  const Stopwatch watch;
  check_engine_name(spec.engine, "bottle " + spec.slug);
  const store::Store store = store::Store::open(spec.store);
  const FileLock lock = lock_directory(spec);
  engine::clean_up_engines(spec.directory, warn, store.directory());
  // An outside engine reads the files itself, so there they are read again.
  std::optional<Wanted> wanted;
  if (is_fingerprinted && is_builtin(spec)) wanted = as_fingerprinted(spec, store);
  if (!wanted) wanted = resolve(spec, store, warn);
  if (!is_fingerprinted)
    for (const std::string& note : notes(wanted->resolved))
      warn(note);
  keep_sources(spec, wanted->resolved, store);
  const CheckReport found = check(wanted->resolved);
  refuse_warnings(found, warn);
  store::Store::Lookup lookup = store.find_action(wanted->key);
  // An outside engine that has to run may be another one behind the same program: its version is in the key.
  if (!is_builtin(spec) && !lookup.result &&
      engine::fresh_engine_version(spec, store) != wanted->resolved.spec.engine_version) {
    wanted = resolve(spec, store, warn);
    lookup = store.find_action(wanted->key);
  }
  ImageResult result;
  resolve::Resolved& resolved = result.resolved.emplace(std::move(wanted->resolved));
  run::IsolationChoice isolation(run::parse_isolation(spec.isolation, "isolation"), store);
  // The result of the strongest grade serves all; that of a weaker one only where that is the one to use.
  result.key = wanted->key;
  if (is_builtin(spec) && !lookup.result && has_run(resolved)) {
    result.key = builtin::key_in_grade(wanted->key, isolation.get());
    if (result.key != wanted->key) lookup = store.find_action(result.key);
  }
  const store::RunReason reason = store::run_reason(spec.directory, "image", wanted->key_text, lookup);

  // A long text need not wait in memory: no other process writes there.
  const fs::path key_file = spec.directory / "key";
  std::string& key_text = wanted->key_text;
  const bool is_put_away = key_text.size() > kLongKey && has_content(key_file, key_text);
  if (is_put_away) key_text = std::string();
  std::optional<LoadedPlan>& image = result.image;
  const bool is_elsewhere = lookup.result && !builtin::has_present_places(*lookup.result, resolved);
  if (lookup.result && !is_elsewhere) image = builtin::stored_image(*lookup.result, resolved, store);
  const bool is_stored = image.has_value() || is_elsewhere;
  if (!image) {
    if (!is_stored)
      for (const dockerfile::LintWarning& warning : found.lint.warnings)
        warn(warning.text(*found.source));
    image = execute(resolved, store, isolation, warn, result);
    builtin::store_image(*image, result.key, resolved, watch.milliseconds(), store);
  }
  result.plan_digest = image->plan.digest();
  result.layers = image->layers.size();
  const bool changed = save_image(spec.directory, *image, result.plan_digest, store);
  if (is_put_away) key_text = read_file(key_file, kMaximumKey);
  const bool key_changed = store::rotate_key_text(spec.directory, "image", key_text);
  result.outcome = !is_stored ? "built" : changed || key_changed ? "stored" : "unchanged";
  result.milliseconds = watch.milliseconds();
  store.register_root(spec.directory, "image", {result.key});
  record(spec, result, reason);
  return result;
}

}  // namespace

FingerprintResult fingerprint_step(const BuildSpec& spec, const context::DepfileOptions& depfiles,
                                   const Warn& warn) {
  FingerprintResult result;
  with_repair(spec, OwnImage::is_made, warn, [&] { result = fingerprint(spec, depfiles, warn); });
  return result;
}

ImageResult image_step(const BuildSpec& spec, const Warn& warn, bool is_fingerprinted) {
  ImageResult result;
  with_repair(spec, OwnImage::is_made, warn, [&] { result = make_image(spec, warn, is_fingerprinted); });
  return result;
}

ExportReport export_step(const BuildSpec& spec, const fs::path& layout, const std::string& ref_name,
                         const Warn& warn) {
  ExportReport exported;
  with_repair(spec, OwnImage::is_read, warn, [&] {
    const store::Store store = store::Store::open(spec.store);
    const FileLock lock = lock_directory(spec);
    exported = export_layout(load_plan(spec.directory), store, layout, ref_name);
    trace_step("bottle-image", spec.slug, "export", "built",
               {{"imageDigest", exported.image_digest.string()}});
    touch(spec.directory / "oci.stamp");
  });
  return exported;
}

void with_repair(const BuildSpec& spec, OwnImage own, const Warn& warn, const std::function<void()>& work) {
  clear_obstacles(spec.directory);
  for (const ContextSpec& context : spec.contexts)
    if (context.kind == ContextKind::bottle) clear_obstacles(context.value);
  const auto rebuild = [&](const BuildSpec& damaged) { (void)image_step(damaged, warn, true); };
  repair_and_repeat(spec, own, warn, rebuild, work);
}

}  // namespace bottle::image
