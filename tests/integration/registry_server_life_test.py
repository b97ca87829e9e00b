#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`bottle-registry serve` as a process: start and end, crashes, many clients."""
import concurrent.futures
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import system_fixture
import server_fixture
from server_fixture import DEADLINE, digest
from registry_server_process import can_connect, eventually, memory_of


class Lifetime(server_fixture.TestCase):
    def test_ready_line_and_shutdown(self):
        port_file = self.top / "port"
        server = self.serve("--port-file", port_file)
        self.assertEqual(port_file.read_text(), f"{server.port}\n")
        self.assertEqual(
            server.ready,
            {
                "url": f"http://127.0.0.1:{server.port}",
                "address": f"127.0.0.1:{server.port}",
                "port": server.port,
                "pid": server.process.pid,
            },
        )
        self.assertEqual(server.stop(), (0, ""))
        self.assertFalse(port_file.exists())
        self.assertFalse(can_connect(server.port))

    def test_ends_on_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            server = self.serve("--port-file", self.top / "port")
            busy = server.connect()  # an open connection holds nothing up
            server.request("GET", "/v2/", connection=busy)
            self.assertEqual(server.stop(number)[0], 0)
            busy.close()
        self.assertEqual(os.listdir(self.top), ["root"])

    def test_temporary_directory_is_removed(self):
        """The directory is made, and gone at the end."""
        place = self.top / "tmp"
        place.mkdir()
        server = self.serve(environment={**os.environ, "TMPDIR": str(place)})
        server.push_image("a", "tag")
        server.session("a")
        self.assertEqual(len(list(place.iterdir())), 1)
        self.assertEqual(server.stop()[0], 0)
        self.assertEqual(list(place.iterdir()), [])

    def test_ends_with_its_parent(self):
        """Killed, so that it cannot clean up."""
        script = "import subprocess, sys, time\nsubprocess.Popen(sys.argv[1:])\ntime.sleep(600)\n"
        port_file = self.top / "port"
        parent = subprocess.Popen(
            [
                sys.executable,
                "-c",
                script,
                system_fixture.settings.tools / "bottle-registry",
                "serve",
                "--exit-with-parent",
                "--port-file",
                str(port_file),
            ],
            stdout=subprocess.PIPE,
        )
        ready = json.loads(parent.stdout.readline())
        parent.kill()
        parent.wait()
        eventually(
            lambda: not os.path.exists(f"/proc/{ready['pid']}") or not can_connect(ready["port"]),
            "the server ends",
        )
        eventually(lambda: not port_file.exists(), "its file is gone")
        parent.stdout.close()

    def test_ends_if_the_parent_has_ended(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        result = subprocess.run(
            [
                system_fixture.settings.tools / "bottle-registry",
                "serve",
                f"--exit-with-parent={gone.pid}",
            ],
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        self.assertEqual((result.returncode, result.stdout), (0, b""))

    def test_ends_after_the_last_client(self):
        server = self.serve("--exit-after-last-client=1s")
        client = server.connect()
        server.request("GET", "/v2/", connection=client)
        with self.assertRaises(subprocess.TimeoutExpired):
            server.process.wait(timeout=2)
        client.close()
        self.assertEqual(server.process.wait(timeout=DEADLINE), 0)

    def test_startup_errors(self):
        def fails(*arguments, status=1):
            result = subprocess.run(
                [system_fixture.settings.tools / "bottle-registry", "serve", *map(str, arguments)],
                text=True,
                timeout=DEADLINE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            self.assertEqual(result.returncode, status, result.stdout)
            return result.stdout

        self.assertRegex(
            fails("--listen", f"127.0.0.1:{self.server.port}"),
            "cannot listen on .*in use.*\n.*hint: .*another",
        )
        self.assertRegex(fails("--listen", "localhost:0"), "expected an IP address")
        self.assertRegex(fails("--listen", "127.0.0.1:70000", status=2), "expected a port")
        self.assertRegex(
            fails("--layout", self.top / "none", "--read-only"), "expected an OCI image layout"
        )
        self.assertRegex(fails("--root", self.top / "none", "--read-only"), "expected a directory")
        self.assertRegex(fails("--root", self.top, "--layout", self.top, status=2), "excludes")
        (self.top / "bad").mkdir()
        (self.top / "bad" / "index.json").write_text("{}")
        self.assertRegex(fails("--layout", self.top / "bad"), "manifests")

    def test_unloadable_library(self):
        """The library is loaded when a server starts: without it there is none, and all else
        works."""
        libraries = self.top / "libraries"
        libraries.mkdir()
        (libraries / "libmicrohttpd.so.12").write_bytes(b"not a library")

        def run(*arguments):
            return subprocess.run(
                [system_fixture.settings.tools / "bottle-registry", *arguments],
                text=True,
                timeout=DEADLINE,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
            )

        served = run("serve", "--listen", "127.0.0.1:0")
        self.assertEqual(served.returncode, 1, served.stdout)
        self.assertRegex(
            served.stdout,
            (
                r"libmicrohttpd\.so\.12: error: cannot load the library[^\n]*\n +hint:"
                r" .*libmicrohttpd12"
            ),
        )
        self.assertEqual(run("--version").returncode, 0)


class Crashes(server_fixture.TestCase):
    data = os.urandom(3 << 20)

    def half(self, server, where, size=1 << 20):
        """A client that goes away in the middle of its body."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as client:
            client.sendall(
                f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nContent-Length:"
                f" {len(self.data)}\r\n\r\n".encode() + self.data[:size]
            )
            file = self.root / "a" / ".uploads" / (where.rsplit("/", 1)[1] + ".sha256")
            eventually(lambda: file.stat().st_size == size, "the bytes are on disk")

    def rest(self, server, where, size=1 << 20):
        state = self.assert_status(server.request("GET", where), 204)
        self.assertEqual(state.headers["Range"], f"0-{size - 1}")
        answer = server.request(
            "PUT",
            where,
            self.data[size:],
            {"Content-Range": f"{size}-{len(self.data) - 1}"},
            {"digest": digest(self.data)},
        )
        self.assert_status(answer, 201)
        self.assertEqual(server.request("GET", answer.headers["Location"]).body, self.data)

    def test_upload_continues_after_a_client_crash(self):
        where = self.server.session("a")
        self.half(self.server, where)
        self.rest(self.server, where)

    def test_client_takes_over_its_dead_connection(self):
        where = self.server.session("a")
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=DEADLINE) as client:
            client.sendall(
                f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nContent-Length:"
                " 100\r\n\r\n0123456789".encode()
            )
            eventually(
                lambda: self.request("GET", where).headers["Range"] == "0-9", "the bytes have come"
            )
            answer = self.request(
                "PUT",
                where,
                b"abc",
                {"Content-Range": "10-12"},
                {"digest": digest(b"0123456789abc")},
            )
            self.assert_status(answer, 201)
            try:
                client.sendall(b"x" * 90)  # too late: its upload has been taken over
                self.assertNotIn(b" 202 ", client.recv(4096))
            except ConnectionError:  # it is told so by the connection's end
                pass
        self.assertEqual(self.request("GET", answer.headers["Location"]).body, b"0123456789abc")

    def test_upload_continues_after_a_server_crash(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            server = self.serve("--root", self.root)
            where = server.session("a")
            self.half(server, where)
            server.stop(number)
            again = self.serve("--root", self.root)
            self.rest(again, where)
            self.assert_status(again.request("DELETE", f"/v2/a/blobs/{digest(self.data)}"), 202)

    def test_pull_continues_after_a_server_crash(self):
        blob = self.server.push_blob("a", self.data)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=DEADLINE) as client:
            client.sendall(f"GET /v2/a/blobs/{blob} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            client.recv(1000)
            self.server.stop(signal.SIGKILL)
        again = self.serve("--root", self.root)
        part = again.request("GET", f"/v2/a/blobs/{blob}", headers={"Range": "bytes=1000-"})
        self.assertEqual((part.status, part.body), (206, self.data[1000:]))

    def test_old_uploads_are_removed(self):
        new, old = self.server.session("a"), self.server.session("a")
        file = self.root / "a" / ".uploads" / (old.rsplit("/", 1)[1] + ".sha256")
        self.server.stop()
        os.utime(file, (time.time() - 90000,) * 2)
        again = self.serve("--root", self.root)
        self.assert_status(again.request("GET", old), 404)
        self.assert_status(again.request("GET", new), 204)

    def test_two_servers_share_a_root(self):
        """Tags of both are kept, and an upload has one writer."""
        other = self.serve("--root", self.root)
        where = self.server.session("a")
        self.assert_status(other.request("GET", where), 409)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:

            def push(number):
                (self.server, other)[number % 2].push_manifest(
                    "a", f"t{number}", {"config": {}, "layers": [number]}
                )

            list(pool.map(push, range(40)))
        for server in (self.server, other):
            self.assertEqual(len(server.request("GET", "/v2/a/tags/list").json()["tags"]), 40)

    def test_concurrent_uploads_of_one_blob(self):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual(
                len(set(pool.map(lambda _: self.server.push_blob("a", self.data), range(16)))), 1
            )
        self.assertEqual(
            [
                name
                for name in server_fixture.files_below(self.root)
                if "index" not in name and "oci-layout" not in name
            ],
            ["a/blobs/sha256/" + digest(self.data)[7:]],
        )

    def test_full_disk_is_an_error(self):
        """A limit on the size of files stands for it."""
        pid = self.server.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        where = self.server.session("a")
        answer = self.request("PATCH", where, self.data)
        self.assert_status(answer, 500)
        resource.prlimit(
            pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
        self.server.push_blob("a", self.data)
        self.assertRegex(self.server.stop()[1], "cannot write")


class ManyClients(server_fixture.TestCase):
    def test_200_clients_get_right_answers(self):
        """For five seconds: no error, and no growth once all of them are there."""
        self.server.stop()
        server = self.serve("--log")
        text = server.push_image("a", "tag", b"x" * 100000)
        blob = f"/v2/a/blobs/{digest(b'x' * 100000)}"
        end = time.monotonic() + 5
        everybody = threading.Barrier(
            201
        )  # each has been served once, so that each connection has its buffers
        memory = []

        def client(number):
            count, connection = 0, server.connect()
            while count == 0 or time.monotonic() < end:
                assert (
                    server.request("GET", "/v2/a/manifests/tag", connection=connection).body == text
                )
                assert server.request("HEAD", blob, connection=connection).status == 200
                assert len(server.request("GET", blob, connection=connection).body) == 100000
                if number % 10 == 0:
                    server.push_blob(f"b{number}", b"%d %d" % (number, count))
                count += 1
                if count == 1:
                    everybody.wait(DEADLINE)
            everybody.wait(DEADLINE)
            everybody.wait(DEADLINE)
            connection.close()
            return count

        drain = concurrent.futures.ThreadPoolExecutor(1).submit(
            lambda: sum(1 for line in server.process.stderr if "error" in line or " 0 in=" in line)
        )
        with concurrent.futures.ThreadPoolExecutor(201) as pool:
            counts = pool.map(client, range(200))
            for _ in ("all have been served", "all have ended"):
                everybody.wait(DEADLINE)
                memory.append(memory_of(server.process.pid)[0])
            everybody.wait(DEADLINE)
            counts = list(counts)
        self.assertTrue(all(counts), counts)
        self.assertLess(memory[1] - memory[0], 8192)
        server.process.terminate()
        self.assertEqual((server.process.wait(timeout=DEADLINE), drain.result()), (0, 0))


if __name__ == "__main__":
    system_fixture.main()
