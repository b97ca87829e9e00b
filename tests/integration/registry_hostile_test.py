# SPDX-License-Identifier: Apache-2.0
"""Pulls and pushes against a registry that misbehaves."""
import json
import threading

import images
import system_fixture
from registry_fixture import Scripted, digest, wait_until
from registry_client_fixture import HostileCase, INDEX


class Hostile(HostileCase):
    """Each way to misbehave ends in one clear error (or in success where that is right), and
    nothing enters the store."""

    def test_manifest_with_wrong_digest(self):
        body = self.image.manifest
        result = self.pull(
            lambda request: request.answer(
                200, body, {"Content-Type": images.MANIFEST, "Docker-Content-Digest": digest(b"x")}
            )
        )
        self.assertIn("does not match its digest", result.stdout)
        with Scripted(self.image.serve) as registry:
            self.assert_fails(
                self.tool("pull", f"{registry.name}/a@{digest(b'y')}", status=1),
                "does not match its digest",
                digest(self.image.manifest),
            )

    def test_manifest_without_end(self):
        def script(request):
            request.send_response(200)
            request.end_headers()
            request.close_connection = True
            while True:
                request.wfile.write(b" " * 65536)

        self.assertIn("exceeds 4194304 bytes", self.pull(script).stdout)

    def test_manifest_with_wrong_media_type(self):
        self.assertIn(
            "contradicts",
            self.pull(
                lambda request: request.answer(200, self.image.manifest, {"Content-Type": INDEX})
            ).stdout,
        )

    def test_invalid_manifest(self):
        for body in (
            b"",
            b"<html>",
            b"[" * 100_000,
            b"{}",
            b'{"schemaVersion":1,"fsLayers":[]}',
            b'{"layers":[],"manifests":[]}',
            b'{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"md5:0","size":1},"layers":[]}',
        ):
            with self.subTest(body=body[:40]):
                self.pull(
                    lambda request, body=body: request.answer(
                        200, body, {"Content-Type": images.MANIFEST}
                    )
                )

    def test_header_without_end(self):
        def script(request):
            request.send_response(200)
            for number in range(2000):
                request.send_header(f"X-{number}", "x" * 1000)
            request.end_headers()

        self.assertIn("header exceeds", self.pull(script).stdout)

    def test_cyclic_index(self):
        def script(request):
            child = {"mediaType": INDEX, "digest": digest(request.path.encode()), "size": 1}
            body = json.dumps(
                {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}
            ).encode()
            request.answer(200, body, {"Content-Type": INDEX})

        self.pull(script, "--platform", "all")

    def test_blob_with_wrong_digest(self):
        self.pull_bad_layer(
            lambda request: request.answer(200, b"x" * len(self.image.layer)), "expected sha256:"
        )

    def test_short_body(self):
        data = self.image.layer
        self.pull_bad_layer(
            lambda request: request.answer(200, data[:100]),
            "expected 100000 bytes, found Content-Length 100",
        )

    def test_body_always_cut_off(self):
        def answer(request):
            if request.headers.get("Range"):
                request.cut()
            else:
                request.answer(200, self.image.layer[:5000], length=len(self.image.layer))

        self.pull_bad_layer(answer, r"\(3 attempts\)")

    def test_body_without_end(self):
        def answer(request):
            request.send_response(200)
            request.end_headers()
            request.close_connection = True
            while True:
                request.wfile.write(b"x" * 65536)

        self.pull_bad_layer(answer, "more than the expected 100000 bytes")

    def test_stalled_body(self):
        stop = threading.Event()
        self.addCleanup(stop.set)

        def answer(request):
            request.send_response(200)
            request.send_header("Content-Length", str(len(self.image.layer)))
            request.end_headers()
            request.wfile.write(b"x" * 100)
            request.wfile.flush()
            stop.wait(30)
            request.cut()

        with Scripted(self.layer_case(answer)) as registry:
            result = self.tool(
                "pull", f"{registry.name}/a:1", "--timeout", "1s", "--retries", "0", status=1
            )
            stop.set()
        self.assert_fails(result, "Operation too slow|connection failed")

    def test_wrong_range(self):
        def answer(request):
            if request.headers.get("Range"):
                request.answer(
                    206, self.image.layer[5001:], {"Content-Range": "bytes 5001-99999/100000"}
                )
            else:
                request.answer(200, self.image.layer[:5000], length=len(self.image.layer))

        self.pull_bad_layer(answer, "expected the bytes from 5000 on of 100000")

    def test_interrupted_download_continues(self):
        for ranges in (True, False):
            with self.subTest(ranges=ranges):
                asked = []

                def answer(request, ranges=ranges, asked=asked):
                    asked.append(request.headers.get("Range"))
                    if len(asked) == 1:
                        request.answer(200, self.image.layer[:40_000], length=len(self.image.layer))
                    elif ranges:
                        self.image.serve(request)
                    else:
                        request.answer(200, self.image.layer)

                with Scripted(self.layer_case(answer)) as registry:
                    self.tool(
                        "pull",
                        f"{registry.name}/a:1",
                        "--store",
                        self.top / f"store {ranges}",
                        "--layout",
                        self.top / "layout",
                    )
                self.assertEqual(asked, [None, "bytes=40000-"])
                blob = (
                    self.top
                    / "layout"
                    / "blobs"
                    / "sha256"
                    / digest(self.image.layer).removeprefix("sha256:")
                )
                self.assertEqual(blob.read_bytes(), self.image.layer)

    def test_first_failure_stops_all_transfers(self):
        big = 100_000_000
        stop = threading.Event()
        self.addCleanup(stop.set)
        manifest = json.loads(self.image.manifest)
        manifest["layers"].append(
            {"mediaType": images.LAYER, "digest": digest(b"slow"), "size": big}
        )
        self.image.manifest = json.dumps(manifest).encode()
        slow = threading.Event()

        def script(request):
            if request.path.endswith(digest(b"slow")):
                request.send_response(200)
                request.send_header("Content-Length", str(big))
                request.end_headers()
                while not stop.wait(0.01):
                    request.wfile.write(b"x" * 1000)
                    slow.set()
            elif self.image.is_layer(request):
                slow.wait(30)
                request.answer(404)
            else:
                self.image.serve(request)

        with Scripted(script) as registry:
            self.assert_fails(self.tool("pull", f"{registry.name}/a", status=1), "answered 404")

    def test_temporary_failures_are_retried(self):
        for status, headers in ((503, {}), (429, {"Retry-After": "1"}), (500, {}), (None, {})):
            with self.subTest(status=status):

                def script(request, status=status, headers=headers):
                    if request.count == 1:
                        request.answer(status, b"later", headers) if status else request.cut()
                    else:
                        self.image.serve(request)

                with Scripted(script) as registry:
                    self.tool(
                        "pull", f"{registry.name}/a:1", "--store", self.top / f"store {status}"
                    )

    def test_permanent_failures_are_reported(self):
        self.assertIn("answered 503", self.pull(lambda request: request.answer(503)).stdout)
        self.assertEqual(self.registry.count("GET", "/manifests/"), 3)
        self.assertIn(
            "answered 429",
            self.pull(lambda request: request.answer(429, headers={"Retry-After": "86400"})).stdout,
        )
        self.assertEqual(self.registry.count("GET", "/manifests/"), 1)
        self.assertIn(
            "answered 403 (DENIED: go?away)",
            self.pull(
                lambda request: request.answer(
                    403, b'{"errors":[{"code":"DENIED","message":"go\\u001baway"}]}'
                )
            ).stdout,
        )
        self.assertEqual(self.registry.count("GET", "/manifests/"), 1)

    def test_unreachable_registry(self):
        name = f"127.0.0.1:{system_fixture.free_port()}"
        self.assert_fails(
            self.tool("pull", f"{name}/a", "--retries", "1", status=1),
            "Failed to connect|connection failed",
            "check that the registry is running",
        )
        probe = self.tool("probe", name, status=3)
        self.assertIn("connection failed", probe.stdout)


