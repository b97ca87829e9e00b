// SPDX-License-Identifier: Apache-2.0
#include "registry/manifest_type.hpp"

#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

std::string_view without_parameters(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t'))
    type.remove_suffix(1);
  return type;
}

}  // namespace

std::string manifest_type(std::string_view bytes, std::string_view content_type, const std::string& where) {
  const Json document = oci::read_document(bytes, where);
  if (!document.is_object()) throw Error("expected a manifest (a JSON object)", {.where = where});
  if (document.contains("schemaVersion") && document["schemaVersion"] == 1)
    throw Error(
        "manifests of Docker's schema 1 are not supported",
        {.where = where, .hint = "push the image again with a current version of Docker, Podman or skopeo"});
  const bool is_index = document.contains("manifests");
  const bool is_manifest =
      document.contains("layers") || document.contains("config") || document.contains("fsLayers");
  if (is_index == is_manifest)
    throw Error(is_index ? "the document is both a manifest and an index" : "expected a manifest or an index",
                {.where = where});
  std::string type;
  if (const auto own = document.find("mediaType"); own != document.end() && own->is_string())
    type = own->get<std::string>();
  const std::string_view served = without_parameters(content_type);
  const auto is_known = [](std::string_view text) {
    return oci::is_index_type(text) || oci::is_manifest_type(text);
  };
  if (type.empty())
    type =
        is_known(served) ? std::string(served) : std::string(is_index ? oci::kIndexType : oci::kManifestType);
  if (!is_known(type))
    throw Error(
        "expected the media type of a manifest or index, found \"" + escape_word(type.substr(0, 100)) + '"',
        {.where = where});
  if (oci::is_index_type(type) != is_index || (is_known(served) && oci::is_index_type(served) != is_index))
    throw Error("the media type \"" + type + "\" (served as \"" + escape_word(served.substr(0, 100)) +
                    "\") contradicts the document, which is " + (is_index ? "an index" : "a manifest"),
                {.where = where});
  return type;
}

ManifestDetails manifest_details(std::string_view bytes, const std::string& where) {
  const Json document = oci::read_document(bytes, where);
  const JsonView json(document, where + "#");
  ManifestDetails facts;
  if (const auto subject = json.find("subject")) facts.subject = oci::parse_descriptor(*subject);
  facts.artifact_type = json.string_or("artifactType", "");
  if (facts.artifact_type.empty())
    if (const auto config = json.find("config")) facts.artifact_type = config->string_or("mediaType", "");
  if (const auto annotations = json.find("annotations"); annotations && annotations->value().is_object())
    for (const auto& [key, value] : annotations->value().items())
      if (value.is_string()) facts.annotations[key] = value.get<std::string>();
  return facts;
}

}  // namespace bottle::registry
