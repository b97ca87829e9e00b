# SPDX-License-Identifier: Apache-2.0
"""A whole Debian as a base (debian_fixture.py): the same tree as umoci makes of it, small repacks,
bounded memory."""
import json
import os
import random
import re
import shutil
import subprocess
import unittest

import debian_fixture
import images
import system_fixture

DOCKERFILE = """
FROM base
COPY files/ /srv/files/
COPY --chown=1000:1001 --chmod=640 files/one /srv/owned
WORKDIR /srv/files
"""
FILES = {
    "Dockerfile": DOCKERFILE,
    ".dockerignore": "**/*.log\n",
    "files/one": "one\n",
    "files/below/two": "two\n",
    "files/not.log": "stays\n",
    "files/below/.keep": "",
}

MEMORY_LIMIT = 200 << 20


class DebianTestCase(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.layout = system_fixture.settings.debian / "layout"
        if not self.layout.exists():
            raise unittest.SkipTest(
                "needs the Debian root file system that debootstrap makes (test"
                " integration.debian.root)"
            )

    def debian(self, name="debian", layout=None):
        build = self.new_build(FILES, name)
        build.base = ["--build-context", f"base=oci-layout:{layout or self.layout}"]
        return build


class Tree(DebianTestCase):
    def test_tree_equals_what_umoci_unpacks(self):
        system_fixture.need("umoci")
        system_fixture.need_root("umoci unpacks owners, setuid bits and device nodes")
        build = self.debian()
        build.image(*build.base)
        build.create()
        build.tools("bottle-pack", "verify", "--quiet", build.output)
        layout, bundle, extracted = (self.top / name for name in ("layout", "bundle", "extracted"))
        build.export(layout, "--tag", "exported")
        subprocess.run(
            ["umoci", "--log=error", "unpack", "--image", f"{layout}:exported", bundle], check=True
        )
        unpacked = system_fixture.tree_of(bundle / "rootfs")
        devices = {path for path, row in unpacked.items() if row[0] in ("char", "block", "fifo")}
        expected = {path: row for path, row in unpacked.items() if path not in devices}
        self.assertGreater(len(expected), 5000)
        self.check_that_the_layers_were_applied(expected)

        build.tools("bottle-pack", "extract", "--quiet", build.output, extracted)
        self.assertEqual(
            system_fixture.differences(system_fixture.tree_of(extracted), expected), []
        )

        rows = json.loads(build.tools("bottle-pack", "inspect", "--tree", build.output).stdout)
        self.assertEqual(
            system_fixture.differences({row[0]: tuple(row[1:]) for row in rows}, expected), []
        )

        if devices:
            made = build.tools(
                "bottle-pack",
                "create",
                "--json",
                "--runtime",
                "none",
                "--image",
                build.build,
                "--output",
                build.output,
            ).stdout
            self.assertRegex(made, "device nodes and fifos are left out.*" + min(devices))
        # And our own comparison agrees.
        self.assertEqual(build.tools("bottle-pack", "diff", build.output, extracted).stdout, "")

    def check_that_the_layers_were_applied(self, tree):
        """So that two readers that both do nothing are not equal."""
        for path in (
            "usr/share/locale",
            "opt/app/small-03",
            "opt/app/name-1",
            "opt/app/state/2",
            "usr/share/doc/apt",
            "opt/app/directory-then-file/in",
            "srv/files/not.log",
        ):
            self.assertNotIn(path, tree)
        kinds = {
            "usr/share/doc/only-this": "file",
            "opt/app/directory-then-file": "file",
            "opt/app/file-then-directory": "directory",
            "opt/app/directory-then-link": "symlink",
            "opt/app/name-3": "hardlink",
            "opt/app/version-of-the-base": "hardlink",
            "etc/issue": "file",
            "opt/app/" + debian_fixture.LONG_NAME: "file",
            "opt/app/" + debian_fixture.LONG_PATH + "/deep": "file",
            "srv/files/below/two": "file",
        }
        for path, kind in kinds.items():
            self.assertEqual(tree[path][0], kind, path)
        self.assertEqual(tree["opt/app/setuid"][1], "4755")
        self.assertEqual(tree["opt/app/far-away"][2:4], (3_000_000, 4_000_000))
        self.assertEqual(tree["srv/owned"][1:4], ("0640", 1000, 1001))
        self.assertGreater(tree["opt/app/big"][4], 8 << 20)


class Repack(DebianTestCase):
    def statistics(self, build):
        text = build.tools(
            "bottle-pack",
            "create",
            "--json",
            "--runtime",
            "none",
            "--image",
            build.build,
            "--output",
            build.output,
        ).stdout
        return json.loads(text[text.index("{") :])["frames"]

    def pack_of_an_empty_store(self, like):
        """Made in another place, from nothing."""
        other = self.new_build(name="from nothing")
        shutil.rmtree(other.root)
        shutil.copytree(like.source, other.source)
        other.base = like.base
        other.image(*other.base)
        frames = self.statistics(other)
        self.assertEqual(frames["reused"], 0)
        return other.output.read_bytes()

    def check_small_repack(self, build):
        before = build.output.read_bytes()
        build.image(*build.base)
        frames = self.statistics(build)
        self.assertIn(frames["compressed"], (1, 2), frames)
        self.assertGreater(frames["reused"], 50, frames)
        after = build.output.read_bytes()
        self.assertNotEqual(before, after)
        self.assertEqual(after, self.pack_of_an_empty_store(build))

    def test_edit_in_the_top_layer_of_the_base(self):
        changed = self.top / "changed-layout"
        build = self.debian(layout=changed)
        shutil.copytree(self.layout, changed)
        build.image(*build.base)
        self.assertEqual(self.statistics(build)["reused"], 0)
        self.replace_top_layer(
            changed, images.layer(debian_fixture.third_layer("the third layer, edited\n"))
        )
        self.check_small_repack(build)

    def test_edit_of_a_copied_file(self):
        build = self.debian()
        build.image(*build.base)
        self.assertEqual(self.statistics(build)["reused"], 0)
        build.write("files/below/two", "2\n")
        self.check_small_repack(build)

    def replace_top_layer(self, directory, tar):
        manifest, config = images.read_image(directory)
        layout = images.Layout.__new__(images.Layout)
        layout.directory, layout.blobs = directory, directory / "blobs" / "sha256"
        layout.layers, layout.diff_ids = manifest["layers"][:-1], config["rootfs"]["diff_ids"][:-1]
        layout.add(tar)
        layout.finish(config["config"])


class MemoryTestCase(system_fixture.TestCase):
    """The largest resident set of each tool, by GNU time."""

    def setUp(self):
        super().setUp()
        if not os.path.exists("/usr/bin/time"):  # the shell's own time does not measure memory
            raise unittest.SkipTest("needs GNU time, which is not installed")

    def check(self, build, name, *arguments):
        report = self.top / "time"
        result = build.run(
            "/usr/bin/time",
            "--verbose",
            "--output",
            report,
            system_fixture.settings.tools / name,
            *arguments,
        )
        peak = 1024 * int(
            re.search(r"Maximum resident set size \(kbytes\): (\d+)", report.read_text()).group(1)
        )
        print(f"{name} {arguments[0]}: {peak >> 20} MiB", flush=True)
        self.assertLess(peak, MEMORY_LIMIT, f"{name} {arguments[0]}")
        return result

    def check_all(self, build, *base):
        directory = build.root / "extracted"
        where = ["--context", build.source, "--out", build.build, *base]
        build.environment["BOTTLE_JOBS"] = "64"  # as on a large machine
        self.check(build, "bottle-fingerprint", *where)
        self.check(build, "bottle-image", "build", "--quiet", *where)
        self.check(
            build,
            "bottle-pack",
            "create",
            "--quiet",
            "--runtime",
            "none",
            "--image",
            build.build,
            "--output",
            build.output,
        )
        self.check(build, "bottle-pack", "verify", "--quiet", build.output)
        self.check(build, "bottle-pack", "inspect", "--tree", build.output)
        self.check(build, "bottle-pack", "extract", "--quiet", build.output, directory)
        self.check(
            build, "bottle-image", "export", "--out", build.build, "--layout", build.root / "layout"
        )
        self.check(build, "bottle-pack", "diff", "--quiet", "--no-owner", build.output, directory)
        self.check(build, "bottle-cache", "verify", "--quiet")


class DebianMemory(MemoryTestCase):
    def test_debian_image(self):
        layout = system_fixture.settings.debian / "layout"
        if not layout.exists():
            raise unittest.SkipTest(
                "needs the Debian root file system that debootstrap makes (test"
                " integration.debian.root)"
            )
        system_fixture.need_root("owners and setuid bits are extracted")
        self.check_all(self.new_build(FILES), "--build-context", f"base=oci-layout:{layout}")


class LargeFileMemory(MemoryTestCase):
    def test_file_of_two_gibibytes(self):
        build = self.new_build({"Dockerfile": "FROM scratch\nCOPY large /\n"})
        size = 2 << 30
        if shutil.disk_usage(self.top).free < 3 * size:
            raise unittest.SkipTest("needs 6 GiB of free disk")
        source = random.Random(2)
        with open(build.source / "large", "wb") as file:
            file.truncate(size)
            for at in range(0, size, 64 << 20):  # zeros, and each 64 MiB two that do not compress
                file.seek(at)
                file.write(source.randbytes(2 << 20))
        self.check_all(build)


class ManyFilesMemory(MemoryTestCase):
    def test_files_that_do_not_compress(self):
        """The worst case: each frame is as large as its chunk."""
        build = self.new_build({"Dockerfile": "FROM scratch\nCOPY . /\n"})
        source = random.Random(4)
        with open(build.source / "large", "wb") as file:
            for _ in range(16):
                file.write(source.randbytes(16 << 20))
        for number in range(100):
            (build.source / f"file-{number}").write_bytes(source.randbytes(900_000))
        self.check_all(build)

    def test_many_files(self):
        build = self.new_build({"Dockerfile": "FROM scratch\nCOPY . /\n"})
        for directory in range(200):
            (build.source / f"d{directory}").mkdir()
            for number in range(100):
                (build.source / f"d{directory}" / f"file-{number}").write_bytes(
                    b"%d %d\n" % (directory, number) * 500
                )
        self.check_all(build)


if __name__ == "__main__":
    system_fixture.main()
