# SPDX-License-Identifier: Apache-2.0
"""Makes a directory with Docker's plug-in buildx, for $DOCKER_CONFIG, and in "engine" a daemon that
keeps images as containerd does, so that its BuildKit writes OCI layouts: Debian's packages
docker-buildx, docker.io and containerd, unpacked, not installed.

Debian has them since trixie. Apt gets separate settings and lists, and this machine's own Debian
archive to ask."""
import os
import pathlib
import shutil
import subprocess
import unittest

import debian_fixture
import system_fixture

RELEASE = "trixie"
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PLUGIN = "cli-plugins/docker-buildx"
PACKAGES = ["docker-buildx", "docker.io", "containerd"]
ENGINE = ["dockerd", "containerd", "containerd-shim-runc-v2", "docker-init"]


def made(below):
    """The directory that the fixture has made: "buildx" beside the test's own."""
    directory = below.parent / "buildx"
    if not (directory / PLUGIN).exists():
        raise unittest.SkipTest(
            "needs Docker's plug-in buildx (the test integration.engines.buildx.plugin makes it)"
        )
    return directory


def make(directory):
    """Does nothing if the plug-in exists already."""
    if (directory / PLUGIN).exists():
        return
    system_fixture.need("apt-get", "dpkg")
    site, _ = debian_fixture.mirror()
    if not KEYRING.exists():
        raise unittest.SkipTest(f"needs {KEYRING}, which is not there")
    apt = directory / "apt"
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {site} {RELEASE} main\n", encoding="utf-8"
    )
    settings = apt / "apt.conf"
    settings.write_text(
        (
            f'Dir::State "{apt}/state";\nDir::State::status "{apt}/status";\nDir::Cache'
            f' "{apt}/cache";\nDir::Etc::sourcelist "{apt}/sources.list";\nDir::Etc::sourceparts'
            ' "-";\nDir::Etc::preferences "-";\nDir::Etc::preferencesparts'
            f' "{apt}/etc/preferences.d";\nAPT::Sandbox::User "root";\nAcquire::Languages'
            ' "none";\nAcquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";\n'
        ),
        encoding="utf-8",
    )
    environment = {**os.environ, "APT_CONFIG": str(settings)}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "download", *PACKAGES]):
        result = subprocess.run(
            command,
            cwd=apt,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise unittest.SkipTest(
                f"needs Debian's {', '.join(PACKAGES)} of {RELEASE}:"
                f" {result.stdout.strip().splitlines()[-1:]}"
            )
    root = apt / "root"
    for package in apt.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    (directory / "engine").mkdir(exist_ok=True)
    for program in ENGINE:
        shutil.move(
            next(path for path in root.glob("usr/*bin/*") if path.name == program),
            directory / "engine" / program,
        )
    # Last: it says that all is there.
    (directory / PLUGIN).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(next(root.rglob(PLUGIN)), directory / PLUGIN)
    shutil.rmtree(apt)


if __name__ == "__main__":
    system_fixture.fixture(make)
