// SPDX-License-Identifier: Apache-2.0
// Manifests: GET, HEAD, PUT (by tag, by digest, with several tags) and DELETE.
// Source: OCI distribution-spec 1.1 "Pulling manifests", "Pushing Manifests", "Deleting tags", "Deleting
// Manifests"; RFC 9110 section 13 (conditional requests).
#include "oci/reference.hpp"
#include "registry/server/service.hpp"

#include "util/error.hpp"

#include <algorithm>
#include <utility>

namespace bottle::registry {
namespace {

std::string text_of(const OpenBlob& blob, const std::string& name) {
  std::string text(static_cast<std::size_t>(blob.size), '\0');
  const std::size_t count = pread_some(blob.file.get(), std::as_writable_bytes(std::span(text)), 0, name);
  text.resize(count);
  return text;
}

// The body of a PUT goes to a file like a blob's, and into memory only when it is whole and small enough.
class ManifestReceiver : public Work {
 public:
  struct Facts {
    std::shared_ptr<Layout> layout;
    Uploads* uploads;
    Uploads::Session session;
    std::uint64_t turn;
    std::string repository;
    std::string reference;  // a tag, or a digest: then `digest` too
    std::optional<oci::ContentDigest> digest;
    std::vector<std::string> tags;
    std::string content_type;
    std::string if_match;
    std::string if_none_match;
  };
  explicit ManifestReceiver(Facts facts) : facts_(std::move(facts)) {}
  ~ManifestReceiver() override {
    if (!published_) facts_.session.upload->discard();
    facts_.uploads->forget(facts_.session.id);
  }

  void write(std::span<const std::byte> data) override {
    received_ += data.size();
    if (received_ > kManifestLimit)
      throw Refusal(413, "MANIFEST_INVALID",
                    "the manifest exceeds " + std::to_string(kManifestLimit) + " bytes");
    facts_.session.upload->write(facts_.turn, data);
  }

  Reply finish() override {
    UploadFile& upload = *facts_.session.upload;
    const oci::Algorithm algorithm = facts_.digest ? facts_.digest->algorithm : oci::Algorithm::sha256;
    const oci::ContentDigest digest = upload.finish(facts_.turn, algorithm);
    if (facts_.digest && digest != *facts_.digest)
      throw Refusal(
          400, "DIGEST_INVALID",
          "the manifest has the digest " + digest.string() + ", expected " + facts_.digest->string());
    std::string problem;
    const auto facts = read_manifest(read_file(upload.file(), kManifestLimit), problem);
    if (!facts) throw Refusal(400, "MANIFEST_INVALID", "not a manifest: " + problem);
    if (facts->says_media_type && !facts_.content_type.empty() && facts->media_type != facts_.content_type)
      throw Refusal(400, "MANIFEST_INVALID",
                    "the header Content-Type is " + facts_.content_type + ", the manifest's mediaType is " +
                        facts->media_type);
    const ListedManifest listed{
        digest, facts_.content_type.empty() ? facts->media_type : facts_.content_type, received_, {}};
    TagCondition condition;
    if (!facts_.if_match.empty() || !facts_.if_none_match.empty())
      condition = [this](const std::string&, const oci::ContentDigest* current) { return allows(current); };
    if (!facts_.layout->put_manifest(listed, upload.file(), facts_.tags, condition))
      return error_reply(412, "DENIED",
                         "the tag does not meet the condition of the request (If-Match, If-None-Match)");
    published_ = true;
    upload.done();

    Reply reply;
    reply.status = 201;
    reply.with("Location", "/v2/" + facts_.repository + "/manifests/" + digest.string())
        .with("Docker-Content-Digest", digest.string())
        .with("ETag", "\"" + digest.string() + "\"");
    if (facts->subject) reply.with("OCI-Subject", facts->subject->string());
    if (facts_.digest)
      for (const std::string& tag : facts_.tags)
        reply.with("OCI-Tag", tag);
    return reply;
  }

 private:
  bool allows(const oci::ContentDigest* current) const {
    const std::string digest = current != nullptr ? current->string() : std::string();
    if (!facts_.if_match.empty() && (current == nullptr || !matches_entity_tag(facts_.if_match, digest)))
      return false;
    return facts_.if_none_match.empty() || current == nullptr ||
           !matches_entity_tag(facts_.if_none_match, digest);
  }

