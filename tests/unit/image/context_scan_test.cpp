// SPDX-License-Identifier: Apache-2.0
#include "image/context/scan.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "dockerfile/ignore.hpp"
#include "image/context/stat_cache.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ContextScanTest : public ImageTest {
 protected:
  // The paths that the sources of one instruction select.
  std::vector<std::string> taken(const std::vector<std::string>& sources, bool parents = false,
                                 const std::vector<std::string>& excludes = {}) {
    scan(sources, parents, excludes);
    std::vector<std::string> paths;
    for (const oci::Entry& entry : scan_->index(0).entries)
      paths.push_back(entry.path);
    return paths;
  }
  void scan(const std::vector<std::string>& sources, bool parents = false,
            const std::vector<std::string>& excludes = {}) {
    context::ScanOptions options = options_;
    options.root = context();
    options.ignore = &ignore_;
    options.ignore_name = ".dockerignore";
    scan_ = std::make_unique<context::ContextScan>(options, store_directory());
    for (const std::string& source : sources)
      scan_->take(copy::parse_source(source, parents, excludes));
    scan_->close();
    scan_->digest_files();
    check_record(options, sources, parents, excludes);
  }
  // What was taken is all that it takes to find out again what each source takes.
  void check_record(context::ScanOptions options, const std::vector<std::string>& sources, bool parents,
                    const std::vector<std::string>& excludes) const {
    std::vector<oci::Entry> entries;
    bool is_plain = true;
    scan_->for_each_entry([&](const oci::Entry& entry) {
      is_plain = is_plain && entry.type <= oci::EntryType::symlink;
      entries.push_back(entry);
    });
    if (!is_plain) return;  // a key text does not say what they are
    context::ContextScan looked(options, store_directory());
    options.recorded = entries;
    context::ContextScan recorded(options, store_directory());
    for (context::ContextScan* scan : {&looked, &recorded}) {
      for (const std::string& source : sources) {
        scan->take(copy::parse_source(source, parents, excludes));
        scan->close();
      }
      for (const std::string& source : sources)
        scan->take(copy::parse_source(source, parents, excludes));
      scan->close();
      scan->digest_files();
    }
    for (std::size_t set = 0; set <= sources.size(); ++set)
      EXPECT_EQ(recorded.index(set).serialize(), looked.index(set).serialize()) << set;
  }
  std::string refused(const std::vector<std::string>& sources) {
    return error_of([&] { scan(sources); });
  }
  void ignore(const std::vector<std::string>& rules) { ignore_ = dockerfile::IgnoreMatcher(rules); }
  // Relative to the context.
  std::vector<std::string> dependencies() const {
    std::vector<std::string> paths;
    for (const context::Dependency& dependency : scan_->dependencies())
      paths.push_back(fs::path(dependency.path).lexically_relative(context()).native());
    return paths;
  }
  oci::Entry entry(const std::string& path) const {
    for (const oci::Entry& entry : scan_->index(0).entries)
      if (entry.path == path) return entry;
    throw Error("not taken: " + path);
  }

  context::ScanOptions options_;
  dockerfile::IgnoreMatcher ignore_;
  std::unique_ptr<context::ContextScan> scan_;
};

TEST_F(ContextScanTest, LiteralSourceIncludesOneFile) {
  write("a/b.txt", "b");
  write("a/c.txt", "c");
  EXPECT_THAT(taken({"a/b.txt"}), ElementsAre("a/b.txt"));
  EXPECT_THAT(dependencies(), ElementsAre(".", "a", "a/b.txt"))
      << "an older file, or directory, may take the place of each";
  EXPECT_EQ(scan_->files_read(), 1u);
  EXPECT_EQ(entry("a/b.txt").digest, sha256("b"));
  EXPECT_EQ(entry("a/b.txt").size, 1u);
}

