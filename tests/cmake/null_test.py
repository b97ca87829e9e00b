# SPDX-License-Identifier: Apache-2.0
"""A build that has nothing to do does nothing; and what each target brings about."""
import textwrap

import harness

FILES = {"Dockerfile": "FROM scratch\nCOPY data /data\n", "data/one": "1\n"}


class NullBuilds(harness.TestCase):
    def test_second_build_does_nothing(self):
        project = self.project(
            "add_bottle(a)\nadd_bottle(b DOCKERFILE b.Dockerfile BASES a)\n",
            {**FILES, "b.Dockerfile": "FROM a\nENV X=y\n"},
        )
        project.configure()
        self.assert_ran(project, {"a": "fingerprint image pack", "b": "fingerprint image pack"})

    def test_configuring_again_does_nothing(self):
        project = self.project("add_bottle(a BUILD_ARGS X=y)\n", FILES)
        project.configure()
        project.make()
        project.configure()
        self.assert_nothing_to_do(project)

    def check_names(self, names, project_name):
        odd = {f"data/{name}": "1\n" for name in names}
        project = self.project("add_bottle(a)\n", {**FILES, **odd}, name=project_name)
        project.configure()
        self.assert_ran(project, {"a": "fingerprint image pack"})
        for path in odd:
            with self.subTest(path=path):
                project.append(path, "more\n")
                self.assert_ran(project, {"a": "fingerprint image pack"})
        self.assertEqual(set(project.extract("a")), {"data/one", *odd})
        for path in odd:
            with self.subTest(removed=path):
                project.remove(path)
                self.assert_ran(project, {"a": "fingerprint image pack"})

    def test_paths_with_blanks(self):
        self.check_names(
            [
                "with blank",
                "ends in a blank ",
                " begins with one",
                "two  blanks",
                " ",
                "eq=ual",
                "plus+",
                "a~b",
                "at@",
                "\u00fcml\u00e4ut",
                "com,ma",
            ],
            "blank \u00fcmlaut",
        )

    def test_names_that_a_depfile_cannot_express(self):
        self.check_names(
            [
                "dollar$HOME",
                "hash#",
                "per%cent",
                "semi;colon",
                "colon:",
                "quote'\"",
                "star*",
                "pipe|",
                "[bracket]",
                "tab\t",
                "back\\slash",
                "new\nline",
                "<angle>",
                "`tick`",
                "{brace}",
                "(paren)",
                "^caret",
                "\\",
            ],
            "plain",
        )

    def test_targets_are_up_to_date(self):
        project = self.project("add_bottle(a)\nadd_bottle(b CONTEXT . EXCLUDE_FROM_ALL)\n", FILES)
        project.configure()
        self.assert_ran(project, {"a": "fingerprint image"}, "bottle-a-image")
        self.assert_ran(project, {"a": "export"}, "bottle-a-oci")
        self.assertTrue((project.directory("a") / "oci" / "index.json").exists())
        self.assert_ran(project, {"a": "pack"})
        self.assertRegex(project.make("bottle-a-why").stdout, r"\ba\b")
        self.assert_ran(project, {"b": "fingerprint image pack"}, "bottles")

    def test_removed_results_are_rebuilt(self):
        project = self.project("add_bottle(a)\n", FILES)
        project.configure()
        project.make()
        before = project.pack("a").read_bytes()
        project.pack("a").unlink()
        self.assert_ran(project, {"a": "pack"})
        self.assertEqual(project.pack("a").read_bytes(), before)
        (project.directory("a") / "key").unlink()
        project.make()
        self.assertNotIn("pack", project.ran()["a"])
        self.assert_nothing_to_do(project)

    def test_clean_and_build(self):
        project = self.project("add_bottle(a)\n", FILES)
        project.configure()
        project.make()
        before = project.pack("a").read_bytes()
        project.make("clean")
        self.assertFalse(project.pack("a").exists())
        self.assertFalse((project.directory("a") / "layers").exists())
        self.assert_ran(project, {"a": "fingerprint image pack"})
        self.assertEqual(project.pack("a").read_bytes(), before)

    def test_failed_step_runs_again(self):
        project = self.project("add_bottle(a)\n", {"Dockerfile": "FROM scratch\nCOPY missing /\n"})
        project.configure()
        for _ in range(2):
            self.assertIn("missing", project.make(expect=1).stdout)
        project.write("missing", "here\n")
        project.make()
        self.assertIn("pack", project.ran()["a"])
        self.assert_nothing_to_do(project)

    def test_file_that_becomes_a_link_to_itself(self):
        project = self.project("add_bottle(a)\n", FILES)
        project.configure()
        project.make()
        project.link("data/one", "one")
        if "Ninja" in project.generator:  # ends at what it cannot stat, before it runs anything
            self.assertIn("Too many levels of symbolic links", project.make(expect=1).stdout)
            project.make("clean")
        self.assert_ran(project, {"a": "fingerprint image pack"})
        self.assertEqual(project.extract("a"), {"data/one": "-> one"})

    def test_two_configurations(self):
        if harness.settings.generator != "Ninja Multi-Config":
            self.skipTest("for multi-config generators")
        project = self.project(
            "add_bottle(a BUILD_ARGS CONFIG=$<CONFIG>)\n",
            {
                "Dockerfile": textwrap.dedent(
                    """\
                    FROM scratch
                    ARG CONFIG
                    LABEL config=$CONFIG
                    COPY data /data
                    """
                ),
                "data/one": "1\n",
            },
        )
        project.configure()
        for config in ("Debug", "Release"):
            project.trace.unlink(missing_ok=True)
            project.run("cmake", "--build", project.build, "--config", config)
            self.assertEqual(project.ran(), {"a": ["fingerprint", "image", "pack"]})
        plans = [
            (project.build / config / "bottles" / "a" / "image.json").read_bytes()
            for config in ("Debug", "Release")
        ]
        self.assertNotEqual(*plans)


if __name__ == "__main__":
    harness.main()
