// SPDX-License-Identifier: Apache-2.0
// What goes through the lock: images, URLs and repositories of Dockerfiles, without a network.
#include "image/lock_update.hpp"
#include "image/model/export.hpp"
#include "image/remote/git.hpp"
#include "image/remote/url.hpp"
#include "oci/image_source.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kBase = "registry.invalid/team/base:1";

class LockSourcesTest : public ImageTest {
 protected:
  LockSourcesTest() {
    write("base/a", "a of base");
    write("base/Dockerfile", R"(FROM scratch
COPY a /a
ENV NAME=value
)");
    exported_ = export_layout(build_and_save(spec_of("base")), store(), layout(), "base:1");
    fs::remove_all(store_directory());  // what is there later came through the lock
  }
  fs::path layout() const { return directory() / "layout"; }
  fs::path lock() const { return context() / kLockName; }

  // What bottle-lock update does.
  FoundSources update(const BuildSpec& spec, const std::vector<std::string>& names = {}) const {
    LockRequest request;
    request.specs = {spec};
    for (const std::string& name : names)
      request.names.insert(canonical_source(name));
    request.from.push_back({.name = kBase, .kind = ContextKind::oci_layout, .value = layout()});
    const FoundSources found = find_sources(request, load_lock(lock()), store());
    change_lock(lock(), [&](Lock& lock) {
      for (const auto& [name, source] : found.sources)
        lock.put(name, source);
    });
    return found;
  }

  ExportReport exported_;
};

TEST_F(LockSourcesTest, AnUnlockedImageIsAnErrorWithTheCommand) {
  dockerfile(R"(FROM scratch
COPY Dockerfile /
FROM registry.invalid/team/base:1
)");
  EXPECT_THAT(error_of([&] { key_text(); }),
              AllOf(HasSubstr("Dockerfile:3:1"), HasSubstr("not locked"),
                    HasSubstr("bottle-lock update --lock " + lock().native() + " --context " +
                              context().native() + " --platform linux/amd64 " + kBase)));
  BuildSpec from_file = spec();
  from_file.file = "/a b/spec.json";
  EXPECT_THAT(error_of([&] { key_text(from_file); }),
              HasSubstr("--spec '/a b/spec.json' " + std::string(kBase)));
  dockerfile("FROM scratch\nRUN --mount=from=registry.invalid/team/base:1,target=/m x\n");
  EXPECT_THAT(error_of([&] { key_text(); }), AllOf(HasSubstr("Dockerfile:2"), HasSubstr("not locked")));
  dockerfile("FROM Not/Valid\n");
  EXPECT_THAT(error_of([&] { key_text(); }), HasSubstr("Dockerfile:1:1"));
}

TEST_F(LockSourcesTest, ABottleOfCMakeIsLockedByItsTargetToo) {
  dockerfile("FROM registry.invalid/team/base:1\n");
  BuildSpec of_project = spec();
  of_project.file = "/build/bottles/a/spec.json";
  of_project.build_tree = "/a b";
  EXPECT_THAT(error_of([&] { key_text(of_project); }),
              AllOf(HasSubstr("--spec /build/bottles/a/spec.json " + std::string(kBase) + ", or "),
                    HasSubstr("cmake --build '/a b' --target bottle-lock")));
}

TEST_F(LockSourcesTest, CheckQueriesLockedSourcesOnly) {
  dockerfile(R"(FROM base
COPY --from=registry.invalid/team/base:1 /a /a
ADD https://x.invalid/y /
)");
  LockRequest request;
  request.specs = {spec()};
  request.from.push_back({.name = kBase, .kind = ContextKind::oci_layout, .value = layout()});
  request.locked_only = true;
  Lock lock;
  lock.put(kBase, LockedImage{.tag = "1"});
  const FoundSources found = find_sources(request, lock, store());
  EXPECT_EQ(found.sources.size(), 1u);
  EXPECT_TRUE(found.sources.contains(kBase));
  EXPECT_EQ(found.missing, (std::map<std::string, std::string>{{"docker.io/library/base:latest", "image"},
                                                               {"https://x.invalid/y", "url"}}));
}

TEST_F(LockSourcesTest, ALockedImageIsABaseAndASourceWithoutANetwork) {
  dockerfile(
      R"(FROM registry.invalid/team/base:1
COPY --from=registry.invalid/team/base:1 /a /$NAME
COPY Dockerfile /d
)");
  EXPECT_THAT(update(spec()).used, ElementsAre(kBase));
  const LoadedPlan image = build(spec()).image;
  EXPECT_EQ(content(image, "value"), "a of base");
  EXPECT_THAT(key_text(), HasSubstr("source " + std::string(kBase) + " = image " +
                                    exported_.image_digest.string() + "\n"));
  EXPECT_THAT(resolve::dependency_paths(resolve::resolve_image(spec(), store())), Contains(lock().native()));
  // The same image by a context has the same identity.
  BuildSpec named = spec();
  named.contexts.push_back({.name = "other", .kind = ContextKind::image, .reference = kBase});
  dockerfile("FROM other\n");
  EXPECT_THAT(key_text(named), HasSubstr("image " + exported_.image_digest.string()));
}

