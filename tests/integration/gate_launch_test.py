# SPDX-License-Identifier: Apache-2.0
"""bottle-gate up, down and status with a real Docker Engine: the gate's image is made of this
machine's programs."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import gate_fixture
import system_fixture
from gate_fixture import git, wait_until
from gate_launch_fixture import LaunchCase, PodmanEngine, UID


class Steps:
    """What both engines are shown with."""

    def test_push_through_a_container(self):
        up = self.up("--egress", "host")
        self.assertEqual(
            (up["container"], up["state"], up["answers"]), ("gate-project", "running", True)
        )
        work = self.top / "work"
        git("clone", "--quiet", f"{up['address']}/project", work)
        (work / "a").write_text("a\n", encoding="utf-8")
        git("add", ".", cwd=work)
        git("commit", "--quiet", "-m", "Change", cwd=work)
        git("push", "--quiet", "origin", "main", cwd=work)
        self.assertEqual(
            gate_fixture.refs(self.repository)["refs/heads/main"],
            git("rev-parse", "HEAD", cwd=work).stdout.strip(),
        )
        (work / "a").write_text("gh" + "p_1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2wX\n", encoding="utf-8")
        git("commit", "--quiet", "-a", "-m", "Secret", cwd=work)
        self.assertRegex(
            git("push", "origin", "main", cwd=work, expect=1).stdout,
            "gate: secret: rule github-pat",
        )
        # Only the gate's user can read the identity; nothing of it is in what the engine tells of
        # the container.
        said = self.engine.docker(
            "exec", "gate-project", "ls", "-ln", "/git-gate/creds/project"
        ).stdout
        self.assertRegex(said, rf"^-r-------- 1 {UID} {UID} ")
        key = self.upstream.identity.read_text(encoding="utf-8").splitlines()[1]
        for command in (("container", "inspect", "gate-project"), ("logs", "gate-project")):
            self.assertNotIn(key, self.engine.docker(*command).stdout)
        # It can do nothing to the container: no capability, no other user, no file but its own, and
        # a bound to what it uses.
        status = dict(
            line.split(":\t")
            for line in self.engine.docker(
                "exec", "gate-project", "cat", "/proc/1/status"
            ).stdout.splitlines()
            if ":\t" in line
        )
        self.assertEqual(
            [status[name] for name in ("CapBnd", "CapEff", "CapPrm", "NoNewPrivs")],
            ["0" * 16] * 3 + ["1"],
        )
        self.assertEqual(set(status["Uid"].split()), {str(UID)})
        refused = self.engine.docker(
            "exec", "--user", "0", "gate-project", "touch", "/usr/x", "/etc/x", expect=1
        )
        self.assertEqual(refused.stdout.count("Read-only file system"), 2, refused.stdout)
        self.engine.docker("exec", "gate-project", "touch", "/tmp/x", "/git-gate/home/x")
        self.engine.docker("exec", "gate-project", "touch", "/etc/git-gate/entrypoint.sh", expect=1)
        limits = json.loads(self.engine.docker("container", "inspect", "gate-project").stdout)[0][
            "HostConfig"
        ]
        self.assertEqual(
            (limits["PidsLimit"], limits["Memory"], limits["ReadonlyRootfs"]), (1024, 2 << 30, True)
        )
        # Again is the same one; down removes it, and a second down finds nothing.
        self.assertEqual(self.up("--egress", "host"), up)
        self.assertEqual(json.loads(self.gate("status").stdout), up)
        self.assertEqual(self.gate("down").stdout, "gate-project: removed\n")
        self.assertEqual(self.gate("down").stdout, "")
        self.assertEqual(self.gate("status", expect=1).returncode, 3)
        self.assert_nothing_left()

    def test_taken_name_gets_a_number(self):
        self.engine.docker(
            "create", "--name", "gate-project", "--network", "none", "project:latest"
        )
        self.addCleanup(self.engine.docker, "rm", "--force", "gate-project")
        self.assertEqual(self.up("--egress", "host")["container"], "gate-project-2")
        self.gate("down")
        self.assertEqual(self.names("container"), ["gate-project"])

    def test_signal_removes_the_container(self):
        reached = self.top / "reached"
        stand_in = self.top / "docker"
        stand_in.write_text(
            (
                f'#!/bin/sh\nif [ "$1" = cp ]; then echo > "{reached}"; exec sleep 1000; fi\nexec'
                f' {self.engine.client} "$@"\n'
            ),
            encoding="utf-8",
        )
        stand_in.chmod(0o755)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                reached.unlink(missing_ok=True)
                command = self.command("up", "--egress", "host")
                command[command.index(self.engine.client)] = stand_in
                process = subprocess.Popen(
                    [str(word) for word in command],
                    env=self.engine.environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.kill)
                wait_until(reached.exists, "the copying of files")
                process.send_signal(number)
                output, _ = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 128 + number, output)
                self.assert_nothing_left()

    def test_down_removes_containers_of_a_crash(self):
        # Killed when the container is made and its files are about to be copied.
        stand_in = self.top / "docker"
        stand_in.write_text(
            (
                '#!/bin/sh\nif [ "$1" = cp ]; then kill -9 "$PPID"; exit 1; fi\nexec'
                f' {self.engine.client} "$@"\n'
            ),
            encoding="utf-8",
        )
        stand_in.chmod(0o755)
        command = self.command("up", "--egress", "host")
        command[command.index(self.engine.client)] = stand_in
        self.assertEqual(self.engine.command(*command, expect=None).returncode, -signal.SIGKILL)
        self.assertEqual(self.names("container"), ["gate-project"])
        self.assertEqual(self.up("--egress", "host")["container"], "gate-project")
        self.gate("down")
        self.assert_nothing_left()


class Launch(LaunchCase, Steps):
    def test_networks_are_separate(self):
        self.render({"file": str(self.upstream.identity)}, listen={"port": self.port})
        up = self.up()
        inside = up["network"]
        self.assertRegex(inside, "^gate-project-[0-9a-f]{8}-inside$")
        self.assertEqual(self.names("network"), [inside, inside.replace("-inside", "-outside")])
        said = json.loads(self.engine.docker("network", "inspect", inside).stdout)[0]
        self.assertTrue(said["Internal"])
        self.assertRegex(up["address"], rf"^git://[0-9.]+:{self.port}$")
        aliases = json.loads(self.engine.docker("container", "inspect", "gate-project").stdout)[0][
            "NetworkSettings"
        ]["Networks"]
        self.assertIn("project", aliases[inside]["Aliases"])
        self.gate("down")
        self.assert_nothing_left()

    def test_failures_leave_nothing(self):
        (self.upstream.identity).rename(self.top / "elsewhere")
        result = self.gate("up", "--egress", "host", expect=1)
        self.assertRegex(result.stderr, "client_key: error: the identity of project does not exist")
        (self.top / "elsewhere").rename(self.upstream.identity)
        result = self.gate("up", "--egress", "host", "--image", "nothing:latest", expect=1)
        self.assertIn("no such image: nothing:latest", result.stderr)
        (self.rendered / "entrypoint.sh").write_text(
            "#!/bin/sh\necho no luck >&2\nexit 1\n", encoding="utf-8"
        )
        result = self.gate("up", "--egress", "host", expect=1)
        self.assertRegex(result.stderr, "the gate exited before it answered.*no luck")
        (self.rendered / "entrypoint.sh").write_text(
            "#!/bin/sh\nexec tail -f /dev/null\n", encoding="utf-8"
        )
        result = self.gate("up", "--egress", "host", "--timeout", "1", expect=1)
        self.assertIn("did not answer within 1 s", result.stderr)
        self.assert_nothing_left()

    def test_identities_from_secrets(self):
        self.render({"secret": "KEY"})
        self.assertIn("--secrets", self.gate("up", "--egress", "host", expect=1).stderr)
        secrets = self.top / "secrets"
        secrets.mkdir()
        shutil.copy(self.upstream.identity, secrets / "KEY")
        up = self.up("--egress", "host", "--secrets", secrets)
        git("ls-remote", f"{up['address']}/project")

    def test_forwarded_agent(self):
        """An agent answers its own account only, which the image knows nothing of."""
        system_fixture.need("ssh-agent", "ssh-add", "setpriv")
        account = 4321
        directory = pathlib.Path(
            tempfile.mkdtemp(prefix="agent-", dir="/tmp")
        )  # a socket's path is short
        self.addCleanup(shutil.rmtree, directory)
        os.chown(directory, account, account)
        socket = directory / "socket"
        agent = gate_fixture.Process(
            [
                "setpriv",
                f"--reuid={account}",
                f"--regid={account}",
                "--clear-groups",
                "ssh-agent",
                "-D",
                "-a",
                socket,
            ],
            self.top / "agent.log",
        )
        self.addCleanup(agent.stop)
        gate_fixture.wait_until(
            lambda: system_fixture.listens(socket), f"ssh-agent\n{agent.text()}", agent.process
        )
        self.render({"agent": True})
        self.assertIn(
            "SSH_AUTH_SOCK", self.gate("up", "--egress", "host", expect=1, SSH_AUTH_SOCK="").stderr
        )
        up = self.up("--egress", "host", SSH_AUTH_SOCK=str(socket))
        result = git("ls-remote", f"{up['address']}/project", expect=1)
        self.assertIn("the upstream denied access to this gate", result.stdout)
        self.engine.command(
            "ssh-add", "-q", self.upstream.identity, environment={"SSH_AUTH_SOCK": str(socket)}
        )
        work = self.top / "work"
        git("clone", "--quiet", f"{up['address']}/project", work)
        git("push", "--quiet", "origin", "main:refs/heads/other", cwd=work)
        self.assertIn("refs/heads/other", gate_fixture.refs(self.repository))
        said = self.engine.docker(
            "exec", up["container"], "sh", "-c", "id -u; ls -lnd /git-gate/repositories/project.git"
        ).stdout
        self.assertRegex(said, rf"^{account}\n\S+ \d+ {account} {account} ")
        self.gate("down")
        self.assertTrue(socket.exists())
        self.assert_nothing_left()


class Targets(LaunchCase):
    """gate-<slug>-up and gate-<slug>-down of a project: one command builds the image, loads it and
    starts it."""

    def make(self, target, **options):
        return self.project.make(target, **options).stdout

    def test_up_and_down_targets(self):
        config = json.loads((self.top / "gate.json").read_text(encoding="utf-8"))
        config["listen"] = {"port": self.port}
        self.project = system_fixture.harness.Project(
            self.top / "a project",
            (
                "add_gate(way TEMPLATE git-gate CONFIG gate.json DOCKERFILE Dockerfile CONTEXT"
                f' empty\n  CONTEXTS "base=oci-layout:{self.place}/layout")\n'
            ),
            {
                "gate.json": json.dumps(config),
                "empty/.keep": "",
                "Dockerfile": "FROM base\nCOPY --from=gate . /etc/git-gate/\n",
            },
        )
        self.project.environment.update(
            {name: self.engine.environment[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
        )
        (self.top / "bin").mkdir()
        (self.top / "bin" / "docker").symlink_to(self.engine.client)
        self.project.environment["PATH"] = f"{self.top / 'bin'}:{os.environ['PATH']}"
        self.project.configure()
        self.addCleanup(self.make, "gate-way-down", expect=None)
        said = self.make("gate-way-up")
        up = json.loads(said[said.index("{") : said.index("}") + 1])
        self.assertEqual((up["container"], up["answers"]), ("gate-way", True))
        self.assertRegex(up["address"], rf"^git://[0-9.]+:{self.port}$")
        # The rendered files are the image's; what the gate says is its own answer.
        result = git("ls-remote", f"{up['address']}/other", expect=1)
        self.assertRegex(result.stdout, "no such repository")
        self.rendered = self.project.directory("way").parents[1] / "gates" / "way" / "files"
        self.assertEqual(json.loads(self.gate("status").stdout), up)
        # Nothing is built for the second, nor does anything travel again, and it is the same one.
        again = self.make("gate-way-up")
        self.assertEqual(json.loads(again[again.index("{") : again.index("}") + 1]), up)
        self.assertEqual(self.project.ran(), {"way": ["load"]})
        self.assertIn("gate-way: removed", self.make("gate-way-down"))
        self.assertNotIn("removed", self.make("gate-way-down"))
        self.assertEqual(self.gate("status", expect=1).returncode, 3)
        self.assert_nothing_left()


class Podman(LaunchCase, Steps):
    start_engine = PodmanEngine

    def own_network(self):
        """What the engine runs from now on has a separate network namespace, where this machine is
        192.0.2.1."""
        holder = gate_fixture.Process(
            ["unshare", "--net", "sleep", "infinity"], self.top / "holder.log"
        )
        self.addCleanup(holder.stop)
        own = pathlib.Path(f"/proc/{holder.process.pid}/ns/net")
        gate_fixture.wait_until(
            lambda: own.readlink() != pathlib.Path("/proc/self/ns/net").readlink(),
            "unshare",
            holder.process,
        )
        self.addCleanup(self.engine.prefix.clear)
        self.engine.prefix += ["nsenter", f"--net={own}"]
        self.addCleanup(self.gate, "down", expect=None)
        self.engine.command("ip", "link", "set", "lo", "up")
        self.engine.command("ip", "address", "add", "192.0.2.1/32", "dev", "lo")

    def test_bottle_reaches_only_the_gate(self):
        """From an internal network through the gate to an upstream on the other side, and nowhere
        else."""
        system_fixture.need("ip", "nsenter")
        if not os.path.exists("/usr/lib/podman/netavark"):
            self.skipTest("needs netavark, which is not installed")
        self.own_network()
        self.engine.configure("netavark")
        self.upstream.stop()
        config = self.upstream.directory / "sshd_config"
        config.write_text(
            config.read_text(encoding="utf-8").replace("127.0.0.1", "192.0.2.1"), encoding="utf-8"
        )
        server = gate_fixture.Process(
            [*self.engine.prefix, shutil.which("sshd"), "-D", "-e", "-f", config],
            self.top / "sshd.log",
        )
        self.addCleanup(server.stop)
        wait_until(
            lambda: "Server listening on 192.0.2.1 " in server.text(), "sshd", server.process
        )
        self.upstream_url = self.upstream.url("project").replace("127.0.0.1", "192.0.2.1")
        self.render({"file": str(self.upstream.identity)}, listen={"port": self.port})
        up = self.up()
        script = f"""set -e
