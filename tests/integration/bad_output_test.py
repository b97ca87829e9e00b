# SPDX-License-Identifier: Apache-2.0
"""Damaged packs, outputs that cannot be written, and little memory."""
import os
import re
import resource
import shutil
import subprocess

import system_fixture
from bad_input_fixture import BadInput


class Packs(BadInput):
    """Damaged packs, for each command that reads one."""

    def refuses_pack(self, pack, *patterns):
        into = self.top / "extracted"
        for arguments in (["verify", pack], ["extract", pack, into]):
            result = self.build.tools("bottle-pack", *arguments, expect=1)
            self.assert_fails(result, re.escape(pack.name) + "(: .*)?: error: ", *patterns)
        self.assertFalse(into.exists())
        self.assertEqual(
            [name for name in os.listdir(self.top) if "tmp" in name or name.startswith(".")], []
        )

    def test_every_truncation(self):
        whole = self.build.output.read_bytes()
        pack = self.top / "short.smolmachine"
        for size in {
            0,
            1,
            63,
            64,
            len(whole) // 2,
            *range(len(whole) - 70, len(whole)),
            *range(0, len(whole), 97),
        }:
            with self.subTest(size=size):
                pack.write_bytes(whole[:size])
                self.refuses_pack(pack)

    def test_altered_bytes(self):
        whole = self.build.output.read_bytes()
        pack = self.top / "altered.smolmachine"
        for at in range(0, len(whole) - 64, 11):
            with self.subTest(at=at):
                altered = bytearray(whole)
                altered[at] ^= 0x40
                pack.write_bytes(altered)
                self.refuses_pack(pack)
                self.assert_fails(
                    self.build.tools("bottle-pack", "inspect", "--tree", pack, expect=1), "error: "
                )

    def test_altered_footer(self):
        whole = self.build.output.read_bytes()
        pack = self.top / "altered.smolmachine"
        self.build.tools("bottle-pack", "extract", self.build.output, self.top / "expected")
        expected = system_fixture.tree_of(self.top / "expected")
        for at in range(
            len(whole) - 64, len(whole) - 8
        ):  # the last eight bytes are reserved: readers ignore them
            with self.subTest(at=at):
                altered = bytearray(whole)
                altered[at] ^= 0x40
                pack.write_bytes(altered)
                refused = self.build.tools("bottle-pack", "verify", pack, expect=1)
                self.assert_fails(refused, r"altered\.smolmachine(: .*)?: error: ")
                # Some fields do not describe the content: then it comes out right, or not at all.
                into = self.top / f"extracted-{at}"
                if (
                    self.build.tools("bottle-pack", "extract", pack, into, expect=None).returncode
                    == 0
                ):
                    self.assertEqual(system_fixture.tree_of(into), expected)
                else:
                    self.assertFalse(into.exists())

    def test_file_that_is_not_a_pack(self):
        pack = self.top / "text.smolmachine"
        pack.write_text("this is no pack\n" * 100)
        self.refuses_pack(pack)
        for command in ("verify", "inspect"):
            self.assert_fails(
                self.build.tools("bottle-pack", command, self.top / "nowhere", expect=1),
                "nowhere: error: .*No such file",
            )
            self.assert_fails(
                self.build.tools("bottle-pack", command, self.top, expect=1), "error: "
            )

    def test_damaged_plan(self):
        plan = self.build.build / "image.json"
        text = plan.read_text()
        pack = self.build.output.read_bytes()
        for damaged in ("", text[:-20], text.replace("sha256:", "sha255:", 1), "[]"):
            plan.write_text(damaged)
            self.assert_fails(self.build.create(expect=1), r"image\.json.*: error: ")
        plan.unlink()
        self.assert_fails(
            self.build.create(expect=1),
            r"image\.json: error: cannot find the image plan",
            "hint: .*bottle-image build",
        )
        self.assertEqual(self.build.output.read_bytes(), pack)

    def test_source_changed_after_the_build(self):
        """The bytes must be the ones of the plan: else the step fails with a message."""
        shutil.rmtree(self.build.cache)
        pack = self.build.output.read_bytes()
        self.build.write("good", "evil\n")
        self.assert_fails(
            self.build.create(expect=1), "good: .*error: |good: error: ", "build again|changed"
        )
        self.assertEqual(self.build.output.read_bytes(), pack)
        (self.build.source / "good").unlink()
        self.assert_fails(self.build.create(expect=1), "good.*: error: ")
        self.assertEqual(self.build.output.read_bytes(), pack)
        self.assertEqual(self.build.leftovers(), [])


