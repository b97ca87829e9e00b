// SPDX-License-Identifier: Apache-2.0
#include "registry/server/manifest.hpp"

#include "util/json.hpp"

#include "oci/descriptor.hpp"

#include <utility>

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumNesting = 64;

// Knows at each value under which keys it stands: "subject/digest", "manifests/*/digest".
class Reader : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t number) override {
    if (path_.size() == 1 && at(0) == "schemaVersion") schema_version = number;
    return value();
  }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return false; }
  bool string(string_t& text) override {
    note(text);
    return value();
  }
  bool key(string_t& name) override {
    path_.back().name = std::move(name);
    return true;
  }
  bool start_object(std::size_t) override {
    if (path_.empty()) is_object = true;
    if (path_.size() == 1) note_member(at(0), false);
    return push(false);
  }
  bool end_object() override { return pop(); }
  bool start_array(std::size_t) override {
    if (path_.size() == 1) note_member(at(0), true);
    return push(true);
  }
  bool end_array() override { return pop(); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    problem = "not valid JSON at byte " + std::to_string(position);
    return false;
  }

  ManifestFacts facts;
  std::string config_type;
  std::string problem;
  std::uint64_t schema_version = 0;
  bool is_object = false;
  bool has_config = false;
  bool has_layers = false;
  bool has_manifests = false;

 private:
  struct Level {
    bool array;
    std::string name;
  };

  const std::string& at(std::size_t depth) const { return path_[depth].name; }
  bool value() {
    if (!path_.empty()) return true;
    problem = "expected a JSON object";
    return false;
  }
  bool push(bool array) {
    if (path_.empty() && array) return value();
    if (path_.size() == kMaximumNesting) {
      problem = "nested deeper than 64 levels";
      return false;
    }
    path_.push_back({array, {}});
    return true;
  }
  bool pop() {
    path_.pop_back();
    return true;
  }
  void note_member(const std::string& name, bool array) {
    has_config |= name == "config" && !array;
    has_layers |= name == "layers" && array;
    has_manifests |= name == "manifests" && array;
  }
  void note(std::string& text) {
    if (path_.size() == 1) {
      if (at(0) == "mediaType") {
        facts.media_type = std::move(text);
        facts.says_media_type = true;
      } else if (at(0) == "artifactType") {
        facts.artifact_type = std::move(text);
      }
    } else if (path_.size() == 2 && !path_[1].array) {
      if (at(0) == "annotations") {
        facts.annotations.insert_or_assign(at(1), std::move(text));
      } else if (at(0) == "config" && at(1) == "mediaType") {
        config_type = std::move(text);
      } else if (at(0) == "subject" && at(1) == "digest") {
        facts.subject = oci::ContentDigest::parse(text);
        if (!facts.subject) problem = "invalid digest of the subject";
      }
    } else if (path_.size() == 3 && at(0) == "manifests" && path_[1].array && at(2) == "digest") {
      if (auto digest = oci::ContentDigest::parse(text)) facts.manifests.push_back(std::move(*digest));
    }
  }

  std::vector<Level> path_;
};

}  // namespace

std::optional<ManifestFacts> read_manifest(std::string_view text, std::string& problem) {
  Reader reader;
  const bool whole = Json::sax_parse(text.begin(), text.end(), &reader);
  if (whole && reader.problem.empty() && !(reader.has_manifests || reader.has_config || reader.has_layers))
    reader.problem = "expected \"manifests\", \"config\" or \"layers\"";
  if (!whole || !reader.problem.empty()) {
    problem = reader.problem.empty() ? "not valid JSON" : std::move(reader.problem);
    return std::nullopt;
  }
  ManifestFacts facts = std::move(reader.facts);
  if (!facts.says_media_type)
    facts.media_type = std::string(reader.has_manifests ? oci::kIndexType : oci::kManifestType);
  if (facts.artifact_type.empty() && !reader.has_manifests)
    facts.artifact_type = std::move(reader.config_type);
  return facts;
}

}  // namespace bottle::registry
