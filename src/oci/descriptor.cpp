// SPDX-License-Identifier: Apache-2.0
#include "oci/descriptor.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "oci/config_members.hpp"
#include "oci/go_json.hpp"
#include "util/base64.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

struct TypeName {
  std::string_view docker;
  std::string_view oci;
};

constexpr std::array<TypeName, 8> kDockerTypes{{
    {"application/vnd.docker.distribution.manifest.v2+json", kManifestType},
    {"application/vnd.docker.distribution.manifest.list.v2+json", kIndexType},
    {"application/vnd.docker.container.image.v1+json", kConfigType},
    {"application/vnd.docker.image.rootfs.diff.tar", kLayerType},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", kLayerGzipType},
    // Later ones, of containers/image and containerd.
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", kLayerZstdType},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar",
     "application/vnd.oci.image.layer.nondistributable.v1.tar"},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
     "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
}};

constexpr std::array<Member, 5> kPlatformMembers{{{"architecture", MemberType::string},
                                                  {"os", MemberType::string},
                                                  {"os.version", MemberType::string},
                                                  {"os.features", MemberType::strings},
                                                  {"variant", MemberType::string}}};
constexpr std::array<Member, 8> kDescriptorMembers{{{"mediaType", MemberType::string},
                                                    {"digest", MemberType::string},
                                                    {"size", MemberType::integer},
                                                    {"urls", MemberType::strings},
                                                    {"annotations", MemberType::map},
                                                    {"data", MemberType::string},
                                                    {"platform", MemberType::object, kPlatformMembers},
                                                    {"artifactType", MemberType::string}}};
// Of manifests and of indexes.
constexpr std::array<Member, 9> kDocumentMembers{{{"schemaVersion", MemberType::integer},
                                                  {"mediaType", MemberType::string},
                                                  {"artifactType", MemberType::string},
                                                  {"config", MemberType::object, kDescriptorMembers},
                                                  {"layers", MemberType::objects, kDescriptorMembers},
                                                  {"manifests", MemberType::objects, kDescriptorMembers},
                                                  {"fsLayers", MemberType::objects},
                                                  {"subject", MemberType::object, kDescriptorMembers},
                                                  {"annotations", MemberType::map}}};

// A document that is a manifest for one reader and an index for another has two contents under one digest
// (CVE-2021-41190). containerd and skopeo refuse the same members.
void refuse_members(const JsonView& document, std::initializer_list<const char*> members, const char* kind) {
  for (const char* name : members)
    if (const auto member = document.find(name))
      throw Error(std::string("ambiguous document: ") + kind + " has no member \"" + name + '"',
                  {.where = member->place()});
}

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

bool is_absolute_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && is_letter(text[0]) &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_letter_or_digit(c) || c == '+' || c == '.' || c == '-'; });
}

bool is_of_another_algorithm(std::string_view text) {
  return is_digest(text) && !text.starts_with("sha256:");
}

Digest parse_digest(const JsonView& json) {
  const std::string text = json.string();
  const auto digest = Digest::parse(text);
  if (digest) return *digest;
  if (is_of_another_algorithm(text))
    throw Error("unsupported digest \"" + text + "\": expected sha256:<64 hex digits>",
                {.where = json.place(), .hint = "use an image whose digests are sha256"});
  json.fail("a digest (sha256: and 64 lower-case hex digits)");
}

std::string parse_media_type(const JsonView& json) {
  std::string text = json.string();
  if (!is_media_type(text)) json.fail("a media type");
  return text;
}

// Docker, containerd and skopeo do not ask for it.
void check_schema_version(const JsonView& document) {
  const auto version = document.find("schemaVersion");
  if (version && version->unsigned_number() != 2) version->fail("schema version 2");
}

std::map<std::string, std::string> parse_annotations(const JsonView& document) {
  std::map<std::string, std::string> annotations;
  const auto json = document.find("annotations");
  if (!json) return annotations;
  if (!json->value().is_object()) json->fail("an object");
  for (const auto& [key, value] : json->value().items())
    annotations[key] = json->string_or(key, "");
  return annotations;
}

template <typename Visitor>
void for_each_string(const JsonView& json, const char* key, const Visitor& visit) {
  const auto list = json.find(key);
  if (!list) return;
  for (const JsonView& element : list->elements()) {
    if (element.value().is_null()) continue;
    element.string();
    visit(element);
  }
}

Platform parse_platform(const JsonView& json) {
  json.string_or("os.version", "");
  for_each_string(json, "os.features", [](const JsonView&) {});
  return {json.string_or("os", ""), json.string_or("architecture", ""), json.string_or("variant", ""), ""};
}

