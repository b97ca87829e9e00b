// SPDX-License-Identifier: Apache-2.0
// What the registry answers, endpoint by endpoint. Knows nothing of sockets.
// Source: OCI distribution-spec 1.1 spec.md, "Endpoints", and its main branch of 2026 (parameters `tag` and
// `digest-algorithm`).
#pragma once

#include <string>

#include "registry/server/hosts.hpp"
#include "registry/server/limits.hpp"
#include "registry/server/manifest.hpp"
#include "registry/server/reply.hpp"
#include "registry/server/repositories.hpp"
#include "registry/server/upload.hpp"

namespace bottle::registry {

struct Access {
  bool read_only = false;
  std::string token;  // "" allows every client
  ServerHosts hosts;
};

// May be used by several threads.
class Service {
 public:
  Service(Repositories::Kind kind, fs::path directory, Durable durable, Access access, ServerLimits limits);

  // By the request's line and headers alone. A Refusal or an Error may be thrown instead.
  Answer answer(const ServerRequest& request);

  // Forgets old uploads, and folders of uploads that are empty.
  void expire_uploads() const;

 private:
  // server/access.cpp
  std::optional<Reply> refuse_foreign_page(const ServerRequest& request) const;
  std::optional<Reply> refuse_stranger(const ServerRequest& request) const;
  Reply token_reply(const ServerRequest& request) const;

  // server/blobs.cpp
  Answer blob(const ServerRequest& request);
  // server/uploads.cpp
  Answer uploads(const ServerRequest& request);
  Answer upload(const ServerRequest& request);
  Answer start_upload(const ServerRequest& request, const std::shared_ptr<Layout>& layout);
  Answer receive(const ServerRequest& request, const std::shared_ptr<Layout>& layout,
                 const std::string& session, const std::shared_ptr<UploadFile>& upload);
  // server/manifests.cpp
  Answer manifest(const ServerRequest& request);
  Reply get_manifest(const ServerRequest& request);
  Answer put_manifest(const ServerRequest& request);
  std::optional<ListedManifest> resolve(const Layout& layout, const Target& target) const;
  std::optional<ManifestFacts> facts_of(const Layout& layout, const oci::ContentDigest& digest) const;
  // server/lists.cpp
  Reply tags(const ServerRequest& request) const;
  Reply catalog(const ServerRequest& request) const;
  Reply referrers(const ServerRequest& request);

  std::shared_ptr<Layout> repository(const ServerRequest& request) const;  // throws a Refusal (404)
  void need_writable() const;                                              // throws a Refusal (405)

  Repositories repositories_;
  Uploads uploads_;
  Access access_;
  ServerLimits limits_;

  // What manifests say never changes: kept by digest, for the lists of referrers.
  struct Referrer;
  std::shared_ptr<const Referrer> referrer(const Layout& layout, const oci::ContentDigest& digest);
  std::mutex referrers_mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Referrer>> referrers_;
};

// 405, with the methods that are good there.
Reply method_not_allowed(std::string_view allowed);

}  // namespace bottle::registry