TEST_F(ContextScanTest, DirectoryIncludesItsContent) {
  write("a/b.txt", "b");
  write("a/sub/c.txt", "c", 0755);
  write("other/d.txt", "d");
  EXPECT_THAT(taken({"a"}), ElementsAre("a", "a/b.txt", "a/sub", "a/sub/c.txt"));
  EXPECT_THAT(dependencies(), ElementsAre(".", "a", "a/b.txt", "a/sub", "a/sub/c.txt"));
  EXPECT_EQ(entry("a/sub").type, oci::EntryType::directory);
  EXPECT_EQ(entry("a/sub/c.txt").mode, 0755);
  EXPECT_THAT(taken({"."}), ElementsAre("a", "a/b.txt", "a/sub", "a/sub/c.txt", "other", "other/d.txt"));
}

TEST_F(ContextScanTest, SearchesDirectoriesForWildcards) {
  write("a1.txt", "1");
  write("a2.txt", "2");
  write("b.txt", "3");
  write("sub/a3.txt", "4");
  EXPECT_THAT(taken({"a*.txt"}), ElementsAre("a1.txt", "a2.txt"));
  EXPECT_THAT(dependencies(), ElementsAre(".", "a1.txt", "a2.txt")) << "a new match must be noticed";
  EXPECT_THAT(taken({"*/a?.txt"}), ElementsAre("sub/a3.txt"));
  EXPECT_THAT(taken({"z*"}), IsEmpty());
  EXPECT_THAT(dependencies(), ElementsAre("."));
}

TEST_F(ContextScanTest, ErrorsNameTheMissingSource) {
  write("a.txt", "1");
  EXPECT_THAT(refused({"b.txt"}),
              AllOf(HasSubstr("\"b.txt\" is not in the context"), HasSubstr(context().native())));
  EXPECT_THAT(refused({"../b.txt"}), HasSubstr("for a directory outside the context"));
  EXPECT_THAT(refused({"a.txt/b"}), HasSubstr("\"a.txt/b\" is not in the context"));
  ignore({"a.txt"});
  EXPECT_THAT(refused({"a.txt"}), HasSubstr("a rule of .dockerignore excludes the file"));
  EXPECT_THAT(taken({"a*"}), IsEmpty());
}

TEST_F(ContextScanTest, IgnoreRulesExcludeAndInclude) {
  write("a/keep.txt", "1");
  write("a/drop.log", "2");
  write("a/deep/keep.txt", "3");
  write("a/deep/other", "4");
  ignore({"**/*.log"});
  EXPECT_THAT(taken({"a"}), ElementsAre("a", "a/deep", "a/deep/keep.txt", "a/deep/other", "a/keep.txt"));
  ignore({"a", "!a/deep/keep.txt"});
  EXPECT_THAT(taken({"."}), ElementsAre("a", "a/deep", "a/deep/keep.txt"));
  EXPECT_THAT(taken({"a/deep/keep.txt"}), ElementsAre("a/deep/keep.txt"));
  EXPECT_THAT(refused({"a/keep.txt"}), HasSubstr("excludes the file"));
  ignore({"a"});
  EXPECT_THAT(taken({"."}), IsEmpty());
}

TEST_F(ContextScanTest, FollowsTheLinksThatLeadToASource) {
  write("real/file.txt", "1");
  link("link", "real/file.txt");
  link("dir", "real");
  EXPECT_THAT(taken({"dir/file.txt"}), ElementsAre("dir", "real/file.txt"));
  EXPECT_THAT(dependencies(), ElementsAre(".", "real", "real/file.txt"));
  EXPECT_THAT(taken({"link"}), ElementsAre("link", "real/file.txt"));
  // Below a copied directory a link is a link.
  link("real/up", "../../../etc/passwd");
  EXPECT_THAT(taken({"real"}), ElementsAre("real", "real/file.txt", "real/up"));
  EXPECT_EQ(entry("real/up").type, oci::EntryType::symlink);
  EXPECT_EQ(entry("real/up").link, "../../../etc/passwd");
}

