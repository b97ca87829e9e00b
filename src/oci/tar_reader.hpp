// SPDX-License-Identifier: Apache-2.0
// Reading tar archives as a stream: ustar, GNU (long names, base-256 numbers) and PAX.
//
// This is our own parser and not libarchive's because a layer index needs the byte offset of every file's
// data in the uncompressed tar, the names as they were written, and one definition of what a hostile or
// sloppy header means: that of Go's archive/tar, which containerd, Docker and BuildKit read layers with.
// (libarchive guesses formats, converts names between character sets, merges xattr and ACL dialects, and
// hides offsets.)
//
// Source: POSIX.1-2017 pax "ustar Interchange Format" and "pax Interchange Format"; GNU tar manual, "Basic
// Tar Format"; OCI image-spec 1.1 layer.md. As Go does it: PAX global headers are skipped, links, directories
// and devices have no data whatever their size says, and a missing end marker is accepted between two
// entries. Sparse files of GNU tar (oci/sparse_map.hpp) read as the files that they are. Refused:
// multi-volume archives and everything else that is not a file, directory, link, device or FIFO.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "oci/entry.hpp"
#include "oci/stream.hpp"

namespace bottle::oci {

// What ".wh.<name>" and ".wh..wh..opq" are: marks of an OCI layer or names like any other.
enum class Whiteouts { interpret, literal };

struct TarMember {
  // path and link of a hard link normalised: absolute or not, ".." taken back, never above the root. size is
  // set for files; digest and place are the caller's business.
  Entry entry;
  std::string raw_name;  // as written, for messages and for those with stricter rules
  std::uint64_t header_offset =
      0;                          // of the first header block (of a long name or PAX header if there is one)
  std::uint64_t data_offset = 0;  // in the uncompressed tar
  // Its name is the root directory or above but it is not a directory: containerd ignores such members.
  bool ignored = false;
  // A sparse file: its content is not at data_offset in one piece, entry.size may be far more than the
  // archive holds, and read_data() gives zeros for the holes.
  bool is_sparse = false;
};

class TarReader {
 public:
  // `name` is for messages: "<name>: offset <n>".
  TarReader(Source source, std::string name, Whiteouts whiteouts);
  ~TarReader();
  TarReader(TarReader&&) noexcept;

  // The next member; what is left of the data before it is skipped. nullopt at the end. Throws an Error with
  // the offset when the archive is cut off or broken.
  std::optional<TarMember> next();
  // How to skip data in a source that can seek: moves it on by that many bytes (beyond its end if need be, so
  // the caller checks sizes against the file's). Without one, skipping reads.
  void on_skip(std::function<void(std::uint64_t)> skip);
  // Gives the data of the last member to the sink in parts of up to 256 KiB. Once a member, before next().
  void read_data(const Sink& sink);
  // The same with the SHA-256 computed on the way.
  Digest hash_data();
  // Reads on to the end of the source (what follows the end marker), so that digests of the whole are right.
  void drain();

  std::uint64_t offset() const;  // bytes consumed so far
  bool had_end_marker() const;   // after next() gave nullopt

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bottle::oci
