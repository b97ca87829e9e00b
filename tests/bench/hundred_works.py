# SPDX-License-Identifier: Apache-2.0
"""What is measured over a project of many bottles."""
import contextlib

from inputs import Context
from measure import Work
from peers import NinjaAlone
from project import Hundred, Project, remove
from works import Bench


def hundred(bench: Bench):
    """100 bottles of 200 files each, beside a project of one of them."""
    count = 10 if bench.settings.quick else 100
    with contextlib.ExitStack() as stack:
        top = bench.directory / "hundred"
        top.mkdir()
        stack.callback(remove, top)
        contexts = [
            Context(top / "ours" / "contexts" / str(number), 200, 2_000_000)
            for number in range(count)
        ]
        project = Hundred(top / "ours", bench.settings, contexts)
        project.configure()
        project.ninja()
        single = Project(
            top / "single", bench.settings, Context(top / "single" / "context", 200, 2_000_000)
        )
        single.configure()
        single.ninja()
        alone = NinjaAlone(top / "ninja", [context.data for context in contexts])
        turn = iter(range(1_000_000))

        def edit():
            project.up_to_date()
            contexts[next(turn) % count].edit()

        def edit_single():
            single.up_to_date()
            single.context.edit()

        everything = ("fingerprint", "image", "pack")
        works = [
            Work("configure", project.configure, project.configure_anew, kind="configure"),
            Work("configure again", project.configure, project.up_to_date, kind="configure"),
            Work("null", project.ninja, project.up_to_date, project.expect(), "null", ours=True),
            Work("edit", project.ninja, edit, project.expect(*everything), "edit", ours=True),
            Work(
                "null, one bottle",
                single.ninja,
                single.up_to_date,
                single.expect(),
                "null",
                ours=True,
            ),
            Work(
                "edit, one bottle",
                single.ninja,
                edit_single,
                single.expect(*everything),
                "edit",
                ours=True,
            ),
            Work("ninja alone, null", alone.run, alone.run, alone.verify, "null"),
            Work(
                "cold",
                project.ninja,
                project.forget,
                project.expect(*(everything * count)),
                "cold",
                ours=True,
                slow=True,
            ),
        ]
        return bench.take(
            "hundred", works, bottles=count, files=200 * count, bytes=2_000_000 * count
        )
