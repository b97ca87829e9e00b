"""RUN, executed by the installed OCI runtime: what it leaves, what it may not leave, and what
happens when it fails or is killed.

The base is the host's static busybox, so no network is needed."""
import errno
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
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
        self.build.write("Dockerfile", "FROM base\n" + text)
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


class Layers(Run):
    def test_layer_has_only_changes(self):
        self.run_build(
            "RUN busybox rm -r /data/deep /data/one; busybox mkdir /new; echo x > /new/a; busybox"
            " ln /new/a /new/b; busybox mkfifo /new/p; busybox chmod 2750 /new\n"
        )
        self.assertEqual(
            self.layers(),
            [
                {
                    "data": ("d", "755", "0"),
                    "data/deep": ("w", "0", "0"),
                    "data/one": ("w", "0", "0"),
                    "new": ("d", "2750", "0"),
                    "new/a": ("f", "644", "0"),
                    "new/b": ("h", "644", "0"),
                    "new/p": ("p", "644", "0"),
                }
            ],
        )

    def test_mount_points_are_not_in_the_layer(self):
        self.run_build(
            "RUN --mount=type=tmpfs,target=/a/b --mount=type=cache,target=/c"
            " --mount=type=bind,target=/ctx true\n"
        )
        self.assertEqual([set(layer) for layer in self.layers()], [set()])

    def test_layer_is_reproducible(self):
        text = (
            "RUN busybox ls -l /data > /list; echo $SOURCE_DATE_EPOCH $HOME $PATH; busybox hostname"
            " > /name; busybox cp /name /bin/name\n"
        )
        self.run_build(text)
        first = self.layers()
        shutil.rmtree(self.build.cache)
        self.run_build(text)
        self.assertEqual(self.layers(), first)

    def test_store_in_any_directory(self):
        text = (
            "RUN busybox grep -q '^overlay / overlay' /proc/mounts && busybox mkdir /d && busybox"
            " chmod 2775 /d && busybox mv /data /d/ && echo x > /d/x\nRUN"
            " --mount=type=bind,from=base,target=/m busybox cp -r /m/data /again\n"
        )
        self.run_build(text)
        first = self.layers()
        self.build.cache = self.top / "a store, with: all \\ that \"means\" 'something' $here"
        said = self.run_build(text).stdout
        self.assertNotIn("warning", said)
        self.assertEqual(self.layers(), first)

    def test_fallback_without_overlay_is_reported(self):
        """A store on an overlay cannot hold the upper directory of another."""
        system_fixture.need_root("to mount")
        for name in ("lower", "upper", "work"):
            (self.top / name).mkdir()
        self.build.cache.mkdir(parents=True, exist_ok=True)
        mounted = subprocess.run(
            [
                "mount",
                "-t",
                "overlay",
                "-o",
                "lowerdir=lower,upperdir=upper,workdir=work",
                "overlay",
                self.build.cache,
            ],
            cwd=self.top,
            stderr=subprocess.PIPE,
            text=True,
        )
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount an overlay here: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.build.cache], check=True)
        said = self.run_build("RUN echo x > /x\nRUN busybox grep x /x\n").stdout
        self.assertEqual(said.count("cannot use overlayfs (cannot mount overlay: "), 1, said)
        self.assertEqual([set(layer) for layer in self.layers()], [{"x"}, set()])

    def test_proxies_in_both_cases(self):
        text = (
            'ENV no_proxy=image\nRUN test "$http_proxy $HTTP_PROXY $no_proxy $NO_PROXY" = "p p n n"'
            ' && test -z "${FTP_PROXY+set}" && test "$(busybox env | busybox grep -c ^no_proxy=)"'
            " = 1\n"
        )
        self.run_build(
            text,
            "--build-arg",
            "http_proxy=p",
            "--build-arg",
            "NO_PROXY=n",
            "--build-arg",
            "FTP_PROXY=",
        )
        self.assertIn("unchanged", self.run_build(text).stdout)  # they are not inputs

    def test_same_layer_without_overlay(self):
        text = (
            "RUN busybox rm -r /data/deep; busybox mkdir /data/deep; echo x > /data/deep/y; echo z"
            " >> /data/two\nRUN echo w > /w\n"
        )
        self.run_build(text)
        first = self.layers()
        shutil.rmtree(self.build.cache)
        self.build.environment["BOTTLE_OVERLAY"] = "off"
        self.run_build(text)
        self.assertEqual(self.layers(), first)


