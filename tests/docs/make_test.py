#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of docs/make.md, in the order of the page, in an empty directory.

Usage: make_test.py PAGE TOOLS. A block of "sh" is run by bash and stops at the first command that
fails; a block that begins with "# <name>" is that file. Blocks of other languages are only shown.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def main():
    page, tools = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    if not shutil.which("make"):
        print("skipped: make is not installed")
        return 77
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    script = ["set -eux"]
    with tempfile.TemporaryDirectory(dir=".") as directory:
        work = pathlib.Path(directory).resolve()
        for number, (language, text) in enumerate(blocks):
            if language == "sh":
                script.append(text)
            elif name := re.match(r"# (\S+)\n", text):
                (work / f"{number}.file").write_text(text, encoding="utf-8")
                script.append(f"cp {work / f'{number}.file'} {name[1]}")
        (work / "project").mkdir()
        environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "BOTTLE_CACHE_DIR": str(work / "store"),
            "MAKEFLAGS": "",
        }
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=work / "project",
            env=environment,
            check=False,
            timeout=60,
        )
    commands = len([language for language, _ in blocks if language == "sh"])
    print(f"{page.name}: {commands} blocks of commands, exit status {done.returncode}")
    return 0 if done.returncode == 0 and commands >= 5 else 1


if __name__ == "__main__":
    sys.exit(main())
