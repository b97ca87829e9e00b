// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_entries.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "pack/archive_check.hpp"
#include "pack/chunker.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

using oci::Entry;
using oci::EntryType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EntriesTest : public testing::Test {
 protected:
  PackEntries entries() {
    findings_ = {};
    return pack_entries(maker_.plan().merged(), "image", smolvm_, findings_);
  }
  std::vector<std::string> paths() {
    std::vector<std::string> result;
    for (const Entry& entry : entries().entries)
      result.push_back(entry.path);
    return result;
  }
  std::string target(const std::string& path) {
    for (const Entry& entry : entries().entries)
      if (entry.path == path) return entry.link.string();
    return "(absent)";
  }
  Entry special(const std::string& path, EntryType type, const std::string& link = {}) {
    Entry entry;
    entry.path = path;
    entry.type = type;
    entry.mode = 0644;
    entry.link = link;
    return entry;
  }

  TemporaryDirectory directory_;
  test::PlanMaker maker_{directory_.path()};
  Findings findings_;
  SmolvmVersion smolvm_ = kCurrentSmolvm;
};

TEST_F(EntriesTest, EntriesAreSortedAndTheRootIsFirst) {
  maker_.file("b", "1").directory("a").file("a/x", "").file("a-b", "");
  EXPECT_THAT(paths(), ElementsAre("", "a", "a-b", "a/x", "b"));
  EXPECT_THAT(findings_.warnings, IsEmpty());
}

TEST_F(EntriesTest, DevicesAreLeftOutWithTheirHardLinks) {
  maker_.directory("dev")
      .add(special("dev/null", EntryType::char_device))
      .add(special("dev/sda", EntryType::block_device))
      .add(special("dev/pipe", EntryType::fifo))
      .add(special("dev/zero", EntryType::hardlink, "dev/null"));
  EXPECT_THAT(paths(), ElementsAre("", "dev"));
  EXPECT_THAT(findings_.warnings, ElementsAre(HasSubstr("device nodes and fifos are left out")));
}

TEST_F(EntriesTest, HardLinksFollowTheirTargets) {
  maker_.file("z", "content").add(special("a", EntryType::hardlink, "z"));
  const PackEntries result = entries();
  ASSERT_EQ(result.entries.size(), 3u);
  EXPECT_EQ(result.entries[1].path, "a");
  EXPECT_EQ(result.entries[1].type, EntryType::file);
  EXPECT_EQ(result.entries[2].type, EntryType::hardlink);
  EXPECT_EQ(result.entries[2].link, "a");
  EXPECT_EQ(result.file_bytes, 7u);
}

TEST_F(EntriesTest, SecondNamesOfSymlinksAreCopies) {
  maker_.symlink("a", "nowhere").add(special("b", EntryType::hardlink, "a"));
  EXPECT_EQ(target("b"), "nowhere");
  EXPECT_EQ(entries().entries[2].type, EntryType::symlink);
}

TEST_F(EntriesTest, SetuidWarnsAndStickyNotesForOldSmolvms) {
  maker_.file("su", "x", 04755).directory("tmp", 01777);
  entries();
  EXPECT_THAT(findings_.warnings, IsEmpty());
  EXPECT_THAT(findings_.notes, IsEmpty());
  smolvm_ = SmolvmVersion{{1, 13, 1}};
  entries();
  EXPECT_THAT(findings_.warnings, ElementsAre(HasSubstr("setuid and setgid bits are lost")));
  EXPECT_THAT(findings_.notes, ElementsAre(HasSubstr("sticky")));
}

TEST_F(EntriesTest, AttributesAreAWarning) {
  Entry entry = special("ping", EntryType::file);
  entry.digest = sha256("");
  entry.xattrs = {{"security.capability", "x"}};
  maker_.add(entry);
  entries();
  EXPECT_THAT(findings_.warnings, ElementsAre(HasSubstr("extended attributes")));
}

TEST_F(EntriesTest, NamesThatWindowsRefusesAreAWarning) {
  for (const char* name : {"a:b", "a?", "a*", "a|b", "a<b", "a>b", "a\"b", "a\\b", "dot.", "blank ", "con",
                           "NUL.txt", "Com1", "lpt9.x", "tab\there"}) {
    test::PlanMaker maker(directory_.path());
    maker.add(special(name, EntryType::symlink, "x"));
    Findings findings;
    pack_entries(maker.plan().merged(), "image", kCurrentSmolvm, findings);
    EXPECT_THAT(findings.warnings, ElementsAre(HasSubstr("Windows"))) << name;
    findings = {};
    pack_entries(maker.plan().merged(), "image", SmolvmVersion{{1, 16, 1}}, findings);
    EXPECT_THAT(findings.warnings, IsEmpty()) << name;
  }
  for (const char* name : {"a b", ".hidden", "console", "com", "com10", "COM0", "nul-x", "a.b"})
    maker_.add(special(name, EntryType::symlink, "x"));
  entries();
  EXPECT_THAT(findings_.warnings, IsEmpty());
}

