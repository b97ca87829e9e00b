# SPDX-License-Identifier: Apache-2.0
"""What the cases of compare_*.py are made of: a Dockerfile, a context, and the images that they
start from."""
import bz2
import dataclasses
import gzip
import lzma
import os
import pathlib
import subprocess
import tarfile
import typing
import unittest

import images
import system_fixture

APPLETS = (
    "basename cat chgrp chmod chown cp cut date dirname env expr find grep head id ln ls md5sum"
    " mkdir mkfifo mknod mv od printf pwd readlink rm rmdir sed seq sh sleep sort stat tail tar tee"
    " test touch tr true false umask wc"
).split()


@dataclasses.dataclass
class Case:
    """`dockerfile` is built by both builders and the images are compared; if it fails with one,
    then with both, at the same line.

    The frontend inside Docker 20.10 is that of 2021. Where the case needs a newer one, `newer` says
    for what, and `older` is another way to write the same with the older means; it is what Docker
    builds then."""

    dockerfile: str
    older: str = ""
    newer: str = ""
    files: dict = dataclasses.field(default_factory=dict)  # text or bytes by path
    prepare: typing.Optional[
        typing.Callable
    ] = None  # called with the context's directory when `files` are written
    options: tuple = ()  # of both builders
    network: str = "host"  # docker build's; that of Bottle is in the Dockerfile
    secrets: dict = dataclasses.field(default_factory=dict)  # content by id
    ssh: bool = False
    fails: int = 0  # the line at which both stop
    by_docker: tuple = ()  # mount points that this Docker leaves in the layer, empty; BuildKit removes them since 0.10
    differs: str = (  # why Bottle's image is not yet the same; when it is, the test fails until the remark is gone
        ""
    )


def collect(module):
    """{name: Case} of a module, in the order of the file."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Case)}


# -- contexts


def write(context, files):
    for path, content in files.items():
        file = context / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def archive(members, compress=lambda data: data):
    return compress(images.layer(members))


def gzipped(data):
    return gzip.compress(data, 6, mtime=0)


def zstandard(data):
    system_fixture.need("zstd")
    return subprocess.run(
        ["zstd", "--quiet", "--stdout"], input=data, stdout=subprocess.PIPE, check=True
    ).stdout


def some_tree(top):
    """An archive's members, with what is hard to keep: owners, modes, links of both kinds, a pipe,
    attributes."""
    m = images.member
    pipe = tarfile.TarInfo(f"{top}/pipe")
    pipe.type, pipe.mode = tarfile.FIFOTYPE, 0o640
    capable = m(f"{top}/capable", content="bind\n", mode=0o755)
    capable[0].pax_headers = {"SCHILY.xattr.security.capability": "\x01\0\0\2\0\4\0\0" + "\0" * 12}
    return [
        m(top, "directory", mode=0o750, uid=3, gid=4),
        m(f"{top}/file", content="file\n", mode=0o640, uid=5, gid=6),
        m(f"{top}/setuid", content="s\n", mode=0o4755),
        m(f"{top}/sticky", "directory", mode=0o1777),
        m(f"{top}/hard", "hardlink", link=f"{top}/file", mode=0o640, uid=5, gid=6),
        m(f"{top}/soft", "symlink", link="file"),
        m(f"{top}/absolute", "symlink", link=f"/{top}/file"),
        m(f"{top}/dangling", "symlink", link="../nowhere"),
        (pipe, b""),
        capable,
    ]


compressions = {"": lambda data: data, ".gz": gzipped, ".bz2": bz2.compress, ".xz": lzma.compress}


# -- images to start from


def busybox():
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            data = pathlib.Path(path).read_bytes()
            if b"/ld-linux" not in data and b"/ld-musl" not in data:
                return data
    raise unittest.SkipTest(
        "needs a static busybox, which is not installed (Debian: busybox-static)"
    )


def base_members():
    m = images.member
    return [
        *(
            m(name, "directory")
            for name in (
                "bin",
                "data",
                "data/deep",
                "data/deep/er",
                "dev",
                "etc",
                "proc",
                "root",
                "run",
                "srv",
                "sys",
                "var",
            )
        ),
        m("tmp", "directory", mode=0o1777),
        m("bin/busybox", content=busybox(), mode=0o755),
        *(m(f"bin/{name}", "symlink", link="busybox") for name in APPLETS),
        m(
            "etc/passwd",
            content="root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/srv/app:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        ),
        m("etc/group", content="root:x:0:\nstaff:x:50:app\napp:x:1001:\nnogroup:x:65534:\n"),
        # Both builders mount something on these, which is then not a difference.
        m("etc/hosts"),
        m("etc/resolv.conf"),
        m("data/one", content="1\n"),
        m("data/two", content="2\n", mode=0o600, uid=7, gid=8),
        m("data/deep/three", content="3\n"),
        m("data/deep/er/four", content="4\n"),
        m("data/name-1", content="two names\n"),
        m("data/name-2", "hardlink", link="data/name-1"),
        m("link", "symlink", link="data"),
        m("srv/up", "symlink", link="../data/deep"),
        m("run/state", "directory", mode=0o700, uid=9, gid=9),
    ]


def make_bases(directory):
    """{name: layout}; "base", and "triggers" with ONBUILD instructions."""
    base = images.Layout(directory / "base")
    base.add(images.layer(base_members()))
    config = {
        "Env": ["PATH=/bin", "FROM_BASE=yes"],
        "WorkingDir": "/",
        "Cmd": ["/bin/sh"],
        "Labels": {"of": "base", "kept": "yes"},
    }
    base.finish(config)
    triggers = images.Layout(directory / "triggers")
    triggers.add(images.layer(base_members()))
    triggers.add(images.layer([images.member("triggers", "directory")]))
    triggers.finish(
        {
            **config,
            "WorkingDir": "/triggers",
            "User": "app",
            "Entrypoint": ["/bin/env"],
            "ExposedPorts": {"1/tcp": {}},
            "Healthcheck": {"Test": ["CMD", "true"], "Retries": 2},
            "OnBuild": [
                "ARG WHICH=default",
                "COPY --chown=app in/ /triggers/",
                "USER root",
                "RUN echo $WHICH > /triggers/which",
                "ENV TRIGGERED=$WHICH",
                "WORKDIR below",
            ],
        }
    )
    return {"base": directory / "base", "triggers": directory / "triggers"}
