# SPDX-License-Identifier: Apache-2.0
"""The images that come with Bottle, built by their own Dockerfiles: packages by apt from the Debian
archive, and what they make, run in a real Docker Engine. One store and one engine for all of
them."""
import json
import os
import pathlib
import pwd
import shutil
import socketserver
import subprocess
import tempfile
import threading
import unittest

import docker_fixture
import gate_base_fixture
import gate_fixture
import system_fixture
from gate_fixture import Upstream, refs, ssh_keygen

TOKEN = "gh" + "p_" + "1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2wX"


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"hello\n")


class Images(system_fixture.TestCase):
    shares_setup = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        system_fixture.need("sshd", "ssh", "ssh-keygen", "git", "runc")
        cls.base = system_fixture.settings.debian.parent / "gate-base" / "layout"
        if not cls.base.exists():
            raise unittest.SkipTest(
                "needs the Debian root file system of the gates, which the fixture could not make"
            )
        base = pathlib.Path.cwd() / "integration"
        base.mkdir(exist_ok=True)
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="images ", dir=base))
        cls.addClassCleanup(shutil.rmtree, cls.place, ignore_errors=True)
        cls.engine = docker_fixture.Engine()
        cls.engine.__enter__()
        cls.addClassCleanup(cls.engine.__exit__, None, None, None)

    def build(self, image, slug, *contexts, **labels):
        """The image of images/<image>, in the engine as <slug>:latest."""
        build = self.new_build(name=slug)
        build.cache = self.place / "store"
        build.environment.update(
            {name: self.engine.environment[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
        )
        build.environment["PATH"] = f"{self.client_directory()}:{os.environ['PATH']}"
        shutil.copy(
            system_fixture.harness.SOURCE / "images" / image / "Dockerfile",
            build.source / "Dockerfile",
        )
        debian = f"debian:{gate_base_fixture.release()}-slim"
        build.image(
            "--build-context",
            f"{debian}=oci-layout:{self.base}",
            *(word for context in contexts for word in ("--build-context", context)),
        )
        build.tools(
            "bottle-image",
            "load",
            "--quiet",
            "--out",
            build.build,
            "--into",
            "docker",
            "--tag",
            f"{slug}:latest",
        )
        return build

    def client_directory(self):
        directory = self.place / "bin"
        directory.mkdir(exist_ok=True)
        if not (directory / "docker").exists():
            (directory / "docker").symlink_to(self.engine.client)
        return directory

    def render(self, kind, description):
        config = self.top / f"{kind}.json"
        config.write_text(json.dumps({"schema": 1, "kind": kind, **description}), encoding="utf-8")
        rendered = self.top / f"{kind} rendered"
        subprocess.run(
            [
                system_fixture.settings.tools / "bottle-gate",
                "render",
                "--quiet",
                "--config",
                config,
                "--templates",
                gate_fixture.TEMPLATES / kind,
                "--out",
                rendered,
                "--slug",
                kind,
            ],
            check=True,
        )
        return rendered

    def gate(self, command, rendered, *arguments, expect=0):
        return self.engine.command(
            system_fixture.settings.tools / "bottle-gate",
            command,
            "--program",
            self.engine.client,
            "--rendered",
            rendered,
            *arguments,
            expect=expect,
            stderr=subprocess.PIPE,
        ).stdout

    def up(self, rendered):
        self.addCleanup(self.gate, "down", rendered, expect=None)
        return json.loads(self.gate("up", rendered, "--egress", "host"))

    def test_git_gate_and_agent_are_built(self):
        upstream = Upstream(self.top / "upstream")
        self.addCleanup(upstream.stop)
        repository = upstream.repository("project")
        port = system_fixture.free_port()
        rendered = self.render(
            "git-gate",
            {
                "listen": {"address": "127.0.0.1", "port": port},
                "upstreams": [
                    {
                        "name": "project",
                        "url": upstream.url("project"),
                        "identity": {"file": str(upstream.identity)},
                        "knownHostKey": upstream.host_key,
                    }
                ],
            },
        )
        self.build("git-gate", "git-gate", f"gate=path:{rendered}")
        up = self.up(rendered)
        self.assertTrue(up["answers"])
        # The gate's programs are Debian's, and its account owns what was copied in at launch.
        said = self.engine.docker(
            "exec",
            up["container"],
            "sh",
            "-c",
            (
                "id -un; command -v git; command -v ssh; command -v gitleaks; stat -c '%U %a'"
                " /git-gate/creds/project"
            ),
        )
        self.assertEqual(
            said.stdout, "gate\n/usr/bin/git\n/usr/bin/ssh\n/usr/bin/gitleaks\ngate 400\n"
        )
        # An agent's bottle with the machine's network: its environment has the gate's address.
        skills = self.top / "skills"
        (skills / "review").mkdir(parents=True)
        (skills / "review" / "SKILL.md").write_text("Review.\n", encoding="utf-8")
        self.build("agent", "agent", f"skills=path:{skills}")
        script = f"""set -e
id -un
pwd
cat ~/.claude/skills/review/SKILL.md
command -v rg
command -v curl
git config --global user.name Agent
git config --global user.email agent@example.com
git clone --quiet git@example.com:team/project.git project
cd project
echo text > file
git add file
git commit --quiet -m Change
git push --quiet origin HEAD:refs/heads/agent/one
git rev-parse HEAD
echo "{TOKEN}" > file
git commit --quiet --all -m Secret
! git push origin HEAD:refs/heads/agent/one 2>&1
"""
        said = self.engine.docker(
            "run",
            "--rm",
            "--network",
            "host",
            "--env",
            "GIT_CONFIG_COUNT=1",
            "--env",
            f"GIT_CONFIG_KEY_0=url.{up['address']}/project.git.insteadOf",
            "--env",
            "GIT_CONFIG_VALUE_0=git@example.com:team/project.git",
            "agent:latest",
            "bash",
            "-c",
            script,
        ).stdout
        lines = said.splitlines()
        self.assertEqual(
            lines[:5], ["agent", "/work", "Review.", "/usr/bin/rg", "/usr/bin/curl"], said
        )
        self.assertEqual(refs(repository)["refs/heads/agent/one"], lines[5])
        self.assertRegex(said, "gate: secret: rule github-pat: file")
        self.gate("down", rendered)

    def test_ssh_gate_is_built(self):
        servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) for _ in range(2)]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
        named, other = (server.server_address[1] for server in servers)
        port = system_fixture.free_port()
        client = ssh_keygen(self.top / "client")
        ssh_keygen(self.top / "stranger")
        rendered = self.render(
            "ssh-gate",
            {
                "listen": {"address": "127.0.0.1", "port": port},
                "clients": [client],
                "hosts": [{"name": "echo", "host": "localhost", "port": named}],
            },
        )
        self.build("ssh-gate", "ssh-gate", f"gate=path:{rendered}")
        up = self.up(rendered)
        self.assertEqual(up["address"], f"ssh://127.0.0.1:{port}")
        said = self.engine.docker(
            "exec",
            up["container"],
            "sh",
            "-c",
            "id -un; grep -E '^(CapBnd|NoNewPrivs)' /proc/1/status",
        ).stdout
        self.assertEqual(said, "gate\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n")
        key = self.engine.docker("exec", up["container"], "cat", "/ssh-gate/host_key.public").stdout
        (self.top / "known").write_text(f"[127.0.0.1]:{port} {key}", encoding="utf-8")

        def ssh(*arguments, identity="client", user="gate"):
            return subprocess.run(
                [
                    "ssh",
                    "-F",
                    "/dev/null",
                    "-p",
                    str(port),
                    "-i",
                    self.top / identity,
                    "-o",
                    "IdentitiesOnly=yes",
                    "-o",
                    "BatchMode=yes",
                    "-o",
                    f"UserKnownHostsFile=\"{self.top / 'known'}\"",
                    "-o",
                    "StrictHostKeyChecking=yes",
                    "-o",
                    "ExitOnForwardFailure=yes",
                    "-l",
                    user,
                    *map(str, arguments),
                    "127.0.0.1",
                ],
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                env=gate_fixture.clean_environment(),
            )

        self.assertEqual(ssh("-W", f"localhost:{named}").stdout, "hello\n")
        for words, said in (
            (("-W", f"localhost:{other}"), "administratively prohibited"),
            (("-W", f"127.0.0.2:{named}"), "administratively prohibited"),
            (("-W", "169.254.169.254:80"), "administratively prohibited"),
            (("-N", "-R", f"127.0.0.1:0:localhost:{named}"), "forwarding failed"),
        ):
            with self.subTest(words):
                result = ssh(*words)
                self.assertNotEqual(result.returncode, 0)
                self.assertRegex(result.stdout, said)
        for account, identity in (
            ("gate", "stranger"),
            ("root", "client"),
            (pwd.getpwuid(os.geteuid()).pw_name, "client"),
        ):
            self.assertIn(
                "Permission denied",
                ssh("-W", f"localhost:{named}", user=account, identity=identity).stdout,
            )
        # No shell, also not for one who is let in.
        self.assertNotEqual(ssh("-T").returncode, 0)
        self.gate("down", rendered)


if __name__ == "__main__":
    system_fixture.main()
