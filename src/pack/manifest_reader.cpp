// SPDX-License-Identifier: Apache-2.0
// Reading manifests with the rules of the format's own reader (see manifest.hpp).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "pack/manifest.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::pack {
namespace {

// What a JSON value is in the manifest's grammar. `ignored` is the value of an unknown member: its syntax
// counts, nothing else, and it takes no memory. `checkpoint` is an object whose members are all ignored.
enum class Kind {
  root,
  assets,
  asset,
  asset_list,
  layer,
  layer_list,
  secret_map,
  secret,
  text_list,
  scalar,
  checkpoint,
  ignored
};

struct Member {
  std::string_view name;
  Kind kind;
};

constexpr std::array kRootMembers = {
    Member{"mode", Kind::scalar},
    Member{"image", Kind::scalar},
    Member{"digest", Kind::scalar},
    Member{"platform", Kind::scalar},
    Member{"entrypoint", Kind::text_list},
    Member{"cmd", Kind::text_list},
    Member{"env", Kind::text_list},
    Member{"secret_refs", Kind::secret_map},
    Member{"workdir", Kind::scalar},
    Member{"user", Kind::scalar},
    Member{"cpus", Kind::scalar},
    Member{"mem", Kind::scalar},
    Member{"image_size", Kind::scalar},
    Member{"network", Kind::scalar},
    Member{"gpu", Kind::scalar},
    Member{"cuda", Kind::scalar},
    Member{"host_platform", Kind::scalar},
    Member{"created", Kind::scalar},
    Member{"smolvm_version", Kind::scalar},
    Member{"assets", Kind::assets},
    Member{"checkpoint", Kind::checkpoint},
};
constexpr std::array kAssetsMembers = {
    Member{"libraries", Kind::asset_list},        Member{"agent_rootfs", Kind::asset},
    Member{"layers", Kind::layer_list},           Member{"storage_template", Kind::asset},
    Member{"storage_logical_size", Kind::scalar}, Member{"overlay_template", Kind::asset},
    Member{"overlay_logical_size", Kind::scalar}, Member{"workspace_seed", Kind::asset},
};
constexpr std::array kAssetMembers = {Member{"path", Kind::scalar}, Member{"size", Kind::scalar}};
constexpr std::array kLayerMembers = {Member{"digest", Kind::scalar}, Member{"path", Kind::scalar},
                                      Member{"size", Kind::scalar}};
constexpr std::array kSecretMembers = {Member{"from_env", Kind::scalar}, Member{"from_file", Kind::scalar}};

std::span<const Member> members_of(Kind kind) {
  switch (kind) {
    case Kind::root:
      return kRootMembers;
    case Kind::assets:
      return kAssetsMembers;
    case Kind::asset:
      return kAssetMembers;
    case Kind::layer:
      return kLayerMembers;
    case Kind::secret:
      return kSecretMembers;
    default:
      return {};
  }
}

// Builds a document of the known members only, refusing those that occur twice.
class ManifestBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit ManifestBuilder(std::string name) : name_(std::move(name)) {}

