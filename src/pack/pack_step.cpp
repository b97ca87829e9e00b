// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_step.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <system_error>
#include <thread>

#include "container/cleanup_log.hpp"
#include "image/model/plan.hpp"
#include "oci/damage.hpp"
#include "pack/smolvm_command.hpp"
#include "pack/smolvm_packer.hpp"
#include "pack/zstd_frame.hpp"
#include "store/step_record.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"
#include "util/trace.hpp"

namespace bottle::pack {
namespace {

constexpr const char* kStep = "pack";
constexpr const char* kRecordFile = "pack.json";
// Raise it when the same inputs give other bytes.
constexpr int kSchema = 3;

bool is_smolvm(const PackRequest& request) {
  return request.packer == "smolvm";
}

std::string key_text(const PackRequest& request, const Digest& plan, const std::optional<Runtime>& runtime) {
  std::map<std::string, std::string> lines{
      {"schema", std::to_string(kSchema)},
      {"tool", "bottle-pack " BOTTLE_VERSION},
      {"zstd", zstd_version()},
      {"plan", plan.string()},
      {"epoch", std::to_string(request.options.epoch)},
      {"runtime", runtime ? runtime->digest.string() : "none"},
      {"agent", runtime && runtime->agent.version ? runtime->agent.version->string() : "none"},
  };
  if (is_smolvm(request)) {
    lines["packer"] = "smolvm " + smolvm_identity();
    lines.erase("agent");
    lines.erase("zstd");
    if (!request.registry_image.empty()) lines["registry"] = escape_word(request.registry_image);
  }
  for (const auto& [name, value] : request.options.key_values())
    lines["option " + escape_word(name)] = value;
  std::string text;
  for (const auto& [subject, value] : lines)
    text += subject + " = " + value + "\n";
  return text;
}

image::Plan read_plan(const fs::path& directory) {
  const fs::path file = directory / "image.json";
  const std::optional<std::string> text = read_file_if_exists(file);
  if (!text)
    throw oci::DamageError(oci::Damage::plan, "cannot find the image plan",
                           {.where = file.native(), .hint = "build the image first: bottle-image build"});
  try {
    return image::Plan::parse(*text, file.native());
  } catch (const Error& error) {
    throw oci::DamageError(oci::Damage::plan, error.message(),
                           {.where = error.where(), .hint = error.hint()});
  }
}

std::uint64_t modified(const struct stat& status) {
  return static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
}

// Whether the output file has this content already: by pack.json's word if the file has not been touched
// since, else by reading it.
bool output_is(const PackRequest& request, const PackRecipe& recipe) {
  struct stat status;
  if (::lstat(request.output.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::uint64_t>(status.st_size) != recipe.pack_size)
    return false;
  if (!request.records.empty()) {
    const fs::path file = request.records / kRecordFile;
    if (const std::optional<std::string> text = read_file_if_exists(file)) {
      const Json document = Json::parse(*text, nullptr, false);  // a corrupt record is ignored
      if (document.is_object() && document.value("pack", "") == request.output.native() &&
          document.value("modified", std::uint64_t{0}) == modified(status) &&
          document.value("inode", std::uint64_t{0}) == status.st_ino)
        return document.value("packIdentity", "") == recipe.identity().string();
    }
  }
  const Fd file = open_for_reading(request.output);
  return is_pack(recipe, file.get(), request.output.native());
}

// The recipe the store has for this key, if it is whole.
std::optional<PackRecipe> stored_recipe(const store::Store::Lookup& lookup, const store::Store& store) {
  if (!lookup.result) return std::nullopt;
  const auto output = lookup.result->outputs.find("recipe");
  if (output == lookup.result->outputs.end()) return std::nullopt;
  const std::optional<fs::path> blob = store.find_blob(output->second.digest);
  if (!blob) return std::nullopt;
  const std::string text = read_file(*blob);
  if (sha256(text) != output->second.digest) {
    store.drop_damaged_blob(output->second.digest, "the recipe of a pack does not match its digest");
    return std::nullopt;
  }
  return PackRecipe::parse(text, blob->native());
}

void count_all_reused(PackOutcome& outcome) {
  for (const PackRecipe::Piece& piece : outcome.recipe.frames) {
    ++outcome.frames.total;
    ++(piece.blob.empty() ? outcome.frames.structure : outcome.frames.reused);
  }
}

// Freeing what a replaced file held takes a tenth of the time of writing it: a thread does it beside what is
// left to do.
class Replaced {
 public:
  explicit Replaced(const fs::path& file) : old_(::open(file.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)) {}
  // After the new file is in its place: the last descriptor of a file without names frees it.
  void release() {
    if (!old_) return;
    try {
      thread_ = std::jthread([old = std::move(old_)]() mutable { old.reset(); });
    } catch (const std::system_error&) {
      // No thread can be started: it has been freed all the same.
    }
  }

 private:
  Fd old_;
  std::jthread thread_;
};

bool make_from_recipe(const PackRequest& request, const PackRecipe& recipe, store::Store& store,
                      PackOutcome& outcome, std::optional<Replaced>& replaced) {
  if (output_is(request, recipe)) {
    outcome.outcome = "unchanged";
  } else {
    AtomicFile file(request.output);
    if (!write_pack(recipe, store, file.descriptor(), request.output.native())) return false;
    replaced.emplace(request.output);
    file.commit();
    replaced->release();
    outcome.outcome = "stored";
    outcome.replaced = true;
  }
  outcome.recipe = recipe;
  count_all_reused(outcome);
  return true;
}

void make_from_plan(const PackRequest& request, const std::optional<Runtime>& runtime, store::Store& store,
                    PackOutcome& outcome, std::optional<Replaced>& replaced) {
  const image::LoadedPlan plan = image::load_plan(request.plan_directory);
  AtomicFile file(request.output);
  outcome.recipe = write_pack(plan, {request.options, runtime, request.threads}, store, file.descriptor(),
                              request.output.native(), outcome.frames);
  outcome.outcome = "built";
  if (!output_is(request, outcome.recipe)) {
    replaced.emplace(request.output);
    file.commit();
    replaced->release();
    outcome.replaced = true;
  }
}

void make_by_smolvm(const PackRequest& request, store::Store& store, PackOutcome& outcome,
                    std::map<std::string, store::Output>& assets, std::optional<Replaced>& replaced) {
  const image::LoadedPlan plan = image::load_plan(request.plan_directory);
  const PackRecipe recipe = make_smolvm_pack(
      {.slug = request.slug,
       .plan = plan,
       .options = request.options,
       .registry_image = request.registry_image,
       .runtime = outcome.runtime,
       .directory = request.records.empty() ? fs::absolute(request.output).parent_path() : request.records,
       .on_line = request.on_line ? request.on_line : [](const std::string&) {}},
      store, assets);
  if (!make_from_recipe(request, recipe, store, outcome, replaced))
    throw Error("a part of the pack is no longer in the store",
                {.where = store.directory().native(), .hint = "build again"});
  outcome.outcome = "built";
}

void write_records(const PackRequest& request, const std::string& text, const PackOutcome& outcome,
                   const store::RunReason& reason) {
  const store::StepRecord record{.step = kStep,
                                 .outcome = outcome.outcome,
                                 .reason = outcome.outcome == "unchanged" ? "" : reason.reason,
                                 .detail = outcome.outcome == "unchanged" ? "" : reason.detail,
                                 .key = outcome.key,
                                 .milliseconds = outcome.milliseconds};
  store::rotate_key_text(request.records, kStep, text);
  store::write_step_record(request.records, record);
  write_file(request.records / kRecordFile, outcome.json(request), Durable::no);
}

}  // namespace

PackOutcome make_pack(const PackRequest& request, store::Store& store) {
  const auto begin = std::chrono::steady_clock::now();
  check_options(request.options);
  if (!request.records.empty()) container::remove_leftovers(request.records);
  PackOutcome outcome;
  outcome.plan_digest = read_plan(request.plan_directory).digest();
  if (request.packer != "native" && !is_smolvm(request))
    throw UsageError("unknown packer \"" + request.packer + "\"",
                     {.where = "bottle " + request.slug, .hint = "use native or smolvm"});
  outcome.runtime = find_runtime(request.runtime);
  std::optional<Runtime> runtime;
  if (outcome.runtime) runtime = read_runtime(*outcome.runtime, store);

  const std::string text = key_text(request, outcome.plan_digest, runtime);
  const Digest key = sha256(text);
  outcome.key = key.hex();
  const store::Store::Lookup lookup = store.find_action(key);
  store::RunReason reason;
  if (!request.records.empty()) reason = store::run_reason(request.records, kStep, text, lookup);
  outcome.reason = reason.reason;

  const std::optional<PackRecipe> recipe = stored_recipe(lookup, store);
  std::optional<Replaced> replaced;
  const bool made = recipe && make_from_recipe(request, *recipe, store, outcome, replaced);
  std::map<std::string, store::Output> assets;
  if (!made && is_smolvm(request)) {
    make_by_smolvm(request, store, outcome, assets, replaced);
  } else if (!made) {
    make_from_plan(request, runtime, store, outcome, replaced);
  }
  outcome.milliseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin)
          .count());
  if (!made) {
    store::ActionResult result;
    result.kind = kStep;
    result.label = request.slug;
    result.outputs = std::move(assets);
    result.outputs["recipe"] = store.put(outcome.recipe.serialize());
    result.facts["size"] = std::to_string(outcome.recipe.pack_size);
    result.tool_version = BOTTLE_VERSION;
    result.milliseconds = outcome.milliseconds;
    store.put_action(key, result);
  }
  if (!request.records.empty()) {
    write_records(request, text, outcome, reason);
    std::vector<Digest> keys{key};
    for (const PackRecipe::Piece& piece : outcome.recipe.frames)
      if (!piece.key.empty()) keys.push_back(piece.key);
    store.register_root(request.records, kStep, keys);
  }
  trace_step("bottle-pack", request.slug, kStep, outcome.outcome,
             {{"key", outcome.key},
              {"frames", std::to_string(outcome.frames.total)},
              {"reused", std::to_string(outcome.frames.reused)},
              {"compressed", std::to_string(outcome.frames.compressed)}});
  return outcome;
}

