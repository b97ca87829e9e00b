// SPDX-License-Identifier: Apache-2.0
#include "pack/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "pack/archive_check.hpp"
#include "pack/limits.hpp"
#include "pack/smolvm_version.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr std::uint64_t kMaximumMembers = 10'000;  // of the outer tar: smolvm writes a handful
constexpr std::string_view kLayerPrefix = "layers/";
constexpr std::string_view kTarSuffix = ".tar";
// A layer of such a name makes the guest take the directory of layers for something else.
constexpr std::array<std::string_view, 5> kForbiddenStems{"bin", "usr", "etc", "sbin", "archive"};

[[noreturn]] void fail(const OpenPack& pack, const std::string& message) {
  throw Error(message, {.where = pack.name});
}

bool is_plain_relative(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return false;
  const std::vector<std::string_view> parts = split(path, '/');
  return std::ranges::none_of(
      parts, [](std::string_view part) { return part.empty() || part == "." || part == ".."; });
}

void check_manifest(const OpenPack& pack, Findings& findings) {
  const Manifest& manifest = pack.manifest;
  const auto refuse = [&](const std::string& member, const std::string& message) {
    throw Error(message, {.where = fmt::format("{}: manifest at offset {}#/{}", pack.name,
                                               pack.footer.manifest_offset, member)});
  };
  if (manifest.cpus == 0) refuse("cpus", "expected at least 1 CPU, found 0: smolvm refuses the pack");
  if (manifest.mem < kMinimumMemoryMib)
    refuse("mem", fmt::format("expected at least {} MiB of memory, found {}: smolvm refuses the pack",
                              kMinimumMemoryMib, manifest.mem));
  for (const LayerAsset& layer : manifest.layers) {
    if (!is_plain_relative(layer.path) || !is_layer_member(layer.path))
      refuse("assets/layers", fmt::format("invalid path of a layer: expected layers/<name>.tar, found \"{}\"",
                                          escape_word(layer.path)));
    if (std::ranges::find(kForbiddenStems, layer_stem(layer.path)) != kForbiddenStems.end())
      refuse("assets/layers",
             fmt::format("invalid name of a layer: \"{}\": the guest would treat the layers as a tree",
                         layer.path));
  }
  for (const auto& asset : {manifest.storage_template, manifest.overlay_template, manifest.workspace_seed})
    if (asset && !is_plain_relative(asset->path))
      refuse("assets", fmt::format("invalid path of an asset: expected a normal relative path, found \"{}\"",
                                   escape_word(asset->path)));
  if (manifest.checkpoint) findings.warnings.emplace_back(kCheckpointWarning);
  if (!SmolvmVersion::parse(manifest.smolvm_version))
    findings.warnings.push_back(
        fmt::format("smolvm_version \"{}\" is not a version: smolvm from {} on unpacks the layers on the "
                    "host, where owners "
                    "and set-id bits are lost; make the pack again",
                    escape_word(manifest.smolvm_version), kReadsPackVersion.string()));
  if (!manifest.secret_refs.empty())
    findings.warnings.push_back("the manifest has secret references: smolvm refuses to run the pack");
  if (manifest.image_size == 0 && !manifest.storage_template && manifest.mode == Manifest::Mode::container)
    findings.warnings.push_back(
        "image_size is 0: `smolvm pack run` gives the machine only 512 MiB of storage");
}

// The tars inside.
void check_archive(const std::string& path, PackTar& outer, const OpenPack& pack, VerifyReport& report,
                   MemberReport& member) {
  const std::string name = fmt::format("{}: {}", pack.name, path);
  PackTar tar(outer.content(), name);
  ArchiveCheck check(path);
  while (const auto item = tar.next()) {
    check_interrupted();
    check.check(tar, *item);
  }
  check.report(report.findings);
  member.is_archive = true;
  member.entries = tar.entries();
  if (is_layer_member(path)) report.entries += tar.entries();
}

// smolvm has recorded wrong sizes, and reads none.
void check_size(const std::string& path, std::uint64_t recorded, std::uint64_t found, Findings& findings) {
  if (recorded != found)
    findings.warnings.push_back(fmt::format(
        "the manifest gives {} {} bytes, found {}; smolvm ignores that number", path, recorded, found));
}

// An asset that smolvm does without, if `optional` says how, or that must be there.
void check_asset(const OpenPack& pack, const std::optional<Asset>& asset,
                 const std::map<std::string, std::uint64_t>& members, const char* optional,
                 Findings& findings) {
  if (!asset) return;
  const auto found = members.find(asset->path);
  if (found != members.end())
    check_size(asset->path, asset->size, found->second, findings);
  else if (optional != nullptr)
    findings.warnings.push_back(fmt::format("{} is missing: {}", asset->path, optional));
  else
    fail(pack, fmt::format("the manifest lists {}, but the assets do not hold it", asset->path));
}

