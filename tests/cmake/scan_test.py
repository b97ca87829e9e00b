# SPDX-License-Identifier: Apache-2.0
"""BOTTLE_SCAN=always: one process looks at the inputs of all bottles in each build, and finds what
times do not tell."""
import os
import shutil

import harness

ALL = "fingerprint image pack"
LISTS = "set(BOTTLE_SCAN always)\nadd_bottle(a CONTEXT ctx/current)\nadd_bottle(b CONTEXT b)\n"


class Scans(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.bottle = self.project(
            LISTS,
            {
                "b/Dockerfile": "FROM scratch\nCOPY f /f\n",
                "b/f": "1\n",
                **{
                    f"rel/{number}/{path}": text
                    for number in (1, 2)
                    for path, text in {
                        "Dockerfile": "FROM scratch\nCOPY data /data\n",
                        "data/f": f"{number}\n",
                        "data/g": "x\n",
                    }.items()
                },
            },
        )
        (self.bottle.source / "ctx").mkdir()
        (self.bottle.source / "ctx/current").symlink_to("../rel/1")
        self.bottle.configure()
        self.then({"a": ALL, "b": ALL})

    def then(self, steps):
        """Exactly these steps beside one scan; and a second build scans once and does nothing
        else."""
        self.bottle.make()
        self.assertEqual(
            self.bottle.ran(),
            {"": ["scan"], **{slug: sorted(names.split()) for slug, names in steps.items()}},
        )
        self.bottle.make()
        self.assertEqual(self.bottle.ran(), {"": ["scan"]})

    def test_changes_that_keep_the_time(self):
        data = self.bottle.source / "rel/1/data"
        os.chmod(data / "f", 0o755)
        self.then({"a": ALL})
        stat = (data / "g").stat()
        (data / "g").write_text("y\n")
        os.utime(data / "g", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        self.then({"a": ALL})
        os.utime(data / "f", (1e9, 1e9))
        self.then({"a": "fingerprint"})
        (data / "f").unlink()
        (data / "f").symlink_to("f")
        self.then({"a": ALL})
        self.assertEqual(self.bottle.extract("a")["data/f"], "-> f")
        self.bottle.link("ctx/current", "../rel/2")
        self.then({"a": ALL})
        self.assertEqual(self.bottle.extract("a"), {"data/f": "2\n", "data/g": "x\n"})
        self.bottle.append("b/f", "2\n")
        self.then({"b": ALL})

    def test_older_file_copied_over_the_target_of_a_link(self):
        """The record is about what links lead to, and not only about the links."""
        maker = self.project(
            "add_bottle(base)\n",
            {"Dockerfile": "FROM scratch\nCOPY n /n\n", "n": "1\n"},
            name="maker",
        )
        maker.configure()
        linked = self.project(
            "set(BOTTLE_SCAN always)\nadd_bottle(a DOCKERFILE links/file CONTEXTS base=docker-archive:links/archive)\n",
            {f"{number}.Dockerfile": f"FROM base\nCOPY f /f{number}\n" for number in "12"}
            | {"f": "f\n"},
            name="linked",
        )
        for number in "12":
            maker.write("n", number)
            maker.make("bottle-base-oci")
            harness.docker_archive(maker.directory("base") / "oci", linked.source / f"{number}.tar")
            for kind in ("tar", "Dockerfile"):
                os.utime(linked.source / f"{number}.{kind}", (1e9, 1e9))
        linked.link("links/middle", "../1.Dockerfile")
        linked.link("links/file", "middle")
        linked.link("links/archive", "../1.tar")
        linked.configure()
        linked.make()
        self.assertEqual(linked.extract("a"), {"f1": "f\n", "n": "1"})
        for kind, tree in (
            ("tar", {"f1": "f\n", "n": "2"}),
            ("Dockerfile", {"f2": "f\n", "n": "2"}),
        ):
            linked.run("cp", "-p", linked.source / f"2.{kind}", linked.source / f"1.{kind}")
            linked.make()
            self.assertEqual(linked.extract("a"), tree)
            linked.make()
            self.assertEqual(linked.ran(), {"": ["scan"]})

    def test_context_replaced_by_an_older_one(self):
        old = self.bottle.source / "old"
        shutil.copytree(self.bottle.source / "b", old)
        (old / "f").write_text("old\n")
        for path in (old, *old.iterdir()):
            os.utime(path, (1e9, 1e9))
        shutil.rmtree(self.bottle.source / "b")
        old.rename(self.bottle.source / "b")
        # The directory that holds both contexts is another too: each of them could have been
        # replaced in it.
        self.then({"a": "fingerprint", "b": ALL})
        self.assertEqual(self.bottle.extract("b"), {"f": "old\n"})

    def test_switch_between_modes(self):
        lists = self.bottle.source / "CMakeLists.txt"
        always = lists.read_text()
        self.bottle.write("CMakeLists.txt", always.replace("always", "times"))
        self.bottle.make()
        self.assertEqual(self.bottle.ran(), {"a": ["fingerprint"], "b": ["fingerprint"]})
        self.assert_nothing_to_do(self.bottle)
        self.bottle.append("b/f", "2\n")
        self.assert_ran(self.bottle, {"b": ALL})
        self.bottle.write("CMakeLists.txt", always)
        self.bottle.make()
        self.assertEqual(
            self.bottle.ran(), {"": ["scan"], "a": ["fingerprint"], "b": ["fingerprint"]}
        )
        self.then({})

    def test_one_process_for_a_hundred_bottles(self):
        many = self.project(
            "set(BOTTLE_SCAN always)\nforeach(i RANGE 1 100)\n  add_bottle(b${i})\nendforeach()\n",
            {"Dockerfile": "FROM scratch\nENV A=b\n"},
            name="many",
        )
        many.configure()
        many.make("_bottle-scan")
        self.assertEqual(many.ran(), {"": ["scan"]})
        self.assertEqual(many.traced()[0]["bottles"], "100")
        # With makefiles each named target is a separate build.
        scans = ["scan"] if "Ninja" in many.generator else ["scan", "scan"]
        many.make("bottle-b7-image", "bottle-b8-image")
        self.assertEqual(
            many.ran(), {"": scans, "b7": ["fingerprint", "image"], "b8": ["fingerprint", "image"]}
        )
        many.make("bottle-b7-image", "bottle-b8-image")
        self.assertEqual(many.ran(), {"": scans})

    def test_invalid_mode_is_an_error(self):
        lists = self.bottle.source / "CMakeLists.txt"
        self.bottle.write(
            "CMakeLists.txt", lists.read_text(encoding="utf-8").replace("always", "sometimes")
        )
        self.assertRegex(
            self.bottle.configure(expect=1).stdout, r'invalid\s+BOTTLE_SCAN\s+"sometimes"'
        )


if __name__ == "__main__":
    harness.main()