// What manifests and indexes have in common beside their descriptors.
void check_common(const JsonView& document) {
  if (!document.string_or("artifactType", "").empty()) parse_media_type(document.at("artifactType"));
  parse_annotations(document);
  const auto subject = document.find("subject");
  if (!subject) return;
  for (const char* key : {"mediaType", "digest"})
    subject->string_or(key, "");
  if (const auto size = subject->find("size")) size->unsigned_number();
}

// Whether a descriptor is one whose content is needed, or an entry of an index that may be passed over.
enum class Strictness { ours, any };

Descriptor parse_descriptor(const JsonView& json, Strictness strictness) {
  Descriptor descriptor;
  const bool is_ours = strictness == Strictness::ours;
  if (!is_ours && json.value().is_null()) return descriptor;
  if (is_ours || !json.string_or("mediaType", "").empty())
    descriptor.media_type = parse_media_type(json.at("mediaType"));
  const std::string digest = json.string_or("digest", "");
  if (!is_ours && is_of_another_algorithm(digest))
    descriptor.unsupported_digest = digest;
  else if (is_ours || !digest.empty())
    descriptor.digest = parse_digest(json.at("digest"));
  if (is_ours || json.find("size")) descriptor.size = json.at("size").unsigned_number(INT64_MAX);
  if (const auto platform = json.find("platform")) descriptor.platform = parse_platform(*platform);
  if (!json.string_or("artifactType", "").empty())
    descriptor.artifact_type = parse_media_type(json.at("artifactType"));
  for_each_string(json, "urls", [](const JsonView& url) {
    if (!is_absolute_uri(url.string())) url.fail("a URI");
  });
  if (const auto data = json.find("data"); data && !decode_base64(data->string(), Base64::padded))
    data->fail("base64 text");
  descriptor.annotations = parse_annotations(json);
  return descriptor;
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
  return parse_descriptor(json, Strictness::ours);
}

Json read_document(std::string_view text, const std::string& name) {
  return parse_go_json(text, {.name = "", .type = MemberType::object, .members = kDocumentMembers}, name);
}

std::vector<Descriptor> parse_index(std::string_view text, const std::string& name) {
  const Json document = read_document(text, name);
  const JsonView json(document, name + "#");
  check_schema_version(json);
  if (const std::string type = json.string_or("mediaType", ""); !type.empty() && !is_index_type(type))
    json.at("mediaType").fail("the media type of an index");
  refuse_members(json, {"config", "layers", "fsLayers"}, "an index");
  check_common(json);
  std::vector<Descriptor> descriptors;
  if (const auto manifests = json.find("manifests"))
    for (const JsonView& element : manifests->elements())
      descriptors.push_back(parse_descriptor(element, Strictness::any));
  return descriptors;
}

const Descriptor& require_digest(const Descriptor& descriptor, const std::string& where) {
  if (!descriptor.unsupported_digest.empty())
    throw Error(
        "unsupported digest \"" + descriptor.unsupported_digest + "\": expected sha256:<64 hex digits>",
        {.where = where, .hint = "use an image whose digests are sha256"});
  if (descriptor.digest.empty()) throw Error("an entry of the index has no digest", {.where = where});
  return descriptor;
}

Manifest parse_manifest(std::string_view text, const std::string& name) {
  const Json document = read_document(text, name);
  const JsonView json(document, name + "#");
  check_schema_version(json);
  if (const std::string type = json.string_or("mediaType", ""); !type.empty() && !is_manifest_type(type))
    json.at("mediaType").fail("the media type of an image manifest");
  refuse_members(json, {"manifests", "fsLayers"}, "an image manifest");
  check_common(json);
  Manifest manifest;
  manifest.config = parse_descriptor(json.at("config"));
  if (const auto layers = json.find("layers"))
    for (const JsonView& element : layers->elements())
      manifest.layers.push_back(parse_descriptor(element));
  return manifest;
}

ConfigFacts parse_config(std::string_view text, const std::string& name) {
  const Json document = read_config(text, name);
  const JsonView json(document, name + "#");
  ConfigFacts facts;
  facts.platform = parse_platform(json);
  if (facts.platform.os.empty()) facts.platform.os = host_platform().os;  // as containerd has it
  // (Neither Docker nor containerd looks at rootfs.type.)
  if (const auto rootfs = json.find("rootfs"))
    if (const auto ids = rootfs->find("diff_ids"))
      for (const JsonView& id : ids->elements())
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
