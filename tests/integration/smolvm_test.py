# SPDX-License-Identifier: Apache-2.0
"""The packer "smolvm" against a stand-in that does to a registry what the real command does, and
fails at the requested step.

Where a real smolvm with KVM is installed, the packs are made with it too.
"""
import os
import shutil
import signal
import subprocess
import time

import docker_fixture
import breakpoint_fixture
import system_fixture
import stopped_fixture
from smolvm_fixture import FILES, SmolvmTestCase


SECONDS = 60
NATIVE_FIELDS = [
    "mode",
    "image",
    "digest",
    "platform",
    "entrypoint",
    "cmd",
    "env",
    "workdir",
    "user",
    "cpus",
    "mem",
    "network",
    "gpu",
    "cuda",
]


class Packs(SmolvmTestCase):
    def compare(self, *options):
        result = self.pack(*options)
        self.build.tools("bottle-pack", "verify", self.build.output)
        native = self.top / "native.smolmachine"
        self.build.tools(
            "bottle-pack",
            "create",
            "--quiet",
            "--runtime",
            self.agent,
            "--image",
            self.build.build,
            "--output",
            native,
            "--name",
            "hello:1",
            *options,
        )
        found = self.build.tools("bottle-pack", "diff", self.build.output, native, expect=None)
        self.assertEqual((found.returncode, found.stdout), (0, ""))
        one, other = self.inspect(self.build.output), self.inspect(native)
        self.assertEqual(
            {name: one.get(name) for name in NATIVE_FIELDS},
            {name: other.get(name) for name in NATIVE_FIELDS},
        )
        self.assert_clean()
        return result

    def test_same_manifest_as_the_native_packer(self):
        result = self.compare()
        self.assertIn("Assembling packed binary done", result.stdout)
        self.assertRegex(result.stdout, r"localhost:\d+/bottle/image:[0-9a-f]{16}\n")
        self.assertNotRegex(result.stdout, "[\x00-\x08\x0b-\x1f]")

    def test_options_are_passed(self):
        self.compare(
            "--cpus",
            "2",
            "--memory",
            "512",
            "--network",
            "--env",
            "A=other",
            "--env",
            "B=new",
            "--entrypoint",
            "/one",
            "--cmd",
            "two",
            "--cmd",
            "three",
        )

    def test_unchanged_pack_comes_from_the_store(self):
        """The same image and options start smolvm no more."""
        self.pack()
        first = self.build.output.read_bytes()
        self.assertNotIn("Starting agent", self.pack().stdout)
        self.build.output.unlink()
        self.assertNotIn("Starting agent", self.pack().stdout)
        self.assertEqual(self.build.output.read_bytes(), first)
        self.assertIn("Starting agent", self.pack("--cpus", "3").stdout)

    def test_pack_with_real_smolvm(self):
        real = shutil.which("smolvm", path=os.environ["PATH"])
        if not real or not os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.skipTest("needs smolvm and KVM")
        (self.bin / "smolvm").unlink()
        for name in ("SMOLVM_AGENT_ROOTFS", "SMOLVM_LIB_DIR", "BOTTLE_KVM_DEVICE"):
            self.build.environment.pop(name)
        self.compare()


