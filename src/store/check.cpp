// SPDX-License-Identifier: Apache-2.0
#include "store/check.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <unordered_set>

#include "store/action_file.hpp"
#include "store/layout.hpp"
#include "store/roots.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/parallel.hpp"

namespace bottle::store {
namespace {

std::uint64_t size_of(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

struct Hashed {
  Digest digest;
  std::uint64_t size = 0;
  std::string problem;  // when it cannot be read
  bool gone = false;    // by another process
};

Hashed hash_file(const fs::path& path) {
  Hashed result;
  // Verifying is not a use of the blob: O_NOATIME, which only the owner may ask for.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOATIME));
  if (!file && errno == EPERM) file = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    result.gone = errno == ENOENT;
    result.problem = "cannot open the file";
    return result;
  }
  Sha256 hasher;
  std::vector<std::byte> buffer(1u << 18);
  try {
    while (true) {
      check_interrupted();
      const std::size_t count = read_some(file.get(), buffer, path.native());
      hasher.update(std::span(buffer).first(count));
      result.size += count;
      if (count < buffer.size()) break;
    }
  } catch (const Error& error) {  // a failing disk: the blob is lost
    result.problem = error.message();
    return result;
  }
  result.digest = hasher.finish();
  return result;
}

}  // namespace

Figures figures(const fs::path& directory) {
  const Layout layout(directory);
  Figures result;
  std::unordered_set<Digest, DigestHash> named;
  for_each_file(layout.actions(), [&](const Digest& key, const fs::path& path) {
    check_interrupted();
    const auto text = read_file_if_exists(path, kActionLimit);
    if (!text) return;
    ++result.actions;
    result.action_bytes += text->size();
    const ParsedAction parsed = parse_action(key, *text);
    KindFigures& kind = result.kinds[parsed.result ? parsed.result->kind : "unknown"];
    ++kind.actions;
    if (!parsed.result) return;
    for (const auto& [name, output] : parsed.result->outputs) {
      kind.bytes += output.size;
      named.insert(output.digest);
    }
  });
  for_each_file(layout.blobs(), [&](const Digest& digest, const fs::path& path) {
    const std::uint64_t size = size_of(path);
    ++result.blobs;
    result.blob_bytes += size;
    if (named.contains(digest)) return;
    ++result.unreferenced_blobs;
    result.unreferenced_bytes += size;
  });
  for_each_file(layout.tombstones(), [&](const Digest&, const fs::path& path) {
    const auto text = read_file_if_exists(path, kActionLimit);
    if (text) ++(parse_damaged_tombstone(*text) ? result.damaged : result.evicted);
  });
  for (const Root& root : read_roots(layout))
    result.roots += root.stale ? 0 : 1;
  std::error_code error;
  for (fs::directory_iterator entry(layout.temporaries(), error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    ++result.temporaries;
  return result;
}

Verification verify(const Store& store, const fs::path& directory, std::size_t threads) {
  const Layout layout(directory);
  Verification result;
  const auto stray = [&](const fs::path& path) {
    result.findings.push_back({Finding::Kind::stray, path.native(), "not a file of a store; left unchanged"});
  };

  std::vector<Digest> digests;
  for_each_file(
      layout.blobs(), [&](const Digest& digest, const fs::path&) { digests.push_back(digest); }, stray);
  std::vector<Hashed> hashed(digests.size());
  parallel_ordered(
      digests.size(), threads, threads * 4,
      [&](std::size_t i) { hashed[i] = hash_file(layout.blob(digests[i])); },
      [&](std::size_t i) {
        const Hashed& blob = hashed[i];
        if (blob.gone) return;
        ++result.blobs;
        result.bytes += blob.size;
        if (blob.problem.empty() && blob.digest == digests[i]) return;
        const std::string problem = !blob.problem.empty() ? blob.problem
                                                          : "its " + std::to_string(blob.size) +
                                                                " bytes have digest " + blob.digest.string();
        store.drop_damaged_blob(digests[i], problem);
        const bool dropped = !fs::exists(layout.blob(digests[i]));
        result.findings.push_back({Finding::Kind::blob, digests[i].string(), problem, dropped});
      });

  for_each_file(
      layout.actions(),
      [&](const Digest& key, const fs::path& path) {
        check_interrupted();
        const auto text = read_file_if_exists(path, kActionLimit);
        if (!text) return;
        ++result.actions;
        const ParsedAction parsed = parse_action(key, *text);
        std::string problem = parsed.problem;
        if (parsed.other_version) return;
        if (parsed.result) {
          for (const auto& [name, output] : parsed.result->outputs)
            if (!fs::exists(layout.blob(output.digest)) || size_of(layout.blob(output.digest)) != output.size)
              problem = "its output " + name + " (" + output.digest.string() + ") is missing";
        }
        if (problem.empty()) return;
        store.drop_damaged_action(key, problem);
        result.findings.push_back({Finding::Kind::action, key.hex(), problem, !fs::exists(path)});
      },
      stray);
  return result;
}

}  // namespace bottle::store