TEST_F(LockSourcesTest, LockIsAnInputOnlyIfItIsNeeded) {
  dockerfile("FROM scratch\nCOPY base /\n");
  EXPECT_THAT(resolve::dependency_paths(resolve::resolve_image(spec(), store())),
              Not(Contains(lock().native())));
  write(kLockName, "broken");
  EXPECT_EQ(error_of([&] { key_text(); }), "");
  dockerfile("FROM registry.invalid/team/base:1\n");
  EXPECT_THAT(error_of([&] { key_text(); }), HasSubstr(lock().native()));
}

TEST_F(LockSourcesTest, ADigestNeedsNoLock) {
  dockerfile("FROM registry.invalid/team/base:1\n");
  update(spec());
  fs::remove(lock());
  dockerfile("FROM registry.invalid/team/base@" + exported_.image_digest.string() + "\n");
  EXPECT_THAT(key_text(), HasSubstr("image " + exported_.image_digest.string()));
  EXPECT_THAT(resolve::dependency_paths(resolve::resolve_image(spec(), store())),
              Not(Contains(lock().native())));
}

TEST_F(LockSourcesTest, AnotherPlatformIsAnError) {
  dockerfile("FROM registry.invalid/team/base:1\n");
  update(spec());
  BuildSpec arm = spec();
  arm.platform = "linux/arm64";
  EXPECT_THAT(error_of([&] { key_text(arm); }),
              AllOf(HasSubstr("Dockerfile:1:1"), HasSubstr("not available for linux/arm64"),
                    HasSubstr("linux/amd64")));
  dockerfile("FROM --platform=linux/amd64 registry.invalid/team/base:1\n");
  EXPECT_THAT(key_text(arm), HasSubstr("image " + exported_.image_digest.string()));
}

// docker buildx build --build-context, "docker.io/library/alpine=...".
TEST_F(LockSourcesTest, AContextMayHaveTheFullNameOfAnImage) {
  for (const char* name :
       {"docker.io/library/base:1", "base:1", "library/base:1", "index.docker.io/library/base:1"}) {
    BuildSpec named = spec();
    named.contexts.push_back({.name = name, .kind = ContextKind::oci_layout, .value = layout()});
    for (const char* from : {"base:1", "docker.io/library/base:1"}) {
      dockerfile(std::string("FROM ") + from + "\n");
      EXPECT_THAT(key_text(named), HasSubstr("image " + exported_.image_digest.string()))
          << name << " " << from;
    }
  }
}

TEST_F(LockSourcesTest, OnlyNeededStagesAreLookedUp) {
  dockerfile(R"(FROM unreachable.invalid/x AS unused
FROM registry.invalid/team/base:1
COPY missing /
)");
  EXPECT_THAT(update(spec()).used, ElementsAre(kBase));
}

TEST_F(LockSourcesTest, OtherEntriesStayLocked) {
  dockerfile(
      R"(FROM registry.invalid/team/base:1
ADD https://host.invalid/f /
ADD https://host.invalid/g /
)");
  Lock before;
  before.put("https://host.invalid/f", LockedUrl{.digest = sha256("f"), .size = 1});
  before.put("https://host.invalid/g", LockedUrl{.digest = sha256("g"), .size = 1});
  write(kLockName, before.serialize());
  const FoundSources found = update(spec(), {kBase});
  EXPECT_EQ(found.sources.size(), 1u);
  EXPECT_EQ(found.used.size(), 3u);
  EXPECT_EQ(load_lock(lock()).sources.size(), 3u);
}

TEST_F(LockSourcesTest, AFrontendIsLockedButNotNeeded) {
  dockerfile(R"(# syntax=registry.invalid/team/base:1
FROM scratch
COPY base /
)");
  EXPECT_EQ(error_of([&] { key_text(); }), "");
  EXPECT_THAT(update(spec()).used, ElementsAre(kBase));
}

TEST_F(LockSourcesTest, RemoteFilesAreNotLocked) {
  const auto refused = [&](const std::string& line) {
    dockerfile("FROM scratch\n" + line + "\n");
    return error_of([&] { key_text(); });
  };
  EXPECT_THAT(refused("ADD https://me:secret@host.invalid/f /"),
              AllOf(HasSubstr("Dockerfile:2:1"), HasSubstr("https://host.invalid/f\" is not locked"),
                    Not(HasSubstr("the URL \"https://me"))));
  EXPECT_THAT(refused("ADD https://host.invalid/r.git#main /"), HasSubstr("r.git#main\" is not locked"));
  EXPECT_THAT(refused("ADD https://host.invalid/.. /"), HasSubstr("not a valid file name"));
  EXPECT_THAT(refused("COPY https://host.invalid/f /"), HasSubstr("use ADD"));
}

