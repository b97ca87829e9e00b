# SPDX-License-Identifier: Apache-2.0
"""The git-gate against one who controls the other side: names that git reads twice, a client that
speaks the protocol with lies in it, objects that are sent and not named, races, and what a
repository may hold to trouble the next reader."""
import concurrent.futures
import fcntl
import os
import socket
import subprocess

import gate_fixture
import system_fixture
from gate_fixture import git, refs
from gate_case_fixture import AWS, TOKEN
from gate_attack_fixture import AttackCase, lines_of, packet, said_at_last


ZERO = "0" * 40


class Names(AttackCase):
    """Names of refs that git would take for something else. Commits may not be dropped here."""

    edit = {"allowDelete": True}

    def test_branch_named_like_a_commit(self):
        base = self.tip()
        self.commit(a="1\n")
        old = self.tip()
        self.assert_pushed("main")
        # Continues from main and will be pushed there; the branch of its name leads to where main
        # was before.
        new = self.commit(a="2\n")
        self.assert_pushed(f"{base}:refs/heads/{new}", f"{base}:refs/tags/{new}")
        self.assert_pushed("main")
        self.assertEqual(refs(self.repository)["refs/heads/main"], new)
        self.assertEqual(
            git("--git-dir", self.repository, "rev-list", "--count", f"{old}..main").stdout, "1\n"
        )

    def test_name_that_ends_like_another_ref(self):
        self.commit(a="1\n")
        for ref in ("refs/heads/refs/heads/main", "refs/tags/refs/heads/main", "refs/tags/refs/x"):
            self.assert_refused(f"main:{ref}", saying="git could resolve it to another ref")
        # Another client created such a branch upstream. The client's git falls for it, too; one
        # that does not is told.
        git("--git-dir", self.repository, "update-ref", "refs/heads/refs/heads/other", "main")
        before = refs(self.repository)
        said = self.send([(ZERO, self.tip(), "refs/heads/other")], self.objects("main~1..main"))
        self.assertIn("git could resolve it to refs/heads/refs/heads/other", said)
        self.assertEqual(refs(self.repository), before)
        self.assert_pushed("main")

    def test_wrong_old_value_is_refused(self):
        base = self.tip()
        self.commit(a="1\n")
        self.assert_pushed("main")
        git("reset", "--quiet", "--hard", base, cwd=self.work)
        other = self.commit(a="2\n")
        before = refs(self.repository)
        for old in (ZERO, base):
            said = self.send([(old, other, "refs/heads/main")], self.objects(base, "main"))
            self.assertRegex(said, "gate: refused: the upstream has new commits|refused")
        self.assertEqual(refs(self.repository), before)
        self.assertEqual(self.gate_refs(), before)

    def test_newline_in_a_name(self):
        """The hook reads lines; what a name adds to them is judged like any other."""
        tip = self.commit(a="1\n")
        before = refs(self.repository)
        ids = self.objects("main~1..main")
        for line in (
            f"{ZERO} {tip} refs/notes/x",
            f"{ZERO} {tip[:12]} refs/heads/y",
            f"{ZERO} main refs/heads/y",
            f"{ZERO} {tip} refs/heads/y;touch ran",
            f"{ZERO} {tip} --force",
            "--mirror",
            "",
        ):
            with self.subTest(line):
                said = self.send([(ZERO, tip, f"refs/heads/x\n{line}")], ids)
                self.assertRegex(said, "gate: refused: ")
                self.assertEqual(refs(self.repository), before)
                self.assertEqual(self.gate_refs(), before)