  Facts facts_;
  std::uint64_t received_ = 0;
  bool published_ = false;
};

}  // namespace

std::optional<ManifestFacts> Service::facts_of(const Layout& layout, const oci::ContentDigest& digest) const {
  const auto blob = repositories_.open_blob(layout, digest);
  if (!blob || blob->size > kManifestLimit) return std::nullopt;
  std::string ignored;
  return read_manifest(text_of(*blob, digest.string()), ignored);
}

std::optional<ListedManifest> Service::resolve(const Layout& layout, const Target& target) const {
  const auto index = layout.index();
  if (target.digest) {
    const auto listed = index->by_digest.find(target.digest->string());
    if (listed != index->by_digest.end() && !index->manifests[listed->second].media_type.empty())
      return index->manifests[listed->second];
    // What an index lists need not be listed by the layout.
    const auto facts = facts_of(layout, *target.digest);
    if (!facts) return std::nullopt;
    return ListedManifest{*target.digest, facts->media_type, 0, {}};
  }
  const auto tag = index->tags.find(target.reference);
  if (tag != index->tags.end()) return index->manifests[tag->second];
  // A layout of one image without a name is asked for by the name that is meant where none is said.
  if (target.reference == "latest" && index->manifests.size() == 1 && index->tags.empty())
    return index->manifests.front();
  return std::nullopt;
}

Answer Service::manifest(const ServerRequest& request) {
  const Target& target = request.target;
  const bool good = target.digest.has_value() || oci::is_tag(target.reference);
  switch (request.method) {
    case Method::get:
    case Method::head:
      return get_manifest(request);
    case Method::put:
      if (!good) return error_reply(400, "MANIFEST_INVALID", "invalid tag");
      return put_manifest(request);
    case Method::remove: {
      need_writable();
      const auto layout = repository(request);
      return later([layout, target] {
        const bool removed =
            target.digest ? layout->remove_manifest(*target.digest) : layout->remove_tag(target.reference);
        if (!removed)
          return error_reply(404, "MANIFEST_UNKNOWN", "the repository has no manifest " + target.reference);
        Reply reply;
        reply.status = 202;
        return reply;
      });
    }
    default:
      return method_not_allowed("GET, HEAD, PUT, DELETE");
  }
}

Reply Service::get_manifest(const ServerRequest& request) {
  const auto layout = repository(request);
  const auto listed = resolve(*layout, request.target);
  auto blob = listed ? repositories_.open_blob(*layout, listed->digest) : std::nullopt;
  if (!blob)
    return error_reply(404, "MANIFEST_UNKNOWN", "the repository has no manifest " + request.target.reference);
  const std::string digest = listed->digest.string();
  Reply reply;
  reply.with("Docker-Content-Digest", digest).with("ETag", "\"" + digest + "\"");
  if (!request.if_none_match.empty() && matches_entity_tag(request.if_none_match, digest)) {
    reply.status = 304;
    return reply;
  }
  std::string type = listed->media_type;
  if (type.empty()) {
    const auto facts = facts_of(*layout, listed->digest);
    type = facts ? facts->media_type : "application/octet-stream";
  }
  reply.with("Content-Type", std::move(type));
  reply.file = std::move(blob->file);
  reply.length = blob->size;
  return reply;
}

Answer Service::put_manifest(const ServerRequest& request) {
  need_writable();
  if (request.content_length && *request.content_length > kManifestLimit)
    return error_reply(413, "MANIFEST_INVALID",
                       "the manifest exceeds " + std::to_string(kManifestLimit) + " bytes");
  const Target& target = request.target;
  std::vector<std::string> tags = target.query.all("tag");
  if (!target.digest) {
    if (!tags.empty())
      return error_reply(400, "MANIFEST_INVALID", "the parameter \"tag\" requires a push by digest");
    tags.push_back(target.reference);
  }
  if (tags.size() > limits_.tags_a_push)
    return error_reply(414, "MANIFEST_INVALID",
                       "too many tags: at most " + std::to_string(limits_.tags_a_push) + " in one push");
  if (!std::all_of(tags.begin(), tags.end(), [](const std::string& tag) { return oci::is_tag(tag); }))
    return error_reply(400, "MANIFEST_INVALID", "invalid tag in the parameters");

  const auto layout = repositories_.make(target.repository);
  const oci::Algorithm algorithm = target.digest ? target.digest->algorithm : oci::Algorithm::sha256;
  ManifestReceiver::Facts facts;
  facts.layout = layout;
  facts.uploads = &uploads_;
  facts.session = uploads_.create(layout->directory(), algorithm);
  facts.turn = *facts.session.upload->begin(0);
  facts.repository = target.repository;
  facts.reference = target.reference;
  facts.digest = target.digest;
  facts.tags = std::move(tags);
  facts.content_type = request.content_type;
  facts.if_match = request.if_match;
  facts.if_none_match = request.if_none_match;
  return std::unique_ptr<Work>(std::make_unique<ManifestReceiver>(std::move(facts)));
}

}  // namespace bottle::registry
