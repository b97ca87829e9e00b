// SPDX-License-Identifier: Apache-2.0
// Uploads: POST, PATCH, PUT, GET and DELETE of sessions, and mounts.
// Source: OCI distribution-spec 1.1 "Pushing blobs", "Mounting a blob from another repository", "Cancel a
// blob upload".
#include "oci/reference.hpp"
#include "registry/server/service.hpp"

#include "util/error.hpp"

#include <utility>

namespace bottle::registry {
namespace {

std::string location_of(const ServerRequest& request, const std::string& session) {
  return "/v2/" + request.target.repository + "/blobs/uploads/" + session;
}

// The range of what is there; "0-0" for nothing, which has no better form.
Reply upload_reply(int status, const std::string& location, const std::string& session, std::uint64_t size) {
  Reply reply;
  reply.status = status;
  return std::move(reply.with("Location", location)
                       .with("Range", "0-" + std::to_string(size > 0 ? size - 1 : 0))
                       .with("Docker-Upload-UUID", session));
}

Reply created_reply(const std::string& repository, const oci::ContentDigest& digest) {
  Reply reply;
  reply.status = 201;
  return std::move(reply.with("Location", "/v2/" + repository + "/blobs/" + digest.string())
                       .with("Docker-Content-Digest", digest.string()));
}

std::optional<oci::ContentDigest> digest_parameter(const ServerRequest& request, std::string_view name) {
  const std::string* text = request.target.query.find(name);
  if (text == nullptr) return std::nullopt;
  auto digest = oci::ContentDigest::parse(*text);
  if (!digest)
    throw Refusal(400, "DIGEST_INVALID",
                  "expected sha256:<64 hex digits> or sha512:<128 hex digits> as " + std::string(name));
  return digest;
}

// A body that becomes the end of an upload. What came before the client went away stays.
class Receiver : public Work {
 public:
  struct Facts {
    std::shared_ptr<Layout> layout;
    Uploads* uploads;
    std::string repository;
    std::string session;
    std::string location;
    std::shared_ptr<UploadFile> upload;
    std::uint64_t turn;
    std::uint64_t begin;                       // the size before
    std::optional<std::uint64_t> expected;     // bytes of the body, as Content-Range says
    std::optional<oci::ContentDigest> digest;  // the upload is complete with this body
    bool whole = false;                        // POST: an empty body is the wish for a session
  };
  explicit Receiver(Facts facts) : facts_(std::move(facts)) {}
  ~Receiver() override {
    if (ended_) return;
    if (completing_) facts_.upload->reopen();
    // No client knows the session of a single POST that did not come to its end.
    if (facts_.whole) drop();
  }

  void write(std::span<const std::byte> data) override {
    received_ += data.size();
    if (facts_.expected && received_ > *facts_.expected) refuse_length();
    facts_.upload->write(facts_.turn, data);
  }

  Reply finish() override {
    if (facts_.expected && received_ != *facts_.expected) refuse_length();
    const std::uint64_t size = facts_.begin + received_;
    if (!facts_.digest) {
      ended_ = true;
      return upload_reply(202, facts_.location, facts_.session, size);
    }
    const oci::ContentDigest found = facts_.upload->finish(facts_.turn, facts_.digest->algorithm);
    completing_ = true;
    if (found != *facts_.digest) {
      // A client that has not sent the blob in its POST wants to send it in a PUT.
      if (facts_.whole && size == 0) {
        facts_.upload->reopen();
        ended_ = true;
        return upload_reply(202, facts_.location, facts_.session, 0);
      }
      drop();
      return error_reply(400, "DIGEST_INVALID",
                         "the content of " + std::to_string(size) + " bytes has the digest " +
                             found.string() + ", expected " + facts_.digest->string());
    }
    facts_.layout->publish_blob(facts_.upload->file(), found);
    facts_.upload->done();
    facts_.uploads->forget(facts_.session);
    ended_ = true;
    return created_reply(facts_.repository, found);
  }

 private:
  void drop() {
    facts_.upload->discard();
    facts_.uploads->forget(facts_.session);
    ended_ = true;
  }
  [[noreturn]] void refuse_length() {
    facts_.upload->truncate(facts_.turn, facts_.begin);
    Reply reply = error_reply(416, "SIZE_INVALID",
                              "the length of the body differs from Content-Range: expected " +
                                  std::to_string(*facts_.expected) + ", found " + std::to_string(received_));
    reply.with("Location", facts_.location)
        .with("Range", "0-" + std::to_string(facts_.begin > 0 ? facts_.begin - 1 : 0));
    throw Refusal(std::move(reply));
  }

