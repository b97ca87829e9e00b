// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/git_source.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

GitSource git(std::string_view text) {
  const RemoteOrPath source = classify_source(text);
  const auto* found = std::get_if<GitSource>(&source);
  if (found == nullptr) ADD_FAILURE() << text << " is no git source";
  return found == nullptr ? GitSource{} : *found;
}

std::string error_of(const auto& call) {
  try {
    call();
  } catch (const SourceKindError& error) {
    return error.message();
  }
  return "no error";
}

Instruction instruction(const std::string& line) {
  return parse_dockerfile("FROM scratch\n" + line + "\n").stages.front().instructions.front();
}

TEST(GitSource, ReadsRemoteRefAndSubdir) {
  const std::string remote = "https://example.com/a/bar.git";
  EXPECT_EQ(git(remote), (GitSource{.remote = remote, .ref = "", .checksum = "", .subdir = ""}));
  EXPECT_EQ(git(remote + "#v1"), (GitSource{.remote = remote, .ref = "v1", .checksum = "", .subdir = ""}));
  EXPECT_EQ(git(remote + "#baz/qux:quux/quuz"),
            (GitSource{.remote = remote, .ref = "baz/qux", .checksum = "", .subdir = "quux/quuz"}));
  EXPECT_EQ(git(remote + "#:docs/../x/"),
            (GitSource{.remote = remote, .ref = "", .checksum = "", .subdir = "x"}));
  EXPECT_EQ(git("HTTPS://example.com/a/bar.git"), git(remote));
  EXPECT_EQ(git("https://me:word@host:8443/x.git").remote, "https://me:word@host:8443/x.git");
}

TEST(GitSource, AcceptsAllTransports) {
  EXPECT_EQ(git("git@host.org:team/x").remote, "git@host.org:team/x");
  EXPECT_EQ(git("git@host.org:team/x.git?subdir=/s#v1"),
            (GitSource{.remote = "git@host.org:team/x.git", .ref = "v1", .checksum = "", .subdir = "s"}));
  EXPECT_EQ(git("ssh://git@host:2222/x").remote, "ssh://git@host:2222/x");
  EXPECT_FALSE(git("ssh://git@host/x").unencrypted);
  EXPECT_TRUE(git("git://host/x#main").unencrypted);
  EXPECT_TRUE(git("http://host/x.git").unencrypted);
  EXPECT_EQ(git("someone-else_1@h:p").remote, "someone-else_1@h:p");
}

TEST(GitSource, ReadsTheQuery) {
  const std::string remote = "https://host/x.git";
  EXPECT_EQ(git(remote + "?ref=v1.0.0&subdir=/s"), git(remote + "#v1.0.0:s"));
  EXPECT_EQ(git(remote + "?tag=v1").ref, "refs/tags/v1");
  EXPECT_EQ(git(remote + "?branch=refs/heads/a%2Fb").ref, "refs/heads/a/b");
  EXPECT_EQ(git(remote + "?subdir=a+b").subdir, "a b");
  const GitSource all =
      git(remote + "?checksum=deadbeef&keep-git-dir&submodules=0&mtime=commit&fetch-by-commit=true#main");
  EXPECT_EQ(all.checksum, "deadbeef");
  EXPECT_EQ(all.keep_git_dir, true);
  EXPECT_EQ(all.submodules, false);
  EXPECT_TRUE(all.commit_times);
  EXPECT_TRUE(all.fetch_by_commit);
  EXPECT_EQ(all.ref, "main");
  EXPECT_EQ(git(remote + "?commit=abc").checksum, "abc");
}

TEST(GitSource, RefusesInvalidQueries) {
  const auto message = [](const char* query) {
    return error_of([&] { classify_source(std::string("https://host/x.git?") + query); });
  };
  EXPECT_EQ(message("ref=a#b"), "ref conflicts: \"b\" vs \"a\"");
  EXPECT_EQ(message("ref=a&tag=b"), "ref conflicts: \"a\" vs \"refs/tags/b\"");
  EXPECT_EQ(message("tag=a&branch=b"), "branch conflicts with tag");
  EXPECT_EQ(message("ref=a&ref=b"), "query \"ref\" has multiple values");
  EXPECT_EQ(message("ref="), "query \"ref\" has no value");
  EXPECT_EQ(message("mtime=never"), "invalid mtime value: \"never\"");
  EXPECT_EQ(message("keep-git-dir=maybe"), "invalid keep-git-dir value: \"maybe\"");
  EXPECT_EQ(message("sumodules=1"), "unexpected query \"sumodules\"");
  EXPECT_TRUE(is_remote_source("https://host/x.git?sumodules=1"));
}

