# SPDX-License-Identifier: Apache-2.0
"""What is measured over a context of files: the same works for one file and for 20,000, ours and
the peers' in turn."""
import contextlib
import pathlib

from inputs import Context
from measure import Work, discard, measure, measure_memory, medians, progress
from peers import Buildah, Docker, NinjaAlone, compress, copy, docker_engine, stat_walk, storage
from project import Project, remove


class Bench:
    """What all groups of works need."""

    def __init__(self, settings, directory, skipped):
        self.settings, self.directory, self.skipped = settings, pathlib.Path(directory), skipped
        self.rounds, self.slow_rounds = settings.rounds, max(1, min(3, settings.rounds))
        self.facts = {}

    def wants(self, group, name=None):
        """--only takes groups ("many") and works ("many/edit")."""
        only = self.settings.only
        return (
            not only
            or group in only
            or (
                f"{group}/{name}" in only
                if name
                else any(word.startswith(group + "/") for word in only)
            )
        )

    def take(self, group, works, rounds=None, **facts):
        """Measures the requested tasks of a group, and their memory."""
        works = [work for work in works if self.wants(group, work.name)]
        progress(f"{group}: {len(works)} works")
        samples = measure(works, rounds or self.rounds, self.slow_rounds)
        return {
            **facts,
            "samples": samples,
            "medians": medians(samples),
            "memoryMiB": measure_memory(works),
            "kinds": {work.name: work.kind or work.name for work in works},
            "ours": [work.name for work in works if work.ours],
        }


def builders(bench, group, stack, directory, context):
    """Other builders of a context: [(name, builder)]."""
    found = []
    engine = None
    if any(
        bench.wants(group, f"{name}, {kind}")
        for name in ("BuildKit", "docker without BuildKit")
        for kind in ("null", "edit", "cold")
    ):
        engine = stack.enter_context(docker_engine(bench.directory, bench.skipped))
    if engine:
        bench.facts["docker storage"] = storage(engine)
        found.append(("BuildKit", Docker(engine, context, f"{group}-buildkit", True)))
        found.append(
            ("docker without BuildKit", Docker(engine, context, f"{group}-classic", False))
        )
    if any(bench.wants(group, f"buildah, {kind}") for kind in ("null", "edit", "cold")):
        buildah = bench.skipped.attempt(
            "buildah", Buildah, directory / "buildah", context, f"{group}-buildah"
        )
        if buildah:
            stack.callback(buildah.close)
            found.append(("buildah", buildah))
    working = []
    for name, builder in found:
        progress(f"{group}: first build by {name}")
        if bench.skipped.attempt(name, lambda builder=builder: builder.build() or True):
            working.append((name, builder))
    return working


def floors(project, copied):
    """What the machine needs at least to move the pack and to look at the files."""
    yield Work("stat walk", lambda: stat_walk(project.context.data), kind="floor")
    yield Work(
        "cp of the pack",
        lambda: copy(project.pack, copied),
        lambda: copied.unlink(missing_ok=True),
        kind="floor",
    )
    yield Work("cat of the pack", lambda: discard(["cat", project.pack]), kind="floor")
    yield Work(
        "openssl dgst -sha256 of the pack",
        lambda: discard(["openssl", "dgst", "-sha256", project.pack]),
        kind="floor",
    )


def own_works(project):
    def prepared(change):
        def prepare():
            project.up_to_date()
            change()

        return prepare

    everything = ("fingerprint", "image", "pack")
    checkouts = iter(range(1_000_000))
    yield Work("null", project.ninja, project.up_to_date, project.expect(), "null", ours=True)
    yield Work(
        "touch",
        project.ninja,
        prepared(project.context.touch),
        project.expect("fingerprint"),
        "touch",
        ours=True,
    )
    yield Work(
        "edit",
        project.ninja,
        prepared(project.context.edit),
        project.expect(*everything),
        "edit",
        ours=True,
    )
    # The same without Ninja.
    yield Work(
        "touch, tool alone",
        project.fingerprint,
        prepared(project.context.touch),
        project.expect("fingerprint"),
        "touch",
        ours=True,
    )
    yield Work(
        "edit, tools alone",
        project.tools,
        prepared(project.context.edit),
        project.expect(*everything),
        "edit",
        ours=True,
    )
    yield Work(
        "cold",
        project.ninja,
        project.forget,
        project.expect(*everything),
        "cold",
        ours=True,
        slow=True,
    )

    def leave():
        project.expect(*everything)()
        project.leave_checkout()

    def check_out():
        project.up_to_date()
        project.checkout(next(checkouts))

    yield Work(
        "clean checkout, warm store",
        project.ninja,
        check_out,
        leave,
        "checkout",
        ours=True,
        slow=True,
    )


def peers_works(context, found):
    """The peers have a separate context, which all of them see edited at once."""
    for name, builder in found:
        yield Work(f"{name}, null", builder.build, builder.bring_up_to_date, kind="null")
    for name, builder in found:

        def edited(builder=builder):
            if builder.built == context.version:
                context.edit()

        yield Work(f"{name}, edit", builder.build, edited, builder.tidy, kind="edit", slow=True)
    for name, builder in found:
        yield Work(f"{name}, cold", builder.build_anew, kind="cold", verify=builder.tidy, slow=True)


def context_group(bench, group, count, total):
    with contextlib.ExitStack() as stack:
        top = bench.directory / group
        top.mkdir()
        stack.callback(remove, top)
        project = Project(
            top / "ours", bench.settings, Context(top / "ours" / "context", count, total)
        )
        project.configure()
        project.ninja()
        theirs = Context(top / "theirs", count, total)
        alone = NinjaAlone(top / "ninja", [project.context.data])
        copied = top / "copy"
        works = [
            *own_works(project),
            Work("ninja alone, null", alone.run, alone.run, alone.verify, "null"),
            *peers_works(theirs, builders(bench, group, stack, top, theirs)),
            *floors(project, copied),
            Work(
                "tar | zstd of the context",
                lambda: compress(project.context.data, copied),
                kind="cold",
                slow=True,
            ),
        ]
        return bench.take(
            group, works, files=count, bytes=total, packBytes=project.pack.stat().st_size
        )


def one(bench):
    """A context of one file."""
    return context_group(bench, "one", 1, 10_000)


def many(bench):
    """A context of 20,000 files, 200 MB."""
    count = 2_000 if bench.settings.quick else 20_000
    return context_group(bench, "many", count, 10_000 * count)


def growth(bench):
    """Contexts of 2,000, 20,000 and 200,000 files of 1 kB."""
    counts = (200, 2_000, 20_000) if bench.settings.quick else (2_000, 20_000, 200_000)
    with contextlib.ExitStack() as stack:
        top = bench.directory / "growth"
        top.mkdir()
        stack.callback(remove, top)
        works, sizes = [], {}
        for count in counts:
            progress(f"growth: {count} files")
            project = Project(
                top / str(count),
                bench.settings,
                Context(top / str(count) / "context", count, 1_000 * count),
            )
            project.configure()
            project.ninja()
            sizes[count] = project.pack.stat().st_size
            for work in own_works(project):
                if work.name in ("null", "touch", "edit", "cold"):
                    work.name = f"{work.name}, {count} files"
                    works.append(work)
        return bench.take(
            "growth",
            works,
            rounds=min(3, bench.rounds),
            files=list(counts),
            packBytes=list(sizes.values()),
        )