TEST_F(ContextScanTest, LinksNeverLeaveTheContext) {
  write("etc/hostname", "inside");
  link("absolute", "/etc/hostname");
  link("climbing", "../../../../etc/hostname");
  for (const char* source : {"absolute", "climbing"}) {
    scan({source});
    EXPECT_EQ(entry("etc/hostname").digest, sha256("inside")) << source;
  }
  link("dangling", "/etc/passwd");
  EXPECT_THAT(refused({"dangling"}), HasSubstr("\"dangling\" is not in the context"));
}

TEST_F(ContextScanTest, LoopsOfLinksAreErrors) {
  link("a", "b");
  link("b", "a");
  EXPECT_THAT(refused({"a"}), Not(IsEmpty()));
  EXPECT_THAT(refused({"a/x"}), Not(IsEmpty()));
  EXPECT_THAT(taken({"."}), ElementsAre("a", "b")) << "not followed, so no loop";
}

TEST_F(ContextScanTest, BuildTreesAreExcluded) {
  write("a.txt", "1");
  write("build/bottles/x", "2");
  write("sub/build/y", "3");
  options_.excludes = {context() / "build"};
  EXPECT_THAT(taken({"."}), ElementsAre("a.txt", "sub", "sub/build", "sub/build/y"));
  EXPECT_THAT(refused({"build/bottles/x"}), HasSubstr("not in the context"));
  EXPECT_THAT(dependencies(), Not(::testing::Contains("build")));
}

TEST_F(ContextScanTest, ExcludedBuildTreeHasManyPaths) {
  write("src/a.txt", "1");
  write("src/build/bottles/x", "2");
  link("alias", "src");
  options_.excludes = {context() / "alias/build"};
  EXPECT_THAT(taken({"."}), ElementsAre("alias", "src", "src/a.txt"));
  EXPECT_THAT(taken({"alias/"}), ElementsAre("alias", "src", "src/a.txt"));
  EXPECT_THAT(refused({"src/build/bottles/x"}), HasSubstr("not in the context"));
  EXPECT_THAT(refused({"alias/build/bottles"}), HasSubstr("not in the context"));
}

TEST_F(ContextScanTest, LeavesOutBuildTreesOfCMake) {
  write("a.txt", "1");
  write("out/debug/CMakeCache.txt", "2");
  write("out/debug/bin/app", "3");
  write("out/notes", "4");
  EXPECT_THAT(taken({"."}), ElementsAre("a.txt", "out", "out/notes"));
  EXPECT_THAT(scan_->build_trees(), ElementsAre("out/debug"));
  EXPECT_THAT(dependencies(), ::testing::Contains("out/debug/CMakeCache.txt")) << "it may cease to be one";
  EXPECT_THAT(taken({"out/*"}), ElementsAre("out/notes"));
  EXPECT_THAT(scan_->build_trees(), ElementsAre("out/debug"));
  EXPECT_THAT(taken({"a.txt"}), ElementsAre("a.txt"));
  EXPECT_THAT(scan_->build_trees(), IsEmpty()) << "not in the way";
  ignore({"out"});
  EXPECT_THAT(taken({"."}), ElementsAre("a.txt"));
  EXPECT_THAT(scan_->build_trees(), IsEmpty()) << "left out by a rule";
}

TEST_F(ContextScanTest, IncludesABuildTreeThatASourceNames) {
  write("a.txt", "1");
  write("out/CMakeCache.txt", "2");
  write("out/bin/app", "3");
  EXPECT_THAT(taken({"out/bin"}), ElementsAre("out/bin", "out/bin/app"));
  EXPECT_THAT(taken({"./out/bin/*"}), ElementsAre("out/bin/app"));
  EXPECT_THAT(taken({"out"}), ElementsAre("out", "out/CMakeCache.txt", "out/bin", "out/bin/app"));
  // In one context it is there for all sources, or for none.
  const std::vector<std::string> all{"a.txt", "out", "out/CMakeCache.txt", "out/bin", "out/bin/app"};
  EXPECT_EQ(taken({".", "out/bin/app"}), all);
  EXPECT_THAT(scan_->build_trees(), IsEmpty());
  context::ScanOptions options;
  options.root = context();
  context::ContextScan scan(options, store_directory());
  for (const std::string source : {".", "out/bin/app", "a.txt"}) {
    scan.take(copy::parse_source(source, false, {}));
    scan.close();
  }
  scan.digest_files();
  EXPECT_EQ(scan.index(0).entries.size(), all.size());
  EXPECT_EQ(scan.index(1).entries.size(), 1u);
  EXPECT_EQ(scan.index(2).entries.size(), 1u);
}

