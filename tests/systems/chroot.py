# SPDX-License-Identifier: Apache-2.0
"""Fresh root directories of Debian releases, made by debootstrap, for the scripts beside this file.
They need root and the package mirror that this machine is configured with."""
import os
import pathlib
import shutil
import subprocess
import time

# Enough devices, terminals and a view of processes for apt, compilers and tests. All mounts end
# with the command.
ENTER = """
set -e
root=$1
shift
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Failed(Exception):
    """A command failed; the message has the end of its output."""


class Unavailable(Failed):
    """The package mirror failed, or is not known."""


def mirror():
    """The site of the first Debian archive in apt's configuration."""
    lines = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(SITE)", "Created-By: Packages"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()
    for line in lines:
        origin, _, site = line.partition(" ")
        if origin == "Debian":
            return site
    raise Unavailable("apt's configuration has no Debian archive: run apt-get update")


def missing(*programs):
    """What this machine lacks, as text, or None."""
    if os.geteuid() != 0:
        return "needs root: debootstrap and chroot"
    for program in ("debootstrap", "unshare", "chroot", *programs):
        if not shutil.which(program):
            return f"needs {program}, which is not installed"
    try:
        mirror()
    except (OSError, subprocess.CalledProcessError, Failed) as error:
        return str(error)
    return None


def run(command, log, failure=Failed, title=None, **options):
    """Runs a command with its output appended to a file. If it fails, raises `failure`, which names
    the command or its `title`."""
    title = title or " ".join(map(str, command))
    with log.open("ab") as output:
        output.write(f"+ {title}\n".encode())
        output.flush()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **options,
        )
    if done.returncode:
        last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise failure(f"{title}: exit status {done.returncode}; the end of {log}:\n{last}")


class Root:
    """A root directory at `place` with a release's minimal system. Replaces an earlier one.
    `pristine` is a directory for unused systems, which take a minute to make."""

    def __init__(self, place, release, pristine):
        if why := missing():
            raise Failed(why)
        self.top = place
        self.log = place.with_suffix(".log")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        original = pristine / release
        if not (original / "etc/debian_version").exists() or (original / "debootstrap").exists():
            subprocess.run(["rm", "-rf", "--", original], check=True)
            original.parent.mkdir(parents=True, exist_ok=True)
            run(
                ["debootstrap", "--variant=minbase", release, original, mirror()],
                self.log,
                Unavailable,
            )
        subprocess.run(["rm", "-rf", "--", place], check=True)
        subprocess.run(["cp", "-a", "--reflink=auto", "--", original, place], check=True)
        for file in ("resolv.conf", "hosts"):
            if pathlib.Path("/etc", file).exists():
                shutil.copy(pathlib.Path("/etc", file), place / "etc" / file)
        # Packages start no services in here.
        policy = place / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)

    def command(self, *command):
        return [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            ENTER,
            "sh",
            self.top,
            *command,
        ]

    def run(self, *command, env=(), failure=Failed):
        """Seconds that a command took inside."""
        start = time.monotonic()
        run(
            self.command(*command),
            self.log,
            failure,
            title=" ".join(map(str, command)),
            env={**ENVIRONMENT, **dict(env)},
        )
        return time.monotonic() - start

    def output(self, *command, env=()):
        done = subprocess.run(
            self.command(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**ENVIRONMENT, **dict(env)},
        )
        if done.returncode:
            raise Failed(
                f"{' '.join(command)}: exit status {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    def update(self):
        self.run("apt-get", "update", "--error-on=any", failure=Unavailable)

    def install(self, *packages):
        return self.run(
            "apt-get", "install", "--yes", "--no-install-recommends", *packages, failure=Unavailable
        )

    def remove(self):
        subprocess.run(["rm", "-rf", "--", self.top], check=True)


def work_directory(text):
    """The argument --work: an absolute path, because commands inside get it too."""
    path = pathlib.Path(text).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def must_be_root(name):
    if os.geteuid() != 0:
        raise SystemExit(f"{name}: error: needs root for debootstrap and chroot")
