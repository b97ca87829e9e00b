// SPDX-License-Identifier: Apache-2.0
// COPY and ADD on small trees written as text. What BuildKit answers to whole Dockerfiles is compared by the
// conformance suite; here every rule has its own case.
#include "copy/copy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::copy {
namespace {

using oci::Entry;
using oci::EntryType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kEpoch = 1000;

// "d path [mode [uid]]", "f path [mode [uid [content]]]", "l path target", "h path other"
oci::LayerIndex layer(const std::vector<std::string>& lines) {
  oci::LayerIndex index;
  for (const std::string& line : lines) {
    std::istringstream words(line);
    char type = 0;
    Entry entry;
    words >> type >> entry.path;
    entry.mtime = 7;
    if (type == 'l' || type == 'h') {
      entry.type = type == 'l' ? EntryType::symlink : EntryType::hardlink;
      entry.mode = type == 'l' ? 0777 : 0644;
      std::string link;
      words >> link;
      entry.link = link;
    } else {
      std::string mode = type == 'd' ? "755" : "644";
      std::string content = entry.path;
      words >> mode >> entry.uid >> content;
      entry.mode = static_cast<std::uint16_t>(*parse_unsigned(mode, 8));
      entry.gid = entry.uid;
      entry.type = type == 'd' ? EntryType::directory : EntryType::file;
      if (type == 'f') {
        entry.size = content.size();
        entry.digest = sha256(content);
        entry.place.root = index.root("context");
        entry.place.path = content;
      }
    }
    index.entries.push_back(std::move(entry));
  }
  return index;
}

oci::MergedTree tree(const std::vector<std::string>& lines) {
  oci::MergedTree result;
  result.apply(layer(lines), "test");
  return result;
}

std::vector<std::string> shown(const oci::LayerIndex& index) {
  std::vector<std::string> lines;
  for (const Entry& entry : index.entries) {
    std::ostringstream line;
    line << "fdlhcbpwo"[static_cast<int>(entry.type)] << ' ' << entry.path;
    if (entry.type == EntryType::file || entry.type == EntryType::directory) {
      line << ' ' << std::oct << entry.mode << std::dec;
      if (entry.uid != 0 || entry.gid != 0) line << ' ' << entry.uid << ':' << entry.gid;
      if (entry.type == EntryType::file) line << " =" << entry.place.path.view();
    }
    if (!entry.link.empty()) line << " -> " << entry.link.view();
    lines.push_back(line.str());
  }
  return lines;
}

class Copy : public testing::Test {
 protected:
  Copy() { request_.epoch = kEpoch; }

