# SPDX-License-Identifier: Apache-2.0
"""Pushes through a git-gate, with real git and sshd: accepted, refused, hostile."""
import concurrent.futures
import os
import shutil
import stat

import gate_fixture
import system_fixture
from gate_fixture import git, refs
from gate_case_fixture import GateCase, TOKEN


class Pushes(GateCase):
    """What is let through, and what the upstream says."""

    def test_clean_push_is_forwarded(self):
        tip = self.commit(a="text\n")
        self.assert_pushed("main")
        self.assertEqual(refs(self.repository)["refs/heads/main"], tip)
        again = self.clone("again")
        self.assertEqual((again / "a").read_text(encoding="utf-8"), "text\n")
        self.assert_no_credential(self.gate.server.text())

    def test_fetch_has_new_upstream_commits(self):
        other = self.top / "other"
        git("clone", "--quiet", self.repository, other)
        tip = self.commit("Elsewhere", work=other, b="b\n")
        git(
            "push",
            "--quiet",
            "origin",
            "main",
            "main:refs/heads/more",
            "main:refs/tags/v1",
            cwd=other,
        )
        git("pull", "--quiet", cwd=self.work)
        self.assertEqual(git("rev-parse", "HEAD", cwd=self.work).stdout.strip(), tip)
        git("push", "--quiet", "--delete", "origin", "more", cwd=other)
        git("push", "--quiet", "origin", "main:refs/heads/more/deep", cwd=other)
        git("fetch", "--quiet", "--prune", cwd=self.work)
        self.assertEqual(
            sorted(self.gate_refs()), ["refs/heads/main", "refs/heads/more/deep", "refs/tags/v1"]
        )

    def test_branches_tags_and_deletion(self):
        self.commit(a="1\n")
        self.assert_pushed("main:refs/heads/new/branch")
        git("tag", "-a", "-m", "Version 1", "v1", cwd=self.work)
        git("tag", "light", cwd=self.work)
        self.assert_pushed("v1", "light")
        self.assert_pushed("--delete", "new/branch", "light")
        self.assertEqual(sorted(refs(self.repository)), ["refs/heads/main", "refs/tags/v1"])

    def test_force_with_permission(self):
        self.commit(a="1\n")
        self.assert_pushed("main")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        tip = self.commit(a="2\n")
        self.assert_refused("main", saying="non-fast-forward|fetch first|rejected")
        self.assert_pushed("--force", "main")
        self.assertEqual(refs(self.repository)["refs/heads/main"], tip)

    def test_force_over_unseen_commits_is_refused(self):
        other = self.top / "other"
        git("clone", "--quiet", self.repository, other)
        self.commit("Theirs", work=other, b="b\n")
        self.commit("Ours", a="a\n")
        git("push", "--quiet", "origin", "main", cwd=other)
        # The lease of the pusher is on what it saw; that of the gate on what the gate showed.
        self.assert_refused(
            "--force-with-lease=main:main~1",
            "main",
            saying="stale|rejected",
            upstream=refs(self.repository),
        )

    def test_many_refs_are_atomic(self):
        first = self.commit(a="1\n")
        hook = self.repository / "hooks" / "update"
        hook.write_text(
            '#!/bin/sh\necho "not $1, says the upstream" >&2\n[ "$1" != refs/heads/three ]\n',
            encoding="utf-8",
        )
        hook.chmod(0o755)
        said = self.assert_refused("main:one", "main:two", "main:three", saying="upstream refused")
        self.assertRegex(said, "not refs/heads/three, says the upstream")
        hook.unlink()
        self.assert_pushed("main:one", "main:two", "main:three")
        self.assertEqual(
            {refs(self.repository)[f"refs/heads/{name}"] for name in ("one", "two", "three")},
            {first},
        )

    def test_refusal_of_the_upstream_is_passed_on(self):
        hook = self.repository / "hooks" / "pre-receive"
        hook.write_text("#!/bin/sh\necho 'closed on Sundays' >&2\nexit 1\n", encoding="utf-8")
        hook.chmod(0o755)
        self.commit(a="1\n")
        said = self.assert_refused("main", saying="closed on Sundays")
        self.assertIn("pre-receive hook declined", said)

    def test_thousand_commits(self):
        stream = []
        for number in range(1000):
            stream.append(
                f"commit refs/heads/many\ncommitter A <a@example.com> {1700000000 + number} +0000\n"
                "data 7\nCommit\n\n"
                + ("from refs/heads/main^0\n" if number == 0 else "")
                + f"M 100644 inline file-{number % 37}\ndata {len(str(number)) + 1}\n{number}\n\n"
            )
        git("fast-import", "--quiet", cwd=self.work, input="".join(stream))
        self.assert_pushed("many")
        self.assertEqual(
            git("--git-dir", self.repository, "rev-list", "--count", "many").stdout.strip(), "1001"
        )

    def test_concurrent_pushes_are_serialized(self):
        works = [self.clone(f"work-{number}") for number in range(4)]
        for number, work in enumerate(works):
            self.commit(f"Change {number}", work=work, **{f"file-{number}": f"{number}\n"})
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            # Two to separate branches, two to the same.
            targets = ["main:refs/heads/one", "main:refs/heads/two", "main", "main"]
            results = list(
                pool.map(
                    lambda pair: self.push(pair[1], work=pair[0], expect=None), zip(works, targets)
                )
            )
        codes = [result.returncode for result in results]
        self.assertEqual(codes[:2], [0, 0], [result.stdout for result in results])
        self.assertEqual(sorted(codes[2:]), [0, 1], [result.stdout for result in results])
        self.assertEqual(self.gate_refs(), refs(self.repository))
        loser = works[2 + codes[2:].index(1)]
        git("pull", "--quiet", "--rebase", "origin", "main", cwd=loser)
        self.assert_pushed("main", work=loser)
        self.assertEqual(
            git("--git-dir", self.repository, "rev-list", "--count", "main").stdout.strip(), "3"
        )


