// SPDX-License-Identifier: Apache-2.0
// A registry's client: manifests, blobs, tags and referrers, pulled and pushed, verified.
// Source: OCI distribution-spec 1.1; Docker Registry HTTP API V2 and Image Manifest V2 Schema 2, which is
// served by the same requests; Docker token authentication specification.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/descriptor.hpp"
#include "oci/image_source.hpp"
#include "oci/reference.hpp"
#include "registry/client_options.hpp"
#include "registry/http.hpp"
#include "store/store.hpp"
#include "util/progress.hpp"

namespace bottle::registry {

struct FetchedManifest {
  Digest digest;
  std::string media_type;
  std::string bytes;
  std::string etag = {};
};
struct ManifestHead {
  std::optional<Digest> digest;  // as the registry says; not verified
  std::string media_type;
  std::string etag;
};

// The condition under which the manifest that a tag names may be replaced (If-Match, If-None-Match).
struct PutCondition {
  std::string if_match;  // an ETag
  bool if_absent = false;
};

struct PutManifest {
  bool stored = false;         // false: the condition did not hold (412)
  bool lists_subject = false;  // the registry adds it to the referrers of its subject itself
};

enum class BlobOutcome { present, mounted, uploaded };
const char* to_string(BlobOutcome outcome);

struct PushedBlob {
  oci::Descriptor descriptor;
  BlobOutcome outcome = BlobOutcome::present;
  std::string mounted_from;      // repository
  std::uint64_t bytes_sent = 0;  // of the blob, all attempts together
  std::uint64_t milliseconds = 0;
};

// The content of a blob to push: `open` gives the file, when and if it is needed; without it, it is `bytes`.
struct BlobContent {
  std::function<oci::FileRange()> open;
  std::string bytes;
};

struct ProbeResult {
  bool answers = false;        // as a registry
  bool authorized = false;     // with the credentials there are
  std::string authentication;  // what it asks for: "none", "Basic", "Bearer"
  std::string token_service;   // realm of a Bearer challenge, redacted
  std::string credentials;     // where they are from: "none", the file, the helper's name
  std::string problem;         // when it does not answer
  std::string url;
};

// Work on several blobs at once that ends for all with the first failure: each calls the check that it gets.
void for_each_blob(std::size_t count, std::size_t threads,
                   const std::function<void(std::size_t, const std::function<void()>& check)>& work);

// Whether a manifest may come from a mirror of its registry (registries.conf, hosts.toml).
enum class Via { mirrors, registry };

struct ClientState;

// May be used by several threads at once. Connections and tokens are kept for the client's life; nothing else
// remembers a credential. Every Error names the URL, redacted.
class Client {
 public:
  explicit Client(ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;

  // The manifest or index that the reference names, verified against its digest if it has one, else against
  // what the registry says about it; nullopt if there is none. At most 4 MiB.
  std::optional<FetchedManifest> find_manifest(const oci::Reference& reference, Via via = Via::mirrors) const;
  FetchedManifest get_manifest(const oci::Reference& reference) const;  // throws if there is none
  // What a HEAD request to the registry itself says; nullopt if there is none.
  std::optional<ManifestHead> head_manifest(const oci::Reference& reference) const;
  // The image manifest for a platform: the reference's own, or that of an index; an Error says what there is.
  FetchedManifest get_image_manifest(const oci::Reference& reference, const oci::Platform& platform) const;

  bool has_blob(const oci::Reference& repository, const Digest& digest) const;
  // Into the store, verified; nothing is asked for if it is there. A download that was interrupted, even by
  // the death of the process, continues where it stopped. `check` (may be empty) is called now and then: what
  // it throws ends the transfer.
  void get_blob(const oci::Reference& repository, const oci::Descriptor& blob, const store::Store& store,
                const std::function<void()>& check = {}) const;
  // Several at once. The first failure ends all.
  void get_blobs(const oci::Reference& repository, const std::vector<oci::Descriptor>& blobs,
                 const store::Store& store) const;
  // A small blob, verified.
  std::string read_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                        std::uint64_t limit) const;
  // In parts, verified at the end: what the sink made must not be used when this throws.
  void read_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                 const DownloadSink& sink) const;

  // Makes the blob be there: looks, mounts it from `mount_from` (a repository of the same registry, or ""),
  // else uploads it.
  PushedBlob put_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                      const BlobContent& content, const std::string& mount_from = {},
                      const std::function<void()>& check = {}) const;
  // Under the reference's digest, else its tag.
  PutManifest put_manifest(const oci::Reference& reference, std::string_view media_type,
                           std::string_view bytes, const PutCondition& condition = {}) const;

  // All tags, in the registry's order; `page` is how many to ask for at a time, `limit` how many to take.
  std::vector<std::string> tags(const oci::Reference& repository, std::size_t page = 0,
                                std::size_t limit = 1'000'000) const;
  // What refers to the manifest of the reference's digest by its subject: by the referrers API, else by the
  // tag "sha256-<hex>". `artifact_type` may be empty.
  std::vector<oci::Descriptor> referrers(const oci::Reference& reference,
                                         const std::string& artifact_type = {}) const;

  ProbeResult probe(const std::string& registry) const;

  const ClientOptions& options() const;

 private:
  std::unique_ptr<ClientState> state_;
};

}  // namespace bottle::registry
