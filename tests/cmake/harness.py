# SPDX-License-Identifier: Apache-2.0
"""Nested CMake projects: written, configured and built by a test, with a count of what the tools
did.

A test file calls main(); CTest starts it once a generator:

    python3 some_test.py --package <dir of BottleConfig.cmake> --tools <dir of the tools>
                         --generator Ninja [unittest arguments]

Each project has a separate directory (with a blank in its name) and a separate store. Nothing
sleeps: an edit that the file system's clock cannot tell from the last build is given a later time
instead.
"""
import argparse
import collections
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # SKIP_RETURN_CODE of each of these tests
settings = argparse.Namespace(package=None, tools=None, generator="Ninja")

# What a user's shell may hold and a test must not inherit.
HOSTILE = (
    "BOTTLE_",
    "CMAKE_",
    "SOURCE_DATE_EPOCH",
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "NINJA_STATUS",
    "DESTDIR",
    "SMOLVM_",
    "XDG_CACHE_HOME",
)


def clean_environment():
    return {
        name: value
        for name, value in os.environ.items()
        if name != "CI" and not name.startswith(HOSTILE)
    }


class Project:
    """A source tree, a build tree and a store in one temporary directory."""

    def __init__(self, directory, lists="", files=(), generator=None):
        self.root = pathlib.Path(directory)
        self.source = self.root / "source"
        self.build = self.root / "build"
        self.cache = self.root / "cache"
        self.trace = self.root / "trace.jsonl"
        self.generator = generator or settings.generator
        self.prefix = []  # put before each command, for example to run as another user
        self.environment = {}
        self.source.mkdir(parents=True, exist_ok=True)
        if lists:
            self.write(
                "CMakeLists.txt",
                "cmake_minimum_required(VERSION 3.25)\nproject(Nested LANGUAGES NONE)\n"
                "find_package(Bottle REQUIRED)\n" + lists,
            )
        for path, text in dict(files).items():
            self.write(path, text)

    # -- edits; each is visible to a build tool that compares times

    def write(self, path, text):
        file = self.source / path
        new_directories = [parent for parent in file.parents if not parent.exists()]
        is_new = not os.path.lexists(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.renew(
            file,
            *new_directories,
            *([file.parent] if is_new else []),
            *[directory.parent for directory in new_directories],
        )

    def append(self, path, text):
        with open(self.source / path, "a", encoding="utf-8") as file:
            file.write(text)
        self.renew(self.source / path)

    def touch(self, path):
        os.utime(self.source / path)
        self.renew(self.source / path)

    def remove(self, path):
        (self.source / path).unlink()
        self.renew((self.source / path).parent)

    def rename(self, path, other):
        (self.source / path).rename(self.source / other)
        self.renew((self.source / path).parent, (self.source / other).parent)

    def link(self, path, target):
        file = self.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(file):
            file.unlink()
        file.symlink_to(target)
        self.renew(file.parent)

    def renew(self, *paths):
        newest = max(
            (file.stat().st_mtime_ns for file in self.build.rglob("*") if file.is_file()), default=0
        )
        for path in paths:
            if path.stat().st_mtime_ns <= newest:
                os.utime(path, ns=(newest + 1_000_000, newest + 1_000_000))

    # -- commands

    def run(self, *command, expect=0, **options):
        environment = clean_environment()
        environment["BOTTLE_CACHE_DIR"] = str(self.cache)
        environment["BOTTLE_TRACE"] = str(self.trace)
        environment["BOTTLE_LOCKED"] = "1"
        environment.update(self.environment)
        result = subprocess.run(
            [*self.prefix, *map(str, command)],
            env=environment,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **options,
        )
        if expect is not None and (result.returncode == 0) != (expect == 0):
            raise AssertionError(
                f"{' '.join(map(str, command))}\nended with {result.returncode}:\n{result.stdout}"
            )
        return result

    def configure(self, *arguments, expect=0):
        return self.run(
            "cmake",
            "-S",
            self.source,
            "-B",
            self.build,
            "-G",
            self.generator,
            f"-DBottle_DIR={settings.package}",
            "--no-warn-unused-cli",
            *arguments,
            expect=expect,
        )

    def make(self, *targets, jobs=2, expect=0):
        """Builds, and forgets what ran before."""
        self.trace.unlink(missing_ok=True)
        target = ["--target", *targets] if targets else []
        return self.run("cmake", "--build", self.build, "-j", jobs, *target, expect=expect)

    def tool(self, name, *arguments, expect=0):
        return self.run(pathlib.Path(settings.tools) / name, *arguments, expect=expect)

    # -- results

    def traced(self):
        if not self.trace.exists():
            return []
        return [json.loads(line) for line in self.trace.read_text(encoding="utf-8").splitlines()]

    def ran(self):
        """The steps of the last make(), for example {"base": ["fingerprint", "image", "pack"]}."""
        steps = collections.defaultdict(list)
        for event in self.traced():
            if event["step"] != "instruction":
                steps[event["slug"]].append(event["step"])
        return {slug: sorted(names) for slug, names in steps.items()}

    def executed(self):
        return [
            int(event["line"])
            for event in self.traced()
            if event["step"] == "instruction" and event["outcome"] == "executed"
        ]

    def directory(self, slug):
        top = self.build / "Debug" if self.generator == "Ninja Multi-Config" else self.build
        return top / "bottles" / slug

    def pack(self, slug):
        return self.directory(slug) / f"{slug}.smolmachine"

    def extract(self, slug):
        """The pack's tree as {path: text of a file, or its kind}."""
        out = self.root / f"extracted-{slug}"
        shutil.rmtree(out, ignore_errors=True)
        self.tool("bottle-pack", "extract", self.pack(slug), out)
        tree = {}
        for file in sorted(out.rglob("*")):
            path = str(file.relative_to(out))
            if file.is_symlink():
                tree[path] = "-> " + os.readlink(file)
            elif file.is_file():
                tree[path] = file.read_text(encoding="utf-8", errors="replace")
        return tree


def docker_archive(layout, archive):
    """Writes the image of an OCI layout in the form of `docker save`."""
    blobs = layout / "blobs/sha256"
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text(encoding="utf-8"))
    config, *layers = [item["digest"][7:] for item in (manifest["config"], *manifest["layers"])]
    listed = [
        {
            "Config": f"{config}.json",
            "RepoTags": None,
            "Layers": [f"{layer}/layer.tar" for layer in layers],
        }
    ]
    with tarfile.open(archive, "w") as tar:
        tar.add(blobs / config, f"{config}.json")
        for layer in layers:
            tar.add(blobs / layer, f"{layer}/layer.tar")
        text = json.dumps(listed).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))


