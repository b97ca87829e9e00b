#include "oci/descriptor.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

struct TypeName {
  std::string_view docker;
  std::string_view oci;
};

constexpr std::array<TypeName, 6> kDockerTypes{{
    {"application/vnd.docker.distribution.manifest.v2+json", kManifestType},
    {"application/vnd.docker.distribution.manifest.list.v2+json", kIndexType},
    {"application/vnd.docker.container.image.v1+json", kConfigType},
    {"application/vnd.docker.image.rootfs.diff.tar", kLayerType},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", kLayerGzipType},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
     "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
}};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_letter_or_digit(char c) {
  return is_letter(c) || (c >= '0' && c <= '9');
}

// RFC 6838 "type/subtype", each name of 1 to 127 characters.
bool is_media_type(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto is_name = [](std::string_view name) {
    return !name.empty() && name.size() <= 127 && is_letter_or_digit(name[0]) &&
           std::all_of(name.begin(), name.end(), [](char c) {
             return is_letter_or_digit(c) || std::string_view("!#$&^_.+-").find(c) != std::string_view::npos;
           });
  };
  return is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

// "<algorithm>:<encoded>" of any algorithm.
bool is_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  bool separated = true;  // a component must begin
  for (const char c : text.substr(0, colon)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain && (separated || std::string_view("+._-").find(c) == std::string_view::npos)) return false;
    separated = !plain;
  }
  const std::string_view encoded = text.substr(colon + 1);
  return !separated && std::all_of(encoded.begin(), encoded.end(), [](char c) {
    return is_letter_or_digit(c) || c == '=' || c == '_' || c == '-';
  });
}

bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  const std::string_view digits = text.substr(0, text.size() - (text.ends_with("==")  ? 2
                                                                : text.ends_with('=') ? 1
                                                                                      : 0));
  return std::all_of(digits.begin(), digits.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '+' || c == '/'; });
}

bool is_absolute_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && is_letter(text[0]) &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_letter_or_digit(c) || c == '+' || c == '.' || c == '-'; });
}

Digest parse_digest(const JsonView& json) {
  const std::string text = json.string();
  const auto digest = Digest::parse(text);
  if (digest) return *digest;
  if (is_digest(text) && !text.starts_with("sha256:"))
    throw Error("the digest \"" + text + "\" is of an algorithm that Bottle does not support",
                {.where = json.place(), .hint = "only sha256 is supported"});
  json.fail("a digest (sha256: and 64 lower-case hex digits)");
}

std::string parse_media_type(const JsonView& json) {
  std::string text = json.string();
  if (!is_media_type(text)) json.fail("a media type");
  return text;
}

void check_schema_version(const JsonView& document) {
  const JsonView version = document.at("schemaVersion");
  if (version.unsigned_number() != 2) version.fail("schema version 2");
}

std::map<std::string, std::string> parse_annotations(const JsonView& document) {
  std::map<std::string, std::string> annotations;
  const auto json = document.find("annotations");
  if (!json) return annotations;
  if (!json->value().is_object()) json->fail("an object");
  for (const auto& [key, value] : json->value().items())
    annotations[key] = json->at(key).string();
  return annotations;
}

Platform parse_platform(const JsonView& json) {
  return {json.at("os").string(), json.at("architecture").string(), json.string_or("variant", "")};
}

void check_subject(const JsonView& document) {
  const auto subject = document.find("subject");
  if (!subject) return;
  subject->at("mediaType").string();
  subject->at("digest").string();
  subject->at("size").unsigned_number();
}

void check_object(const JsonView& parent, const char* key) {
  const auto json = parent.find(key);
  if (json && !json->value().is_object()) json->fail("an object");
}

void check_run_config(const JsonView& config) {
  for (const char* key : {"User", "WorkingDir", "StopSignal"})
    config.string_or(key, "");
  for (const char* key : {"Entrypoint", "Cmd", "OnBuild", "Shell"})
    config.strings_or_empty(key);
  for (const char* key : {"ExposedPorts", "Volumes"})
    check_object(config, key);
  if (const auto labels = config.find("Labels")) {
    check_object(config, "Labels");
    for (const auto& [key, value] : labels->value().items())
      labels->at(key).string();
  }
  if (const auto environment = config.find("Env"))
    for (const JsonView& variable : environment->elements())
      if (variable.string().find('=') == std::string::npos) variable.fail("NAME=VALUE");
}

}  // namespace

std::string oci_media_type(std::string_view media_type) {
  for (const TypeName& type : kDockerTypes)
    if (type.docker == media_type) return std::string(type.oci);
  return std::string(media_type);
}

