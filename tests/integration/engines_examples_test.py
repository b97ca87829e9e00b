# SPDX-License-Identifier: Apache-2.0
"""The examples, and the edits of tests/cmake/incremental_test.py, built by outside engines."""
import json
import re
import shutil
import tarfile
import textwrap

import images
import system_fixture
import incremental_test  # of tests/cmake, which system_fixture adds to the path
from engines_fixture import ENGINES, EngineTestCase, staged


ALL = "fingerprint image pack"
# BuildKit and the builtin engine start an image FROM scratch with it, the other builders with none
# (docs/engines.md).
NO_WORKDIR = 'manifest workdir: only in B ("/")\n'


class Examples(EngineTestCase):
    """Each example through each engine gives the pack that the builtin engine gives."""

    options = ()

    def make(self, name, engine, **more):
        project = self.prepared(
            system_fixture.harness.Project(
                self.top / f"{name} {engine} {more.get('DOCKER_BUILDKIT', '')}"
            ),
            engine,
            **more,
        )
        shutil.rmtree(project.source)
        shutil.copytree(
            system_fixture.harness.SOURCE / "examples" / name,
            project.source,
            ignore=shutil.ignore_patterns("build*"),
        )
        project.configure("-DCMAKE_BUILD_TYPE=Release", *self.options)
        project.make()
        return project

    def compare(
        self, name, slugs, engines=(*ENGINES, "classic"), docker_differs="", others_differ=""
    ):
        builtin = self.make(name, "builtin")
        self.assertEqual(self.calls(), [])
        for what in engines:
            engine, more = ("docker", {"DOCKER_BUILDKIT": "0"}) if what == "classic" else (what, {})
            with self.subTest(engine=what):
                self.calls()
                project = self.make(name, engine, **more)
                self.assertEqual(len(self.builds()), len(slugs))
                for slug in slugs:
                    plan = json.loads((project.directory(slug) / "image.json").read_text())
                    self.assertRegex(plan["imageId"], "^sha256:[0-9a-f]{64}$")
                    result = project.tool(
                        "bottle-pack", "diff", project.pack(slug), builtin.pack(slug), expect=None
                    )
                    expected = docker_differs if what == "docker" else others_differ
                    self.assertIn(
                        (result.returncode, result.stdout),
                        {(0, ""), (3 if expected else 0, expected)},
                    )
                project.make()
                self.assertEqual((self.calls(), project.ran()), ([], {}))
        self.assert_engine_clean()

    def test_hello_is_the_same_with_each_engine(self):
        self.compare("hello", ["hello"], others_differ=NO_WORKDIR)

    def test_busybox_is_the_same_with_each_engine(self):
        system_fixture.need("busybox")
        # COPY --chmod: the classic builder has none, and BuildKit's of 2021 has no sticky bit.
        self.compare("busybox", ["busybox"], ENGINES, docker_differs="/tmp: mode: 0777 | 1777\n")

    def test_family_is_the_same_with_each_engine(self):
        self.compare("family", ["base", "child-a", "child-b"], others_differ=NO_WORKDIR)