class Mounts(Run):
    def test_secrets_are_not_stored(self):
        (self.top / "secret").write_text(SECRET)
        result = self.run_build(
            (
                'RUN --mount=type=secret,id=s,env=S busybox test "$(busybox cat /run/secrets/s'
                ' 2>/dev/null)$S" = "$S" && busybox md5sum < /dev/null > /sum\n'
            ),
            "--secret",
            f"id=s,src={self.top / 'secret'}",
        )
        self.assertNotIn(SECRET, result.stdout)
        for top in (self.build.build, self.build.cache):
            for path in top.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    self.assertNotIn(SECRET.encode(), path.read_bytes(), path)

    def test_missing_required_secret_is_an_error(self):
        result = self.run_build("RUN --mount=type=secret,id=s,required true\n", expect=1)
        self.assert_fails(result, r"Dockerfile:2:\d+: error: .*\"s\"", "--secret")

    def test_bind_mounts_the_context(self):
        self.build.write("in/file", "one\n")
        text = "RUN --mount=type=bind,source=in,target=/in busybox cp /in/file /out\n"
        self.run_build(text)
        before = (self.build.build / "image.json").read_text()
        self.build.write("other", "not an input\n")
        self.assertNotIn("#1", self.run_build(text).stdout)
        self.build.write("in/file", "two\n")
        self.run_build(text)
        self.assertNotEqual((self.build.build / "image.json").read_text(), before)
        self.build.tools(
            "bottle-fingerprint",
            "--context",
            self.build.source,
            "--out",
            self.build.build,
            "--build-context",
            f"base=oci-layout:{self.top / 'base'}",
            expect=0,
        )
        depfile = (self.build.build / "key.d").read_text().replace("\\ ", " ")
        self.assertIn(str(self.build.source / "in" / "file"), depfile)
        self.assertNotIn(str(self.build.source / "other"), depfile)

    def test_cache_is_kept(self):
        self.run_build("RUN --mount=type=cache,target=/c echo kept > /c/file\n")
        self.assertIn(
            "#1 kept",
            self.run_build("RUN --mount=type=cache,target=/c busybox cat /c/file\n").stdout,
        )

    def test_default_target_is_the_working_directory(self):
        self.build.write("in/file", "content\n")
        found = self.run_build(
            "WORKDIR /a\nRUN --mount=source=in busybox cat file\nRUN --mount=type=cache echo kept >"
            " f\nWORKDIR /b\nRUN --mount=type=cache,target=. busybox cat f\nRUN --mount=type=tmpfs"
            " busybox touch gone && busybox ls /b\n"
        ).stdout
        for said in ("#2 content", "#5 kept", "#6 gone"):
            self.assertIn(said, found)
        self.assertEqual([set(layer) - {"a", "b"} for layer in self.layers()], [set()] * 6)

    def test_secrets_have_owners_and_modes(self):
        (self.top / "secret").write_text(SECRET)
        self.build.environment["VALUE"] = SECRET
        look = "busybox stat -c '%a %u %g'"
        result = self.run_build(
            (
                f"RUN --mount=type=secret,id=s {look} /run/secrets/s\nRUN"
                f" --mount=type=secret,id=s,target=/a/b,uid=1,gid=2,mode=0444 {look} /a/b\nRUN"
                " --mount=type=secret,id=v,env=V busybox test ${#V} = 21 && busybox test ! -e"
                " /run/secrets/v\nRUN --mount=type=secret,id=absent busybox test ! -e"
                " /run/secrets/absent\n"
            ),
            "--secret",
            f"id=s,src={self.top / 'secret'}",
            "--secret",
            "id=v,env=VALUE",
        )
        lines = result.stdout.splitlines()
        self.assertIn("#1 400 0 0", lines)
        if os.geteuid() == 0:
            self.assertIn("#2 444 1 2", lines)
        self.assertEqual([set(layer) for layer in self.layers()], [set()] * 4)

    def test_changed_secret_does_not_rebuild(self):
        text = "RUN --mount=type=secret,id=s true\n"
        self.run_build(text, "--secret", "id=s,env=HOME")
        self.assertIn("unchanged", self.run_build(text, "--secret", "id=s,env=PATH").stdout)

    def agent(self, name):
        """An agent with a separate key; it reports the key's fingerprint."""
        system_fixture.need("ssh-agent", "ssh-add", "ssh-keygen")
        directory = tempfile.mkdtemp(
            prefix="bottle-agent-"
        )  # short, as the names of sockets must be
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        socket = pathlib.Path(directory, name)
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        self.wait_for(lambda: system_fixture.listens(socket))
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.top / f"{name}.key"],
            check=True,
        )
        subprocess.run(
            ["ssh-add", "-q", self.top / f"{name}.key"],
            env={**os.environ, "SSH_AUTH_SOCK": str(socket)},
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return (
            socket,
            subprocess.run(
                ["ssh-keygen", "-l", "-f", self.top / f"{name}.key.pub"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()[1],
        )

    def test_ssh_agents(self):
        one, first = self.agent("one")
        two, second = self.agent("two")
        # ssh-add with its libraries, as a context.
        program = shutil.which("ssh-add")
        paths = {
            program,
            *re.findall(
                r"(/\S+) \(",
                subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout,
            ),
        }
        for path in paths:
            target = self.build.source / "root" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        result = self.run_build(
            (
                f"COPY root /\nRUN --mount=type=ssh {program} -l; busybox stat -c '%a %u %g'"
                " $SSH_AUTH_SOCK\nRUN --mount=type=ssh,id=second,target=/agent,mode=0666,uid=0"
                f" {program} -l; busybox stat -c '%a %n' /agent\nRUN --mount=type=ssh,id=none"
                ' busybox test ! -e "$SSH_AUTH_SOCK"\n'
            ),
            "--ssh",
            f"default={one}",
            "--ssh",
            f"second={two}",
        )
        lines = result.stdout.splitlines()
        self.assertTrue(
            any(line.startswith("#2 ") and first in line for line in lines), result.stdout
        )
        self.assertIn("#2 600 0 0", lines)
        self.assertTrue(
            any(line.startswith("#3 ") and second in line for line in lines), result.stdout
        )
        self.assertIn("#3 666 /agent", lines)
        self.assertFalse(any("agent" in path for layer in self.layers() for path in layer))
        result = self.run_build(
            "RUN --mount=type=ssh,id=third,required true\n", "--ssh", f"second={two}", expect=1
        )
        self.assert_fails(
            result,
            r'Dockerfile:2:1: error: the ssh agent "third" is required: there is none',
            "--ssh third=",
        )

    def test_sharing_modes_of_caches(self):
        mount = "--mount=type=cache,id=c,target=/{0},sharing={1}"
        self.run_build(
            f"RUN {mount.format('a', 'locked')} {mount.format('b', 'locked')} echo x > /a/f;"
            " busybox test -e /b/f\nRUN"
            f" {mount.format('a', 'private')} {mount.format('b', 'private')} busybox test -e /a/f"
            f" && busybox test ! -e /b/f\nRUN {mount.format('a', 'shared')} busybox test -e /a/f\n"
        )


class Failures(Run):
    def test_failure_shows_the_output(self):
        result = self.run_build(
            "RUN echo before; busybox nosuch 2>&1; exit 7\n", expect=1
        )  # runc copies each of two streams by itself
        self.assert_fails(
            result,
            r"Dockerfile:2:1: error: .*exit code 7",
            "#1 before",
            r"  \| before",
            "--debug-shell",
        )

    def test_missing_program(self):
        self.assert_fails(
            self.run_build('RUN ["/nosuch"]\n', expect=1), r"Dockerfile:2:1: error: .*/nosuch"
        )

    def test_kill_at_any_time_leaves_no_files(self):
        self.run_build("RUN true\n")  # the base is unpacked
        for number in range(15):
            self.build.write(
                "Dockerfile",
                (
                    "FROM base\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t echo"
                    f" {number} > /x\n"
                ),
            )
            tool = self.start_build()
            try:
                tool.wait(number * 0.015)  # a sample of the moments that there are
            except subprocess.TimeoutExpired:
                tool.kill()
                tool.wait()
            self.assertEqual(self.leftovers(), [])
        self.wait_for(
            lambda: self.build.tools("bottle-cache", "--quiet", "gc", expect=None).returncode == 0
            and not any(path.is_dir() for path in (self.build.cache / "run").iterdir())
        )
        self.build.tools("bottle-cache", "verify", expect=0)
        self.run_build("RUN echo more > /x\n")

    def test_no_network(self):
        self.assertNotRegex(
            self.run_build("RUN --network=none busybox ip -o link\n").stdout, r"#1 \d+: (?!lo:)"
        )

    def test_kill_ends_the_command(self):
        for number in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(number):
                marker = f"{7000 + int(number)}.{os.getpid()}"
                self.build.write(
                    "Dockerfile",
                    f"FROM base\nRUN busybox sleep {marker} & busybox sleep {marker}\n",
                )
                tool = self.start_build()
                self.wait_for(lambda m=marker: len(self.processes(m)) >= 2)
                tool.send_signal(number)
                tool.wait()
                self.wait_for(lambda m=marker: not self.processes(m))
                self.assertEqual(self.leftovers(), [])
        self.run_build("RUN true\n")
        left = [path.name for path in (self.build.cache / "run").iterdir() if path.is_dir()]
        self.assertEqual(left, [])


class Changes(Run):
    def test_changed_line_executes_later_instructions(self):
        lines = ["RUN echo one > /one\n", "RUN echo two > /two\n", "RUN echo three > /three\n"]
        self.run_build("".join(lines))
        lines[1] = "RUN echo TWO > /two\n"
        self.assertIn(
            "2 instructions executed, 1 found in the store", self.run_build("".join(lines)).stdout
        )
        lines[0] = "# a comment\nRUN   echo one > /one\n"
        self.assertNotIn("executed", self.run_build("".join(lines)).stdout)

    def test_mount_depends_on_its_content(self):
        text = (
            "FROM base AS tools\nCOPY a /tools/a\nCOPY b /other/b\nFROM base\n"
            "RUN --mount=type=bind,from=tools,source=/tools,target=/t busybox cat /t/a > /a\n"
        )

        def executed():
            self.build.write("Dockerfile", text)
            return self.build.tools(
                "bottle-image",
                "--json",
                "build",
                "--context",
                self.build.source,
                "--out",
                self.build.build,
                "--build-context",
                f"base=oci-layout:{self.top / 'base'}",
                expect=0,
            ).stdout

        self.build.write("a", "1")
        self.build.write("b", "1")
        self.assertRegex(executed(), '"executed": 3')
        self.build.write("b", "2")
        self.assertRegex(executed(), '"executed": 1')  # the COPY of b
        self.build.write("a", "2")
        self.assertRegex(executed(), '"executed": [23]')

    def test_unrelated_stage_is_not_executed(self):
        text = "FROM base AS unneeded\nRUN exit 1 # {}\nFROM base\nRUN echo x > /x\n"
        for number in range(2):
            self.build.write("Dockerfile", text.format(number))
            result = self.build.tools(
                "bottle-image",
                "build",
                "--context",
                self.build.source,
                "--out",
                self.build.build,
                "--build-context",
                f"base=oci-layout:{self.top / 'base'}",
                expect=0,
            )
        self.assertIn("unchanged", result.stdout)


class Damage(Run):
    """The layer of a RUN lies in the store, where it may be altered."""

    def setUp(self):
        super().setUp()
        self.build.write("Dockerfile", "FROM base\nRUN echo one > /one; echo two > /two\n")
        self.build.build.mkdir()
        self.spec = self.build.build / "spec.json"
        self.spec.write_text(
            json.dumps(
                {
                    "schema": 1,
                    "slug": "a",
                    "dockerfile": str(self.build.source / "Dockerfile"),
                    "context": str(self.build.source),
                    "contexts": [
                        {"name": "base", "kind": "oci-layout", "value": str(self.top / "base")}
                    ],
                    "store": str(self.build.cache),
                }
            ),
            encoding="utf-8",
        )

    def alter_layers(self):
        """Changes a byte of the last file that RUN wrote; size and time stay."""
        for blob in sorted(
            (self.build.build / "blobs").iterdir(), key=lambda file: file.stat().st_size
        ):
            data = bytearray(blob.read_bytes())
            at = data.rfind(b"two\n")
            if at < 0:
                continue
            data[at] ^= 1
            status = blob.stat()
            os.chmod(blob, 0o644)
            blob.write_bytes(data)
            os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns))
            return
        self.fail("no blob holds the RUN's files")

    def test_damaged_layer_is_rebuilt(self):
        layout = self.top / "layout"
        self.build.tools("bottle-image", "build", "--spec", self.spec)
        self.alter_layers()
        result = self.build.tools("bottle-image", "export", "--spec", self.spec, "--layout", layout)
        self.assertIn("is damaged", result.stdout)
        self.assertTrue(
            any(b"two\n" in blob.read_bytes() for blob in (layout / "blobs/sha256").iterdir())
        )
        self.assertNotIn(
            "damaged", self.build.tools("bottle-pack", "create", "--spec", self.spec).stdout
        )

    def test_damage_without_a_specification(self):
        """Then the error says the command that makes it again."""
        self.run_build("RUN echo one > /one; echo two > /two\n")
        self.alter_layers()
        result = self.build.export(self.top / "layout", expect=1)
        self.assertIn("bottle-image build", result.stdout)
        self.run_build("RUN echo one > /one; echo two > /two\n")
        self.build.export(self.top / "layout")


class Stages(Run):
    """Stages that do not need each other are built side by side."""

    def build_stages(self, *stages, jobs=2, expect=0):
        """Each stage starts FROM base; the last one copies /out of the others."""
        self.build.environment["BOTTLE_JOBS"] = str(jobs)
        return self.run_text(
            "".join(f"FROM base AS s{number}\n{stage}\n" for number, stage in enumerate(stages))
            + "FROM scratch\n"
            + "".join(
                f"COPY --from=s{number} /out /out{number}\n" for number in range(len(stages))
            ),
            expect=expect,
        )

    def run_text(self, text, *options, expect=0):
        self.build.write("Dockerfile", text)
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
            expect=expect,
        )

    def meet(self, own, other):
        """A command that ends when another stage's has begun."""
        return (
            f"RUN --mount=type=cache,id=meeting,target=/m echo x > /m/{own}; i=0; while ! busybox"
            f" test -e /m/{other}; do i=$((i+1)); busybox test $i -lt 3000 || exit 9; busybox"
            " usleep 20000; done; "
        )

    def test_independent_stages_run_in_parallel(self):
        self.build_stages(
            self.meet("a", "b") + "echo a > /out", self.meet("b", "a") + "echo b > /out"
        )

    def test_output_lines_are_not_mixed(self):
        say = (
            "i=0; while busybox test $i -lt 400; do busybox printf '{0}{0}{0}'; echo '{0}{0}';"
            " i=$((i+1)); done; echo {0} > /out"
        )
        result = self.build_stages(
            *(self.meet(own, other) + say.format(own * 50) for own, other in ("ab", "ba"))
        )
        lines = [line for line in result.stdout.splitlines() if line.startswith("#")]
        for number, letter in (("1", "a"), ("2", "b")):
            self.assertEqual(lines.count(f"#{number} " + letter * 250), 400)
        self.assertEqual(len(lines), 800)

    def test_order_does_not_change_the_image(self):
        stages = [
            f"RUN busybox usleep {wait}; echo {wait} > /out\nRUN echo more >> /out"
            for wait in (200000, 100000, 0)
        ]
        found = []
        for jobs in (1, 3):
            shutil.rmtree(self.build.cache, ignore_errors=True)
            counts = self.build_stages(*stages, jobs=jobs).stdout.splitlines()[-1]
            found.append(
                (
                    counts,
                    (self.build.build / "image.json").read_text(),
                    {
                        path.name: path.read_bytes()
                        for path in (self.build.build / "layers").iterdir()
                    },
                )
            )
        self.assertIn("9 instructions executed, 0 found", found[0][0])
        self.assertEqual(found[0], found[1])

    def test_the_same_step_is_executed_once(self):
        result = self.build_stages(*["RUN busybox usleep 200000; echo x > /out"] * 3, jobs=3)
        self.assertIn("4 instructions executed, 2 found", result.stdout)  # one RUN, three COPYs

    def test_the_first_error_stops_the_others(self):
        marker = f"7100.{os.getpid()}"
        result = self.build_stages(
            self.meet("a", "b") + f"busybox sleep {marker}",
            self.meet("b", "a") + "echo no; exit 5",
            expect=1,
        )
        self.assert_fails(result, r"Dockerfile:4:1: error: .*exit code 5", r"  \| no")
        self.assertEqual(self.processes(marker), [])
        self.assertEqual(self.leftovers(), [])
        self.assertEqual(
            [path.name for path in (self.build.cache / "run").iterdir() if path.is_dir()], []
        )

    def test_kill_ends_all_commands(self):
        temporary = self.top / "temporary"
        temporary.mkdir()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                marker = f"{7200 + int(number)}.{os.getpid()}"
                self.build.write(
                    "Dockerfile",
                    "".join(
                        f"FROM base AS s{i}\nRUN busybox sleep {marker} & busybox sleep {marker} #"
                        f" {i}\n"
                        for i in range(2)
                    )
                    + "FROM scratch\nCOPY --from=s0 / /0\nCOPY --from=s1 / /1\n",
                )
                tool = self.start_build(BOTTLE_JOBS="2", TMPDIR=str(temporary))
                self.wait_for(lambda m=marker: len(self.processes(m)) >= 4)
                tool.send_signal(number)
                tool.wait()
                self.assertEqual(list(temporary.iterdir()), [])
                if number != signal.SIGKILL:
                    # Gone when the tool is, and nothing is left for the next one.
                    self.assertEqual(self.processes(marker), [])
                    self.assertEqual(
                        [
                            path.name
                            for path in (self.build.cache / "run").iterdir()
                            if path.is_dir()
                        ],
                        [],
                    )
                self.wait_for(lambda m=marker: not self.processes(m))
                self.assertEqual(self.leftovers(), [])
        self.assertEqual(self.build.tools("bottle-cache", "verify", expect=None).returncode, 3)
        self.build.tools("bottle-cache", "gc", expect=0)
        self.assertEqual(
            [path.name for path in (self.build.cache / "run").iterdir() if path.is_dir()], []
        )
        self.build.tools("bottle-cache", "verify", expect=0)


