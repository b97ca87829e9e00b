// SPDX-License-Identifier: Apache-2.0
#include "registry/push.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <span>
#include <thread>

#include "registry/manifest_type.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/parallel.hpp"

namespace bottle::registry {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr unsigned kIndexAttempts = 50;
constexpr milliseconds kSettle{60};

milliseconds since(Clock::time_point begun) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
}

// A repository that the manifest says its base came from, if it is in the same registry.
std::string base_repository(const PushSource& source, const oci::Reference& target) {
  if (source.base_name.empty()) return {};
  try {
    const oci::Reference base = oci::Reference::parse(source.base_name);
    return base.registry == target.registry ? base.repository : "";
  } catch (const Error&) {  // an annotation may say anything
    return {};
  }
}

// Where a blob may be mounted from: what the caller chose, what is known of the blob itself, what is known of
// the image. Another registry's repositories, and the target's own, are not among it.
std::string mount_repository(const PushSource& source, const BlobToPush& blob, const oci::Reference& target,
                             const PushOptions& options) {
  if (!options.mount_from.empty()) return options.mount_from;
  if (!source.mount_from.empty()) return source.mount_from;
  if (blob.sources)
    for (const std::string& repository : blob.sources(target.registry))
      if (repository != target.repository) return repository;
  return base_repository(source, target);
}

// Makes all blobs of the manifests that are missing be there.
void push_blobs(const Client& client, const PushSource& source, const oci::Reference& reference,
                const PushOptions& options, const std::set<Digest>& wanted, PushReport& report) {
  std::vector<const BlobToPush*> blobs;
  for (const BlobToPush& blob : source.blobs)
    if (wanted.contains(blob.descriptor.digest)) blobs.push_back(&blob);
  report.blobs.resize(blobs.size());
  std::vector<std::size_t> order(blobs.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return blobs[a]->descriptor.size > blobs[b]->descriptor.size;
  });
  for_each_blob(
      blobs.size(), client.options().threads, [&](std::size_t i, const std::function<void()>& check) {
        const BlobToPush& blob = *blobs[order[i]];
        report.blobs[order[i]] = client.put_blob(reference, blob.descriptor, blob.content,
                                                 mount_repository(source, blob, reference, options), check);
      });
  for (const PushedBlob& blob : report.blobs)
    report.bytes_sent += blob.bytes_sent;
}

// A registry without the referrers API finds them in an index under a tag that the client keeps
// (distribution-spec, "Pushing Manifests with Subject").
void list_referrer(const Client& client, const ManifestToPush& manifest, const oci::Reference& reference) {
  const ManifestDetails facts = manifest_details(manifest.bytes, manifest.descriptor.digest.string());
  if (!facts.subject) return;
  oci::Descriptor entry = manifest.descriptor;
  entry.platform.reset();
  entry.artifact_type = facts.artifact_type;
  entry.annotations = facts.annotations;
  update_index(client, reference.with_tag("sha256-" + facts.subject->digest.hex()),
               [&](const std::optional<FetchedManifest>& current) {
                 const bool is_index = current && oci::is_index_type(current->media_type);
                 return merged_index(is_index ? std::optional(current->bytes) : std::nullopt, entry, -1);
               });
}

void put_missing(const Client& client, const ManifestToPush& manifest, const oci::Reference& reference,
                 const oci::Reference& under) {
  const PutManifest put = client.put_manifest(under, manifest.descriptor.media_type, manifest.bytes);
  if (!put.stored)
    throw Error("the registry rejected the manifest because of a condition that was not sent (412)",
                {.where = under.string()});
  if (!put.lists_subject) list_referrer(client, manifest, reference);
}

IndexUpdate put_into_index(const Client& client, const PushSource& source, const oci::Reference& reference,
                           const PushOptions& options) {
  oci::Descriptor entry = source.root().descriptor;
  entry.platform = options.platform;
  return update_index(client, reference,
                      [&](const std::optional<FetchedManifest>& current) -> std::optional<std::string> {
                        std::optional<std::string> text;
                        if (current && oci::is_index_type(current->media_type)) text = current->bytes;
                        return merged_index(text, entry, options.index_indent);
                      });
}

}  // namespace

