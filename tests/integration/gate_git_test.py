"""The git-gate end to end: its rendered entrypoint as a plain process, sshd as upstream, the real
scanner."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import stat
import tempfile
import unittest

import gate_fixture
import system_fixture
from gate_fixture import Gate, Upstream, git, refs

# Not real secrets: invented in the form that scanners look for. Put together here, so that no file
# of this project has one.
TOKEN = "gh" + "p_" + "1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2wX"
AWS = "AK" + "IA" + "QYLPMN5HHHFPZAM2"


class GateCase(system_fixture.TestCase):
    release = "sid"
    edit = {"allowForce": True, "allowDelete": True}
    more = {}

    @classmethod
    def setUpClass(cls):
        """One upstream server and one gate a class; each test has a separate repository there."""
        super().setUpClass()
        system_fixture.need("flock", "timeout", "git", "ssh")
        gate_fixture.scanner(cls.release)
        base = pathlib.Path.cwd() / "integration"
        base.mkdir(exist_ok=True)
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix=f"{cls.__name__} it's ", dir=base))
        cls.addClassCleanup(shutil.rmtree, cls.place, ignore_errors=True)
        cls.upstream = Upstream(cls.place / "up stream")
        cls.addClassCleanup(cls.upstream.stop)
        names = [cls.slug(name) for name in unittest.defaultTestLoader.getTestCaseNames(cls)]
        cls.gate = Gate(
            cls.place / "gate", cls.upstream, names, release=cls.release, edit=cls.edit, **cls.more
        )
        cls.addClassCleanup(cls.gate.stop)

    @staticmethod
    def slug(name):
        return name.replace("_", "-").lower()

    def setUp(self):
        super().setUp()
        self.name = self.slug(self._testMethodName)
        self.repository = self.upstream.repository(self.name)
        self.work = self.clone("work")

    def clone(self, name):
        work = self.top / name
        git("clone", "--quiet", self.gate.url(self.name), work)
        return work

    def commit(self, message="Change", work=None, **files):
        work = work or self.work
        for path, content in files.items():
            file = work / path.replace("__", ".")
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        git("add", "--all", cwd=work)
        git("commit", "--quiet", "--allow-empty", "-m", message, cwd=work)
        return git("rev-parse", "HEAD", cwd=work).stdout.strip()

    def push(self, *arguments, work=None, expect=0):
        return git("push", "origin", *arguments, cwd=work or self.work, expect=expect)

    def assert_pushed(self, *arguments, work=None):
        """The push is taken, and then the gate and the upstream have the same refs."""
        result = self.push(*arguments, work=work)
        self.assertEqual(self.gate_refs(), refs(self.repository))
        self.assertEqual(self.gate.leftovers(), [])
        return result.stdout

    def assert_refused(self, *arguments, work=None, saying="", upstream=None):
        """The push is refused, and neither the upstream nor the gate has anything of it.

        Git refuses a bad pack while the rest of it is still coming and closes the connection, by
        which the pusher may lose what was said. That is a refusal too; it is asked again until the
        reason is heard."""
        before, here = refs(self.repository), self.gate_refs()
        objects = self.gate_objects()
        for _ in range(50):
            result = self.push(*arguments, work=work, expect=1)
            self.assertEqual(refs(self.repository), upstream or before)
            if upstream is None:
                self.assertEqual(self.gate_refs(), here)
                self.assertEqual(self.gate_objects(), objects)
            self.assertEqual(self.gate.leftovers(), [])
            self.assert_no_credential(result.stdout)
            if re.search(saying, result.stdout) or not re.search(
                "Connection reset by peer|Broken pipe|signal 13|hung up|^$", result.stdout
            ):
                break
        self.assertRegex(result.stdout, saying)
        return result.stdout

    def gate_repository(self):
        return self.gate.root / "repositories" / f"{self.name}.git"

    def gate_refs(self):
        return refs(self.gate_repository())

    def gate_objects(self):
        return sorted(
            git(
                "--git-dir",
                self.gate_repository(),
                "cat-file",
                "--batch-check",
                "--batch-all-objects",
            ).stdout.split("\n")
        )

    def assert_no_credential(self, text):
        key = self.upstream.identity.read_text(encoding="utf-8")
        for line in key.splitlines():
            self.assertNotIn(line, text)
        self.assertNotIn(str(self.gate.creds), text)
        # git repeats the name of a ref to the client.
        self.assertNotIn(TOKEN, "".join(line for line in text.splitlines(True) if "->" not in line))

    def assert_secret(self, *arguments, rule=r"[a-z-]+", what=""):
        return self.assert_refused(
            *arguments,
            saying=(
                rf"(?s)gate: secret: rule {rule}: {what}.*gate: refused: the push contains secrets"
            ),
        )


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


class Secrets(GateCase):
    """Where a secret may hide; scanned with the newer gitleaks."""

    def test_secret_in_a_file(self):
        self.commit(config=f"token = {TOKEN}\n")
        self.assert_secret("main", rule="github-pat", what=r"file [0-9a-f]{40} \(config\)")
        # ... also when a later commit takes it out again, and on a new branch, and behind a clean
        # tip.
        self.commit(config="token =\n")
        self.assert_secret("main")
        self.assert_secret("main:refs/heads/new")
        self.assert_refused(
            "main~2:refs/heads/clean", "main:refs/heads/new", saying="the push contains secrets"
        )

    def test_secret_in_a_forced_push(self):
        self.commit(a="1\n")
        self.assert_pushed("main")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        self.commit(a=f"{AWS}\n")
        self.assert_secret("--force", "main", rule="aws-access-token")

    def test_allow_comment_is_ignored(self):
        self.commit(
            config=f"token = {TOKEN} # gitleaks:allow\n", other=f"gitleaks\0:allow {AWS}\n".encode()
        )
        said = self.assert_secret("main")
        self.assertRegex(said, r"github-pat.*\(config\)")
        self.assertRegex(said, r"aws-access-token.*\(other\)")

    def test_scanner_settings_in_the_tree_are_ignored(self):
        self.commit(
            __gitleaks__toml='[allowlist]\npaths = [".*"]\nregexes = [".*"]\n', config=f"{TOKEN}\n"
        )
        listing = self.assert_secret("main")
        blob = git("rev-parse", "HEAD:config", cwd=self.work).stdout.strip()
        commit = git("rev-parse", "HEAD", cwd=self.work).stdout.strip()
        self.assertIn(blob, listing)
        ignored = "".join(
            f"{prefix}{place}:github-pat:{line}\n"
            for prefix in ("", commit + ":")
            for line in range(9)
            for place in ("config", "parts/b00000001", f"parts/{blob}")
        )
        self.commit(__gitleaksignore=ignored)
        self.commit(__gitattributes="* -diff binary\n")
        self.assert_secret("main")

    def test_secret_in_a_merge_resolution(self):
        self.commit(a="1\n")
        self.assert_pushed("main")
        git("checkout", "--quiet", "-b", "side", "HEAD~1", cwd=self.work)
        self.commit(a="2\n")
        git("checkout", "--quiet", "main", cwd=self.work)
        git("merge", "--quiet", "side", cwd=self.work, expect=1)
        self.commit("Merge", a=f"both {TOKEN}\n")
        self.assert_secret("main", what="file")

    def test_secrets_in_messages_and_names(self):
        base = git("rev-parse", "HEAD", cwd=self.work).stdout.strip()
        self.commit(f"Use {TOKEN}")
        self.assert_secret("main", what="commit")
        git("reset", "--quiet", "--hard", base, cwd=self.work)
        git(
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "x",
            f"--author={TOKEN} <a@example.com>",
            cwd=self.work,
        )
        self.assert_secret("main", what="commit")
        git("reset", "--quiet", "--hard", base, cwd=self.work)
        git(
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "x",
            f"--author=x <{TOKEN}@example.com>",
            cwd=self.work,
        )
        self.assert_secret("main", what="commit")
        git("reset", "--quiet", "--hard", base, cwd=self.work)
        git("tag", "-a", "-m", f"Version {TOKEN}", "v1", cwd=self.work)
        self.assert_secret("v1", what="tag")
        git("tag", "-d", "v1", cwd=self.work)
        self.assert_refused(
            f"main:refs/heads/x/{TOKEN}", saying="rule github-pat: the name of a ref"
        )
        (self.work / "deep").mkdir()
        (self.work / "deep" / TOKEN).write_text("", encoding="utf-8")
        self.commit("Name")
        self.assert_refused("main", saying="rule github-pat: names in directory")
        git("reset", "--quiet", "--hard", base, cwd=self.work)
        os.symlink(f"/{TOKEN}/x", self.work / "link")
        self.commit("Link")
        self.assert_secret("main", what="file")

    def test_secrets_in_binary_files(self):
        noise = bytes(byte for byte in os.urandom(60_000) if byte != 10)
        for content in (
            b"\x7fELF\x02\x01\x01\0" + b"\0" * 300 + TOKEN.encode() + b"\0" * 99,
            b"%PDF-1.7\n" + TOKEN.encode() + b"\n",
            b"\x89PNG\r\n\x1a\n" + b"\0" * 50 + b" " + TOKEN.encode() + b" ",
            b"x" * 257 + b"ustar\0" + b"\0" * 400 + TOKEN.encode(),
            noise + b" " + TOKEN.encode() + b" " + noise,
            f"a\r{TOKEN}\rb".encode(),
            TOKEN.encode("utf-16"),
            f"words {TOKEN}\n".encode("utf-16-be"),
        ):
            with self.subTest(content[:12]):
                self.commit(**{"image.png": content})
                self.assert_secret("main", what="file")
                git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)

    def test_secrets_across_parts(self):
        lines = b"".join(b"%d words of no meaning\n" % number for number in range(3000))
        for place in (1, 4090, 8180, 8192, 10_000 - 20, 12_288 - 10, 24_990, 35_000 - 20):
            with self.subTest(place):
                self.commit(
                    many=lines[:place] + b" " + TOKEN.encode() + b"\n" + lines[place:],
                    one=b"." * place + b" " + AWS.encode() + b" ." * 9000,
                )
                said = self.assert_secret("main")
                self.assertRegex(said, r"github-pat.*\(many\)")
                self.assertRegex(said, r"aws-access-token.*\(one\)")
                git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)

    def test_private_key_is_found(self):
        self.commit(key=self.upstream.identity.read_text(encoding="utf-8"))
        self.assert_secret("main", rule="private-key")

    def test_refused_objects_cannot_be_fetched(self):
        tip = self.commit(config=f"{TOKEN}\n")
        self.assert_secret("main")
        other = self.top / "other"
        git("init", "--quiet", other)
        git("fetch", self.gate.url(self.name), tip, cwd=other, expect=1)


class SecretsOlderScanner(Secrets):
    """The same with the older gitleaks, which has no --ignore-gitleaks-allow."""

    release = "trixie"


class Rules(GateCase):
    """Rules of the description."""

    more = {
        "scanner": {
            "rules": [
                {"id": "project-token", "regex": "PROJ-[0-9]{8}", "keywords": ["proj-"]},
                {"id": "quote", "regex": '"it\'s\\\\\\d"""'},
            ],
            "allow": [TOKEN[:20]],
        }
    }

    def test_own_rules_and_exceptions(self):
        self.commit(config="PROJ-12345678\n")
        self.assert_secret("main", rule="project-token")
        self.commit(config="clean\n")
        git("reset", "--quiet", "--soft", "HEAD~2", cwd=self.work)
        self.commit(config=f"{TOKEN}\n")
        self.assert_pushed("main")
        self.commit(config='"it\'s\\7"""\n')
        self.assert_secret("main", rule="quote")
        git("reset", "--quiet", "--hard", "HEAD~1", cwd=self.work)
        self.commit(config=f"{AWS}\n")
        self.assert_secret("main", rule="aws-access-token")


