// SPDX-License-Identifier: Apache-2.0
#include "registry/blob_sources.hpp"

#include <algorithm>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumRepositories = 8;  // of one registry

store::ActionResult read_note(const store::Store& store, const Digest& key) {
  const auto found = store.find_action(key);
  return found.result ? *found.result : store::ActionResult{.kind = "blob-source", .label = {}};
}

std::vector<std::string> repositories_of(const store::ActionResult& note, const std::string& registry) {
  std::vector<std::string> result;
  const auto fact = note.facts.find(registry);
  if (fact == note.facts.end()) return result;
  for (const std::string_view name : split(fact->second, ' '))
    if (oci::is_repository(name)) result.emplace_back(name);
  return result;
}

}  // namespace

Digest blob_source_action(const Digest& blob) {
  return sha256("blob-source 1\ndigest = " + blob.hex() + "\n");
}

void note_blob_source(const store::Store& store, const Digest& blob, const oci::Reference& repository) {
  const Digest key = blob_source_action(blob);
  store::ActionResult note = read_note(store, key);
  std::vector<std::string> names = repositories_of(note, repository.registry);
  if (!names.empty() && names.front() == repository.repository) return;
  std::erase(names, repository.repository);
  names.insert(names.begin(), repository.repository);
  names.resize(std::min(names.size(), kMaximumRepositories));
  std::string& text = note.facts[repository.registry];
  text.clear();
  for (const std::string& name : names)
    text += (text.empty() ? "" : " ") + name;
  note.label = blob.string();
  note.tool_version = BOTTLE_VERSION;
  try {
    store.put_action(key, note);
  } catch (const Error&) {
    // A store that cannot be written to serves builds that find everything in it; without the note a later
    // push uploads.
  }
}

std::vector<std::string> blob_sources(const store::Store& store, const Digest& blob,
                                      const std::string& registry) {
  return repositories_of(read_note(store, blob_source_action(blob)), registry);
}

}  // namespace bottle::registry