class Environment(Run):
    """What a command sees of the world: nothing that differs from one machine to another."""

    def run_and_see(self, command, *options, more=""):
        lines = self.run_build(f"RUN {more} {command}\n", *options).stdout.splitlines()
        return [line.removeprefix("#1 ") for line in lines if line.startswith("#1 ")]

    def test_environment_variables(self):
        self.build.environment.update(
            HOST_SECRET="x", LANG="de_DE.UTF-8", SOURCE_DATE_EPOCH="86400"
        )
        lines = [
            line
            for line in self.run_and_see("busybox env")
            if not line.startswith(("SHLVL=", "PWD=", "OLDPWD="))
        ]
        self.assertEqual(sorted(lines), ["HOME=/root", "PATH=/bin", "SOURCE_DATE_EPOCH=86400"])

    def test_host_name_and_hosts_file(self):
        self.assertEqual(
            self.run_and_see("busybox hostname; busybox cat /etc/hosts"),
            [
                "buildkitsandbox",
                "127.0.0.1\tlocalhost buildkitsandbox",
                "::1\tlocalhost ip6-localhost ip6-loopback",
            ],
        )

    def test_name_servers_only_with_a_network(self):
        self.assertEqual(
            self.run_and_see("busybox cat /etc/resolv.conf", more="--network=none"), []
        )
        host = pathlib.Path("/etc/resolv.conf")
        self.assertEqual(
            self.run_and_see("busybox cat /etc/resolv.conf", more="--network=host"),
            host.read_text().splitlines() if host.exists() else [],
        )

    def test_times_are_clamped(self):
        self.build.environment["SOURCE_DATE_EPOCH"] = "86400"
        self.run_build("RUN echo x > /new; echo y > /old; busybox touch -d @1000 /old\n")
        self.assertEqual(
            {path: row[2] for path, row in self.layers()[0].items()},
            {"new": "86400", "old": "1000"},
        )

    def test_network_modes(self):
        # The namespace, and not how many interfaces it has: other processes may create some at the
        # same time.
        network = "busybox readlink /proc/self/ns/net"
        interfaces = "busybox ls /sys/class/net | busybox wc -l"
        self.assertEqual(self.run_and_see(interfaces, more="--network=none"), ["1"])
        self.assertEqual(
            self.run_and_see(interfaces, "--network", "none"), []
        )  # the same in other words
        shutil.rmtree(self.build.cache)
        self.assertEqual(self.run_and_see(interfaces, "--network", "none"), ["1"])
        here = os.readlink("/proc/self/ns/net")
        (other,) = self.run_and_see(network, more="--network=none")
        self.assertRegex(other, r"^net:\[\d+\]$")
        self.assertNotEqual(other, here)
        self.assertEqual(self.run_and_see(network), [here])
        self.assertEqual(
            self.run_and_see(network, more="--network=default"), []
        )  # the same in other words
        result = self.run_build("RUN --network=host true\n", "--network", "none", expect=1)
        self.assert_fails(
            result, r"Dockerfile:2:1: error: RUN --network=host conflicts with the network setting"
        )


