#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the reference pages with the code: options, targets, variables, properties, exit status,
names of tools.

Usage: reference_test.py SOURCE_DIR TOOLS. Environment variables: tests/environment. Exit 0, or 1
with a line for each difference.
"""
import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
WIDTH = 100
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-z](?![\w-]))")
# Pages that describe a part of a tool.
PARTS = {"bottle-registry": ["bottle-registry-serve"]}
# Options that pages name and that belong to other programs or to flags of Dockerfile instructions.
FOREIGN = {
    "bottle-fingerprint": {"--mount", "--security"},
    "bottle-image": {"--mount", "--security"},
    "bottle-cache": {"--mount"},
    "bottle-lock": {"--mount"},
}


def tree(tool):
    return json.loads(
        subprocess.run(
            [tool, "--describe-command-line"], check=True, capture_output=True, text=True
        ).stdout
    )


def options(command):
    found = {name for option in command["options"] for name in option["names"]}
    return found.union(*(options(child) for child in command["commands"]))


def commands(command):
    for child in command["commands"]:
        yield child["name"]
        yield from commands(child)


def first_cells(text):
    """The names in code style in the first column of all tables, in order."""
    for row in re.findall(r"^\| (?!--)(.*?)(?<!\\) \|", text, re.MULTILINE):
        yield from re.findall(r"`([^`]+)`", row)


def section(text, heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]


def compare(place, kind, code, page):
    page = list(page)
    for name in sorted(set(code) - set(page)):
        yield f"{place}: the {kind} {name} is not described"
    for name in sorted(set(page) - set(code)):
        yield f"{place}: the {kind} {name} does not exist"
    for name in sorted({name for name in page if page.count(name) > 1}):
        yield f"{place}: the {kind} {name} is described twice"


def check_options(top, trees):
    for tool in trees:
        name = tool["name"]
        pages = [top / f"docs/tools/{page}.md" for page in [name, *PARTS.get(name, [])]]
        text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
        indented = re.findall(rf"^    {name} .*$", text, re.MULTILINE)
        named = {
            option for code in [*CODE.findall(text), *indented] for option in OPTION.findall(code)
        }
        known = options(tool)
        common = {"-h", "-q", "--help", "--version", "--quiet", "--json"}  # docs/bottle.md
        for option in sorted(known - named - common):
            yield f"docs/tools/{name}.md: the option {option} is not described"
        for command in commands(tool):
            if not re.search(rf"[`\s|]{re.escape(command)}\b", text):
                yield f"docs/tools/{name}.md: the command {command} is not described"
        # Lines of commands, and the first column of tables.
        lines = re.findall(rf"^\s*(?:\$ )?{name} (.*)$", text, re.MULTILINE)
        used = {
            option
            for line in lines
            for option in OPTION.findall(re.sub(r"\| [a-z].*|[#].*", "", line))
        }
        used |= {
            option
            for cell in first_cells(text)
            if cell.startswith("-")
            for option in OPTION.findall(cell)
        }
        for option in sorted(used - known - FOREIGN.get(name, set())):
            yield f"docs/tools/{name}.md: the option {option} does not exist"


def check_cmake(top):
    page = (top / "docs/cmake.md").read_text(encoding="utf-8")
    sources = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted((top / "cmake").glob("*.cmake"))
    }
    public = "\n".join(
        text
        for name, text in sources.items()
        if name not in ("BottleDocs.cmake", "BottleBuild.cmake", "BottlePackage.cmake")
    )
    targets = set()
    for target in re.findall(r"add_custom_target\(((?!_)\S+?)[\s)]", public):
        target = target.replace("${slug}", "<slug>")
        targets |= (
            {target.replace("${command}", word) for word in ("up", "down")}
            if "${command}" in target
            else {target}
        )
    yield from compare("docs/cmake.md", "target", targets, first_cells(section(page, "Targets")))
    settings = sources["BottleSettings.cmake"]
    known = [
        f"BOTTLE_{name}"
        for words in re.findall(
            r"GLOBAL PROPERTY _BOTTLE_(?:PROPERTIES|VARIABLES)\n?(.*?)\)", settings, re.DOTALL
        )
        for name in words.split()
    ]
    yield from compare("docs/cmake.md", "setting", known, first_cells(section(page, "Settings")))
    own = "\n".join(
        [
            (top / "CMakeLists.txt").read_text(encoding="utf-8"),
            (top / "tests/CMakeLists.txt").read_text(encoding="utf-8"),
            *(
                text
                for name, text in sources.items()
                if f"include({name.removesuffix('.cmake')})"
                in (top / "CMakeLists.txt").read_text(encoding="utf-8")
            ),
        ]
    )
    switches = set(re.findall(r"^\s*option\((BOTTLE_\w+)", own, re.MULTILINE))
    switches |= set(
        re.findall(r"^\s*set\((BOTTLE_\w+)[^\n]* CACHE (?!INTERNAL)", own, re.MULTILINE)
    )
    yield from compare(
        "docs/cmake.md", "variable", switches, first_cells(section(page, "Ways to use the package"))
    )
    for module in ("AddBottle", "AddGate", "Bottle", "BottleOutputs"):
        if f"(../cmake/{module}.cmake)" not in page:
            yield f"docs/cmake.md: no link to cmake/{module}.cmake"


def check_exit_status(top):
    page = (top / "docs/exit-status.md").read_text(encoding="utf-8")
    enumerators = re.search(
        r"enum ToolExit : int \{(.*?)\}",
        (top / "src/util/tool_main.hpp").read_text(encoding="utf-8"),
    )[1]
    described = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    yield from compare(
        "docs/exit-status.md", "exit status", re.findall(r"= (\d+)", enumerators), described
    )
    for source in sorted((top / "tools").glob("*.cpp")):
        if "kCheckFound" in source.read_text(encoding="utf-8") and source.stem.startswith(
            "bottle_"
        ):
            tool = "bottle-" + source.stem.split("_")[1]
            if not any(name.startswith(f"{tool} ") for name in first_cells(page)):
                yield f"docs/exit-status.md: no row for {tool}, which uses status 3 ({source.name})"
    for page in sorted((top / "docs/tools").glob("*.md")):
        if "xit status" not in page.read_text(encoding="utf-8"):
            yield f"docs/tools/{page.name}: no exit status"


def check_names(top, trees):
    names = [tool["name"] for tool in trees]
    text = (top / "tools/bottle").read_text(encoding="utf-8")
    yield from compare(
        "tools/bottle",
        "tool",
        [name.removeprefix("bottle-") for name in names],
        re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE),
    )
    page = (top / "docs/bottle.md").read_text(encoding="utf-8")
    yield from compare(
        "docs/bottle.md", "tool", names, re.findall(r"^\| \[(\S+)\]", page, re.MULTILINE)
    )


def check_lines(top):
    """A row of a table cannot be wrapped, nor a long word such as a URL."""
    for page in [*sorted((top / "docs").rglob("*.md")), *sorted(top.glob("*.md"))]:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if len(line) > WIDTH and not line.startswith("|") and " " in line.strip():
                yield f"{page.relative_to(top)}:{number}: {len(line)} columns, at most {WIDTH}"


def check_links(top):
    """Links of the pages beside docs/ to files. docs/sphinx/build checks those of docs/."""
    for page in sorted(top.glob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target) and not (top / target).exists():
                yield f"{page.name}: the link {target} leads nowhere"


def main():
    top, tools = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    # The directory has programs of tests too.
    names = re.search(
        r"_bottle_all_tools ([a-z ]+)\)",
        (top / "cmake/BottleToolNames.cmake").read_text(encoding="utf-8"),
    )[1].split()
    trees = [tree(tools / f"bottle-{name}") for name in names]
    found = [
        *check_options(top, trees),
        *check_cmake(top),
        *check_exit_status(top),
        *check_names(top, trees),
        *check_lines(top),
        *check_links(top),
    ]
    print(
        "\n".join(found)
        or f"{len(trees)} tools, {sum(len(options(tool)) for tool in trees)} options: no differences"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
