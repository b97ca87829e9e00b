// SPDX-License-Identifier: Apache-2.0
#include "pack/runtime.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr const char* kRoot = "context:runtime";
constexpr std::string_view kReadyMark = ".smolvm-ready";
constexpr const char* kAgentFact = "agent";

bool has_init(const fs::path& directory) {
  struct stat status;
  return ::lstat((directory / "sbin/init").c_str(), &status) == 0;
}

std::vector<fs::path> usual_places() {
  std::vector<fs::path> places;
  if (const std::string named = environment::value(environment::kSmolvmAgentRootfs); !named.empty())
    places.emplace_back(named);
  if (const std::string data = environment::value(environment::kXdgDataHome); !data.empty())
    places.push_back(fs::path(data) / "smolvm/agent-rootfs");
  else if (const std::string home = environment::value(environment::kHome); !home.empty())
    places.push_back(fs::path(home) / ".local/share/smolvm/agent-rootfs");
  const std::string path = environment::value(environment::kPath);
  for (const std::string_view directory : split(path, ':')) {
    if (directory.empty()) continue;
    std::error_code error;
    const fs::path program = fs::canonical(fs::path(directory) / "smolvm", error);
    if (!error) places.push_back(program.parent_path() / "agent-rootfs");
  }
  places.emplace_back("/usr/lib/smolvm/agent-rootfs");
  return places;
}

struct Found {
  std::string path;
  struct stat status;
  std::string link;
};

std::string read_link(const fs::path& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  if (error) throw_errno("cannot read the symbolic link", path.native(), error.value());
  return target.native();
}

void scan(const fs::path& root, const std::string& path, std::vector<Found>& found) {
  check_interrupted();
  std::error_code error;
  for (fs::directory_iterator it(root / path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().native();
    if (path.empty() && name.starts_with(kReadyMark)) continue;
    Found entry{path.empty() ? name : path + "/" + name, {}, {}};
    if (::lstat(it->path().c_str(), &entry.status) != 0) throw_errno("cannot stat", it->path().native());
    if (S_ISLNK(entry.status.st_mode)) entry.link = read_link(it->path());
    const bool descend = S_ISDIR(entry.status.st_mode);
    const std::string below = entry.path;
    found.push_back(std::move(entry));
    if (descend) scan(root, below, found);
  }
  if (error) throw_errno("cannot read the directory", (root / path).native(), error.value());
}

std::string listing(const std::vector<Found>& found) {
  std::string text = "bottle runtime listing 2\n";
  for (const Found& entry : found) {
    const struct stat& status = entry.status;
    text += fmt::format("{} {:o} {} {}.{} {}.{} {}.{} {}\n", escape_word(entry.path), status.st_mode,
                        status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                        status.st_ctim.tv_nsec, status.st_dev, status.st_ino, escape_word(entry.link));
  }
  return text;
}

Digest hash_file(const fs::path& path, std::uint64_t& size) {
  const Fd file = open_for_reading(path, O_NOFOLLOW | O_NONBLOCK);
  std::vector<std::byte> buffer(256u << 10);
  Sha256 hasher;
  size = 0;
  while (const std::size_t count = read_some(file.get(), buffer, path.native())) {
    hasher.update(std::span(buffer).first(count));
    size += count;
  }
  return hasher.finish();
}

oci::LayerIndex make_index(const fs::path& root, const std::vector<Found>& found) {
  oci::LayerIndex index;
  const std::uint32_t place = index.root(kRoot);
  std::map<std::pair<dev_t, ino_t>, std::string> names;
  for (const Found& item : found) {
    oci::Entry entry;
    entry.path = item.path;
    entry.mode = static_cast<std::uint16_t>(item.status.st_mode & 07777);
    if (S_ISDIR(item.status.st_mode)) {
      entry.type = oci::EntryType::directory;
    } else if (S_ISLNK(item.status.st_mode)) {
      entry.type = oci::EntryType::symlink;
      entry.mode = 0777;
      entry.link = item.link;
    } else if (S_ISREG(item.status.st_mode)) {
      const auto [other, is_new] = names.try_emplace({item.status.st_dev, item.status.st_ino}, item.path);
      if (!is_new) {
        entry.type = oci::EntryType::hardlink;
        entry.link = other->second;
      } else {
        entry.digest = hash_file(root / item.path, entry.size);
        if (entry.size > 0) entry.place = {.root = place, .offset = 0, .path = item.path};
      }
    } else {
      continue;  // device nodes, fifos and sockets: smolvm skips them as well
    }
    index.entries.push_back(std::move(entry));
  }
  return index;
}

}  // namespace

std::optional<fs::path> find_runtime(const std::string& choice) {
  if (choice == "none") return std::nullopt;
  if (!choice.empty()) {
    if (!has_init(choice))
      throw Error("not an agent root filesystem of smolvm: it has no sbin/init",
                  {.where = choice,
                   .hint = "configure the project again (cmake <build directory>) to find its current path, "
                           "or set the CMake variable BOTTLE_SMOLVM_RUNTIME (bottle-pack: --runtime) to the "
                           "directory agent-rootfs of smolvm or to \"none\""});
    return fs::path(choice);
  }
  for (const fs::path& place : usual_places())
    if (has_init(place)) return place;
  return std::nullopt;
}

Runtime read_runtime(const fs::path& directory, const store::Store& store) {
  std::vector<Found> found;
  scan(directory, "", found);
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.path < b.path; });

  Runtime runtime;
  runtime.directory = directory;
  const Digest key = sha256(fs::absolute(directory).native() + "\n" + listing(found));
  const store::Store::Lookup lookup = store.find_action(key);
  if (lookup.result && lookup.result->outputs.contains("index")) {
    const Digest digest = lookup.result->outputs.at("index").digest;
    if (const std::optional<fs::path> blob = store.find_blob(digest)) {
      const std::string text = read_file(*blob);
      if (sha256(text) == digest) {
        runtime.index = oci::LayerIndex::parse(text, blob->native());
        runtime.digest = runtime.index.digest();
        const auto known = lookup.result->facts.find(kAgentFact);
        if (known != lookup.result->facts.end()) runtime.agent.version = SmolvmVersion::parse(known->second);
        // A version that was not found out may be now: the agent may be for a processor that runs by
        // emulation.
        if (!runtime.agent.version) runtime.agent = ask_agent_version(directory);
        return runtime;
      }
      store.drop_damaged_blob(digest, "the index of an agent root filesystem does not match its digest");
    }
  }
  runtime.index = make_index(directory, found);
  runtime.digest = runtime.index.digest();
  runtime.agent = ask_agent_version(directory);
  store::ActionResult record;
  record.kind = "runtime";
  record.label = directory.native();
  record.outputs["index"] = store.put(runtime.index.serialize());
  if (runtime.agent.version) record.facts[kAgentFact] = runtime.agent.version->string();
  record.tool_version = BOTTLE_VERSION;
  store.put_action(key, record);
  return runtime;
}

}  // namespace bottle::pack
