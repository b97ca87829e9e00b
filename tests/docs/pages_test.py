#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds HTML and man pages two times with docs/sphinx/build: no warnings, the same bytes, all
pages, and links that lead somewhere. `bottle help` shows a page.

Usage: pages_test.py SOURCE_DIR TOOLS. Exit 77 if Sphinx or its parser of Markdown is not installed.
"""
import html.parser
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SECTIONS = {
    "7": [
        "bottle-cmake",
        "bottle-engines",
        "bottle-environment",
        "bottle-exit-status",
        "bottle-gates",
        "bottle-isolation",
    ],
    "5": ["bottle-key", "bottle-lock", "bottle-plan", "bottle-smolmachine", "bottle-store"],
}


class Page(html.parser.HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value)
            elif (tag, name) in (
                ("a", "href"),
                ("img", "src"),
                ("link", "href"),
                ("script", "src"),
            ):
                self.links.append(value)


def build(top, work, builder):
    out = work / builder
    done = subprocess.run(
        [
            top / "docs/sphinx/build",
            "--source",
            top,
            "--work",
            work / "work",
            "--out",
            out,
            "--version",
            "9.9.9",
            builder,
        ],
        text=True,
        capture_output=True,
        check=False,
        timeout=100,
        env={**os.environ, "SOURCE_DATE_EPOCH": "86400"},
    )
    if done.returncode or done.stderr:
        yield f"{builder}: exit status {done.returncode}: {done.stderr}"


def content(directory):
    return {
        path.relative_to(directory): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def check_links(out):
    pages = {path: Page(path) for path in out.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            if "://" in link or link.startswith("mailto:"):
                if "<script" in path.read_text(encoding="utf-8"):
                    yield f"{path.name}: a script"
                continue
            place = (path.parent / target).resolve() if target else path
            if not place.exists():
                yield f"{path.relative_to(out)}: the link {link} leads nowhere"
            elif anchor and place in pages and anchor not in pages[place].anchors:
                yield f"{path.relative_to(out)}: the link {link} has no target"


def check_manuals(top, out):
    expected = {
        f"{path.stem}.1" for path in [*(top / "docs/tools").glob("*.md"), top / "docs/bottle.md"]
    }
    expected |= {f"{name}.{section}" for section, names in SECTIONS.items() for name in names}
    found = {path.name.removesuffix(".gz") for path in out.glob("*.gz")}
    yield from (f"man: {name} is missing or unexpected" for name in sorted(expected ^ found))
    for name in sorted(expected & found):
        text = (out / name).read_text(encoding="utf-8")
        if ".SH NAME" not in text or ".SH DESCRIPTION" not in text or ".TS" in text:
            yield f"man: {name} has no NAME or no DESCRIPTION, or has a table"
        if text.rfind(".SH SEE ALSO") < text.rfind(".SS"):
            yield f"man: {name} has sections after SEE ALSO"
        if name.endswith(".1") and ".SH SYNOPSIS" not in text:
            yield f"man: {name} has no SYNOPSIS"


def check_help(tools, out):
    """`bottle help image` shows the man page."""
    if not shutil.which("man"):
        return
    section = out.parent / "share/man1"
    section.mkdir(parents=True)
    for page in out.glob("*.1.gz"):
        shutil.copy(page, section)
    environment = {
        **os.environ,
        "MANPATH": str(section.parent),
        "MANPAGER": "cat",
        "PAGER": "cat",
        "COLUMNS": "100",
        "LC_ALL": "C",
    }
    for command, expected in (
        (["help", "image"], "BOTTLE-IMAGE(1)"),
        (["help"], "fingerprint  compute"),
        (["--version"], "bottle "),
        (["pack", "--help"], "Usage: bottle-pack"),
    ):
        done = subprocess.run(
            [tools / "bottle", *command],
            env=environment,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode or expected not in done.stdout:
            yield (
                f"bottle {' '.join(command)}: exit status {done.returncode}, without"
                f' "{expected}": {done.stdout[:200]}{done.stderr}'
            )
    done = subprocess.run([tools / "bottle", "imagee"], text=True, capture_output=True, check=False)
    if done.returncode != 2 or "not a tool" not in done.stderr:
        yield f"bottle imagee: exit status {done.returncode}: {done.stderr}"


def main():
    top, tools = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    sphinx = shutil.which("sphinx-build")
    probe = (
        pathlib.Path(sphinx)
        .read_text(encoding="utf-8")
        .split("\n", 1)[0]
        .removeprefix("#!")
        .split()
        if sphinx
        else None
    )
    if (
        not probe
        or subprocess.run(
            [*probe, "-c", "import myst_parser"], capture_output=True, check=False
        ).returncode
    ):
        print(
            "skipped: sphinx-build or myst_parser is not installed (Debian: python3-sphinx,"
            " python3-myst-parser)"
        )
        return 77
    with tempfile.TemporaryDirectory(dir=".") as directory:
        first, second = (
            pathlib.Path(directory).resolve() / "1",
            pathlib.Path(directory).resolve() / "2",
        )
        found = [
            line
            for work in (first, second)
            for builder in ("html", "man")
            for line in build(top, work, builder)
        ]
        if not found:
            found += [
                f"{builder}: {path} differs"
                for builder in ("html", "man")
                for path in sorted(
                    {
                        key
                        for key, _ in content(first / builder).items()
                        ^ content(second / builder).items()
                    }
                )
            ]
            found += [
                *check_links(first / "html"),
                *check_manuals(top, first / "man"),
                *check_help(tools, first / "man"),
            ]
    print("\n".join(found) or "no warnings, no differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
