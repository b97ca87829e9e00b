// SPDX-License-Identifier: Apache-2.0
#include "image/builtin/build.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "dockerfile/source.hpp"
#include "image/builtin/outside_images.hpp"
#include "image/builtin/stage_image.hpp"
#include "image/builtin/stored_image.hpp"
#include "image/builtin/workdir.hpp"
#include "image/model/stored_index.hpp"
#include "run/run.hpp"
#include "run/run_gc.hpp"
#include "util/error.hpp"
#include "util/heap.hpp"
#include "util/interrupt.hpp"
#include "util/parallel.hpp"

namespace bottle::image::builtin {
namespace {

constexpr const char* kCopiedSchema = "bottle-copied 1";
constexpr const char* kInstructionSchema = "bottle-instruction 2";

// What the trees of so many files held, before there are texts of them. With few it is quicker to keep it.
void give_back_memory(std::size_t files) {
  constexpr std::size_t kMany = 100'000;
  if (files > kMany) trim_heap();
}

// A stage on its way.
struct StageWork {
  const resolve::ResolvedStage* stage = nullptr;
  StageImage image;
  bool is_begun = false;  // `image` is what the base is
  std::size_t next = 0;   // step
  std::size_t first_ordinal = 0;
  std::optional<Digest> run_key;           // of the next step, if that is a RUN that waits or runs
  bool is_missing = false;                 // the store does not have its result
  std::unique_ptr<run::RunExecution> run;  // running

  bool is_done() const { return is_begun && next == stage->steps.size(); }
};

class ImageBuilder {
 public:
  ImageBuilder(resolve::Resolved& resolved, const store::Store& store, run::IsolationChoice& isolation,
               const OnStep& on_step, const std::function<void(const std::string&)>& warn, std::size_t runs)
      : resolved_(resolved),
        store_(store),
        isolation_(isolation),
        on_step_(on_step),
        warn_(warn),
        free_runs_(runs),
        outside_(resolved, store) {
    // A debug shell needs the terminal.
    if (resolved.spec.debug_shell) free_runs_ = 1;
    std::size_t ordinal = 0;
    for (const auto& [number, stage] : resolved_.stages) {
      StageWork& work = works_[number];
      work.stage = &stage;
      work.first_ordinal = ordinal + 1;
      ordinal += stage.steps.size();
      for (const resolve::FileStep& step : stage.steps)
        for_each_scan(step, [this](const std::string& name) { ++scan_uses_[name]; });
    }
  }

  LoadedPlan run() {
    try {
      while (!is_done()) {
        bool has_advanced = false;
        for (auto& [number, work] : works_)
          while (advance(work)) {
            has_advanced = true;
            take_in(0);
          }
        if (!has_advanced) take_in(-1);
      }
    } catch (...) {
      stop();
      throw;
    }
    LoadedPlan image = std::move(outside_.loaded(works_.at(resolved_.plan.target).image).image);
    image.plan.config = resolved_.target().config.text();
    return image;
  }

 private:
  // The contexts that the instruction takes files from.
  template <typename Visit>
  static void for_each_scan(const resolve::FileStep& step, const Visit& visit) {
    for (const FileSource* source : step.sources())
      if (const auto* files = std::get_if<ContextFiles>(source)) visit(files->context);
  }

  bool is_done() const {
    for (const auto& [number, work] : works_)
      if (!work.is_done()) return false;
    return true;
  }

  // Reads the output of the running commands; waits for it if there is nothing else to do.
  void take_in(int timeout_milliseconds) {
    check_interrupted();
    std::vector<run::ConfinedProcess*> children;
    for (auto& [number, work] : works_)
      if (work.run && !work.run->process().finished()) children.push_back(&work.run->process());
    if (!children.empty()) run::ConfinedProcess::wait(children, timeout_milliseconds);
  }

  // Kills the running commands, and removes what they could no longer remove.
  void stop() {
    bool was_running = false;
    for (auto& [number, work] : works_) {
      was_running = was_running || work.run;
      work.run.reset();
    }
    if (!was_running) return;
    try {
      run::remove_leftover_runs(store_.directory());
    } catch (const std::exception&) {
      // The next RUN tries again.
    }
  }

  // Does the next thing that can be done for the stage; false if it has to wait.
  bool advance(StageWork& work) {
    if (work.is_done()) return false;
    if (!work.is_begun) {
      if (work.stage->base_stage >= 0 && !works_.at(work.stage->base_stage).is_done()) return false;
      begin(work);
      return true;
    }
    const resolve::FileStep& step = work.stage->steps[work.next];
    if (!has_sources(step)) return false;
    try {
      return work.run ? finish_run(work, step) : advance(work, step);
    } catch (const Error& error) {
      // Errors of the file system keep their own place; errors of the instruction get the instruction's.
      if (!error.where().empty()) throw;
      throw dockerfile::SourceError(*resolved_.file.source, step.position, error.message(), error.hint());
    }
  }

