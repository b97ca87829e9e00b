# SPDX-License-Identifier: Apache-2.0
"""The examples, copied and built as a user would."""
import os
import shutil
import subprocess

import harness

ALL = "fingerprint image pack"


class Examples(harness.TestCase):
    def example(self, name):
        project = self.project(name=name)
        shutil.rmtree(project.source)
        shutil.copytree(
            harness.SOURCE / "examples" / name,
            project.source,
            ignore=shutil.ignore_patterns("build*"),
        )
        project.configure(
            "-DCMAKE_BUILD_TYPE=Debug"
            if "Multi" in project.generator
            else "-DCMAKE_BUILD_TYPE=Release"
        )
        return project

    def unpacked(self, project, slug):
        out = project.root / "root"
        shutil.rmtree(out, ignore_errors=True)
        project.tool("bottle-pack", "verify", project.pack(slug))
        project.tool("bottle-pack", "extract", project.pack(slug), out)
        return out

    def test_hello_is_built(self):
        project = self.example("hello")
        self.assert_ran(project, {"hello": ALL})
        root = self.unpacked(project, "hello")
        self.assertEqual([str(path.relative_to(root)) for path in root.rglob("*")], ["hello"])
        self.assertEqual(
            subprocess.check_output([root / "hello"], text=True), "Hello from a bottle!\n"
        )

        # Compiled again to the same bytes, so nothing else runs. (Not with debug information, which
        # has line numbers.)
        project.touch("hello.c")
        self.assert_ran(project, {"hello": "fingerprint"})
        project.append("Dockerfile", "# comment\n")
        self.assert_ran(project, {"hello": "fingerprint"})
        text = (project.source / "hello.c").read_text()
        project.write("hello.c", text.replace("Hello from", "Greetings from"))
        self.assert_ran(project, {"hello": ALL})
        self.assertEqual(
            subprocess.check_output([self.unpacked(project, "hello") / "hello"], text=True),
            "Greetings from a bottle!\n",
        )

    def test_busybox_is_built(self):
        if not shutil.which("busybox"):
            self.skipTest("needs busybox-static")
        project = self.example("busybox")
        self.assert_ran(project, {"busybox": ALL})
        root = self.unpacked(project, "busybox")
        self.assertEqual(os.readlink(root / "bin/sh"), "busybox")
        self.assertTrue((root / "var/log").is_dir())
        if os.geteuid() == 0:
            script = "cat /etc/hostname; stat -c '%a %u %n' /tmp /root /bin/busybox; whoami"
            output = subprocess.check_output(
                [
                    shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin"),
                    root,
                    "/bin/sh",
                    "-c",
                    script,
                ],
                text=True,
                env={"PATH": "/bin"},
            )
            self.assertEqual(output, "bottle\n1777 0 /tmp\n700 0 /root\n755 0 /bin/busybox\nroot\n")
        project.append("files/etc/hosts", "127.0.0.2 other\n")
        self.assert_ran(project, {"busybox": ALL})
        project.append("README.md", "more\n")
        self.assert_ran(project, {})


if __name__ == "__main__":
    harness.main()
