"""Outside engines, for real: Docker (both builders), Podman, Buildah; what they are started for,
and what they leave."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request

import buildx_fixture
import docker_fixture
import breakpoint_fixture
import images
import system_fixture
import registry_fixture
from breakpoint_fixture import SECONDS, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cmake"))
import incremental_test  # noqa: E402

ALL = "fingerprint image pack"
ENGINES = ("docker", "podman", "buildah")


def staged(build_directory):
    """The directory that BuildKit was sent."""
    (tree,) = (path for path in (build_directory / "engine-context").iterdir() if path.is_dir())
    return tree


def contents_that_look_alike():
    """Two texts of one size that give a staged file of mode 0644 the same time."""
    found = {}
    for number in range(10_000_000):
        text = f"{number:08}\n"
        what = f"f:{0o644}:0:{hashlib.sha256(text.encode()).hexdigest()}"
        nanoseconds = int(hashlib.sha256(what.encode()).hexdigest()[:12], 16) % 1_000_000_000
        if nanoseconds in found:
            return found[nanoseconds], text
        found[nanoseconds] = text
    raise AssertionError("no two texts were found")


class EngineTestCase(system_fixture.TestCase):
    """One Docker Engine a class; its client is found through a wrapper that counts, and stops at
    breakpoints."""

    @classmethod
    def setUpClass(cls):
        system_fixture.need("podman", "buildah")
        cls.engine = cls.new_engine()
        cls.engine.__enter__()
        cls.addClassCleanup(cls.engine.__exit__, None, None, None)

    @classmethod
    def new_engine(cls):
        return docker_fixture.Engine()

    def setUp(self):
        super().setUp()
        self.breakpoints = breakpoint_fixture.Breakpoints(self.top)
        self.bin, self.calls_file = self.breakpoints.bin, self.breakpoints.calls_file
        for program in ENGINES:
            self.breakpoints.wrap(
                program, self.engine.client if program == "docker" else shutil.which(program)
            )
        (self.top / "client").mkdir()
        (self.top / "client/config.json").write_text("{}", encoding="utf-8")
        storage = self.top / "storage.conf"
        storage.write_text(
            (
                f'[storage]\ndriver = "vfs"\ngraphroot = "{self.top}/containers/root"\n'
                f'runroot = "{self.top}/containers/run"\n'
            ),
            encoding="utf-8",
        )
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "DOCKER_HOST": self.engine.socket,
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(self.top / "client"),
            "CONTAINERS_STORAGE_CONF": str(storage),
        }

    def wrapper(self, name, body):
        file = self.bin / name
        file.write_text("#!/bin/sh\n" + body, encoding="utf-8")
        file.chmod(0o755)

    def prepared(self, project, engine=None, **more):
        project.environment.update(self.environment)
        if engine:
            project.environment["BOTTLE_ENGINE"] = engine
        if engine in ("podman", "buildah"):
            project.environment["BOTTLE_ENGINE_OPTIONS"] = "--isolation=chroot"
        elif engine == "docker":
            project.environment["BOTTLE_ENGINE_OPTIONS"] = "--network=host"
        project.environment.update(more)
        return project

    def new_build(self, files=(), name="one build", engine=None, **more):
        return self.prepared(super().new_build(files, name), engine, **more)

    def calls(self):
        """What the engines were started with since the last time this was asked."""
        text = self.calls_file.read_text(encoding="utf-8") if self.calls_file.exists() else ""
        self.calls_file.unlink(missing_ok=True)
        return text.splitlines()

    def builds(self):
        return [call for call in self.calls() if call.split()[1] == "build"]

    def docker(self, *arguments):
        return self.engine.docker(*arguments).stdout.split()

    def assert_engine_clean(self):
        """No container and no name of an image is there, or is soon: a daemon ends a build behind
        its client's back."""
        wait_for(lambda: not self.docker("ps", "--all", "--quiet"), "a container is left")
        wait_for(
            lambda: set(self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"))
            <= {"<none>:<none>"},
            "a name is left",
        )

    def assert_same_tree(self, one, other):
        result = one.run(
            system_fixture.settings.tools / "bottle-pack",
            "diff",
            one.output,
            other.output,
            expect=None,
        )
        self.assertEqual((result.returncode, result.stdout), (0, ""))


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
                "in/Dockerfile": (
                    "FROM scratch AS all\nCOPY x y /\nFROM scratch\nCOPY --from=all /x /x\n"
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


BASE = {"Dockerfile": "FROM scratch\nCOPY --from=tools . /\nENV PATH=/bin BASE=yes\n"}
FILES = {
    "Dockerfile": """\
# syntax of the engine's own
ARG WORD=none
FROM missing AS unneeded
COPY nothing /nothing
FROM base AS build
ARG WORD
COPY --chown=3:4 etc/a /etc/
RUN echo "$WORD $BASE" > /made && ln -s made /link
# a comment between
FROM base
COPY --from=1 /made \\
  /copied
COPY --from=files sub/*.txt /files/
WORKDIR /files
LABEL a=b
""",
    "etc/a": "a\n",
    "unused": "unused\n",
}


class Builds(EngineTestCase):
    def setUp(self):
        super().setUp()
        system_fixture.need("busybox")
        tools = self.top / "tools" / "bin"
        tools.mkdir(parents=True)
        shutil.copy(shutil.which("busybox", path="/bin:/usr/bin"), tools / "busybox")
        for applet in ("sh", "echo", "ln", "sleep"):
            (tools / applet).symlink_to("busybox")
        files = self.top / "files" / "sub"
        files.mkdir(parents=True)
        (files / "one.txt").write_text("one\n")
        (files / "two.log").write_text("two\n")
        self.base = super().new_build(BASE, "base")
        self.base.environment.pop("BOTTLE_ENGINE", None)
        self.base.image("--build-context", f"tools={self.top}/tools")
        self.contexts = [
            "--build-context",
            f"base=bottle:{self.base.build}",
            "--build-context",
            f"files={self.top}/files",
            "--build-arg",
            "WORD=word",
            "--build-arg",
            "UNUSED=unused",
        ]
        self.calls()

    def built(self, name, engine, files=FILES, **more):
        build = self.new_build(files, name, engine, **more)
        build.image(*self.contexts)
        build.create()
        return build

    def test_bases_and_contexts_are_images(self):
        """A bottle as base, a directory as context, stages by number, a stage that only the file
        knows."""
        builtin = self.built("builtin", "builtin")
        for engine, more in [
            ("docker", {}),
            ("docker", {"DOCKER_BUILDKIT": "0"}),
            ("podman", {}),
            ("buildah", {}),
        ]:
            with self.subTest(engine=engine, **more):
                build = self.built(f"by {engine} {more}", engine, **more)
                self.assert_same_tree(build, builtin)
                self.assertEqual(build.leftovers(), [])
                self.assertFalse((build.build / "engine.left").exists())
                calls = self.calls()
                self.assertEqual(sum(call.split()[1] == "build" for call in calls), 1, calls)
                # Comments, unneeded stages and files that no instruction copies are not inputs.
                build.write(
                    "Dockerfile",
                    FILES["Dockerfile"]
                    .replace("# a comment between", "#")
                    .replace("COPY nothing", "COPY other"),
                )
                build.write("unused", "other\n")
                build.image(*self.contexts)
                self.assertEqual(self.calls(), [])
        self.assert_engine_clean()
        for engine in ("podman", "buildah"):
            names = self.base.run(
                engine,
                "images",
                "--format",
                "{{.Repository}}" if engine == "podman" else "{{.Name}}",
            ).stdout.split()
            self.assertEqual([name for name in names if name != "<none>"], [])

    def test_image_id_is_kept(self):
        """An export has the ID that the engine gave."""
        build = self.built("one", "docker")
        build.export(self.top / "layout")
        index = json.loads((self.top / "layout/index.json").read_text())
        digest = index["manifests"][0]["digest"].removeprefix("sha256:")
        manifest = json.loads((self.top / "layout/blobs/sha256" / digest).read_text())
        plan = json.loads((build.build / "image.json").read_text())
        self.assertEqual(manifest["config"]["digest"], plan["imageId"])
        self.assertIn(plan["imageId"], self.docker("image", "ls", "--all", "--quiet", "--no-trunc"))

    def test_times_follow_the_epoch(self):
        """Staged files have parts of seconds, by which BuildKit knows what it has; images have
        none."""
        build = self.built(
            "one", "docker", {"Dockerfile": "FROM base\nCOPY file /file\n", "file": "one\n"}
        )
        self.assertNotEqual((staged(build.build) / "file").stat().st_mtime_ns % 1_000_000_000, 0)
        build.export(self.top / "layout")
        layers = [
            tarfile.open(blob)
            for blob in (self.top / "layout/blobs/sha256").iterdir()
            if not blob.read_bytes().startswith(b"{")
        ]
        self.assertEqual(
            {member.mtime for layer in layers for member in layer if member.name == "file"}, {0}
        )
        # Another content of the same size is not what the builder has.
        build.write("file", "two\n")
        build.image(*self.contexts)
        build.create()
        build.tools("bottle-pack", "extract", build.output, self.top / "root")
        self.assertEqual((self.top / "root/file").read_text(), "two\n")

    def check_look_alikes(self, engine, **more):
        """A builder that goes by size and time is never left with what it has of another content,
        mode or target of a link."""
        one, other = contents_that_look_alike()
        build = self.new_build(
            {
                "Dockerfile": "FROM base\nCOPY . /in\n",
                ".dockerignore": "Dockerfile\n",
                "file": one,
                "sub/in": "in\n",
            },
            f"by {engine}",
            engine,
            **more,
        )
        build.link("link", "file")

        def built():
            build.image(*self.contexts)
            build.create()
            out = self.top / "root"
            shutil.rmtree(out, ignore_errors=True)
            build.tools("bottle-pack", "extract", build.output, out)
            return out / "in"

        self.assertEqual((built() / "file").read_text(), one)
        times = (staged(build.build) / "file").stat()
        build.write("file", other)
        self.assertEqual((built() / "file").read_text(), other)
        again = (staged(build.build) / "file").stat()
        self.assertEqual((again.st_mtime_ns, again.st_size), (times.st_mtime_ns, times.st_size))
        build.write("file", one)
        self.assertEqual((built() / "file").read_text(), one)
        # As what was sent differs by more than a time, it keeps its name.
        name = staged(build.build).name
        build.write("file", one.replace("\n", "!"))
        os.chmod(build.source / "sub/in", 0o755)
        build.link("link", "base")
        tree = built()
        self.assertEqual((tree / "file").read_text(), one.replace("\n", "!"))
        self.assertEqual(
            ((tree / "sub/in").stat().st_mode & 0o777, os.readlink(tree / "link")), (0o755, "base")
        )
        self.assertEqual(staged(build.build).name, name)
        # Nothing is known of a name that is lost, nor in a copy.
        (build.build / "engine-context/sent").write_text("bottle-sent 1 cut o")
        build.write("file", other)
        self.assertEqual((built() / "file").read_text(), other)
        self.assertNotEqual(staged(build.build).name, name)

    def test_files_with_equal_size_and_time_are_sent(self):
        self.check_look_alikes("docker")

    def test_error_hints(self):
        build = self.new_build(
            FILES, engine="docker", DOCKER_HOST="unix:///nonexistent/docker.sock"
        )
        self.assert_fails(
            build.image(*self.contexts, expect=1),
            "Cannot connect",
            "start the daemon, or set DOCKER_HOST",
        )
        for engine in ENGINES:
            build = self.new_build(FILES, "none", engine=engine, PATH=str(self.top))
            self.assert_fails(
                build.image(*self.contexts, expect=1),
                f'"{engine}" is not installed',
                "install .*ENGINE builtin",
            )
        build = self.new_build(FILES, "unknown", BOTTLE_ENGINE="dokcer")
        self.assert_fails(
            build.image(*self.contexts, expect=1),
            "did you mean docker",
            "known: builtin, docker, podman, buildah, buildx",
            status=2,
        )
        build = self.new_build(
            dict(FILES, Dockerfile="FROM base\nRUN exit 3\n"), "fails", engine="docker"
        )
        self.assert_fails(build.image(*self.contexts, expect=1), "the engine failed", "3")
        self.assertEqual(build.leftovers(), [])
        self.assert_engine_clean()

    def test_without_a_network(self):
        """NETWORK none: RUN sees no network but its own loopback, whatever this machine's options
        say; or the engine says why not."""
        dockerfile = (
            "FROM base\nRUN while read name rest; do echo $name; done < /proc/net/dev > /devices\n"
        )
        containers = self.top / "containers.conf"
        containers.write_text('[engine]\nruntime = "runc"\n', encoding="utf-8")
        oci = {
            "CONTAINERS_CONF": str(containers),
            "BOTTLE_ENGINE_OPTIONS": "--isolation=oci --network=host",
        }
        for engine, more in [
            ("docker", {}),
            ("docker", {"DOCKER_BUILDKIT": "0"}),
            ("podman", oci),
            ("buildah", oci),
        ]:
            with self.subTest(engine=engine, **more):
                build = self.new_build(
                    {"Dockerfile": dockerfile},
                    f"by {engine} {more.get('DOCKER_BUILDKIT')}",
                    engine,
                    **more,
                )
                build.image(*self.contexts, "--network", "none")
                build.create()
                out = self.top / f"root {engine} {more.get('DOCKER_BUILDKIT')}"
                build.tools("bottle-pack", "extract", build.output, out)
                devices = [
                    word for word in (out / "devices").read_text().split() if word.endswith(":")
                ]
                self.assertEqual(devices, ["lo:"])
        for engine in ("podman", "buildah"):  # the isolation without namespaces
            build = self.new_build({"Dockerfile": dockerfile}, f"{engine} in a chroot", engine)
            self.assert_fails(
                build.image(*self.contexts, "--network", "none", expect=1),
                "cannot set --network other than host",
            )

    def test_settings_of_run(self):
        """--shm-size, --ulimit and --add-host act, or the error names the RUN and what could: no
        engine ignores them silently."""
        dockerfile = (
            "FROM base\n\nRUN grep ' /dev/shm ' /proc/mounts | sed 's/.*size=//; s/[ ,].*//' >"
            " /shm; (ulimit -n; ulimit -Hn) > /limits; grep -o '1.2.3.4.*' /etc/hosts > /hosts\n"
        )
        containers = self.top / "containers.conf"
        containers.write_text('[engine]\nruntime = "runc"\n', encoding="utf-8")
        oci = {
            "CONTAINERS_CONF": str(containers),
            "BOTTLE_ENGINE_OPTIONS": "--isolation=chroot --isolation OCI",
        }
        size, others = ["--shm-size", "128m"], [
            "--ulimit",
            "nofile=1000:2000",
            "--add-host",
            "a.b:1.2.3.4",
        ]
        expected = {"shm": "131072k\n", "limits": "1000\n2000\n", "hosts": "1.2.3.4\ta.b\n"}
        for number, (engine, more, options, ignored) in enumerate(
            (
                ("docker", {"DOCKER_BUILDKIT": "0"}, size + others, ""),
                ("docker", {}, size, "--shm-size"),
                ("docker", {}, others, "--ulimit"),
                ("docker", {}, others[2:], ""),
                ("podman", oci, size + others, ""),
                ("buildah", oci, size + others, ""),
                ("podman", {}, size, "--shm-size"),
                ("buildah", {}, size, "--shm-size"),
                ("podman", {}, others, ""),
                ("buildah", {}, others, ""),
                (
                    "buildah",
                    {"BOTTLE_ENGINE_OPTIONS": "", "BUILDAH_ISOLATION": "chroot"},
                    size,
                    "--shm-size",
                ),
            )
        ):
            with self.subTest(engine=engine, options=options, **more):
                build = self.new_build(
                    {"Dockerfile": dockerfile}, f"settings {number}", engine, **more
                )
                if ignored:
                    self.assert_fails(
                        build.image(*self.contexts, *options, expect=1),
                        f"Dockerfile:3:1: error: {ignored} has no effect on RUN with",
                        "ENGINE builtin",
                    )
                    continue
                build.image(*self.contexts, *options)
                build.create()
                out = self.top / f"settings root {number}"
                build.tools("bottle-pack", "extract", build.output, out)
                for option, name in (
                    ("--shm-size", "shm"),
                    ("--ulimit", "limits"),
                    ("--add-host", "hosts"),
                ):
                    if option in options:
                        self.assertEqual((out / name).read_text(), expected[name])
        without = self.new_build(
            {"Dockerfile": "FROM base\nCOPY Dockerfile /\n"}, "without RUN", "podman"
        )
        without.image(*self.contexts, *size)

    def test_engine_is_chosen_in_order(self):
        """ENGINE, then the variable, then the environment, then builtin; what is missing fails the
        target, and not the configuring."""
        missing = {"BOTTLE_ENGINE": "docker", "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
        for number, (engine, variable, environment, expected) in enumerate(
            (
                ("", "", "", "builtin"),
                ("", "", "docker", "docker"),
                ("", "buildah", "docker", "buildah"),
                ("podman", "buildah", "docker", "podman"),
                ("builtin", "buildah", "docker", "builtin"),
                ("", "builtin", "docker", "builtin"),
            )
        ):
            with self.subTest(engine=engine, variable=variable, environment=environment):
                project = self.prepared(
                    system_fixture.harness.Project(
                        self.top / f"project {number}",
                        f"add_bottle(a {'ENGINE ' + engine if engine else ''})\n",
                        {"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "1\n"},
                    ),
                    BOTTLE_ENGINE=environment,
                )
                project.configure(f"-DBOTTLE_ENGINE={variable}" if variable else "-UBOTTLE_ENGINE")
                self.assertEqual(self.calls(), [])
                project.make("bottle-a")
                self.assertEqual(
                    {call.split()[0] for call in self.calls()}, {expected} - {"builtin"}
                )
        project = self.prepared(
            system_fixture.harness.Project(
                self.top / "unreachable",
                "add_bottle(a)\nadd_bottle(b ENGINE builtin)\n",
                {"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "1\n"},
            ),
            **missing,
        )
        project.configure()
        project.make("bottle-b")
        self.assertRegex(
            project.make("bottle-a", expect=1).stdout,
            "Cannot connect(.|\n)*start the daemon, or set DOCKER_HOST",
        )
        for program in ("podman", "buildah"):
            (self.bin / program).unlink()
        for engine, program in (("podman", "podman"), ("buildah", "buildah"), ("buildx", "docker")):
            project = self.prepared(
                system_fixture.harness.Project(
                    self.top / f"without {engine}",
                    f"add_bottle(a ENGINE {engine})\n",
                    {"Dockerfile": "FROM scratch\n"},
                ),
                PATH=self.path_without(program),
            )
            project.configure()
            self.assertRegex(
                project.make("bottle-a", expect=1).stdout,
                f'"{program}" is not installed(.|\n)*install .*ENGINE builtin',
            )

    def path_without(self, program):
        """A directory with links to the programs that CMake needs."""
        directory = self.top / f"programs without {program}"
        directory.mkdir(exist_ok=True)
        for name in ("cmake", "ninja", "sh", "make"):
            if not (directory / name).exists() and shutil.which(name):
                (directory / name).symlink_to(shutil.which(name))
        return str(directory)

    def test_two_builds_at_once(self):
        """Two bottles through one daemon, from bases of the same name that are not the same."""
        processes, builds = [], []
        for number in range(2):
            files = dict(FILES, Dockerfile=FILES["Dockerfile"].replace("$WORD", f"{number} $WORD"))
            build = self.new_build(files, f"build {number}", "docker", DOCKER_BUILDKIT=str(number))
            builds.append(build)
            processes.append(
                subprocess.Popen(
                    [
                        system_fixture.settings.tools / "bottle-image",
                        "build",
                        "--context",
                        build.source,
                        "--out",
                        build.build,
                        *self.contexts,
                    ],
                    env={
                        **system_fixture.harness.clean_environment(),
                        **build.environment,
                        "BOTTLE_CACHE_DIR": str(build.cache),
                    },
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        for number, process in enumerate(processes):
            _, errors = process.communicate(timeout=SECONDS)
            self.assertEqual(process.returncode, 0, errors)
            builds[number].create()
            out = self.top / f"root {number}"
            builds[number].tools("bottle-pack", "extract", builds[number].output, out)
            self.assertEqual((out / "copied").read_text(), f"{number} word yes\n")
        self.assert_engine_clean()


class Buildx(Builds):
    """Docker's plug-in, with the builder that is in the daemon."""

    for _name in [name for name in dir(Builds) if name.startswith("test_")]:
        locals()[_name] = None

    def setUp(self):
        self.plugins = buildx_fixture.made(pathlib.Path.cwd())
        super().setUp()

    def test_image_is_built(self):
        builtin = self.built("builtin", "builtin")
        build = self.built(
            "by buildx",
            "buildx",
            DOCKER_CONFIG=str(self.plugins),
            BOTTLE_ENGINE_OPTIONS="--network=host",
        )
        self.assert_same_tree(build, builtin)
        self.assertEqual(sum(call.split()[1:3] == ["buildx", "build"] for call in self.calls()), 1)
        build.image(*self.contexts)
        self.assertEqual(self.calls(), [])
        self.assertIn("engine = buildx ", (build.build / "image.key").read_text())
        self.assertEqual(build.leftovers(), [])
        self.assert_engine_clean()
        # Without the plug-in there is no such engine.
        build = self.new_build(FILES, "without", engine="buildx")
        self.assert_fails(build.image(*self.contexts, expect=1), "buildx", "ENGINE builtin")

    def test_files_with_equal_size_and_time_are_sent(self):
        self.check_look_alikes(
            "buildx", DOCKER_CONFIG=str(self.plugins), BOTTLE_ENGINE_OPTIONS="--network=host"
        )


class BuildxLayouts(Builds):
    """Docker's plug-in with a builder that reads and writes OCI layouts: times, named contexts,
    secrets, caches."""

    for _name in [name for name in dir(Builds) if name.startswith("test_")]:
        locals()[_name] = None

    @classmethod
    def new_engine(cls):
        cls.plugins = buildx_fixture.made(pathlib.Path.cwd())
        return docker_fixture.Engine(cls.plugins / "engine")

    def setUp(self):
        super().setUp()
        self.environment.update(
            DOCKER_CONFIG=str(self.plugins), BOTTLE_ENGINE_OPTIONS="--network=host"
        )

    def layers(self, build):
        """Of its export, as tarfile reads them."""
        layout = build.root / "layout"
        build.export(layout)
        blobs = layout / "blobs/sha256"
        index = json.loads((layout / "index.json").read_text())
        manifest = json.loads(
            (blobs / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text()
        )
        return [
            tarfile.open(blobs / layer["digest"].removeprefix("sha256:"))
            for layer in manifest["layers"]
        ]

    def image_id(self, build):
        return json.loads((build.build / "image.json").read_text())["imageId"]

    def test_contexts_are_layouts_and_times_are_rewritten(self):
        builtin = self.built("builtin", "builtin")
        build = self.built("by buildx", "buildx")
        self.assert_same_tree(build, builtin)
        self.assertRegex(
            (build.build / "image.key").read_text(), r"engine = buildx \S+%20docker\+oci%20"
        )
        calls = self.calls()
        (call,) = [call for call in calls if call.split()[1:3] == ["buildx", "build"]]
        self.assertRegex(call, "--output type=oci,rewrite-timestamp=true,")
        self.assertEqual(call.count("=oci-layout://"), 2)
        self.assertEqual([call for call in calls if call.split()[1] in ("load", "save", "tag")], [])
        times = {member.mtime for layer in self.layers(build) for member in layer}
        self.assertEqual(times, {0})
        build.image(*self.contexts)
        self.assertEqual(self.calls(), [])
        # Again from an empty store: the same image to the byte.
        self.engine.docker("builder", "prune", "--all", "--force", environment=self.environment)
        again = self.built("again", "buildx", BOTTLE_ENGINE_OPTIONS="--network=host --no-cache")
        self.assertEqual(self.image_id(again), self.image_id(build))
        self.assertEqual(build.leftovers(), [])
        self.assert_engine_clean()

    def test_secrets_are_passed(self):
        """The value is passed, is in no layer, and is not an input."""
        files = {
            "Dockerfile": (
                "FROM base\nRUN --mount=type=secret,id=word read word < /run/secrets/word; echo"
                " ${#word} > /length\n"
            )
        }
        build = self.new_build(files, engine="buildx", WORD="hidden word")
        build.image(*self.contexts, "--secret", "id=word,env=WORD")
        build.create()
        build.tools("bottle-pack", "extract", build.output, self.top / "root")
        self.assertEqual((self.top / "root/length").read_text(), "11\n")
        self.assertNotIn(
            b"hidden word",
            b"".join(file.read_bytes() for file in build.build.rglob("*") if file.is_file()),
        )
        self.calls()
        build.environment["WORD"] = "another"
        build.image(*self.contexts, "--secret", "id=word,env=WORD")
        self.assertEqual(self.calls(), [])

    def test_caches_are_used(self):
        """What one builder exports another takes: RUN is not executed again."""
        files = {
            "Dockerfile": "FROM base\nRUN read time rest < /proc/uptime && echo $time > /time\n"
        }
        cache = self.top / "cache"
        images = []
        for name, option in (
            ("first", f"--cache-to=type=local,dest={cache}"),
            ("without", ""),
            ("second", f"--cache-from=type=local,src={cache}"),
        ):
            build = self.new_build(files, name, "buildx")
            build.image(*self.contexts, *(["--engine-option", option] if option else []))
            images.append(self.image_id(build))
            self.engine.docker("builder", "prune", "--all", "--force", environment=self.environment)
        self.assertTrue((cache / "index.json").exists())
        self.assertEqual(images[2], images[0])
        self.assertNotEqual(images[1], images[0])


class Load(Builds):
    """bottle-image load, and the CMake target of that name."""

    for _name in [name for name in dir(Builds) if name.startswith("test_")]:
        locals()[_name] = None

    def test_only_missing_layers_are_sent(self):
        build = self.built("one", "builtin")

        def load(*options):
            return json.loads(
                build.tools("bottle-image", "load", "--json", "--out", build.build, *options).stdout
            )

        for program in ("docker", "podman"):
            with self.subTest(program=program):
                loaded = load("--into", program, "--tag", "localhost/first:1")
                self.assertEqual(loaded["transferred"], loaded["layers"])
                inspected = build.run(
                    program, "image", "inspect", "--format", "{{.Id}}", "localhost/first:1"
                ).stdout.strip()
                self.assertEqual("sha256:" + inspected.removeprefix("sha256:"), loaded["imageId"])
                # What is there does not travel again.
                self.assertEqual(
                    load("--into", program, "--tag", "localhost/second:1")["transferred"], 0
                )
        output = self.engine.docker(
            "run", "--rm", "--network", "host", "localhost/second:1", "/bin/sh", "-c", "echo $BASE"
        ).stdout
        self.assertEqual(output, "yes\n")
        # One more layer on the ones that the daemon has.
        build.write("Dockerfile", FILES["Dockerfile"] + "COPY unused /unused\n")
        build.image(*self.contexts)
        loaded = load("--tag", "localhost/third:1")
        self.assertEqual(loaded["transferred"], 1)
        for name in ("first", "second", "third"):
            self.engine.docker("rmi", f"localhost/{name}:1")

    def test_load_target(self):
        project = self.prepared(
            self.new_build({"CMakeLists.txt": "", **BASE}, "project"), "builtin"
        )
        project.write(
            "CMakeLists.txt",
            (
                "cmake_minimum_required(VERSION 3.25)\nproject(P LANGUAGES"
                " NONE)\nfind_package(Bottle REQUIRED)\nadd_bottle(loaded CONTEXTS"
                f' "tools=path:{self.top}/tools")\n'
            ),
        )
        project.configure()
        project.make("bottle-loaded-load")
        self.assertEqual(
            self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "loaded"),
            ["loaded:latest"],
        )
        self.engine.docker("rmi", "loaded:latest")


class ContainerClient(Builds):
    """bottle-image docker: each command, each failure policy, and names of containers."""

    for _name in [name for name in dir(Builds) if name.startswith("test_")]:
        locals()[_name] = None

    def setUp(self):
        super().setUp()
        self.base.tools("bottle-image", "load", "--out", self.base.build, "--tag", "base:1")
        self.addCleanup(self.remove_all)

    def remove_all(self):
        for container in self.docker("ps", "--all", "--quiet"):
            self.engine.docker("rm", "--force", container)
        self.engine.docker("rmi", "--force", "base:1", "base:2", expect=None)

    def command(self, *words, status=0, **options):
        result = self.base.run(
            system_fixture.settings.tools / "bottle-image", "docker", *words, expect=None, **options
        )
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout.strip()

    def create(self, name="box", *options):
        return self.command(
            "create",
            "--name",
            name,
            "--option=--network=none",
            *options,
            "base:1",
            "--",
            "/bin/sleep",
            "600",
        )

    def test_each_command(self):
        image = self.command("image-id", "base:1")
        self.assertEqual(
            image,
            self.engine.docker("image", "inspect", "--format", "{{.Id}}", "base:1").stdout.strip(),
        )
        self.assertEqual(self.command("image-id", "nothing:1", status=3), "")
        self.command("tag", "base:1", "base:2")
        self.assertEqual(self.command("image-id", "base:2"), image)
        self.command("exists", "box", status=3)
        self.assertEqual(self.create("box", "--option=--user=7"), "box")
        self.command("exists", "box")
        self.command("start", "box")
        (self.top / "in").write_text("in\n")
        self.command("cp", "box", self.top / "in", "/in")
        script = "echo $(/bin/busybox id -u; /bin/busybox cat /in)"
        self.assertEqual(
            self.engine.docker("exec", "box", "/bin/sh", "-c", script).stdout, "7 in\n"
        )
        self.assertEqual(self.command("exec", "box", "--", "/bin/sh", "-c", script), "0 in")
        self.command("rm", "box")
        self.command("rm", "box")
        self.command("exists", "box", status=3)

    def test_push_command(self):
        with registry_fixture.DockerRegistry(self.top / "registry") as registry:
            name = f"localhost:{registry.port}/pushed:1"
            self.addCleanup(self.engine.docker, "rmi", name)
            self.command("tag", "base:1", name)
            self.command("push", name)
            with urllib.request.urlopen(
                urllib.request.Request(
                    f"http://localhost:{registry.port}/v2/pushed/manifests/1",
                    headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
                )
            ) as answer:
                self.assertEqual(
                    json.load(answer)["config"]["digest"], self.command("image-id", "base:1")
                )

    def test_connect_command(self):
        network = f"bottle-test-{os.getpid()}"
        made = self.engine.docker("network", "create", "--internal", network, expect=None)
        if made.returncode != 0:
            self.skipTest(f"needs a bridge, which cannot be made here: {made.stdout.strip()}")
        self.addCleanup(self.engine.docker, "network", "rm", network)
        self.addCleanup(self.engine.docker, "rm", "--force", "box")
        self.command("create", "--name", "box", "base:1", "--", "/bin/sleep", "600")
        self.command("connect", network, "box")
        networks = self.engine.docker(
            "inspect", "--format", "{{json .NetworkSettings.Networks}}", "box"
        ).stdout
        self.assertIn(network, json.loads(networks))

    def test_failure_policies(self):
        """What each command does when it fails is said where it is called."""
        nobody = ["nobody"]
        for words in (
            ["tag", "nothing:1", "nothing:2"],
            ["push", "localhost:1/nothing:1"],
            ["cp", *nobody, self.top / "tools", "/"],
            ["connect", "none", *nobody],
            ["start", *nobody],
            ["exec", *nobody, "--", "/bin/true"],
        ):
            with self.subTest(command=words[0]):
                before = words[:1] + ["--on-failure"]
                self.assertIn("error: ", self.command(*words, status=1))
                self.assertNotIn("error: ", self.command(*before, "status", *words[1:], status=3))
                self.assertIn("warning: ", self.command(*before, "ignore", *words[1:], status=0))
        # An unreachable daemon does not answer a query.
        self.base.environment["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"
        for words in (
            ["exists", "box"],
            ["image-id", "base:1"],
            ["rm", "box"],
            ["create", "--name", "box", "base:1"],
            ["free-name", "box"],
        ):
            with self.subTest(command=words[0]):
                self.assertIn("start the daemon", self.command(*words, status=1))
        self.assertIn("warning: ", self.command("rm", "--on-failure", "ignore", "box", status=0))

    def test_first_free_name_is_used(self):
        self.assertEqual([self.create("walk") for _ in range(3)], ["walk", "walk-2", "walk-3"])
        self.assertEqual(self.command("free-name", "walk"), "walk-4")
        self.command("rm", "walk-2")
        self.assertEqual(self.command("free-name", "walk"), "walk-2")
        self.assertEqual(self.create("walk"), "walk-2")

    def test_concurrent_creates_get_different_names(self):
        """Concurrent creates with one name: each gets another name, and none fails."""
        command = [
            system_fixture.settings.tools / "bottle-image",
            "docker",
            "create",
            "--name",
            "race",
            "--option=--network=none",
            "base:1",
            "--",
            "/bin/sleep",
            "600",
        ]
        processes = [
            subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        names = sorted(process.communicate(timeout=SECONDS)[0].strip() for process in processes)
        self.assertEqual(names, ["race", "race-2", "race-3", "race-4"])

    def test_names_are_bounded(self):
        self.wrapper(
            "docker",
            (
                'echo "Conflict. The container name is already in use by container x" >&2; echo'
                f' "$@" >> "{self.calls_file}"; case "$1" in container) exit 0;; esac; exit 1\n'
            ),
        )
        for words in (["create", "--name", "n", "base:1"], ["free-name", "n"]):
            self.calls()
            self.assertIn("n to n-99 are in use", self.command(*words, status=1))
            self.assertEqual(len(self.calls()), 99)


if __name__ == "__main__":
    system_fixture.main()
