# SPDX-License-Identifier: Apache-2.0
"""Cases of a git-gate: the gate, its upstream and a repository that pushes through it."""
import pathlib
import re
import shutil
import tempfile
import unittest

import gate_fixture
import system_fixture
from gate_fixture import Gate, Upstream, git, refs


# Not real secrets: invented in the form that scanners look for. Put together here, so that no file
# of this project has one.
AWS = "AK" + "IA" + "QYLPMN5HHHFPZAM2"
TOKEN = "gh" + "p_" + "1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2wX"


class GateCase(system_fixture.TestCase):
    release = "sid"
    edit = {"allowForce": True, "allowDelete": True}
    more = {}

    shares_setup = True

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