  void begin(StageWork& work) {
    if (work.stage->base_stage >= 0)
      work.image = StageImage::on(works_.at(work.stage->base_stage).image);
    else if (!work.stage->base_image.empty())
      work.image = StageImage::on(outside_.image(work.stage->base_image));
    work.image.image.context_roots.merge(context_roots(resolved_));
    work.is_begun = true;
  }

  bool has_sources(const resolve::FileStep& step) const {
    for (const FileSource* source : step.sources())
      if (const auto* stage = std::get_if<StageFiles>(source); stage && !works_.at(stage->stage).is_done())
        return false;
    return true;
  }

  // Of the instruction; the files of its context go to `taken`.
  Digest key_of(const StageImage& state, const resolve::FileStep& step, oci::MergedTree& taken) {
    const auto* copy = step.as<resolve::CopyStep>();
    const bool is_independent = copy != nullptr && copy->request.is_independent();
    std::string key_text = std::string("schema = ") + kInstructionSchema +
                           "\nparent = " + (is_independent ? "any" : state.identity().hex()) +
                           "\nepoch = " + std::to_string(resolved_.epoch) + "\nstep = " + step.text + "\n";
    if (copy != nullptr) {
      const auto* source = std::get_if<ContextFiles>(&copy->source);
      if (source == nullptr) {
        key_text += "source = " + copied_digest(step, *copy).hex() + "\n";
      } else if (copy->takes_files()) {
        const oci::LayerIndex files = resolved_.scan(source->context).index(source->set);
        // Many files are held twice at a time: as the scan and as a list, then as a list and as a tree.
        if (scan_uses_[source->context] == 1) resolved_.scans.at(source->context).scan->release();
        key_text += "source = " + apply_and_digest(files, source->context, taken).hex() + "\n";
      }
    }
    if (const auto* run = step.as<resolve::RunStep>()) key_text += mounts_text(run->request);
    return sha256(key_text);
  }

  // Of what the instruction copies from a stage or an image, with the places of the bytes. The store keeps it
  // by what the whole source is: so nothing is merged for what was copied before, and nothing loaded.
  Digest copied_digest(const resolve::FileStep& step, const resolve::CopyStep& copy) {
    StageImage& source = source_image(copy.source);
    const Digest key = sha256(std::string("schema = ") + kCopiedSchema + "\nsource = " +
                              source.identity_with_places().hex() + "\nstep = " + step.text + "\n");
    constexpr const char* kFact = "taken";
    if (const store::Store::Lookup lookup = store_.find_action(key); lookup.result)
      if (const auto fact = lookup.result->facts.find(kFact); fact != lookup.result->facts.end())
        if (const auto digest = Digest::from_hex(fact->second)) return *digest;
    const Digest digest = copy.taken_of(merged(source)).digest_with_places();
    store_.put_action(key, {.kind = "copied",
                            .label = step.where + " " + step.text,
                            .outputs = {},
                            .facts = {{kFact, digest.hex()}},
                            .tool_version = BOTTLE_VERSION});
    return digest;
  }

  // With many files both take as long. Mostly the key is a new one, and then the tree is needed.
  static Digest apply_and_digest(const oci::LayerIndex& files, const std::string& name,
                                 oci::MergedTree& tree) {
    constexpr std::size_t kFew = 500;
    Digest digest;
    both(
        files.entries.size() > kFew, [&] { tree.apply(files, name); },
        [&] { digest = files.digest_with_places(); });
    return digest;
  }

  bool advance(StageWork& work, const resolve::FileStep& step) {
    if (step.as<resolve::RunStep>() != nullptr) return begin_run(work, step);
    oci::MergedTree taken;
    const Digest key = key_of(work.image, step, taken);
    if (take_stored(work, step, key)) return true;
    const auto* copy = step.as<resolve::CopyStep>();
    save_step(work, step, key,
              copy != nullptr ? execute_copy(work.image, step, *copy, std::move(taken))
                              : execute_workdir(work.image, step));
    return true;
  }

  bool take_stored(StageWork& work, const resolve::FileStep& step, const Digest& key) {
    const store::Store::Lookup lookup = store_.find_action(key);
    if (!lookup.result) return false;
    auto stored = read_stored_index(lookup.result->outputs.at("index").digest, store_);
    if (!stored) return false;
    end_step(work, step, StepOutcome::stored, key, std::move(*stored));
    return true;
  }

