# SPDX-License-Identifier: Apache-2.0
"""Cases of the packer "smolvm" with the stand-in."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import breakpoint_fixture
import images
import system_fixture


STAND_IN = pathlib.Path(__file__).resolve().parent / "smolvm_stand_in.py"
FILES = {
    "Dockerfile": """\
FROM base
COPY --chmod=0750 --chown=7:8 dir /dir
ENV A=b
WORKDIR /work
ENTRYPOINT ["/dir/one", "x"]
CMD ["y"]
""",
    "dir/one": "1\n",
    "dir/two": "2\n",
}


def serves_bottles(port):
    """Is a registry there that has what was packed? Another process may use the port by now."""
    for name in ("image", "hello"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", f"/v2/bottle/{name}/tags/list")
            answer = connection.getresponse()
            if answer.status == 200 and json.load(answer)["tags"]:
                return True
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            connection.close()
    return False


class SmolvmTestCase(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        layout = images.Layout(self.top / "base")
        layout.add(
            images.layer(
                [
                    images.member("etc", "directory"),
                    images.member("etc/gone", content="gone\n"),
                    images.member("etc/kept", content="kept\n" * 1000),
                    images.member("bin", "directory"),
                    images.member("bin/sh", content="sh\n", mode=0o755),
                    images.member("bin/ash", "hardlink", link="bin/sh", mode=0o755),
                    images.member("link", "symlink", link="etc/kept"),
                ]
            ),
            compress=True,
        )
        layout.add(
            images.layer([images.whiteout("etc/gone"), images.member("etc/more", content="more\n")])
        )
        layout.finish({"Env": ["PATH=/bin"], "User": "0"})
        self.bin = self.top / "bin"
        self.bin.mkdir()
        shutil.copy(STAND_IN, self.bin / "smolvm")
        (self.bin / "smolvm").chmod(0o755)
        self.agent = self.top / "agent"
        (self.agent / "sbin").mkdir(parents=True)
        (self.agent / "sbin/init").symlink_to("/usr/local/bin/smolvm-agent")
        self.libraries = self.top / "smolvm-libraries"
        self.libraries.mkdir()
        for name in ("libkrun.so", "libkrunfw.so.5"):
            (self.libraries / name).touch()
        self.reached = self.top / "reached"
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "SMOLVM_AGENT_ROOTFS": str(self.agent),
            "SMOLVM_LIB_DIR": str(self.libraries),
            "BOTTLE_KVM_DEVICE": "",
            "STAND_IN_REACHED": str(self.reached),
        }
        self.ports = []
        self.build = self.new_build(FILES)
        self.build.environment.update(self.environment)
        self.build.image("--build-context", f"base=oci-layout:{layout.directory}")

    def pack(self, *options, expect=0, **environment):
        self.build.environment.update(environment)
        result = self.build.tools(
            "bottle-pack",
            "create",
            "--packer",
            "smolvm",
            "--image",
            self.build.build,
            "--output",
            self.build.output,
            "--name",
            "hello:1",
            *options,
            expect=expect,
        )
        self.note_ports(result.stdout)
        return result

    def interrupt(self, signal_number, *options, is_reached, goes_on=lambda: None, **environment):
        """Starts a pack and sends the signal when it is held somewhere. What it listens at is among
        the ports that must be gone."""
        log = self.top / "log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [
                    system_fixture.settings.tools / "bottle-pack",
                    "create",
                    "--packer",
                    "smolvm",
                    "--image",
                    self.build.build,
                    "--output",
                    self.build.output,
                    *options,
                ],
                stdout=subprocess.DEVNULL,
                stderr=output,
                env={
                    **system_fixture.harness.clean_environment(),
                    "BOTTLE_CACHE_DIR": str(self.build.cache),
                    **self.build.environment,
                    **environment,
                },
            )
        self.addCleanup(process.kill)
        breakpoint_fixture.wait_for(
            lambda: is_reached() or process.poll() is not None, "where it is to be stopped"
        )
        self.assertIsNone(process.poll(), log.read_text())
        self.ports += [
            int(address.rpartition(":")[2], 16)
            for address in breakpoint_fixture.listening([process.pid])
            if address.startswith("tcp")
        ]
        process.send_signal(signal_number)
        breakpoint_fixture.wait_for(
            lambda: goes_on() or process.poll() is not None, "the end of the pack"
        )
        self.note_ports(log.read_text())
        if process.returncode != 0:
            self.assertEqual(
                process.returncode,
                -signal.SIGKILL if signal_number == signal.SIGKILL else 128 + signal_number,
                log.read_text(),
            )
        return process.returncode

    def note_ports(self, text):
        """Where registries were that must be gone."""
        self.ports += [int(port) for port in re.findall(r"localhost:(\d+)/bottle/", text)]

    def inspect(self, pack):
        text = self.build.tools("bottle-pack", "inspect", "--json", pack).stdout
        return json.loads(text)["manifest"]

    def assert_clean(self):
        found = [
            str(path)
            for path in self.build.build.rglob("*")
            if path.name.endswith(".tmp")
            or "smolvm" in path.name
            or path.name.startswith("image.smolmachine.")
        ]
        self.assertEqual(found, [])
        self.assertFalse((self.build.build / "engine.left").exists())
        self.assertEqual([port for port in self.ports if serves_bottles(port)], [])
