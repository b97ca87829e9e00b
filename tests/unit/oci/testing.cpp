// SPDX-License-Identifier: Apache-2.0
#include "testing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "oci/tar_format.hpp"
#include "oci/tar_writer.hpp"

namespace bottle::oci::testing {
namespace {

std::map<Digest, std::string>& contents() {
  static std::map<Digest, std::string> all;
  return all;
}

Entry entry(EntryType type, std::string path, unsigned mode) {
  Entry result;
  result.type = type;
  result.path = std::move(path);
  result.mode = static_cast<std::uint16_t>(mode);
  return result;
}

}  // namespace

Entry file(std::string path, std::string_view content, unsigned mode) {
  Entry result = entry(EntryType::file, std::move(path), mode);
  result.size = content.size();
  result.digest = sha256(content);
  contents()[result.digest] = content;
  return result;
}

Entry directory(std::string path, unsigned mode) {
  return entry(EntryType::directory, std::move(path), mode);
}

Entry symlink(std::string path, std::string target) {
  Entry result = entry(EntryType::symlink, std::move(path), 0777);
  result.link = std::move(target);
  return result;
}

Entry hardlink(std::string path, std::string target, unsigned mode) {
  Entry result = entry(EntryType::hardlink, std::move(path), mode);
  result.link = std::move(target);
  return result;
}

Entry whiteout(std::string path) {
  return entry(EntryType::whiteout, std::move(path), 0);
}

Entry opaque(std::string path) {
  return entry(EntryType::opaque, std::move(path), 0);
}

std::string tar_of(const std::vector<Entry>& entries) {
  std::string tar;
  for (const Entry& each : entries) {
    append_tar_header(tar, each, TarStyle::layer);
    if (each.type != EntryType::file) continue;
    tar += content_of(each.digest);
    tar += tar_padding(each.size);
  }
  tar += tar_end();
  return tar;
}

std::string listing(const MergedTree& tree) {
  std::string text;
  std::unordered_map<const Entry*, std::string> names;
  tree.walk([&](const std::string& path, const MergedTree::Node& node) {
    if (path.empty()) return;
    const Entry& inode = *node.inode;
    text += fmt::format("{} {} {:o}", path, "fdlhcbp"[static_cast<std::size_t>(inode.type)], inode.mode);
    const auto [first, is_first] = names.try_emplace(&inode, path);
    if (!is_first)
      text += " = " + first->second;
    else if (inode.type == EntryType::symlink)
      text += " -> " + inode.link.string();
    else if (inode.type == EntryType::file)
      text += " " + content_of(inode.digest);
    text += '\n';
  });
  return text;
}

MergedTree tree_of(const std::vector<std::vector<Entry>>& layers) {
  MergedTree tree;
  int number = 0;
  for (const auto& entries : layers)
    tree.apply({{}, entries}, "layer " + std::to_string(++number));
  return tree;
}

const std::string& content_of(const Digest& digest) {
  return contents().at(digest);
}

ImportedLayer import_tar(std::string_view tar) {
  return import_layer(memory_source(bytes(tar)), "test.tar", {}, {});
}

std::string raw_header(const RawHeader& header) {
  std::string block(tar::kBlock, '\0');
  const auto put = [&](tar::Field field, const std::string& value) {
    std::copy_n(value.begin(), std::min(value.size(), field.size),
                block.begin() + static_cast<std::ptrdiff_t>(field.offset));
  };
  put(tar::kName, header.name);
  put(tar::kMode, header.mode);
  put(tar::kUid, header.uid);
  put(tar::kGid, "0000000");
  put(tar::kSize, header.size);
  put(tar::kMtime, header.mtime);
  put(tar::kLink, header.link);
  put(tar::kMagic, header.magic);
  put(tar::kPrefix, header.prefix);
  put(tar::kChecksum, "        ");
  block[tar::kType] = header.type;
  unsigned sum = 0;
  for (const char c : block)
    sum += static_cast<unsigned char>(c);
  put(tar::kChecksum, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

std::string padded(std::string data) {
  data.resize(data.size() + tar::padding(data.size()), '\0');
  return data;
}

std::string octal(std::uint64_t value) {
  return fmt::format("{:011o}", value);
}

std::string pax(const std::vector<std::pair<std::string, std::string>>& records, char type) {
  std::string data;
  for (const auto& [key, value] : records) {
    std::size_t length = key.size() + value.size() + 3;
    while (std::to_string(length).size() + key.size() + value.size() + 3 != length)
      length = std::to_string(length).size() + key.size() + value.size() + 3;
    data += std::to_string(length) + " " + key + "=" + value + "\n";
  }
  return raw_header({.name = "PaxHeaders/f", .type = type, .size = octal(data.size())}) + padded(data);
}

}  // namespace bottle::oci::testing
