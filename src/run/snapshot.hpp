// SPDX-License-Identifier: Apache-2.0
// The trees of images on the disk, as lower directories of overlays, made once for each chain of layers.
//
// <store>/snapshots/<kind>/<32 hex digits of the chain>/fs       what the chain adds to its parent, in
//                                                                overlayfs's form
//                                                      /parent   the parent's 32 digits, empty for none; its
//                                                                time says when the snapshot was used. A
//                                                                second line names the boot of the machine,
//                                                                a third, "command", says that the files are
//                                                                as a command wrote them
// Snapshots are not flushed to the disk, since all of them can be made again. One that is of an earlier boot,
// so that the power may have failed before it was written, is looked at before it is used: each file must be
// there with its size, which it has only since its bytes were written. A command may have set the size first,
// as linkers do, so what it wrote must have its digest.
//
// <store>/snapshots/<kind>/.locks/<2 hex digits>                held while one of those chains is made
//
// <kind> says who may use it: "root", or "<uid>-subordinate", "<uid>-single". A snapshot appears by rename
// and is never changed afterwards.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "image/model/plan.hpp"
#include "run/confinement.hpp"
#include "run/unpack.hpp"
#include "store/store.hpp"

namespace bottle::run {

// What identifies the first `count` layers of an image.
Digest chain_digest(const image::LoadedPlan& image, std::size_t count);

// What the file `parent` of a snapshot says; nullopt if there is no snapshot.
struct SnapshotFacts {
  std::string parent;
  std::string boot;
  bool is_of_command = false;
};
std::optional<SnapshotFacts> read_snapshot(const fs::path& snapshot);

class Snapshots {
 public:
  // `place` holds snapshots/. `user` is the caller's id. `work` is a directory of this process's own in
  // `place`.
  Snapshots(const store::Store& store, const fs::path& place, IdMapping id_mapping, unsigned user,
            fs::path work);

  // The lower directories of the image's tree, the uppermost first. Makes what is missing: the first `base`
  // layers as one snapshot, so that all that starts from the same base shares it, and the rest as another on
  // top.
  std::vector<fs::path> lowers(const image::LoadedPlan& image, std::size_t base);

  // Takes over `directory`, as a command left it, as what `chain` adds to `parent`. If another process
  // published first, its snapshot is kept.
  void publish_command(const fs::path& directory, const Digest& chain, const Digest& parent) {
    publish(directory, chain, SnapshotFacts{short_name(parent), boot_, true});
  }

  const UnpackOptions& unpack_options() const { return options_; }

 private:
  static std::string short_name(const Digest& chain);
  void publish(const fs::path& directory, const Digest& chain, const SnapshotFacts& facts);
  fs::path place(const Digest& chain) const;
  std::vector<fs::path> chain_of(const Digest& chain) const;
  void check_after_boot(const image::LoadedPlan& image) const;
  void use(const fs::path& snapshot) const;
  void make(const image::LoadedPlan& image, std::size_t below, std::size_t count);

  const store::Store& store_;
  fs::path directory_;
  fs::path work_;
  UnpackOptions options_;
  std::string boot_;
  int made_ = 0;
};

}  // namespace bottle::run
