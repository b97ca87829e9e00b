# SPDX-License-Identifier: Apache-2.0
"""The programs that ours are held against. Each is left out, by name, where it is not installed or
does not work."""
import contextlib
import os
import subprocess
import sys
import tempfile
import unittest

from measure import Failure, call, discard, shell

import docker_fixture
import system_fixture
import registry_fixture
from project import remove


class Builder:
    """Builds a context. `current` says whether the last build was of the context as it is."""

    def __init__(self, context, tag):
        self.context, self.tag = context, tag
        self.built = None

    def build(self, *options):
        self.start(*options)
        self.built = self.context.version

    def bring_up_to_date(self):
        """So that the next build has nothing to do."""
        if self.built != self.context.version:
            self.build()

    def build_anew(self):
        self.build("--no-cache")


class Docker(Builder):
    """docker build, by BuildKit or by the builder before it, in an engine of the benchmark's
    own."""

    def __init__(self, engine, context, tag, buildkit):
        super().__init__(context, tag)
        self.engine = engine
        self.environment = {"DOCKER_BUILDKIT": "1" if buildkit else "0"}

    def start(self, *options):
        self.engine.docker(
            "build",
            "--network",
            "none",
            "--tag",
            self.tag,
            *options,
            self.context.directory,
            environment=self.environment,
        )

    def tidy(self):
        """Images that an edit has left behind; the memory is needed."""
        self.engine.docker("image", "prune", "--force")


class Buildah(Builder):
    """buildah bud --layers, with its storage in a separate directory."""

    def __init__(self, directory, context, tag):
        system_fixture.need("buildah")
        system_fixture.need_root("buildah mounts layers")
        super().__init__(context, tag)
        self.root, self.run = directory / "root", directory / "run"
        self.command = [
            "buildah",
            "--root",
            self.root,
            "--runroot",
            self.run,
            "--storage-driver",
            "overlay",
        ]

    def load(self, layout, name):
        system_fixture.need("skopeo")
        call(
            [
                "skopeo",
                "--insecure-policy",
                "copy",
                "--quiet",
                f"oci:{layout}",
                f"containers-storage:[overlay@{self.root}+{self.run}]localhost/{name}:latest",
            ]
        )

    def start(self, *options):
        call(
            [
                *self.command,
                "bud",
                "--layers",
                "--network",
                "host",
                "--pull-never",
                *options,
                "--tag",
                self.tag,
                self.context.directory,
            ]
        )

    def tidy(self):
        call([*self.command, "rmi", "--prune"])

    def pack(self, output):
        """Its image's tree as one compressed archive."""
        container = call(
            [*self.command, "from", "--pull-never", f"localhost/{self.tag}:latest"]
        ).strip()
        tree = call([*self.command, "mount", container]).strip()
        compress(tree, output)
        call([*self.command, "umount", container])
        call([*self.command, "rm", container])

    def close(self):
        subprocess.run(["umount", "--quiet", self.root / "overlay"], check=False)


class Pipeline:
    """From a context to one compressed archive by way of a registry: docker build, docker push,
    skopeo, umoci, tar | zstd. The daemon and the registry run all the time."""

    def __init__(self, docker, registry, directory):
        system_fixture.need("skopeo", "umoci")
        self.docker, self.registry, self.directory = docker, registry, directory
        self.output = directory / "pack.tar.zst"
        directory.mkdir()

    def forget(self):
        for name in ("layout", "bundle"):
            remove(self.directory / name)

    def run(self):
        name = f"{self.registry.name}/bench:latest"
        engine, layout, bundle = (
            self.docker.engine,
            self.directory / "layout",
            self.directory / "bundle",
        )
        self.docker.build()
        engine.docker("tag", self.docker.tag, name)
        engine.docker("push", name)
        call(
            [
                "skopeo",
                "--insecure-policy",
                "copy",
                "--quiet",
                "--src-tls-verify=false",
                f"docker://{name}",
                f"oci:{layout}:latest",
            ]
        )
        call(["umoci", "unpack", "--image", f"{layout}:latest", bundle])
        compress(bundle / "rootfs", self.output)


class NinjaAlone:
    """One step with as many dependencies as there are files (and directories) below the given ones,
    in Ninja's own log of dependencies."""

    def __init__(self, directory, trees):
        self.directory = directory
        directory.mkdir(parents=True)
        lines = [
            "rule step\n  command = cp $in.d $out.d && : > $out\n  depfile = $out.d\n  deps = gcc\n"
        ]
        for number, tree in enumerate(trees):
            name = f"step-{number}"
            paths = [
                os.path.join(parent, file)
                for parent, _, files in os.walk(tree)
                for file in [".", *files]
            ]
            (directory / f"{name}.in").write_text("", encoding="utf-8")
            (directory / f"{name}.in.d").write_text(
                f"{name}: " + " \\\n ".join(map(escape, paths)) + "\n", encoding="utf-8"
            )
            lines.append(f"build {name}: step {name}.in\n")
        (directory / "build.ninja").write_text("".join(lines), encoding="utf-8")

    def run(self):
        call(["ninja", "-C", self.directory])

    def verify(self):
        if "no work to do" not in call(["ninja", "-C", self.directory]):
            raise Failure("ninja alone had work to do")


def escape(path):
    return path.replace("$", "$$").replace(" ", "\\ ")


def stat_walk(tree):
    discard(["find", tree, "-printf", "%p %m %s %T@ %C@ %i\n"])


def compress(tree, output):
    shell('tar -cf - -C "$1" . | zstd -q -3 -T0 -f -o "$2"', tree, output)


def copy(file, to):
    call(["cp", file, to])


class Skipped(list):
    """What was left out, each with the reason."""

    def attempt(self, name, make, *arguments):
        try:
            return make(*arguments)
        except (unittest.SkipTest, Failure, AssertionError) as reason:
            print(f"not measured: {name}: {reason}", file=sys.stderr)
            self.append({"name": name, "reason": str(reason).splitlines()[0]})
            return None


@contextlib.contextmanager
def docker_engine(directory, skipped):
    """An engine whose data lie below the directory, or None."""
    kept, tempfile.tempdir = tempfile.tempdir, str(directory)
    engine = None
    try:
        engine = skipped.attempt("docker", lambda: docker_fixture.Engine().__enter__())
        yield engine
    finally:
        if engine:
            engine.stop()
        tempfile.tempdir = kept


def storage(engine):
    """The storage driver and the file system below it."""
    text = engine.docker(
        "info",
        "--format",
        "{{.Driver}}{{range .DriverStatus}}, {{index . 0}}: {{index . 1}}{{end}}",
    ).stdout
    return ", ".join(text.strip().split(", ")[:2])


@contextlib.contextmanager
def docker_registry(directory, skipped):
    registry = skipped.attempt(
        "docker-registry", lambda: registry_fixture.DockerRegistry(directory).__enter__()
    )
    try:
        yield registry
    finally:
        if registry:
            registry.__exit__()
