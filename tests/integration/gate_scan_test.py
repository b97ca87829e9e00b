# SPDX-License-Identifier: Apache-2.0
"""The scanner of a git-gate: secrets, rules, older scanners, scanners that fail."""
import os
import shutil

import gate_fixture
import system_fixture
from gate_fixture import git
from gate_case_fixture import AWS, GateCase, TOKEN


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


if __name__ == "__main__":
    system_fixture.main()