  Json take() { return std::move(document_); }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t&) override { return scalar(value); }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    if (skipped_ > 0) return true;
    Level& level = levels_.back();
    level.key = value;
    if (level.kind == Kind::secret_map) {
      level.next = Kind::secret;
      return true;
    }
    level.next = Kind::ignored;
    for (const Member& member : members_of(level.kind))
      if (member.name == value) level.next = member.kind;
    if (level.next == Kind::ignored) {
      if (level.kind == Kind::secret) throw Error("unknown member \"" + value + "\"", {.where = place()});
      return true;
    }
    if (!level.seen.insert(value).second)
      throw Error("the member \"" + value + "\" occurs twice", {.where = place()});
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    throw Error(fmt::format("not valid JSON at byte {}", position), {.where = name_});
  }

 private:
  static constexpr std::size_t kMaximumDepth = 128;

  struct Level {
    Json* value;
    Kind kind;
    Kind next = Kind::ignored;  // of the value that follows
    std::string key;
    std::set<std::string, std::less<>> seen;
  };

  std::string place() const {
    std::string pointer;
    for (const Level& level : levels_) {
      if (level.value->is_array())
        pointer += fmt::format("/{}", level.value->size());
      else if (!level.key.empty() && &level != &levels_.back())
        pointer += "/" + level.key;
    }
    return name_ + "#" + pointer;
  }

  Kind kind_of_next() const {
    if (levels_.empty()) return Kind::root;
    switch (levels_.back().kind) {
      case Kind::asset_list:
        return Kind::asset;
      case Kind::layer_list:
        return Kind::layer;
      case Kind::text_list:
        return Kind::scalar;
      default:
        return levels_.back().next;
    }
  }

  Json* insert(Json&& value) {
    if (levels_.empty()) {
      document_ = std::move(value);
      return &document_;
    }
    Json& parent = *levels_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[levels_.back().key] = std::move(value));
  }

  bool scalar(Json value) {
    if (skipped_ > 0) return true;
    if (kind_of_next() != Kind::ignored) insert(std::move(value));
    return true;
  }

  bool open(Json&& value) {
    if (levels_.size() + skipped_ >= kMaximumDepth)
      throw Error(fmt::format("JSON is nested deeper than {} levels", kMaximumDepth), {.where = name_});
    const Kind kind = kind_of_next();
    if (skipped_ > 0 || kind == Kind::ignored) {
      ++skipped_;
      return true;
    }
    // A list or an object where something else belongs is kept empty and refused by its type later.
    const bool wants_list = kind == Kind::asset_list || kind == Kind::layer_list || kind == Kind::text_list;
    if (kind == Kind::scalar || wants_list != value.is_array()) {
      insert(std::move(value));
      ++skipped_;
      return true;
    }
    Json* inserted = insert(std::move(value));
    levels_.push_back(Level{inserted, kind});
    return true;
  }

  bool close() {
    if (skipped_ > 0)
      --skipped_;
    else
      levels_.pop_back();
    return true;
  }

  std::string name_;
  Json document_;
  std::vector<Level> levels_;
  std::size_t skipped_ = 0;
};

bool has(const JsonView& object, const std::string& key) {
  return object.value().contains(key);
}

std::string text_or(const JsonView& object, const std::string& key, const std::string& fallback) {
  return has(object, key) ? object.at(key).string() : fallback;
}

bool flag(const JsonView& object, const std::string& key) {
  return has(object, key) && object.at(key).boolean();
}

std::vector<std::string> texts(const JsonView& object, const std::string& key) {
  return has(object, key) ? object.at(key).strings() : std::vector<std::string>{};
}

void expect_object(const JsonView& view) {
  if (!view.value().is_object()) view.fail("an object");
}

Asset read_asset(const JsonView& view) {
  expect_object(view);
  return {view.at("path").string(), view.at("size").unsigned_number()};
}

std::optional<Asset> read_optional_asset(const JsonView& view, const std::string& key) {
  const std::optional<JsonView> found = view.find(key);
  return found ? std::optional(read_asset(*found)) : std::nullopt;
}

std::optional<std::uint64_t> read_optional_number(const JsonView& view, const std::string& key) {
  const std::optional<JsonView> found = view.find(key);
  return found ? std::optional(found->unsigned_number()) : std::nullopt;
}

std::optional<std::string> read_optional_text(const JsonView& view, const std::string& key) {
  const std::optional<JsonView> found = view.find(key);
  return found ? std::optional(found->string()) : std::nullopt;
}