class Outputs(BadInput):
    """Places that cannot be written to."""

    def as_nobody(self):
        if os.geteuid() == 0:
            system_fixture.need("setpriv")
            self.build.prefix = [
                "setpriv",
                f"--reuid={system_fixture.NOBODY}",
                f"--regid={system_fixture.NOBODY}",
                "--clear-groups",
            ]
            for path in [self.top, *self.top.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            # This user may not look into the closed home that the build tree may be in.
            probe = subprocess.run(
                [*self.build.prefix, system_fixture.settings.tools / "bottle-pack", "--version"],
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if probe.returncode != 0:
                self.skipTest("needs a build tree that another user may read")
        else:
            for path in (self.build.build, *self.build.build.rglob("*")):
                if path.is_dir():
                    self.addCleanup(path.chmod, path.stat().st_mode)
                    path.chmod(0o555)

    def test_export_from_a_wrong_path(self):
        wrong = self.top / "no such directory"
        result = self.build.tools(
            "bottle-image", "export", wrong, "--layout", self.top / "layout", expect=1
        )
        self.assert_fails(
            result,
            r"no such directory: error: no image plan in this directory",
            "hint: .*bottle-image export",
        )
        self.assertFalse(wrong.exists())
        self.assertFalse((self.top / "layout").exists())

    def test_unwritable_build_directory(self):
        self.as_nobody()
        self.before = self.state()
        self.build.cache = self.top / "a store of one's own"
        self.build.cache.mkdir()
        self.build.cache.chmod(0o777)
        self.build.trace = self.build.cache / "trace.jsonl"
        denied = "error: .*(Permission denied|cannot create|cannot write)"
        self.build.write("Dockerfile", "FROM scratch\nCOPY good /changed\n")
        where = ["--context", self.build.source, "--out", self.build.build]
        self.assert_fails(
            self.build.tools("bottle-image", "build", *where, expect=1),
            denied,
            str(self.build.build),
        )
        self.assert_fails(
            self.build.tools("bottle-fingerprint", *where, expect=1), denied, str(self.build.build)
        )
        self.assert_fails(self.build.create("--cpus", 2, expect=1), denied)
        self.assert_fails(self.build.export(self.build.build / "layout", expect=1), denied)
        self.assert_fails(
            self.build.tools(
                "bottle-pack", "extract", self.build.output, self.build.build / "x", expect=1
            ),
            denied,
        )
        self.assertEqual(self.state(), self.before)

    def test_unwritable_store(self):
        self.build.environment["BOTTLE_CACHE_DIR"] = "/proc/nowhere"
        self.assert_fails(
            self.build.image(expect=1), "/proc/nowhere.*: error: ", "BOTTLE_CACHE_DIR"
        )
        file = self.top / "file"
        file.write_text("in the way\n")
        self.build.environment["BOTTLE_CACHE_DIR"] = str(file)
        self.assert_fails(self.build.image(expect=1), "file.*: error: ")

    def test_output_path_is_taken(self):
        shutil.rmtree(self.build.build)
        self.build.build.write_text("a file\n")
        self.assert_fails(self.build.image(expect=1), "error: ")
        self.assertEqual(self.build.build.read_text(), "a file\n")
        self.build.build.unlink()
        self.build.image()
        self.build.output.mkdir()
        (self.build.output / "work").write_text("of years\n")
        self.assert_fails(
            self.build.create(expect=1),
            r"image\.smolmachine: error: .*directory is in its place",
            "hint: .*rm -r ",
        )
        self.assertEqual(self.build.leftovers(), [])
        (self.build.output / "work").unlink()
        self.build.create()  # an empty directory holds no data
        self.assertTrue(self.build.output.is_file())

    def test_extract_into_a_directory_that_is_not_empty(self):
        into = self.top / "into"
        into.mkdir()
        (into / "work").write_text("of years\n")
        self.assert_fails(
            self.build.tools("bottle-pack", "extract", self.build.output, into, expect=1),
            "into: error: .*not empty",
        )
        self.assertEqual(os.listdir(into), ["work"])


class ShortMemory(system_fixture.TestCase):
    def test_failed_allocation_is_reported(self):
        build = self.new_build(
            files={"Dockerfile": "FROM scratch\nCOPY . /\n", "big": os.urandom(3 << 20)}
        )
        failures = 0
        for kilobytes in range(11_000, 30_000, 1000):
            shutil.rmtree(build.cache, ignore_errors=True)
            result = build.tools(
                "bottle-image",
                "build",
                "--context",
                build.source,
                "--out",
                self.top / f"out-{kilobytes}",
                expect=None,
                preexec_fn=lambda limit=kilobytes << 10: resource.setrlimit(
                    resource.RLIMIT_AS, (limit, limit)
                ),
            )
            if "error while loading shared libraries" in result.stdout or result.returncode == 0:
                continue
            failures += 1
            self.assertEqual(
                (result.returncode, result.stdout.count("error: ")), (1, 1), result.stdout
            )
            self.assertRegex(
                result.stdout, "(?i)out of memory|not enough memory|cannot allocate memory"
            )
        self.assertGreater(failures, 0)


if __name__ == "__main__":
    system_fixture.main()
