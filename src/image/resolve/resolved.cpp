// SPDX-License-Identifier: Apache-2.0
#include "image/resolve/resolved.hpp"

#include <algorithm>

#include "image/remote/image.hpp"
#include "util/text.hpp"

namespace bottle::image::resolve {

oci::LayerIndex CopyStep::taken_of(const oci::MergedTree& tree) const {
  return copy::selected_entries(tree, request, [&](std::size_t number) {
    return std::any_of(remotes.begin(), remotes.end(),
                       [&](const remote::RemoteSource& remote) { return remote.number == number; });
  });
}

std::vector<const FileSource*> FileStep::sources() const {
  std::vector<const FileSource*> found;
  if (const auto* copy = as<CopyStep>()) found.push_back(&copy->source);
  if (const auto* run = as<RunStep>())
    for (const run::RunMount& mount : run->request.mounts)
      if (mount.from) found.push_back(&*mount.from);
  return found;
}

std::vector<Digest> source_actions(const Resolved& resolved) {
  std::set<Digest> keys;
  if (resolved.epoch_action) keys.insert(*resolved.epoch_action);
  for (const Digest& digest : resolved.pinned)
    keys.insert(remote::document_action(digest));
  for (const auto& [name, image] : resolved.images)
    for (const Digest& key : image->actions())
      keys.insert(key);
  for (const auto& [number, stage] : resolved.stages)
    for (const FileStep& step : stage.steps)
      if (const auto* copy = step.as<CopyStep>())
        for (const remote::RemoteSource& source : copy->remotes)
          keys.insert(source.action());
  return {keys.begin(), keys.end()};
}

std::vector<oci::LayerIndex> fetch(const Resolved& resolved, const CopyStep& step,
                                   const store::Store& store) {
  std::vector<oci::LayerIndex> layers;
  for (const remote::RemoteSource& source : step.remotes)
    layers.push_back(remote::fetch_source(source, store, *resolved.access));
  return layers;
}

std::map<std::string, fs::path> context_roots(const Resolved& resolved) {
  std::map<std::string, fs::path> roots;
  for (const auto& [name, open] : resolved.scans)
    roots.merge(open.scan->context_roots());
  return roots;
}

std::vector<std::string> notes(const Resolved& resolved) {
  std::vector<std::string> notes;
  for (const auto& [name, open] : resolved.scans)
    for (const std::string& tree : open.scan->build_trees())
      notes.push_back((open.scan->named_paths().front() / tree).native() +
                      ": note: a CMake build tree is excluded from the image; list it in .dockerignore to "
                      "hide this note, or name it as a source of COPY to include it");
  return notes;
}

std::size_t files_read(const Resolved& resolved) {
  std::size_t count = 0;
  for (const auto& [name, open] : resolved.scans)
    count += open.scan->files_read();
  return count;
}

}  // namespace bottle::image::resolve
