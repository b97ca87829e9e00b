#!/usr/bin/env python3
"""`bottle-registry serve` as a process: how it begins and ends, who may use it, what it serves,
what bad clients and crashes can do to it, and other programs as its clients."""
import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import images
import system_fixture
import server_fixture
from server_fixture import DEADLINE, INDEX, MANIFEST, digest


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


class Access(server_fixture.TestCase):
    def test_loopback_only(self):
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if int(port, 16) == self.server.port and line.split()[3] == "0A":
                self.assertEqual(address, "0100007F")
                return
        self.fail("the listening socket was not found")

    def test_listens_on_other_addresses(self):
        server = self.serve("--listen", "[::1]:0")
        self.assertEqual(server.address, f"[::1]:{server.port}")
        with socket.create_connection(("::1", server.port), timeout=DEADLINE) as client:
            client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(client.recv(64).startswith(b"HTTP/1.1 200"))

    def test_token_is_required(self):
        server = self.serve("--token")
        token = server.ready["token"]
        self.assertRegex(token, "^[0-9a-f]{64}$")
        basic = base64.b64encode(f"who:{token}".encode()).decode()
        for path, method in (
            ("/v2/", "GET"),
            ("/v2/a/blobs/uploads/", "POST"),
            ("/v2/_catalog", "GET"),
            ("/nowhere", "GET"),
        ):
            good = 202 if method == "POST" else 404 if path == "/nowhere" else 200
            for value in (f"Bearer {token}", f"bearer {token}", f"Basic {basic}"):
                self.assertEqual(
                    server.request(method, path, headers={"Authorization": value}).status, good
                )
        wrong = base64.b64encode(b"who:wrong").decode()
        for value in (
            "",
            "Bearer",
            "Bearer ",
            "Bearer " + token[:-1],
            "Bearer " + token + "0",
            f"Basic {wrong}",
            "Basic ====",
            "Basic",
            "Digest x",
            token,
            f"Basic {basic}=",
        ):
            answer = server.request("GET", "/v2/a/tags/list", headers={"Authorization": value})
            self.assert_status(answer, 401, "UNAUTHORIZED")
            self.assertEqual(
                answer.headers["WWW-Authenticate"],
                (
                    f'Bearer realm="http://{server.address}/token",'
                    'service="bottle-registry",scope="repository:a:pull"'
                ),
            )
        answer = server.request(
            "GET",
            "/token?service=bottle-registry&scope=repository:a:pull",
            headers={"Authorization": f"Basic {basic}"},
        )
        self.assertEqual(self.assert_status(answer, 200).json()["token"], token)
        self.assert_status(server.request("GET", "/token"), 401, "UNAUTHORIZED")
        self.assert_status(
            server.request("GET", "/token", headers={"Authorization": f"Basic {wrong}"}), 401
        )
        self.assert_status(server.request("GET", "/v2/", headers={"Host": 'x",y="z'}), 400)

    def test_token_from_a_file(self):
        file = self.top / "token"
        file.write_text("s3cret-token\nnot the token\n")
        server = self.serve("--token-file", file)
        self.assertNotIn("token", server.ready)
        self.assert_status(server.request("GET", "/v2/"), 401, "UNAUTHORIZED")
        self.assert_status(
            server.request("GET", "/v2/", headers={"Authorization": "Bearer s3cret-token"}), 200
        )
        self.assertNotIn("s3cret", pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_text())
        for text in ("", "\n", "two words\n", "\x01\n"):
            file.write_text(text)
            result = subprocess.run(
                [system_fixture.settings.tools / "bottle-registry", "serve", "--token-file", file],
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
            self.assertEqual(result.returncode, 1)
            self.assertIn("expected a token", result.stderr)

    def test_foreign_hosts_are_refused(self):
        """DNS rebinding: a page's own name that resolves to loopback."""
        server = self.serve("--allow-host", "registry.example", "--allow-host", "10.1.2.3")
        port = server.port
        for host in (
            f"127.0.0.1:{port}",
            "127.0.0.1",
            "127.8.8.8",
            f"localhost:{port}",
            "LOCALHOST",
            "localhost.",
            "[::1]",
            f"[0:0::1]:{port}",
            "a.localhost",
            "registry.example",
            "Registry.Example:443",
            "10.1.2.3:80",
        ):
            self.assert_status(server.request("GET", "/v2/", headers={"Host": host}), 200)
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.1.2.4",
            "[fe80::1]",
            "registry.example.evil.example",
            "0.0.0.0",
            "2130706433",
            "evil.example#localhost",
        ):
            for method, path in (
                ("GET", "/v2/"),
                ("PUT", "/v2/a/manifests/t"),
                ("POST", "/v2/a/blobs/uploads/"),
                ("GET", "/token"),
            ):
                answer = server.request(method, path, headers={"Host": host})
                self.assert_status(answer, 400 if "#" in host else 421)
                if answer.status == 421:
                    self.assertEqual(answer.code(), "DENIED")
                    self.assertIn("--allow-host", answer.json()["errors"][0]["message"])
        self.assertEqual(server.request("GET", "/v2/_catalog").json(), {"repositories": []})

    def test_foreign_origins_are_refused(self):
        """Cross-site requests: a page's own origin, the server's address."""
        server = self.serve()
        own = f"http://{server.address}"
        for origin in (
            "http://evil.example",
            "https://evil.example",
            "null",
            "http://127.0.0.1",
            "http://localhost:1",
            "file://",
            "http://127.0.0.1.evil.example",
            own + ".evil.example",
            "chrome-extension://x",
        ):
            for method, path in (
                ("POST", "/v2/a/blobs/uploads/"),
                ("PUT", "/v2/a/manifests/t"),
                ("DELETE", "/v2/a/manifests/t"),
                ("GET", "/v2/"),
            ):
                self.assert_status(
                    server.request(method, path, headers={"Origin": origin}), 403, "DENIED"
                )
        self.assertEqual(server.request("GET", "/v2/_catalog").json(), {"repositories": []})
        self.assert_status(
            server.request("POST", "/v2/a/blobs/uploads/", headers={"Origin": own}), 202
        )
        # The server's own origin under a foreign name is foreign.
        self.assert_status(
            server.request(
                "GET", "/v2/", headers={"Host": "evil.example", "Origin": "http://evil.example"}
            ),
            421,
        )
        # A token changes nothing: browsers remember passwords.
        guarded = self.serve("--token", "t")
        self.assert_status(
            guarded.request(
                "GET",
                "/v2/",
                headers={"Authorization": "Bearer t", "Origin": "http://evil.example"},
            ),
            403,
        )

    def test_all_addresses_accept_any_numeric_host(self):
        server = self.serve("--listen", "0.0.0.0")
        self.assert_status(server.request("GET", "/v2/", headers={"Host": "192.0.2.7:80"}), 200)
        self.assert_status(server.request("GET", "/v2/", headers={"Host": "evil.example"}), 421)

    def test_request_lines_with_hosts(self):
        """RFC 9112 section 3.2: absolute-form targets, and exactly one Host."""

        def status(head):
            with socket.create_connection(
                ("127.0.0.1", self.server.port), timeout=DEADLINE
            ) as client:
                client.sendall(head.replace("\n", "\r\n").encode())
                client.shutdown(socket.SHUT_WR)
                answer = b""
                while chunk := client.recv(4096):
                    answer += chunk
            if not answer.startswith(b"HTTP/1.1 200"):
                self.assertIn(b'{"errors":[{"code":"', answer)
            return int(answer.split()[1])

        good = f"127.0.0.1:{self.server.port}"
        for head, wanted in (
            (f"GET http://{good}/v2/ HTTP/1.1\nHost: {good}\n\n", 200),
            (f"GET HTTP://LOCALHOST/v2/?n=1 HTTP/1.1\nHost: {good}\n\n", 200),
            (
                f"GET http://{good}/v2/ HTTP/1.1\nHost: evil.example\n\n",
                200,
            ),  # the target goes before
            (f"GET http://evil.example/v2/ HTTP/1.1\nHost: {good}\n\n", 421),
            (f"GET http://{good} HTTP/1.1\nHost: {good}\n\n", 404),
            (f"GET http://user@{good}/v2/ HTTP/1.1\nHost: {good}\n\n", 400),
            (f"GET http:///v2/ HTTP/1.1\nHost: {good}\n\n", 400),
            ("GET http://localhost/v2/ HTTP/1.1\n\n", 400),
            ("GET /v2/ HTTP/1.1\n\n", 400),
            ("GET /v2/ HTTP/1.1\nHost:\n\n", 400),
            ("GET /v2/ HTTP/1.1\nHost: localhost\nHost: localhost\n\n", 400),
            ("GET /v2/ HTTP/1.1\nHost: localhost:99999\n\n", 400),
            ("GET /v2/ HTTP/1.1\nHost: local host\n\n", 400),
            ("GET /v2/ HTTP/1.0\n\n", 200),
        ):
            with self.subTest(head):
                self.assertEqual(status(head), wanted)

    def test_read_only_refuses_writes(self):
        text = self.server.push_image("a", "tag")
        self.server.stop()
        server = self.serve("--root", self.root, "--read-only")
        self.assertEqual(server.request("GET", "/v2/a/manifests/tag").body, text)
        before = server_fixture.files_below(self.root)
        for method, path in (
            ("POST", "blobs/uploads/"),
            ("PUT", "manifests/x"),
            ("DELETE", "manifests/tag"),
            ("DELETE", f"manifests/{digest(text)}"),
            ("DELETE", f"blobs/{digest(b'layer')}"),
            ("PATCH", "blobs/uploads/" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12),
        ):
            for name in ("a", "new"):
                self.assert_status(
                    server.request(method, f"/v2/{name}/{path}", b"{}"), 405, "UNSUPPORTED"
                )
        self.assertEqual(server_fixture.files_below(self.root), before)