class Failures(SmolvmTestCase):
    STEPS = [
        "boot",
        "manifest",
        "config",
        "layer",
        "collect",
        "merge",
        "assemble",
        "sidecar",
        "end",
    ]

    def test_failing_smolvm(self):
        for step in self.STEPS:
            with self.subTest(step=step):
                self.assert_fails(
                    self.pack(expect=1, STAND_IN=f"fail:{step}"),
                    f"smolvm failed with exit code 1: told to fail at {step}",
                )
                self.assertFalse(self.build.output.exists())
                self.assert_clean()

    def test_killed_smolvm(self):
        for step in self.STEPS:
            with self.subTest(step=step):
                self.assert_fails(
                    self.pack(expect=1, STAND_IN=f"die:{step}"),
                    "smolvm failed with killed by signal 9",
                )
                self.assertFalse(self.build.output.exists())
                self.assert_clean()

    def test_interrupted_smolvm(self):
        """Interrupted, ended or killed at each step of smolvm: nothing stays, and the next build
        makes the pack."""
        for step in self.STEPS:
            for signal_number in stopped_fixture.SIGNALS:
                with self.subTest(signal=signal_number, step=step):
                    self.build.output.unlink(missing_ok=True)
                    self.ports.clear()
                    cache = self.top / f"cache {signal_number} {step}"
                    shutil.copytree(self.build.cache, cache)
                    mark = os.urandom(16).hex()
                    self.reached.unlink(missing_ok=True)
                    self.interrupt(
                        signal_number,
                        is_reached=self.reached.exists,
                        STAND_IN=f"hang:{step}",
                        BOTTLE_CACHE_DIR=str(cache),
                        **{breakpoint_fixture.MARK: mark},
                    )
                    self.assertTrue(self.ports)
                    self.assertFalse(self.build.output.exists())
                    if signal_number == signal.SIGKILL:
                        self.pack(STAND_IN="", BOTTLE_CACHE_DIR=str(cache))
                    self.assert_clean()
                    breakpoint_fixture.wait_for(
                        lambda: not breakpoint_fixture.with_text(
                            "environ", f"{breakpoint_fixture.MARK}={mark}"
                        ),
                        "a process goes on",
                    )


class Preflight(SmolvmTestCase):
    def test_each_check_has_a_hint(self):
        self.assert_fails(self.pack(expect=1, SMOLVM_AGENT_ROOTFS=str(self.top)), "agent|sbin/init")
        self.build.environment.update(self.environment)
        self.assert_fails(
            self.pack(expect=1, SMOLVM_LIB_DIR=str(self.top)),
            "cannot find libkrun.so and libkrunfw.so.5",
            "set SMOLVM_LIB_DIR",
        )
        self.build.environment.update(self.environment)
        self.assert_fails(
            self.pack(expect=1, BOTTLE_KVM_DEVICE=str(self.top / "kvm")),
            "cannot use KVM",
            "PACKER native",
        )
        self.build.environment.update(self.environment)
        (self.bin / "smolvm").write_text("#!/bin/sh\necho broken\nexit 7\n")
        self.assert_fails(
            self.pack(expect=1), "cannot read the version of smolvm: exit code 7: broken"
        )
        (self.bin / "smolvm").unlink()
        self.assert_fails(
            self.pack(expect=1, PATH=str(self.bin)), "cannot find smolvm", "PACKER native"
        )
        self.assert_clean()

    def test_image_name_is_checked(self):
        """A slug that smolvm would refuse after it has booted a machine."""
        pack = self.build.build / "a..b.smolmachine"
        for options, said in (
            ((), ("smolvm rejects the image name .*: expected no", "--name")),
            (
                ("--name", "hello:1"),
                ("smolvm rejects the image's name: .*expected no", "another slug"),
            ),
        ):
            result = self.build.tools(
                "bottle-pack",
                "create",
                "--packer",
                "smolvm",
                "--image",
                self.build.build,
                "--output",
                pack,
                *options,
                expect=1,
            )
            self.assert_fails(result, *said)
            self.assertFalse(pack.exists())
            self.assert_clean()

    def test_free_space_is_checked(self):
        system_fixture.need_root("a small file system is mounted")
        small = self.top / "small"
        small.mkdir()
        if (
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False
            ).returncode
            != 0
        ):
            self.skipTest("needs the right to mount a file system")
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        self.assert_fails(
            self.pack(expect=1, SMOLVM_PACK_STAGING=str(small)),
            "expected about .*MiB, found",
            "SMOLVM_PACK_STAGING",
        )