void read_assets(const JsonView& assets, Manifest& manifest) {
  expect_object(assets);
  for (const JsonView& library : assets.at("libraries").elements())
    manifest.libraries.push_back(read_asset(library));
  manifest.agent_rootfs = read_asset(assets.at("agent_rootfs"));
  for (const JsonView& layer : assets.at("layers").elements()) {
    expect_object(layer);
    manifest.layers.push_back(
        {layer.at("digest").string(), layer.at("path").string(), layer.at("size").unsigned_number()});
  }
  manifest.storage_template = read_optional_asset(assets, "storage_template");
  manifest.storage_logical_size = read_optional_number(assets, "storage_logical_size");
  manifest.overlay_template = read_optional_asset(assets, "overlay_template");
  manifest.overlay_logical_size = read_optional_number(assets, "overlay_logical_size");
  manifest.workspace_seed = read_optional_asset(assets, "workspace_seed");
}

bool is_known(Kind kind, const std::string& name) {
  return std::ranges::any_of(members_of(kind), [&](const Member& member) { return member.name == name; });
}

std::string pointer_token(std::string name) {
  for (std::size_t at = 0; (at = name.find_first_of("~/", at)) != std::string::npos; at += 2)
    name.replace(at, 1, name[at] == '~' ? "~0" : "~1");
  return name;
}

}  // namespace

Manifest parse_manifest(std::string_view text, const std::string& name) {
  // The parser skips a byte order mark; the format's own reader does not.
  if (text.substr(0, 3) == "\xef\xbb\xbf")
    throw Error("not valid JSON at byte 0: a byte order mark", {.where = name});
  ManifestBuilder builder(name);
  if (!Json::sax_parse(text, &builder)) throw Error("not valid JSON", {.where = name});
  const Json document = builder.take();
  const JsonView root(document, name + "#");
  expect_object(root);

  Manifest manifest;
  if (has(root, "mode")) {
    const std::string mode = root.at("mode").string();
    if (mode != "container" && mode != "vm") root.at("mode").fail("\"container\" or \"vm\"");
    manifest.mode = mode == "vm" ? Manifest::Mode::vm : Manifest::Mode::container;
  }
  manifest.image = root.at("image").string();
  manifest.digest = root.at("digest").string();
  manifest.platform = root.at("platform").string();
  manifest.entrypoint = texts(root, "entrypoint");
  manifest.cmd = texts(root, "cmd");
  manifest.env = texts(root, "env");
  if (has(root, "secret_refs")) {
    const JsonView references = root.at("secret_refs");
    expect_object(references);
    for (const auto& [key, value] : references.value().items()) {
      const JsonView reference = references.at(key);
      expect_object(reference);
      manifest.secret_refs[key] = {read_optional_text(reference, "from_env"),
                                   read_optional_text(reference, "from_file")};
    }
  }
  manifest.workdir = read_optional_text(root, "workdir");
  manifest.user = read_optional_text(root, "user");
  manifest.cpus = static_cast<std::uint8_t>(root.at("cpus").unsigned_number(UINT8_MAX));
  manifest.mem = static_cast<std::uint32_t>(root.at("mem").unsigned_number(UINT32_MAX));
  if (has(root, "image_size")) manifest.image_size = root.at("image_size").unsigned_number();
  manifest.network = flag(root, "network");
  manifest.gpu = flag(root, "gpu");
  manifest.cuda = flag(root, "cuda");
  manifest.host_platform = text_or(root, "host_platform", "");
  manifest.created = text_or(root, "created", "");
  manifest.smolvm_version = text_or(root, "smolvm_version", "");
  read_assets(root.at("assets"), manifest);
  if (const std::optional<JsonView> checkpoint = root.find("checkpoint")) {
    expect_object(*checkpoint);
    manifest.checkpoint = true;
  }
  return manifest;
}

std::vector<ForeignMember> foreign_members(std::string_view text) {
  std::vector<ForeignMember> found;
  const OrderedJson document = OrderedJson::parse(text);
  for (const auto& [name, value] : document.items())
    if (!is_known(Kind::root, name) || (name == "checkpoint" && !value.is_null()))
      found.push_back({"/" + pointer_token(name), value});
  for (const auto& [name, value] : document.at("assets").items())
    if (!is_known(Kind::assets, name)) found.push_back({"/assets/" + pointer_token(name), value});
  return found;
}

}  // namespace bottle::pack
