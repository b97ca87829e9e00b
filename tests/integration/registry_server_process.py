# SPDX-License-Identifier: Apache-2.0
"""The process of a registry server, observed from outside: memory, sockets."""
import os
import pathlib
import socket
import time

from server_fixture import DEADLINE


def eventually(condition, what):
    """Waits for a condition of another process."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE} s: {what}")
        time.sleep(0.01)


def memory_of(process):
    """Resident, and the most there has been, in KiB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return tuple(int(status.split(f"{name}:")[1].split()[0]) for name in ("VmRSS", "VmHWM"))


def sockets_of(process):
    count = 0
    for file in pathlib.Path(f"/proc/{process}/fd").iterdir():
        try:
            count += os.readlink(file).startswith("socket:")
        except FileNotFoundError:  # closed since
            pass
    return count


def can_connect(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
