# SPDX-License-Identifier: Apache-2.0
"""Makes what the gates' images start from, once in a build directory: <directory>/layout, an image
of the Debian release that images/*/Dockerfile name, by debootstrap from the package archive in
apt's configuration. What apt in there installs from is that archive too."""
import re
import shutil
import subprocess
import unittest

import debian_fixture
import images
import system_fixture


def release():
    """The release that all of the Dockerfiles name."""
    found = set()
    for file in sorted((system_fixture.harness.SOURCE / "images").glob("*/Dockerfile")):
        found.update(
            re.findall(
                r"^FROM debian:([a-z]+)-slim ", file.read_text(encoding="utf-8"), re.MULTILINE
            )
        )
    (name,) = found
    return name


def make(directory):
    if (directory / "layout").exists():
        return
    system_fixture.need("debootstrap", "tar")
    system_fixture.need_root("debootstrap makes a root file system")
    site, _ = debian_fixture.mirror()
    root, new = directory / "root", directory / "layout.new"
    for old in (root, new):
        subprocess.run(["rm", "-rf", old], check=True)
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", release(), root, site],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=system_fixture.harness.clean_environment(),
    )
    if made.returncode != 0:
        last = "\n".join(made.stdout.splitlines()[-5:])
        raise unittest.SkipTest(f"debootstrap of {release()} from {site} failed:\n{last}")
    for unused in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / unused, ignore_errors=True)
    tar = directory / "root.tar"
    subprocess.run(
        [
            "tar",
            "--create",
            "--file",
            tar,
            "--directory",
            root,
            "--numeric-owner",
            "--sort=name",
            ".",
        ],
        check=True,
    )
    subprocess.run(["rm", "-rf", root], check=True)
    layout = images.Layout(new)
    layout.add(tar)
    layout.finish(
        {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["bash"],
        }
    )
    tar.unlink()
    shutil.rmtree(directory / "layout", ignore_errors=True)
    new.rename(directory / "layout")


if __name__ == "__main__":
    system_fixture.fixture(make)