class RegistryImage(SmolvmTestCase):
    """A container of a registry, pinned by its digest, in place of the one in the process."""

    shares_setup = True

    @classmethod
    def setUpClass(cls):
        system_fixture.need("docker-registry", "ldd")
        cls.engine = docker_fixture.Engine()
        cls.engine.__enter__()
        cls.addClassCleanup(cls.engine.__exit__, None, None, None)

    def setUp(self):
        super().setUp()
        self.breakpoints = breakpoint_fixture.Breakpoints(self.top)
        self.breakpoints.wrap("docker", self.engine.client)
        self.build.environment.update(
            DOCKER_HOST=self.engine.socket, DOCKER_CONFIG=str(self.top / "client")
        )
        self.image = self.registry_image()

    def registry_image(self):
        """Debian's docker-registry as an image in a registry of the host: what is pinned has to
        come from one."""
        context = self.top / "registry"
        (context / "data").mkdir(parents=True)
        program = shutil.which("docker-registry")
        files = [program] + [
            word
            for line in subprocess.check_output(["ldd", program], text=True).splitlines()
            for word in line.split()
            if word.startswith("/")
        ]
        for file in files:
            (context / file[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, context / file[1:])
        port = system_fixture.free_port()
        settings = (
            "version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr:"
            " '127.0.0.1:%d'}\n"
        )
        (context / "config.yml").write_text(settings % ("/data", 1))
        (context / "Dockerfile").write_text(
            f'FROM scratch\nCOPY . /\nENTRYPOINT ["{program}", "serve", "/config.yml"]\n'
        )
        config = self.top / "host.yml"
        config.write_text(settings % (self.top / "host-data", port))
        process = subprocess.Popen(
            [program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        name = f"localhost:{port}/registry"
        self.engine.build(context, name)
        end = time.monotonic() + SECONDS
        while self.engine.docker("push", name, expect=None).returncode != 0:
            self.assertLess(time.monotonic(), end, "the registry does not take the image")
            time.sleep(0.05)
        digest = self.engine.docker(
            "image", "inspect", "--format", "{{index .RepoDigests 0}}", name
        ).stdout.strip()
        self.engine.docker("rmi", name)
        return digest

    def assert_clean(self):
        super().assert_clean()
        self.assertEqual(self.engine.docker("ps", "--all", "--quiet").stdout, "")
        names = self.engine.docker(
            "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"
        ).stdout.split()
        self.assertEqual([name for name in names if "/bottle/" in name], [])

    def test_pack_with_a_registry_container(self):
        self.pack("--registry-image", self.image)
        self.build.tools("bottle-pack", "verify", self.build.output)
        self.assert_clean()
        self.build.output.unlink()
        self.assert_fails(
            self.pack(
                "--registry-image", self.image, "--cpus", "3", expect=1, STAND_IN="fail:layer"
            ),
            "told to fail",
        )
        self.assert_clean()
        self.assert_fails(
            self.pack("--registry-image", "registry:2", expect=2), "with its digest", status=2
        )

    def test_registry_image_of_a_target(self):
        """PACKER and REGISTRY_IMAGE of a bottle; what is missing fails the target, and not the
        configuring."""
        project = system_fixture.harness.Project(
            self.top / "project",
            (
                f'add_bottle(hello PACKER smolvm REGISTRY_IMAGE "{self.image}" '
                f'CONTEXTS "base=oci-layout:{self.top / "base"}")\n'
            ),
            FILES,
        )
        project.environment.update(self.build.environment)
        project.environment["PATH"] = f"{self.bin}:/usr/bin:/bin"
        smolvm = (self.bin / "smolvm").rename(self.top / "smolvm")
        project.configure()
        self.assertFalse(self.breakpoints.calls_file.exists())
        self.assertRegex(project.make(expect=1).stdout, "cannot find smolvm(.|\n)*PACKER native")
        smolvm.rename(self.bin / "smolvm")
        project.make()
        project.tool("bottle-pack", "verify", project.pack("hello"))
        calls = self.breakpoints.calls_file.read_text()
        self.assertRegex(
            calls, r"docker create --name bottle-registry-hello .*--network host .*registry@sha256:"
        )
        self.assertRegex(calls, r"docker push -- localhost:\d+/bottle/hello:[0-9a-f]{16}\n")
        self.breakpoints.calls_file.unlink()
        project.touch("dir/one")
        project.make()
        self.assertEqual(project.ran(), {"hello": ["fingerprint"]})
        self.assertFalse(self.breakpoints.calls_file.exists())
        self.assert_clean()

    def test_two_packs_at_once(self):
        """Of two builds with one name, each has a separate registry, and removes only that."""
        self.reached.unlink(missing_ok=True)
        other = self.top / "other"
        other.mkdir()

        def is_reached():
            if not self.reached.exists():
                return False
            # While the first one's smolvm hangs, another build makes the pack of the same name.
            self.build.tools(
                "bottle-pack",
                "create",
                "--packer",
                "smolvm",
                "--image",
                self.build.build,
                "--output",
                other / self.build.output.name,
                "--registry-image",
                self.image,
            )
            names = self.engine.docker("ps", "--format", "{{.Names}}").stdout.split()
            self.assertEqual(names, ["bottle-registry-image"])
            return True

        self.interrupt(
            signal.SIGTERM,
            "--registry-image",
            self.image,
            is_reached=is_reached,
            STAND_IN="hang:layer",
        )
        self.build.tools("bottle-pack", "verify", other / self.build.output.name)
        calls = [
            line
            for line in self.breakpoints.calls_file.read_text().splitlines()
            if line.startswith("docker create")
        ]
        self.assertEqual(
            [call.split()[3] for call in calls],
            ["bottle-registry-image", "bottle-registry-image", "bottle-registry-image-2"],
        )
        self.assert_clean()

    def test_container_is_removed_after_a_signal(self):
        """Interrupted, ended or killed at each step of the registry's life."""
        stages = [
            "before create",
            "after create",
            "before start",
            "after start",
            "before load",
            "after load",
            "before push",
            "after push",
            "smolvm",
            "before rmi",
            "after rmi",
            "before rm",
            "after rm",
        ]
        for row, stage in enumerate(stages):
            for signal_number in (
                stopped_fixture.SIGNALS
                if stopped_fixture.ALL
                else [stopped_fixture.SIGNALS[row % 3]]
            ):
                with self.subTest(signal=signal_number, stage=stage):
                    self.build.output.unlink(missing_ok=True)
                    self.ports.clear()
                    cache = self.top / f"cache {signal_number} {stage}"
                    shutil.copytree(self.build.cache, cache)
                    self.reached.unlink(missing_ok=True)
                    where = self.breakpoints.at("" if stage == "smolvm" else stage)
                    is_cleaning = (
                        " rm" in stage
                    )  # which continues in spite of the signal, and is released here
                    self.interrupt(
                        signal_number,
                        "--registry-image",
                        self.image,
                        is_reached=(
                            self.reached.exists
                            if stage == "smolvm"
                            else self.breakpoints.is_reached
                        ),
                        goes_on=(
                            self.breakpoints.release
                            if is_cleaning and signal_number != signal.SIGKILL
                            else lambda: None
                        ),
                        STAND_IN="hang:layer" if stage == "smolvm" else "",
                        BOTTLE_CACHE_DIR=str(cache),
                        **where,
                    )
                    if signal_number == signal.SIGKILL:
                        self.pack(
                            "--registry-image", self.image, STAND_IN="", BOTTLE_CACHE_DIR=str(cache)
                        )
                        self.build.tools("bottle-pack", "verify", self.build.output)
                    self.assert_clean()
                    breakpoint_fixture.wait_for(
                        lambda: not self.breakpoints.processes(), "a process goes on"
                    )


if __name__ == "__main__":
    system_fixture.main()
