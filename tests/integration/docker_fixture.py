# SPDX-License-Identifier: Apache-2.0
"""A Docker Engine of the test's own, for as long as a `with` block:

    with docker_fixture.Engine() as engine:
        engine.load(layout, "base")            # an OCI image layout becomes the image base:latest
        result = engine.build(context, "built", "--build-arg", "a=b")
        engine.save_to_layout("built", directory)

It starts in about half a second, so each test class starts one instead of sharing one between tests
that CTest may run at once. Daemon, containerd and whatever they start live in a separate process
and mount namespace, whose first process is the daemon: when the test ends, in whatever way, the
kernel ends all of them and no mount is left. What only a killed test can leave, an empty control
group and a directory, the next start removes.

Nothing is pulled, no bridge and no firewall rule is made: RUN has the host's network or none
(`--network`)."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import system_fixture

PREFIX = "bottle-docker-"
START_SECONDS = 60
CGROUPS = pathlib.Path("/sys/fs/cgroup")
RUNTIME_STATES = pathlib.Path("/run/runc")


def client():
    """The first client on the PATH that builds with BuildKit: since 23 that takes the plugin buildx
    as well."""
    directories = [*os.environ.get("PATH", "").split(":"), "/usr/bin"]
    for path in dict.fromkeys(f"{directory}/docker" for directory in directories if directory):
        if not os.access(path, os.X_OK):
            continue
        version = subprocess.run(
            [path, "--version"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        words = version.stdout.split()  # Docker version 20.10.24+dfsg1, build 297e128
        if len(words) < 3 or words[0] != "Docker":
            continue
        if int(words[2].split(".")[0]) < 23:
            return path
        if (
            subprocess.run(
                [path, "buildx", "version"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            ).returncode
            == 0
        ):
            return path
    raise unittest.SkipTest(
        "needs a docker client that can build with BuildKit, which is not installed (Debian:"
        " docker.io)"
    )


class Engine:
    """Start and end; what it says is in `log`. Skips the test where an engine cannot be.

    `programs` is a directory with another dockerd and containerd, which keeps images in
    containerd's store."""

    def __init__(self, programs=None):
        system_fixture.need_root("a Docker Engine mounts file systems")
        system_fixture.need("dockerd", "containerd", "runc", "skopeo", "unshare", "setpriv")
        self.client = client()
        self.programs = programs
        self.directory = self.lock = self.process = None

    def __enter__(self):
        with one_at_a_time():
            remove_abandoned()
            self.directory = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
            self.lock = lock_of(self.directory)
        self.log = self.directory / "log"
        self.socket = f"unix://{self.directory}/socket"
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--mount-proc",
            "--fork",
            "--kill-child=KILL",
            self.programs / "dockerd" if self.programs else "dockerd",
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            "--data-root",
            self.directory / "data",
            "--exec-root",
            self.directory / "exec",
            "--pidfile",
            self.directory / "pid",
            "--cgroup-parent",
            "/" + self.directory.name,
            "--host",
            self.socket,
        ]
        environment = system_fixture.harness.clean_environment()
        if self.programs:
            settings = self.directory / "daemon.json"
            settings.write_text('{"features": {"containerd-snapshotter": true}}', encoding="utf-8")
            command += ["--config-file", settings]
            environment["PATH"] = f"{self.programs}:{environment['PATH']}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment,
            )
        end = time.monotonic() + START_SECONDS
        while self.docker("info", expect=None).returncode != 0:
            if self.process.poll() is not None:
                raise unittest.SkipTest(
                    f"needs a Docker Engine, which does not start here: {self.last_words()}"
                )
            if time.monotonic() > end:
                raise AssertionError(
                    f"dockerd was not ready after {START_SECONDS} s: {self.last_words()}"
                )
            time.sleep(0.05)  # the daemon does not report that it is ready

    def stop(self):
        if self.process:
            # Its only child is the daemon. It may end its containers; then the kernel ends what is
            # left.
            for child in children(self.process.pid):
                os.kill(child, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None
        remove(self.directory)
        self.lock.close()

    def last_words(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return next(
            (line for line in reversed(lines) if "level=fatal" in line or "failed" in line),
            "\n".join(lines[-1:]),
        )

    @property
    def environment(self):
        """Of every client of this engine, podman and skopeo's docker-daemon: included."""
        return {
            **system_fixture.harness.clean_environment(),
            "DOCKER_HOST": self.socket,
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(self.directory / "client"),
            "BUILDKIT_PROGRESS": "plain",
        }

    def docker(self, *arguments, expect=0, **options):
        return self.command(self.client, *arguments, expect=expect, **options)

    def command(self, *command, expect=0, environment=(), **options):
        """A program that talks to this engine; `expect` None takes every status."""
        command = [str(word) for word in command]
        options.setdefault("stderr", subprocess.STDOUT)
        options.setdefault("text", True)
        result = subprocess.run(
            command,
            env={**self.environment, **dict(environment)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
            **options,
        )
        if expect is not None and (result.returncode == 0) != (expect == 0):
            raise AssertionError(
                f"{' '.join(command)}\nended with {result.returncode}:\n{result.stdout}"
            )
        return result

    def build(self, context, tag, *options, network="host", **more):
        """docker build with BuildKit; RUN has the host's network, or what `network` says."""
        return self.docker("build", "--network", network, "--tag", tag, *options, context, **more)

    def load(self, layout, tag):
        """The image of an OCI layout that holds one, as `tag`."""
        self.command(
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--dest-daemon-host",
            self.socket,
            f"oci:{layout}",
            f"docker-daemon:{tag if ':' in tag else tag + ':latest'}",
        )

    def save(self, tag, archive):
        """docker save: the archive that keeps layers as they are."""
        self.docker("save", "--output", archive, tag)

    def save_to_layout(self, tag, layout):
        self.command(
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--src-daemon-host",
            self.socket,
            f"docker-daemon:{tag if ':' in tag else tag + ':latest'}",
            f"oci:{layout}:{tag.rpartition(':')[2]}",
        )


def children(process):
    try:
        return [
            int(word)
            for word in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    except OSError:
        return []


@contextlib.contextmanager
def one_at_a_time():
    """No process treats a directory as abandoned that another has made and not locked yet."""
    directory = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def lock_of(directory):
    """The open file that shows that the directory is in use, or None if another process has it."""
    file = open(directory / "lock", "wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def remove(directory):
    """The directory of an engine that has ended, its control groups, and what it kept of containers
    that ended with it."""
    for state in RUNTIME_STATES.glob("*/state.json"):
        try:
            if f"{directory}/" in state.read_text():
                shutil.rmtree(state.parent)
        except OSError:  # another one's, which has just ended
            pass
    for top in [CGROUPS, *CGROUPS.glob("*")] if CGROUPS.is_dir() else []:
        for path, _, _ in os.walk(top / directory.name, topdown=False):
            try:
                os.rmdir(path)
            except OSError:  # a process is still ending: the next start tries again
                pass
    shutil.rmtree(directory, ignore_errors=True)


def remove_abandoned():
    for directory in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            lock = lock_of(directory)
        except OSError:
            continue
        if lock:
            remove(directory)
            lock.close()
