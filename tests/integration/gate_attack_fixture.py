# SPDX-License-Identifier: Apache-2.0
"""A client of a git-gate that speaks git's protocol by hand."""
import io
import socket
import subprocess

import gate_fixture
from gate_fixture import git
from gate_case_fixture import GateCase


def packet(text):
    data = text if isinstance(text, bytes) else text.encode()
    return b"%04x" % (len(data) + 4) + data


def lines_of(stream):
    """Packets up to a flush packet (gitprotocol-common(5))."""
    while True:
        size = int(stream.read(4) or b"0", 16)
        if size == 0:
            return
        yield stream.read(size - 4)


def said_at_last(connection, stream, data):
    """All that comes back for `data` until the other side closes. Who refuses may do so without
    reading it all; then what was said before that counts, and an error of the connection is its
    end."""
    said = b""
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        while more := stream.read1():
            said += more
    except ConnectionResetError:
        pass
    return said


def push_by_hand(port, name, commands, pack, shallow=()):
    """receive-pack's side of gitprotocol-pack(5): (old, new, ref) as they are given, and all that
    it answers."""
    with (
        socket.create_connection(("127.0.0.1", port), gate_fixture.DEADLINE) as connection,
        connection.makefile("rwb") as stream,
    ):
        stream.write(packet(f"git-receive-pack /{name}.git\0host=127.0.0.1\0"))
        stream.flush()
        list(lines_of(stream))
        sent = [packet(f"shallow {commit}") for commit in shallow]
        sent += [
            packet(f"{old} {new} {ref}" + ("\0report-status side-band-64k" if number == 0 else ""))
            for number, (old, new, ref) in enumerate(commands)
        ]
        # The pack says itself where it ends.
        said = said_at_last(connection, stream, b"".join(sent) + b"0000" + pack)
        return b"".join(line[1:] for line in lines_of(io.BytesIO(said))).decode(errors="replace")


class AttackCase(GateCase):
    def objects(self, *revisions):
        """The ids of what leads from the first revision to the others."""
        listed = git("rev-list", "--objects", *revisions, cwd=self.work).stdout
        return [line.split(" ")[0] for line in listed.splitlines()]

    def pack(self, ids):
        return subprocess.run(
            ["git", "pack-objects", "--stdout", "-q"],
            cwd=self.work,
            input="".join(f"{id_}\n" for id_ in ids).encode(),
            stdout=subprocess.PIPE,
            check=True,
            env=gate_fixture.clean_environment(),
        ).stdout

    def send(self, commands, ids, **more):
        return push_by_hand(self.gate.port, self.name, commands, self.pack(ids), **more)

    def tip(self, revision="HEAD"):
        return git("rev-parse", revision, cwd=self.work).stdout.strip()

    def blob(self, text):
        return git("hash-object", "-w", "--stdin", cwd=self.work, input=text).stdout.strip()

    def tree(self, *entries):
        return git(
            "mktree", "--missing", cwd=self.work, input="".join(f"{entry}\n" for entry in entries)
        ).stdout.strip()

    def commit_of(self, tree, *parents):
        return git(
            "commit-tree",
            "-m",
            "Made",
            *(word for parent in parents for word in ("-p", parent)),
            tree,
            cwd=self.work,
        ).stdout.strip()