void PushSource::add_blob(const oci::Descriptor& descriptor, BlobContent content,
                          std::function<std::vector<std::string>(const std::string& registry)> sources) {
  for (const BlobToPush& blob : blobs)
    if (blob.descriptor.digest == descriptor.digest) return;
  blobs.push_back({descriptor, std::move(content), std::move(sources)});
}

std::optional<std::string> merged_index(const std::optional<std::string>& current,
                                        const oci::Descriptor& entry, int indent) {
  OrderedJson document;
  if (current) {
    parse_json(*current, "the index at the tag");  // bounds and UTF-8
    document = OrderedJson::parse(*current);
  } else {
    document["schemaVersion"] = 2;
    document["mediaType"] = oci::kIndexType;
    document["manifests"] = OrderedJson::array();
  }
  document["mediaType"] = oci::kIndexType;  // of Docker's lists too: entries of both kinds are in it now
  OrderedJson& list = document["manifests"];
  if (!list.is_array()) list = OrderedJson::array();
  const OrderedJson wanted = oci::to_json(entry);
  const auto text = [](const OrderedJson& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
  };
  const auto same_platform = [&](const OrderedJson& other) {
    if (!other.is_object()) return false;
    if (!entry.platform) return text(other, "digest") == entry.digest.string();
    const auto platform = other.find("platform");
    return platform != other.end() && platform->is_object() && text(*platform, "os") == entry.platform->os &&
           text(*platform, "architecture") == entry.platform->architecture &&
           text(*platform, "variant") == entry.platform->variant;
  };
  const auto first = std::find_if(list.begin(), list.end(), same_platform);
  if (first == list.end()) {
    list.push_back(wanted);
  } else {
    const bool once = std::find_if(first + 1, list.end(), same_platform) == list.end();
    if (*first == wanted && once) return std::nullopt;
    const auto at = first - list.begin();
    *first = wanted;
    for (std::size_t i = static_cast<std::size_t>(at) + 1; i < list.size();)
      if (same_platform(list[i]))
        list.erase(i);
      else
        ++i;
  }
  return document.dump(indent);
}

IndexUpdate update_index(const Client& client, const oci::Reference& tag, const MergeIndex& merge) {
  IndexUpdate result;
  std::minstd_rand random(std::random_device{}());
  while (result.attempts < kIndexAttempts) {
    check_interrupted();
    const auto begun = Clock::now();
    const auto current = client.find_manifest(tag, Via::registry);
    const auto text = merge(current);
    if (!text) {
      result.digest = current ? current->digest : Digest();
      return result;
    }
    ++result.attempts;
    PutCondition condition;
    if (!current)
      condition.if_absent = true;
    else
      condition.if_match = current->etag;
    result.changed = client.put_manifest(tag, oci::kIndexType, *text, condition).stored || result.changed;
    // A registry that does not honour the condition lets the later of two writers win who had read the same.
    // A client that writes later had read before this write: after the time that takes, the index is final,
    // and the next look shows whose it is.
    const milliseconds settle = kSettle + 4 * since(begun);
    std::this_thread::sleep_for(settle + milliseconds(random() % 40));
  }
  throw Error("cannot update the index in " + std::to_string(kIndexAttempts) +
                  " attempts: other clients keep changing it",
              {.where = tag.string()});
}

