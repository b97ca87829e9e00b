# SPDX-License-Identifier: Apache-2.0
"""Running a program under valgrind's callgrind so that the count of its instructions does not
depend on the machine, and reading what it wrote."""
import collections
import os
import platform
import re
import shutil
import subprocess

# Libraries choose code by the processor. Valgrind shows the same processor wherever the real one
# has AVX2; these take out what more there may be: OpenSSL is told what there is (up to AVX2), glibc
# what there is not, and how large the caches are.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "BOTTLE_JOBS": "1",
    "OPENSSL_ia32cap": "0x1818020307000000:0x128",
    "GLIBC_TUNABLES": (
        "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-AVX2,-AVX,-BMI2,-LZCNT,-MOVBE,-RTM,-ERMS,-FSRM:glibc.cpu.x86_data_cache_size=0x8000:"
        "glibc.cpu.x86_shared_cache_size=0x100000:glibc.cpu.x86_non_temporal_threshold=0xc0000"
    ),
}


def missing():
    """Why it cannot be done here, or None."""
    for program in ("valgrind", "setarch"):
        if not shutil.which(program):
            return f"needs {program}, which is not installed"
    if platform.machine() != "x86_64":
        return f"needs x86_64, this is {platform.machine()}"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if not re.search(
            r"^flags\s*:.*\bavx2\b.*\bbmi2\b|^flags\s*:.*\bbmi2\b.*\bavx2\b",
            file.read(),
            re.MULTILINE,
        ):
            return (
                "needs a processor with AVX2 and BMI2, as valgrind shows the programs the one that"
                " there is"
            )
    return None


def valgrind_version():
    return subprocess.run(
        ["valgrind", "--version"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def count(command, store, output):
    """{function: instructions} of a command, which must succeed. The file `output` is written and
    removed."""
    words = [
        "setarch",
        "--addr-no-randomize",
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={output}",
        "--error-exitcode=99",
        *map(str, command),
    ]
    result = subprocess.run(
        words,
        env={**ENVIRONMENT, "BOTTLE_CACHE_DIR": str(store)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}\nended with {result.returncode}:\n{result.stdout}")
    try:
        with open(output, encoding="utf-8", errors="replace") as file:
            return functions(file)
    finally:
        os.unlink(output)


def functions(lines):
    """Own cost by function; functions without a name count together for their library. Format:
    valgrind's manual, "Callgrind Format Specification": names are written once, "fn=(1) main", then
    "fn=(1)"; after "calls=" comes a line with the cost of what was called, which is not this
    function's own."""
    names, objects, costs = {}, {}, collections.Counter()
    current, library, skip, total = "", "", False, None
    for line in lines:
        if line.startswith("fn="):
            number, _, name = line[3:].strip().partition(" ")
            if name:
                names[number] = name
            current = (
                f"{library}, functions without names"
                if names[number].startswith("0x")
                else names[number]
            )
        elif line.startswith(("ob=", "cob=")):
            number, _, path = line.partition("=")[2].strip().partition(" ")
            if path:
                objects[number] = os.path.basename(path)
            if line.startswith("ob="):
                library = objects[number]
        elif line.startswith("cfn="):
            number, _, name = line[4:].strip().partition(" ")
            if name:
                names[number] = name
        elif line.startswith("calls="):
            skip = True
        elif line.startswith("totals:"):
            total = int(line.split()[1])
        elif line[:1] in "0123456789+-*" and line.strip():
            if skip:
                skip = False
            else:
                costs[current] += int(line.split()[1])
    if total != sum(costs.values()):
        raise RuntimeError(
            f"callgrind says that {total} instructions were executed, but those of its functions"
            f" are {sum(costs.values())}"
        )
    return costs
