# SPDX-License-Identifier: Apache-2.0
"""Programs that stop at breakpoints of a test until it releases them: wrappers on the PATH of what
the test starts.

    breakpoints = breakpoint_fixture.Breakpoints(top)  # makes top/bin, the first on the PATH
    breakpoints.wrap("docker", "/usr/bin/docker")
    process = Popen(..., env={**environment, **breakpoints.at("before load")})
    breakpoints.await_reached(process)  # docker load is started, and has done nothing
    breakpoints.release()               # now it does it

"after load" is when it has done everything and has not ended. The words behind are the beginning of
the command line. What is held ends by any signal. Each of them, and all that they start, carry a
mark in their environment by which `processes` finds them."""
import os
import pathlib
import time

SECONDS = 240
MARK = "BREAKPOINT_MARK"


def wait_for(condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not after {SECONDS} s")
        time.sleep(0.02)


class Breakpoints:
    def __init__(self, top):
        self.bin = top / "bin"
        self.bin.mkdir(exist_ok=True)
        self.calls_file = top / "calls"
        self.reached_file = top / "reached"
        self.gate = top / "gate"
        os.mkfifo(self.gate)
        self.mark = os.urandom(16).hex()

    def wrap(self, program, real):
        """$HANG is a command that never ends."""
        file = self.bin / program
        file.write_text(
            f"""#!/bin/sh
echo {program} "$@" >> "{self.calls_file}"
if [ "$HANG" = "$1" ]; then exec sleep 1000; fi
hold() {{ echo > "{self.reached_file}"; read -r word < "{self.gate}"; }}
case "$* " in "${{HOLD_BEFORE:-nothing}} "*) hold;; esac
case "$* " in "${{HOLD_AFTER:-nothing}} "*) "{real}" "$@"; status=$?; hold; exit $status;; esac
exec "{real}" "$@"
""",
            encoding="utf-8",
        )
        file.chmod(0o755)

    def at(self, where):
        """The environment of a process that stops there; "" is nowhere."""
        self.reached_file.unlink(missing_ok=True)
        when, _, words = where.partition(" ")
        return {MARK: self.mark, **({f"HOLD_{when.upper()}": words} if where else {})}

    def is_reached(self):
        return self.reached_file.exists()

    def await_reached(self, process):
        wait_for(lambda: self.is_reached() or process.poll() is not None, "where it is to be held")
        if not self.is_reached():
            raise AssertionError(
                f"it ended with {process.returncode} before it was where it is to be held"
            )

    def release(self):
        """Releases stopped processes, if there are any."""
        try:
            with open(
                os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK), "w", encoding="utf-8"
            ) as gate:
                gate.write("go\n")
        except OSError:  # ENXIO: no process reads
            pass

    def processes(self):
        """Numbers of those that carry the mark."""
        return with_text("environ", f"{MARK}={self.mark}")


def with_text(name, text):
    """The processes that have this among the texts of their environ or cmdline."""
    found = []
    for file in pathlib.Path("/proc").glob(f"[0-9]*/{name}"):
        try:
            if text.encode() in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
        except OSError:  # it has ended
            pass
    return found


def listening(processes):
    """The TCP addresses and the sockets of the file system that these processes listen at."""
    sockets = {}
    for table, state in (("tcp", "0A"), ("tcp6", "0A")):
        for line in pathlib.Path("/proc/net", table).read_text(encoding="utf-8").splitlines()[1:]:
            words = line.split()
            if words[3] == state:
                sockets[words[9]] = f"{table} {words[1]}"
    for line in (
        pathlib.Path("/proc/net/unix")
        .read_text(encoding="utf-8", errors="replace")
        .splitlines()[1:]
    ):
        words = line.split()
        if int(words[3], 16) & 0x10000 and len(words) > 7:
            sockets[words[6]] = f"unix {words[7]}"
    found = set()
    for process in processes:
        try:
            for descriptor in pathlib.Path(f"/proc/{process}/fd").iterdir():
                target = os.readlink(descriptor)
                if target.startswith("socket:["):
                    found.add(sockets.get(target[8:-1]))
        except OSError:
            pass
    return sorted(found - {None})


def in_namespace_of(process):
    """The processes that see each other with this one."""
    space = os.readlink(f"/proc/{process}/ns/pid")
    found = []
    for link in pathlib.Path("/proc").glob("[0-9]*/ns/pid"):
        try:
            if os.readlink(link) == space:
                found.append(int(link.parts[2]))
        except OSError:
            pass
    return found