class RulesOlderScanner(Rules):
    release = "trixie"


class TooMuchAllowed(GateCase):
    """A description whose exceptions would blind the scanner."""

    more = {"scanner": {"allow": [".*"]}}

    def test_push_is_refused(self):
        self.commit(a="1\n")
        self.assert_refused("main", saying="read 0 of|scanner failed")


class OtherScannerCase(GateCase):
    def use_scanner(self, text):
        directory = self.top / "scanner"
        is_first = not directory.exists()
        directory.mkdir(exist_ok=True)
        program = directory / "gitleaks"
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
        if is_first:
            self.restart(directory)
            self.addCleanup(self.restart, self.gate.scanner)

    def restart(self, scanner):
        self.gate.stop()
        self.gate.path = f"{scanner}:{os.environ['PATH']}"
        self.gate.start()


class HangingScanner(OtherScannerCase):
    """A separate time limit: a scanner that does its work has all the time that a slow machine
    takes."""

    more = {"scanner": {"timeout": 1}}

    def test_scanner_is_killed(self):
        self.commit(a="1\n")
        self.use_scanner("#!/bin/sh\nexec tail -f /dev/null\n")
        self.assert_refused("main", saying=r"timed out .status 124")


class FailsClosed(OtherScannerCase):
    """Whatever is wrong with the gate's parts, nothing passes."""

    def test_scanner_missing(self):
        self.use_scanner("#!/bin/sh\nexit 0\n")
        self.commit(a="1\n")
        self.assert_refused("main", saying="scanner failed .status 0.*nothing was forwarded")
        (self.top / "scanner" / "gitleaks").unlink()
        if not shutil.which("gitleaks"):
            self.assert_refused("main", saying="cannot run the scanner")
            self.gate.stop()
            with self.assertRaises(AssertionError):
                self.gate.start()
            self.assertIn("cannot find the program gitleaks", self.gate.server.text())

    def test_scanner_killed_or_without_findings(self):
        self.commit(a="1\n")
        report = """cat > report.json <<'END'
[
 {
  "Fingerprint": "parts/b00000001:bottle-gate-canary:1"
 }
]
END
"""
        for text, saying in (
            ("kill -9 $$", r"timed out .status 137"),
            ("kill -SEGV $$", r"scanner failed .status 139"),
            ("exit 1", r"scanner failed .status 1\)"),
            ("exit 99", "no report|cannot be read"),
            # A part was looked at if both its first and its last line were found.
            (report + "exit 99", "read 0 of"),
            (report + "exit 0", r"scanner failed .status 0\)"),
            ("echo '[]' > report.json; exit 99", "read 0 of"),
        ):
            with self.subTest(text):
                self.use_scanner(f"#!/bin/sh\n{text}\n")
                self.assert_refused("main", saying=saying)

    def test_upstream_down(self):
        self.commit(a="1\n")
        self.upstream.stop()
        said = self.assert_refused("main", saying="the upstream cannot be reached")
        self.assertNotIn("127.0.0.1 port", said.replace(f"127.0.0.1:{self.gate.port}", ""))
        git("fetch", cwd=self.work, expect=1)
        self.upstream.start()
        self.assert_pushed("main")

    def test_wrong_host_key(self):
        self.commit(a="1\n")
        self.upstream.stop()
        other = self.top / "other_key"
        gate_fixture.ssh_keygen(other)
        self.addCleanup(self.upstream.start)
        self.addCleanup(self.upstream.stop)
        self.upstream.start(host_key=other)
        self.assert_refused("main", saying="host key differs from the pinned key")
        self.assertRegex(
            git("fetch", cwd=self.work, expect=1).stdout, "host key differs from the pinned key"
        )

    def test_identity_denied_by_the_upstream(self):
        self.commit(a="1\n")
        file = self.upstream.directory / "authorized_keys"
        self.addCleanup(file.write_text, file.read_text(encoding="utf-8"), encoding="utf-8")
        file.write_text("", encoding="utf-8")
        self.assert_refused("main", saying="denied access to this gate")

    def test_identity_missing(self):
        self.commit(a="1\n")
        (self.gate.creds / self.name).unlink()
        self.assert_refused("main", saying="denied access to this gate|does not answer")


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
