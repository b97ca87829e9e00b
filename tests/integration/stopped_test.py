# SPDX-License-Identifier: Apache-2.0
"""Builds through outside engines that are interrupted, ended or killed at each stage: no container,
name of an image, network, port, mount, process or temporary file stays; after a kill once the next
build is through.

Each engine is stopped at each stage, and by each signal; by each of them at each stage where
$BOTTLE_TEST_ALL_STOPS is set. Where an engine leaves most behind, in a RUN, that is done in any
case."""
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import buildx_fixture
import docker_fixture
import system_fixture
from engines_fixture import FILES
from stopped_fixture import ALL, IN_RUN, Stops


# Asking for the version; an input on its way; the build; its result on its way; cleaning up.
DOCKER = [
    "before version",
    "before load",
    "after load",
    "before build",
    IN_RUN,
    "after build",
    "before save",
    "after save",
    "before rmi",
]
PODMAN = DOCKER
BUILDAH = [
    "before version",
    "before pull",
    "after pull",
    "before build",
    IN_RUN,
    "after build",
    "before push",
    "after push",
    "before rmi",
]
# What an ordinary user's builds do otherwise is what is in there while they run.
ROOTLESS_PODMAN = ["after load", IN_RUN, *(["after build", "before rmi"] if ALL else [])]
ROOTLESS_BUILDAH = ["after pull", IN_RUN, *(["after build", "before rmi"] if ALL else [])]
BUILDX = [
    "before buildx inspect",
    "before load",
    "after load",
    "before buildx build",
    IN_RUN,
    "after buildx build",
    "before save",
    "after save",
    "before rmi",
]
LAYOUTS = ["before buildx inspect", "before buildx build", IN_RUN, "after buildx build"]


class Docker(Stops):
    def test_classic_builder_stopped_at_each_stage(self):
        self.check("docker", DOCKER, DOCKER_BUILDKIT="0")

    def test_buildkit_stopped_at_each_stage(self):
        self.check("docker", DOCKER)

    def test_hanging_daemon(self):
        """Cleaning up has a time limit, the build continues, and the rest stays in the cleanup
        log."""
        build = self.new_build(FILES, "one", "docker", BOTTLE_CLEANUP_SECONDS="1", HANG="rmi")
        output = build.tools(
            "bottle-image", "build", "--context", build.source, "--out", build.build, *self.contexts
        ).stdout
        self.assertRegex(output, "warning: docker rmi did not end within 1 s; .*engine.left")
        self.assertEqual(output.count("did not end within"), 1)  # and is not asked again
        self.assertIn(
            "docker image localhost/bottle-stage/", (build.build / "engine.left").read_text()
        )
        # Interrupted, it ends none the less.
        build.append("etc/a", "more\n")
        output = self.stop(build, "before save", signal.SIGTERM)
        self.assertRegex(output, "warning: docker rmi did not end within 1 s")
        # A daemon that accepts connections and never answers: a build with another engine is not
        # delayed by the cleanup log.
        with socket.socket(socket.AF_UNIX) as listener:
            name = tempfile.mktemp(prefix="bottle-hung-")
            listener.bind(name)
            self.addCleanup(os.unlink, name)
            listener.listen()
            build.environment.update(
                HANG="",
                DOCKER_HOST=f"unix://{name}",
                BOTTLE_ENGINE="builtin",
                BOTTLE_ENGINE_OPTIONS="",
            )
            output = build.tools(
                "bottle-image",
                "build",
                "--context",
                build.source,
                "--out",
                build.build,
                *self.contexts,
            ).stdout
            self.assertRegex(output, "warning: docker rmi did not end within 1 s")
        # It answers again, as fast as it can.
        self.calls()
        del build.environment["BOTTLE_CLEANUP_SECONDS"]
        build.environment.update(self.environment)
        build.image(*self.contexts)
        self.assertTrue(self.calls())
        self.assert_nothing_left(build)


class Podman(Stops):
    def test_stopped_at_each_stage(self):
        self.check("podman", PODMAN)

    def test_cleanup_when_the_next_image_is_stored(self):
        self.check_stored("podman")

    def test_loads_and_removals_are_serialized(self):
        """No process loads an image while another removes a name, which may be the only one of the
        same image."""
        for self.program, stage, is_held in (
            ("podman", "load", True),
            ("podman", "build", False),
            ("podman", "rmi", True),
            ("buildah", "pull", True),
            ("buildah", "rmi", True),
        ):
            with self.subTest(program=self.program, stage=stage):
                build = self.new_inputs()
                process = self.reach(build, f"before {stage}")
                with open(build.cache / f"lock.{self.program}", "rb") as lock:
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        self.assertFalse(is_held)
                    except BlockingIOError:
                        self.assertTrue(is_held)
                process.kill()
                process.wait()
                build.image(*self.contexts)
                self.assert_nothing_left(build)


