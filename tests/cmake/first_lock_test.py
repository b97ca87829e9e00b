# SPDX-License-Identifier: Apache-2.0
"""The first build with a source that bottle.lock does not have, from a registry on loopback
(bottle-registry serve)."""
import json

import harness

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(First LANGUAGES NONE)
find_package(Bottle REQUIRED)
"""
BASES = {
    "CMakeLists.txt": (
        LISTS
        + 'add_bottle(one PUSH "${REGISTRY}/one:1")\nadd_bottle(two DOCKERFILE two.Dockerfile PUSH'
        ' "${REGISTRY}/two:1")\n'
    ),
    "Dockerfile": "FROM scratch\nCOPY one /one\n",
    "two.Dockerfile": "FROM scratch\nCOPY two /two\n",
    "one": "1\n",
    "two": "2\n",
}


class FirstLock(harness.RegistryTestCase):
    def setUp(self):
        super().setUp()
        bases = self.project(files=BASES, name="bases")
        bases.configure(f"-DREGISTRY={self.registry}")
        bases.make("bottles-push")

    def new(self, bottles, **files):
        """A project that no environment variable keeps from locking."""
        tree = self.project(files={"CMakeLists.txt": LISTS + bottles, **files})
        tree.environment["BOTTLE_LOCKED"] = ""
        tree.configure()
        return tree

    def base(self, name):
        return f"{self.registry}/{name}:1"

    def locked(self, tree, file="bottle.lock"):
        return json.loads((tree.source / file).read_text())["sources"]

    def make_until_null(self, tree):
        """The lock may be newer than a bottle that did not need the last entry: that one is
        fingerprinted again, and nothing else."""
        tree.make()
        self.assertLessEqual(
            {step for steps in tree.ran().values() for step in steps}, {"fingerprint"}
        )
        self.assert_nothing_to_do(tree)

    def test_source_is_added_and_used(self):
        tree = self.new(
            "add_bottle(app)\n", Dockerfile=f"FROM {self.base('one')}\nCOPY f /f\n", f="f\n"
        )
        output = tree.make().stdout
        self.assertRegex(
            output, rf"bottle\.lock: locked {self.base('one')} as sha256:[0-9a-f]{{64}}"
        )
        self.assertEqual(list(self.locked(tree)), [self.base("one")])
        self.assertEqual(tree.extract("app"), {"f": "f\n", "one": "1\n"})
        self.assert_nothing_to_do(tree)
        # Later builds take it from the lock, and ask nothing.
        self.stop_registry()
        before = (tree.source / "bottle.lock").read_bytes()
        tree.write("f", "g\n")
        output = tree.make().stdout
        self.assertNotIn(": locked ", output)
        self.assertEqual(tree.extract("app"), {"f": "g\n", "one": "1\n"})
        self.assertEqual((tree.source / "bottle.lock").read_bytes(), before)

    def test_same_entry_as_bottle_lock_writes(self):
        tree = self.new("add_bottle(app)\n", Dockerfile=f"FROM {self.base('one')}\n")
        tree.make()
        before = (tree.source / "bottle.lock").read_bytes()
        (tree.source / "bottle.lock").unlink()
        tree.make("bottle-lock")
        self.assertEqual((tree.source / "bottle.lock").read_bytes(), before)

    def test_entry_that_is_there_is_not_changed(self):
        tree = self.new("add_bottle(app)\n", Dockerfile=f"FROM {self.base('one')}\n")
        tree.make()
        entry = self.locked(tree)[self.base("one")]
        bases = self.project(name="bases")
        bases.write("one", "another\n")
        bases.make("bottles-push")
        tree.write(
            "Dockerfile", f"FROM {self.base('one')}\nCOPY --from={self.base('two')} /two /\n"
        )
        tree.make()
        self.assertEqual(self.locked(tree)[self.base("one")], entry)
        self.assertIn(self.base("two"), self.locked(tree))
        self.assertEqual(tree.extract("app"), {"one": "1\n", "two": "2\n"})

    def test_two_bottles_at_once(self):
        tree = self.new(
            (
                "add_bottle(a)\nadd_bottle(b DOCKERFILE b.Dockerfile)\nadd_bottle(c DOCKERFILE"
                " c.Dockerfile)\n"
            ),
            **{
                "Dockerfile": f"FROM {self.base('one')}\n",
                "b.Dockerfile": f"FROM {self.base('two')}\n",
                "c.Dockerfile": f"FROM {self.base('one')}\nCOPY --from={self.base('two')} /two /\n",
            },
        )
        tree.make(jobs=3)
        self.assertEqual(sorted(self.locked(tree)), sorted([self.base("one"), self.base("two")]))
        self.assertEqual(tree.extract("c"), {"one": "1\n", "two": "2\n"})
        self.make_until_null(tree)

    def test_frozen(self):
        """An error that names the target and the reason, and no lock; by environment, variable and
        argument."""
        dockerfile = {"Dockerfile": f"FROM {self.base('one')}\n"}
        for name, lists, environment, arguments, reason in (
            ("ci", "add_bottle(app)\n", {"CI": "1"}, (), "CI=1 in the environment"),
            (
                "variable",
                "add_bottle(app)\n",
                {"BOTTLE_LOCKED": "1"},
                (),
                "BOTTLE_LOCKED=1 in the environment",
            ),
            ("cmake", "add_bottle(app)\n", {}, ("-DBOTTLE_LOCKED=ON",), "LOCKED"),
            ("argument", "add_bottle(app LOCKED)\n", {}, (), "LOCKED"),
            ("value", "add_bottle(app LOCKED ON)\n", {"CI": "false"}, (), "LOCKED"),
        ):
            with self.subTest(name):
                tree = self.project(
                    files={"CMakeLists.txt": LISTS + lists, **dockerfile}, name=name
                )
                tree.environment.update({"BOTTLE_LOCKED": "", **environment})
                tree.configure(*arguments)
                output = tree.make(expect=1).stdout
                self.assertRegex(output, r"Dockerfile:1:1: error: ")
                self.assertIn(reason, output)
                self.assertIn("--target bottle-lock", output)
                self.assertFalse((tree.source / "bottle.lock").exists())

    def test_not_frozen(self):
        for name, lists, environment in (
            ("zero", "add_bottle(app)\n", {"CI": "true", "BOTTLE_LOCKED": "0"}),
            ("off", "add_bottle(app LOCKED OFF)\n", {"CI": "true"}),
            ("false", "add_bottle(app)\n", {"CI": "false"}),
        ):
            with self.subTest(name):
                tree = self.project(
                    files={
                        "CMakeLists.txt": LISTS + lists,
                        "Dockerfile": f"FROM {self.base('one')}\n",
                    },
                    name=name,
                )
                tree.environment.update({"BOTTLE_LOCKED": "", **environment})
                tree.configure()
                tree.make()
                self.assertEqual(list(self.locked(tree)), [self.base("one")])

    def test_misspelt_stage_is_not_looked_up(self):
        tree = self.new(
            "add_bottle(app)\n",
            Dockerfile="FROM scratch AS builder\nFROM scratch\nCOPY --from=biulder / /\n",
        )
        output = tree.make(expect=1).stdout
        self.assertIn('did you mean the stage "builder"?', output)
        self.assertFalse((tree.source / "bottle.lock").exists())

    def test_source_that_cannot_be_found(self):
        tree = self.new(
            "add_bottle(app)\n", Dockerfile=f"FROM scratch\nCOPY --from={self.base('three')} / /\n"
        )
        output = tree.make(expect=1).stdout
        self.assertRegex(
            output, r"Dockerfile:2:1: error: cannot lock \"localhost:[0-9]+/three:1\": "
        )
        self.assertFalse((tree.source / "bottle.lock").exists())

    def test_configuring_and_null_builds_ask_nothing(self):
        tree = self.new("add_bottle(app)\n", Dockerfile=f"FROM {self.base('one')}\n")
        tree.make()
        self.stop_registry()
        tree.configure()
        self.assert_nothing_to_do(tree)


if __name__ == "__main__":
    harness.main()