class TestCase(unittest.TestCase):
    maxDiff = None
    shares_setup = (
        False  # a class whose set-up is costly is one CTest, not one a case (tests/cases)
    )

    def setUp(self):
        base = pathlib.Path.cwd() / "nested"
        base.mkdir(exist_ok=True)
        self.top = pathlib.Path(tempfile.mkdtemp(prefix=f"{self._testMethodName[:40]} ", dir=base))
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)

    def project(self, lists="", files=(), name="one project", generator=None):
        return Project(self.top / name, lists, files, generator)

    def assert_ran(self, project, expected, *targets):
        """Builds; exactly `expected` ran ({} is nothing at all); and a second build has nothing to
        do.

        Leaves in self.executed the lines of the instructions that were executed, and not taken from
        the store."""
        project.make(*targets)
        self.executed = project.executed()
        self.assertEqual(
            project.ran(), {slug: sorted(steps.split()) for slug, steps in expected.items()}
        )
        self.assert_nothing_to_do(project, *targets)

    def assert_nothing_to_do(self, project, *targets):
        result = project.make(*targets)
        self.assertEqual(project.ran(), {})
        if "Ninja" in project.generator:
            self.assertIn("ninja: no work to do.", result.stdout)


class RegistryTestCase(TestCase):
    """With a registry on loopback (bottle-registry serve) at self.registry, until
    stop_registry()."""

    def setUp(self):
        super().setUp()
        port_file = self.top / "port"
        self.server = subprocess.Popen(
            [
                settings.tools / "bottle-registry",
                "serve",
                "--root",
                self.top / "registry",
                "--port-file",
                port_file,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.stop_registry)
        self.assertTrue(
            self.server.stdout.readline(), "bottle-registry serve ended at once"
        )  # one line, when it answers
        self.registry = "localhost:" + port_file.read_text().strip()

    def stop_registry(self):
        if self.server.poll() is None:
            self.server.terminate()
        self.server.wait(timeout=30)
        self.server.stdout.close()


def main(parser=None):
    """Runs the tests that the arguments name, or all of the file; the status says when all was
    skipped. The last lines name what failed, with the command that runs it again."""
    parser = parser or argparse.ArgumentParser()
    parser.add_argument("--package", required=True, type=pathlib.Path)
    parser.add_argument("--tools", required=True, type=pathlib.Path)
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("tests", nargs="*")
    parser.parse_args(namespace=settings)
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    suite = (
        loader.loadTestsFromNames(settings.tests, module)
        if settings.tests
        else loader.loadTestsFromModule(module)
    )
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = [test for test, _ in result.failures + result.errors]
    failed += result.unexpectedSuccesses
    # A subtest stands for its test. A failed setUpClass is "setUpClass (__main__.Class)".
    ids = [getattr(test, "test_case", test).id() for test in failed]
    names = {re.sub(r"^setUpClass \((.*)\)$", r"\1", id_).removeprefix("__main__.") for id_ in ids}
    options = sys.argv[1 : len(sys.argv) - len(settings.tests)]
    for name in sorted(names):
        command = shlex.join([sys.executable, "-B", sys.argv[0], *options, name])
        print(f"failed: {name}\n  again: {command}", flush=True)
    if not result.wasSuccessful() or result.testsRun == 0 and not result.skipped:
        sys.exit(1)
    sys.exit(SKIPPED if len(result.skipped) >= max(1, result.testsRun) else 0)