class Security(Run):
    STATUS = "busybox grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status"

    def status(self, *options, more=""):
        lines = self.run_build(f"RUN {more} {self.STATUS}\n", *options).stdout.splitlines()
        return dict(line.removeprefix("#1 ").split(":\t") for line in lines if ":\t" in line)

    def test_default_capabilities(self):
        # Docker's default capabilities, and a filter.
        self.assertEqual(
            self.status(),
            {"CapEff": "00000000a80425fb", "CapBnd": "00000000a80425fb", "Seccomp": "2"},
        )

    def test_forbidden_operations(self):
        for command in (
            "busybox mount -t tmpfs x /data",
            "busybox unshare -U true",
            "echo x > /proc/sys/kernel/hostname",
            (
                "busybox dd if=/proc/kcore of=/dev/null bs=1 count=1 2>&1 | busybox grep -q '1+0"
                " records in'"
            ),
        ):
            with self.subTest(command):
                self.run_build(f"RUN if {command}; then exit 3; fi\n")

    def test_insecure_needs_permission(self):
        result = self.run_build("RUN --security=insecure true\n", expect=1)
        self.assert_fails(
            result,
            r"Dockerfile:2:1: error: .*entitlement security\.insecure",
            "--allow security.insecure",
        )
        system_fixture.need_root("else the capabilities are those of a user namespace")
        own = dict(
            line.split(":\t")
            for line in pathlib.Path("/proc/self/status").read_text().splitlines()
            if line.startswith("Cap")
        )
        found = self.status("--allow", "security.insecure", more="--security=insecure")
        self.assertEqual(
            (found["CapEff"], found["Seccomp"]),
            (
                own["CapBnd"],
                pathlib.Path("/proc/self/status").read_text().split("Seccomp:\t")[1].split("\n")[0],
            ),
        )

    def test_control_characters_are_shown(self):
        octal = r"a\033[2J\302\233b\377\342\202\254\n"
        said = self.run_build(
            f"RUN busybox printf '{octal}'; exit 3 # \x1b]0;title\x07\n", expect=1
        ).stdout
        shown = r"a\x1b[2J\u009bb\xff" + "\u20ac\n"
        self.assertIn("#1 " + shown, said)
        self.assertIn("  | " + shown, said)  # in the error
        self.assertIn(r"\x1b]0;title\x07", said)
        self.assertNotRegex(said, "[\x00-\x08\x0b-\x1f\x7f-\x9f]")

    def test_device_option_is_an_error(self):
        self.assert_fails(
            self.run_build("RUN --device=vendor.example/class=name true\n", expect=1),
            r"Dockerfile:2:1: error: RUN --device=vendor.example/class=name is not supported",
        )


