"""RUN, executed by the installed OCI runtime: what it leaves, what it may not leave, and what happens when it fails or is killed.

The base is the host's static busybox, so no network is needed."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import images
import parts

SECRET = "correct-horse-battery"


class Run(parts.TestCase):
    def setUp(self):
        super().setUp()
        if not (shutil.which("crun") or shutil.which("runc") or os.path.exists("/usr/sbin/runc")):
            self.skipTest("needs crun or runc, which are not installed")
        self.build = self.new_build()
        busybox = self.busybox()
        base = images.Layout(self.top / "base")
        base.add(images.layer([
            images.member("bin", "directory"), images.member("bin/busybox", content=busybox, mode=0o755),
            images.member("bin/sh", "symlink", link="busybox"), images.member("etc", "directory"),
            images.member("etc/passwd", content="root:x:0:0::/root:/bin/sh\n"),
            *(images.member(name, "directory") for name in ("dev", "proc", "sys")),
            images.member("data", "directory"), images.member("data/one", content="1\n"), images.member("data/two", content="2\n"),
            images.member("data/deep", "directory"), images.member("data/deep/three", content="3\n"),
        ]))
        base.finish({"Env": ["PATH=/bin"]})

    def busybox(self):
        for path in ("/bin/busybox", "/usr/bin/busybox"):
            if os.path.exists(path):
                data = pathlib.Path(path).read_bytes()
                if b"/ld-linux" not in data and b"/ld-musl" not in data:
                    return data
        self.skipTest("needs a static busybox, which is not installed (Debian: busybox-static)")

    def run_build(self, text, *options, **more):
        self.build.write("Dockerfile", "FROM base\n" + text)
        more.setdefault("expect", 0)
        return self.build.tools("bottle-image", "build", "--context", self.build.source, "--out", self.build.build,
                                "--build-context", f"base=oci-layout:{self.top / 'base'}", *options, **more)

    def layers(self):
        """The entries of the layers on top of the base, as the plan says them: {path: line}."""
        plan = json.loads((self.build.build / "image.json").read_text())
        found = []
        for layer in plan["layers"][1:]:
            text = (self.build.build / "layers" / (layer["digest"].removeprefix("sha256:") + ".idx")).read_text()
            rows = [line.split(" ") for line in text.splitlines()[1:] if not line.startswith("root ")]
            found.append({row[5]: (row[0], row[1], row[4]) for row in rows})
        return found

    def leftovers(self):
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        return [line for line in mounts.splitlines() if str(self.build.cache).replace(" ", "\\040") in line]


class Layers(Run):
    def test_what_changed_is_the_layer(self):
        self.run_build(
            "RUN busybox rm -r /data/deep /data/one; busybox mkdir /new; echo x > /new/a; busybox ln /new/a /new/b; busybox mkfifo /new/p; "
            "busybox chmod 2750 /new\n")
        self.assertEqual(self.layers(), [{
            "data": ("d", "755", "0"), "data/deep": ("w", "0", "0"), "data/one": ("w", "0", "0"),
            "new": ("d", "2750", "0"), "new/a": ("f", "644", "0"), "new/b": ("h", "644", "0"), "new/p": ("p", "644", "0")}])

    def test_mount_points_are_not_left(self):
        self.run_build("RUN --mount=type=tmpfs,target=/a/b --mount=type=cache,target=/c --mount=type=bind,target=/ctx true\n")
        self.assertEqual([set(layer) for layer in self.layers()], [set()])

    def test_twice_from_nothing_is_the_same(self):
        text = "RUN busybox ls -l /data > /list; echo $SOURCE_DATE_EPOCH $HOME $PATH; busybox hostname > /name; busybox cp /name /bin/name\n"
        self.run_build(text)
        first = self.layers()
        shutil.rmtree(self.build.cache)
        self.run_build(text)
        self.assertEqual(self.layers(), first)

    def test_without_overlay_the_same(self):
        text = "RUN busybox rm -r /data/deep; busybox mkdir /data/deep; echo x > /data/deep/y; echo z >> /data/two\nRUN echo w > /w\n"
        self.run_build(text)
        first = self.layers()
        shutil.rmtree(self.build.cache)
        os.environ["BOTTLE_OVERLAY"] = "off"
        self.addCleanup(os.environ.pop, "BOTTLE_OVERLAY", None)
        self.run_build(text)
        self.assertEqual(self.layers(), first)


class Mounts(Run):
    def test_secrets_leave_no_trace(self):
        (self.top / "secret").write_text(SECRET)
        result = self.run_build(
            "RUN --mount=type=secret,id=s,env=S busybox test \"$(busybox cat /run/secrets/s 2>/dev/null)$S\" = \"$S\" && busybox md5sum < /dev/null > /sum\n",
            "--secret", f"id=s,src={self.top / 'secret'}")
        self.assertNotIn(SECRET, result.stdout)
        for top in (self.build.build, self.build.cache):
            for path in top.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    self.assertNotIn(SECRET.encode(), path.read_bytes(), path)

    def test_a_required_secret_is_missed(self):
        result = self.run_build("RUN --mount=type=secret,id=s,required true\n", expect=1)
        self.assert_fails(result, r"Dockerfile:2:\d+: error: .*\"s\"", "--secret")

    def test_bind_takes_the_context_in(self):
        self.build.write("in/file", "one\n")
        text = "RUN --mount=type=bind,source=in,target=/in busybox cp /in/file /out\n"
        self.run_build(text)
        before = (self.build.build / "image.json").read_text()
        self.build.write("other", "not an input\n")
        self.assertNotIn("#1", self.run_build(text).stdout)
        self.build.write("in/file", "two\n")
        self.run_build(text)
        self.assertNotEqual((self.build.build / "image.json").read_text(), before)

    def test_a_cache_stays(self):
        self.run_build("RUN --mount=type=cache,target=/c echo kept > /c/file\n")
        self.assertIn("#1 kept", self.run_build("RUN --mount=type=cache,target=/c busybox cat /c/file\n").stdout)


class Failures(Run):
    def test_the_failure_is_told(self):
        result = self.run_build("RUN echo before; busybox nosuch; exit 7\n", expect=1)
        self.assert_fails(result, r"Dockerfile:2:1: error: .*exit code 7", "#1 before", r"  \| before", "--debug-shell")

    def test_a_program_that_is_not_there(self):
        self.assert_fails(self.run_build('RUN ["/nosuch"]\n', expect=1), r"Dockerfile:2:1: error: .*/nosuch")

    def test_the_network_is_off(self):
        self.assertNotRegex(self.run_build("RUN --network=none busybox ip -o link\n").stdout, r"#1 \d+: (?!lo:)")

    def test_killed(self):
        for number in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(number):
                marker = f"{7000 + int(number)}.{os.getpid()}"
                self.build.write("Dockerfile", f"FROM base\nRUN busybox sleep {marker} & busybox sleep {marker}\n")
                tool = subprocess.Popen(
                    [parts.settings.tools / "bottle-image", "build", "--context", self.build.source, "--out", self.build.build,
                     "--build-context", f"base=oci-layout:{self.top / 'base'}"],
                    env={**os.environ, "BOTTLE_CACHE_DIR": str(self.build.cache)}, stderr=subprocess.DEVNULL)
                self.wait_for(lambda m=marker: len(self.processes(m)) >= 2)
                tool.send_signal(number)
                tool.wait()
                self.wait_for(lambda m=marker: not self.processes(m))
                self.assertEqual(self.leftovers(), [])
        self.run_build("RUN true\n")
        left = [path.name for path in (self.build.cache / "run").iterdir() if path.is_dir()]
        self.assertEqual(left, [])

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
            time.sleep(0.02)  # polling the system's process list, which tells nobody when it changes


class Counters(Run):
    def test_a_changed_line_executes_from_there(self):
        lines = ["RUN echo one > /one\n", "RUN echo two > /two\n", "RUN echo three > /three\n"]
        self.run_build("".join(lines))
        lines[1] = "RUN echo TWO > /two\n"
        self.assertIn("2 instructions executed, 1 found in the store", self.run_build("".join(lines)).stdout)
        lines[0] = "# a comment\nRUN   echo one > /one\n"
        self.assertNotIn("executed", self.run_build("".join(lines)).stdout)


if __name__ == "__main__":
    parts.main()