  bool begin_run(StageWork& work, const resolve::FileStep& step) {
    if (!work.run_key) {
      oci::MergedTree none;
      work.run_key = key_of(work.image, step, none);
    }
    // The same instruction on the same base is running for another stage: this stage uses its result.
    if (at_work_.contains(*work.run_key)) {
      work.is_missing = false;
      return false;
    }
    if (!work.is_missing && take_stored(work, step, *work.run_key)) return true;
    const run::RunRequest& request = step.as<resolve::RunStep>()->request;
    const run::Isolation& isolation = isolation_.get(request.has_network);
    const Digest key = key_in_grade(*work.run_key, isolation);
    if (!work.is_missing && key != *work.run_key && take_stored(work, step, key)) return true;
    work.is_missing = true;
    if (free_runs_ == 0) return false;
    if (isolation.grade && said_isolations_.insert(isolation.text()).second)
      warn_("isolation: " + isolation.text());
    work.run = std::make_unique<run::RunExecution>(request, run_context(work, step, request));
    at_work_.insert(*work.run_key);
    --free_runs_;
    return true;
  }

  bool finish_run(StageWork& work, const resolve::FileStep& step) {
    if (!work.run->process().finished()) return false;
    oci::LayerIndex layer = work.run->finish();
    if (const std::string& why = work.run->why_copied(); !why.empty() && !std::exchange(has_copied_, true))
      warn_("warning: cannot use overlayfs (" + why +
            "): each RUN works on a copy of the whole tree, which is slower");
    work.run.reset();
    at_work_.erase(*work.run_key);
    ++free_runs_;
    const bool has_network = step.as<resolve::RunStep>()->request.has_network;
    save_step(work, step, key_in_grade(*work.run_key, isolation_.get(has_network)), std::move(layer));
    return true;
  }

  void save_step(StageWork& work, const resolve::FileStep& step, const Digest& key, oci::LayerIndex layer) {
    store::ActionResult result{.kind = "instruction", .label = step.where + " " + step.text};
    give_back_memory(layer.entries.size());
    StoredIndex stored = store_index(std::move(layer), store_);
    result.outputs["index"] = stored.blob;
    add_blob_outputs(stored.index, store_, result.outputs);
    result.tool_version = BOTTLE_VERSION;
    store_.put_action(key, result);
    end_step(work, step, StepOutcome::executed, key, std::move(stored));
  }

  void end_step(StageWork& work, const resolve::FileStep& step, StepOutcome outcome, const Digest& key,
                StoredIndex layer) {
    adopt(work.image, step);
    for_each_scan(step, [this](const std::string& name) { --scan_uses_[name]; });
    on_step_({*work.stage, step, outcome, key});
    work.image.add(std::move(layer));
    work.run_key.reset();
    work.is_missing = false;
    ++work.next;
  }

  ReadContent content_of(const StageImage& state) const {
    return [reader = state.image.reader(store_)](const oci::Entry& entry,
                                                 const std::vector<std::string>& roots) {
      std::string text(entry.size, '\0');
      reader.read_verified(entry, roots, std::as_writable_bytes(std::span(text)));
      return text;
    };
  }

  Warn warn_at(const resolve::FileStep& step) const {
    return [this, &step](const std::string& text) { warn_(step.where + ": warning: " + text); };
  }

  oci::LayerIndex execute_workdir(StageImage& state, const resolve::FileStep& step) {
    const auto& workdir = std::get<resolve::WorkdirStep>(step.what);
    Owner owner;
    if (!workdir.user.empty())
      owner = resolve_owner(workdir.user, merged(state), content_of(state), warn_at(step));
    return make_workdir(merged(state), workdir.directory, owner, resolved_.epoch);
  }

  oci::LayerIndex execute_copy(StageImage& state, const resolve::FileStep& step,
                               const resolve::CopyStep& copy, oci::MergedTree taken) {
    for (const std::string& content : copy.inline_contents)
      (void)store_.put(content);
    const oci::ContentReader source_reader = source_reader_of(copy);
    copy::CopyRequest request = copy.request;
    request.read_destination = content_of(state);
    request.warn = warn_at(step);
    std::vector<oci::MergedTree> fetched;
    fetched.reserve(copy.remotes.size());
    for (const oci::LayerIndex& layer : fetch(resolved_, copy, store_)) {
      const remote::RemoteSource& remote = copy.remotes[fetched.size()];
      fetched.emplace_back().apply(layer, remote.name);
      // Archives from URLs stay what they are unless --unpack is given.
      request.apart[remote.number] = {.tree = &fetched.back(),
                                      .path = remote.path(),
                                      .unpack = remote.is_url() && request.unpack.value_or(false)};
    }
    const copy::ArchiveOpener open_archive = copy::make_archive_opener(store_, source_reader);
    return std::holds_alternative<ContextFiles>(copy.source)
               ? copy::copy(std::move(taken), merged(state), request, open_archive)
               : copy::copy(merged(source_image(copy.source)), merged(state), request, open_archive);
  }