class HostileTrees(Run):
    """Symbolic links of an image, a mounted tree or a cache where something is mounted: none of
    them leads a runtime out of the root."""

    def setUp(self):
        super().setUp()
        self.victim = self.top / "victim"
        self.victim.mkdir()
        (self.victim / "ptmx").write_text("the machine's\n")

    def check_victim(self):
        self.assertEqual(
            {path.name: path.read_text() for path in self.victim.iterdir()},
            {"ptmx": "the machine's\n"},
        )

    def write_base(self, *links, without=()):
        shutil.rmtree(self.top / "base")
        base = images.Layout(self.top / "base")
        base.add(
            images.layer(
                [
                    images.member("bin", "directory"),
                    images.member("bin/busybox", content=self.busybox(), mode=0o755),
                    images.member("bin/sh", "symlink", link="busybox"),
                    images.member("etc", "directory"),
                    *(
                        images.member(name, "directory")
                        for name in ("dev", "proc", "sys")
                        if name not in without
                    ),
                    *(images.member(name, "symlink", link=str(target)) for name, target in links),
                ]
            )
        )
        base.finish({"Env": ["PATH=/bin"]})

    def test_links_at_system_directories(self):
        for name in ("dev", "proc", "sys"):
            for target in (self.victim, "../" * 20 + str(self.victim).lstrip("/"), "etc"):
                with self.subTest(name=name, target=str(target)):
                    self.write_base((name, target), without=[name])
                    result = self.run_build("RUN true\n", expect=1)
                    self.assert_fails(
                        result,
                        rf"Dockerfile:2:1: error: cannot mount on /{name}: expected a directory in"
                        r" the image, "
                        "found a symbolic link to",
                    )
                    self.check_victim()

    def test_links_at_system_directories_as_a_user(self):
        self.write_base(("dev", self.victim), without=["dev"])
        Users.become(self, "65534:100000:65536\n")
        os.chown(self.victim, system_fixture.NOBODY, system_fixture.NOBODY)
        self.assert_fails(
            self.run_build("RUN true\n", expect=1),
            "error: cannot mount on /dev: expected a directory in the image",
        )
        self.check_victim()

    def test_links_at_mount_targets(self):
        (self.top / "secret").write_text("x")
        self.write_base(
            ("etc/hosts", self.victim / "ptmx"),
            ("etc/resolv.conf", "../run/resolve/stub.conf"),
            ("var", "/run"),
            ("out", "../" * 20 + str(self.victim).lstrip("/")),
            ("kernel", "/proc/self"),
            ("top", "/bin/.."),
        )
        mounts = " ".join(
            f"--mount=type={kind},target=/out/{number}"
            for number, kind in enumerate(("tmpfs", "cache", "bind"))
        )
        result = self.run_build(
            (
                "RUN busybox grep -q buildkitsandbox /etc/hosts && busybox test -e"
                f" /run/resolve/stub.conf\nRUN {mounts} --mount=type=secret,id=s,target=/var/x"
                " busybox test -e /out/0 -a -e /out/1 -a -e /out/2 -a -s /run/x\nRUN echo more >"
                " /x\n"
            ),
            "--secret",
            f"id=s,src={self.top / 'secret'}",
        )
        self.assertNotIn("warning", result.stdout)
        self.assertEqual([set(layer) for layer in self.layers()], [set(), set(), {"x"}])
        self.check_victim()
        for target, found in (
            ("/kernel/x", "it resolves to /proc/self/x"),
            ("/top", "it resolves to /"),
        ):
            self.assert_fails(
                self.run_build(f"RUN --mount=type=tmpfs,target={target} true\n", expect=1),
                f"Dockerfile:2:1: error: cannot mount on {target}: {found}",
            )

    def test_links_in_mounted_trees(self):
        self.build.write("tree/file", "1")
        self.build.link("tree/out", str(self.victim))
        self.run_build(
            "RUN --mount=source=tree,target=/m,rw --mount=type=tmpfs,target=/m/out/deep true\n"
        )
        self.run_build(
            f"RUN --mount=type=cache,id=c,target=/c busybox ln -s '{self.victim}' /c/out\nRUN"
            " --mount=type=cache,id=c,target=/c --mount=type=tmpfs,target=/c/out/deep busybox"
            " rmdir /c/out/deep || true\n"
        )
        self.check_victim()

    def test_links_in_the_source_of_a_cache(self):
        mount = "--mount=type=cache,id=c,from=base,target=/c"
        result = self.run_build(
            (
                f"RUN {mount} busybox ln -s '{self.victim}' /c/out\nRUN {mount},source=/out busybox"
                " rm /c/ptmx\n"
            ),
            expect=1,
        )
        self.assert_fails(
            result,
            (
                r'Dockerfile:3:1: error: --mount: cannot mount the source "/out" of the cache: .*No'
                r" such file"
            ),
        )
        self.check_victim()