class ObjectFormats(GateCase):
    """Upstreams with SHA-256 object ids."""

    def setUp(self):
        system_fixture.TestCase.setUp(self)
        self.name = self.slug(self._testMethodName)

    def make(self, object_format, work="work"):
        self.repository = self.upstream.repository(self.name, object_format)
        work = self.clone(work)
        self.assertEqual(
            git("rev-parse", "--show-object-format", cwd=work).stdout, f"{object_format}\n"
        )
        self.assertEqual(self.gate_refs(), refs(self.repository))
        return work

    def test_fetch_and_push(self):
        self.work = self.make("sha256")
        commit = self.commit(a="a\n")
        self.assert_pushed("main")
        self.assertEqual((refs(self.repository)["refs/heads/main"], len(commit)), (commit, 64))
        self.commit(a=f"token = {TOKEN}\n")
        self.assert_refused("main", saying="gate: secret: rule github-pat")

    def test_empty_upstream(self):
        self.repository = self.upstream.directory / f"{self.name}.git"
        git(
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=main",
            "--object-format=sha256",
            self.repository,
        )
        # Git before 2.41 clones nothing into a repository with SHA-1.
        self.work = self.top / "work"
        git("init", "--quiet", "--initial-branch=main", "--object-format=sha256", self.work)
        git("remote", "add", "origin", self.gate.url(self.name), cwd=self.work)
        self.commit(a="a\n")
        self.assert_pushed("main")

    def test_changed_object_format(self):
        for number, object_format in enumerate(("sha1", "sha256", "sha1")):
            for path in self.upstream.directory.glob(f"{self.name}.*"):
                shutil.rmtree(path)
            self.make(object_format, f"work {number}")


class Refusals(GateCase):
    """What a description does not allow."""

    edit = {
        "refs": ["refs/heads/agent/*", "refs/heads/main", "refs/tags/v*"],
        "maxBlobBytes": 100_000,
        "maxRefs": 3,
        "maxPushBytes": 300_000,
    }

    def test_refs_outside_the_patterns(self):
        self.commit(a="1\n")
        self.assert_pushed("main:refs/heads/agent/deep/branch")
        for ref in (
            "refs/heads/other",
            "refs/tags/x",
            "refs/notes/commits",
            "refs/replace/" + "0" * 39 + "1",
            "refs/x/y",
            "refs/heads/agent",
        ):
            with self.subTest(ref):
                self.assert_refused(f"main:{ref}", saying="not among the refs")
        self.assert_refused(
            *(f"main:refs/heads/agent/{number}" for number in range(4)), saying="4 refs in one push"
        )

    def test_force_and_deletion_without_permission(self):
        self.commit(a="1\n")
        git("tag", "v1", cwd=self.work)
        self.assert_pushed("main", "v1", "main:agent/x")
        self.assert_refused("--delete", "agent/x", saying="may not be deleted")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        self.commit(a="2\n")
        self.assert_refused("--force", "main", saying="may not be dropped")
        git("tag", "-f", "v1", cwd=self.work)
        self.assert_refused("--force", "v1", saying="may not be moved")

    def test_files_and_pushes_beyond_the_limits(self):
        self.commit(a=os.urandom(99_000))
        self.assert_pushed("main")
        self.commit(a=os.urandom(101_000))
        self.assert_refused("main", saying="has 101000 bytes; at most 100000")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        # Small when packed, large when unpacked.
        self.commit(**{f"file-{number}": bytes([number]) * 90_000 for number in range(4)})
        self.assert_refused("main", saying="more than 300000 bytes")

    def test_tags_without_a_commit(self):
        git("tag", "-a", "-m", "a file", "v-blob", "HEAD:README", cwd=self.work)
        self.assert_refused("v-blob", saying="does not point to a commit")

    def test_push_options(self):
        self.commit(a="1\n")
        self.assert_refused("--push-option=x", "main", saying="does not support push options")

    def test_other_repositories(self):
        for name in ("other", "other/../other", "../root/creds", "%2e%2e/x", "~root/x"):
            with self.subTest(name):
                result = git("ls-remote", f"git://127.0.0.1:{self.gate.port}/{name}", expect=1)
                self.assert_no_credential(result.stdout)
        self.assertEqual(
            git("ls-remote", f"git://127.0.0.1:{self.gate.port}/{self.name}").returncode, 0
        )


