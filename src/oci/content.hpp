// SPDX-License-Identifier: Apache-2.0
// Reading the bytes of entries through their places, checked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "oci/entry.hpp"
#include "util/file.hpp"

namespace bottle::oci {

// Knows what the names of roots stand for on this machine. Thread-safe once built.
class ContentReader {
 public:
  // `find_blob` returns the path of a blob's file or throws an Error that says how to get it back.
  using FindBlob = std::function<fs::path(const Digest&)>;

  ContentReader(std::map<std::string, fs::path> context_roots, FindBlob find_blob);

  // The whole content into `data`, which has entry.size bytes, verified against entry.digest: a file of
  // another size or content (changed since it was scanned) is an Error that names the file. `roots` is the
  // table that entry.place.root refers to.
  void read_verified(const Entry& entry, const std::vector<std::string>& roots,
                     std::span<std::byte> data) const;

  // The same in parts of up to 256 KiB, with bounded memory. The sink has got all of it before a wrong digest
  // is noticed, so what it makes must not be used when this throws.
  void read_verified(const Entry& entry, const std::vector<std::string>& roots,
                     const std::function<void(std::span<const std::byte>)>& sink) const;

  // A file opened for reading in parts, for contents too big to hold.
  struct Opened {
    std::shared_ptr<Fd> file;
    std::uint64_t offset;  // where the content begins in it
    std::string name;      // for messages
    bool is_blob;          // verified when it entered the store
  };
  // Checks type and size. The caller verifies the digest (see read_verified for the message).
  Opened open(const Entry& entry, const std::vector<std::string>& roots) const;
  // The Error for an opened file that turned out to hold `size` bytes of `digest`.
  [[noreturn]] static void fail_changed(const Opened& opened, const Entry& entry, std::uint64_t size,
                                        const Digest& digest);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace bottle::oci
