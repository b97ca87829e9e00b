# SPDX-License-Identifier: Apache-2.0
"""Many files: Ninja reads their names from several short depfiles
(src/image/context/depfile_parts.hpp). What runs is what would with one."""
import os
import random
import shutil

import harness

ALL = "fingerprint image pack"
LOOKED = "fingerprint"
COUNT = 1500  # more than fit into one depfile


class Depfiles(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.bottle = self.project(
            "add_bottle(a)\n",
            {"Dockerfile": "FROM scratch\nCOPY data /data\n", "elsewhere/README": "none\n"},
        )
        for number in range(COUNT):
            self.create(f"data/{number // 100:02}/{number:04}")
        self.bottle.configure()
        self.assert_ran(self.bottle, {"a": ALL})
        self.out = self.bottle.directory("a")

    def create(self, path, text="1\n"):
        """Without Project.write()'s look at every file of the build tree: nothing was built yet
        that it could be as old as."""
        file = self.bottle.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def then(self, steps):
        self.assert_ran(self.bottle, {"a": steps} if steps else {})

    def parts(self):
        return (
            sorted(path for path in (self.out / "key.inputs").glob("*.d"))
            if (self.out / "key.inputs").exists()
            else []
        )

    def named(self):
        """All paths that the depfiles name below data/, as often as they name them."""
        names = []
        source = os.path.realpath(self.bottle.source)
        for file in [*self.parts(), self.out / "key.d"]:
            for line in file.read_text().replace(" \\\n", "\n").splitlines()[1:]:
                word = line.strip().replace("\\ ", " ")
                path = os.path.relpath(os.path.realpath(self.bottle.build / word), source)
                if path.split(os.sep)[0] == "data":
                    names.append(path)
        return sorted(names)

    def assert_named(self):
        expected = [
            os.path.relpath(path, self.bottle.source)
            for path in (self.bottle.source / "data").rglob("*")
        ]
        self.assertEqual(self.named(), sorted([*expected, "data"]))

    def test_each_input_is_listed_once(self):
        self.assertEqual(len(self.parts()) > 1, "Ninja" in self.bottle.generator)
        self.assert_named()
        if self.parts():
            lines = [file.read_text().count("\n") for file in [*self.parts(), self.out / "key.d"]]
            self.assertLess(max(lines), COUNT / 2)

    def test_edits_are_detected(self):
        self.bottle.touch("data/03/0310")
        self.then(LOOKED)
        self.bottle.append("data/03/0310", "more\n")
        self.then(ALL)
        self.bottle.remove("data/14/1400")
        self.then(ALL)
        self.bottle.write("data/14/new", "new\n")
        self.then(ALL)
        self.bottle.append("data/14/new", "more\n")
        self.then(ALL)
        self.bottle.write("data/deep/er/new", "new\n")
        self.then(ALL)
        self.bottle.append("data/deep/er/new", "more\n")
        self.then(ALL)
        self.bottle.rename("data/02", "data/deep/02")
        self.then(ALL)
        self.bottle.append("data/deep/02/0222", "more\n")
        self.then(ALL)
        self.bottle.append("elsewhere/README", "more\n")
        self.then("")
        self.assert_named()

    def test_older_file_moved_in_is_detected(self):
        """Nothing but the directory's time says that it is there."""
        self.bottle.write("elsewhere/old", "old\n")
        os.utime(self.bottle.source / "elsewhere/old", (1e9, 1e9))
        self.bottle.rename("elsewhere/old", "data/05/old")
        self.then(ALL)
        self.bottle.append("data/05/old", "more\n")
        self.then(ALL)
        self.assertEqual(self.bottle.extract("a")["data/05/old"], "old\nmore\n")

    def test_many_edits_are_detected(self):
        chooser = random.Random(1)
        for _ in range(3):
            files = [path for path in (self.bottle.source / "data").rglob("*") if path.is_file()]
            for file in chooser.sample(files, 40):
                file.unlink()
            for number in range(40):
                self.create(
                    f"data/{chooser.randrange(20):02}/{chooser.randrange(10 ** 9)}", f"{number}\n"
                )
            self.bottle.renew(
                *(path for path in (self.bottle.source / "data").rglob("*") if path.is_dir())
            )
            self.then(ALL)
            self.assert_named()

    def test_newly_copied_tree_is_detected(self):
        """Its files are newer than all that Ninja ran."""
        for number in range(300):
            self.create(f"more/{number}")
        self.bottle.renew(*(self.bottle.source / "more").rglob("*"))
        self.bottle.append("Dockerfile", "COPY more /more\n")
        self.then(ALL)
        self.bottle.append("more/17", "more\n")
        self.then(ALL)
        self.assertEqual(self.bottle.extract("a")["more/17"], "1\nmore\n")

    def test_missing_files_are_rebuilt(self):
        for remove in (
            lambda: self.parts()[1],
            lambda: self.parts()[1].with_suffix(""),
            lambda: self.out / "key.d",
            lambda: self.out / "key.stamp",
            lambda: self.out / "key.inputs",
        ):
            if "Ninja" not in self.bottle.generator:
                self.skipTest("for Ninja")
            path = remove()
            with self.subTest(path=path.name):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                self.then(LOOKED)
                self.assert_named()

    def test_failed_fingerprint_runs_again(self):
        self.bottle.append("data/07/0700", "more\n")
        dockerfile = (self.bottle.source / "Dockerfile").read_text()
        self.bottle.write("Dockerfile", "FROM scratch\nCOPY missing /\n")
        for _ in range(2):
            self.assertIn("missing", self.bottle.make(expect=1).stdout)
        self.bottle.write("Dockerfile", dockerfile)
        self.then(ALL)
        self.assertEqual(self.bottle.extract("a")["data/07/0700"], "1\nmore\n")

    def test_fingerprint_by_hand_is_compatible(self):
        self.bottle.append("data/08/0800", "more\n")
        self.bottle.tool("bottle-fingerprint", "--spec", self.out / "spec.json")
        if "Ninja" not in self.bottle.generator:
            self.then("image pack")
            return
        self.then(ALL)
        self.assert_named()

    def test_configuring_again_changes_the_parts(self):
        self.bottle.configure()
        self.then("")
        if "Ninja" not in self.bottle.generator:
            return
        before = len(self.parts())
        for number in range(COUNT, 10 * COUNT):
            self.create(f"data/{number // 100:02}/{number:04}")
        self.bottle.renew(self.bottle.source / "data")
        self.then(ALL)
        self.assertEqual(len(self.parts()), before, "until CMake writes the rules again")
        self.bottle.configure()
        self.then(LOOKED)
        self.assertGreater(len(self.parts()), 2 * before)
        self.assert_named()
        shutil.rmtree(self.bottle.source / "data")
        self.create("data/one")
        self.bottle.renew(self.bottle.source, self.bottle.source / "data")
        self.then(ALL)
        self.bottle.configure()
        self.then(LOOKED)
        self.assertEqual(self.parts(), [])
        self.bottle.configure()
        self.then("")

    def test_clean_removes_the_parts(self):
        before = self.bottle.pack("a").read_bytes()
        self.bottle.make("clean")
        self.assertFalse(
            (self.out / "key.inputs").exists() and any((self.out / "key.inputs").iterdir())
        )
        self.then(ALL)
        self.assertEqual(self.bottle.pack("a").read_bytes(), before)

    def test_generated_inputs_are_detected(self):
        bottle = self.project(
            """
          add_custom_command(OUTPUT "${CMAKE_BINARY_DIR}/made/f" DEPENDS f
            COMMAND "${CMAKE_COMMAND}" -E copy "${CMAKE_SOURCE_DIR}/f" "${CMAKE_BINARY_DIR}/made/f")
          file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/made/many")
          foreach(number RANGE 1500)
            file(TOUCH "${CMAKE_BINARY_DIR}/made/many/${number}")
          endforeach()
          add_bottle(a CONTEXT "${CMAKE_BINARY_DIR}/made" DOCKERFILE Dockerfile DEPENDS "${CMAKE_BINARY_DIR}/made/f")
          """,
            {"Dockerfile": "FROM scratch\nCOPY . /\n", "f": "1\n"},
            name="generated",
        )
        bottle.configure()
        self.assert_ran(bottle, {"a": ALL})
        for _ in range(2):
            bottle.append("f", "2\n")
            self.assert_ran(bottle, {"a": ALL})
            bottle.touch("f")
            self.assert_ran(bottle, {"a": LOOKED})
        self.assertEqual(bottle.extract("a")["f"], "1\n2\n2\n")


if __name__ == "__main__":
    harness.main()