TEST_F(EntriesTest, UnsafeSymlinksAreRewritten) {
  maker_.directory("a").directory("a/b").directory("usr").symlink("usr/link", "lib");
  struct Case {
    const char* path;
    const char* target;
    const char* expected;
  };
  const Case cases[] = {
      {"r", "/", "."},
      {"a/r", "/", ".."},
      {"a/b/r", "/", "../.."},
      {"a/b/s", "/.", "../.."},
      {"a/t", "/usr/..", ".."},
      {"a/u", "../../../etc/x", "../etc/x"},
      {"v", "..", "."},
      {"w", "../x", "x"},
      {"a/x", "/../x", "/x"},
      {"a/y", "../usr/../../x", "../usr/../x"},
      {"ok1", "/usr/lib", "/usr/lib"},
      {"a/ok2", "../usr//lib/", "../usr//lib/"},
      {"ok3", ".", "."},
      {"a/ok4", "..", ".."},
      {"ok5", "nowhere/at/all", "nowhere/at/all"},
  };
  for (const Case& c : cases)
    maker_.symlink(c.path, c.target);
  for (const Case& c : cases) {
    EXPECT_EQ(target(c.path), c.expected) << c.path << " -> " << c.target;
    EXPECT_TRUE(symlink_unpacks(c.path, target(c.path))) << c.path;
  }
  EXPECT_THAT(findings_.warnings, IsEmpty());
}

TEST_F(EntriesTest, SymlinksWithoutAnEquivalentAreAWarning) {
  maker_.directory("usr").symlink("usr/link", "/somewhere").symlink("bad", "usr/link/../../../x");
  EXPECT_EQ(target("bad"), "usr/link/../../../x");
  EXPECT_THAT(findings_.warnings, ElementsAre(HasSubstr("point outside the image")));
  EXPECT_FALSE(symlink_unpacks("bad", "usr/link/../../../x"));
}

TEST_F(EntriesTest, ChunksDoNotMoveFarFromAnEdit) {
  for (int i = 0; i < 2000; ++i) {
    Entry entry = special("f" + std::to_string(1000000 + i * 7919 % 2000), EntryType::file);
    entry.size = static_cast<std::uint64_t>(i) * 37 % 30000;
    entry.digest = sha256(entry.path);
    maker_.add(entry);
  }
  const auto cut = [&](std::uint64_t changed_size, std::size_t threads = 0) {
    image::LoadedPlan plan = maker_.plan();
    plan.layers[0].entries[500].size = changed_size;
    plan.layers[0].entries[500].digest = sha256("changed");
    Findings findings;
    const Archive archive{"layer",
                          pack_entries(plan.merged(), "image", smolvm_, findings).entries,
                          {},
                          oci::ContentReader({}, {})};
    std::vector<Digest> ids;
    std::uint64_t total = 0;
    const ArchiveChunks chunks = cut_chunks(archive, threads);
    for (const Chunk& chunk : chunks.chunks) {
      EXPECT_LE(chunk.size, kMaximumChunk);
      ids.push_back(chunk.id);
      total += chunk.size;
    }
    EXPECT_EQ(total, chunks.size);
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  const std::vector<Digest> before = cut(10);
  EXPECT_EQ(before, cut(10, 1));
  EXPECT_EQ(before, cut(10, 5));
  // Another value here changes every pack: see kChunkFormat.
  Sha256 all;
  for (const Digest& id : before)
    all.update(id.hex());
  EXPECT_EQ(all.finish().hex(), "7b3415ff50a71bd88d53feb719d95f6cf54ea46448e8ee01378c3a537fecdd9f");
  const std::vector<Digest> after = cut(25000);
  std::vector<Digest> fresh;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(fresh));
  EXPECT_GE(fresh.size(), 1u);
  EXPECT_LE(fresh.size(), 3u);
  EXPECT_GE(before.size(), 15u);
}

}  // namespace
}  // namespace bottle::pack
