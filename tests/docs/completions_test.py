#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completes command lines in real shells, with the files of completions/generate.

Usage: completions_test.py --completions DIR --shell bash|zsh|fish. Exit 77 if the shell is not
installed.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# The command line, the completions that it must have, and those that it must not have.
CASES = [
    ("bottle-image ", ["build", "export", "load", "docker"], ["--spec"]),
    ("bottle-image bu", ["build"], ["export"]),
    ("bottle-image build --eng", ["--engine"], ["--store"]),
    (
        "bottle-image build --engine ",
        ["builtin", "docker", "podman", "buildah", "buildx"],
        ["build"],
    ),
    ("bottle-image build --engine bui", ["builtin", "buildah", "buildx"], ["docker"]),
    ("bottle-image build --file ", ["Dockerfile"], ["builtin"]),
    ("bottle-image build --context ", ["context"], ["Dockerfile"]),
    ("bottle-image build --file=Dock", ["Dockerfile"], []),
    ("bottle-image docker t", ["tag"], ["build"]),
    ("bottle-image docker --on-failure ", ["fail", "status", "ignore"], []),
    ("bottle-cache --store verify g", ["gc"], []),
    ("bottle-cache gc --max", ["--max-size", "--max-age"], []),
    ("bottle-cache gc --js", ["--json"], []),
    ("bottle-pack inspect ", ["a.smolmachine", "Dockerfile"], ["inspect"]),
    ("bottle-pack extract --what ", ["rootfs", "raw"], []),
    ("bottle-fingerprint --emit ", ["key", "text", "depfile"], []),
    ("bottle-registry push --compression ", ["gzip", "zstd", "none"], []),
    ("bottle-registry serve --max-", ["--max-connections"], []),
    ("bottle ", ["image", "pack", "help"], ["bottle-image"]),
    ("bottle help re", ["registry"], ["image"]),
    ("bottle image build --engine b", ["builtin", "buildx"], []),
    ("bottle image docker exi", ["exists"], []),
]

# Readline splits words at "=" too, as COMP_WORDBREAKS says. COMPREPLY has the part after it.
BASH = """
for file in "$COMPLETIONS"/bash/*; do source "$file"; done
while IFS= read -r line; do
  read -r -a COMP_WORDS <<<"${line//=/ = }"
  [[ $line == *" " ]] && COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
  function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
  "$function" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  echo "${COMPREPLY[@]}"
done
"""

FISH = """
for file in "$COMPLETIONS"/fish/*.fish; source "$file"; end
while read --line line
  string join -- ' ' (complete --do-complete "$line" | string replace --regex '\\t.*' '' | string replace --regex '^--[a-z-]+=' '')
end
"""

# A shell in a pseudo-terminal, because zsh completes in its line editor only. compadd is replaced
# by a function that records what it would add.
ZSH = """
zmodload zsh/zpty
inner() {
  fpath=("$COMPLETIONS/zsh" $fpath)
  PS1= PS2= PROMPT_EOL_MARK=
  unsetopt beep
  autoload -Uz compinit && compinit -D -u
  bindkey -e
  bindkey '^I' complete-word
  compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
    local -a hits
    builtin compadd -A hits "$@"
    found+=($hits)
    builtin compadd "$@"
  }
  comppostfuncs=(report)
  report() { print -rn -- "<<${found[*]}>>"; found=(); compstate[insert]= compstate[list]= ; comppostfuncs=(report) }
  typeset -ga found
  stty -onlcr -echo 2>/dev/null
}
zpty shell 'zsh -f -i'
zpty -w shell "$(functions inner); COMPLETIONS=$COMPLETIONS; cd $PWD; inner; print ready-'now'"
zpty -r shell text '*ready-now*'
while IFS= read -r line; do
  zpty -w -n shell $'\\C-u'"$line"$'\\t'
  if zpty -r -m shell text '*<<*>>*'; then print -r -- ${${text##*<<}%%>>*}; else print -; fi
done
zpty -d shell
"""
PROGRAMS = {
    "bash": (["bash", "--norc", "-c"], BASH),
    "fish": (["fish", "--no-config", "-c"], FISH),
    "zsh": (["zsh", "-f", "-c"], ZSH),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--completions", type=pathlib.Path, required=True)
    parser.add_argument("--shell", choices=PROGRAMS, required=True)
    options = parser.parse_args()
    if not shutil.which(options.shell):
        print(f"skipped: {options.shell} is not installed")
        return 77
    command, script = PROGRAMS[options.shell]
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        (work / "context").mkdir()
        for name in ("Dockerfile", "a.smolmachine"):
            (work / name).touch()
        environment = {
            **os.environ,
            "COMPLETIONS": str(options.completions.resolve()),
            "HOME": directory,
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(
            [*command, script],
            input="".join(f"{line}\n" for line, _, _ in CASES),
            cwd=work,
            env=environment,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
    answers = done.stdout.splitlines()
    failures = 0
    for number, (line, present, absent) in enumerate(CASES):
        words = (
            [word.rstrip("/") for word in answers[number].split()]
            if number < len(answers)
            else ["(no answer)"]
        )
        wrong = [f"no {word}" for word in present if word not in words] + [
            f"has {word}" for word in absent if word in words
        ]
        if wrong:
            failures += 1
            print(f'{options.shell}: "{line}": {", ".join(wrong)}: {" ".join(words)}')
    if done.stderr:
        failures += 1
        print(done.stderr)
    print(f"{options.shell}: {len(CASES) - failures} of {len(CASES)} command lines")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
