# SPDX-License-Identifier: Apache-2.0
"""Real parts for the gate tests: sshd as upstream, and a gate's rendered entrypoint as a plain
process. Loopback and free ports only; every process is stopped by its id."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time
import unittest

import system_fixture

settings = system_fixture.settings
TEMPLATES = system_fixture.harness.SOURCE / "templates"
DEADLINE = 240


def wait_until(condition, what, process=None):
    """Polls; an AssertionError after the deadline, or as soon as the process is gone."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what}: the process ended with {process.returncode}")
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not after {DEADLINE} s")
        time.sleep(0.02)


def clean_environment(**more):
    environment = {
        name: value
        for name, value in system_fixture.harness.clean_environment().items()
        if not name.startswith(("GIT_", "SSH_", "GATE_", "GITLEAKS_"))
    }
    environment.update(
        {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.com",
            "LC_ALL": "C.UTF-8",
        }
    )
    environment.update(more)
    return environment


class Process:
    """A program that runs until stop(), or until the test is killed, with its output in a file."""

    def __init__(self, command, log, **options):
        self.log = pathlib.Path(log)
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **options,
            )

    def stop(self):
        if self.process.poll() is None:
            # The session is its own, so this is what it started and nothing else.
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def ssh_keygen(path, kind="ed25519"):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", path], check=True)
    return " ".join(path.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])


class Upstream:
    """An SSH server with bare repositories below it."""

    def __init__(self, directory):
        system_fixture.need("sshd", "ssh", "ssh-keygen", "git")
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.host_key = ssh_keygen(self.directory / "host_key")
        self.identity = self.directory / "client_key"
        ssh_keygen(self.identity)
        shutil.copy(self.identity.with_suffix(".pub"), self.directory / "authorized_keys")
        self.port = system_fixture.free_port()
        self.server = None
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(
                exist_ok=True
            )  # sshd needs it, and a service manager would have created it
        self.start()

    def start(self, host_key=None):
        config = self.directory / "sshd_config"
        quoted = f'"{host_key or self.directory / "host_key"}"'
        config.write_text(
            f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {quoted}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile "{self.directory / "authorized_keys"}"
MaxStartups 100
LogLevel VERBOSE
""",
            encoding="utf-8",
        )
        self.server = Process(
            [shutil.which("sshd"), "-D", "-e", "-f", config], self.directory / "sshd.log"
        )
        wait_until(
            lambda: system_fixture.listens(self.port),
            f"sshd\n{self.server.text()}",
            self.server.process,
        )

    def stop(self):
        self.server.stop()

    def repository(self, name, object_format="sha1"):
        """A new bare repository with one commit on main."""
        path = self.directory / f"{name}.git"
        git(
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=main",
            f"--object-format={object_format}",
            path,
        )
        seed = self.directory / f"{name}.seed"
        git("init", "--quiet", "--initial-branch=main", f"--object-format={object_format}", seed)
        (seed / "README").write_text("a project\n", encoding="utf-8")
        git("add", ".", cwd=seed)
        git("commit", "--quiet", "-m", "Begin", cwd=seed)
        git("push", "--quiet", path, "main", cwd=seed)
        return path

    def url(self, name):
        return f"ssh://{self.user}@127.0.0.1:{self.port}{self.directory / name}.git".replace(
            " ", "%20"
        )


def git(*arguments, expect=0, cwd=None, environment=None, **options):
    result = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=cwd,
        env=environment or clean_environment(),
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=DEADLINE * 3,
        **options,
    )
    if expect is not None and (result.returncode == 0) != (expect == 0):
        raise AssertionError(
            f"git {' '.join(map(str, arguments))}\nended with {result.returncode}:\n{result.stdout}"
        )
    return result


def refs(repository):
    """{ref: id} of a repository."""
    lines = git(
        "--git-dir", repository, "for-each-ref", "--format=%(refname) %(objectname)"
    ).stdout.splitlines()
    return dict(line.split(" ") for line in lines)


def scanner(release):
    program = settings.scanner / release / "gitleaks" if settings.scanner else None
    if program is None or not program.exists():
        raise unittest.SkipTest(
            f"needs gitleaks of Debian {release}, which the fixture could not make"
        )
    return program.parent


def description(upstreams, port, **more):
    return {
        "schema": 1,
        "kind": "git-gate",
        "listen": {"address": "127.0.0.1", "port": port},
        "upstreams": upstreams,
        **more,
    }


class Gate:
    """A git-gate rendered from a description and run as a plain process."""

    def __init__(self, directory, upstream, names, release="sid", edit=None, host_key=None, **more):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.rendered = self.directory / "etc"
        self.root = self.directory / "root"
        self.creds = self.directory / "creds"
        self.port = system_fixture.free_port()
        self.scanner = scanner(release)
        self.path = f"{self.scanner}:{os.environ['PATH']}"
        entries = []
        self.creds.mkdir(mode=0o700)
        for name in names:
            entries.append(
                {
                    "name": name,
                    "url": upstream.url(name),
                    "identity": {"file": str(upstream.identity)},
                    "knownHostKey": host_key or upstream.host_key,
                    **(edit or {}),
                }
            )
            shutil.copy(upstream.identity, self.creds / name)
            (self.creds / name).chmod(0o400)
        self.config = self.directory / "gate.json"
        self.config.write_text(
            json.dumps(description(entries, self.port, **more)), encoding="utf-8"
        )
        self.render()
        self.server = None
        self.start()

    def render(self):
        subprocess.run(
            [
                settings.tools / "bottle-gate",
                "render",
                "--quiet",
                "--config",
                self.config,
                "--templates",
                TEMPLATES / "git-gate",
                "--out",
                self.rendered,
                "--slug",
                "test",
            ],
            check=True,
        )

    def start(self, **environment):
        self.server = Process(
            [self.rendered / "entrypoint.sh"],
            self.directory / "gate.log",
            env=clean_environment(
                GATE_ROOT=str(self.root), GATE_CREDS=str(self.creds), PATH=self.path, **environment
            ),
        )
        wait_until(
            lambda: system_fixture.listens(self.port),
            "the gate does not answer",
            self.server.process,
        )

    def stop(self):
        self.server.stop()

    def url(self, name):
        return f"git://127.0.0.1:{self.port}/{name}.git"

    def leftovers(self):
        return sorted(str(path.relative_to(self.root)) for path in (self.root / "tmp").iterdir())
