# SPDX-License-Identifier: Apache-2.0
"""Builds with RUN: failures, damage, parallel stages, the environment, collection of the store."""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess

import system_fixture
from run_fixture import Run


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


if __name__ == "__main__":
    system_fixture.main()
