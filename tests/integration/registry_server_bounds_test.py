#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits of `bottle-registry serve` against bad clients; exchange with other programs."""
import concurrent.futures
import contextlib
import os
import socket
import subprocess
import time

import images
import system_fixture
import server_fixture
from server_fixture import DEADLINE
from registry_server_process import eventually, memory_of, sockets_of


class Bounds(server_fixture.TestCase):
    PATIENT = (
        "--idle-timeout",
        "3600",
    )  # longer than any answer may take: a client with an answer has not waited for the end of another
    arguments = (*PATIENT, "--max-connections", "64")

    def raw(self, data):
        client = socket.create_connection(("127.0.0.1", self.server.port), timeout=DEADLINE)
        self.addCleanup(client.close)
        client.sendall(data)
        return client

    def assert_answers(self):
        self.assert_status(self.request("GET", "/v2/"), 200)

    def slow_clients(self):
        where = self.server.session("a")
        return [
            self.raw(data)
            for data in (
                b"",
                b"GET /v2/ HT",
                b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-A",
                f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc".encode(),
            )
        ]

    def test_slow_clients_do_not_block_others(self):
        clients = self.slow_clients()
        for _ in range(10):
            self.assert_answers()
        for client in clients:  # they are still there
            client.setblocking(False)
            with self.assertRaises(BlockingIOError):
                client.recv(1)

    def test_slow_clients_are_disconnected(self):
        """Whatever they do."""
        self.server.stop()
        self.server = self.serve("--root", self.root, "--idle-timeout", "2")
        self.request = self.server.request
        slow = self.slow_clients()
        dripping = self.raw(b"GET /v2/ HTTP/1.1\r\n")
        started = time.monotonic()
        ended = False
        while not ended and time.monotonic() - started < DEADLINE:
            self.assert_answers()
            try:
                dripping.sendall(b"X: y\r\n")  # never idle, never complete
                dripping.settimeout(0.2)
                ended = dripping.recv(1000) is not None
            except TimeoutError:
                pass
            except OSError:
                ended = True
        self.assertTrue(ended)
        for client in slow:
            client.settimeout(DEADLINE)
            try:
                while client.recv(1000):
                    pass
            except ConnectionError:
                pass

    def test_stalled_readers_do_not_block_others(self):
        data = os.urandom(8 << 20)
        blob = self.server.push_blob("a", data)
        for _ in range(16):
            self.raw(f"GET /v2/a/blobs/{blob} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assert_answers()
        self.assertEqual(self.request("GET", f"/v2/a/blobs/{blob}").body, data)

    def test_large_headers_are_refused(self):
        for head in (
            b"GET /v2/" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"a" * (1 << 20) + b"\r\n\r\n",
        ):
            client = socket.create_connection(("127.0.0.1", self.server.port), timeout=DEADLINE)
            try:
                client.sendall(head)
                self.assertRegex(client.recv(4096), rb"^HTTP/1.1 (400|414|431) ")
            except ConnectionError:
                pass  # the answer may be lost where the rest of the head is refused
            client.close()
            self.assert_answers()

    def test_garbage_is_refused(self):
        for garbage in (
            b"\0" * 100,
            b"\r\n\r\n\r\n",
            b"GET\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
            b"GET /v2/ HTTP/9.9\r\n\r\n",
            b"GET /v2/\0x HTTP/1.1\r\nHost: localhost\r\n\r\n",
            (
                b"PATCH /v2/a/blobs/uploads/ HTTP/1.1\r\n"
                b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
            ),
            b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
            b"BREW /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            self.raw(garbage).close()
        self.assert_answers()
        self.assertEqual(self.server.stop(), (0, ""))

    def test_aborted_requests_leave_no_files(self):
        self.server.stop()
        self.server = self.serve(
            "--root", self.root, *self.PATIENT
        )  # with places for all of them in any of its threads
        before = sockets_of(self.server.process.pid)

        def break_off(count):
            """As many at once each time, whatever the load."""
            with contextlib.ExitStack() as clients:
                for _ in range(count):
                    client = clients.enter_context(
                        socket.create_connection(("127.0.0.1", self.server.port), timeout=DEADLINE)
                    )
                    client.sendall(b"GET /v2/" + b"a" * 2000 + b"/tags/list HTTP/1.1\r\n")
                eventually(
                    lambda: sockets_of(self.server.process.pid) == before + count, "all are there"
                )
            eventually(lambda: sockets_of(self.server.process.pid) == before, "all are gone")

        for _ in range(2):
            break_off(50)
        memory = memory_of(self.server.process.pid)[0]
        for _ in range(18):
            break_off(50)
        self.assertLess(memory_of(self.server.process.pid)[0] - memory, 1024)

    def test_clients_beyond_the_limit_wait(self):
        """More clients than the limit: some wait, none fails."""
        data = os.urandom(1 << 16)
        blob = self.server.push_blob("a", data)

        def client(number):
            for _ in range(5):
                self.assertEqual(self.request("GET", f"/v2/a/blobs/{blob}").body, data)
                self.server.push_blob(f"b{number % 4}", data + bytes([number % 256]))

        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            list(pool.map(client, range(100)))

    def test_memory_is_bounded(self):
        """Of the most expensive documents and of a large blob."""
        hostile = b'{"config":{},"layers":[' + b",".join([b"[]"] * 1390000) + b"]}"
        self.assertLess(len(hostile), 4 << 20)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = pool.map(
                lambda i: self.request("PUT", f"/v2/a/manifests/t{i}", hostile).status, range(16)
            )
            self.assertEqual(set(statuses), {201})
        self.server.push_blob("a", os.urandom(1 << 20) * 200)
        self.assertLess(memory_of(self.server.process.pid)[1], 64 << 10)


class Exchange(server_fixture.TestCase):
    """skopeo and podman on the other side."""

    def setUp(self):
        system_fixture.need("skopeo")
        super().setUp()
        self.source = self.top / "source"
        layout = images.Layout(self.source)
        layout.add(
            images.layer([images.member("file", content=os.urandom(300000).hex())]), compress=True
        )
        layout.add(images.layer([images.member("other", content="text")]))
        layout.finish()

    def skopeo(self, *arguments):
        result = subprocess.run(
            ["skopeo", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(result.returncode, 0, result.stdout)
        return result.stdout

    def test_push_and_pull_with_skopeo(self):
        for arguments, credentials in (((), []), (("--token=secret",), ["--creds", "who:secret"])):
            server = self.serve(*arguments)
            name = f"docker://{server.address}/a/b:tag"
            back = self.top / f"back{len(arguments)}"
            to = [option.replace("creds", "dest-creds") for option in credentials]
            of = [option.replace("creds", "src-creds") for option in credentials]
            self.skopeo(
                "copy",
                "--preserve-digests",
                "--dest-tls-verify=false",
                *to,
                f"oci:{self.source}",
                name,
            )
            self.skopeo(
                "copy", "--preserve-digests", "--src-tls-verify=false", *of, name, f"oci:{back}"
            )
            blobs = "blobs/sha256"
            self.assertEqual(
                sorted(os.listdir(back / blobs)), sorted(os.listdir(self.source / blobs))
            )
            self.assertIn(
                '"tag"',
                self.skopeo(
                    "list-tags", "--tls-verify=false", *credentials, name.rsplit(":", 1)[0]
                ),
            )
            self.skopeo("delete", "--tls-verify=false", *credentials, name)
            self.assertEqual(server.stop()[0], 0)

    def test_pushed_layout_is_read_in_place(self):
        """What skopeo wrote is served, and what the server takes skopeo can read."""
        server = self.serve("--layout", self.source)
        self.skopeo(
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            f"docker://{server.address}/x:latest",
            f"docker://{server.address}/x:again",
        )
        server.stop()
        self.skopeo("inspect", f"oci:{self.source}:again")


if __name__ == "__main__":
    system_fixture.main()
