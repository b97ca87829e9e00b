#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may use `bottle-registry serve`, and which directories it serves."""
import base64
import json
import os
import pathlib
import socket
import subprocess

import system_fixture
import server_fixture
from server_fixture import DEADLINE, INDEX, MANIFEST, digest


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


if __name__ == "__main__":
    system_fixture.main()
