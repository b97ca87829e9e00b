// SPDX-License-Identifier: Apache-2.0
// The content-addressed cache: blobs by digest and results of actions by key. Shared by all build trees of a
// user and safe for any number of processes at once. Formats and guarantees: docs/formats/store.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/action.hpp"
#include "util/digest.hpp"
#include "util/file.hpp"

namespace bottle::store {

struct Shared;

// Why a lookup did not give a result: four different answers to "why did this run?".
enum class Presence { present, never, evicted, damaged };

// Cheap to copy; copies are the same open store. May be used by several threads at once. As long as one copy
// (or a Writer) lives, collection by any process waits: what has been found stays until then.
class Store {
 public:
  // `directory` if not empty, else $BOTTLE_CACHE_DIR, else $XDG_CACHE_HOME/bottle, else ~/.cache/bottle.
  // Creates it with CACHEDIR.TAG. Waits for a collection that is deleting. An existing store that cannot be
  // written to opens all the same: lookups work, and whatever writes throws an Error that names the path.
  static Store open(const fs::path& directory = {});
  // Throws when there is no home directory to be found, naming BOTTLE_CACHE_DIR as the remedy.
  static fs::path default_directory();

  const fs::path& directory() const { return directory_; }

  // A blob's file: read-only, of the right content when it entered. Marks it as used (for collection). Its
  // content is not read again here: readers compare what they can (a size, a CRC-32, the digest) and call
  // drop_damaged_blob() on a mismatch.
  std::optional<fs::path> find_blob(const Digest& digest) const;
  fs::path blob_path(const Digest& digest) const;  // where it is or would be
  Output put(std::string_view data) const;
  Output put_file(const fs::path& file) const;  // the content of a file, read once
  // A blob written in parts. commit() verifies against `expected` if given (an Error names both digests),
  // publishes by rename.
  class Writer {
   public:
    explicit Writer(const Store& store);
    ~Writer();
    Writer(Writer&&) noexcept;
    void write(std::span<const std::byte> data);
    std::uint64_t size() const;
    Output commit(const std::optional<Digest>& expected = std::nullopt);

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

  // A blob from a network: what arrived before an interruption, even by SIGKILL, is kept below tmp/ until a
  // collection, and the next Partial of the digest begins with it. Of several processes that fetch the same
  // blob at once, all but one begin at nothing.
  class Partial {
   public:
    Partial(const Store& store, const Digest& digest);
    ~Partial();
    Partial(Partial&&) noexcept;
    std::uint64_t size() const;  // what is there, before and since
    void write(std::span<const std::byte> data);
    void restart();  // forgets it all
    // Verifies and publishes. A wrong digest is an Error that names both; what was there is forgotten.
    Output commit();

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

  struct Lookup {
    Presence presence = Presence::never;
    std::optional<ActionResult> result;  // when present: every output's blob is there with the right size
    std::string detail;                  // for evicted and damaged: what and when
  };
  // One open and one stat an output. A damaged action or an output of the wrong size is dropped on the way.
  Lookup find_action(const Digest& key) const;
  // All outputs must have been put before: a process that finds the action finds its blobs.
  void put_action(const Digest& key, const ActionResult& result) const;
  // Reports a blob or action with unexpected bytes: removes it, records it as damaged, and prints one note to
  // stderr.
  void drop_damaged_blob(const Digest& digest, const std::string& reason) const;
  void drop_damaged_action(const Digest& key, const std::string& reason) const;

  // Where directories of other rooms are: the store's, or a temporary one that goes with this object if one
  // of `parts`, relative to it, can neither be written to nor made. Processes that are forked afterwards may
  // write to the store: this one finds it.
  fs::path work_directory(const std::vector<std::string>& parts) const;

  // Notes that `step` of the build directory `directory` was made from the actions `keys`, in place of what
  // was noted for it before; without keys there is nothing to note. `bottle-cache gc --keep-referenced` keeps
  // those as long as the directory exists. Does nothing in a store that cannot be written to.
  void register_root(const fs::path& directory, std::string_view step, const std::vector<Digest>& keys) const;

 private:
  explicit Store(fs::path directory);
  fs::path directory_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace bottle::store
