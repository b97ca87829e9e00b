// SPDX-License-Identifier: Apache-2.0
#include "fixtures.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "pack/crc32.hpp"
#include "pack/footer.hpp"
#include "pack/pack_file.hpp"
#include "pack/verify.hpp"
#include "pack/zstd_frame.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"

namespace bottle::pack::test {
namespace {

void put(std::string& block, std::size_t offset, const std::string& text) {
  std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(offset));
}

std::string padded(const std::string& content) {
  return content + std::string((512 - content.size() % 512) % 512, '\0');
}

}  // namespace

std::string raw_header(const RawTar::Member& member, std::uint64_t size) {
  std::string block(512, '\0');
  put(block, 0, member.name.substr(0, 100));
  put(block, 100, fmt::format("{:07o}", member.mode));
  put(block, 108, fmt::format("{:07o}", member.uid));
  put(block, 116, fmt::format("{:07o}", member.gid));
  put(block, 124, fmt::format("{:011o}", size));
  put(block, 136, fmt::format("{:011o}", 1700000000));
  put(block, 148, "        ");
  block[156] = member.type;
  put(block, 157, member.link.substr(0, 100));
  put(block, 257, std::string("ustar  \0", 8));
  put(block, 329, fmt::format("{:07o}", member.major));
  put(block, 337, fmt::format("{:07o}", member.minor));
  unsigned sum = 0;
  for (const char c : block)
    sum += static_cast<unsigned char>(c);
  put(block, 148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

RawTar& RawTar::add(const Member& member) {
  bytes_ += raw_header(member, member.content.size()) + padded(member.content);
  return *this;
}

RawTar& RawTar::raw(const std::string& bytes) {
  bytes_ += bytes;
  return *this;
}

std::string compressed(const std::string& data) {
  const Bytes frame = FrameCompressor(3).compress(std::as_bytes(std::span(data)));
  return {reinterpret_cast<const char*>(frame.data()), frame.size()};
}

Manifest manifest_for(const std::vector<std::pair<std::string, std::string>>& layers) {
  Manifest manifest;
  manifest.image = "test:latest";
  manifest.digest = "sha256:0";
  manifest.platform = "linux/amd64";
  manifest.cpus = 1;
  manifest.mem = 64;
  manifest.image_size = 1;
  manifest.agent_rootfs.path = "agent-rootfs.tar";
  for (const auto& [name, tar] : layers)
    manifest.layers.push_back({"sha256:" + name, "layers/" + name + ".tar", tar.size()});
  return manifest;
}

std::string outer_tar(const std::vector<std::pair<std::string, std::string>>& layers,
                      const std::string& agent) {
  RawTar tar;
  if (!agent.empty()) tar.add({.name = "agent-rootfs.tar", .content = agent});
  tar.add({.name = "layers/", .type = '5', .mode = 0755});
  for (const auto& [name, bytes] : layers)
    tar.add({.name = "layers/" + name + ".tar", .content = bytes});
  return tar.finish();
}

std::string pack_bytes(const std::string& assets, const std::string& manifest) {
  Footer footer;
  footer.assets_size = footer.manifest_offset = assets.size();
  footer.manifest_size = manifest.size();
  footer.checksum = crc32(crc32(0, assets), manifest);
  const auto end = encode_footer(footer);
  return assets + manifest + std::string(reinterpret_cast<const char*>(end.data()), end.size());
}

std::string simple_pack(const std::string& layer_tar) {
  const std::vector<std::pair<std::string, std::string>> layers{{"aaaa", layer_tar}};
  return pack_bytes(compressed(outer_tar(layers)), manifest_for(layers).serialize());
}

std::string verify_error(const fs::path& file) {
  try {
    verify_pack(open_pack(file));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string verify_error_of_bytes(const std::string& pack) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "p", pack, Durable::no);
  return verify_error(directory.path() / "p");
}

PlanMaker& PlanMaker::add(oci::Entry entry) {
  index_.entries.push_back(std::move(entry));
  return *this;
}

PlanMaker& PlanMaker::file(const std::string& path, const std::string& content, unsigned mode) {
  make_directories((context_ / path).parent_path());
  write_file(context_ / path, content, Durable::no);
  oci::Entry entry;
  entry.path = path;
  entry.mode = static_cast<std::uint16_t>(mode);
  entry.size = content.size();
  entry.digest = sha256(content);
  if (!content.empty()) entry.place = {.root = index_.root("context"), .offset = 0, .path = path};
  return add(std::move(entry));
}

PlanMaker& PlanMaker::directory(const std::string& path, unsigned mode) {
  oci::Entry entry;
  entry.path = path;
  entry.type = oci::EntryType::directory;
  entry.mode = static_cast<std::uint16_t>(mode);
  return add(std::move(entry));
}

PlanMaker& PlanMaker::symlink(const std::string& path, const std::string& target) {
  oci::Entry entry;
  entry.path = path;
  entry.type = oci::EntryType::symlink;
  entry.mode = 0777;
  entry.link = target;
  return add(std::move(entry));
}

PlanMaker& PlanMaker::config(const std::string& json) {
  config_ = json;
  return *this;
}

image::LoadedPlan PlanMaker::plan() const {
  image::LoadedPlan loaded;
  loaded.plan.config = config_;
  image::PlanLayer layer;
  layer.digest = index_.digest();
  loaded.plan.layers.push_back(layer);
  loaded.layers.push_back(index_);
  loaded.context_roots["context"] = context_;
  return loaded;
}

PackOptions options() {
  PackOptions result;
  result.image = "test:latest";
  return result;
}

Written write(const image::LoadedPlan& plan, const fs::path& store_directory, std::size_t threads,
              const PackOptions& pack_options) {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "pack";
  store::Store store = store::Store::open(store_directory);
  Written written;
  {
    AtomicFile output(file, 0666, Durable::no);
    PackSettings settings;
    settings.options = pack_options;
    settings.threads = threads;
    written.recipe = write_pack(plan, settings, store, output.descriptor(), file.native(), written.counts);
    output.commit();
  }
  written.bytes = read_file(file, 1u << 30);
  return written;
}

}  // namespace bottle::pack::test
