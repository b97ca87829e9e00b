# SPDX-License-Identifier: Apache-2.0
"""RUN, executed by the installed OCI runtime: what is in the layer, mounts, changed inputs."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap

import system_fixture
import run_fixture
from run_fixture import Run


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
        (self.top / "secret").write_text(run_fixture.SECRET)
        result = self.run_build(
            (
                'RUN --mount=type=secret,id=s,env=S busybox test "$(busybox cat /run/secrets/s'
                ' 2>/dev/null)$S" = "$S" && busybox md5sum < /dev/null > /sum\n'
            ),
            "--secret",
            f"id=s,src={self.top / 'secret'}",
        )
        self.assertNotIn(run_fixture.SECRET, result.stdout)
        for top in (self.build.build, self.build.cache):
            for path in top.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    self.assertNotIn(run_fixture.SECRET.encode(), path.read_bytes(), path)

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
        (self.top / "secret").write_text(run_fixture.SECRET)
        self.build.environment["VALUE"] = run_fixture.SECRET
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
        text = textwrap.dedent(
            """\
            FROM base AS tools
            COPY a /tools/a
            COPY b /other/b
            FROM base
            RUN --mount=type=bind,from=tools,source=/tools,target=/t busybox cat /t/a > /a
            """
        )

        def executed():
            return self.run_text(text, "--json").stdout

        self.build.write("a", "1")
        self.build.write("b", "1")
        self.assertRegex(executed(), '"executed": 3')
        self.build.write("b", "2")
        self.assertRegex(executed(), '"executed": 1')  # the COPY of b
        self.build.write("a", "2")
        self.assertRegex(executed(), '"executed": [23]')

    def test_unrelated_stage_is_not_executed(self):
        text = textwrap.dedent(
            """\
            FROM base AS unneeded
            RUN exit 1 # {}
            FROM base
            RUN echo x > /x
            """
        )
        for number in range(2):
            result = self.run_text(text.format(number))
        self.assertIn("unchanged", result.stdout)


if __name__ == "__main__":
    system_fixture.main()