  Facts facts_;
  std::uint64_t received_ = 0;
  bool completing_ = false;
  bool ended_ = false;
};

}  // namespace

Answer Service::uploads(const ServerRequest& request) {
  if (request.method != Method::post) return method_not_allowed("POST");
  need_writable();
  const auto mount = digest_parameter(request, "mount");
  const std::string* from = request.target.query.find("from");
  // Nothing is created for an invalid name.
  if (from != nullptr && !oci::is_repository(*from))
    throw Refusal(400, "NAME_INVALID", "invalid repository name in \"from\"");
  const auto layout = repositories_.make(request.target.repository);
  if (mount) {
    const auto source = from != nullptr ? repositories_.find(*from) : repositories_.find_blob(*mount);
    if (layout->has_blob(*mount) || (source && layout->mount_blob(*source, *mount)))
      return created_reply(request.target.repository, *mount);
  }
  return start_upload(request, layout);
}

Answer Service::start_upload(const ServerRequest& request, const std::shared_ptr<Layout>& layout) {
  const auto digest = digest_parameter(request, "digest");
  oci::Algorithm algorithm = digest ? digest->algorithm : oci::Algorithm::sha256;
  if (const std::string* name = request.target.query.find("digest-algorithm")) {
    const auto known = oci::parse_algorithm(*name);
    if (!known) throw Refusal(400, "DIGEST_INVALID", "expected sha256 or sha512 as digest-algorithm");
    if (!digest) algorithm = *known;
  }
  const Uploads::Session session = uploads_.create(layout->directory(), algorithm);
  if (!digest) {
    return upload_reply(202, location_of(request, session.id), session.id, 0);
  }
  Receiver::Facts facts{layout,
                        &uploads_,
                        request.target.repository,
                        session.id,
                        location_of(request, session.id),
                        session.upload,
                        *session.upload->begin(0),
                        0,
                        std::nullopt,
                        digest,
                        true};
  return std::unique_ptr<Work>(std::make_unique<Receiver>(std::move(facts)));
}

Answer Service::upload(const ServerRequest& request) {
  if (!is_session(request.target.reference)) return error_reply(404, "BLOB_UPLOAD_UNKNOWN", "no such upload");
  need_writable();
  const auto layout = repository(request);
  const std::string& session = request.target.reference;
  const auto upload = uploads_.find(layout->directory(), session);
  if (!upload) return error_reply(404, "BLOB_UPLOAD_UNKNOWN", "no such upload");
  switch (request.method) {
    case Method::get:
    case Method::head:
      return upload_reply(204, location_of(request, session), session, upload->size());
    case Method::remove: {
      upload->cancel();
      uploads_.forget(session);
      Reply reply;
      reply.status = 204;
      return reply;
    }
    case Method::patch:
    case Method::put:
      return receive(request, layout, session, upload);
    default:
      return method_not_allowed("GET, HEAD, PATCH, PUT, DELETE");
  }
}

Answer Service::receive(const ServerRequest& request, const std::shared_ptr<Layout>& layout,
                        const std::string& session, const std::shared_ptr<UploadFile>& upload) {
  std::optional<oci::ContentDigest> digest;
  if (request.method == Method::put) {
    digest = digest_parameter(request, "digest");
    if (!digest) throw Refusal(400, "DIGEST_INVALID", "the parameter digest is missing");
  }
  std::optional<ByteRange> range;
  if (!request.content_range.empty()) {
    range = parse_chunk_range(request.content_range);
    if (!range)
      throw Refusal(400, "BLOB_UPLOAD_INVALID",
                    "expected <first>-<last> as Content-Range, found \"" + request.content_range + "\"");
  }
  const std::string location = location_of(request, session);
  const auto out_of_order = [&](std::string_view message) {
    Reply reply = upload_reply(416, location, session, upload->size());
    Reply body = error_reply(416, "BLOB_UPLOAD_INVALID", message);
    reply.body = std::move(body.body);
    reply.with("Content-Type", "application/json");
    return reply;
  };
  if (range && request.content_length && *request.content_length != range->last - range->first + 1)
    return out_of_order("Content-Range and Content-Length give different numbers of bytes");
  const std::uint64_t before = upload->size();
  const auto turn =
      upload->begin(range ? range->first : before, digest ? std::optional(digest->algorithm) : std::nullopt);
  if (!turn) return out_of_order("the upload continues at byte " + std::to_string(upload->size()));
  Receiver::Facts facts{layout, &uploads_, request.target.repository,     session,      location,
                        upload, *turn,     range ? range->first : before, std::nullopt, digest};
  if (range) facts.expected = range->last - range->first + 1;
  return std::unique_ptr<Work>(std::make_unique<Receiver>(std::move(facts)));
}

}  // namespace bottle::registry