  oci::LayerIndex run(std::vector<std::string> sources, const std::string& destination) {
    request_.sources = std::move(sources);
    request_.destination = destination;
    request_.warn = [this](const std::string& line) { warnings_.push_back(line); };
    const auto opener = [this](const Entry& entry,
                               const std::vector<std::string>&) -> std::optional<oci::LayerIndex> {
      if (entry.place.path.view().find("tar") == std::string_view::npos) return std::nullopt;
      return archive_;
    };
    return copy(from_, to_, request_, opener);
  }
  std::string failure(std::vector<std::string> sources, const std::string& destination) {
    try {
      run(std::move(sources), destination);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  oci::MergedTree from_ = tree({"f a", "f b 600", "d dir 700 5", "f dir/x 4755 5", "d dir/sub", "f dir/sub/y",
                                "l link dir", "l filelink a", "f z.tar"});
  oci::MergedTree to_;
  oci::LayerIndex archive_;
  CopyRequest request_;
  std::vector<std::string> warnings_;
};

TEST_F(Copy, DestinationDeterminesThePath) {
  EXPECT_THAT(shown(run({"a"}, "/n")), ElementsAre("f n 644 =a"));
  EXPECT_THAT(shown(run({"a"}, "/n/")), ElementsAre("d n 755", "f n/a 644 =a"));
  EXPECT_THAT(shown(run({"./a", "/b"}, "p/q/")),
              ElementsAre("d p 755", "d p/q 755", "f p/q/a 644 =a", "f p/q/b 600 =b"));
  request_.workdir = "/w";
  EXPECT_THAT(shown(run({"a"}, ".")), ElementsAre("d w 755", "f w/a 644 =a"));
  EXPECT_THAT(shown(run({"a"}, "")), ElementsAre("d w 755", "f w/a 644 =a"));
  EXPECT_THAT(shown(run({"a"}, "../n")), ElementsAre("f n 644 =a"));
  EXPECT_TRUE(warnings_.empty());
  EXPECT_THAT(shown(run({"a", "b"}, "/n")), ElementsAre("f n 600 =b"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("\"/n/\"")));
}

TEST_F(Copy, DirectoryContentsAreCopied) {
  // The attributes of a directory that is named itself are not copied; those of what is below are.
  EXPECT_THAT(shown(run({"dir"}, "/n")),
              ElementsAre("d n 755", "d n/sub 755", "f n/sub/y 644 =dir/sub/y", "f n/x 4755 5:5 =dir/x"));
  EXPECT_EQ(shown(run({"dir/"}, "/n/")), shown(run({"dir/."}, "/n")));
  EXPECT_EQ(shown(run({"link"}, "/n")), shown(run({"dir"}, "/n")));
  EXPECT_EQ(run({"."}, "/").digest(), run({"/"}, ".").digest());
  EXPECT_EQ(run({"."}, "/").entries.size(), 9u);
}

TEST_F(Copy, FollowsLinksInSourcesOnly) {
  EXPECT_THAT(shown(run({"filelink"}, "/")), ElementsAre("f filelink 644 =a"));
  EXPECT_THAT(shown(run({"link/x"}, "/")), ElementsAre("f x 4755 5:5 =dir/x"));
  from_ = tree({"d d", "l d/inner ../nowhere", "l loop loop"});
  EXPECT_THAT(shown(run({"d"}, "/")), ElementsAre("l inner -> ../nowhere"));
  EXPECT_THAT(failure({"loop"}, "/"), HasSubstr("too many symbolic links"));
}

TEST_F(Copy, FollowsLinksOfTheDestination) {
  to_ = tree({"l lib usr/lib", "d usr 711", "l cut /gone/deep", "f file", "l last file"});
  EXPECT_THAT(shown(run({"a"}, "/lib/")), ElementsAre("d usr 711", "d usr/lib 755", "f usr/lib/a 644 =a"));
  EXPECT_THAT(shown(run({"a"}, "/cut/x")),
              ElementsAre("d gone 755", "d gone/deep 755", "f gone/deep/x 644 =a"));
  EXPECT_THAT(shown(run({"a"}, "/last")), ElementsAre("f file 644 =a"));
  from_ = tree({"f d/last"});
  EXPECT_THAT(shown(run({"d"}, "/")),
              ElementsAre("f last 644 =d/last"));  // as a name in a directory it is replaced
}

TEST_F(Copy, WildcardsMatchSources) {
  from_ = tree({"f a.c", "f b.c", "d d", "f d/c.c", "f d/e/f.c", "f s[1]"});
  EXPECT_THAT(shown(run({"*.c"}, "/n/")), ElementsAre("d n 755", "f n/a.c 644 =a.c", "f n/b.c 644 =b.c"));
  EXPECT_THAT(shown(run({"d/*"}, "/")), ElementsAre("f c.c 644 =d/c.c", "f f.c 644 =d/e/f.c"));
  EXPECT_THAT(shown(run({"*/e"}, "/")), ElementsAre("f f.c 644 =d/e/f.c"));
  EXPECT_THAT(shown(run({"s[[]1]"}, "/")), ElementsAre("f s[1] 644 =s[1]"));
  EXPECT_THAT(shown(run({"no*"}, "/n/")), IsEmpty());
  EXPECT_THAT(failure({"no/*"}, "/n/"), HasSubstr("directory \"/no\" of the pattern"));
  EXPECT_THAT(failure({"[a"}, "/n/"), HasSubstr("malformed pattern"));
}

TEST_F(Copy, ImpossibleCopiesAreErrors) {
  EXPECT_THAT(failure({"a", "none"}, "/n/"), HasSubstr("\"/none\" not found"));
  EXPECT_THAT(failure({"../none"}, "/n/"), HasSubstr("\"..\" at the root"));
  to_ = tree({"d d/a", "f f"});
  EXPECT_THAT(failure({"a"}, "/d"), HasSubstr("cannot replace the directory \"/d/a\""));
  EXPECT_THAT(failure({"dir"}, "/f"), HasSubstr("cannot copy a directory to \"/f\""));
  EXPECT_THAT(failure({"a"}, "/f/"), HasSubstr("\"/f\": it is a file"));
  EXPECT_THAT(failure({"a"}, "/f/x"), HasSubstr("\"/f\": it is a file"));
}

TEST_F(Copy, LayerHasOnlyChangedEntries) {
  to_ = tree({"d d 711", "f d/same", "f other"});
  from_ = tree({"d s 700", "f s/same 644 0 d/same"});
  request_.keep_times = true;
  request_.sources = {"s"};
  const auto made = shown(run({"s/same"}, "/d/"));
  EXPECT_THAT(made, IsEmpty());
  from_ = tree({"f s/d/new"});
  EXPECT_THAT(shown(run({"s"}, "/")),
              ElementsAre("d d 755", "f d/new 644 =s/d/new"));  // 755: it was copied onto
}

TEST_F(Copy, TimesAreTheEpochOrTheSources) {
  for (const Entry& entry : run({"dir"}, "/n").entries)
    EXPECT_EQ(entry.mtime, kEpoch) << entry.path;
  request_.keep_times = true;
  for (const Entry& entry : run({"dir"}, "/p/n").entries) {
    EXPECT_EQ(entry.mtime, entry.path == "p" ? kEpoch : 7) << entry.path;
  }
}

TEST_F(Copy, OwnerAndModeAreSet) {
  request_.chown = "3:4";
  EXPECT_THAT(shown(run({"dir/x"}, "/n/")), ElementsAre("d n 755 3:4", "f n/x 4755 3:4 =dir/x"));
  request_.chmod = "2750";
  EXPECT_THAT(shown(run({"dir"}, "/n")),
              ElementsAre("d n 750 3:4", "d n/sub 2750 3:4", "f n/sub/y 2750 3:4 =dir/sub/y",
                          "f n/x 2750 3:4 =dir/x"));
  request_.chmod = "go=u-w";
  request_.chown.reset();
  EXPECT_THAT(shown(run({"b"}, "/n/")), ElementsAre("d n 755", "f n/b 644 =b"));
  request_.chmod = "999";
  EXPECT_THAT(failure({"b"}, "/n/"), HasSubstr("--chmod=999"));
}

TEST_F(Copy, HardLinksStayInsideOneSource) {
  from_ = tree({"f out", "h d/one out", "h d/two out", "h e/three out"});
  EXPECT_THAT(shown(run({"d"}, "/")), ElementsAre("f one 644 =out", "h two -> one"));
  EXPECT_THAT(shown(run({"d/one", "d/two"}, "/")), ElementsAre("f one 644 =out", "f two 644 =out"));
  EXPECT_THAT(shown(run({"."}, "/")), ElementsAre("d d 755", "f d/one 644 =out", "h d/two -> d/one",
                                                  "d e 755", "h e/three -> d/one", "h out -> d/one"));
}

TEST_F(Copy, ParentsKeepsDirectories) {
  from_ = tree({"d x 700", "d x/y 711", "f x/y/f", "f x/g", "f z/f"});
  request_.parents = true;
  EXPECT_THAT(shown(run({"x/*/f"}, "/p/")),
              ElementsAre("d p 755", "d p/x 700", "d p/x/y 711", "f p/x/y/f 644 =x/y/f"));
  EXPECT_THAT(shown(run({"./x/./y/f"}, "/p/")), ElementsAre("d p 755", "d p/y 711", "f p/y/f 644 =x/y/f"));
  EXPECT_THAT(shown(run({"**/f"}, "/")),
              ElementsAre("d x 700", "d x/y 711", "f x/y/f 644 =x/y/f", "d z 755", "f z/f 644 =z/f"));
  EXPECT_THAT(failure({"x/none"}, "/p/"), HasSubstr("\"/x/none\" not found"));
  from_ = tree({"d x", "d x/y", "f x/y/f", "l k x", "l x/l y"});
  EXPECT_THAT(shown(run({"k/./y/f"}, "/p/")), ElementsAre("d p 755", "d p/y 755", "f p/y/f 644 =x/y/f"));
  EXPECT_THAT(shown(run({"k/l/./f"}, "/p/")), ElementsAre("d p 755", "f p/f 644 =x/y/f"));
  EXPECT_THAT(failure({"k/./l/f"}, "/p/"), HasSubstr("\"/k/l/f\" not found"));
  EXPECT_THAT(failure({"./"}, "/p/"), HasSubstr("\"/\" not found"));
}

TEST_F(Copy, ExcludesAreNotCopied) {
  request_.excludes = {"sub", "!sub/y"};
  EXPECT_THAT(shown(run({"dir"}, "/")),
              ElementsAre("d sub 755", "f sub/y 644 =dir/sub/y", "f x 4755 5:5 =dir/x"));
  request_.excludes = {"**/y", "x"};
  EXPECT_THAT(shown(run({"dir"}, "/n")), ElementsAre("d n 755", "d n/sub 755"));
  EXPECT_THAT(shown(run({"dir/x"}, "/")), ElementsAre("f x 4755 5:5 =dir/x"));  // named itself
}

TEST_F(Copy, LinkIgnoresTheDestination) {
  to_ = tree({"l n elsewhere", "d p 700", "f p/a 644 0 a"});
  request_.link = true;
  EXPECT_THAT(shown(run({"a"}, "/n/")), ElementsAre("d n 755", "f n/a 644 =a"));
  EXPECT_THAT(shown(run({"a"}, "/p/")), ElementsAre("d p 755", "f p/a 644 =a"));
  request_.chown = "web";
  EXPECT_THAT(failure({"a"}, "/p/"), HasSubstr("cannot look up"));
}

TEST_F(Copy, HeredocsBecomeFiles) {
  request_.inlines = {{"h.txt", sha256("hi"), 2, "blob:sha256:x"}, {"empty", sha256(""), 0, "blob:sha256:y"}};
  request_.chmod = "600";
  const auto made = run({"a"}, "/n/");
  EXPECT_THAT(shown(made), ElementsAre("d n 600", "f n/a 600 =a", "f n/empty 600 =", "f n/h.txt 600 ="));
  EXPECT_THAT(made.roots, ElementsAre("context", "blob:sha256:x"));
}

TEST_F(Copy, OnlyCapabilitiesAreKeptOfExtendedAttributes) {
  oci::LayerIndex source = layer({"f a"});
  source.entries[0].xattrs = {{"security.capability", "c"}, {"user.a", "b"}};
  from_ = {};
  from_.apply(source, "test");
  EXPECT_THAT(run({"a"}, "/").entries[0].xattrs, ElementsAre(testing::Pair("security.capability", "c")));
}

TEST_F(Copy, AddUnpacksArchives) {
  archive_ = layer({"f s/deep 640 9", "l up ..", "f up/top", "l abs /t", "f abs/in", "h again s/deep"});
  EXPECT_THAT(shown(run({"z.tar"}, "/n")), ElementsAre("f n 644 =z.tar"));
  request_.is_add = true;
  EXPECT_THAT(
      shown(run({"z.tar"}, "/n")),
      ElementsAre("d n 755", "l n/abs -> /t", "f n/again 644 =s/deep", "d n/s 755", "h n/s/deep -> n/again",
                  "d n/t 755", "f n/t/in 644 =abs/in", "f n/top 644 =up/top", "l n/up -> .."));
  request_.chown = "1:2";
  EXPECT_THAT(shown(run({"z.tar"}, "/n")), testing::Contains("h n/s/deep -> n/again"));
  EXPECT_THAT(shown(run({"z.tar"}, "/n")), testing::Contains("f n/again 644 1:2 =s/deep"));
  EXPECT_THAT(shown(run({"z.tar"}, "/n")), testing::Contains("d n/s 755"));
  EXPECT_THAT(shown(run({"a"}, "/n/")), testing::Contains("f n/a 644 1:2 =a"));
  request_.unpack = false;
  EXPECT_THAT(shown(run({"z.tar"}, "/n")), ElementsAre("f n 644 1:2 =z.tar"));
}

TEST_F(Copy, ArchivesReplaceExistingEntries) {
  request_.is_add = true;
  to_ = tree({"f one", "d two", "f two/below", "l three two"});
  archive_ = layer({"d one", "f two", "f three"});
  EXPECT_THAT(shown(run({"z.tar"}, "/")), ElementsAre("d one 755", "f three 644 =three", "f two 644 =two"));
  archive_ = layer({"f two", "d two 711"});
  EXPECT_THAT(shown(run({"z.tar"}, "/")), ElementsAre("d two 711", "o two"));
  archive_ = layer({"f new", "h h missing"});
  EXPECT_THAT(failure({"z.tar"}, "/"), HasSubstr("hard link to \"missing\", which does not exist"));
}

TEST_F(Copy, NamesOfWhiteoutsAreWhiteouts) {
  request_.is_add = true;
  archive_ = layer({"f d/.wh.gone", "f e/.wh..wh..opq"});
  EXPECT_THAT(shown(run({"z.tar"}, "/")), ElementsAre("d d 755", "w d/gone", "d e 755", "o e"));
}

}  // namespace
}  // namespace bottle::copy