class TooMuchAllowed(GateCase):
    """A description whose exceptions would blind the scanner."""

    more = {"scanner": {"allow": [".*"]}}

    def test_push_is_refused(self):
        self.commit(a="1\n")
        self.assert_refused("main", saying="read 0 of|scanner failed")


class Hostile(GateCase):
    """Text that a pusher chooses reaches no shell."""

    def assert_nothing_ran(self):
        self.assertEqual([*self.top.rglob("ran*"), *self.place.rglob("ran*")], [])

    def test_hostile_names(self):
        self.commit(a="1\n")
        hostile = [
            "$(touch${IFS}ran)",
            "`touch`ran`",
            "a;touch\u00a0ran",
            "a'b\"c",
            "--upload-pack=ran",
            "-x",
            "ünïcödé",
            "a|b&c>d<e",
            "%s%n",
            "x" * 200,
        ]
        for name in hostile:
            if git("check-ref-format", f"refs/heads/{name}", expect=None).returncode == 0:
                with self.subTest(name):
                    self.assert_pushed(f"main:refs/heads/{name}")
        for number, name in enumerate(
            [*hostile, "new\nline", " blank ", "-rf", "*", "\\", "'", '"']
        ):
            if "/" not in name:
                (self.work / f"{name}{number}").write_text("", encoding="utf-8")
        (self.work / "secret $(touch ran)\nline").write_text(TOKEN, encoding="utf-8")
        self.commit("$(touch ran)`touch ran`")
        said = self.assert_secret("main")
        self.assertIn("secret $(touch ran)", said)
        self.assert_nothing_ran()

    def test_hooks_and_config_in_the_tree_are_data(self):
        (self.work / ".gitmodules").write_text(
            '[submodule "x"]\n\tpath = x\n\turl = -ofoo\n', encoding="utf-8"
        )
        self.commit("Submodule")
        self.assert_refused("main", saying="gitmodules|fsck|unpack")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        (self.work / ".gitmodules").write_text(
            f'[submodule "x"]\n\tpath = x\n\turl = {self.top}/nothing\n\tupdate = !touch ran\n',
            encoding="utf-8",
        )
        self.commit("Submodule")
        self.assert_refused("main", saying="gitmodules|fsck|unpack")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        (self.work / "hooks").mkdir()
        (self.work / "hooks" / "pre-receive").write_text("#!/bin/sh\ntouch ran\n", encoding="utf-8")
        (self.work / "hooks" / "pre-receive").chmod(0o755)
        (self.work / "config").write_text(
            "[core]\n\tfsmonitor = touch ran\n\tsshCommand = touch ran\n", encoding="utf-8"
        )
        git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module", cwd=self.work)
        self.commit("Like a repository")
        self.assert_pushed("main")
        self.assert_nothing_ran()

    def test_environment_of_the_caller_is_ignored(self):
        self.gate.stop()
        self.addCleanup(self.gate.start)
        self.addCleanup(self.gate.stop)
        self.gate.start(
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0="core.sshCommand",
            GIT_CONFIG_VALUE_0="touch ran",
            GIT_SSH_COMMAND="touch ran",
            GITLEAKS_CONFIG="/nowhere",
            SSH_ASKPASS="/nowhere",
        )
        self.commit(a=f"{TOKEN}\n")
        self.assert_secret("main")
        self.assert_nothing_ran()

    def test_git_protocol_variable_is_not_executed(self):
        self.commit(a="1\n")
        environment = gate_fixture.clean_environment(GIT_PROTOCOL="version=2:$(touch ran):'")
        git(
            "-c",
            "protocol.version=2",
            "push",
            "origin",
            "main",
            cwd=self.work,
            environment=environment,
        )
        self.assert_nothing_ran()

    def test_identities_are_private_to_the_gate(self):
        for path in [self.gate.creds / self.name, *(self.gate.root).rglob("*")]:
            if path.is_file():
                self.assertEqual(path.stat().st_mode & (stat.S_IRWXO | stat.S_IRWXG), 0, path)


if __name__ == "__main__":
    system_fixture.main()
