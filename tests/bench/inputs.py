# SPDX-License-Identifier: Apache-2.0
"""What is built: contexts of generated files, and a Debian root file system in layers.

Generated data is the same in every run. About half of each file can be compressed away, as in real
programs."""
import fcntl
import os
import pathlib
import random
import shutil
import subprocess
import textwrap
import unittest

from measure import harness, progress

import debian_fixture
import images
import system_fixture

PACKAGES = (
    "git",
    "openssh-client",
    "python3",
    "curl",
    "less",
    "man-db",
    "vim",
)  # the last four bring it to about 400 MB
APP_FILES = 40


class Context:
    """A directory of `count` files of together `total` bytes in data/, in directories of 100, with
    a Dockerfile that copies them."""

    def __init__(
        self,
        directory,
        count,
        total,
        dockerfile=textwrap.dedent(
            """\
            FROM scratch
            WORKDIR /srv
            COPY data /srv/data
            CMD ["/srv/data"]
            """
        ),
    ):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.random = random.Random(count)
        self.version = 0  # rises with each edit
        self.files = write_files(self.data, count, total, self.random)
        (self.directory / "Dockerfile").write_text(dockerfile, encoding="utf-8")

    def some_file(self):
        return self.random.choice(self.files)

    def touch(self):
        os.utime(self.some_file())

    def edit(self):
        """Changes one byte of one file."""
        file = self.some_file()
        with open(file, "r+b") as opened:
            data = opened.read()
            position = self.random.randrange(len(data))
            opened.seek(position)
            opened.write(bytes([data[position] ^ 0x55]))
        self.version += 1


def write_files(directory, count, total, generator):
    size = total // count
    words = [generator.randbytes(12).hex().encode() + b"\n" for _ in range(512)]
    files = []
    for number in range(count):
        file = directory / f"{number // 100:03}" / f"file-{number:05}.dat"
        if number % 100 == 0:
            file.parent.mkdir(parents=True)
        text = b"".join(generator.choices(words, k=size // 50 + 1))[: size // 2]
        file.write_bytes(text + generator.randbytes(size - len(text)))
        files.append(file)
    return files


class Debian:
    """A Debian with git, ssh and Python: `root` is its tree, `layout` an OCI image layout of the
    first two of its three layers (the essential system, then the packages with what they need). The
    third one is a few files of a program: `app`, copied from a context. Made once in `directory`,
    by debootstrap from the archive in apt's configuration."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.root = self.directory / "root"
        self.layout = self.directory / "layout"
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.root.exists():
                self.make_root()
            if not self.layout.exists():
                self.make_layout()
        self.size = sum(
            file.lstat().st_size
            for file in self.root.rglob("*")
            if file.is_file() and not file.is_symlink()
        )

    def make_root(self):
        system_fixture.need("debootstrap", "tar")
        system_fixture.need_root("debootstrap makes a root file system")
        site, release = debian_fixture.mirror()
        progress(
            f"debootstrap of {release} with {', '.join(PACKAGES)}, once in {self.directory}: some"
            " minutes"
        )
        new = self.directory / "root.new"
        subprocess.run(["rm", "-rf", new], check=True)
        made = subprocess.run(
            ["debootstrap", f"--include={','.join(PACKAGES)}", release, new, site],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=harness.clean_environment(),
        )
        if made.returncode != 0:
            last = "\n".join(made.stdout.splitlines()[-5:])
            raise unittest.SkipTest(f"debootstrap of {release} from {site} failed:\n{last}")
        for name in ("var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(new / name, ignore_errors=True)
            (new / name).mkdir()
        new.rename(self.root)

    def make_layout(self):
        """The layers are parts of one tree: a directory is in the layer of the first file below it
        that is not in the essential system, and in that system's layer too where that has files
        below it."""
        later = self.files_of_later_packages()
        progress("Debian's layers")
        new = self.directory / "layout.new"
        shutil.rmtree(new, ignore_errors=True)
        layout = images.Layout(new)
        for name, wanted in (
            ("essential", lambda path: path not in later),
            ("packages", lambda path: path in later),
        ):
            archive = self.directory / f"{name}.tar"
            paths = [b"."] + [path for path in every_path(self.root) if wanted(b"/" + path)]
            subprocess.run(
                [
                    "tar",
                    "--create",
                    "--file",
                    archive,
                    "--directory",
                    self.root,
                    "--numeric-owner",
                    "--no-recursion",
                    "--null",
                    "--files-from=-",
                ],
                input=b"\0".join(paths),
                check=True,
            )
            layout.add(archive, compress=True)
            archive.unlink()
        layout.finish(
            {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"], "WorkingDir": "/"}
        )
        new.rename(self.layout)

    def files_of_later_packages(self):
        """Paths (absolute, bytes) that packages below the priority "important" brought, as dpkg
        lists them."""
        query = subprocess.run(
            [
                "dpkg-query",
                "--admindir",
                self.root / "var/lib/dpkg",
                "--show",
                "--showformat",
                "${binary:Package} ${Priority}\n",
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        later, first = set(), set()
        for line in query.splitlines():
            package, priority = line.split()
            lists = self.root / "var/lib/dpkg/info"
            file = next(
                path
                for path in (
                    lists / f"{package}.list",
                    lists / f"{package.split(':')[0]}.list",
                    *sorted(lists.glob(f"{package.split(':')[0]}:*.list")),
                )
                if path.exists()
            )
            (first if priority in ("required", "important") else later).update(
                file.read_bytes().splitlines()
            )
        # dpkg lists the paths in the package; if /bin is a link to /usr/bin, the file is below
        # /usr.
        usr = {
            b"/usr" + path
            for path in later
            if path.startswith((b"/bin/", b"/sbin/", b"/lib/", b"/lib64/"))
        }
        return (later | usr) - first


def every_path(root):
    """Relative to the root, directories before what is in them, as bytes."""
    top = os.fsencode(root)
    found = []
    for parent, directories, files in os.walk(top):
        directories.sort()
        relative = os.path.relpath(parent, top)
        found += [
            os.path.normpath(os.path.join(relative, name)) for name in sorted(directories + files)
        ]
    return sorted(found)


class App(Context):
    """The third layer of the Debian image."""

    def __init__(self, directory, base="base"):
        super().__init__(
            directory,
            APP_FILES,
            APP_FILES * 10_000,
            f'FROM {base}\nCOPY data /opt/app\nCMD ["/opt/app"]\n',
        )