bool is_index_type(std::string_view media_type) {
  return oci_media_type(media_type) == kIndexType;
}

bool is_manifest_type(std::string_view media_type) {
  return oci_media_type(media_type) == kManifestType;
}

bool is_layer_type(std::string_view media_type) {
  const std::string type = oci_media_type(media_type);
  return type == kLayerType || type == kLayerGzipType || type == kLayerZstdType ||
         type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar");
}

Descriptor parse_descriptor(const JsonView& json) {
  Descriptor descriptor;
  descriptor.media_type = parse_media_type(json.at("mediaType"));
  descriptor.digest = parse_digest(json.at("digest"));
  descriptor.size = json.at("size").unsigned_number(INT64_MAX);
  if (const auto platform = json.find("platform")) descriptor.platform = parse_platform(*platform);
  if (const auto type = json.find("artifactType")) descriptor.artifact_type = parse_media_type(*type);
  if (const auto urls = json.find("urls"))
    for (const JsonView& url : urls->elements())
      if (!is_absolute_uri(url.string())) url.fail("a URI");
  if (const auto data = json.find("data"); data && !is_base64(data->string())) data->fail("base64 text");
  descriptor.annotations = parse_annotations(json);
  return descriptor;
}

std::vector<Descriptor> parse_index(std::string_view text, const std::string& name) {
  const Json document = parse_json(text, name);
  const JsonView json(document, name + "#");
  check_schema_version(json);
  if (const auto type = json.find("mediaType"); type && !is_index_type(type->string()))
    type->fail("the media type of an index");
  if (const auto type = json.find("artifactType")) parse_media_type(*type);
  check_subject(json);
  parse_annotations(json);
  std::vector<Descriptor> descriptors;
  for (const JsonView& element : json.at("manifests").elements())
    descriptors.push_back(parse_descriptor(element));
  return descriptors;
}

Manifest parse_manifest(std::string_view text, const std::string& name) {
  const Json document = parse_json(text, name);
  const JsonView json(document, name + "#");
  check_schema_version(json);
  if (const auto type = json.find("mediaType"); type && !is_manifest_type(type->string()))
    type->fail("the media type of an image manifest");
  if (const auto type = json.find("artifactType")) parse_media_type(*type);
  check_subject(json);
  parse_annotations(json);
  Manifest manifest;
  manifest.config = parse_descriptor(json.at("config"));
  if (!json.at("layers").value().is_null())
    for (const JsonView& element : json.at("layers").elements())
      manifest.layers.push_back(parse_descriptor(element));
  return manifest;
}

ConfigFacts parse_config(std::string_view text, const std::string& name) {
  const Json document = parse_json(text, name);
  const JsonView json(document, name + "#");
  ConfigFacts facts;
  facts.platform = parse_platform(json);
  for (const char* key : {"created", "author"})
    json.string_or(key, "");
  if (const auto config = json.find("config")) check_run_config(*config);
  if (const auto history = json.find("history")) {
    for (const JsonView& step : history->elements()) {
      for (const char* key : {"created", "created_by", "author", "comment"})
        step.string_or(key, "");
      step.boolean_or("empty_layer", false);
    }
  }
  const JsonView rootfs = json.at("rootfs");
  if (const JsonView type = rootfs.at("type"); type.string() != "layers") type.fail("\"layers\"");
  if (const JsonView ids = rootfs.at("diff_ids"); !ids.value().is_null())
    for (const JsonView& id : ids.elements())
      facts.diff_ids.push_back(parse_digest(id));
  return facts;
}

void check_layout_file(std::string_view text, const std::string& name) {
  const Json document = parse_json(text, name);
  const JsonView json(document, name + "#");
  const JsonView version = json.at("imageLayoutVersion");
  if (!version.string().starts_with("1.")) version.fail("an image layout of version 1");
}

nlohmann::ordered_json to_json(const Descriptor& descriptor) {
  OrderedJson json;
  json["mediaType"] = descriptor.media_type;
  if (!descriptor.artifact_type.empty()) json["artifactType"] = descriptor.artifact_type;
  json["digest"] = descriptor.digest.string();
  json["size"] = descriptor.size;
  if (descriptor.platform) {
    json["platform"]["architecture"] = descriptor.platform->architecture;
    json["platform"]["os"] = descriptor.platform->os;
    if (!descriptor.platform->variant.empty()) json["platform"]["variant"] = descriptor.platform->variant;
  }
  for (const auto& [key, value] : descriptor.annotations)
    json["annotations"][key] = value;
  return json;
}

}  // namespace bottle::oci