void check_inventory(const OpenPack& pack, const std::map<std::string, std::uint64_t>& members,
                     VerifyReport& report) {
  const Manifest& manifest = pack.manifest;
  std::map<std::string, int> listed;
  for (const LayerAsset& layer : manifest.layers) {
    if (++listed[layer.path] > 1)
      fail(pack, fmt::format("the manifest lists the layer {} twice", layer.path));
    const auto found = members.find(layer.path);
    if (found == members.end())
      fail(pack, fmt::format("the manifest lists the layer {}, but the assets do not hold it", layer.path));
    check_size(layer.path, layer.size, found->second, report.findings);
  }
  for (const auto& [path, size] : members)
    if (is_layer_member(path) && !listed.contains(path))
      fail(pack, fmt::format("the assets hold the layer {}, but the manifest does not list it", path));
  if (manifest.mode == Manifest::Mode::container && manifest.layers.empty() && !manifest.checkpoint)
    fail(pack, "a container pack without any layer: expected at least one");

  const auto agent = members.find(kAgentMember);
  if (agent == members.end()) {
    if (manifest.agent_rootfs.size > 0)
      fail(pack, fmt::format("the manifest lists {} with {} bytes, but the assets do not hold it",
                             kAgentMember, manifest.agent_rootfs.size));
    report.findings.notes.push_back(
        "no agent root filesystem: `smolvm machine create --from` can use the pack, `smolvm pack run` "
        "cannot");
  } else {
    check_size(kAgentMember, manifest.agent_rootfs.size, agent->second, report.findings);
  }
  check_asset(pack, manifest.storage_template, members, "smolvm falls back to an empty disk",
              report.findings);
  check_asset(pack, manifest.workspace_seed, members, "the machine gets an empty workspace", report.findings);
  check_asset(pack, manifest.overlay_template, members, nullptr, report.findings);
  if (manifest.mode == Manifest::Mode::vm && !manifest.overlay_template && !manifest.checkpoint)
    fail(pack, "a pack of mode vm without an overlay template: smolvm refuses to run it");
}

}  // namespace

bool is_layer_member(const std::string& path) {
  return path.starts_with(kLayerPrefix) && path.ends_with(kTarSuffix) &&
         path.size() > kLayerPrefix.size() + kTarSuffix.size() &&
         path.find('/', kLayerPrefix.size()) == std::string::npos;
}

std::string layer_stem(const std::string& path) {
  return path.substr(kLayerPrefix.size(), path.size() - kLayerPrefix.size() - kTarSuffix.size());
}

void walk_members(
    const OpenPack& pack,
    const std::function<void(const std::string& path, const TarItem& item, PackTar& tar)>& visit) {
  PackTar tar(pack.assets(), pack.name + ": assets");
  while (const auto item = tar.next()) {
    check_interrupted();
    if (tar.entries() > kMaximumMembers)
      tar.fail(item->offset, fmt::format("more than {} members in the assets", kMaximumMembers));
    visit(member_path(tar, *item), *item, tar);
  }
}

void check_checksum(const OpenPack& pack) {
  const std::uint32_t crc = pack.checksum();
  if (crc != pack.footer.checksum)
    throw Error(fmt::format("the checksum is wrong: expected {:08x} by the footer, found {:08x}",
                            pack.footer.checksum, crc),
                {.where = fmt::format("{}: offset {}", pack.name, pack.size - kFooterSize + 52),
                 .hint = "make or fetch the pack again: it was altered or damaged after it was written"});
}

VerifyReport verify_pack(const OpenPack& pack) {
  check_footer_exact(pack.footer, pack.size, pack.name);
  check_checksum(pack);
  VerifyReport report;
  check_manifest(pack, report.findings);
  std::map<std::string, std::uint64_t> members;
  ArchiveCheck outer_check("assets");
  walk_members(pack, [&](const std::string& path, const TarItem& item, PackTar& tar) {
    if (item.type != TarType::file && item.type != TarType::directory)
      tar.fail(item.offset, fmt::format("\"{}\" is a {}: expected files and directories only",
                                        escape_word(path), type_name(item.type)));
    outer_check.check(tar, item);
    MemberReport member{path, type_name(item.type), item.size};
    const bool is_archive = path == kAgentMember || is_layer_member(path);
    if (is_archive && item.type != TarType::file)
      tar.fail(item.offset,
               fmt::format("\"{}\" is a {}: expected a file", escape_word(path), type_name(item.type)));
    if (is_archive) check_archive(path, tar, pack, report, member);
    if (item.type == TarType::file) members[path] = item.size;
    report.members.push_back(std::move(member));
  });
  check_inventory(pack, members, report);
  return report;
}

}  // namespace bottle::pack
