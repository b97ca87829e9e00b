// SPDX-License-Identifier: Apache-2.0
#include "registry/client.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "oci/index_choice.hpp"
#include "registry/client_state.hpp"
#include "registry/manifest_type.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr const char* kAccept =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::uint64_t kMaximumList = 16u << 20;
constexpr std::size_t kMaximumPages = 100'000;

std::string text_of(const std::optional<std::string_view>& field) {
  return field ? std::string(*field) : "";
}

// A following page must be the registry's own.
std::optional<std::string> next_page(const Endpoint& endpoint, const Response& response) {
  const auto link = response.headers.find("Link");
  if (!link) return std::nullopt;
  const auto target = next_link(*link);
  if (!target) return std::nullopt;
  const auto current = Url::parse(response.url);
  const auto next = current ? current->resolve(*target) : std::nullopt;
  if (!next || !next->same_origin(endpoint.base))
    throw Error("the registry gives \"" + redacted(escape_word(target->substr(0, 200))) +
                    "\" as the next page, which is on another host",
                {.where = redacted(response.url)});
  return next->string();
}

// Verified against the reference's digest if it has one, else against what the registry says.
void verify(const FetchedManifest& manifest, const oci::Reference& reference, const Response& response,
            const std::string& where) {
  const auto said = response.headers.find("Docker-Content-Digest");
  auto expected = reference.digest         ? oci::ContentDigest::parse(reference.digest->string())
                  : reference.other_digest ? reference.other_digest
                  : said                   ? oci::ContentDigest::parse(*said)
                                           : std::nullopt;
  if (!expected) return;
  oci::Hasher hasher(expected->algorithm);
  hasher.update(std::as_bytes(std::span(manifest.bytes)));
  if (const oci::ContentDigest found = hasher.finish(); found != *expected)
    throw Error("the manifest does not match its digest: expected " + expected->string() + ", found " +
                    found.string() + " (" + std::to_string(manifest.bytes.size()) + " bytes)",
                {.where = where});
}

std::optional<FetchedManifest> find_manifest_at(const Session& session, const Place& place,
                                                const oci::Reference& reference) {
  const Endpoint& endpoint = place.endpoint;
  Request request{.url = Session::url(endpoint, place.repository, "manifests/" + reference.target())};
  request.headers = {kAccept};
  request.maximum_body = oci::kMaximumManifest;
  request.retry = !place.is_mirror;
  Response response = session.request(endpoint, {place.repository, "pull", {}}, request);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) session.fail(endpoint, response, "get the manifest of " + reference.string());
  const std::string where = redacted(response.url);
  FetchedManifest manifest{
      .digest = sha256(response.body), .media_type = {}, .bytes = std::move(response.body)};
  verify(manifest, reference, response, where);
  manifest.etag = text_of(response.headers.find("ETag"));
  manifest.media_type = manifest_type(manifest.bytes, text_of(response.headers.find("Content-Type")), where);
  return manifest;
}

}  // namespace

Client::Client(ClientOptions options) : state_(std::make_unique<ClientState>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;

std::optional<FetchedManifest> Client::find_manifest(const oci::Reference& reference, Via via) const {
  const Session& session = state_->session;
  if (via == Via::registry)
    return find_manifest_at(session, session.own_place(reference, Purpose::push), reference);
  return first_answer(session.places(reference, reference.has_digest() ? Purpose::pull : Purpose::resolve),
                      [&](const Place& place) { return find_manifest_at(session, place, reference); });
}

FetchedManifest Client::get_manifest(const oci::Reference& reference) const {
  auto manifest = find_manifest(reference);
  if (!manifest)
    throw Error("the manifest does not exist in the registry",
                {.where = reference.string(),
                 .hint = "list the tags with `bottle-registry tags " + reference.name() + "`"});
  return std::move(*manifest);
}

std::optional<ManifestHead> Client::head_manifest(const oci::Reference& reference) const {
  const Session& session = state_->session;
  const Place place = session.own_place(reference, Purpose::push);
  const Endpoint& endpoint = place.endpoint;
  Request request{.method = "HEAD",
                  .url = Session::url(endpoint, place.repository, "manifests/" + reference.target())};
  request.headers = {kAccept};
  const Response response = session.request(endpoint, {place.repository, "pull", {}}, request);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200)
    session.fail(endpoint, response, "look for the manifest of " + reference.string());
  const auto digest = response.headers.find("Docker-Content-Digest");
  return ManifestHead{.digest = digest ? Digest::parse(*digest) : std::nullopt,
                      .media_type = text_of(response.headers.find("Content-Type")),
                      .etag = text_of(response.headers.find("ETag"))};
}