class SystemCalls(Run):
    """The filter of system calls, as each runtime installs it (seccomp_probe.c asks)."""

    # Docker's table of address families; see src/run/seccomp.cpp.
    FAMILIES = {*range(12), *range(13, 19), 21, 22, 24, *range(26, 34), 35, 36, 39, *range(41, 46)}
    KNOWN_ERRORS = {"clone3": errno.ENOSYS, "32-bit socketcall": errno.ENOSYS}

    def use_runtime(self, name):
        program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            self.skipTest(f"needs {name}, which is not installed")
        if name == "crun" and os.geteuid() == 0:
            # It refuses to work where version 1 and 2 of control groups are mounted together, and
            # needs neither here.
            system_fixture.need("unshare", "umount")
            wrapper = self.top / "crun"
            wrapper.write_text(
                "#!/bin/sh\nexec unshare --mount sh -c 'umount -l /sys/fs/cgroup/unified"
                f' 2>/dev/null; exec {program} --cgroup-manager=disabled "$@"\' sh "$@"\n'
            )
            wrapper.chmod(0o755)
            program = wrapper
        self.build.environment["BOTTLE_OCI_RUNTIME"] = str(program)

    def answers(self, options):
        text = self.run_build(f"COPY probe /probe\nRUN {options} /probe\n").stdout
        self.assertNotIn("does not support seccomp", text)
        return {found[1]: int(found[2]) for found in re.finditer(r"(?m)^#2 (.+) (\d+)$", text)}

    def check(self, runtime):
        system_fixture.need("cc")
        self.use_runtime(runtime)
        source = pathlib.Path(__file__).with_name("seccomp_probe.c")
        made = subprocess.run(
            ["cc", "-static", "-no-pie", "-o", self.build.source / "probe", source],
            check=False,
            capture_output=True,
        )
        if made.returncode != 0:
            self.skipTest("needs a C compiler that links statically: " + made.stderr.decode())
        for options in ("", "--network=none"):
            with self.subTest(options):
                found = self.answers(options)
                self.assertGreater(len(found), 150)
                for what, number in found.items():
                    call, _, value = what.rpartition(" ")
                    if call in ("socket", "32-bit socket"):
                        expected = errno.EINVAL if int(value) in self.FAMILIES else errno.EPERM
                    else:
                        expected = self.KNOWN_ERRORS.get(call, errno.EPERM)
                    self.assertEqual(errno.errorcode.get(number), errno.errorcode[expected], what)

    def test_under_runc(self):
        self.check("runc")

    def test_under_crun(self):
        self.check("crun")