  // What the mounts show, for the key: the contents, wherever their bytes are. Of a stage or image only what
  // is at the source; a cache begins as all of it.
  std::string mounts_text(const run::RunRequest& request) {
    std::string text;
    for (const run::RunMount& mount : request.mounts) {
      if (!mount.from) continue;
      const bool is_bind = mount.mount.type == dockerfile::Mount::Type::bind;
      const auto* files = std::get_if<ContextFiles>(&*mount.from);
      const Digest digest = files != nullptr ? resolved_.scan(files->context).index(files->set).digest()
                            : is_bind ? copy::subtree_digest(merged(source_image(*mount.from)), mount.source)
                                      : source_image(*mount.from).identity();
      text += "source = " + digest.hex() + "\n";
    }
    return text;
  }

  std::optional<run::RunTree> mounted_tree(const run::RunMount& mount) {
    if (!mount.from) {
      // An empty one: bind,from=scratch.
      if (mount.mount.type == dockerfile::Mount::Type::bind) return run::RunTree{};
      return std::nullopt;
    }
    run::RunTree tree;
    if (const auto* files = std::get_if<ContextFiles>(&*mount.from)) {
      tree.image.context_roots = context_roots(resolved_);
      tree.taken = resolved_.scan(files->context).index(files->set);
    } else {
      const StageImage& source = outside_.loaded(source_image(*mount.from));
      tree.image = source.image;
      tree.base_layers = source.base_layers;
    }
    return tree;
  }

  run::RunContext run_context(StageWork& work, const resolve::FileStep& step,
                              const run::RunRequest& request) {
    const std::string prefix = "#" + std::to_string(work.first_ordinal + work.next) + " ";
    const oci::MergedTree& tree = merged(work.image);
    run::RunContext context{
        .store = store_,
        .image = work.image.image,
        .tree = tree,
        .base_layers = work.image.base_layers,
        .epoch = resolved_.epoch,
        .isolation = isolation_.get(request.has_network),
        .mounts = {},
        .secrets = resolved_.spec.secrets,
        .agents = resolved_.spec.agents,
        .on_line = [this, prefix](std::string_view line) { warn_(prefix + std::string(line)); },
        .warn = warn_at(step),
        .debug_shell = resolved_.spec.debug_shell};
    for (const run::RunMount& mount : request.mounts)
      context.mounts.push_back(mounted_tree(mount));
    return context;
  }

  oci::ContentReader source_reader_of(const resolve::CopyStep& copy) {
    if (!std::holds_alternative<ContextFiles>(copy.source))
      return source_image(copy.source).image.reader(store_);
    LoadedPlan contexts;
    contexts.context_roots = context_roots(resolved_);
    return contexts.reader(store_);
  }

  // Where the bytes of a source lie must be known to the image that copies from it.
  void adopt(StageImage& state, const resolve::FileStep& step) {
    const auto* copy = step.as<resolve::CopyStep>();
    if (copy == nullptr || std::holds_alternative<ContextFiles>(copy->source)) return;
    const LoadedPlan& source = source_image(copy->source).image;
    for (const auto& root : source.context_roots)
      state.image.context_roots.insert(root);
    for (const fs::path& path : source.blob_directories)
      state.image.blob_directories.push_back(path);
  }

  StageImage& source_image(const FileSource& source) {
    const auto* stage = std::get_if<StageFiles>(&source);
    return stage != nullptr ? works_.at(stage->stage).image
                            : outside_.image(std::get<ImageFiles>(source).image);
  }

  const oci::MergedTree& merged(StageImage& state) { return outside_.loaded(state).merged(); }

  resolve::Resolved& resolved_;
  const store::Store& store_;
  run::IsolationChoice& isolation_;
  std::set<std::string> said_isolations_;  // one, unless a RUN without a network needs another
  const OnStep& on_step_;
  const std::function<void(const std::string&)>& warn_;
  std::size_t free_runs_;    // how many more may run
  bool has_copied_ = false;  // a RUN has, and it was said
  std::map<int, StageWork> works_;
  std::set<Digest> at_work_;                      // keys of RUNs
  std::map<std::string, std::size_t> scan_uses_;  // by instructions that have not ended
  OutsideImages outside_;
};

}  // namespace

LoadedPlan build(resolve::Resolved& resolved, const store::Store& store, run::IsolationChoice& isolation,
                 const OnStep& on_step, const std::function<void(const std::string&)>& warn,
                 std::size_t runs) {
  return ImageBuilder(resolved, store, isolation, on_step, warn, runs).run();
}

Digest key_in_grade(const Digest& key, const run::Isolation& isolation) {
  if (!isolation.grade || isolation.is_reference()) return key;
  return sha256("key = " + key.hex() + "\nisolation = " + run::to_string(*isolation.grade) + "\n");
}

}  // namespace bottle::image::builtin