class AgentExample(Examples):
    """The one whose images start from Debian: here from what their RUN needs of one."""

    for _name in [name for name in dir(Examples) if name.startswith("test_")]:
        locals()[_name] = None

    NEEDED = re.compile(
        r"\./(|bin|sbin|lib|lib64|dev|proc|sys|run|tmp|root|home|etc|etc/.*|usr|usr/(bin|sbin|lib|lib64)|usr/bin/(dash|sh|mkdir|chown|chmod)"
        r"|usr/sbin/(useradd|nologin)|usr/lib64/.*|usr/lib/[^/]+-linux-gnu(/[^/]*\.so[^/]*)?)"
    )

    def base(self):
        root = system_fixture.settings.debian / "root.tar"
        if not root.exists():
            self.skipTest("needs the Debian root file system, which the fixture could not make")
        with tarfile.open(root) as archive:
            members = [
                (info, archive.extractfile(info).read() if info.isreg() else b"")
                for info in archive
                if self.NEEDED.fullmatch(info.name if info.name != "." else "./")
            ]
        # Where there is none, Podman and Buildah leave the empty file that they mount theirs on
        # (docs/engines.md).
        members.append(images.member("etc/hosts", content="127.0.0.1 localhost\n"))
        layout = images.Layout(self.top / "base")
        layout.add(images.layer(members))
        return layout.finish({"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]})

    def test_agent_is_the_same_with_docker(self):
        self.options = [f"-DAGENT_BASE=oci-layout:{self.base()}"]
        self.compare("agent", ["upstream", "agent"])


class ChangeDetection(EngineTestCase, incremental_test.Edits):
    """The edits of tests/cmake/incremental_test.py through Docker: what does not matter starts no
    engine process at all."""

    def project(self, *arguments, **options):
        project = self.prepared(super().project(*arguments, **options), "docker")
        traced = project.traced
        project.traced = lambda: [event for event in traced() if event["step"] != "engine"]
        return project

    def setUp(self):
        self.known = None
        EngineTestCase.setUp(self)
        incremental_test.Edits.setUp(self)
        self.assertEqual(len(self.builds()), 1)

    def then(self, steps):
        super().then(steps)
        calls = self.calls()
        if "image" not in steps:
            self.assertEqual(calls, [])
        else:
            # "edit and back" finds the first image in the store.
            self.assertLessEqual(sum(call.split()[1] == "build" for call in calls), 1)

    def test_instructions(self):
        """As there, but an engine does not say which lines it executed."""
        text = (self.bottle.source / "Dockerfile").read_text()
        for edited in (
            text.replace("X=y", "X=z"),
            text.replace("COPY file /file", "COPY file /elsewhere"),
        ):
            self.bottle.write("Dockerfile", edited)
            self.then(ALL)
        self.assertIn("elsewhere", self.bottle.extract("a"))

    def test_store_emptied_between_two_steps(self):
        """As there, with the calls of the first step counted apart."""
        self.bottle.append("data/one", "more\n")
        self.bottle.make("bottle-a-image")
        self.assertEqual(len(self.builds()), 1)
        shutil.rmtree(self.bottle.cache)
        self.then("pack")
        warm = self.bottle.pack("a").read_bytes()
        shutil.rmtree(self.bottle.cache)
        self.bottle.make("clean")
        self.then(ALL)
        self.assertEqual(self.bottle.pack("a").read_bytes(), warm)

    def test_podman_and_buildah_run_only_if_needed(self):
        for engine in ("podman", "buildah"):
            with self.subTest(engine=engine):
                project = self.prepared(
                    incremental_test.Edits.project(
                        self,
                        "add_bottle(b)\n",
                        {
                            "Dockerfile": "FROM scratch\nCOPY data /data\n",
                            "data/one": "1\n",
                            "other": "1\n",
                        },
                        name=f"by {engine}",
                    ),
                    engine,
                )
                traced = project.traced
                project.traced = lambda traced=traced: [
                    event for event in traced() if event["step"] != "engine"
                ]
                project.configure()
                self.assert_ran(project, {"b": ALL})
                self.calls()
                project.touch("data/one")
                self.assert_ran(project, {"b": "fingerprint"})
                project.append("Dockerfile", "# comment\n")
                self.assert_ran(project, {"b": "fingerprint"})
                project.append("other", "more\n")
                self.assert_ran(project, {})
                self.assertEqual(self.calls(), [])
                project.write("data/one", "2\n")
                self.assert_ran(project, {"b": ALL})
                self.assertEqual(len(self.builds()), 1)
                self.assertEqual(project.extract("b")["data/one"], "2\n")

    def test_staged_context_has_only_copied_files(self):
        """It has the files that the instructions copy, whatever was done to what an earlier build
        staged, and is written as far as it changed."""
        tree = staged(self.bottle.directory("a"))
        untouched = (tree / "file").stat().st_ino
        self.bottle.write("data/one", "2\n")
        self.then(ALL)
        self.assertEqual((tree / "file").stat().st_ino, untouched)
        for damage in (
            lambda: (tree / "data/stray").write_text("nobody's\n"),
            lambda: (tree / "file").write_text("FILE\n"),
            lambda: (tree / "data/link").unlink(),
            lambda: shutil.rmtree(tree),
        ):
            damage()
            self.bottle.append("data/one", "more\n")
            self.then(ALL)
            packed = self.bottle.extract("a")
            self.assertEqual((packed["file"], packed["data/link"]), ("file\n", "-> one"))
            self.assertNotIn("data/stray", packed)

    def test_same_image_is_not_packed_again(self):
        """The rebuilt image has the ID that it had: other inputs, and none that the result
        shows."""
        project = self.project(
            "add_bottle(b CONTEXT in)\n",
            {
                "in/Dockerfile": textwrap.dedent(
                    """\
                    FROM scratch AS all
                    COPY x y /
                    FROM scratch
                    COPY --from=all /x /x
                    """
                ),
                "in/x": "x\n",
                "in/y": "y\n",
            },
            name="same image",
        )
        project.configure()
        self.assert_ran(project, {"b": ALL})
        self.calls()
        project.append("in/y", "more\n")
        self.assert_ran(project, {"b": "fingerprint image"})
        self.assertEqual(len(self.builds()), 1)
        project.write("in/y", "y\n")
        self.assert_ran(project, {"b": "fingerprint image"})
        self.assertEqual(self.calls(), [])  # an image that the store has


if __name__ == "__main__":
    system_fixture.main()
