# SPDX-License-Identifier: Apache-2.0
"""What bottle-pack says and compares of a pack: its user, the smolvm it is for, its agent, members
that only a newer smolvm knows."""
import json
import struct
import textwrap
import zlib

import system_fixture

FILES = {
    "Dockerfile": textwrap.dedent(
        """\
        FROM scratch
        COPY passwd /etc/
        ENV A=1
        USER app
        """
    ),
    "passwd": "app:x:1000:1000::/:\n",
}


class Manifests(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.build = self.new_build(FILES)
        self.build.image()

    def create(self, *options, name="pack", expect=0):
        file = self.top / f"{name}.smolmachine"
        self.said = self.build.tools(
            "bottle-pack",
            "create",
            "--image",
            self.build.build,
            "-o",
            file,
            "--name",
            "a:1",
            *options,
            expect=expect,
        ).stdout
        return file

    def manifest(self, pack):
        return json.loads(self.build.tools("bottle-pack", "inspect", "--json", pack).stdout)[
            "manifest"
        ]

    def test_user_is_written(self):
        pack = self.create("--runtime", "none")
        self.assertEqual(self.manifest(pack)["user"], "app")
        self.assertNotIn("warning", self.said)
        self.assertRegex(self.build.tools("bottle-pack", "inspect", pack).stdout, r"User: +app\n")
        self.assertEqual(
            self.manifest(self.create("--runtime", "none", "--user", "7:8"))["user"], "7:8"
        )
        self.create("--runtime", "none", "--user", "nobody")
        self.assertIn('"nobody" is not in the image\'s /etc/passwd', self.said)
        self.assert_fails(
            self.build.tools(
                "bottle-pack",
                "create",
                "--image",
                self.build.build,
                "-o",
                pack,
                "--user",
                "a b",
                expect=1,
            ),
            "blanks and control characters",
        )

    def test_smolvm_version_is_written(self):
        manifest = self.manifest(self.create("--runtime", "none"))
        self.assertRegex(manifest["smolvm_version"], r"^1\.16\.2\+bottle\.\d+\.\d+\.\d+$")
        old = self.manifest(self.create("--runtime", "none", "--smolvm-version", "1.9.3"))
        self.assertRegex(old["smolvm_version"], r"^1\.9\.3\+bottle\.")
        self.assertNotIn("user", old)
        self.assertIn("the workload runs as root", self.said)
        self.create("--smolvm-version", "1.7.0", expect=1)
        self.assertIn("expected at least 1.8.1, found 1.7.0", self.said)

    def test_agent_is_included(self):
        agent = self.top / "agent"
        (agent / "sbin").mkdir(parents=True)
        (agent / "usr/local/bin").mkdir(parents=True)
        (agent / "sbin/init").symlink_to("/usr/local/bin/smolvm-agent")
        program = agent / "usr/local/bin/smolvm-agent"
        program.write_text("#!/bin/sh\necho 1.15.0\n")
        program.chmod(0o755)
        self.assertEqual(self.manifest(self.create("--runtime", agent))["smolvm_version"], "1.15.0")
        self.assertNotIn("warning", self.said)
        program.write_text("#!/bin/sh\nexit 1\n")
        self.assertRegex(
            self.manifest(self.create("--runtime", agent))["smolvm_version"], r"^0\.0\.0\+bottle\."
        )
        self.assertIn("cannot determine the version of the agent", self.said)

    def diff(self, one, other, *options, expect=3):
        return self.build.tools("bottle-pack", "diff", one, other, *options, expect=expect).stdout

    def test_diff_compares_manifests(self):
        one = self.create("--runtime", "none", name="one")
        self.assertEqual(
            self.diff(one, self.create("--runtime", "none", name="other"), expect=0), ""
        )
        other = self.create(
            "--runtime",
            "none",
            "--cpus",
            "2",
            "--memory",
            "64",
            "--user",
            "0",
            "--entrypoint",
            "/e",
            "--cmd",
            "c",
            "--env",
            "A=2",
            "--env",
            "B=",
            "--network",
            name="other",
        )
        self.assertEqual(
            self.diff(one, other).splitlines(),
            [
                'manifest user: value: "app" | "0"',
                "manifest cpus: value: 4 | 2",
                "manifest mem: value: 8192 | 64",
                "manifest network: value: false | true",
                'manifest env A: value: "1" | "2"',
                'manifest entrypoint: only in B (["/e"])',
                'manifest cmd: only in B (["c"])',
                'manifest env B: only in B ("")',
            ],
        )
        found = json.loads(self.diff(one, other, "--json"))
        self.assertEqual(found[0], {"manifest": "user", "what": "value", "a": '"app"', "b": '"0"'})
        older = self.create("--runtime", "none", "--smolvm-version", "1.15.0", name="older")
        self.assertEqual(self.diff(one, older, expect=0), "")
        self.assertIn("manifest smolvm_version: value: ", self.diff(one, older, "--all"))

    def test_members_of_a_newer_smolvm_are_kept(self):
        one = self.create("--runtime", "none", name="one")
        data = one.read_bytes()
        (size,) = struct.unpack_from("<Q", data, len(data) - 64 + 28)
        manifest = json.loads(data[size:-64])
        manifest |= {"checkpoint": {"payload": "chunked"}, "made_with": "\u001b[31m"}
        text = json.dumps(manifest).encode()
        newer = self.top / "newer.smolmachine"
        newer.write_bytes(
            data[:size]
            + text
            + struct.pack(
                "<8sIQQQQQI8s",
                b"SMOLPACK",
                1,
                0,
                0,
                size,
                size,
                len(text),
                zlib.crc32(data[:size] + text),
                b"reserved",
            )
        )
        said = self.build.tools("bottle-pack", "inspect", newer).stdout
        self.assertIn('/checkpoint: {"payload":"chunked"}\n', said)
        self.assertIn("/made_with: ", said)
        self.assertNotIn("\x1b", said)
        self.assertIn(
            "warning: the pack is a checkpoint",
            self.build.tools("bottle-pack", "verify", newer).stdout,
        )
        self.assertIn(
            "warning: the pack is a checkpoint",
            self.build.tools("bottle-pack", "extract", newer, self.top / "tree").stdout,
        )
        self.assertIn(
            'manifest /checkpoint: only in B ({"payload":"chunked"})\n', self.diff(one, newer)
        )


if __name__ == "__main__":
    system_fixture.main()
