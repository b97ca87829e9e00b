# SPDX-License-Identifier: Apache-2.0
"""Cases of outside engines: builds with their options, calls of the engines, trees to compare."""
import hashlib
import os
import shutil

import docker_fixture
import breakpoint_fixture
import system_fixture
from breakpoint_fixture import wait_for


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

    shares_setup = True

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


class BuildCase(EngineTestCase):
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

    def path_without(self, program):
        """A directory with links to the programs that CMake needs."""
        directory = self.top / f"programs without {program}"
        directory.mkdir(exist_ok=True)
        for name in ("cmake", "ninja", "sh", "make"):
            if not (directory / name).exists() and shutil.which(name):
                (directory / name).symlink_to(shutil.which(name))
        return str(directory)
