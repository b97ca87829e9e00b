# SPDX-License-Identifier: Apache-2.0
"""The results of a run as tables: text for a terminal, Markdown for docs/performance.md."""
import statistics
import textwrap

TITLES = {
    "one": "One file of 10 kB",
    "many": "{files} files, {megabytes} MB (pack: {pack} MB)",
    "debian": "A Debian image of {megabytes} MB in three layers, {files} entries (pack: {pack} MB)",
    "hundred": "{bottles} bottles of 200 files",
    "growth": "{files} files of 1 kB",
}
KINDS = ("configure", "null", "touch", "edit", "checkout", "cold", "floor")


def title(group, result):
    files = result.get("files", 0)
    return TITLES.get(group, group).format(
        files=(
            ", ".join(f"{count:,}" for count in files) if isinstance(files, list) else f"{files:,}"
        ),
        megabytes=round(result.get("bytes", 0) / 1e6),
        bottles=result.get("bottles", 0),
        pack=round(result["packBytes"] / 1e6) if isinstance(result.get("packBytes"), int) else 0,
    )


def rows(result):
    """(work, median, fastest, slowest, spread, ratio, MiB) in seconds, works of one kind together
    and ours first; the spread is half the middle half of the samples over the median; the ratio is
    the work's time over that of the first of its kind, None for that one."""
    kinds = result["kinds"]
    order = {kind: number for number, kind in enumerate(KINDS)}
    names = sorted(
        result["samples"],
        key=lambda name: (order.get(kinds[name], len(order)), name not in result["ours"]),
    )
    first = {}
    for name in names:
        samples = result["samples"][name]
        median = statistics.median(samples)
        reference = first.setdefault(kinds[name], median)
        quarter = (
            statistics.quantiles(samples, n=4, method="inclusive")
            if len(samples) > 1
            else [median] * 3
        )
        ratio = None if kinds[name] == "floor" or reference is median else median / reference
        yield name, median, min(samples), max(samples), (
            quarter[2] - quarter[0]
        ) / 2 / median, ratio, result["memoryMiB"].get(name)


def milliseconds(seconds):
    value = seconds * 1000
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def quantity(value, unit):
    return f"{number(value)} {unit}".rstrip()


def describe(document):
    machine = document["machine"]
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    quick = "QUICK, a tenth of the files: " if document["quick"] else ""
    return (
        f"{quick}{machine['cores']} cores of {machine['processor']}, {machine['memoryGiB']:g} GiB,"
        f" Linux {machine['kernel']}, on {machine['fileSystem']}; load {machine['load']} at the"
        f" start; {machine['when']}; {machine['bottle']}; {versions}"
        + (
            f"; Docker's storage: {machine['docker storage']}"
            if "docker storage" in machine
            else ""
        )
    )


def text(document):
    """For a terminal."""
    lines = [describe(document)]
    for group, result in document["results"].items():
        lines += [
            "",
            title(group, result),
            (
                f"  {'':38}{'median':>9}{'fastest':>9}{'slowest':>9} "
                f" ms{'spread':>8}{'ratio':>10}{'MiB':>7}"
            ),
        ]
        for name, median, fastest, slowest, spread, ratio, memory in rows(result):
            lines.append(
                f"  {name:38}"
                + "".join(f"{milliseconds(value):>9}" for value in (median, fastest, slowest))
                + f"{spread:12.0%}"
                + (f"{number(ratio):>10}" if ratio else f"{'':10}")
                + (f"{memory:7.0f}" if memory else "")
            )
    lines.append("")
    for aim in document["aims"]:
        lines.append(
            f"  {aim['name']:66}{quantity(aim['ratio'], aim['unit']):>10}  at most"
            f" {quantity(aim['aim'], aim['unit']):9}{'met' if aim['met'] else 'NOT met'}"
        )
    lines += [f"  not measured: {skip['name']}: {skip['reason']}" for skip in document["skipped"]]
    return "\n".join(lines)


def markdown(document):
    """For the documentation."""
    lines = [
        textwrap.fill(
            describe(document) + ".", 100, break_long_words=False, break_on_hyphens=False
        ),
        "",
        "| aim | found | at most | |",
        "|---|--:|--:|---|",
    ]
    for aim in document["aims"]:
        lines.append(
            f"| {aim['name'].replace('|', chr(92) + '|')} | {quantity(aim['ratio'], aim['unit'])} |"
            f" {quantity(aim['aim'], aim['unit'])} | {'met' if aim['met'] else '**not met**'} |"
        )
    for group, result in document["results"].items():
        lines += [
            "",
            f"### {title(group, result)}",
            "",
            (
                "Milliseconds. The spread is half the interquartile range; the ratio is to Bottle's"
                " first row of the"
            ),
            "same kind; memory is that of the largest process.",
            "",
            "| | median | fastest | slowest | spread | ratio | MiB |",
            "|---|--:|--:|--:|--:|--:|--:|",
        ]
        for name, median, fastest, slowest, spread, ratio, memory in rows(result):
            name = name.replace("|", "\\|")
            name = f"**{name}**" if name.replace("\\|", "|") in result["ours"] else name
            lines.append(
                f"| {name} | {milliseconds(median)} | {milliseconds(fastest)} |"
                f" {milliseconds(slowest)} | {spread:.0%} | {number(ratio) if ratio else ''} |"
                f" {f'{memory:.0f}' if memory else ''} |"
            )
    for skip in document["skipped"]:
        lines += ["", f"Not measured: {skip['name']}: {skip['reason']}."]
    return "\n".join(lines)