class Collection(Run):
    """What RUN keeps in the store, and bottle-cache."""

    def cache(self, *arguments, expect=0):
        return self.build.tools("bottle-cache", *arguments, expect=expect)

    def stats(self):
        return json.loads(self.cache("--json", "stats").stdout)

    def test_snapshots_and_caches_are_counted_and_evicted(self):
        text = (
            "RUN --mount=type=cache,target=/c echo kept > /c/file; echo x > /x\nRUN echo y > /y\n"
        )
        self.run_build(text)
        before = self.stats()
        self.assertEqual(
            (before["snapshots"]["count"], before["caches"]["count"], before["leftRuns"]["count"]),
            (3, 1, 0),
        )
        self.assertGreater(before["snapshots"]["bytes"], 1_000_000)  # busybox
        self.assertGreater(before["bytes"], before["snapshots"]["bytes"])
        self.cache("gc", "--max-size", "100G", "--max-age", "1d")
        self.assertEqual(self.stats()["snapshots"], before["snapshots"])
        self.cache("gc", "--max-size", "0")
        after = self.stats()
        self.assertEqual(
            (after["snapshots"]["count"], after["caches"]["count"], after["bytes"]), (0, 0, 0)
        )
        self.run_build(text.replace("echo kept", "busybox test ! -e /c/file; echo kept"))

    def test_cache_in_use_is_kept(self):
        self.run_build("RUN --mount=type=cache,target=/c echo kept > /c/file\n")
        (lock,) = (self.build.cache / "cache").rglob("0.lock")
        with open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            self.cache("gc", "--max-size", "0")
            self.assertEqual(self.stats()["caches"]["count"], 1)
        self.cache("gc", "--max-size", "0")
        self.assertEqual(self.stats()["caches"]["count"], 0)

    def test_snapshot_without_its_parent(self):
        self.run_build("RUN echo x > /x\n")
        (base,) = (
            path.parent
            for path in (self.build.cache / "snapshots").rglob("parent")
            if path.read_text()[0] == "\n"
        )
        shutil.rmtree(base)
        self.assertRegex(
            self.cache("verify", expect=3).stdout, "the snapshot .*, its base, is missing"
        )
        self.run_build("RUN echo x > /x\nRUN echo y > /y\n")  # made again
        self.cache("verify")

    def test_incomplete_snapshots_after_a_power_failure(self):
        """What an earlier boot of the machine made is whole, or made again."""
        line = "RUN busybox test -s /data/two && echo x > /x\n"
        self.run_build(line)
        parents = list((self.build.cache / "snapshots").rglob("parent"))

        def boot_again(kind=""):
            for path in parents:
                path.write_text(path.read_text().split("\n")[0] + "\nanother boot\n" + kind)

        boot_again()
        times = {path: path.parent.stat().st_ino for path in parents}
        self.run_build(line + "RUN echo more\n")
        self.assertEqual(
            {path: path.parent.stat().st_ino for path in parents}, times
        )  # taken as they are
        self.assertNotIn("another boot", "".join(path.read_text() for path in parents))
        boot_again()
        (two,) = (path for path in (self.build.cache / "snapshots").rglob("fs/data/two"))
        two.write_text("")
        self.run_build(line + "RUN busybox test -s /data/two\n")
        # A command may have given its file the size before the bytes.
        self.run_build("RUN echo y > /y\n")
        (written,) = (path for path in (self.build.cache / "snapshots").rglob("fs/y"))
        self.assertRegex((written.parent.parent / "parent").read_text(), r"\ncommand\n$")
        parents = list((self.build.cache / "snapshots").rglob("parent"))
        boot_again("command\n")
        written.write_bytes(b"\0\0")
        self.run_build("RUN echo y > /y\nRUN busybox grep -q y /y\n")

    def test_scratch_directories_of_killed_runs(self):
        self.run_build("RUN true\n")
        left = self.build.cache / "run" / "1-deadbeef" / "upper"
        left.mkdir(parents=True)
        (left / "file").write_text("x")
        self.assertRegex(
            self.cache("verify", expect=3).stdout, "1-deadbeef: left by a RUN that was killed"
        )
        self.assertEqual(self.stats()["leftRuns"]["count"], 1)
        self.cache("gc")
        self.assertFalse(left.parent.exists())