cd /tmp
export GIT_CONFIG_NOSYSTEM=1 HOME=/tmp
git clone --quiet {up['address']}/project work
git -C work push --quiet origin HEAD:refs/heads/other
! timeout 20 git ls-remote git://192.0.2.1:{self.upstream.port}/x 2>&1
"""
        said = self.engine.docker(
            "run",
            "--rm",
            "--network",
            up["network"],
            "--entrypoint",
            "/bin/sh",
            "project:latest",
            "-c",
            script,
        )
        self.assertRegex(said.stdout, "unreachable|[Nn]o route")
        self.assertIn("refs/heads/other", gate_fixture.refs(self.repository))
        self.gate("down")
        self.assert_nothing_left()

    def test_networks_are_separate(self):
        """In a separate network namespace, which keeps what podman does to the firewall. With CNI
        the machine has no address in an internal network, so the gate is seen to answer on the
        other."""
        self.own_network()
        self.render({"file": str(self.upstream.identity)}, listen={"port": self.port})
        backends = [
            name
            for name, program in (
                ("netavark", "/usr/lib/podman/netavark"),
                ("cni", "/usr/lib/cni/bridge"),
            )
            if os.path.exists(program)
        ]
        self.assertTrue(backends)
        for backend in backends:
            with self.subTest(backend):
                self.engine.configure(backend)
                up = self.up()
                self.assertRegex(up["network"], "^gate-project-[0-9a-f]{8}-inside$")
                self.assertRegex(up["address"], rf"^git://[0-9.]+:{self.port}$")
                said = json.loads(
                    self.engine.docker("container", "inspect", "gate-project").stdout
                )[0]["NetworkSettings"]["Networks"]
                self.assertEqual(
                    sorted(said), [up["network"], up["network"].replace("-inside", "-outside")]
                )
                self.assertEqual(
                    up["address"], f"git://{said[up['network']]['IPAddress']}:{self.port}"
                )
                for network, facts in said.items():
                    if backend == "netavark" or network.endswith("-outside"):
                        result = self.engine.command(
                            "git",
                            "ls-remote",
                            f"git://{facts['IPAddress']}:{self.port}/other",
                            expect=1,
                        )
                        self.assertRegex(result.stdout, "no such repository")
                self.assertEqual(json.loads(self.gate("status").stdout), up)
                self.assertEqual(self.gate("down").stdout.count(": removed\n"), 3)
                self.assertEqual(self.gate("down").stdout, "")
                self.assert_nothing_left()


if __name__ == "__main__":
    system_fixture.main()
