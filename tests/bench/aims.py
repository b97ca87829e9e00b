# SPDX-License-Identifier: Apache-2.0
"""The aims: what a work may take beside others of the same run. Each is a row of the table in
docs/performance.md."""
import dataclasses
import math
import typing


@dataclasses.dataclass
class Aim:
    name: str
    aim: float
    figure: typing.Callable  # of the results; a KeyError or StatisticsError: not measured
    unit: str = ""  # of the figure; none for a ratio


class Results:
    """Medians of a run, by group and work."""

    def __init__(self, groups):
        self.groups = groups

    def median(self, group, work):
        return self.groups[group]["medians"][work]

    def over(self, group, work, *others):
        """The work's time over that of the others together."""
        return self.median(group, work) / sum(self.median(group, other) for other in others)

    def memory(self, *groups):
        return max(
            value
            for group in groups
            if group in self.groups
            for value in self.groups[group]["memoryMiB"].values()
        )

    def growth(self, work):
        """The exponent e of time = c * files^e between the smallest and the largest context."""
        counts = self.groups["growth"]["files"]
        times = [
            self.median("growth", f"{work}, {count} files") for count in (counts[0], counts[-1])
        ]
        return math.log(times[1] / times[0]) / math.log(counts[-1] / counts[0])


AIMS = [
    Aim(
        "null build / docker build fully cached",
        1 / 6,
        lambda r: r.over("many", "null", "BuildKit, null"),
    ),
    Aim(
        "null build / ninja alone with as many dependencies",
        2,
        lambda r: r.over("many", "null", "ninja alone, null"),
    ),
    Aim("touch / stat walk", 3, lambda r: r.over("many", "touch", "stat walk")),
    Aim(
        "edit to the pack / docker build (BuildKit)",
        1 / 15,
        lambda r: r.over("many", "edit", "BuildKit, edit"),
    ),
    Aim(
        "edit to the pack / (stat walk + cp of the pack)",
        3,
        lambda r: r.over("many", "edit", "stat walk", "cp of the pack"),
    ),
    Aim(
        "cold build and pack / docker build (BuildKit, no cache)",
        1 / 2,
        lambda r: r.over("many", "cold", "BuildKit, cold"),
    ),
    Aim(
        "cold pack of the 400 MB image / tar | zstd of its tree",
        1.1,
        lambda r: r.over("debian", "cold pack of the image", "tar | zstd of the tree"),
    ),
    Aim(
        "repack after an edit in the top layer / cp of the pack",
        2,
        lambda r: r.over("debian", "repack after an edit", "cp of the pack"),
    ),
    Aim(
        "edit in the top layer to the pack / full pipeline",
        1 / 100,
        lambda r: r.over(
            "debian", "edit, to the finished pack", "docker, push, pull, merge, compress"
        ),
    ),
    Aim(
        "clean checkout, warm store / (2 cp of the pack + 100 ms)",
        1,
        lambda r: r.median("many", "clean checkout, warm store")
        / (2 * r.median("many", "cp of the pack") + 0.1),
    ),
    Aim("100 bottles: configure", 1, lambda r: r.median("hundred", "configure"), "s"),
    Aim("100 bottles: null build", 0.2, lambda r: r.median("hundred", "null"), "s"),
    # What one bottle costs where it is alone, and the null build of all.
    Aim(
        "100 bottles: one edit / (one bottle's edit + null build)",
        1.1,
        lambda r: r.median("hundred", "edit")
        / (r.median("hundred", "edit, one bottle") + r.median("hundred", "null")),
    ),
    Aim(
        "peak memory, any of these",
        200,
        lambda r: r.memory("one", "many", "debian", "hundred"),
        "MiB",
    ),
    Aim("peak memory, 200,000 files", 200, lambda r: r.memory("growth"), "MiB"),
    *[
        Aim(
            f"growth from 2,000 to 200,000 files: {work}, exponent",
            1.1,
            lambda r, work=work: r.growth(work),
        )
        for work in ("null", "touch", "edit", "cold")
    ],
]


def judge(groups):
    """The aims that this run can say something of: {name, ratio, aim, met, unit}."""
    results, found = Results(groups), []
    for aim in AIMS:
        try:
            figure = aim.figure(results)
        except (KeyError, ValueError):
            continue
        found.append(
            {
                "name": aim.name,
                "ratio": round(figure, 4),
                "aim": round(aim.aim, 4),
                "met": figure <= aim.aim,
                "unit": aim.unit,
            }
        )
    return found