class Users(Run):
    """The same as an ordinary user, who has subordinate ids, or only the own one."""

    TEXT = (
        "RUN busybox rm -r /data/deep /data/one; busybox mkdir /new; echo x > /new/a; busybox ln"
        " /new/a /new/b; busybox mkfifo /new/p; busybox chmod 2750 /new; busybox chmod 0 /data\nRUN"
        " --mount=type=cache,target=/c busybox test -p /new/p && echo z > /c/z\n"
    )

    def become(self, *subordinate):
        system_fixture.need_root("to become another user")
        system_fixture.need("setpriv", "unshare", "mount")
        prefix = [
            "setpriv",
            f"--reuid={system_fixture.NOBODY}",
            f"--regid={system_fixture.NOBODY}",
            "--clear-groups",
        ]
        probe = subprocess.run(
            [*prefix, system_fixture.settings.tools / "bottle-image", "--version"],
            check=False,
            capture_output=True,
        )
        if probe.returncode != 0:
            self.skipTest("needs a build tree that another user may read")
        probe = subprocess.run(
            [*prefix, "unshare", "--user", "--map-root-user", "true"],
            check=False,
            capture_output=True,
        )
        if probe.returncode != 0:
            self.skipTest(
                "needs user namespaces for ordinary users: " + probe.stderr.decode().strip()
            )
        if subordinate:
            system_fixture.need("newuidmap", "newgidmap")
            (self.top / "ids").write_text("".join(subordinate))
            for name in ("/etc/subuid", "/etc/subgid"):
                if not os.path.exists(name):
                    self.skipTest(f"needs {name}, to be replaced in a mount namespace")
            script = (
                'mount --bind "$1" /etc/subuid && mount --bind "$1" /etc/subgid && shift && exec'
                ' "$@"'
            )
            prefix = [
                "unshare",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
                str(self.top / "ids"),
                *prefix,
            ]
        self.build.prefix = prefix
        self.build.environment["HOME"] = "/nonexistent"
        self.build.build.mkdir(exist_ok=True)
        self.build.cache.mkdir(exist_ok=True)
        for path in (self.build.root, self.build.source, self.build.build, self.build.cache):
            os.chown(path, system_fixture.NOBODY, system_fixture.NOBODY)
        for path in (self.top, *self.top.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))

    def test_same_layers_as_root(self):
        system_fixture.need_root("to compare with")
        self.run_build(self.TEXT)
        expected = self.layers()
        for ids in ((), ("65534:100000:65536\n",)):
            with self.subTest(ids):
                shutil.rmtree(self.build.build)
                shutil.rmtree(self.build.cache)
                self.build.trace.unlink(missing_ok=True)
                self.become(*ids)
                result = self.run_build(self.TEXT)
                self.assertEqual(self.layers(), expected)
                self.assertEqual("no subordinate ids" in result.stdout, not ids)
                stats = json.loads(
                    self.build.tools("bottle-cache", "--json", "stats", expect=0).stdout
                )
                self.assertEqual((stats["snapshots"]["count"], stats["caches"]["count"]), (3, 1))
                self.build.tools("bottle-cache", "gc", "--max-size", "0", expect=0)
                found = [
                    path
                    for name in ("snapshots", "cache", "run")
                    for path in (self.build.cache / name).glob("*/*")
                    if not path.name.startswith((".", "runtime-"))
                ]
                self.assertEqual(found, [])

    def test_owners_are_mapped(self):
        self.become("65534:100000:65536\n")
        self.run_build(
            "RUN echo x > /x; busybox chown 1000:1001 /x\nUSER 33\nRUN busybox id -u > /tmp/id;"
            " busybox id -u\n".replace("/tmp/id", "/dev/null")
        )
        layer = json.loads((self.build.build / "image.json").read_text())["layers"][1][
            "digest"
        ].removeprefix("sha256:")
        self.assertRegex(
            (self.build.build / "layers" / f"{layer}.idx").read_text(), r"(?m)^f 644 1000 1001 "
        )

    def test_interrupt_removes_files_of_other_ids(self):
        self.become("65534:100000:65536\n")
        marker = f"7300.{os.getpid()}"
        self.build.write(
            "Dockerfile",
            (
                "FROM base\nRUN busybox chown 33 /data; busybox chmod 0 /data; busybox sleep"
                f" {marker}\n"
            ),
        )
        tool = self.start_build()
        self.wait_for(lambda: self.processes(marker))
        tool.send_signal(signal.SIGTERM)
        tool.wait()
        self.assertEqual(self.processes(marker), [])
        self.assertEqual(
            [path.name for path in (self.build.cache / "run").iterdir() if path.is_dir()], []
        )

    def test_single_id_cannot_run_as_another_user(self):
        self.become()
        result = self.run_build("USER 33\nRUN true\n", expect=1)
        self.assert_fails(
            result,
            r"Dockerfile:3:1: error: cannot run as user 33:0: this user has no subordinate ids",
        )


if __name__ == "__main__":
    system_fixture.main()
