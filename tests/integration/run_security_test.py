# SPDX-License-Identifier: Apache-2.0
"""What RUN may not do or reach: confinement, hostile trees, system calls, other users."""
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import images
import system_fixture
from run_fixture import Run


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