TEST_F(ContextScanTest, ReadsAFileOnceOnly) {
  write("a", "1");
  write("b", "22");
  age(context() / "a");
  // ctime cannot be set back: wait for the window to be over.
  struct stat status {};
  ::stat((context() / "b").c_str(), &status);
  const auto changed = context::FileStatus::of(status).ctime_ns;
  timespec now{};
  do
    ::clock_gettime(CLOCK_REALTIME, &now);
  while (now.tv_sec * 1'000'000'000 + now.tv_nsec <= changed + context::StatCache::kRacyWindow);
  scan({"."});
  EXPECT_EQ(scan_->files_read(), 2u);
  const Digest before = entry("b").digest;
  scan({"."});
  EXPECT_EQ(scan_->files_read(), 0u);
  EXPECT_EQ(entry("b").digest, before);
  write("b", "33");
  scan({"."});
  EXPECT_EQ(scan_->files_read(), 1u);
  EXPECT_EQ(entry("b").digest, sha256("33"));
  age(context() / "b");
  scan({"."});
  EXPECT_EQ(scan_->files_read(), 1u) << "touched";
  EXPECT_EQ(entry("b").digest, sha256("33"));
}

// Same size, same mtime, within the clock's granularity: only not trusting fresh files finds it.
TEST_F(ContextScanTest, DetectsEveryChangeHoweverFast) {
  const timespec times[2] = {{1000, 0}, {1000, 0}};
  for (int i = 0; i < 300; ++i) {
    const std::string content = std::to_string(1000 + i);
    write("a", content);
    ::utimensat(AT_FDCWD, (context() / "a").c_str(), times, 0);
    scan({"a"});
    ASSERT_EQ(entry("a").digest, sha256(content)) << i;
  }
}

TEST_F(ContextScanTest, AFileThatKeepsChangingIsAnError) {
  write("busy", std::string(16u << 20, 'x'));
  std::atomic<bool> is_done = false;
  std::thread writer([&] {
    const Fd file(::open((context() / "busy").c_str(), O_WRONLY));
    while (!is_done)
      (void)!::pwrite(file.get(), "y", 1, 0);
  });
  // On a busy machine the writer may be away for as long as one reading takes.
  std::string error;
  for (int i = 0; i < 50 && error.empty(); ++i)
    error = refused({"busy"});
  is_done = true;
  writer.join();
  EXPECT_THAT(error, AllOf(HasSubstr("busy"), HasSubstr("the file changed while it was read")));
}

TEST_F(ContextScanTest, TargetContextsHaveExactlyTheirFiles) {
  write("out/bin/tool", "elf", 0755);
  write("out/lib/libx.so.1.2", "so");
  link("out/lib/libx.so", "libx.so.1.2");
  options_.root_name = "context:app";
  options_.files = {{"tool", context() / "out/bin/tool"}, {"libx.so", context() / "out/lib/libx.so"}};
  EXPECT_THAT(taken({"."}), ElementsAre("libx.so", "tool"));
  EXPECT_EQ(entry("tool").mode, 0755);
  EXPECT_EQ(entry("libx.so").type, oci::EntryType::file);
  EXPECT_EQ(entry("libx.so").digest, sha256("so"));
  EXPECT_THAT(dependencies(), ElementsAre("out/bin/tool", "out/lib/libx.so.1.2"));
  EXPECT_THAT(taken({"to*"}), ElementsAre("tool"));
  EXPECT_THAT(refused({"bin"}), HasSubstr("not in the context"));
  scan({"."});
  const auto roots = scan_->context_roots();
  const oci::LayerIndex index = scan_->index(0);
  for (const oci::Entry& each : index.entries)
    EXPECT_EQ(sha256(read_file(roots.at(index.roots[each.place.root]) / each.place.path.view())),
              each.digest);
  options_.files["gone"] = context() / "out/gone";
  EXPECT_THAT(refused({"."}), HasSubstr("out/gone"));
}

TEST_F(ContextScanTest, GitModesKeepTheExecutableBitOnly) {
  write("a/plain", "1", 0600);
  write("a/tool", "2", 0710);
  write("a/group", "3", 0674);
  fs::permissions(context() / "a", fs::perms(0700));
  scan({"a"});
  EXPECT_EQ(entry("a").mode, 0700);
  EXPECT_EQ(entry("a/plain").mode, 0600);
  options_.git_modes = true;
  scan({"a"});
  EXPECT_EQ(entry("a").mode, 0755);
  EXPECT_EQ(entry("a/plain").mode, 0644);
  EXPECT_EQ(entry("a/tool").mode, 0755);
  EXPECT_EQ(entry("a/group").mode, 0644);
}

TEST_F(ContextScanTest, PortableExtendedAttributesAreKept) {
  write("a", "1");
  if (::setxattr((context() / "a").c_str(), "user.note", "x y", 3, 0) != 0)
    GTEST_SKIP() << "no user attributes";
  scan({"a"});
  EXPECT_THAT(entry("a").xattrs, ElementsAre(::testing::Pair("user.note", "x y")));
  ::setxattr((context() / "a").c_str(), "user.note", "z", 1, 0);
  scan({"a"});
  EXPECT_THAT(entry("a").xattrs, ElementsAre(::testing::Pair("user.note", "z")));
  ::removexattr((context() / "a").c_str(), "user.note");
  scan({"a"});
  EXPECT_THAT(entry("a").xattrs, IsEmpty());
}

TEST_F(ContextScanTest, LeavesSocketsOutAndKeepsFifos) {
  write("a/file", "1");
  ASSERT_EQ(::mkfifo((context() / "a/fifo").c_str(), 0644), 0);
  ASSERT_EQ(::mknod((context() / "a/socket").c_str(), S_IFSOCK | 0644, 0), 0);
  EXPECT_THAT(taken({"a"}), ElementsAre("a", "a/fifo", "a/file"));
  EXPECT_EQ(entry("a/fifo").type, oci::EntryType::fifo);
}

TEST_F(ContextScanTest, ParentsAndExcludesChooseBelow) {
  write("a/x.c", "1");
  write("a/x.o", "2");
  write("a/b/y.c", "3");
  EXPECT_THAT(taken({"a"}, false, {"*.o"}), ElementsAre("a", "a/b", "a/b/y.c", "a/x.c"));
  EXPECT_THAT(taken({"a/b/y.c"}, true), ::testing::Contains("a/b/y.c"));
  EXPECT_THAT(taken({"a/b/y.c"}, true), Not(::testing::Contains("a/x.c")));
}

TEST_F(ContextScanTest, ParentsFollowLinksBeforeThePivotOnly) {
  write("real/sub/f", "1");
  fs::create_symlink("real", context() / "link");
  fs::create_symlink("link", context() / "twice");
  fs::create_symlink("sub", context() / "real/inner");
  for (const char* source : {"link/./sub/f", "twice/./sub/f", "./link/./sub/f", "link/sub/./f",
                             "real/inner/./f", "link/inner/./f", "/link/./sub"})
    EXPECT_THAT(taken({source}, true), ::testing::Contains("real/sub/f")) << source;
  for (const char* source : {"link/./inner/f", "link/sub/f", "link/./sub/none"})
    EXPECT_THAT(error_of([&] { taken({source}, true); }), HasSubstr("is not in the context")) << source;
}

TEST_F(ContextScanTest, MissingContextIsAnError) {
  context::ScanOptions options;
  options.root = directory() / "none";
  EXPECT_THAT(error_of([&] { context::ContextScan scan(options, store_directory()); }), HasSubstr("none"));
}

}  // namespace
}  // namespace bottle::image
