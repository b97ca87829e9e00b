# SPDX-License-Identifier: Apache-2.0
"""Outside git repositories: locked, changed and gone."""
import json
import os
import pathlib
import shutil
import subprocess
import textwrap
import unittest

import system_fixture
from lock_fixture import Case, Server


class Repositories(Case):
    @classmethod
    def setUpClass(cls):
        system_fixture.need("git")
        # Itself: "git daemon" would be its parent, and end without it.
        directory = subprocess.run(
            ["git", "--exec-path"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        cls.daemon = pathlib.Path(directory) / "git-daemon"
        if not cls.daemon.exists():
            raise unittest.SkipTest("needs git daemon, which is not installed")

    def setUp(self):
        super().setUp()
        self.repositories = self.top / "repositories"
        port = system_fixture.free_port()
        self.url = f"git://127.0.0.1:{port}"
        for name in ("main", "part"):
            self.git(name, "init", "--quiet", "--initial-branch=main", directory=name)
        self.server = Server(
            self.daemon,
            "--reuseaddr",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={self.repositories}",
            "--export-all",
            str(self.repositories),
            port=port,
            log=self.top / "git.log",
            environment=self.environment(),
        )
        self.addCleanup(self.server.stop)
        self.commit("part", {"of part": "1"})
        self.first = self.commit(
            "main", {"a": "one", "dir/run": "#!", "dir/deep/b": "b"}, executable="dir/run"
        )
        self.git("main", "tag", "-a", "-m", "annotated", "v1")

    def environment(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.top),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
            "GIT_AUTHOR_DATE": "2020-01-01T00:00Z",
            "GIT_COMMITTER_DATE": "2020-01-01T00:00Z",
        }

    def git(self, name, *arguments, directory=None):
        path = self.repositories / name
        path.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            ["git", *arguments],
            cwd=path,
            env=self.environment(),
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout.strip()

    def commit(self, name, files, executable=None):
        for path, text in files.items():
            file = self.repositories / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        if executable:
            (self.repositories / name / executable).chmod(0o755)
        self.git(name, "add", "--all")
        self.git(name, "commit", "--quiet", "-m", "a commit")
        return self.git(name, "rev-parse", "HEAD")

    def test_branches_tags_commits_and_directories(self):
        os.symlink("../a", self.repositories / "main" / "dir" / "link")
        second = self.commit("main", {"a": "two"})
        main = f"{self.url}/main"
        build = self.new(
            f"FROM scratch\nADD {main}#v1 /tag\nADD {main} /head\nADD {main}#main:dir /dir\nADD"
            f" {main}#{self.first} /commit\nADD --exclude=dir {main}#refs/heads/main /partly/\n"
        )
        self.assert_fails(
            build.image(expect=1),
            r"Dockerfile:2:1: error: .*#v1\" is not locked",
            "bottle-lock update",
        )
        self.lock(build)
        entries = self.entries(build)
        self.assertEqual(
            entries[f"{main}#v1"], {"kind": "git", "commit": self.first, "ref": "refs/tags/v1"}
        )
        self.assertEqual(
            entries[f"{main}#main"], {"kind": "git", "commit": second, "ref": "refs/heads/main"}
        )
        self.assertEqual(entries[main], {"kind": "git", "commit": second, "ref": "HEAD"})
        self.assertNotIn(f"{main}#{self.first}", entries)
        build.image()
        tree = self.tree(build)
        self.assertEqual(tree["tag/a"], (0o644, b"one"))
        self.assertEqual(tree["head/a"], (0o644, b"two"))
        self.assertEqual(tree["commit/a"], (0o644, b"one"))
        self.assertEqual(tree["dir/run"], (0o755, b"#!"))
        self.assertEqual(tree["dir/link"], (0o777, "../a"))
        self.assertEqual(tree["dir/deep/b"], (0o644, b"b"))
        self.assertEqual(tree["tag"][0], 0o755)
        self.assertIn("partly/a", tree)
        self.assertFalse([path for path in tree if path.startswith("partly/dir") or ".git" in path])
        # A later commit is drift, not an input; and nothing is asked for again.
        third = self.commit("main", {"a": "three"})
        drift = self.lock(build, "check", "--json", expect=3)
        self.assertEqual(
            {source["name"]: source["outcome"] for source in json.loads(drift.stdout)["sources"]},
            {
                main: "drifted",
                f"{main}#main": "drifted",
                f"{main}#refs/heads/main": "drifted",
                f"{main}#v1": "unchanged",
            },
        )
        shutil.rmtree(build.cache)
        shutil.rmtree(build.build)
        build.image()
        self.assertEqual(self.tree(build), tree)
        self.server.stop()
        shutil.rmtree(build.build)
        build.image()
        self.assertEqual(self.tree(build), tree)
        self.assertNotEqual(second, third)

    def test_named_context(self):
        """Its files are those of an image, for FROM and COPY."""
        main = f"{self.url}/main"
        build = self.new(
            textwrap.dedent(
                """\
                FROM repository AS all
                FROM scratch
                COPY --from=repository /a /one/
                COPY --from=all /dir/deep /two/
                """
            )
        )
        context = ["--build-context", f"repository={main}#v1"]
        self.assert_fails(
            build.image(*context, expect=1),
            r"Dockerfile:1:1: error: .*#v1\" is not locked",
            "bottle-lock update",
        )
        self.lock(build, "update", *context)
        self.assertEqual(
            self.entries(build),
            {f"{main}#v1": {"kind": "git", "commit": self.first, "ref": "refs/tags/v1"}},
        )
        build.image(*context)
        tree = self.tree(build)
        self.assertEqual(tree["one/a"], (0o644, b"one"))
        self.assertEqual(tree["two/b"], (0o644, b"b"))
        self.assertFalse([path for path in tree if ".git" in path])
        # A commit needs no lock, and a directory is the whole context.
        build.write("Dockerfile", "FROM repository\n")
        build.image("--build-context", f"repository={main}#{self.first}:dir")
        self.assertEqual(
            self.tree(build), {"run": (0o755, b"#!"), "deep": (0o755, ""), "deep/b": (0o644, b"b")}
        )
        self.server.stop()
        shutil.rmtree(build.build)
        build.image(*context)
        self.assertEqual(self.tree(build)["a"], (0o644, b"one"))

    def test_epoch_from_a_commit(self):
        main = f"{self.url}/main"
        build = self.new(
            f"ARG SOURCE_DATE_EPOCH=when\nFROM scratch AS when\nARG REF=v1\nADD {main}#$REF /\nFROM"
            " scratch\nARG SOURCE_DATE_EPOCH\nCOPY <<EOF /time\n$SOURCE_DATE_EPOCH\nEOF\n"
        )
        self.assert_fails(
            build.image(expect=1),
            r"Dockerfile:4:1: error: .*#v1\" is not locked",
            "bottle-lock update",
        )
        self.lock(build)
        self.assertEqual(list(self.entries(build)), [f"{main}#v1"])
        seconds = 1577836800  # GIT_COMMITTER_DATE
        self.time = seconds
        build.image()
        self.assertEqual(self.tree(build)["time"], (0o644, f"{seconds}\n".encode()))
        self.assertIn("2020-01-01T00:00:00Z", (build.build / "image.json").read_text())
        # Or that of a named context, which nothing else has to use.
        build.write(
            "Dockerfile",
            textwrap.dedent(
                """\
                FROM scratch
                ARG SOURCE_DATE_EPOCH
                COPY <<EOF /time
                $SOURCE_DATE_EPOCH
                EOF
                """
            ),
        )
        context = ["--build-context", f"when={main}#main", "--build-arg", "SOURCE_DATE_EPOCH=when"]
        self.assert_fails(
            build.image(*context, expect=1),
            r"Dockerfile:1:1: error: .*#main\" is not locked",
            "bottle-lock update",
        )
        self.lock(build, "update", *context)
        build.image(*context)
        self.assertEqual(self.tree(build)["time"], (0o644, f"{seconds}\n".encode()))
        # Kept with what the build tree needs, and asked for once.
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        self.server.stop()
        shutil.rmtree(build.build)
        build.image(*context)
        self.assertEqual(self.tree(build)["time"][1], f"{seconds}\n".encode())

    def test_gc_keeps_the_checkout_of_a_build_tree(self):
        main = f"{self.url}/main"
        build = self.new(f"FROM scratch\nADD {main}#v1 /x\n")
        self.lock(build)
        build.image()
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        self.server.stop()
        # Offline, and another instruction.
        build.write("Dockerfile", f"FROM scratch\nADD --exclude=dir {main}#v1 /x\n")
        build.image()
        self.assertEqual((self.tree(build)["x/a"][1], "x/dir" in self.tree(build)), (b"one", False))
        # Content that no root names is not kept.
        build.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
        build.image()
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        build.write("Dockerfile", f"FROM scratch\nADD {main}#v1 /x\n")
        self.assertRegex(build.image(expect=1).stdout, f"{main}: error: git fetch .* failed")

    def test_submodules_and_kept_repositories(self):
        self.git(
            "main",
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            f"{self.url}/part",
            "module",
        )
        commit = self.commit("main", {"a": "two"})
        main = f"{self.url}/main"
        dockerfile = (
            f"FROM scratch\nADD --keep-git-dir=true {main}#main /kept\nADD {main}#main /plain\n"
        )
        trees = []
        for name in ("one", "another"):
            build = self.new(dockerfile, name)
            self.lock(build)
            build.image()
            trees.append(self.tree(build))
        self.assertEqual(trees[0], trees[1])
        self.assertEqual(trees[0]["plain/module/of part"], (0o644, b"1"))
        self.assertFalse(
            [
                path
                for path in trees[0]
                if path.startswith("plain/") and path.split("/")[-1] == ".git"
            ]
        )
        self.assertEqual(trees[0]["kept/.git/HEAD"][1].decode().strip(), commit)
        # git takes it for a clean repository with that commit.
        for path, (mode, content) in trees[0].items():
            if path.startswith("kept/") and isinstance(content, bytes):
                file = self.top / "checkout" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                file.chmod(mode)
        for directory in ("objects/pack", "refs/heads"):
            (self.top / "checkout/kept/.git" / directory).mkdir(parents=True, exist_ok=True)

        def git(*arguments):
            return subprocess.run(
                ["git", *arguments],
                cwd=self.top / "checkout" / "kept",
                env=self.environment(),
                check=True,
                text=True,
                stdout=subprocess.PIPE,
            ).stdout.strip()

        self.assertEqual(git("rev-parse", "HEAD"), commit)
        self.assertEqual(git("rev-parse", "refs/heads/main"), commit)
        self.assertEqual(git("config", "remote.origin.url"), main)
        self.assertEqual(git("status", "--porcelain", "--ignore-submodules"), "")
        git("fsck", "--strict")

    def test_failures_are_errors(self):
        main = f"{self.url}/main"
        build = self.new(f"FROM scratch\nADD {main}#none /x\n")
        self.assert_fails(self.lock(build, expect=1), "neither a branch nor a tag", main)
        build.write("Dockerfile", f"FROM scratch\nADD {main}#main:none /x\n")
        self.assert_fails(self.lock(build, expect=1), 'no directory "none"')
        build.write("Dockerfile", f"FROM scratch\nADD {main}#{'0' * 39}1 /x\n")
        self.assertRegex(build.image(expect=1).stdout, f"{main}: error: git fetch 0+1 failed")
        build.write("Dockerfile", f"FROM scratch\nADD {self.url}/absent#main /x\n")
        self.assertRegex(
            self.lock(build, expect=1).stdout, f"{self.url}/absent: error: git ls-remote failed"
        )
        # A directory that is a link leads nowhere else.
        os.symlink("/etc", self.repositories / "main" / "out")
        self.commit("main", {})
        build.write("Dockerfile", f"FROM scratch\nADD {main}#main:out /x\n")
        self.assert_fails(self.lock(build, expect=1), 'no directory "out"')
        self.assertEqual(build.leftovers(), [])

    def test_git_bombs_are_refused(self):
        def commit_of(blob, names, levels):
            """A tree of names^levels files that are one object each, in as many objects as
            levels."""
            entry = f"100644 blob {blob}"
            for _ in range(levels):
                listing = "".join(f"{entry}\t{number:03}\n" for number in range(names))
                tree = subprocess.run(
                    ["git", "mktree"],
                    cwd=self.repositories / "main",
                    env=self.environment(),
                    check=True,
                    text=True,
                    input=listing,
                    stdout=subprocess.PIPE,
                ).stdout.strip()
                entry = f"040000 tree {tree}"
            commit = self.git("main", "commit-tree", "-m", "large", tree)
            self.git("main", "update-ref", "refs/heads/large", commit)

        def blob_of(size):
            (self.top / "blob").write_bytes(bytes(size))
            return self.git("main", "hash-object", "-w", str(self.top / "blob"))

        build = self.new(f"FROM scratch\nADD {self.url}/main#large /x\n")
        commit_of(blob_of(0), 100, 4)
        self.assert_fails(
            self.lock(build, expect=1),
            "the commit holds more than 4000000 files",
            f"{self.url}/main",
        )
        commit_of(blob_of(1 << 20), 41, 3)
        self.assert_fails(
            self.lock(build, expect=1),
            "the files of the commit are larger than 64.0 GiB",
            f"{self.url}/main",
        )
        commit_of(blob_of(0), 9, 1)
        self.lock(build)
        build.image()
        self.assertEqual(len([path for path in self.tree(build) if path.startswith("x/")]), 9)
        self.assertEqual(build.leftovers(), [])

    def test_local_submodules_are_refused(self):
        self.git(
            "main",
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            str(self.repositories / "part"),
            "module",
        )
        self.commit("main", {})
        build = self.new(f"FROM scratch\nADD {self.url}/main#main /x\n")
        self.assert_fails(self.lock(build, expect=1), "not allowed")
        build.write(
            "Dockerfile", f"FROM scratch\nADD {self.url}/main?ref=main&submodules=false /x\n"
        )
        self.lock(build)
        build.image()
        self.assertIn("x/a", self.tree(build))

    def test_hooks_filters_and_configuration_are_ignored(self):
        marker = self.top / "ran"
        home = self.top / "home"
        home.mkdir()
        (home / ".gitconfig").write_text(
            f'[core]\n\thooksPath = {home}/hooks\n[filter "f"]\n\tsmudge = touch {marker}; cat\n'
            f'[url "file:///"]\n\tinsteadOf = {self.url}\n'
        )
        (home / "hooks").mkdir()
        hook = home / "hooks" / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
        hook.chmod(0o755)
        self.commit("main", {".gitattributes": "* filter=f\n"})
        build = self.new(f"FROM scratch\nADD {self.url}/main /x\n")
        build.environment["HOME"] = str(home)
        self.lock(build)
        build.image()
        self.assertEqual(self.tree(build)["x/a"][1], b"one")
        self.assertFalse(marker.exists())


if __name__ == "__main__":
    system_fixture.main()
