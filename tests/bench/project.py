# SPDX-License-Identifier: Apache-2.0
"""Projects that make bottles of the inputs, built with CMake and Ninja as a user would, each with a
separate store."""
import json
import pathlib
import shutil
import subprocess

from measure import Failure, call, harness


class Project:
    """A source tree, a build tree and a store below `root`.

    `lists` declares the bottles; the one called "bench" is what the tools are also started for
    without Ninja."""

    def __init__(self, root, settings, context, lists="add_bottle(bench CONTEXT ../context)\n"):
        self.root = pathlib.Path(root)
        self.context = context
        self.settings = settings
        self.source = self.root / "source"
        self.cache = self.root / "cache"
        self.trace = self.root / "trace.jsonl"
        self.environment = {
            **harness.clean_environment(),
            "BOTTLE_CACHE_DIR": str(self.cache),
            "BOTTLE_TRACE": str(self.trace),
        }
        self.source.mkdir(parents=True)
        (self.source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(Bench LANGUAGES NONE)\n"
            "find_package(Bottle REQUIRED)\n" + lists,
            encoding="utf-8",
        )
        self.use(self.source, self.root / "build")

    def use(self, source, build):
        self.source, self.build = source, build
        self.bottle = build / "bottles" / "bench"
        self.pack = self.bottle / "bench.smolmachine"

    def configure(self):
        call(
            [
                "cmake",
                "-S",
                self.source,
                "-B",
                self.build,
                "-G",
                "Ninja",
                f"-DBottle_DIR={self.settings.package}",
            ],
            self.environment,
        )

    def ninja(self):
        call(["ninja", "-C", self.build], self.environment)

    def tool(self, name, *words):
        call(
            [self.settings.tools / name, *words, "--spec", self.bottle / "spec.json"],
            self.environment,
        )

    def fingerprint(self):
        self.tool("bottle-fingerprint")

    def image(self):
        self.tool("bottle-image", "build")

    def create(self):
        self.tool("bottle-pack", "create")

    def tools(self):
        self.fingerprint()
        self.image()
        self.create()

    def up_to_date(self):
        """So that what comes next is all that there is to do."""
        self.ninja()
        self.ran()

    def forget(self):
        """As on a new machine: no store, nothing built, but configured."""
        remove(self.cache)
        remove(self.build)
        self.configure()
        self.ran()

    def checkout(self, number):
        """A copy of the sources, in another place, with a separate build tree and the same
        store."""
        place = self.root / f"checkout-{number}"
        place.mkdir()
        call(["cp", "-r", self.context.directory, place / "context"])
        shutil.copytree(self.root / "source", place / "source")
        self.use(place / "source", place / "build")
        self.configure()
        self.ran()

    def leave_checkout(self):
        """Back to the first one."""
        remove(self.source.parent)
        self.use(self.root / "source", self.root / "build")

    def ran(self):
        """The steps since the last call, for example ["fingerprint", "image", "pack"]."""
        if not self.trace.exists():
            return []
        events = [json.loads(line) for line in self.trace.read_text(encoding="utf-8").splitlines()]
        self.trace.unlink()
        return [event["step"] for event in events if event["step"] != "instruction"]

    def expect(self, *steps):
        """A check that exactly these steps ran, in any order."""

        def verify():
            found = self.ran()
            if sorted(found) != sorted(steps):
                raise Failure(f"expected the steps {list(steps)}, found {found}")

        return verify


class Hundred(Project):
    """Many bottles in one project, each with a separate context."""

    def __init__(self, root, settings, contexts):
        lists = "".join(
            f"add_bottle(bottle-{number} CONTEXT ../contexts/{number})\n"
            for number in range(len(contexts))
        )
        super().__init__(root, settings, contexts[0], lists)

    def configure_anew(self):
        remove(self.build)


def remove(directory):
    """Faster than Python's own way, and the time of the file system is not measured."""
    subprocess.run(["rm", "-rf", str(directory)], check=True)
