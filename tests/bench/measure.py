# SPDX-License-Identifier: Apache-2.0
"""Running programs and taking their time, round by round, and what is known of the machine."""
import contextlib
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests" / "integration"), str(SOURCE / "tests" / "cmake")]
import harness  # noqa: E402 (found through the line above)

PROGRAMS = (
    "cmake",
    "ninja",
    "dockerd",
    "buildah",
    "skopeo",
    "umoci",
    "docker-registry",
    "runc",
    "tar",
    "zstd",
    "openssl",
)


class Failure(Exception):
    """A measured program failed, or did something else than it was measured for."""


class Memory:
    """While `peak` is not None, commands started for ours are watched: the largest resident size of
    their processes, in KiB.

    GNU time starts them, since a child of this interpreter would inherit the interpreter's own
    figure."""

    def __init__(self):
        self.peak = None
        self.program = next(
            (
                path
                for path in ("/usr/bin/time", shutil.which("time"))
                if path and os.access(path, os.X_OK)
            ),
            None,
        )

    @contextlib.contextmanager
    def watched(self):
        self.peak = 0
        try:
            yield self
        finally:
            self.peak = None

    def run(self, command, **options):
        if self.peak is None or not self.program:
            return subprocess.run(command, **options)
        with tempfile.NamedTemporaryFile("r", prefix="bottle-time-") as report:
            result = subprocess.run(
                [self.program, "--quiet", "--format=%M", f"--output={report.name}", *command],
                **options,
            )
            words = report.read().split()
            self.peak = max(self.peak, int(words[-1]) if words else 0)
            return result


memory = Memory()


def call(command, environment=None, **options):
    """Its output; a failure ends the benchmark."""
    command = [str(word) for word in command]
    result = memory.run(
        command,
        env=environment or harness.clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **options,
    )
    text = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        raise Failure(f"{' '.join(command)}\nended with {result.returncode}:\n{text}")
    return text


def shell(script, *words):
    """A pipeline, all of whose parts have to succeed."""
    return call(["bash", "-o", "pipefail", "-e", "-c", script, "bash", *words])


def discard(command):
    """Runs it with its output going nowhere."""
    with open(os.devnull, "wb") as null:
        subprocess.run(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=null, check=True
        )


@dataclasses.dataclass
class Work:
    name: str  # unique in its group
    run: typing.Callable  # what is timed
    prepare: typing.Callable = lambda: None  # before the clock starts
    verify: typing.Callable = (
        lambda: None
    )  # after it; raises Failure when something else was measured than what the name says
    kind: str = ""  # works of one kind are shown together, ours first
    ours: bool = False  # the memory of these is an aim
    slow: bool = False  # not in every round


def measure(works, rounds, slow_rounds):
    """{name: [seconds]}, all works one after the other in every round."""
    samples = {}
    for number in range(rounds):
        for work in works:
            if work.slow and number >= slow_rounds:
                continue
            work.prepare()
            begin = time.perf_counter()
            work.run()
            taken = time.perf_counter() - begin
            work.verify()
            samples.setdefault(work.name, []).append(taken)
        progress(f"round {number + 1} of {rounds}")
    return samples


def measure_memory(works):
    """{name: MiB} of Bottle's tasks, in a separate pass, because watching takes time."""
    found = {}
    if not memory.program:
        return found
    for work in works:
        if work.ours:
            work.prepare()
            with memory.watched():
                work.run()
                found[work.name] = round(memory.peak / 1024, 1)
            work.verify()
    return found


def medians(samples):
    return {name: statistics.median(values) for name, values in samples.items()}


def progress(text):
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def file_system(path):
    return subprocess.run(
        ["stat", "-f", "-c", "%T", str(path)], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def version(program):
    """The first number with a point that it says of itself, or None."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if not path:
        return None
    output = subprocess.run(
        [path, "version" if program == "openssl" else "--version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    ).stdout
    found = re.search(r"\d+\.\d+[\w.+~]*", output)
    return found[0] if found else "?"


def machine(directory, tools):
    memory_kib = int(
        next(
            line
            for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
            if line.startswith("MemTotal:")
        ).split()[1]
    )
    versions = {program: version(program) for program in PROGRAMS}
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memoryGiB": round(memory_kib / (1 << 20), 1),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "fileSystem": file_system(directory),
        "directory": str(pathlib.Path(directory).parent),
        "load": round(os.getloadavg()[0], 2),
        "when": datetime.datetime.now().isoformat(timespec="seconds"),
        "bottle": call([tools / "bottle-pack", "--version"]).split("\n", maxsplit=1)[0],
        "versions": {program: text for program, text in versions.items() if text},
    }
