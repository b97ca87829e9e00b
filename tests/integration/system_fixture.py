# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: the parts of the system that they need, projects without CMake,
and trees to compare."""
import argparse
import hashlib
import os
import pathlib
import re
import shutil
import socket
import stat
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cmake"))
import harness  # noqa: E402 (found through the line above)

NOBODY = 65534

settings = harness.settings


def need(*programs):
    """Skips the test, by name, when a program that it needs is not installed."""
    for program in programs:
        if not shutil.which(program):
            raise unittest.SkipTest(f"needs {program}, which is not installed")


def need_root(why):
    if os.geteuid() != 0:
        raise unittest.SkipTest(f"needs root: {why}")


def listens(address):
    """Does a process listen on a port of loopback, or behind the name of a socket?"""
    kind, where = (
        (socket.AF_INET, ("127.0.0.1", address))
        if isinstance(address, int)
        else (socket.AF_UNIX, os.fspath(address))
    )
    with socket.socket(kind) as client:
        client.settimeout(1)
        return client.connect_ex(where) == 0


kept_ports = []


def free_port():
    """A port of loopback that is this process's until its end: the system does not assign it to
    another process, and a process that requests this port with SO_REUSEADDR, as servers do, can
    listen there, stop, and listen again. Until then connections are refused."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    kept_ports.append(holder)
    return holder.getsockname()[1]


class Build(harness.Project):
    """A context, an image plan, a pack and a store, driven through the tools themselves."""

    @property
    def output(self):
        return self.build / "image.smolmachine"

    def tools(self, name, *arguments, **options):
        return self.run(settings.tools / name, *arguments, **options)

    def image(self, *arguments, **options):
        return self.tools(
            "bottle-image",
            "build",
            "--quiet",
            "--context",
            self.source,
            "--out",
            self.build,
            *arguments,
            **options,
        )

    def create(self, *arguments, **options):
        return self.tools(
            "bottle-pack",
            "create",
            "--quiet",
            "--runtime",
            "none",
            "--image",
            self.build,
            "--output",
            self.output,
            *arguments,
            **options,
        )

    def export(self, layout, *arguments, **options):
        return self.tools(
            "bottle-image",
            "export",
            "--quiet",
            "--out",
            self.build,
            "--layout",
            layout,
            *arguments,
            **options,
        )

    def leftovers(self, *directories):
        """What unfinished writers have left in the build directory (or others) and in the store."""
        found = []
        for top in directories or (self.build, self.cache):
            for path in top.rglob("*"):
                if path.name.endswith((".tmp", ".old")) or path.parent == self.cache / "tmp":
                    found.append(str(path.relative_to(top)))
        return found


class TestCase(harness.TestCase):
    def setUp(self):
        base = pathlib.Path.cwd() / "integration"
        base.mkdir(exist_ok=True)
        self.top = pathlib.Path(tempfile.mkdtemp(prefix=f"{self._testMethodName[:40]} ", dir=base))
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)

    def new_build(self, files=(), name="one build"):
        return Build(self.top / name, files=files)

    def assert_golden(self, name, text):
        """`text` is the content of tests/golden/<name>. With BOTTLE_ACCEPT=1, writes it."""
        file = harness.SOURCE / "tests/golden" / name
        expected = file.read_text(encoding="utf-8") if file.exists() else ""
        if os.environ.get("BOTTLE_ACCEPT") == "1" and text != expected:
            file.write_text(text, encoding="utf-8")
            return
        accept = "to accept the difference, run: BOTTLE_ACCEPT=1 ctest -R '^integration.golden'"
        self.assertEqual(expected, text, f"tests/golden/{name} differs; {accept}")

    def assert_fails(self, result, *patterns, status=1):
        """The tool ended with `status`, and said all of `patterns` (regular expressions)."""
        self.assertEqual(result.returncode, status, result.stdout)
        for pattern in patterns:
            self.assertRegex(result.stdout, pattern)
        self.assertNotIn("please report it", result.stdout)
        self.assertEqual(len(re.findall("error: ", result.stdout)), 1, result.stdout)


def main():
    """As harness.main(), with the directories of the fixtures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--debian", type=pathlib.Path, help="directory of the Debian fixture")
    parser.add_argument("--fault", type=pathlib.Path, help="the library made of fault.cpp")
    parser.add_argument(
        "--scanner",
        type=pathlib.Path,
        help="directory of the gate's scanners (gate_scanner_fixture.py)",
    )
    harness.main(parser)


def fixture(make):
    """The main program of what makes a directory for tests: make(directory). The status says if
    that is not possible here."""
    directory = pathlib.Path(sys.argv[1]).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        make(directory)
    except unittest.SkipTest as reason:
        print(f"skipped: {reason}")
        sys.exit(harness.SKIPPED)


# -- trees


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def tree_of(directory):
    """{path: (kind, mode, uid, gid, size, content digest or link target)}; the later names of a
    file are hard links to the first in sorted order, as `bottle-pack inspect --tree` says it."""
    top = os.fsencode(directory)
    paths = [b""]
    for parent, directories, files in os.walk(top):
        base = os.path.relpath(parent, top)
        for name in directories + files:
            paths.append(os.path.normpath(os.path.join(base, name)))
    tree, inodes = {}, {}
    for path in sorted(paths):
        full = os.path.join(top, path)
        status = os.stat(full) if not path else os.lstat(full)
        kind = KINDS[stat.S_IFMT(status.st_mode)]
        size, what = 0, ""
        name = os.fsdecode(path)
        inode = (status.st_dev, status.st_ino)
        if kind != "directory" and inode in inodes:
            kind, what = "hardlink", inodes[inode]
        elif kind == "file":
            size, what = status.st_size, "sha256:" + digest_of(full)
        elif kind == "symlink":
            what = os.readlink(os.fsdecode(full))
        inodes.setdefault(inode, name)
        tree[name] = (
            kind,
            f"{stat.S_IMODE(status.st_mode):04o}",
            status.st_uid,
            status.st_gid,
            size,
            what,
        )
    return tree


def differences(a, b):
    """At most ten, for a message that can be read."""
    found = [
        f"{path}: {a.get(path)} | {b.get(path)}"
        for path in sorted(a.keys() | b.keys())
        if a.get(path) != b.get(path)
    ]
    return found[:10] + ([f"... {len(found)} in all"] if len(found) > 10 else [])
