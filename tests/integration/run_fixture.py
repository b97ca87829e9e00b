# SPDX-License-Identifier: Apache-2.0
"""RUN on a base of the host's static busybox, so that no network is needed."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import images
import system_fixture


SECRET = "correct-horse-battery"


class Run(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        if not (shutil.which("crun") or shutil.which("runc") or os.path.exists("/usr/sbin/runc")):
            self.skipTest("needs crun or runc, which are not installed")
        self.build = self.new_build()
        busybox = self.busybox()
        base = images.Layout(self.top / "base")
        base.add(
            images.layer(
                [
                    images.member("bin", "directory"),
                    images.member("bin/busybox", content=busybox, mode=0o755),
                    images.member("bin/sh", "symlink", link="busybox"),
                    images.member("etc", "directory"),
                    images.member("etc/passwd", content="root:x:0:0::/root:/bin/sh\n"),
                    *(images.member(name, "directory") for name in ("dev", "proc", "sys")),
                    images.member("data", "directory"),
                    images.member("data/one", content="1\n"),
                    images.member("data/two", content="2\n"),
                    images.member("data/deep", "directory"),
                    images.member("data/deep/three", content="3\n"),
                ]
            )
        )
        base.finish({"Env": ["PATH=/bin"]})

    def busybox(self):
        for path in ("/bin/busybox", "/usr/bin/busybox"):
            if os.path.exists(path):
                data = pathlib.Path(path).read_bytes()
                if b"/ld-linux" not in data and b"/ld-musl" not in data:
                    return data
        self.skipTest("needs a static busybox, which is not installed (Debian: busybox-static)")

    def run_build(self, text, *options, **more):
        return self.run_text("FROM base\n" + text, *options, **more)

    def run_text(self, text, *options, **more):
        """Builds the Dockerfile, which may name the base."""
        self.build.write("Dockerfile", text)
        more.setdefault("expect", 0)
        return self.build.tools(
            "bottle-image",
            "build",
            "--context",
            self.build.source,
            "--out",
            self.build.build,
            "--build-context",
            f"base=oci-layout:{self.top / 'base'}",
            *options,
            **more,
        )

    def layers(self):
        """The entries of the layers on top of the base, as the plan says them: {path: line}."""
        plan = json.loads((self.build.build / "image.json").read_text())
        found = []
        for layer in plan["layers"][1:]:
            text = (
                self.build.build / "layers" / (layer["digest"].removeprefix("sha256:") + ".idx")
            ).read_text()
            rows = [
                line.split(" ") for line in text.splitlines()[1:] if not line.startswith("root ")
            ]
            found.append({row[5]: (row[0], row[1], row[4]) for row in rows})
        return found

    def leftovers(self):
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        return [
            line
            for line in mounts.splitlines()
            if str(self.build.cache).replace(" ", "\\040") in line
        ]

    def start_build(self, **environment):
        return subprocess.Popen(
            [
                *self.build.prefix,
                system_fixture.settings.tools / "bottle-image",
                "build",
                "--context",
                self.build.source,
                "--out",
                self.build.build,
                "--build-context",
                f"base=oci-layout:{self.top / 'base'}",
            ],
            env={**os.environ, "BOTTLE_CACHE_DIR": str(self.build.cache), **environment},
            stderr=subprocess.DEVNULL,
        )

    def processes(self, marker):
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:3] == [b"busybox", b"sleep", marker.encode()]:
                found.append(path)
        return found

    def wait_for(self, condition):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not happen within a minute")
            time.sleep(0.02)  # polling the system's process list, which does not report changes