FetchedManifest Client::get_image_manifest(const oci::Reference& reference,
                                           const oci::Platform& platform) const {
  FetchedManifest manifest = get_manifest(reference);
  if (!oci::is_index_type(manifest.media_type)) return manifest;
  const std::string name = reference.string();
  const auto list = oci::parse_index(manifest.bytes, name);
  const oci::ReadDocument read = [&](const oci::Descriptor& document) -> std::optional<std::string> {
    if (oci::is_manifest_type(document.media_type) || oci::is_index_type(document.media_type))
      return get_manifest(reference.with_digest(document.digest)).bytes;
    return read_blob(reference, document, oci::kMaximumConfig);
  };
  const auto chosen = oci::choose_image(list, platform, read, name);
  if (!chosen)
    throw Error("no image for " + platform.string() + "; the index lists " +
                    oci::platform_names(oci::list_images(list, read, name)),
                {.where = name});
  return get_manifest(reference.with_digest(chosen->digest));
}

PutManifest Client::put_manifest(const oci::Reference& reference, std::string_view media_type,
                                 std::string_view bytes, const PutCondition& condition) const {
  const Session& session = state_->session;
  const Place place = session.own_place(reference, Purpose::push);
  const Endpoint& endpoint = place.endpoint;
  if (reference.digest && *reference.digest != sha256(bytes))
    throw Error("digest mismatch: the manifest has " + sha256(bytes).string(), {.where = reference.string()});
  Request request{.method = "PUT",
                  .url = Session::url(endpoint, place.repository, "manifests/" + reference.target())};
  request.headers = {"Content-Type: " + std::string(media_type)};
  if (!condition.if_match.empty()) request.headers.push_back("If-Match: " + condition.if_match);
  if (condition.if_absent) request.headers.emplace_back("If-None-Match: *");
  request.body = Body{.bytes = std::string(bytes), .size = bytes.size(), .name = {}, .on_progress = {}};
  const Response response = session.request(endpoint, {place.repository, "pull,push", {}}, request);
  if (response.status == 412) return {};
  if (response.status != 201 && response.status != 200)
    session.fail(endpoint, response, "put the manifest " + reference.string());
  if (const auto said = response.headers.find("Docker-Content-Digest")) {
    const auto digest = Digest::parse(*said);
    if (digest && *digest != sha256(bytes))
      throw Error(
          "the registry stored the manifest as " + digest->string() + ", expected " + sha256(bytes).string(),
          {.where = redacted(response.url)});
  }
  return {.stored = true, .lists_subject = response.headers.find("OCI-Subject").has_value()};
}

std::vector<std::string> Client::tags(const oci::Reference& repository, std::size_t page,
                                      std::size_t limit) const {
  const Session& session = state_->session;
  const Place place = session.own_place(repository, Purpose::pull);
  const Endpoint& endpoint = place.endpoint;
  Request request{.url = Session::url(endpoint, place.repository, "tags/list")};
  if (page > 0) request.url += (endpoint.upstream.empty() ? "?n=" : "&n=") + std::to_string(page);
  request.maximum_body = kMaximumList;
  std::vector<std::string> result;
  std::set<std::string> pages;
  while (result.size() < limit) {
    if (!pages.insert(request.url).second || pages.size() > kMaximumPages)
      throw Error("pagination of the list of tags loops", {.where = redacted(request.url)});
    const Response response = session.request(endpoint, {place.repository, "pull", {}}, request);
    if (response.status != 200) session.fail(endpoint, response, "list the tags of " + repository.name());
    const std::string where = redacted(response.url);
    const Json document = parse_json(response.body, where);
    for (std::string& tag : JsonView(document, where + "#").strings_or_empty("tags")) {
      if (!oci::is_tag(tag))
        throw Error("expected a tag, found \"" + escape_word(tag.substr(0, 200)) + '"', {.where = where});
      if (result.size() < limit) result.push_back(std::move(tag));
    }
    const auto next = next_page(endpoint, response);
    if (!next) break;
    request.url = *next;
  }
  return result;
}