class HostileUploads(HostileCase):
    def test_upload_locations(self):
        for location in (
            None,
            "http://192.0.2.1/upload",
            "file:///etc/passwd",
            "//192.0.2.1/x",
            "http://127.0.0.1:1/x",
            "http://u:p@127.0.0.1/x",
            "",
        ):
            with self.subTest(location=location):

                def script(request, location=location):
                    if request.command == "POST":
                        request.answer(
                            202, headers={} if location is None else {"Location": location}
                        )
                    else:
                        request.answer(404)

                self.assertIn("expected a Location at http://127.0.0.1", self.push(script).stdout)

    def test_failed_uploads(self):
        def script(request):
            if request.command == "POST":
                request.answer(202, headers={"Location": "/upload/1?state=secret"})
            elif request.command == "PUT":
                request.body()
                request.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
            else:
                request.answer(404)

        result = self.push(script)
        self.assertIn("answered 400 (DIGEST_INVALID)", result.stdout)
        self.assertNotIn("state=secret", result.stdout)

    def test_impossible_upload_range(self):
        def script(request):
            request.body()
            if request.command in ("POST", "PATCH"):
                request.answer(202, headers={"Location": "/upload/1", "Range": "0-99999"})
            else:
                request.answer(404)

        self.assertIn("received of", self.push(script, "--chunk-size", "100").stdout)

    def test_interrupted_upload_continues(self):
        layout = self.layout(layers=1, size=500_000, compress=False)
        blob = layout.layer_blob(0).read_bytes()
        arrived, ranges, done = {}, [], []

        def script(request):
            if request.command == "HEAD":
                request.answer(404)
            elif request.command == "POST":
                request.body()
                name = f"/upload/{len(arrived)}"
                arrived[name] = b""
                request.answer(202, headers={"Location": name})
            elif request.command == "GET":
                data = arrived[request.path]
                request.answer(
                    204, headers={"Location": request.path, "Range": f"0-{len(data) - 1}"}
                )
            elif request.command == "PATCH":
                ranges.append(request.headers["Content-Range"])
                arrived[request.path] += request.body()
                request.answer(
                    202,
                    headers={
                        "Location": request.path,
                        "Range": f"0-{len(arrived[request.path]) - 1}",
                    },
                )
            elif "/manifests/" in request.path:
                request.body()
                request.answer(201)
            else:
                name = request.path.split("?")[0]
                if int(request.headers["Content-Length"]) == len(blob):
                    arrived[name] += request.rfile.read(200_000)
                    return request.cut()
                arrived[name] += request.body()
                done.append(digest(arrived[name]))
                request.answer(201)
            return None

        with Scripted(script) as registry:
            self.tool(
                "push", "--layout", layout.directory, f"{registry.name}/a:1", "--threads", "1"
            )
        self.assertEqual(ranges, [f"200000-{len(blob) - 1}"])
        self.assertIn(digest(blob), done)

    def test_cyclic_and_foreign_pages(self):
        for link in ("</v2/a/tags/list>; rel=next", "<http://192.0.2.1/v2/a/tags/list>; rel=next"):
            with self.subTest(link=link):
                with Scripted(
                    lambda request, link=link: request.answer(
                        200, b'{"tags":["x"]}', {"Link": link}
                    )
                ) as registry:
                    result = self.tool("tags", f"{registry.name}/a", status=1)
                self.assert_fails(result, "loops|on another host")
        with Scripted(lambda request: request.answer(200, b'{"tags":["a b"]}')) as registry:
            self.assert_fails(self.tool("tags", f"{registry.name}/a", status=1), "expected a tag")

    def test_probe_waits(self):
        ready = threading.Event()

        def script(request):
            request.answer(200 if ready.is_set() else 503)

        with Scripted(script) as registry:
            process = self.start("probe", registry.name, "--wait", "60s")
            wait_until(lambda: registry.count("GET", "/v2/") >= 2, "a second question")
            ready.set()
            self.assertEqual(process.wait(60), 0)

    def test_usage_errors(self):
        for arguments in (
            ["pull"],
            ["push", "x"],
            ["push", "x", "--layout", "a", "--pack", "b"],
            ["pull", "x", "--platform", "linux"],
            ["push", "x", "--layout", "a", "--chunk-size", "none"],
            ["pull", "x", "--timeout", "soon"],
        ):
            with self.subTest(arguments=arguments):
                self.assert_fails(self.tool(*arguments, status=2), "error: ", status=2)
        self.assert_fails(self.tool("pull", "http://a/b", status=1), "not a reference")


if __name__ == "__main__":
    system_fixture.main()
