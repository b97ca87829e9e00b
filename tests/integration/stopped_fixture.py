# SPDX-License-Identifier: Apache-2.0
"""Builds stopped at each stage, and what must not be left after them."""
import os
import pathlib
import signal
import subprocess

import docker_fixture
import breakpoint_fixture
import system_fixture
from engines_fixture import FILES, BuildCase
from breakpoint_fixture import SECONDS, wait_for


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
ALL = os.environ.get("BOTTLE_TEST_ALL_STOPS", "") not in ("", "0")
IN_RUN = "in RUN"


def text_of(file):
    """Of another's file, which may go at any time."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


class Stops(BuildCase):
    def setUp(self):
        super().setUp()
        self.temporary = self.top / "temporary"
        self.temporary.mkdir()
        self.environment["TMPDIR"] = str(self.temporary)
        # RUN under a runtime, as Podman and Buildah do it where nothing else is asked for: it
        # outlives a builder that is killed.
        containers = self.top / "containers.conf"
        containers.write_text('[engine]\nruntime = "runc"\n', encoding="utf-8")
        self.environment["CONTAINERS_CONF"] = str(containers)
        self.sleeps = f"{600 + int.from_bytes(os.urandom(4), 'big')}"
        self.program = "docker"
        self.number = 0
        self.before = self.standing()

    prefix = ()  # before the command that is stopped
    lasting = ()  # processes that are to stay

    def standing(self):
        """Files and processes that exist without a build."""
        daemon = docker_fixture.children(self.engine.process.pid)[0]
        mounts = [
            line.split()[4]
            for file in (f"/proc/{daemon}/mountinfo", "/proc/self/mountinfo")
            for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines()
        ]
        return {
            "networks": sorted(self.docker("network", "ls", "--format", "{{.Name}}")),
            # The daemon keeps the host's name space from its first container on.
            "mounts": sorted(
                mount
                for mount in mounts
                if (str(self.engine.directory) in mount or str(self.top) in mount)
                and not mount.endswith("/netns/default")
            ),
            "ports": [
                address
                for address in breakpoint_fixture.listening(
                    breakpoint_fixture.in_namespace_of(daemon)
                )
                if not address.startswith("unix")
            ],
            "files": sorted(file.name for file in (self.engine.directory / "data/tmp").iterdir()),
        }

    def sleeping(self):
        return breakpoint_fixture.with_text("cmdline", self.sleeps)

    def assert_nothing_left(self, build):
        self.assertEqual(build.leftovers(build.build), [])
        self.assertFalse((build.build / "engine.left").exists())
        self.assertEqual(list(self.temporary.iterdir()), [])
        # They include the test's own ports.
        wait_for(
            lambda: not set(self.breakpoints.processes()) - set(self.lasting), "a process goes on"
        )
        if self.program in ("docker", "buildx"):
            # Behind its client's back a daemon ends a build a little later.
            self.assert_engine_clean()
            wait_for(lambda: not self.sleeping(), "a RUN goes on")
            wait_for(
                lambda: self.standing() == self.before, f"{self.before} is now {self.standing()}"
            )
            return
        self.assertEqual(self.sleeping(), [])
        self.assertEqual(self.standing(), self.before)
        containers = build.run("buildah", "containers", "--all", "--quiet").stdout
        names = build.run("buildah", "images", "--format", "{{.Name}}").stdout.split()
        self.assertEqual((containers, [name for name in names if name != "<none>"]), ("", []))
        for directory in ("/run", self.environment.get("XDG_RUNTIME_DIR", "/run")):
            self.assertEqual(
                [
                    entry
                    for runtime in ("crun", "runc")
                    for entry in pathlib.Path(directory, runtime).glob("buildah-*")
                    if self.sleeps in text_of(entry / "state.json")
                ],
                [],
            )

    def reach(self, build, stage):
        """A build that has come to the stage, and is held there."""
        environment = {
            **system_fixture.harness.clean_environment(),
            **build.environment,
            "BOTTLE_CACHE_DIR": str(build.cache),
            **self.breakpoints.at("" if stage == IN_RUN else stage),
        }
        process = subprocess.Popen(
            [
                *build.prefix,
                system_fixture.settings.tools / "bottle-image",
                "build",
                "--context",
                build.source,
                "--out",
                build.build,
                *self.contexts,
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        if stage == IN_RUN:
            wait_for(lambda: self.sleeping() or process.poll() is not None, "the RUN")
            if self.program in ("podman", "buildah"):
                # No network is made for it of which something could stay.
                self.assertEqual(
                    {os.readlink(f"/proc/{number}/ns/net") for number in self.sleeping()},
                    {os.readlink("/proc/self/ns/net")},
                )
        else:
            self.breakpoints.await_reached(process)
        return process

    def stop(self, build, stage, signal_number):
        process = self.reach(build, stage)
        process.send_signal(signal_number)
        expected = {-signal.SIGKILL} if signal_number == signal.SIGKILL else {128 + signal_number}
        if stage == "before rmi" and signal_number != signal.SIGKILL:
            # Who cleans up is not kept from it; the build is done by then.
            wait_for(
                lambda: self.breakpoints.release() or process.poll() is not None,
                "the end of the build",
            )
            expected.add(0)
        output, _ = process.communicate(timeout=SECONDS)
        self.assertIn(process.returncode, expected, output)
        return output

    def new_inputs(self, **more):
        """A build that finds nothing of it in a store or an engine."""
        self.number += 1
        (self.top / "files/sub/one.txt").write_text(f"{self.number}\n")
        return self.new_build(
            dict(FILES, **{"etc/a": f"{self.number}\n"}),
            f"build {self.number}",
            self.program,
            **more,
        )

    def check(self, program, stages, in_run=SIGNALS, **more):
        self.program = program
        for row, stage in enumerate(stages):
            for signal_number in (
                SIGNALS if ALL else in_run if stage == IN_RUN else [SIGNALS[row % len(SIGNALS)]]
            ):
                with self.subTest(program=program, stage=stage, signal=signal_number, **more):
                    build = self.new_inputs(**more)
                    if stage == IN_RUN:
                        if program in ("podman", "buildah") and not self.prefix:
                            build.environment["BOTTLE_ENGINE_OPTIONS"] = "--isolation=oci"
                        build.write(
                            "Dockerfile",
                            FILES["Dockerfile"].replace(
                                "RUN echo", f"RUN sleep {self.sleeps}; echo {self.number}"
                            ),
                        )
                    self.stop(build, stage, signal_number)
                    if signal_number == signal.SIGKILL:
                        build.write("Dockerfile", FILES["Dockerfile"])
                        build.image(*self.contexts)
                    self.assert_nothing_left(build)

    def check_stored(self, program):
        """A RUN in a chroot is killed, and the next build finds its image in the store: it cleans
        up none the less."""
        self.program = program
        build = self.new_inputs()
        build.image(*self.contexts)
        build.write(
            "Dockerfile", FILES["Dockerfile"].replace("RUN echo", f"RUN sleep {self.sleeps}; echo")
        )
        self.stop(build, IN_RUN, signal.SIGKILL)
        build.write("Dockerfile", FILES["Dockerfile"])
        build.image(*self.contexts)
        self.assert_nothing_left(build)
