# SPDX-License-Identifier: Apache-2.0
"""Inputs that are found through links or replaced by older ones: only the time of a directory
tells."""
import os
import shutil

import harness

ALL = "fingerprint image pack"


class Places(harness.TestCase):
    """An input comes to lie elsewhere, or is replaced by something older: only the time of a
    directory tells."""

    def age(self, *paths):
        for path in paths:
            os.utime(path, (1e9, 1e9))

    def test_links_on_the_path_to_inputs(self):
        project = self.project(
            """
          add_bottle(a CONTEXT ctx/current DOCKERFILE docker/Dockerfile CONTEXTS more=path:named/current base=oci-layout:layouts/current)
          """,
            {
                "docker/1": "FROM base\nCOPY f /f\nCOPY --from=more g /g\n",
                "docker/2": "FROM base\nCOPY f /f2\nCOPY --from=more g /g\n",
                "rel/1/f": "1\n",
                "rel/2/f": "2\n",
                "more/1/g": "1\n",
                "more/2/g": "2\n",
            },
        )
        for number in "12":
            maker = self.project(
                "add_bottle(base)\n",
                {"Dockerfile": f"FROM scratch\nENV N={number}\n"},
                name=f"maker{number}",
            )
            maker.configure()
            maker.make("bottle-base-oci")
            shutil.copytree(maker.directory("base") / "oci", project.source / "layouts" / number)
        for directory in ("ctx", "named"):
            (project.source / directory).mkdir()
        links = {
            "ctx/current": "../rel/{}",
            "named/current": "../middle",
            "middle": "more/{}",
            "docker/Dockerfile": "{}",
            "layouts/current": "{}",
        }
        for path, target in links.items():
            (project.source / path).symlink_to(target.format(1))
        self.age(*(path for path in project.source.rglob("*") if not path.is_symlink()))
        project.configure()
        self.assert_ran(project, {"a": ALL})
        for path, target in links.items():
            if path == "named/current":
                continue
            with self.subTest(path=path):
                project.link(path, target.format(2))
                self.assert_ran(project, {"a": ALL})
        self.assertEqual(project.extract("a"), {"f2": "2\n", "g": "2\n"})

    def test_inputs_replaced_by_older_ones(self):
        project = self.project(
            "add_bottle(a CONTEXT deep/ctx DOCKERFILE docker/Dockerfile)\n",
            {
                "docker/Dockerfile": "FROM scratch\nCOPY conf/app.conf /app.conf\n",
                "docker/other": "FROM scratch\nCOPY conf/app.conf /other.conf\n",
                "deep/ctx/conf/app.conf": "dev\n",
                "deep/ctx/conf/app.conf.prod": "prod\n",
                "deep/ctx/older/app.conf": "older\n",
                "deep/oldest/conf/app.conf": "oldest\n",
            },
        )
        self.age(*project.source.rglob("*"))
        project.configure()
        self.assert_ran(project, {"a": ALL})
        for path, other in (
            ("deep/ctx/conf/app.conf.prod", "deep/ctx/conf/app.conf"),
            ("deep/ctx/older", "deep/ctx/conf"),
            ("docker/other", "docker/Dockerfile"),
            ("deep/oldest", "deep/ctx"),
        ):
            with self.subTest(path=path):
                replaced = project.source / other
                if replaced.is_dir():
                    shutil.rmtree(replaced)
                project.rename(path, other)
                self.assert_ran(project, {"a": ALL})
        self.assertEqual(project.extract("a"), {"other.conf": "oldest\n"})

    def test_build_trees_are_not_copied(self):
        project = self.project(
            "add_bottle(a)\n", {"Dockerfile": "FROM scratch\nCOPY . /\n", "f": "1\n"}
        )
        (
            project.root / "links"
        ).mkdir()  # a directory that changes with each link in it, and not otherwise
        (project.root / "links/source").symlink_to("../source")
        trees = [project.source / "one", project.source / "two"]
        for tree in trees:
            project.run(
                "cmake",
                "-S",
                project.root / "links/source",
                "-B",
                tree,
                "-G",
                project.generator,
                f"-DBottle_DIR={harness.settings.package}",
                "--no-warn-unused-cli",
            )
        for tree in trees:
            project.build = tree
            self.assertIn("note: a CMake build tree", project.make().stdout)
            self.assertEqual(set(project.extract("a")), {"f", "CMakeLists.txt", "Dockerfile"})
        for tree in trees:
            project.build = tree
            self.assert_nothing_to_do(project)


class ArchivesAndLocks(harness.RegistryTestCase):
    """A docker-archive: and a LOCK through a chain of links, one of them absolute and one with ".."
    behind a link."""

    def setUp(self):
        super().setUp()
        maker = self.project(
            'add_bottle(base PUSH "${REGISTRY}/base:1")\n',
            {"Dockerfile": "FROM scratch\nCOPY n /n\n"},
            name="maker",
        )
        self.linked = self.project(
            files={"Dockerfile": "FROM base\n", "lock.Dockerfile": f"FROM {self.registry}/base:1\n"}
        )
        for number in "12":
            maker.write("n", number)
            maker.configure(f"-DREGISTRY={self.registry}")
            maker.make("bottle-base-oci", "bottle-base-push")
            harness.docker_archive(
                maker.directory("base") / "oci", self.linked.source / f"{number}.tar"
            )
            self.linked.tool(
                "bottle-lock",
                "update",
                "--file",
                self.linked.source / "lock.Dockerfile",
                "--lock",
                self.linked.source / f"{number}.lock",
            )
        self.linked.write(
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.25)\nproject(Nested LANGUAGES NONE)\nfind_package(Bottle REQUIRED)\n"
            "add_bottle(archive CONTEXTS base=docker-archive:links/archive)\nadd_bottle(locked DOCKERFILE lock.Dockerfile LOCK links/lock)\n",
        )
        for name in ("archive", "lock"):
            kind = "tar" if name == "archive" else "lock"
            self.linked.link(f"links/{name}", self.linked.source / "middle" / name)
            self.linked.link(f"middle/{name}", f"../here/../end/{name}")
            self.linked.link(f"end/{name}", f"../1.{kind}")
        self.linked.link("here", "middle")
        for path in self.linked.source.rglob("*"):
            if not path.is_symlink():
                os.utime(path, (1e9, 1e9))
        self.linked.configure()
        self.assert_ran(self.linked, {"archive": ALL, "locked": ALL})

    def assert_content(self, number):
        for slug in ("archive", "locked"):
            self.assertEqual(self.linked.extract(slug), {"n": number})

    def test_links_are_retargeted(self):
        number = "1"
        for directory in ("end", "middle", "links"):
            with self.subTest(directory=directory):
                self.assert_content(number)
                number = "2" if number == "1" else "1"
                for name, kind in (("archive", "tar"), ("lock", "lock")):
                    self.linked.link(f"{directory}/{name}", f"../{number}.{kind}")
                self.assert_ran(self.linked, {"archive": ALL, "locked": ALL})
        self.assert_content(number)

    def test_older_files_are_moved_over(self):
        for kind in ("tar", "lock"):
            self.linked.rename(f"2.{kind}", f"1.{kind}")
        self.assert_ran(self.linked, {"archive": ALL, "locked": ALL})
        self.assert_content("2")


if __name__ == "__main__":
    harness.main()