class Objects(AttackCase):
    """What is sent beside what is named, and histories that begin somewhere else."""

    def test_secret_sent_before_its_commit(self):
        base = self.tip()
        tip = self.commit(a="1\n")
        secret = self.blob(f"{TOKEN}\n")
        said = self.send([(base, tip, "refs/heads/main")], [*self.objects("main~1..main"), secret])
        self.assertIn("ok refs/heads/main", said)
        self.assertNotEqual(
            git("--git-dir", self.repository, "cat-file", "-e", secret, expect=None).returncode, 0
        )
        next_one = self.commit_of(self.tree(f"100644 blob {secret}\tconfig"), tip)
        said = self.send(
            [(tip, next_one, "refs/heads/main")], [next_one, self.tip(f"{next_one}^{{tree}}")]
        )
        self.assertRegex(said, "gate: secret: rule github-pat: file")
        self.assertEqual(refs(self.repository)["refs/heads/main"], tip)

    def test_push_from_a_shallow_clone(self):
        # A push from a shallow clone is accepted.
        shallow = self.top / "shallow"
        git("clone", "--quiet", "--depth=1", self.gate.url(self.name), shallow)
        self.commit("From a shallow clone", work=shallow, a="1\n")
        self.assert_pushed("main", work=shallow)
        # A push that hides a commit behind its own shallow boundary is refused.
        base = self.tip()
        hidden = self.commit(config=f"{TOKEN}\n")
        tip = self.commit(config="clean\n")
        tree = self.objects(f"{tip}^{{tree}}")
        before = refs(self.repository)
        for border in ([tip], [hidden], [tip, hidden]):
            for ids in ([tip, *tree], self.objects(f"{base}..{tip}")):
                said = self.send([(ZERO, tip, "refs/heads/x")], ids, shallow=border)
                self.assertRegex(said, "ng refs/heads/x|unpack ")
                self.assertNotIn("ok refs/heads/x", said)
        self.assertEqual(refs(self.repository), before)
        self.assertFalse((self.gate_repository() / "shallow").exists())

    def test_replace_refs_and_grafts_do_not_hide_objects(self):
        """Replacements and grafts of the pusher are its own: what is behind them is what is looked
        at."""
        secret = self.commit(config=f"{TOKEN}\n")
        git("replace", "-f", secret, self.tip("HEAD~1"), cwd=self.work)
        self.commit(config="clean\n")
        self.assert_secret("--force", "main")
        self.assert_refused("refs/replace/*:refs/replace/*", saying="not among the refs")

    def test_unrelated_histories_and_notes(self):
        git("checkout", "--quiet", "--orphan", "other", cwd=self.work)
        self.commit(config=f"{TOKEN}\n")
        self.assert_secret("other")
        git("commit", "--quiet", "--amend", "--allow-empty", "-m", "x", cwd=self.work)
        git("checkout", "--quiet", "--orphan", "clean", cwd=self.work)
        self.commit(config="clean\n")
        self.assert_pushed("clean")
        git("notes", "add", "-m", TOKEN, "clean", cwd=self.work)
        self.assert_refused("refs/notes/commits", saying="not among the refs")
        self.assert_refused("refs/notes/commits:refs/heads/notes", saying="rule github-pat: file")

    def test_dangerous_trees_are_refused(self):
        file, link = self.blob("[core]\n"), self.blob("../../outside")
        inner = self.tree(f"100644 blob {file}\tconfig")
        for entries in (
            [f"040000 tree {inner}\t.git"],
            [f"040000 tree {inner}\t.GIT"],
            [f"040000 tree {inner}\tgit~1"],
            [f"120000 blob {link}\t.git"],
            [f"120000 blob {link}\t.gitmodules"],
            [f"040000 tree {inner}\t.."],
            [f"100644 blob {file}\t.g\u200cit"],
        ):
            with self.subTest(entries):
                tip = self.commit_of(self.tree(*entries), "HEAD")
                self.assert_refused(f"{tip}:refs/heads/x", saying="unpack|fsck|rejected")
        self.assertEqual(list(self.top.rglob("outside")), [])

    def test_submodules_and_links(self):
        """Pointers of LFS and links are text. The files behind the pointers do not come this
        way."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'1' * 64}\nsize 12345\n"
        self.commit(__gitattributes="*.bin filter=lfs diff=lfs merge=lfs -text\n", big=pointer)
        os.symlink("/git-gate/creds/x", self.work / "link")
        self.commit("Link")
        self.assert_pushed("main")


class Races(AttackCase):
    def test_concurrent_forced_pushes(self):
        works = [self.clone(f"work-{number}") for number in range(3)]
        tips = [
            self.commit(f"Change {number}", work=work, a=f"{number}\n")
            for number, work in enumerate(works)
        ]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            results = list(
                pool.map(
                    lambda work: git("push", "--force", "origin", "main", cwd=work, expect=None),
                    works,
                )
            )
        taken = [tip for tip, result in zip(tips, results) if result.returncode == 0]
        self.assertTrue(taken, [result.stdout for result in results])
        self.assertIn(refs(self.repository)["refs/heads/main"], taken)
        git("fetch", "--quiet", cwd=works[0])
        self.assertEqual(self.gate_refs(), refs(self.repository))

    def test_deleted_head_branch(self):
        self.commit(a="1\n")
        self.assert_pushed("main:refs/heads/next")
        # The upstream does not delete its current branch, unless configured to.
        self.assert_refused("--delete", "main", saying="deletion of the current branch prohibited")
        git("--git-dir", self.repository, "config", "receive.denyDeleteCurrent", "ignore")
        self.assert_pushed("--delete", "main")
        other = self.top / "other"
        git("clone", "--quiet", "--branch=next", self.gate.url(self.name), other)
        self.assert_pushed("main")

    def test_client_disconnects(self):
        """Killed while the upstream thinks: the next one finds what the upstream has."""
        hook = self.repository / "hooks" / "pre-receive"
        waiting, go_on = self.top / "waiting", self.top / "go on"
        os.mkfifo(go_on)
        hook.write_text(f"#!/bin/sh\n: >'{waiting}'\nread line <'{go_on}'\n", encoding="utf-8")
        hook.chmod(0o755)
        tip = self.commit(a="1\n")
        pusher = subprocess.Popen(
            ["git", "push", "origin", "main"],
            cwd=self.work,
            env=gate_fixture.clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        gate_fixture.wait_until(waiting.exists, "the upstream's hook")
        pusher.kill()
        pusher.wait()
        with open(go_on, "w", encoding="utf-8") as fifo:
            fifo.write("\n")
        hook.unlink()
        gate_fixture.wait_until(
            lambda: refs(self.repository)["refs/heads/main"] == tip, "the upstream takes the push"
        )
        git("fetch", "--quiet", cwd=self.work)
        self.assertEqual(self.gate_refs(), refs(self.repository))


class Crashes(AttackCase):
    def test_files_of_a_killed_gate_are_removed(self):
        tip = self.commit(a="1\n")
        self.assert_pushed("main")
        here = self.gate_repository()
        self.gate.stop()
        for name in (
            "config.lock",
            "HEAD.lock",
            "packed-refs.lock",
            "refs/heads/main.lock",
            "refs/heads/other.lock",
            "gate.lock",
        ):
            (here / name).write_text("", encoding="utf-8")
        (here / "gc.pid").write_text("1 elsewhere", encoding="utf-8")
        waiting = here / "objects" / "tmp_objdir-incoming-AbCdEf"
        (waiting / "pack").mkdir(parents=True)
        (waiting / "pack" / "tmp_pack_123456").write_text(TOKEN, encoding="utf-8")
        (self.gate.root / "tmp" / "push.AbCdEf").mkdir()
        self.gate.start()
        self.assertFalse(waiting.exists())
        self.assertEqual(self.gate.leftovers(), [])
        self.assertEqual(refs(here)["refs/heads/main"], tip)
        self.commit(a="2\n")
        self.assert_pushed("main", "main:refs/heads/other")

    def test_push_waits_for_the_lock(self):
        """Two gates' programs never bring refs up to date at once; who holds the lock is not
        disturbed."""
        self.commit(a="1\n")
        with open(self.gate_repository() / "gate.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            pusher = subprocess.Popen(
                ["git", "push", "--quiet", "origin", "main"],
                cwd=self.work,
                env=gate_fixture.clean_environment(),
            )
            log = self.gate.server
            gate_fixture.wait_until(
                lambda: f"receive-pack for '/{self.name}.git'" in log.text(),
                "the push arrives",
                pusher,
            )
            before = refs(self.repository)
        self.assertEqual(pusher.wait(gate_fixture.DEADLINE), 0)
        self.assertNotEqual(refs(self.repository), before)
        self.assertEqual(self.gate_refs(), refs(self.repository))


class Services(AttackCase):
    """What the gate serves beside pushes and fetches: nothing."""

    def test_archive_service_is_refused(self):
        git("archive", "--remote", self.gate.url(self.name), "HEAD", expect=1)
        # Git continues writing when the gate has closed its end, and then may not hear why.
        with (
            socket.create_connection(
                ("127.0.0.1", self.gate.port), gate_fixture.DEADLINE
            ) as connection,
            connection.makefile("rb") as stream,
        ):
            said = said_at_last(
                connection, stream, packet(f"git-upload-archive /{self.name}.git\0host=x\0")
            )
        self.assertRegex(said.decode(), "not enabled|access denied|does not serve|not export")

    def test_protocol_2_commands(self):
        """Refused objects cannot be fetched by id. Only refs and the objects that they lead to can
        be read."""
        secret = self.commit(config=f"{TOKEN}\n")
        self.assert_secret("main")
        for command, arguments in (
            ("fetch", [f"want {secret}\n", "done\n"]),
            ("object-info", ["size\n", f"oid {secret}\n"]),
            ("bundle-uri", []),
            ("ls-refs", ["ref-prefix ../\n", "ref-prefix /\n"]),
        ):
            with (
                self.subTest(command),
                socket.create_connection(
                    ("127.0.0.1", self.gate.port), gate_fixture.DEADLINE
                ) as connection,
            ):
                with connection.makefile("rwb") as stream:
                    stream.write(packet(f"git-upload-pack /{self.name}.git\0host=x\0\0version=2\0"))
                    stream.flush()
                    self.assertIn(b"version 2\n", list(lines_of(stream)))
                    said = said_at_last(
                        connection,
                        stream,
                        packet(f"command={command}\n")
                        + packet("object-format=sha1\n")
                        + b"0001"
                        + b"".join(packet(line) for line in arguments)
                        + b"0000"
                        + b"0000",
                    )  # of the command, of all
                said = said.decode(errors="replace")
                if command == "fetch":
                    self.assertIn("not our ref", said)
                elif command == "object-info":
                    self.assertRegex(said, f"{secret} ?\n?(0000)?$")
                self.assert_no_credential(said)

    def test_git_settings_of_the_caller_are_ignored(self):
        """The caller of the gate may have git settings; none affects the repositories."""
        elsewhere = self.top / "elsewhere"
        git("init", "--quiet", "--bare", elsewhere)
        trace = self.top / "trace"
        self.gate.stop()
        self.addCleanup(self.gate.start)
        self.addCleanup(self.gate.stop)
        self.gate.start(
            GIT_DIR=str(elsewhere),
            GIT_ALTERNATE_OBJECT_DIRECTORIES=str(elsewhere / "objects"),
            GIT_TRACE=str(trace),
            GIT_TRACE_PACKET=str(trace),
            GIT_REPLACE_REF_BASE="refs/heads/",
            GIT_GRAFT_FILE=str(trace),
            GIT_SHALLOW_FILE=str(trace),
            GIT_NAMESPACE="x",
            GIT_ATTR_SOURCE="HEAD",
            GIT_CONFIG_PARAMETERS="'core.hooksPath=/x'",
        )
        self.commit(a=f"{TOKEN}\n")
        self.assert_secret("main")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        self.commit(a="1\n")
        self.assert_pushed("main")
        self.assertFalse(trace.exists())
        self.assertEqual(refs(elsewhere), {})


class Sizes(AttackCase):
    edit = {"maxPushBytes": 300_000, "maxBlobBytes": 300_000}

    def test_large_pushes_are_refused(self):
        # Refused while it arrives, by what it has as a pack: the connection ends, with words or
        # before they are read ...
        self.commit(a=os.urandom(250_000), b=os.urandom(250_000))
        self.assert_refused("main", saying="exceeds maximum allowed size|unpack|hung up")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        # ... and by what it holds: much, small when packed.
        self.commit(**{f"file-{number}": bytes([number]) * 200_000 for number in range(50)})
        self.assert_refused("main", saying="more than 300000 bytes")

    def test_long_secrets_are_found(self):
        """A private key that is longer than others, wherever it begins."""
        text = b"".join(b"%d words of no meaning\n" % number for number in range(6000))
        words = b"".join(os.urandom(24).hex().encode() + b"\n" for _ in range(620))
        key = (
            b"-----BEGIN PGP PRIVATE"
            + b" KEY BLOCK-----\n\n"
            + words
            + b"-----END PGP PRIVATE"
            + b" KEY BLOCK-----\n"
        )
        self.assertGreater(len(key), 30_000)
        for place in (0, 40_000, 65_000, 81_900):
            with self.subTest(place):
                self.commit(keys=text[:place] + b"\n" + key + text[place:])
                self.assert_secret("main", rule="private-key", what=r"file [0-9a-f]{40} \(keys\)")
                git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)


class NamesOfFiles(AttackCase):
    """Rules of gitleaks that match a name and a text: those that 8.26 has."""

    def test_rules_for_names_are_applied(self):
        base = self.tip()
        word = "c3VwZXIt" + "c2VjcmV0LXdvcmQ="
        kubernetes = (
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: word\ntype: Opaque\ndata:\n "
            f" password: {word}\n"
        )
        nuget = (
            '<configuration>\n<packageSourceCredentials>\n<add key="Clear'
            + 'TextPassword" value="zW9-tR4.kk_Q" />\n</packageSourceCredentials>\n'
        )
        terraform = (
            'resource "x" "y" {\n  administrator_login_pass' + 'word = "zW9tR4kkQ7Lp2x"\n}\n'
        )
        for name, content, rule in (
            ("secret.yaml", kubernetes, "kubernetes-secret-yaml"),
            ("deep/Sécret.YML", kubernetes, "kubernetes-secret-yaml"),
            ("NuGet.Config", nuget, "nuget-config-password"),
            ("main.tf", terraform, "hashicorp-tf-password"),
        ):
            with self.subTest(name):
                (self.work / "deep").mkdir(exist_ok=True)
                # The same text under another name first: a file may have several.
                (self.work / "a.txt").write_text(content, encoding="utf-8")
                (self.work / name).write_text(content, encoding="utf-8")
                self.commit("Settings")
                self.assert_secret("main", rule=rule, what="file")
                # Renamed in a later commit of the same push.
                git("reset", "--quiet", "--hard", base, cwd=self.work)
                (self.work / "a.txt").write_text(content, encoding="utf-8")
                self.commit("Text")
                (self.work / "deep").mkdir(exist_ok=True)
                git("mv", "a.txt", name, cwd=self.work)
                self.commit("Settings")
                self.assert_secret("main", rule=rule, what="file")
                git("reset", "--quiet", "--hard", base, cwd=self.work)
                # In a merge only.
        git("checkout", "--quiet", "-b", "side", base, cwd=self.work)
        self.commit("Side", b="1\n")
        git("checkout", "--quiet", "main", cwd=self.work)
        self.commit("Main", a="1\n")
        git("merge", "--quiet", "--no-commit", "side", cwd=self.work)
        (self.work / "secret.yml").write_text(kubernetes, encoding="utf-8")
        self.commit("Merge")
        self.assert_secret("main", rule="kubernetes-secret-yaml", what="file")
        git("reset", "--quiet", "--hard", base, cwd=self.work)
        self.commit(**{"values__yml": f"aws: {AWS}\n", "clean__tf": "x = 1\n"})
        self.assert_secret("main", rule="aws-access-token", what="file")


if __name__ == "__main__":
    system_fixture.main()