PushReport push(const Client& client, const PushSource& source, const oci::Reference& reference,
                const PushOptions& options) {
  const auto begun = Clock::now();
  PushReport report;
  report.reference = reference;
  report.root = source.root().descriptor;
  if (reference.digest && *reference.digest != report.root.digest)
    throw Error("digest mismatch: the content has " + report.root.digest.string(),
                {.where = reference.string()});
  if (reference.other_digest) {
    oci::Hasher hasher(reference.other_digest->algorithm);
    hasher.update(std::as_bytes(std::span(source.root().bytes)));
    if (const oci::ContentDigest found = hasher.finish(); found != *reference.other_digest)
      throw Error("digest mismatch: the content has " + found.string(), {.where = reference.string()});
  }
  // A tag beside the digest is to name it too.
  const oci::Reference target = reference.tag.empty() ? reference : reference.with_tag(reference.tag);
  const oci::Reference root = reference.with_digest(report.root.digest);
  const auto is_there = [&](const oci::Reference& name) {
    const auto head = client.head_manifest(name);
    return head && head->digest == report.root.digest;
  };
  const auto finish = [&] {
    report.milliseconds = static_cast<std::uint64_t>(since(begun).count());
    return report;
  };
  for (const ManifestToPush& manifest : source.manifests)
    report.manifests.push_back({manifest.descriptor, false});
  if (!options.into_index && is_there(target)) {
    report.unchanged = true;
    return finish();
  }
  // A manifest that is there has all that it names.
  std::vector<char> missing(source.manifests.size(), 1);
  if (is_there(root)) {
    std::fill(missing.begin(), missing.end(), 0);
  } else {
    parallel_for(source.manifests.size() - 1, client.options().threads, [&](std::size_t i) {
      const Digest& digest = source.manifests[i].descriptor.digest;
      const auto head = client.head_manifest(reference.with_digest(digest));
      missing[i] = head && head->digest == digest ? 0 : 1;
    });
  }
  std::set<Digest> wanted;
  for (std::size_t i = 0; i < missing.size(); ++i)
    if (missing[i] != 0) wanted.insert(source.manifests[i].blobs.begin(), source.manifests[i].blobs.end());
  push_blobs(client, source, reference, options, wanted, report);
  bool moved = false;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const ManifestToPush& manifest = source.manifests[i];
    const bool last = i + 1 == missing.size();
    const oci::Reference by_digest = reference.with_digest(manifest.descriptor.digest);
    // Under its SHA-512 digest alone, if the reference asks for that.
    if (last && reference.other_digest && target.tag.empty() && !options.into_index) {
      put_missing(client, manifest, reference, target);
      report.manifests[i].uploaded = true;
      moved = true;
      continue;
    }
    if (missing[i] != 0 && (!last || options.into_index || target.tag.empty() || !options.also_tag.empty()))
      put_missing(client, manifest, reference, by_digest);
    if (last && !options.also_tag.empty() && !is_there(reference.with_tag(options.also_tag))) {
      put_missing(client, manifest, reference, reference.with_tag(options.also_tag));
      moved = true;
    }
    if (last && !options.into_index && !target.tag.empty()) put_missing(client, manifest, reference, target);
    report.manifests[i].uploaded = missing[i] != 0;
    moved = moved || missing[i] != 0;
  }
  if (options.into_index) {
    const IndexUpdate update = put_into_index(client, source, target, options);
    report.index = update.digest;
    report.index_attempts = update.attempts;
    report.unchanged = !moved && !update.changed;
  }
  return finish();
}

nlohmann::ordered_json PushReport::json() const {
  OrderedJson json{{"reference", reference.string()}, {"digest", root.digest.string()},
                   {"mediaType", root.media_type},    {"outcome", unchanged ? "unchanged" : "pushed"},
                   {"bytesSent", bytes_sent},         {"milliseconds", milliseconds}};
  if (index) {
    json["index"] = {{"digest", index->string()}, {"attempts", index_attempts}};
  }
  json["manifests"] = OrderedJson::array();
  for (const PushedManifest& manifest : manifests)
    json["manifests"].push_back({{"digest", manifest.descriptor.digest.string()},
                                 {"mediaType", manifest.descriptor.media_type},
                                 {"size", manifest.descriptor.size},
                                 {"outcome", manifest.uploaded ? "uploaded" : "present"}});
  json["blobs"] = OrderedJson::array();
  for (const PushedBlob& blob : blobs) {
    OrderedJson item{{"digest", blob.descriptor.digest.string()},
                     {"mediaType", blob.descriptor.media_type},
                     {"size", blob.descriptor.size},
                     {"outcome", to_string(blob.outcome)},
                     {"bytesSent", blob.bytes_sent},
                     {"milliseconds", blob.milliseconds}};
    if (!blob.mounted_from.empty()) item["mountedFrom"] = blob.mounted_from;
    json["blobs"].push_back(std::move(item));
  }
  return json;
}

}  // namespace bottle::registry
