# SPDX-License-Identifier: Apache-2.0
"""A kill, an interrupt and a full disk at every write; two builds at once. Afterwards a build
succeeds, with the same bytes.

fault.cpp is preloaded into the tool under test and strikes at its n-th system call that changes a
file, so that each moment is tried, on a slow machine as on a fast one.
"""
import hashlib
import os
import shutil
import signal
import subprocess

import images
import system_fixture

DOCKERFILE = """
FROM base AS first
COPY text /text
FROM first
COPY --from=first /text /copy
COPY data /data
WORKDIR /new/dir
"""
# Two megabytes that do not compress.
FILES = {
    "Dockerfile": DOCKERFILE,
    "text": "text\n",
    "data/two": "2\n",
    "data/one": b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(60_000)),
}

KILLED = -signal.SIGKILL
INTERRUPTED = 128 + signal.SIGINT


class Step:
    """A command under test: what it needs before, what it writes, and how the result is told."""

    def __init__(self, name, run, result, before=()):
        self.name, self.run, self.result, self.before = name, run, result, before


def file_digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def tree_or_none(directory):
    return system_fixture.tree_of(directory) if directory.exists() else None


class FaultTestCase(system_fixture.TestCase):
    KNOWN = {
        "source",
        "build",
        "cache",
        "trace.jsonl",
        "layout",
        "extracted",
    }  # what a build's directory may hold

    def setUp(self):
        super().setUp()
        self.layout = images.Layout(self.top / "base")
        self.layout.add(
            images.layer([images.member("from-the-base", content="base\n" * 1000)]), compress=True
        )
        self.layout.add(images.layer([images.member("more", content="more\n")]))
        self.layout.finish()
        self.build = self.new_build(FILES)
        self.base = ["--build-context", f"base=oci-layout:{self.layout.directory}"]
        self.steps = [
            self.image_step(),
            self.pack_step(),
            self.export_step(),
            self.extract_step(),
            self.fingerprint_step(),
        ]

    # -- the steps

    def image_step(self):
        return Step(
            "image",
            lambda build, **options: build.image(*self.base, **options),
            lambda build: file_digest(build.build / "image.json"),
        )

    def fingerprint_step(self):
        def run(build, **options):
            return build.tools(
                "bottle-fingerprint",
                "--context",
                build.source,
                "--out",
                build.build,
                *self.base,
                **options,
            )

        return Step("fingerprint", run, lambda build: file_digest(build.build / "key"))

    def pack_step(self):
        return Step(
            "pack",
            lambda build, **options: build.create(**options),
            lambda build: file_digest(build.output),
            before=["image"],
        )

    def export_step(self):
        return Step(
            "export",
            lambda build, **options: build.export(build.root / "layout", "--tag", "x", **options),
            lambda build: tree_or_none(build.root / "layout"),
            before=["image"],
        )

    def extract_step(self):
        def run(build, **options):
            return build.tools(
                "bottle-pack",
                "extract",
                "--quiet",
                build.output,
                build.root / "extracted",
                **options,
            )

        return Step(
            "extract",
            run,
            lambda build: tree_or_none(build.root / "extracted"),
            before=["image", "pack"],
        )

    # -- one start with a fault, from nothing

    def fresh(self, step, name):
        """A build in which only `step` is missing."""
        build = self.new_build(name=name)
        shutil.rmtree(build.root)
        template = self.top / f"template {step.name}"
        if not template.exists():
            shutil.copytree(self.build.root, template, symlinks=True)
            prepared = system_fixture.Build(template)
            for before in step.before:
                next(other for other in self.steps if other.name == before).run(prepared)
        shutil.copytree(template, build.root, symlinks=True)
        return build

    def calls(self, step):
        """How often `step` changes files, when nothing goes wrong; and its result."""
        build = self.fresh(step, "counted")
        count = self.top / "count"
        build.environment.update(
            {
                "LD_PRELOAD": str(system_fixture.settings.fault),
                "BOTTLE_FAULT_COUNT": str(count),
                "BOTTLE_JOBS": "1",
            }
        )
        step.run(build)
        result = step.result(build)
        self.assertIsNotNone(result)
        shutil.rmtree(build.root)
        return int(count.read_text()), result

    def strike(self, build, step, fault, expect=None):
        build.environment.update(
            {
                "LD_PRELOAD": str(system_fixture.settings.fault),
                "BOTTLE_FAULT": fault,
                "BOTTLE_JOBS": "1",
            }
        )
        try:
            return step.run(build, expect=expect)
        finally:
            for name in ("LD_PRELOAD", "BOTTLE_FAULT", "BOTTLE_JOBS"):
                del build.environment[name]

    def moments(self, count, most=50):
        """Each of `count` calls, or a part of them, spread evenly."""
        return sorted(
            {1 + number * count // min(count, most) for number in range(min(count, most))}
        )

    def check_at_every_write(self, fault, statuses, check=lambda build, result: None):
        for step in self.steps:
            count, expected = self.calls(step)
            self.assertGreater(count, 3)
            struck = 0
            for moment in self.moments(count):
                with self.subTest(step=step.name, moment=moment):
                    build = self.fresh(step, "struck")
                    result = self.strike(build, step, f"{fault}:{moment}")
                    self.assertIn(result.returncode, (0, *statuses), result.stdout)
                    struck += result.returncode != 0
                    # Nothing, or all of it.
                    self.assertIn(step.result(build), [None, expected])
                    if result.returncode == 0:
                        self.assertEqual(step.result(build), expected)
                    check(build, result)
                    # Extracting refuses a directory that is there.
                    shutil.rmtree(build.root / "extracted", ignore_errors=True)
                    again = step.run(build)
                    self.assertNotIn("damaged", again.stdout)
                    self.assertEqual(step.result(build), expected)
                    self.check_soundness(build)
                    shutil.rmtree(build.root)
            self.assertGreater(struck, 3, step.name)
            print(f"{step.name}: {count} writes, struck at {struck} moments", flush=True)

    def check_soundness(self, build):
        """The store holds what it says, and a collection leaves nothing of the killed."""
        build.tools("bottle-cache", "verify", "--quiet")
        build.tools("bottle-cache", "gc", "--quiet")
        self.assertEqual(build.leftovers(build.cache), [])


class Kill(FaultTestCase):
    def test_kill_at_every_write(self):
        self.check_at_every_write("kill", [KILLED])


class Leftovers(FaultTestCase):
    def test_files_of_killed_steps_are_removed(self):
        """One place, killed at each moment in turn: after a build that succeeds nothing of all that
        is left."""
        for step in self.steps:
            with self.subTest(step.name):
                count, expected = self.calls(step)
                build = self.fresh(step, "killed often")
                for moment in self.moments(count, most=30):
                    self.strike(build, step, f"kill:{moment}")
                    shutil.rmtree(build.root / "layout", ignore_errors=True)
                    shutil.rmtree(build.root / "extracted", ignore_errors=True)
                step.run(build)
                self.assertEqual(step.result(build), expected)
                self.assertEqual(build.leftovers(build.build), [])
                self.assertLessEqual(set(os.listdir(build.root)), self.KNOWN)
                self.check_soundness(build)
                shutil.rmtree(build.root)


class Interrupt(FaultTestCase):
    def test_interrupt_at_every_write(self):
        def check(build, result):
            if result.returncode:
                self.assertIn("interrupted", result.stdout)
                self.assertEqual(build.leftovers(), [])
                self.assertLessEqual(set(os.listdir(build.root)), self.KNOWN)

        self.check_at_every_write("int", [INTERRUPTED], check)


class FullDisk(FaultTestCase):
    def test_full_disk_at_every_write(self):
        def check(build, result):
            if result.returncode:
                self.assert_fails(result, "No space left on device", "hint: free space")
                self.assertEqual(build.leftovers(), [])
                self.assertLessEqual(set(os.listdir(build.root)), self.KNOWN)

        self.check_at_every_write("full", [1], check)


class SmallDisk(FaultTestCase):
    """The real thing: a file system of a megabyte."""

    def small_disk(self, name, size):
        system_fixture.need("mount", "umount")
        place = self.top / name
        place.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            self.skipTest("needs the right to mount a tmpfs: " + mounted.stdout.strip())
        self.addCleanup(subprocess.run, ["umount", "--lazy", place], check=True)
        return place

    def check_small_disk(self, build, place):
        self.assert_fails(build.create(expect=1), "No space left on device", "hint: free space")
        self.assertFalse(build.output.exists())
        self.assertEqual(build.leftovers(), [])
        subprocess.run(["mount", "-o", "remount,size=100M", place], check=True)
        build.create()
        self.assertEqual(file_digest(build.output), self.expected)

    def test_full_disk_of_output_and_store(self):
        system_fixture.need_root("it mounts a tmpfs")
        self.build.image(*self.base)
        self.build.create()
        self.expected = file_digest(self.build.output)
        with self.subTest("output"):
            build = self.new_build(FILES, "full output")
            build.build = self.small_disk("small output", "1M")
            build.image(*self.base)
            self.check_small_disk(build, build.build)
        with self.subTest("store"):
            build = self.new_build(FILES, "full store")
            build.cache = self.small_disk("small store", "1M")
            build.image(*self.base)
            self.check_small_disk(build, build.cache)
        with self.subTest("image"):
            build = self.new_build(FILES, "full store for an image")
            build.cache = self.small_disk("smallest store", "16k")
            self.assert_fails(
                build.image(*self.base, expect=1), "No space left on device", "hint: free space"
            )
            self.assertFalse((build.build / "image.json").exists())
            self.assertEqual(build.leftovers(), [])
            subprocess.run(["mount", "-o", "remount,size=100M", build.cache], check=True)
            build.image(*self.base)


class ConcurrentBuilds(FaultTestCase):
    """Several processes at once: none hangs, none fails, all see the same."""

    def start(self, build, *arguments):
        environment = {
            **system_fixture.harness.clean_environment(),
            "BOTTLE_CACHE_DIR": str(build.cache),
        }
        command = [system_fixture.settings.tools / arguments[0], *arguments[1:]]
        return subprocess.Popen(
            [str(word) for word in command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, processes):
        for process in processes:
            output, _ = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, output)

    def image_command(self, build):
        return [
            "bottle-image",
            "build",
            "--context",
            build.source,
            "--out",
            build.build,
            *self.base,
        ]

    def pack_command(self, build):
        return [
            "bottle-pack",
            "create",
            "--runtime",
            "none",
            "--image",
            build.build,
            "--output",
            build.output,
        ]

    def expected(self):
        alone = self.new_build(FILES, "alone")
        alone.image(*self.base)
        alone.create()
        return file_digest(alone.build / "image.json"), file_digest(alone.output)

    def check(self, builds, copies):
        image, pack = self.expected()
        for _ in range(5):
            for build in builds:
                shutil.rmtree(build.build, ignore_errors=True)
                shutil.rmtree(build.cache, ignore_errors=True)
            self.finish(
                [
                    self.start(build, *self.image_command(build))
                    for build in builds
                    for _ in range(copies)
                ]
            )
            self.finish(
                [
                    self.start(build, *self.pack_command(build))
                    for build in builds
                    for _ in range(copies)
                ]
            )
            for build in builds:
                self.assertEqual(
                    (file_digest(build.build / "image.json"), file_digest(build.output)),
                    (image, pack),
                )
                self.assertEqual(build.leftovers(), [])
                build.tools("bottle-cache", "verify", "--quiet")

    def test_two_builds_in_one_tree(self):
        self.check([self.build], copies=4)

    def test_two_trees_with_one_store(self):
        other = self.new_build(FILES, "another tree")
        other.cache = self.build.cache
        self.check([self.build, other], copies=2)

    def test_gc_during_a_build(self):
        image, pack = self.expected()
        for _ in range(5):
            shutil.rmtree(self.build.build, ignore_errors=True)
            self.finish(
                [
                    self.start(self.build, *command)
                    for command in (
                        self.image_command(self.build),
                        ["bottle-cache", "gc", "--max-size", "1K"],
                        ["bottle-cache", "verify"],
                    )
                ]
            )
            self.finish(
                [
                    self.start(self.build, *command)
                    for command in (
                        self.pack_command(self.build),
                        ["bottle-cache", "gc", "--max-size", "1K"],
                        ["bottle-cache", "verify"],
                    )
                ]
            )
            self.assertEqual(
                (file_digest(self.build.build / "image.json"), file_digest(self.build.output)),
                (image, pack),
            )

    def test_readers_see_complete_packs(self):
        """While one rewrites the pack over and over, others read it."""
        self.build.image(*self.base)
        self.build.create("--cpus", 1)
        for number in range(2, 8):
            writer = self.start(self.build, *self.pack_command(self.build), "--cpus", number)
            readers = [
                self.start(self.build, "bottle-pack", "verify", self.build.output) for _ in range(3)
            ]
            self.finish([writer, *readers])


if __name__ == "__main__":
    system_fixture.main()