std::vector<oci::Descriptor> Client::referrers(const oci::Reference& reference,
                                               const std::string& artifact_type) const {
  const Session& session = state_->session;
  const Place place = session.own_place(reference, Purpose::pull);
  const Endpoint& endpoint = place.endpoint;
  if (!reference.digest) throw Error("expected a reference with a digest", {.where = reference.string()});
  const Scope scope{place.repository, "pull", {}};
  Request request{.url = Session::url(endpoint, place.repository, "referrers/" + reference.digest->string())};
  request.headers = {"Accept: " + std::string(oci::kIndexType)};
  request.maximum_body = oci::kMaximumManifest;
  std::vector<oci::Descriptor> result;
  std::set<std::string> pages;
  const auto take = [&](const std::string& body, const std::string& where) {
    for (oci::Descriptor& one : oci::parse_index(body, where))
      if (artifact_type.empty() || one.artifact_type == artifact_type) result.push_back(std::move(one));
  };
  for (;;) {
    if (!pages.insert(request.url).second || pages.size() > kMaximumPages)
      throw Error("pagination of the list of referrers loops", {.where = redacted(request.url)});
    const Response response = session.request(endpoint, scope, request);
    // A registry without the referrers API answers 404 for its path (distribution-spec, "Unavailable
    // Referrers API"): then the list is a tag.
    if (response.status == 404 && pages.size() == 1) {
      const auto fallback =
          find_manifest(reference.with_tag("sha256-" + reference.digest->hex()), Via::registry);
      if (fallback) {
        if (!oci::is_index_type(fallback->media_type))
          throw Error("expected an index of referrers",
                      {.where = reference.with_tag("sha256-" + reference.digest->hex()).string()});
        take(fallback->bytes, reference.with_tag("sha256-" + reference.digest->hex()).string());
      }
      return result;
    }
    if (response.status != 200)
      session.fail(endpoint, response, "list the referrers of " + reference.string());
    take(response.body, redacted(response.url));
    const auto next = next_page(endpoint, response);
    if (!next) return result;
    request.url = *next;
  }
}

ProbeResult Client::probe(const std::string& registry) const {
  const Session& session = state_->session;
  const Endpoint endpoint = session.endpoint(registry);
  ProbeResult result;
  Request request{.url = Session::url(endpoint, "", "")};
  result.url = request.url;
  request.retry = false;
  try {
    Response response = session.http().request(request);
    result.answers = response.status == 200 || response.status == 401;
    result.authorized = response.status == 200;
    result.authentication = "none";
    result.credentials = "none";
    if (!result.answers) {
      result.problem = "expected status 200 or 401, found " + std::to_string(response.status);
      return result;
    }
    if (response.status == 200) return result;
    for (const std::string_view field : response.headers.all("WWW-Authenticate")) {
      for (const Challenge& challenge : parse_challenges(field).value_or(std::vector<Challenge>{})) {
        if (challenge.scheme == "bearer") {
          result.authentication = "Bearer";
          if (const std::string* realm = challenge.find("realm")) result.token_service = redacted(*realm);
        } else if (challenge.scheme == "basic" && result.authentication == "none") {
          result.authentication = "Basic";
        }
      }
    }
    if (const auto credential = session.authorizer().credentials().find(registry, ""))
      result.credentials = credential->source;
    response = session.request(endpoint, {}, request);
    result.authorized = response.status == 200;
  } catch (const Error& error) {
    result.problem = error.what();
  }
  return result;
}

}  // namespace bottle::registry