std::string PackOutcome::json(const PackRequest& request) const {
  struct stat status {};
  const bool exists = ::lstat(request.output.c_str(), &status) == 0;
  OrderedJson json;
  json["schema"] = kSchema;
  json["slug"] = request.slug;
  json["pack"] = request.output.native();
  json["packIdentity"] = recipe.identity().string();
  json["size"] = recipe.pack_size;
  json["modified"] = exists ? modified(status) : 0;
  json["inode"] = exists ? static_cast<std::uint64_t>(status.st_ino) : 0;
  json["planDigest"] = plan_digest.string();
  json["key"] = key;
  json["outcome"] = outcome;
  json["frames"] = {{"total", frames.total},
                    {"reused", frames.reused},
                    {"compressed", frames.compressed},
                    {"structure", frames.structure}};
  json["chunks"] = frames.reused + frames.compressed;
  json["entries"] = recipe.entries;
  json["layer"] = "sha256:" + recipe.layer_id;
  json["layerSize"] = recipe.layer_size;
  json["imageSize"] = recipe.image_size;
  json["runtime"] = runtime ? OrderedJson(runtime->native()) : OrderedJson(nullptr);
  json["warnings"] = recipe.findings.warnings;
  json["notes"] = recipe.findings.notes;
  json["milliseconds"] = milliseconds;
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace bottle::pack
