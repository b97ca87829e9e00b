# SPDX-License-Identifier: Apache-2.0
"""What runs after an edit: exactly the steps whose result it can alter.

The build tools below us compare modification times, so an edit that leaves every time alone (chmod)
is seen when something else makes the fingerprint run.
"""
import os
import shutil
import textwrap

import harness


ALL = "fingerprint image pack"
LOOKED = "fingerprint"  # looked, and found nothing that matters


class Edits(harness.TestCase):
    """One bottle that copies a directory and a file, and has things that nothing copies."""

    def setUp(self):
        super().setUp()
        self.bottle = self.project(
            "add_bottle(a)\n",
            {
                "Dockerfile": textwrap.dedent(
                    """\
                    FROM scratch AS unused
                    COPY other /other

                    FROM scratch
                    # comment
                    COPY data /data
                    COPY file /file
                    ENV X=y
                    """
                ),
                ".dockerignore": "*.log\n",
                "data/one": "1\n",
                "data/deep/er/two": "2\n",
                "file": "file\n",
                "other/file": "other\n",
                "unreferenced/file": "nobody copies this\n",
            },
        )
        self.bottle.link("data/link", "one")
        self.bottle.configure()
        self.assert_ran(self.bottle, {"a": ALL})

    def then(self, steps):
        self.assert_ran(self.bottle, {"a": steps} if steps else {})

    def test_touch(self):
        self.bottle.touch("data/one")
        self.then(LOOKED)
        self.bottle.touch("Dockerfile")
        self.then(LOOKED)
        self.bottle.touch("data")
        self.then(LOOKED)

    def test_edit(self):
        self.bottle.append("data/deep/er/two", "more\n")
        self.then(ALL)
        self.assertEqual(self.bottle.extract("a")["data/deep/er/two"], "2\nmore\n")
        self.bottle.append("file", "more\n")
        self.then(ALL)

    def test_edit_of_the_same_length(self):
        self.bottle.write("data/one", "2\n")
        self.then(ALL)
        self.assertEqual(self.bottle.extract("a")["data/one"], "2\n")

    def test_edit_and_back(self):
        before = self.bottle.pack("a").read_bytes()
        self.bottle.write("data/one", "2\n")
        self.then(ALL)
        self.bottle.write("data/one", "1\n")
        self.then(ALL)
        self.assertEqual(self.bottle.pack("a").read_bytes(), before)

    def test_file_replaced_by_equal_file(self):
        os.unlink(self.bottle.source / "data/one")
        self.bottle.write("data/one", "1\n")
        self.then(LOOKED)

    def test_chmod_that_changes_nothing(self):
        os.chmod(self.bottle.source / "data/one", 0o640)
        self.then("")
        self.bottle.touch("data/one")
        self.then(LOOKED)

    def test_chmod_that_makes_executable(self):
        os.chmod(self.bottle.source / "data/one", 0o755)
        self.bottle.touch("data/one")
        self.then(ALL)
        os.chmod(self.bottle.source / "data/one", 0o644)
        self.bottle.touch("data/one")
        self.then(ALL)

    def test_link_retargeted(self):
        self.bottle.link("data/link", "deep")
        self.then(ALL)
        self.assertEqual(self.bottle.extract("a")["data/link"], "-> deep")
        self.bottle.link("data/link", "deep")
        self.then(LOOKED)

    def test_link_becomes_a_file(self):
        os.unlink(self.bottle.source / "data/link")
        self.bottle.write("data/link", "1\n")
        self.then(ALL)

    def test_rename(self):
        self.bottle.rename("data/one", "data/uno")
        self.then(ALL)
        self.assertNotIn("data/one", self.bottle.extract("a"))
        self.bottle.rename("data/deep", "data/shallow")
        self.then(ALL)

    def test_delete(self):
        self.bottle.remove("data/deep/er/two")
        self.then(ALL)
        self.bottle.remove("file")
        self.assertIn("file", self.bottle.make(expect=1).stdout)
        self.bottle.write("file", "file\n")
        self.bottle.make()
        self.assertEqual(self.bottle.ran(), {"a": [LOOKED]})  # the key is what it was

    def test_file_added(self):
        self.bottle.write("data/deep/er/three", "3\n")
        self.then(ALL)
        self.bottle.write("data/new/directory/four", "4\n")
        self.then(ALL)
        self.bottle.write("data/new/five", "5\n")
        self.then(ALL)
        (self.bottle.source / "data/empty").mkdir()
        self.bottle.renew(self.bottle.source / "data")
        self.then(ALL)

    def test_ignored_file(self):
        self.bottle.write("data/deep/x.log", "ignored\n")
        self.then(ALL)  # "*.log" is about the root only
        self.bottle.write(".dockerignore", "**/*.log\n")
        self.then(ALL)
        self.bottle.append("data/deep/x.log", "more\n")
        self.then("")
        self.bottle.write("data/deep/y.log", "ignored\n")
        self.then(LOOKED)

    def test_ignore_rule_without_effect(self):
        self.bottle.append(".dockerignore", "# comment\n*.never\n")
        self.then(LOOKED)

    def test_ignore_rule_with_effect(self):
        self.bottle.append(".dockerignore", "data/deep\n")
        self.then(ALL)
        self.assertNotIn("data/deep/er/two", self.bottle.extract("a"))
        self.bottle.remove(".dockerignore")
        self.then(ALL)

    def test_ignore_file_of_the_dockerfile_appears(self):
        self.bottle.write("Dockerfile.dockerignore", "data/one\n")
        self.then(ALL)
        self.assertNotIn("data/one", self.bottle.extract("a"))
        # Only that file counts now.
        self.bottle.append(".dockerignore", "data\n")
        self.bottle.make()
        self.assertNotIn("image", self.bottle.ran().get("a", []))
        self.bottle.remove("Dockerfile.dockerignore")
        self.bottle.write(".dockerignore", "*.log\n")
        self.then(ALL)

    def test_unreferenced_file(self):
        self.bottle.append("unreferenced/file", "more\n")
        self.then("")
        self.bottle.write("unreferenced/new", "new\n")
        self.then("")
        self.bottle.append("other/file", "of a stage that is not reached\n")
        self.then("")

    def test_comment(self):
        self.bottle.write(
            "Dockerfile",
            textwrap.dedent(
                """\
                # another comment
                FROM scratch AS unused


                FROM scratch
                COPY data /data
                # and another
                COPY file /file
                ENV X=y

                """
            ),
        )
        self.then(LOOKED)

    def test_unreached_stage(self):
        text = (self.bottle.source / "Dockerfile").read_text()
        self.bottle.write("Dockerfile", text.replace("COPY other", "LABEL a=b\nCOPY other"))
        self.then(LOOKED)

    def test_instructions(self):
        text = (self.bottle.source / "Dockerfile").read_text()
        self.bottle.write("Dockerfile", text.replace("X=y", "X=z"))
        self.then(ALL)
        self.assertEqual(self.executed, [])  # no file of any layer can have changed
        self.bottle.write("Dockerfile", text.replace("COPY file /file", "COPY file /elsewhere"))
        self.then(ALL)
        self.assertEqual(self.executed, [7])
        self.bottle.append("data/one", "more\n")
        self.then(ALL)
        self.assertEqual(self.executed, [6, 7])

    def test_store_emptied_between_two_steps(self):
        self.bottle.append("data/one", "more\n")
        self.bottle.make("bottle-a-image")
        shutil.rmtree(self.bottle.cache, ignore_errors=True)
        self.then("pack")
        warm = self.bottle.pack("a").read_bytes()
        shutil.rmtree(self.bottle.cache, ignore_errors=True)
        self.bottle.make("clean")
        self.then(ALL)
        self.assertEqual(self.bottle.pack("a").read_bytes(), warm)

    def test_emptied_store_does_not_rebuild(self):
        shutil.rmtree(self.bottle.cache, ignore_errors=True)
        self.then("")

    def test_build_tree_removed(self):
        before = self.bottle.pack("a").read_bytes()
        shutil.rmtree(self.bottle.build)
        self.bottle.configure()
        self.then(ALL)
        self.assertEqual(self.executed, [])  # all from the store
        self.assertEqual(self.bottle.pack("a").read_bytes(), before)


if __name__ == "__main__":
    harness.main()