class Buildah(Stops):
    def test_stopped_at_each_stage(self):
        self.check("buildah", BUILDAH)

    def test_cleanup_when_the_next_image_is_stored(self):
        self.check_stored("buildah")

    def test_hanging_runtime(self):
        """A RUN is ended though its runtime does not say what it runs, and what the runtime keeps
        of it is taken away when it does."""
        self.program = "buildah"
        runtime = self.breakpoints.bin / "runc"
        runtime.write_text(
            f"""#!/bin/sh
if [ "$1" = list ]; then echo "$@" >> "{self.top / 'lists'}"; exit 1; fi
exec "{shutil.which('runc')}" "$@"
""",
            encoding="utf-8",
        )
        runtime.chmod(0o755)
        build = self.new_inputs()
        build.environment["BOTTLE_ENGINE_OPTIONS"] = "--isolation=oci"
        build.write(
            "Dockerfile",
            FILES["Dockerfile"].replace("RUN echo", f"RUN sleep {self.sleeps}; echo {self.number}"),
        )
        self.stop(build, IN_RUN, signal.SIGKILL)
        self.assertNotEqual(self.sleeping(), [])
        build.write("Dockerfile", FILES["Dockerfile"])
        build.image(*self.contexts)
        self.assertTrue((self.top / "lists").exists())
        self.assertEqual(self.sleeping(), [])
        self.assertIn("buildah builder", (build.build / "engine.left").read_text())
        runtime.unlink()
        build.append("etc/a", "more\n")
        build.image(*self.contexts)
        self.assert_nothing_left(build)

    def test_unrelated_containers_are_kept(self):
        """Who cleans up takes nothing that another build, in another directory, works in."""
        self.program = "buildah"
        others = (
            self.new_build({}, "others", "buildah").run("buildah", "from", "scratch").stdout.strip()
        )
        build = self.new_build(
            dict(
                FILES,
                Dockerfile=FILES["Dockerfile"].replace(
                    "RUN echo", f"RUN sleep {self.sleeps}; echo"
                ),
            ),
            "killed",
            "buildah",
        )
        self.stop(build, IN_RUN, signal.SIGTERM)
        self.assertEqual(
            build.run("buildah", "containers", "--format", "{{.ContainerName}}").stdout.split(),
            [others],
        )


class Rootless(Stops):
    """Podman and Buildah as an ordinary user with subordinate ids, whose RUN is in a chroot, or
    under a runtime."""

    isolation = "--isolation=chroot"

    def setUp(self):
        super().setUp()
        self.become()

    def become(self):
        system_fixture.need("setpriv", "unshare", "newuidmap", "newgidmap")
        home = self.top / "home"
        (home / "runtime").mkdir(parents=True)
        self.environment.update(
            HOME=str(home), XDG_RUNTIME_DIR=str(home / "runtime"), USER="nobody"
        )
        (self.top / "ids").write_text(f"{system_fixture.NOBODY}:100000:65536\n", encoding="utf-8")
        script = (
            'mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid && shift && exec "$@"'
        )
        user = [
            "setpriv",
            f"--reuid={system_fixture.NOBODY}",
            f"--regid={system_fixture.NOBODY}",
            "--clear-groups",
        ]
        self.prefix = ["unshare", "--mount", "sh", "-c", script, "sh", self.top / "ids", *user]
        for path in (self.top, *self.top.rglob("*")):
            os.chown(path, system_fixture.NOBODY, system_fixture.NOBODY, follow_symlinks=False)
        self.top.chmod(0o755)
        pause = home / "runtime/libpod/tmp/pause.pid"

        def end_pause():
            """Podman keeps its user namespace with a process that lasts."""
            if pause.exists():
                os.kill(int(pause.read_text()), signal.SIGTERM)

        self.addCleanup(end_pause)
        tool = system_fixture.settings.tools / "bottle-image"
        probe = subprocess.run(
            [*self.prefix, "sh", "-c", '"$1" --version && buildah unshare true', "sh", tool],
            env={**os.environ, **self.environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if probe.returncode != 0:
            self.skipTest(
                "needs user namespaces for ordinary users, and a build tree that they may read: "
                + probe.stdout.strip()
            )
        self.pause = pause

    @property
    def lasting(self):
        return [int(self.pause.read_text())] if self.pause.exists() else []

    def new_build(self, files=(), name="one build", engine=None, **more):
        build = super().new_build(files, name, engine, **more)
        if hasattr(self, "pause"):
            build.prefix = self.prefix
            build.environment["BOTTLE_ENGINE_OPTIONS"] = self.isolation
            for directory in (build.build, build.cache):
                directory.mkdir()
            for path in (build.root, *build.root.rglob("*")):
                os.chown(path, system_fixture.NOBODY, system_fixture.NOBODY)
        return build

    def test_podman_stopped_at_each_stage(self):
        self.check("podman", ROOTLESS_PODMAN)
        self.isolation = "--isolation=rootless"
        self.check("podman", [IN_RUN], in_run=[signal.SIGKILL])

    def test_buildah_stopped_at_each_stage(self):
        self.check("buildah", ROOTLESS_BUILDAH)
        self.isolation = "--isolation=rootless"
        self.check("buildah", [IN_RUN], in_run=[signal.SIGKILL])


class Buildx(Stops):
    """Docker's plug-in with the builder of a daemon that keeps images as Docker does."""

    def setUp(self):
        self.plugins = buildx_fixture.made(pathlib.Path.cwd())
        super().setUp()
        self.environment["DOCKER_CONFIG"] = str(self.plugins)

    def test_stopped_at_each_stage(self):
        self.check(
            "buildx", BUILDX, in_run=[signal.SIGKILL], BOTTLE_ENGINE_OPTIONS="--network=host"
        )


class BuildxLayouts(Stops):
    """With a builder that reads and writes OCI layouts."""

    @classmethod
    def new_engine(cls):
        cls.plugins = buildx_fixture.made(pathlib.Path.cwd())
        return docker_fixture.Engine(cls.plugins / "engine")

    def setUp(self):
        super().setUp()
        self.environment["DOCKER_CONFIG"] = str(self.plugins)

    def test_stopped_at_each_stage(self):
        self.check(
            "buildx", LAYOUTS, in_run=[signal.SIGKILL], BOTTLE_ENGINE_OPTIONS="--network=host"
        )


if __name__ == "__main__":
    system_fixture.main()
