// SPDX-License-Identifier: Apache-2.0
#include "image/model/plan.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "oci/damage.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/parallel.hpp"

namespace bottle::image {
inline namespace model {
namespace {

constexpr int kPlanSchema = 1;
constexpr int kPlacesSchema = 2;
constexpr std::uint64_t kMaximumIndex = 4ull << 30;  // bytes
constexpr std::string_view kBlobRoot = "blob:";

fs::path index_path(const fs::path& directory, const Digest& digest) {
  return directory / "layers" / (digest.hex() + ".idx");
}

Digest digest_at(const JsonView& view) {
  const auto digest = Digest::parse(view.string());
  if (!digest) view.fail("sha256:<64 hexadecimal digits>");
  return *digest;
}

std::set<std::string> blob_names(const LoadedPlan& plan) {
  std::set<std::string> names;
  for (const oci::LayerIndex& layer : plan.layers)
    for (const std::string& root : layer.roots)
      if (const auto digest = Digest::parse(root.starts_with(kBlobRoot) ? root.substr(kBlobRoot.size()) : ""))
        names.insert(digest->hex());
  for (const PlanLayer& layer : plan.plan.layers)
    if (layer.blob) names.insert(layer.blob->hex());
  return names;
}

// Removes what an earlier plan left in `directory`: nothing depends on it now.
void keep_only(const fs::path& directory, const std::set<std::string>& names) {
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    if (!names.contains(entry.path().filename().native())) fs::remove(entry.path());
}

}  // namespace

Digest Plan::digest() const {
  std::string text =
      "bottle-plan " + std::to_string(kPlanSchema) + "\nconfig " + sha256(config).string() + "\n";
  for (const PlanLayer& layer : layers)
    text += "layer " + layer.digest.string() + "\n";
  if (!engine_config.empty()) text += "image " + sha256(engine_config).string() + "\n";
  return sha256(text);
}

std::string Plan::serialize() const {
  OrderedJson document;
  document["schema"] = kPlanSchema;
  document["planDigest"] = digest().string();
  if (!engine_config.empty()) {
    document["imageId"] = sha256(engine_config).string();
    document["engineConfig"] = engine_config;
  }
  document["config"] = Json::parse(config);
  document["layers"] = OrderedJson::array();
  for (const PlanLayer& layer : layers) {
    OrderedJson item{{"digest", layer.digest.string()}, {"scope", layer.scope}};
    if (layer.diff_id) item["diffId"] = layer.diff_id->string();
    if (layer.blob)
      item["blob"] = OrderedJson{
          {"mediaType", layer.blob_media_type}, {"digest", layer.blob->string()}, {"size", layer.blob_size}};
    document["layers"].push_back(std::move(item));
  }
  return document.dump(1) + "\n";
}

Plan Plan::parse(std::string_view text, const std::string& name) {
  const Json document = parse_json(text, name);
  const JsonView view(document, name + "#");
  if (view.at("schema").unsigned_number() != kPlanSchema)
    throw Error("another version of Bottle wrote this image plan",
                {.where = name, .hint = "build the bottle again"});
  Plan plan;
  plan.config = view.at("config").value().dump();
  plan.engine_config = view.string_or("engineConfig", "");
  for (const JsonView& item : view.at("layers").elements()) {
    PlanLayer layer;
    layer.digest = digest_at(item.at("digest"));
    layer.scope = item.string_or("scope", "");
    if (const auto diff_id = item.find("diffId")) layer.diff_id = digest_at(*diff_id);
    if (const auto blob = item.find("blob")) {
      layer.blob_media_type = blob->at("mediaType").string();
      layer.blob = digest_at(blob->at("digest"));
      layer.blob_size = blob->at("size").unsigned_number();
    }
    plan.layers.push_back(std::move(layer));
  }
  if (digest_at(view.at("planDigest")) != plan.digest())
    throw Error("the plan does not match its planDigest: the file was changed or is damaged",
                {.where = name, .hint = "remove the file and build the bottle again"});
  return plan;
}

const std::string& image_config(const Plan& plan) {
  return plan.engine_config.empty() ? plan.config : plan.engine_config;
}

std::string platform_text(const Plan& plan) {
  const Json config = parse_json(plan.config, "image plan: configuration");
  const JsonView view(config, "image plan: configuration#");
  return view.string_or("os", "linux") + "/" + view.string_or("architecture", "");
}

oci::MergedTree LoadedPlan::merged() const {
  oci::MergedTree tree;
  for (std::size_t i = 0; i < layers.size(); ++i)
    tree.apply(layers[i], "layer " + std::to_string(i + 1), plan.layers[i].scope);
  return tree;
}

std::optional<fs::path> LoadedPlan::find_blob(const Digest& digest, const store::Store& store) const {
  const auto in = [&](const fs::path& build_directory) { return build_directory / "blobs" / digest.hex(); };
  if (!directory.empty() && ::access(in(directory).c_str(), R_OK) == 0) return in(directory);
  for (const fs::path& other : blob_directories)
    if (::access(in(other).c_str(), R_OK) == 0) return in(other);
  return store.find_blob(digest);
}

LoadedPlan LoadedPlan::in_scope(LoadedPlan base, const std::string& name) {
  for (PlanLayer& layer : base.plan.layers)
    layer.scope = name + "/" + layer.scope;
  std::map<std::string, fs::path> roots;
  for (auto& [root, path] : base.context_roots)
    roots[name + "/" + root] = std::move(path);
  base.context_roots = std::move(roots);
  if (!base.directory.empty()) base.blob_directories.push_back(base.directory);
  base.directory.clear();
  return base;
}

LoadedPlan LoadedPlan::places() const {
  LoadedPlan copy;
  copy.directory = directory;
  copy.blob_directories = blob_directories;
  return copy;
}

oci::ContentReader LoadedPlan::reader(const store::Store& store) const {
  return oci::ContentReader(context_roots, [loaded = places(), store](const Digest& digest) -> fs::path {
    if (const auto path = loaded.find_blob(digest, store)) return *path;
    throw oci::DamageError(
        oci::Damage::blob,
        "the blob " + digest.string() + " is neither in the build directory nor in the store",
        {.where = loaded.directory.empty() ? store.directory().native() : loaded.directory.native(),
         .hint = "build the image again: bottle-image build"});
  });
}

namespace {

// What says where the bytes of a plan's files lie on this machine (docs/formats/plan.md, "roots.json").
struct Places {
  std::map<std::string, fs::path> roots;
  std::map<std::string, Digest> indexes;  // of the files in layers/, by the layer's identity

  static Places of(const LoadedPlan& plan, const std::vector<Digest>& texts) {
    Places places{.roots = plan.context_roots, .indexes = {}};
    for (std::size_t i = 0; i < texts.size(); ++i)
      places.indexes.insert_or_assign(plan.plan.layers[i].digest.hex(), texts[i]);
    return places;
  }

  OrderedJson document() const {
    OrderedJson result{{"schema", kPlacesSchema}};
    result["roots"] = OrderedJson::object();
    for (const auto& [name, path] : roots)
      result["roots"][name] = path.native();
    result["layers"] = OrderedJson::object();
    for (const auto& [layer, text] : indexes)
      result["layers"][layer] = text.string();
    return result;
  }

  // A path that was altered could be that of another file.
  static std::string check(const OrderedJson& document) { return sha256(document.dump()).string(); }

  std::string serialize() const {
    OrderedJson result = document();
    result["check"] = check(result);
    return result.dump(1) + "\n";
  }

  static Places parse(const std::string& text, const std::string& name) {
    const Json document = parse_json(text, name);
    const JsonView view(document, name + "#");
    if (view.at("schema").unsigned_number() != kPlacesSchema)
      throw Error("another version of Bottle wrote this roots.json",
                  {.where = name, .hint = "build the bottle again"});
    Places places;
    for (const auto& [root, path] : view.at("roots").value().items())
      places.roots[root] = JsonView(path, name + "#/roots/" + root).string();
    for (const auto& [layer, digest] : view.at("layers").value().items())
      places.indexes.emplace(layer, digest_at(JsonView(digest, name + "#/layers/" + layer)));
    if (view.at("check").string() != check(places.document()))
      view.at("check").fail("the digest of the other members; the file was changed or is damaged");
    return places;
  }
};

LoadedPlan load_whole_plan(const fs::path& directory, const std::string& text) {
  LoadedPlan loaded;
  loaded.directory = directory;
  loaded.plan = Plan::parse(text, (directory / "image.json").native());
  const fs::path roots_file = directory / "roots.json";
  Places places = Places::parse(read_file(roots_file), roots_file.native());
  const std::size_t count = loaded.plan.layers.size();
  std::vector<std::string> indexes(count);
  std::vector<Digest> digests(count);
  const auto path_of = [&](std::size_t i) { return index_path(directory, loaded.plan.layers[i].digest); };
  for (std::size_t i = 0; i < count; ++i)
    indexes[i] = read_file(path_of(i), kMaximumIndex);
  loaded.layers.resize(count);
  parallel_for(2 * count, default_threads(), [&](std::size_t i) {
    if (i < count)
      loaded.layers[i] = oci::LayerIndex::parse(indexes[i], path_of(i).native());
    else
      digests[i - count] = sha256(indexes[i - count]);
  });
  for (std::size_t i = 0; i < count; ++i) {
    const auto expected = places.indexes.find(loaded.plan.layers[i].digest.hex());
    if (expected == places.indexes.end() || expected->second != digests[i])
      throw Error("the layer index does not match its digest in roots.json",
                  {.where = path_of(i).native(), .hint = "build the bottle again"});
  }
  loaded.context_roots = std::move(places.roots);
  return loaded;
}

}  // namespace

LoadedPlan load_plan(const fs::path& directory) {
  const fs::path file = directory / "image.json";
  const auto damaged = [&](const Error& error) {
    return oci::DamageError(
        oci::Damage::plan, error.message(),
        {.where = error.where().empty() ? file.native() : error.where(), .hint = error.hint()});
  };
  const auto text = read_file_if_exists(file);
  if (!text)
    throw damaged(Error("cannot find the image plan",
                        {.where = file.native(), .hint = "build the image first: bottle-image build"}));
  try {
    return load_whole_plan(directory, *text);
  } catch (const Error& error) {
    throw damaged(error);
  }
}

bool save_plan(const LoadedPlan& plan, const fs::path& directory, const store::Store& store) {
  make_directories(directory / "layers");
  make_directories(directory / "blobs");
  const std::set<std::string> blobs = blob_names(plan);
  for (const std::string& name : blobs) {
    const fs::path target = directory / "blobs" / name;
    if (::access(target.c_str(), F_OK) == 0) continue;
    const Digest digest = *Digest::from_hex(name);
    const auto source = plan.find_blob(digest, store);
    if (!source)
      throw oci::DamageError(
          oci::Damage::blob, "the blob " + digest.string() + " is not in the store",
          {.where = store.directory().native(), .hint = "build again, which fetches the blob"});
    link_or_copy(*source, target);
  }
  std::set<std::string> indexes;
  std::vector<Digest> texts;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const fs::path path = index_path(directory, plan.plan.layers[i].digest);
    indexes.insert(path.filename().native());
    const auto& stored = plan.plan.layers[i].index_blob;
    if (stored) {
      texts.push_back(stored->digest);
      write_file_if_changed(path, read_file(store.blob_path(stored->digest), kMaximumIndex));
    } else {
      const std::string text = plan.layers[i].serialize();
      texts.push_back(sha256(text));
      write_file_if_changed(path, text);
    }
  }
  write_file_if_changed(directory / "roots.json", Places::of(plan, texts).serialize());
  const bool changed = write_file_if_changed(directory / "image.json", plan.plan.serialize());
  keep_only(directory / "layers", indexes);
  keep_only(directory / "blobs", blobs);
  return changed;
}

}  // namespace model
}  // namespace bottle::image
