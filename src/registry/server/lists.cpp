// SPDX-License-Identifier: Apache-2.0
// Lists: tags, repositories, and the referrers of a manifest.
// Source: OCI distribution-spec 1.1 "Listing Tags", "Listing Referrers", "Enabling the Referrers API"; Docker
// Registry HTTP API V2 "Listing Repositories".
#include "registry/server/service.hpp"

#include "oci/descriptor.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

#include <algorithm>
#include <set>

namespace bottle::registry {
namespace {

constexpr std::size_t kKnownReferrers = 20000;
constexpr std::size_t kMaximumVisits = 100000;

// The requested part of a sorted list: `n` and `last`.
struct Page {
  std::size_t limit;
  std::string last;
};

Page page_of(const ServerRequest& request, std::size_t most) {
  Page page{most, {}};
  if (const std::string* n = request.target.query.find("n")) {
    const auto number = parse_unsigned(*n);
    if (!number) throw Refusal(400, "UNSUPPORTED", "expected a number as n, found \"" + *n + "\"");
    page.limit = static_cast<std::size_t>(std::min<std::uint64_t>(*number, most));
  }
  if (const std::string* last = request.target.query.find("last")) page.last = *last;
  return page;
}

// One page of `items` (sorted) as JSON under `key`, with a link to the next one.
template <typename Items>
Reply page_reply(OrderedJson document, const char* key, const Items& items, const Page& page,
                 const std::string& path) {
  OrderedJson list = OrderedJson::array();
  auto item = page.last.empty() ? items.begin() : std::upper_bound(items.begin(), items.end(), page.last);
  for (; item != items.end() && list.size() < page.limit; ++item)
    list.push_back(*item);
  std::string next;
  if (item != items.end() && !list.empty())
    next = "<" + path + "?n=" + std::to_string(page.limit) +
           "&last=" + escape_query(list.back().template get_ref<const std::string&>()) + ">; rel=\"next\"";
  document[key] = std::move(list);
  Reply reply = json_reply(document.dump() + "\n");
  if (!next.empty()) reply.with("Link", std::move(next));
  return reply;
}

}  // namespace

Reply Service::tags(const ServerRequest& request) const {
  const auto index = repository(request)->index();
  std::vector<std::string> tags;
  for (const auto& [tag, position] : index->tags)
    tags.push_back(tag);
  const std::string& name = request.target.repository;
  return page_reply({{"name", name}}, "tags", tags, page_of(request, limits_.page),
                    "/v2/" + name + "/tags/list");
}

Reply Service::catalog(const ServerRequest& request) const {
  return page_reply(OrderedJson::object(), "repositories", repositories_.names(),
                    page_of(request, limits_.page), "/v2/_catalog");
}

struct Service::Referrer {
  std::optional<oci::ContentDigest> subject;
  std::string artifact_type;
  std::vector<oci::ContentDigest> manifests;
  std::string descriptor;  // JSON; "" without a subject
};

std::shared_ptr<const Service::Referrer> Service::referrer(const Layout& layout,
                                                           const oci::ContentDigest& digest) {
  const std::string name = digest.string();
  {
    const std::lock_guard guard(referrers_mutex_);
    const auto known = referrers_.find(name);
    if (known != referrers_.end()) return known->second;
  }
  auto facts = facts_of(layout, digest);
  if (!facts) return nullptr;
  auto found = std::make_shared<Referrer>();
  found->subject = facts->subject;
  found->artifact_type = facts->artifact_type;
  found->manifests = std::move(facts->manifests);
  if (found->subject) {
    const auto blob = repositories_.open_blob(layout, digest);
    OrderedJson descriptor = {
        {"mediaType", facts->media_type}, {"digest", name}, {"size", blob ? blob->size : 0}};
    if (!facts->artifact_type.empty()) descriptor["artifactType"] = facts->artifact_type;
    if (!facts->annotations.empty()) descriptor["annotations"] = facts->annotations;
    found->descriptor = descriptor.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  }
  const std::lock_guard guard(referrers_mutex_);
  if (referrers_.size() >= kKnownReferrers) referrers_.clear();
  referrers_.emplace(name, found);
  return found;
}

Reply Service::referrers(const ServerRequest& request) {
  // A repository that is not there has no referrers: this API never answers 404.
  const auto layout = repositories_.find(request.target.repository);
  const oci::ContentDigest& subject = *request.target.digest;
  const std::string* wanted = request.target.query.find("artifactType");
  std::string type = wanted != nullptr ? *wanted : std::string();
  std::replace(type.begin(), type.end(), ' ', '+');  // a '+' that was not escaped; media types have no blanks
  const Page page = page_of(request, limits_.page);

  std::map<std::string, std::string> found;  // descriptors by digest
  if (layout) {
    // All that the layout lists, and what those list in turn: also the index of the referrers tag schema.
    std::vector<oci::ContentDigest> open;
    std::set<std::string> seen;
    const auto visit = [&](const oci::ContentDigest& digest) {
      if (seen.size() < kMaximumVisits && seen.insert(digest.string()).second) open.push_back(digest);
    };
    for (const ListedManifest& listed : layout->index()->manifests)
      visit(listed.digest);
    while (!open.empty()) {
      const oci::ContentDigest digest = std::move(open.back());
      open.pop_back();
      const auto known = referrer(*layout, digest);
      if (!known || !repositories_.has_blob(*layout, digest)) continue;
      for (const oci::ContentDigest& child : known->manifests)
        visit(child);
      if (known->subject == subject && (wanted == nullptr || known->artifact_type == type))
        found.emplace(digest.string(), known->descriptor);
    }
  }

  // As text: descriptors are kept as text. A page is never larger than a manifest may be.
  std::string list;
  std::string last;
  std::size_t count = 0;
  bool more = false;
  for (auto item = page.last.empty() ? found.begin() : found.upper_bound(page.last); item != found.end();
       ++item) {
    if (count == page.limit || (count > 0 && list.size() + item->second.size() > kManifestLimit - 1024)) {
      more = true;
      break;
    }
    list += (count++ > 0 ? "," : "") + item->second;
    last = item->first;
  }
  Reply reply = json_reply("{\"schemaVersion\":2,\"mediaType\":\"" + std::string(oci::kIndexType) +
                               "\",\"manifests\":[" + list + "]}\n",
                           oci::kIndexType);
  if (wanted != nullptr) reply.with("OCI-Filters-Applied", "artifactType");
  if (more && count > 0)
    reply.with("Link", "</v2/" + request.target.repository + "/referrers/" + subject.string() +
                           "?n=" + std::to_string(page.limit) + "&last=" + escape_query(last) +
                           (wanted != nullptr ? "&artifactType=" + escape_query(type) : std::string()) +
                           ">; rel=\"next\"");
  return reply;
}

}  // namespace bottle::registry