class Sources(server_fixture.TestCase):
    def test_layout_is_served(self):
        text = self.server.push_image("some/name", "1.0", b"data" * 1000)
        self.server.stop()
        directory = self.root / "some+name"
        for arguments in (("--layout", directory), ("--layout", directory, "--read-only")):
            server = self.serve(*arguments)
            for name in ("some/name", "other"):
                self.assertEqual(server.request("GET", f"/v2/{name}/manifests/1.0").body, text)
                self.assertEqual(
                    server.request("GET", f"/v2/{name}/blobs/{digest(b'data' * 1000)}").body,
                    b"data" * 1000,
                )
                self.assertEqual(
                    server.request("GET", f"/v2/{name}/tags/list").json()["tags"], ["1.0"]
                )

    def test_names_of_a_layout_are_tags(self):
        """Whole references as names, one image without a name, children of an index that nothing
        else lists."""
        child = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()
        index = json.dumps(
            {
                "schemaVersion": 2,
                "manifests": [{"mediaType": MANIFEST, "digest": digest(child), "size": len(child)}],
            }
        ).encode()
        directory = self.top / "layout"
        (directory / "blobs" / "sha256").mkdir(parents=True)
        for data in (child, index):
            (directory / "blobs" / "sha256" / digest(data)[7:]).write_bytes(data)
        listed = {"mediaType": INDEX, "digest": digest(index), "size": len(index)}
        (directory / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": [listed]})
        )
        server = self.serve("--layout", directory, "--read-only")
        self.assertEqual(server.request("GET", "/v2/x/manifests/latest").body, index)
        answer = server.request("GET", f"/v2/x/manifests/{digest(child)}")
        self.assertEqual((answer.body, answer.headers["Content-Type"]), (child, MANIFEST))
        # Changed by another program while it is served.
        listed["annotations"] = {
            "org.opencontainers.image.ref.name": "docker.io/library/busybox:1.36"
        }
        (directory / "new").write_text(json.dumps({"schemaVersion": 2, "manifests": [listed]}))
        (directory / "new").rename(directory / "index.json")
        self.assertEqual(server.request("GET", "/v2/x/tags/list").json()["tags"], ["1.36"])
        self.assert_status(server.request("GET", "/v2/x/manifests/latest"), 404)
        self.assertEqual(server.request("GET", "/v2/x/manifests/1.36").body, index)
        # Damaged: an error, and what needs no index still works.
        (directory / "index.json").write_text("no JSON")
        self.assert_status(server.request("GET", "/v2/x/tags/list"), 500)
        self.assert_status(server.request("GET", f"/v2/x/blobs/{digest(child)}"), 200)
        self.assertRegex(server.stop()[1], "index.json")

    def test_store_is_served_read_only(self):
        text = json.dumps({"mediaType": MANIFEST, "config": {}, "layers": []}).encode()
        cache = self.top / "cache"
        blobs = (text, os.urandom(100000))
        for data in blobs:
            name = digest(data)[7:]
            file = cache / "blobs" / "sha256" / name[:2] / name[2:]
            file.parent.mkdir(parents=True)
            file.write_bytes(data)
        server = self.serve(f"--store={cache}")
        for data in blobs:
            answer = server.request("GET", f"/v2/any/name/blobs/{digest(data)}")
            self.assertEqual(answer.body, data)
        self.assertEqual(
            server.request("GET", f"/v2/any/name/manifests/{digest(text)}").headers["Content-Type"],
            MANIFEST,
        )
        self.assert_status(
            server.request("GET", f"/v2/any/name/blobs/{digest(b'none')}"), 404, "BLOB_UNKNOWN"
        )
        self.assert_status(
            server.request("POST", "/v2/any/name/blobs/uploads/"), 405, "UNSUPPORTED"
        )
        self.assertEqual(server.request("GET", "/v2/any/name/tags/list").json()["tags"], [])


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
