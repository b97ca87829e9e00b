# SPDX-License-Identifier: Apache-2.0
"""A container of a Docker Engine in which the tools run as they do in a CI job: this machine's
programs (/usr, read-only), a small /etc, and what the options of `docker run` leave.

    with docker_fixture.Engine() as engine:
        machine = container_fixture.Machine(engine, directory)
        result = machine.run(["--cap-add", "SYS_ADMIN"], "bottle-image", "build", ...)

The directory is the same path inside and outside; tools are found in PATH."""
import os
import pathlib
import shutil
import subprocess

import system_fixture

IMAGE = "bottle-test-machine:latest"
USER = 1000
DIRECTORIES = (
    "usr",
    "etc",
    "tmp",
    "var/tmp",
    "var/lib",
    "run",
    "root",
    "proc",
    "sys",
    "dev",
    "home/user",
)
KEPT = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "containers", "ssl")


class Machine:
    def __init__(self, engine, directory):
        self.engine = engine
        self.directory = pathlib.Path(directory)
        root = self.directory / "machine root"
        for name in DIRECTORIES:
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if os.path.islink(f"/{name}"):
                (root / name).symlink_to(os.readlink(f"/{name}"))
        for name in KEPT:
            path = pathlib.Path("/etc") / name
            if path.is_dir():
                shutil.copytree(path, root / "etc" / name, symlinks=True)
            elif path.exists():
                shutil.copy2(path, root / "etc" / name)
        (root / "etc/passwd").write_text(
            f"root:x:0:0::/root:/bin/sh\nuser:x:{USER}:{USER}::/home/user:/bin/sh\n"
        )
        (root / "etc/group").write_text(f"root:x:0:\nuser:x:{USER}:\n")
        for name in ("subuid", "subgid"):
            (root / "etc" / name).write_text("user:100000:65536\n")
        for name in ("tmp", "var/tmp"):
            (root / name).chmod(0o1777)
        shutil.chown(root / "home/user", USER, USER)
        tar = subprocess.run(
            ["tar", "--directory", root, "--create", "."], stdout=subprocess.PIPE, check=True
        )
        subprocess.run(
            [engine.client, "import", "-", IMAGE],
            input=tar.stdout,
            env=engine.environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def run(self, options, *command, expect=None, environment=()):
        """The command in a new container with these options. Its exit status and output; a
        container that the engine cannot start
        has the status 125."""
        variables = {
            "PATH": f"{system_fixture.settings.tools}:/usr/sbin:/usr/bin",
            "HOME": "/home/user",
            "CI": "true",
            **dict(environment),
        }
        return self.engine.docker(
            "run",
            "--rm",
            "--network",
            "none",
            "--volume",
            "/usr:/usr:ro",
            "--volume",
            f"{system_fixture.settings.tools}:{system_fixture.settings.tools}:ro",
            "--volume",
            f"{self.directory}:{self.directory}",
            "--workdir",
            self.directory,
            *(word for name, value in variables.items() for word in ("--env", f"{name}={value}")),
            *options,
            IMAGE,
            *command,
            expect=expect,
        )
