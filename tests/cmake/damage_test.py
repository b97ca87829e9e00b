# SPDX-License-Identifier: Apache-2.0
"""What is removed, cut off or altered in a build tree or in the store is made again by the next
build."""
import os
import re
import shutil
import subprocess

import harness

LISTS = """add_bottle(base CONTEXT base)
add_bottle(child CONTEXT child BASES base)
add_bottle(taker CONTEXT taker CONTEXTS base=bottle:base)
"""
FILES = {
    "base/Dockerfile": "FROM scratch\nCOPY current/f /f\nCOPY data own /data/\n",
    "base/own": "own\n",
    "base/one/f": "same\n",
    "base/two/f": "same\n",
    "base/data/x": "x\n",
    "child/Dockerfile": "FROM base\nCOPY own /own\n",
    "child/own": "own\n",
    "taker/Dockerfile": "FROM scratch\nCOPY --from=base /f /g\nCOPY own /own\n",
    "taker/own": "own\n",
}


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def cut_off(path):
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def alter(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    status = path.stat()
    os.chmod(path, 0o644)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


class Damage(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.family = self.project(LISTS, FILES)
        self.family.link("base/current", "one")
        self.family.configure()
        self.family.make()
        self.edits = 0

    def edit_and_build(self, what):
        """The edit makes the children look at their bases again, and pack."""
        self.edits += 1
        for slug in ("child", "taker"):
            self.family.write(f"{slug}/own", f"edit {self.edits}\n")
        result = self.family.make(expect=None)
        self.assertEqual(result.returncode, 0, f"{what}: {result.stdout}")
        for slug, path in (("child", "f"), ("taker", "g")):
            tree = self.family.extract(slug)
            self.assertEqual((tree[path], tree["own"]), ("same\n", f"edit {self.edits}\n"), what)
        self.family.make("bottle-child-oci", "bottle-taker-oci")
        self.assert_nothing_to_do(self.family)

    def test_damaged_build_tree_is_rebuilt(self):
        names = (
            "layers",
            "roots.json",
            "image.json",
            "key",
            "key.stamp",
            "image.stamp",
            "image.key",
            "pack.json",
        )
        for slug in ("base", "child"):
            directory = self.family.directory(slug)
            for name in names:
                remove(directory / name)
                self.edit_and_build(f"{slug}/{name} removed")
        base = self.family.directory("base")
        for damage in (remove, cut_off, alter):
            for index in (base / "layers").iterdir():
                damage(index)
            self.edit_and_build(f"indexes: {damage.__name__}")
            if damage is not remove:
                for name in ("image.json", "roots.json"):
                    damage(base / name)
                    self.edit_and_build(f"{name}: {damage.__name__}")

    def test_damaged_store_is_rebuilt(self):
        for damage in (remove, cut_off, alter):
            for part in ("blobs", "actions", "stat"):
                for file in list((self.family.cache / part).rglob("*")):
                    if file.is_file():
                        damage(file)
                self.edit_and_build(f"{part}: {damage.__name__}")


class Obstacles(harness.TestCase):
    """A directory or a link where a file belongs, and the reverse."""

    def setUp(self):
        super().setUp()
        self.family = self.project(LISTS, FILES)
        self.family.link("base/current", "one")
        self.family.configure()
        self.targets = ("all", "bottle-child-oci")
        self.family.make(*self.targets)
        self.edits = 0

    def edit(self):
        self.edits += 1
        for slug in ("base", "child", "taker"):
            self.family.write(f"{slug}/own", f"edit {self.edits}\n")

    def files(self):
        """One of each directory of the store and of the child; not those that Ninja reads before it
        starts a tool, nor CMake's."""
        others = {"key.d", "spec.json", "scan.options", "image.options.json", "pack.options.json"}
        child = self.family.directory("child")
        yield from sorted(
            path for path in child.iterdir() if path.is_file() and path.name not in others
        )
        for top in (self.family.directory("base") / "layers", child / "oci", self.family.cache):
            for directory in (top, *sorted(path for path in top.iterdir() if path.is_dir())):
                files = sorted(
                    path
                    for path in (directory.iterdir() if directory == top else directory.rglob("*"))
                    if path.is_file()
                )
                yield from files[:1]

    def build(self, what):
        """Builds until nothing is in the way: at most once more, after the one command that the
        error names."""
        result = self.family.make(*self.targets, expect=None)
        if result.returncode != 0:
            commands = set(re.findall(r"hint: remove it and build again: (rm .*)", result.stdout))
            self.assertEqual(len(commands), 1, f"{what}: {result.stdout}")
            subprocess.run(["sh", "-ec", commands.pop()], check=True)
            result = self.family.make(*self.targets, expect=None)
        self.assertEqual(result.returncode, 0, f"{what}: {result.stdout}")

    def check(self, what, obstruct):
        for path in list(self.files()):
            if not path.is_file():  # removed, or obstructed with its directory
                continue
            name = f"{what}: {path.relative_to(self.family.root)}"
            path.unlink()
            obstruct(path)
            self.edit()
            self.build(name)
            for slug, file in (("child", "f"), ("taker", "g")):
                tree = self.family.extract(slug)
                self.assertEqual(
                    (tree[file], tree["own"]), ("same\n", f"edit {self.edits}\n"), name
                )
            self.family.make(*self.targets)
            self.assertEqual(self.family.ran(), {}, name)

    def test_empty_directories_give_way(self):
        self.check("an empty directory", lambda path: path.mkdir())

    def test_full_directories_are_named(self):
        def obstruct(path):
            path.mkdir()
            (path / "f").write_text("data of someone\n", encoding="utf-8")

        self.check("a full directory", obstruct)

    def test_links_are_replaced(self):
        other = self.family.root / "other"
        other.write_text("data of someone\n", encoding="utf-8")
        self.check("a link without a target", lambda path: path.symlink_to("nowhere"))
        self.check("a link to another file", lambda path: path.symlink_to(other))
        self.assertEqual(other.read_text(encoding="utf-8"), "data of someone\n")

    def test_files_in_place_of_directories_are_named(self):
        for path in (
            self.family.directory("base") / "layers",
            self.family.directory("child") / "oci",
            self.family.cache / "actions",
            self.family.cache / "tombstones",
            self.family.cache / "stat",
        ):
            for obstruct in (
                lambda path: path.write_text("data of someone\n", encoding="utf-8"),
                lambda path: path.symlink_to("nowhere"),
            ):
                shutil.rmtree(path, ignore_errors=True)
                obstruct(path)
                self.edit()
                self.build(path)
                self.assertEqual(self.family.extract("child")["own"], f"edit {self.edits}\n")
                if os.path.lexists(path) and not path.is_dir():
                    path.unlink()

    def test_configuring_again_writes_the_specification(self):
        spec = self.family.directory("child") / "spec.json"
        text = spec.read_text(encoding="utf-8")
        for damage in (cut_off, remove):
            damage(spec)
            os.utime(self.family.source / "child/own")
            self.edit()
            # Make runs CMake for a missing file that CMake has written.
            heals = damage is remove and self.family.generator == "Unix Makefiles"
            said = self.family.make(expect=0 if heals else 1).stdout
            if damage is cut_off:
                self.assertIn(f"hint: configure the project again: cmake {self.family.build}", said)
            self.family.run("cmake", self.family.build)
            self.assertEqual(spec.read_text(encoding="utf-8"), text)
            self.family.make(*self.targets)
            self.assertEqual(self.family.extract("child")["own"], f"edit {self.edits}\n")

    def test_altered_output_is_found_by_verify(self):
        """Build tools compare times only: an output that another program altered is up to date for
        them."""
        pack = self.family.pack("child")
        before = pack.read_bytes()
        alter(pack)
        self.assert_nothing_to_do(self.family, *self.targets)
        self.assertNotEqual(
            self.family.tool("bottle-pack", "verify", pack, expect=None).returncode, 0
        )
        self.family.make("clean")
        self.family.make(*self.targets)
        self.assertEqual(pack.read_bytes(), before)


class Places(harness.TestCase):
    """The places of a bottle's bytes are not part of a key, but every reader finds them."""

    def setUp(self):
        super().setUp()
        self.family = self.project(LISTS, FILES)
        self.family.link("base/current", "one")
        self.family.configure()
        self.family.make()

    def test_moved_context_changes_places_only(self):
        self.family.link("base/current", "two")
        self.assert_ran(
            self.family,
            {
                "base": "fingerprint image",
                "child": "fingerprint image",
                "taker": "fingerprint image",
            },
        )
        self.family.write("base/one/f", "nothing leads here\n")
        self.assert_ran(self.family, {})
        shutil.rmtree(self.family.cache)
        for slug, path in (("child", "f"), ("taker", "g")):
            self.family.write(f"{slug}/own", "edited\n")
            self.family.make(f"bottle-{slug}", f"bottle-{slug}-oci")
            self.assertEqual(self.family.extract(slug)[path], "same\n")

    def test_edit_that_keeps_its_time_fails_once(self):
        """No build tool sees an edit that keeps the time; who reads the bytes does, and the next
        build is right."""
        file = self.family.source / "base/one/f"
        status = file.stat()
        file.write_text("SAME\n", encoding="utf-8")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        shutil.rmtree(self.family.cache)
        self.family.write("child/own", "edited\n")
        self.assertIn("build again", self.family.make("bottle-child-oci", expect=1).stdout)
        self.family.make("bottle-child", "bottle-child-oci")
        self.assertEqual(self.family.extract("child")["f"], "SAME\n")


if __name__ == "__main__":
    harness.main()
