// SPDX-License-Identifier: Apache-2.0
// Packs and plans made in memory for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/model/plan.hpp"
#include "oci/entry.hpp"
#include "pack/manifest.hpp"
#include "pack/pack_writer.hpp"
#include "store/store.hpp"
#include "util/file.hpp"

namespace bottle::pack::test {

// A tar written header by header, also wrong ones.
class RawTar {
 public:
  struct Member {
    std::string name;
    char type = '0';
    std::string content = {};
    std::string link = {};
    unsigned mode = 0644;
    unsigned uid = 0;
    unsigned gid = 0;
    unsigned major = 0;
    unsigned minor = 0;
  };
  RawTar& add(const Member& member);
  RawTar& raw(const std::string& bytes);
  std::string finish() const { return bytes_ + std::string(1024, '\0'); }
  const std::string& unfinished() const { return bytes_; }

 private:
  std::string bytes_;
};
// One header block with a right checksum.
std::string raw_header(const RawTar::Member& member, std::uint64_t size);

std::string compressed(const std::string& data);
// A manifest that fits the layers (name without "layers/" and ".tar", tar).
Manifest manifest_for(const std::vector<std::pair<std::string, std::string>>& layers);
std::string outer_tar(const std::vector<std::pair<std::string, std::string>>& layers,
                      const std::string& agent = {});
// assets | manifest | footer, with a right checksum.
std::string pack_bytes(const std::string& assets, const std::string& manifest);
std::string simple_pack(const std::string& layer_tar);

// What verify_pack() says of the file: "" if it is whole, else the error.
std::string verify_error(const fs::path& file);
std::string verify_error_of_bytes(const std::string& pack);

// A plan of one layer whose contents are files of a directory.
class PlanMaker {
 public:
  explicit PlanMaker(const fs::path& context) : context_(context) {}
  PlanMaker& file(const std::string& path, const std::string& content, unsigned mode = 0644);
  PlanMaker& directory(const std::string& path, unsigned mode = 0755);
  PlanMaker& symlink(const std::string& path, const std::string& target);
  PlanMaker& add(oci::Entry entry);
  PlanMaker& config(const std::string& json);
  image::LoadedPlan plan() const;

 private:
  fs::path context_;
  oci::LayerIndex index_;
  std::string config_ = R"({"architecture":"amd64","config":{},"os":"linux"})";
};

PackOptions options();

struct Written {
  PackRecipe recipe;
  FrameCounts counts;
  std::string bytes;
};
Written write(const image::LoadedPlan& plan, const fs::path& store, std::size_t threads = 2,
              const PackOptions& pack_options = options());

}  // namespace bottle::pack::test
