# SPDX-License-Identifier: Apache-2.0
"""Makes what the gate tests scan with, once in a build directory: <directory>/<release>/gitleaks of
Debian releases that have it.

The packages are fetched with a separate APT configuration, so that nothing of this machine's
changes, from the Debian archive that apt is configured with.
"""
import os
import pathlib
import shutil
import subprocess
import unittest

import debian_fixture
import system_fixture

RELEASES = ("trixie", "sid")
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def apt(directory, release, site):
    """The beginning of a command line for apt-get that knows of one release and of nothing
    installed."""
    for name in ("lists/partial", "archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    sources = directory / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {site} {release} main\n", encoding="utf-8")
    (directory / "status").write_text("", encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": directory,
        "Dir::State::Lists": directory / "lists",
        "Dir::State::status": directory / "status",
        "Dir::Cache": directory,
        "Dir::Cache::Archives": directory / "archives",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "3",
    }
    return [
        "apt-get",
        "-q",
        *(word for name, value in settings.items() for word in ("-o", f"{name}={value}")),
    ]


def fetch(directory, release, site):
    work = directory / f"{release}.work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = apt(work, release, site)
    for arguments in (["update"], ["download", "gitleaks"]):
        result = subprocess.run(
            [*command, *arguments],
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise unittest.SkipTest(
                f"gitleaks of Debian {release} cannot be had: {result.stdout[-500:]}"
            )
    package = next(work.glob("gitleaks_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, work / "root"], check=True)
    program = work / "root" / "usr" / "bin" / "gitleaks"
    if (
        subprocess.run(
            [program, "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        ).returncode
        != 0
    ):
        raise unittest.SkipTest(f"gitleaks of Debian {release} does not run here")
    (directory / release).mkdir(parents=True, exist_ok=True)
    os.replace(program, directory / release / "gitleaks")
    shutil.rmtree(work)


def make(directory):
    missing = [release for release in RELEASES if not (directory / release / "gitleaks").exists()]
    if not missing:
        return
    system_fixture.need("apt-get", "dpkg-deb")
    if not KEYRING.exists():
        raise unittest.SkipTest(f"needs {KEYRING}, which is not installed")
    site, _ = debian_fixture.mirror()
    for release in missing:
        fetch(directory, release, site)


if __name__ == "__main__":
    system_fixture.fixture(make)