TEST_F(LockSourcesTest, KeysHoldContentsAndNoCredentials) {
  const std::string sum = sha256("x").string();
  const std::string commit(40, 'c');
  dockerfile("FROM scratch\nADD --checksum=" + sum +
             " https://me:secret@host.invalid/dir/f /x\nADD https://me:secret@host.invalid/r.git#" + commit +
             ":d /r\n");
  const std::string text = key_text();
  EXPECT_THAT(text, HasSubstr("ADD https://host.invalid/dir/f (url " + sum + " f) /x\n"));
  EXPECT_THAT(text,
              HasSubstr("ADD https://host.invalid/r.git#" + commit + " (git " + commit + " subdir=d) /r\n"));
  EXPECT_THAT(text, Not(HasSubstr("secret")));
  const std::string config = resolve::resolve_image(spec(), store()).target().config.text();
  EXPECT_THAT(config, AllOf(HasSubstr("https://host.invalid/dir/f"), Not(HasSubstr("secret"))));
}

TEST(SourceNameTest, LeavesCredentialsOut) {
  EXPECT_EQ(remote::without_credentials("https://me:secret@host/a@b?c=d@e"), "https://host/a@b?c=d@e");
  EXPECT_EQ(remote::without_credentials("https://token@host"), "https://host");
  EXPECT_EQ(remote::without_credentials("https://host/a@b"), "https://host/a@b");
  EXPECT_EQ(remote::without_credentials("https://a@b@host/x"), "https://host/x");
  EXPECT_EQ(remote::without_credentials("ssh://git@host/x"), "ssh://git@host/x");
  EXPECT_EQ(remote::without_credentials("ssh://git:secret@host/x"), "ssh://git@host/x");
  EXPECT_EQ(remote::without_credentials("git@host:a/b"), "git@host:a/b");
  EXPECT_EQ(remote::without_credentials("https://host/\xc3\xa4\x01"), "https://host/%C3%A4%01");
}

TEST(SourceNameTest, SpellingsHaveOneName) {
  EXPECT_EQ(canonical_source("debian"), "docker.io/library/debian:latest");
  EXPECT_EQ(canonical_source("https://a:b@host/f"), "https://host/f");
  EXPECT_EQ(canonical_source("https://host/r.git#v1:dir"), "https://host/r.git#v1");
  EXPECT_EQ(canonical_source("https://host/r.git?ref=v1&subdir=dir"), "https://host/r.git#v1");
  EXPECT_THAT(error_of([] { canonical_source("Not A Name"); }), HasSubstr("Not A Name"));
}

TEST(GitSourceTest, NamesAreNeverOptions) {
  const auto refused = [](const std::string& remote, const std::string& ref) {
    return error_of([&] { remote::resolve_git({.remote = remote, .ref = ref}); });
  };
  EXPECT_THAT(refused("--upload-pack=x", ""), HasSubstr("is not a git remote"));
  EXPECT_THAT(refused("ssh://-oProxyCommand=x/y", ""), HasSubstr("is not a git remote"));
  EXPECT_THAT(refused("git@-oProxyCommand=x:y", ""), HasSubstr("is not a git remote"));
  EXPECT_THAT(refused("ssh://a@-oProxyCommand=x/y", ""), HasSubstr("is not a git remote"));
  EXPECT_THAT(refused("https://host/r.git", "--upload-pack=x"), HasSubstr("is not a name of a commit"));
  EXPECT_THAT(refused("https://host/r.git", "a..b"), HasSubstr("is not a name of a commit"));
  EXPECT_THAT(refused("https://host/r.git", "a:b"), HasSubstr("is not a name of a commit"));
  EXPECT_THAT(refused("https://host/r.git", "refs/heads/*"), HasSubstr("is not a name of a commit"));
  // Neither files of this machine nor other programs.
  EXPECT_THAT(refused("file:///etc/r.git", ""), HasSubstr("not allowed"));
  EXPECT_THAT(refused("ext::sh -c true", ""), HasSubstr("not allowed"));
  EXPECT_THAT(refused("/etc/r.git", ""), HasSubstr("not allowed"));
}

TEST(GitSourceTest, IdentityCoversTheCopiedFiles) {
  const LockedGit locked{.commit = std::string(40, 'a'), .ref = "refs/heads/main"};
  const std::string commit = "git " + locked.commit;
  EXPECT_EQ(remote::git_identity({.remote = "https://x:y@h/r.git"}, locked), commit);
  EXPECT_EQ(remote::git_identity({.remote = "https://h/r.git", .subdir = "a b"}, locked),
            commit + " subdir=a%20b");
  EXPECT_EQ(remote::git_identity({.remote = "https://h/r.git", .submodules = false}, locked),
            commit + " submodules=false");
  EXPECT_EQ(remote::git_identity({.remote = "https://x:y@h/r.git", .keep_git_dir = true}, locked),
            commit + " keep-git-dir=https://h/r.git ref=refs/heads/main");
  // Of a subdirectory there is no repository to keep.
  EXPECT_EQ(remote::git_identity({.remote = "https://h/r.git", .subdir = "d", .keep_git_dir = true}, locked),
            commit + " subdir=d");
}

}  // namespace
}  // namespace bottle::image
