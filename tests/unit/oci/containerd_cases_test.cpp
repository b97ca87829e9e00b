// SPDX-License-Identifier: Apache-2.0
// containerd's own cases for applying and computing layers (tests/conformance data; skipped where it is
// absent).
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "oci/diff.hpp"
#include "oci/tar_writer.hpp"
#include "testing.hpp"
#include "util/file.hpp"
#include "util/json.hpp"

namespace bottle::oci {
namespace {

using namespace testing;

const char* const kDirectory = BOTTLE_CONFORMANCE_DIR "/data/tar-cases/containerd/";

struct Case {
  std::string name;
  Json json;
};
// What test programs and CTest show of it, in place of its bytes.
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  std::ifstream lines(std::string(kDirectory) + "cases.jsonl");
  for (std::string line; std::getline(lines, line);) {
    Json json = Json::parse(line);
    all.push_back(
        {json.at("kind").get<std::string>() + "_" + json.at("name").get<std::string>(), std::move(json)});
  }
  return all;
}

unsigned mode_of(const Json& node) {
  return static_cast<unsigned>(std::stoul(node.at("mode").get<std::string>(), nullptr, 8));
}

// The entries of a "before", "after", "a" or "b" list.
std::vector<Entry> tree_entries(const Json& nodes) {
  std::vector<Entry> entries;
  std::map<int, std::string> groups;
  for (const Json& node : nodes) {
    const std::string path = node.at("path");
    const std::string type = node.at("type");
    const int group = node.value("same_inode_group", 0);
    if (group != 0 && groups.count(group) != 0)
      entries.push_back(hardlink(path, groups[group], mode_of(node)));
    else if (type == "dir")
      entries.push_back(directory(path, mode_of(node)));
    else if (type == "file")
      entries.push_back(file(path, node.value("data", ""), mode_of(node)));
    else if (type == "symlink")
      entries.push_back(symlink(path, node.at("link")));
    else
      EXPECT_EQ(type, "S---------") << path;  // a socket, which Bottle's trees do not have
    if (group != 0) groups.try_emplace(group, path);
  }
  return entries;
}

// One line an entry, in the words of the cases.
std::string described(const std::string& name, char type, unsigned mode, const std::string& link,
                      const std::string& data) {
  return fmt::format("{} {} {:o} {} {}\n", name, type, mode, link, data);
}

std::string described(const Json& entries) {
  std::string text;
  for (const Json& entry : entries)
    text += described(entry.at("name"), entry.at("type").get<std::string>()[0], mode_of(entry),
                      entry.value("link", ""), entry.value("data", ""));
  return text;
}

std::string described(const LayerIndex& layer, const std::string& tar) {
  TarReader reader(memory_source(bytes(tar)), "diff", Whiteouts::literal);
  std::string text;
  while (const auto member = reader.next()) {
    std::string data;
    const Entry& entry = member->entry;
    if (entry.type == EntryType::file) reader.read_data(append_to(data));
    text += described(member->raw_name, "0521"[static_cast<std::size_t>(entry.type)], entry.mode,
                      entry.link.string(), data);
  }
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), static_cast<std::ptrdiff_t>(layer.entries.size()));
  return text;
}

class Containerd : public ::testing::TestWithParam<Case> {};

TEST_P(Containerd, AppliesLayersLikeContainerd) {
  const Json& json = GetParam().json;
  if (json.at("kind") == "apply") {
    MergedTree tree = tree_of({tree_entries(json.at("before"))});
    const std::string tar = read_file(kDirectory + json.at("tar").get<std::string>());
    const auto apply = [&] { tree.apply(import_tar(tar).index, "case"); };
    if (json.contains("error")) {
      EXPECT_NE(error_of(apply), "") << json.at("error");
      return;
    }
    // The contents in the tar become known to content_of().
    for (const Json& entry : json.at("entries"))
      file("", entry.value("data", ""));
    apply();
    EXPECT_EQ(listing(tree), listing(tree_of({tree_entries(json.at("after"))})));
    for (const Json& entry : json.at("entries")) {
      const std::string path = normalize_path(entry.at("name").get<std::string>());
      const Json pax = entry.value("pax", Json::object());
      for (const auto& [key, value] : pax.items())
        EXPECT_EQ(tree.find(path)->inode->xattrs, (Xattrs{{key.substr(13), value.get<std::string>()}}));
    }
  } else {
    const MergedTree lower = tree_of({tree_entries(json.at("a"))});
    const MergedTree upper = tree_of({tree_entries(json.at("b"))});
    const LayerIndex layer = diff(lower, upper);
    const std::string tar = tar_of(layer.entries);
    EXPECT_EQ(described(layer, tar), described(json.at("entries")));
    MergedTree applied = lower;
    applied.apply(import_tar(tar).index, "diff");
    EXPECT_EQ(listing(applied), listing(upper));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Containerd, ::testing::ValuesIn(cases()), [](const auto& parameter) {
  std::string name = parameter.param.name;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Containerd);

TEST(ContainerdData, DataIsPresent) {
  if (cases().empty()) GTEST_SKIP() << "no conformance data at " << kDirectory;
  EXPECT_EQ(cases().size(), 46u);
}

}  // namespace
}  // namespace bottle::oci
