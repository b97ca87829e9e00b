#include "image/engine_input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <set>

#include "image/engine_dockerfile.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

constexpr const char* kMainContext = "context";

// All that the instructions take in from one context, with the directories on the way.
oci::LayerIndex taken_from(const Resolved& resolved, const std::string& name) {
  std::set<std::size_t> sets;
  const auto add = [&](const FileSource& source, bool takes_anything) {
    if (source.kind == FileSource::Kind::scan && source.name == name && takes_anything)
      sets.insert(source.set);
  };
  for (const auto& [number, stage] : resolved.stages())
    for (const FileStep& step : stage.steps) {
      if (step.kind == FileStep::Kind::copy) add(step.source, !step.request.sources.empty());
      for (const RunMount& mount : step.run.mounts)
        if (mount.from) add(*mount.from, true);
    }
  oci::LayerIndex all;
  std::map<std::string, oci::Entry> entries;
  for (const std::size_t set : sets) {
    const oci::LayerIndex index = resolved.scan(name).index(set);
    for (oci::Entry entry : index.entries) {
      if (entry.place.root != oci::Place::kNone) entry.place.root = all.root(index.roots[entry.place.root]);
      for (std::string_view parent = oci::parent_path(entry.path); !parent.empty();
           parent = oci::parent_path(parent)) {
        oci::Entry directory;
        directory.path = parent;
        directory.type = oci::EntryType::directory;
        directory.mode = 0755;
        if (!entries.emplace(directory.path, directory).second) break;
      }
      entry.mtime = resolved.epoch();
      entry.uid = entry.gid = 0;
      entries.insert_or_assign(entry.path, std::move(entry));
    }
  }
  for (auto& [path, entry] : entries) {
    entry.mtime = resolved.epoch();
    all.entries.push_back(std::move(entry));
  }
  return all;
}

void set_times(const fs::path& path, std::int64_t seconds) {
  const timespec time{.tv_sec = seconds, .tv_nsec = 0};
  const timespec times[2] = {time, time};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno("cannot set the times", path.native());
}

void stage_file(const fs::path& path, const oci::Entry& entry, const oci::LayerIndex& index,
                const oci::ContentReader& reader) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) throw_errno("cannot create", path.native());
  reader.read_verified(entry, index.roots,
                       [&](std::span<const std::byte> data) { write_all(file.get(), data, path.native()); });
  if (::fchmod(file.get(), entry.mode) != 0) throw_errno("cannot set the permissions", path.native());
}

// Into an empty directory. Directories stay writable for their owner, so that they can be removed.
void stage_tree(const oci::LayerIndex& index, const oci::ContentReader& reader, const fs::path& target) {
  for (const oci::Entry& entry : index.entries) {
    check_interrupted();
    const fs::path path = target / entry.path;
    switch (entry.type) {
      case oci::EntryType::directory:
        make_directories(path);
        if (::chmod(path.c_str(), entry.mode | 0700) != 0)
          throw_errno("cannot set the permissions", path.native());
        break;
      case oci::EntryType::file:
        stage_file(path, entry, index, reader);
        break;
      case oci::EntryType::symlink:
        fs::create_symlink(entry.link, path);
        break;
      case oci::EntryType::hardlink:
        fs::create_hard_link(target / entry.link, path);
        break;
      case oci::EntryType::fifo:
        if (::mkfifo(path.c_str(), entry.mode) != 0) throw_errno("cannot create", path.native());
        break;
      default:
        throw Error("a device cannot be given to an outside engine",
                    {.where = entry.path, .hint = "leave it out of the context"});
    }
  }
  for (auto entry = index.entries.rbegin(); entry != index.entries.rend(); ++entry)
    set_times(target / entry->path, entry->mtime);
}

// The files of a context as an image that can be copied from.
LoadedPlan image_of(oci::LayerIndex index, const Resolved& resolved) {
  LoadedPlan loaded;
  const dockerfile::Platform platform = resolved.target().config.platform();
  Json config{{"architecture", platform.architecture}, {"os", platform.os}, {"config", Json::object()}};
  if (!platform.variant.empty()) config["variant"] = platform.variant;
  loaded.plan.config = config.dump();
  loaded.context_roots = resolved.context_roots();
  PlanLayer layer;
  layer.digest = index.digest();
  loaded.plan.layers.push_back(layer);
  loaded.layers.push_back(std::move(index));
  return loaded;
}

}  // namespace

std::string reference_prefix(const fs::path& build_directory) {
  return "localhost/bottle-stage/" + sha256(build_directory.native()).hex().substr(0, 16);
}

EngineInput prepare_input(const Resolved& resolved, const store::Store& store, const fs::path& work) {
  EngineInput input{.dockerfile = work / "Dockerfile", .context = work / "context", .images = {}};
  const std::string prefix = reference_prefix(resolved.spec().directory);
  OutsideNames names = outside_names(resolved);
  const auto add = [&](LoadedPlan image) {
    input.images.push_back(
        {.reference = prefix + ":" + std::to_string(input.images.size()), .image = std::move(image)});
    return input.images.back().reference;
  };
  for (auto& [name, reference] : names.images)
    reference = add(resolved.image(name).load(store));
  for (auto& [name, reference] : names.scans)
    reference = add(image_of(taken_from(resolved, name), resolved));
  write_file(input.dockerfile, engine_dockerfile(resolved, names), Durable::no);
  // BuildKit looks for it first: what the context holds was chosen already.
  write_file(input.dockerfile.native() + ".dockerignore", "", Durable::no);
  make_directories(input.context);
  LoadedPlan contexts;
  contexts.context_roots = resolved.context_roots();
  const oci::LayerIndex taken = taken_from(resolved, kMainContext);
  if (!taken.entries.empty()) stage_tree(taken, contexts.reader(store), input.context);
  set_times(input.context, resolved.epoch());
  return input;
}

}  // namespace bottle::image
