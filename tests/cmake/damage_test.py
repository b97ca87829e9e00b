"""What is removed, cut off or altered in a build tree or in the store is made again by the next
build."""
import os
import shutil

import harness

LISTS = """add_bottle(base CONTEXT base)
add_bottle(child CONTEXT child BASES base)
add_bottle(taker CONTEXT taker CONTEXTS base=bottle:base)
"""
FILES = {
    "base/Dockerfile": "FROM scratch\nCOPY current/f /f\nCOPY data /data\n",
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