TEST(GitSource, DistinguishesUrlsFromPaths) {
  const auto url = [](const char* text) {
    const RemoteOrPath source = classify_source(text);
    const auto* found = std::get_if<UrlSource>(&source);
    return found == nullptr ? std::string("none") : found->file_name;
  };
  EXPECT_EQ(url("https://example.com/a/b.tar.gz?x=1#y"), "b.tar.gz");
  EXPECT_EQ(url("https://example.com/a%20b/"), "a b");
  EXPECT_EQ(url("http://example.com"), "__unnamed__");
  EXPECT_EQ(url("http://example.com/"), "__unnamed__");
  EXPECT_EQ(url("https://example.com/foo.git/"), "foo.git");
  EXPECT_EQ(url("https://example.com/foo.git.bar"), "foo.git.bar");
  EXPECT_EQ(url("http://host/x.git:#branch"), "x.git:");
  EXPECT_EQ(url("https://host/%zz"), "__unnamed__");  // no URL, and still to be downloaded
  for (const char* path :
       {"./.git", ".git", "../a@b:c", "a", "/x.git", "github.com/moby/buildkit", "a@b", "@b:c",
        "host.xyz/a/b.git", "ftp://host/x", "HTTP://host/x", "a b@c:d", "C:/x", "://x"})
    EXPECT_TRUE(std::holds_alternative<PathSource>(classify_source(path))) << path;
}

TEST(GitSource, SpellingsHaveOneCanonicalText) {
  EXPECT_EQ(git("https://host/x.git?ref=v1&subdir=/s").string(), "https://host/x.git#v1:s");
  EXPECT_EQ(git("https://host/x.git#:s").string(), "https://host/x.git#:s");
  EXPECT_EQ(git("https://host/x.git").string(), "https://host/x.git");
}

TEST(GitSource, JoinsFlagsAndQuery) {
  const auto of = [](const std::string& line) {
    const Instruction add = instruction("ADD " + line);
    return classify_sources(*add.as<Add>());
  };
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(std::get<UrlSource>(of("--checksum=" + digest + " https://h/x /").front()).checksum, digest);
  const auto both = of("--keep-git-dir --checksum=abc123 https://h/x.git#main /");
  EXPECT_EQ(std::get<GitSource>(both.front()).checksum, "abc123");
  EXPECT_EQ(std::get<GitSource>(both.front()).keep_git_dir, true);
  EXPECT_EQ(of("a https://h/x git@h:p /").size(), 3u);

  const auto message = [&](const std::string& line) { return error_of([&] { of(line); }); };
  EXPECT_EQ(message("--checksum=" + digest + " https://h/x https://h/y /"),
            "checksum can't be specified for multiple sources");
  EXPECT_EQ(message("--checksum=" + digest + " x /"), "checksum requires HTTP(S) or Git sources");
  EXPECT_EQ(message("--checksum=abc https://h/x /"), "--checksum=abc is not a digest");
  EXPECT_EQ(message("--checksum=" + digest + " https://h/x.git /"),
            "the checksum \"" + digest + "\" is not a commit");
  EXPECT_EQ(message("--checksum=abc https://h/x.git?checksum=def /"), "checksum mismatch \"abc\" != \"def\"");
  EXPECT_EQ(message("--keep-git-dir https://h/x.git?keep-git-dir=0 /"),
            "inconsistent keep-git-dir configuration");
  EXPECT_EQ(message("https://h/x.git?fetch-by-commit /"), "fetch-by-commit without a commit");
}

TEST(GitSource, CopyTakesPathsOnly) {
  const auto message = [](const std::string& line) {
    const Instruction copy = instruction("COPY " + line);
    return error_of([&] { classify_sources(*copy.as<Copy>()); });
  };
  EXPECT_EQ(message("https://h/x /"), "source can't be a URL for COPY");
  EXPECT_EQ(message("https://h/x.git /"), "source can't be a git ref for COPY");
  EXPECT_EQ(message("a b /"), "no error");
}

TEST(GitSource, AcceptsFullCommits) {
  EXPECT_TRUE(is_commit(std::string(40, 'a')));
  EXPECT_TRUE(is_commit(std::string(64, '0')));
  EXPECT_FALSE(is_commit(std::string(40, 'A')));
  EXPECT_FALSE(is_commit("main"));
}

}  // namespace
}  // namespace bottle::dockerfile
