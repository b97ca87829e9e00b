# SPDX-License-Identifier: Apache-2.0
"""Grades of isolation of RUN: the same layers in each, what the weakest does without mounts and
namespaces, and what is refused.

The grades of this machine need root; those of a container need a Docker Engine, which the test
starts."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import docker_fixture
import isolation_matrix
import run_fixture
import system_fixture

# Each is a Dockerfile's end on the base of run_fixture.Run, which has a busybox.
SAME = {
    "files": "RUN busybox rm -r /data/deep /data/one; busybox mkdir /new; echo x > /new/a; busybox ln /new/a /new/b; "
    "busybox mkfifo /new/p; busybox chmod 2750 /new\n",
    "nothing": "RUN true\n",
    "attributes": "RUN busybox chmod 0711 /data && busybox chown 5:6 /data/two && busybox touch -d @5 /data/one\n",
    "same size": "RUN echo 3 > /data/one\nRUN busybox cp /data/one /data/two\n",
    "types": "RUN busybox rm -r /data/deep && echo x > /data/deep && busybox rm /data/one && busybox mkdir /data/one\n",
    "user": "RUN busybox mkdir -m 777 /w\nUSER 33:44\nRUN busybox id > /w/id; busybox umask > /w/umask; echo $HOME >> /w/id\n",
    "directory": "WORKDIR /some/where\nRUN busybox pwd > here; busybox env | busybox sort > /env\n",
    "devices": "RUN echo x > /dev/null && busybox head -c 3 /dev/zero > /zero && busybox test -c /dev/urandom && "
    "busybox ls /dev/shm > /shm\n",
    "hosts": "RUN busybox cat /etc/hosts > /hosts; busybox cp /etc/resolv.conf /names\n",
    "made targets": "RUN --mount=type=tmpfs,target=/a/b --mount=type=cache,target=/d/e/f echo x > /a/f && echo y > /d/e/g\n",
    "nested targets": "RUN --mount=type=bind,target=/a,rw --mount=type=tmpfs,target=/a/b echo x > /a/b/c && busybox ls -R /a > /list\n",
    "cache": "RUN --mount=type=cache,target=/data echo x > /data/in-cache\n"
    "RUN --mount=type=cache,id=/data,target=/c busybox cp /c/in-cache /copy && busybox ls -a /data > /list\n",
    "bind": "RUN --mount=type=bind,from=base,source=/data,target=/m busybox cp -r /m /copied\n",
    "secret": "RUN --mount=type=secret,id=s --mount=type=secret,id=s,target=/etc/key,mode=0444,uid=5 "
    "busybox stat -c '%a %u' /run/secrets/s /etc/key > /modes && busybox wc -c < /etc/key > /size\n",
    "heredoc": "RUN <<EOF\necho one > /one\necho two > /two\nEOF\n",
    "processes": "RUN (busybox sleep 1000 &) ; busybox setsid busybox sleep 1000 & echo x > /x\n",
    "limits": "RUN ulimit -n > /limit; ulimit -c >> /limit\n",
}


class Isolation(run_fixture.Run):
    def setUp(self):
        super().setUp()
        system_fixture.need_root("the grade runtime")
        (self.top / "secret").write_text(run_fixture.SECRET)

    def grade(self, name, text, *options, **more):
        """Builds in the grade, with a store of its own."""
        self.build.cache = self.top / f"store {name}"
        return self.run_build(
            text,
            "--isolation",
            name,
            "--secret",
            f"id=s,src={self.top / 'secret'}",
            "--ulimit",
            "nofile=64:128",
            *options,
            **more,
        )

    def refused(self, text, *patterns, line=2):
        result = self.grade("chroot", text, expect=1)
        self.assert_fails(result, rf"Dockerfile:{line}:1: error: ", *patterns)
        self.assertRegex(result.stdout, "hint: ")


class Grades(Isolation):
    def test_layers_are_the_same(self):
        for name, text in SAME.items():
            found = {}
            for grade in ("runtime", "userns", "chroot"):
                said = self.grade(grade, text).stdout
                self.assertEqual(said.count("isolation: "), 1, said)
                self.assertIn(f"isolation: {grade}\n", said)
                found[grade] = (self.build.build / "image.json").read_text()
            with self.subTest(name):
                self.assertEqual(found["userns"], found["runtime"])
                self.assertEqual(found["chroot"], found["runtime"])

    def test_results_of_chroot_serve_chroot_only(self):
        text = "RUN echo x > /x\n"
        store = self.top / "store runtime"
        for grade, executed in (
            ("chroot", True),
            ("runtime", True),
            ("chroot", False),
            ("userns", False),
        ):
            self.build.cache = store
            said = self.run_build(text, "--isolation", grade).stdout
            self.assertEqual(f"isolation: {grade}" in said, executed, (grade, said))

    def test_grade_of_the_environment(self):
        self.build.environment["BOTTLE_RUN_ISOLATION"] = "chroot"
        said = self.run_build("RUN true\n").stdout
        self.assertIn("isolation: chroot\n", said)
        self.build.environment["BOTTLE_RUN_ISOLATION"] = "jail"
        result = self.run_build("RUN true\n", expect=2)
        self.assertIn(
            'unknown isolation "jail": expected auto, runtime, userns or chroot', result.stdout
        )

    def test_missing_runtime_is_named_with_its_package(self):
        self.build.environment["BOTTLE_OCI_RUNTIME"] = "no-such-runtime"
        result = self.run_build("RUN true\n", expect=1)
        self.assert_fails(
            result,
            r"Dockerfile:2:1: error: cannot execute RUN: no grade of isolation works: runtime and userns: "
            r'BOTTLE_OCI_RUNTIME names "no-such-runtime", which is not installed; chroot: not chosen by itself',
        )


class Chroot(Isolation):
    def test_what_needs_namespaces_is_refused(self):
        self.refused(
            "RUN --network=none true\n",
            "--network=none requires a network namespace",
            "runtime and userns do",
        )
        result = self.grade(
            "chroot", "RUN --security=insecure true\n", "--allow", "security.insecure", expect=1
        )
        self.assert_fails(result, "Dockerfile:2:1: error: --security=insecure requires")
        self.refused(
            "RUN --mount=type=cache,id=c,target=/a --mount=type=cache,id=c,target=/b true\n",
            "one cache at two targets",
        )

    def test_what_a_mount_refuses_is_an_error(self):
        for command, pattern in (
            (
                "--mount=type=bind,target=/m echo x > /m/Dockerfile",
                "changed /m/Dockerfile, which is mounted read-only",
            ),
            (
                "--mount=type=bind,target=/m busybox rm -rf /m",
                "removed or replaced /m, which is mounted",
            ),
            (
                "--mount=type=tmpfs,target=/a/b busybox mv /a /c && busybox ln -s /etc /a",
                "removed or replaced /a/b",
            ),
            ("echo x >> /etc/resolv.conf", "changed /etc/resolv.conf"),
            ("echo x > /proc/new", "changed /proc"),
        ):
            with self.subTest(command):
                self.refused(f"RUN {command}\n", pattern)

    def test_secrets_stay_out_of_layers(self):
        mount = "--mount=type=secret,id=s"
        for command in ("busybox ln /run/secrets/s /kept", "busybox mv /run/secrets/s /kept"):
            with self.subTest(command):
                self.refused(f"RUN {mount} {command}\n", "/run/secrets/s")
        self.grade("chroot", f"RUN {mount} busybox test -s /run/secrets/s\n")
        for path in [*self.build.cache.rglob("*"), *self.build.build.rglob("*")]:
            if path.is_file():
                self.assertNotIn(run_fixture.SECRET.encode(), path.read_bytes(), path)

    def test_rights_of_the_command(self):
        text = (
            "RUN --mount=type=bind,target=/ctx busybox sh -c 'for d in 3 4 5 6 7 8 9 10 11 12; do "
            "if (: >&$d) 2> /dev/null; then echo open $d; fi; done; busybox mount -t tmpfs x /ctx || echo no mount; "
            "busybox chroot / busybox true && echo may chroot; busybox hostname new || echo no hostname; read x || echo no input'\n"
        )
        said = self.grade("chroot", text).stdout
        self.assertNotIn("open ", said)
        for line in ("no mount", "may chroot", "no hostname", "no input"):
            self.assertIn(f" {line}\n", said)

    def test_kill_ends_the_command_and_what_it_left(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                marker = f"{7500 + int(number)}.{os.getpid()}"
                self.build.cache = self.top / f"store {number}"
                self.build.write(
                    "Dockerfile",
                    f"FROM base\nRUN busybox setsid busybox sleep {marker} & busybox sleep {marker}\n",
                )
                tool = self.start_build(BOTTLE_RUN_ISOLATION="chroot")
                self.wait_for(lambda m=marker: len(self.processes(m)) >= 2)
                tool.send_signal(number)
                tool.wait()
                self.wait_for(lambda m=marker: not self.processes(m))

    def test_left_processes_are_ended_before_the_layer_is_read(self):
        marker = f"7600.{os.getpid()}"
        self.grade(
            "chroot",
            f"RUN busybox setsid busybox sh -c 'busybox sleep {marker}; echo late > /late' & echo x > /x\n",
        )
        self.assertEqual(self.processes(marker), [])
        self.assertEqual([set(layer) for layer in self.layers()], [{"x"}])

    def test_cache_is_kept_when_the_command_fails(self):
        mount = "--mount=type=cache,target=/c"
        self.grade("chroot", f"RUN {mount} echo x > /c/f && false\n", expect=1)
        self.grade("chroot", f"RUN {mount} busybox cp /c/f /copy\n")
        self.assertIn("copy", self.layers()[0])


class Containers(system_fixture.TestCase):
    """Of a real Docker Engine."""

    shares_setup = True

    def setUp(self):
        super().setUp()
        engine = docker_fixture.Engine()
        system_fixture.need("crun", "busybox")
        self.engine = engine.__enter__()
        self.addCleanup(engine.__exit__)
        # A directory of its own: the path is a volume, and colons end its name.
        top = pathlib.Path(tempfile.mkdtemp(prefix="bottle-containers-"))
        self.addCleanup(shutil.rmtree, top)
        debian = system_fixture.settings.debian
        self.matrix = isolation_matrix.Matrix(
            self.engine, top, debian if debian and (debian / "root.tar").exists() else None
        )

    def test_default_container_builds_in_the_grade_chroot(self):
        for case in self.matrix.cases:
            kind, text, pack = self.matrix.cell("root", "default", case)
            with self.subTest(case):
                if case == "network":
                    self.assertEqual(kind, "error")
                    self.assertRegex(
                        text, r"Dockerfile:3:1: error: --network=none requires a network namespace"
                    )
                    self.assertIn("hint: allow user namespaces in the container", text)
                    continue
                self.assertEqual((kind, text), ("works", "chroot"))
                self.assertEqual(pack, self.native(case))

    def native(self, case):
        result = subprocess.run(
            ["sh", self.matrix.top / "build.sh", self.matrix.cases[case]],
            cwd=self.matrix.top,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={
                **system_fixture.harness.clean_environment(),
                "CI": "true",
                "TMPDIR": str(self.matrix.top),
                "PATH": f"{system_fixture.settings.tools}:{os.environ['PATH']}:/usr/sbin",
            },
        )
        self.assertIn("grade runtime", result.stdout)
        return re.search(r"^pack (\w+)", result.stdout, re.MULTILINE)[1]

    def test_each_container_works_or_says_why(self):
        packs = {}
        for user in isolation_matrix.USERS:
            for option in isolation_matrix.OPTIONS:
                kind, text, pack = self.matrix.cell(user, option, "mounts")
                with self.subTest(user=user, option=option):
                    if kind == "works":
                        packs[user, option] = pack
                    elif kind == "error":
                        self.assertRegex(
                            text, r"Dockerfile:3:1: error: .*(runtime|userns|chroot): "
                        )
                        self.assertIn("hint: ", text)
        self.assertIn(("root", "default"), packs)
        self.assertEqual(len(set(packs.values())), 1, packs)


if __name__ == "__main__":
    system_fixture.main()
