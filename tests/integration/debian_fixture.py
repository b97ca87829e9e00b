# SPDX-License-Identifier: Apache-2.0
"""Makes what the Debian tests start from, once in a build directory:

    root.tar   a Debian root file system by debootstrap, from the package mirror that this machine
               is configured with
    layout     an OCI image layout of it and of two more layers that add, change and delete
    plain      one of it alone
"""
import os
import random
import shutil
import subprocess
import unittest

import images
import system_fixture

LONG_NAME = "n" * 255
LONG_PATH = "/".join(["a-directory-with-a-rather-long-name"] * 9)


def mirror():
    """(site, release) of the first Debian archive in apt's configuration."""
    if shutil.which("apt-get"):
        lines = subprocess.run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(ORIGIN) $(SITE) $(CODENAME)",
                "Created-By: Packages",
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        ).stdout.splitlines()
        for line in lines:
            origin, _, rest = line.partition(" ")
            site, _, release = rest.partition(" ")
            if origin == "Debian" and release.isalpha():
                return site, release
    raise unittest.SkipTest(
        "apt knows of no Debian archive, so debootstrap has nothing to install from"
    )


def big_file():
    """20 MiB: some of it compresses well, some not at all."""
    source = random.Random(1)
    return b"".join(source.randbytes(1 << 20) + bytes(1 << 20) for _ in range(10))


def second_layer():
    m = images.member
    return [
        m("opt/app", "directory"),
        *[
            m(f"opt/app/small-{number:02}", content=f"small file {number}\n" * (number + 1))
            for number in range(20)
        ],
        m("opt/app/setuid", content="#!/bin/sh\n", mode=0o4755),
        m("opt/app/setgid", content="#!/bin/sh\n", mode=0o2711, gid=42),
        m("opt/app/sticky", "directory", mode=0o1777),
        m("opt/app/closed", "directory", mode=0o000),
        m("opt/app/closed/in", content="nobody reads this\n", mode=0o000),
        m("opt/app/empty"),
        m("opt/app/big", content=big_file()),
        m("opt/app/name-1", content="one inode, three names\n", uid=1000, gid=2000),
        # Like each writer of tar archives, a further name repeats the metadata of the first:
        # readers differ in which they take.
        m("opt/app/name-2", "hardlink", link="opt/app/name-1", mode=0o644, uid=1000, gid=2000),
        m("opt/app/name-3", "hardlink", link="opt/app/name-1", mode=0o644, uid=1000, gid=2000),
        m("opt/app/version-of-the-base", "hardlink", link="etc/debian_version", mode=0o644),
        m("opt/app/absolute", "symlink", link="/opt/app/small-01"),
        m("opt/app/relative", "symlink", link="../../etc/debian_version"),
        m("opt/app/dangling", "symlink", link="nowhere/" + "x" * 150),
        m("opt/app/" + LONG_NAME, content="a long name\n"),
        m("opt/app/" + LONG_PATH, "directory"),
        m("opt/app/" + LONG_PATH + "/deep", content="a long path\n"),
        m('opt/app/with blank, "quotes" and ünïcödé', content="a name\n"),
        m("opt/app/far-away", content="large numbers\n", uid=3_000_000, gid=4_000_000),
        m("opt/app/directory-then-file", "directory"),
        m("opt/app/directory-then-file/in", content="goes\n"),
        m("opt/app/file-then-directory", content="goes\n"),
        m("opt/app/directory-then-link", "directory"),
        m("opt/app/directory-then-link/in", content="goes\n"),
        m("opt/app/state", "directory"),
        *[m(f"opt/app/state/{number}", content="old\n") for number in range(5)],
        # changes of what the base has
        m("etc/hostname", content="changed\n"),
        m("etc/profile", content="# replaced, another mode and owner\n", mode=0o600, uid=7, gid=8),
        m("home", "directory", mode=0o711, uid=5, gid=6),
        images.whiteout("etc/issue"),
        images.whiteout("usr/share/locale"),
        images.whiteout("etc/nothing-of-this-name"),
    ]


def third_layer(text="the third layer\n"):
    m = images.member
    return [
        m("usr/share/doc", "directory"),
        images.opaque("usr/share/doc"),
        m("usr/share/doc/only-this", content="all else is gone\n"),
        m("opt/app/state", "directory", mode=0o750, uid=9),
        images.opaque("opt/app/state"),
        m("opt/app/state/3", content="new\n"),
        images.whiteout("opt/app/small-03"),
        images.whiteout("opt/app/name-1"),
        images.whiteout("opt/app/directory-then-file"),
        m("opt/app/directory-then-file", content="a file now\n"),
        images.whiteout("opt/app/file-then-directory"),
        m("opt/app/file-then-directory", "directory"),
        m("opt/app/file-then-directory/in", content="came\n"),
        images.whiteout("opt/app/directory-then-link"),
        m("opt/app/directory-then-link", "symlink", link="state"),
        m("opt/app/small-07", content=text),
        m("etc/issue", content="back again\n"),
    ]


def make_root(directory):
    system_fixture.need("debootstrap", "tar")
    system_fixture.need_root("debootstrap makes a root file system")
    site, release = mirror()
    root = directory / "root"
    subprocess.run(["rm", "-rf", root], check=True)
    # Not unpacked and configured again when only the layers below change: this takes minutes.
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", release, root, site],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=system_fixture.harness.clean_environment(),
    )
    if made.returncode != 0:
        last = "\n".join(made.stdout.splitlines()[-5:])
        raise unittest.SkipTest(f"debootstrap of {release} from {site} failed:\n{last}")
    shutil.rmtree(root / "var" / "cache" / "apt", ignore_errors=True)
    shutil.rmtree(root / "var" / "lib" / "apt" / "lists", ignore_errors=True)
    subprocess.run(
        [
            "tar",
            "--create",
            "--file",
            directory / "root.tar.new",
            "--directory",
            root,
            "--numeric-owner",
            "--sort=name",
            ".",
        ],
        check=True,
    )
    subprocess.run(["rm", "-rf", root], check=True)
    (directory / "root.tar.new").rename(directory / "root.tar")


def make_plain(directory, layout):
    """A layout of the layers that `layout` has so far; it shares their blobs."""
    new = directory / "plain.new"
    shutil.rmtree(new, ignore_errors=True)
    plain = images.Layout(new)
    for descriptor in layout.layers:
        name = descriptor["digest"].removeprefix("sha256:")
        os.link(layout.blobs / name, plain.blobs / name)
    plain.layers, plain.diff_ids = list(layout.layers), list(layout.diff_ids)
    plain.finish(
        {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"], "WorkingDir": "/"}
    )
    shutil.rmtree(directory / "plain", ignore_errors=True)
    os.rename(new, directory / "plain")


def make_layout(directory):
    new = directory / "layout.new"
    shutil.rmtree(new, ignore_errors=True)
    layout = images.Layout(new)
    layout.add(directory / "root.tar", compress=True)
    make_plain(directory, layout)
    layout.add(images.layer(second_layer()), compress=True)
    layout.add(images.layer(third_layer()))
    layout.finish({"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"], "WorkingDir": "/"})
    shutil.rmtree(directory / "layout", ignore_errors=True)
    os.rename(new, directory / "layout")


def make(directory):
    if not (directory / "root.tar").exists():
        make_root(directory)
    make_layout(directory)


if __name__ == "__main__":
    system_fixture.fixture(make)
