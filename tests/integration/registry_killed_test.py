# SPDX-License-Identifier: Apache-2.0
"""bottle-registry killed at each step of a transfer."""
import signal
import threading

import system_fixture
from registry_fixture import Scripted, digest, wait_until
from registry_client_fixture import Case, Image


class Killed(Case):
    """SIGKILL in the middle of a transfer, then again: only what is missing moves."""

    def unfinished(self):
        """The sizes of what has arrived in parts."""
        sizes = []
        for path in self.store.glob("tmp/*.part"):
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:  # it is whole now
                pass
        return sizes

    def test_killed_pull_continues(self):
        image = Image(size=4_000_000)
        stop = threading.Event()
        self.addCleanup(stop.set)

        def script(request):
            if image.is_layer(request) and not stop.is_set():
                request.send_response(200)
                request.send_header("Content-Length", str(len(image.layer)))
                request.end_headers()
                request.wfile.write(image.layer[:3_000_000])
                request.wfile.flush()
                stop.wait(30)
                request.cut()
            else:
                image.serve(request)

        with Scripted(script) as registry:
            process = self.start("pull", f"{registry.name}/a:1")
            wait_until(
                lambda: any(size >= 2_700_000 for size in self.unfinished()), "most of the layer"
            )
            process.send_signal(signal.SIGKILL)
            process.wait()
            stop.set()
            before = len(registry.requests)
            self.tool("pull", f"{registry.name}/a:1", "--layout", self.top / "layout")
            ranges = [
                headers.get("range")
                for method, path, headers in registry.requests[before:]
                if path.endswith(digest(image.layer))
            ]
        self.assertEqual(len(ranges), 1)
        self.assertGreaterEqual(int(ranges[0].removeprefix("bytes=").removesuffix("-")), 2_700_000)
        blob = (
            self.top / "layout" / "blobs" / "sha256" / digest(image.layer).removeprefix("sha256:")
        )
        self.assertEqual(digest(blob.read_bytes()), digest(image.layer))
        self.assertEqual(list(self.store.glob("tmp/*")), [])

    def test_killed_push_continues(self):
        layout = self.layout(layers=3, size=2_000_000, compress=False)
        blobs, stalled, stop = {}, threading.Event(), threading.Event()
        self.addCleanup(stop.set)

        def script(request):
            last = request.path.split("?")[0].rpartition("/")[2]
            if request.command == "HEAD":
                request.answer(200 if last in blobs else 404, length=len(blobs.get(last, b"")))
            elif request.command == "POST":
                request.answer(202, headers={"Location": "/upload/x"})
            elif request.command == "PUT" and "/manifests/" in request.path:
                request.body()
                request.answer(201)
            elif request.command == "PUT" and not stop.is_set() and len(blobs) == 2:
                request.rfile.read(500_000)
                stalled.set()
                stop.wait(30)
                request.cut()
            else:
                data = request.body()
                blobs[digest(data)] = data
                request.answer(201)

        with Scripted(script) as registry:
            process = self.start(
                "push", "--layout", layout.directory, f"{registry.name}/a:1", "--threads", "1"
            )
            self.assertTrue(stalled.wait(30))
            process.send_signal(signal.SIGKILL)
            process.wait()
            stop.set()
            there = set(blobs)
            report = self.tool(
                "push",
                "--json",
                "--layout",
                layout.directory,
                f"{registry.name}/a:1",
                "--threads",
                "1",
            )["pushes"][0]
        self.assertEqual(len(there), 2)
        self.assertEqual(
            {blob["digest"] for blob in report["blobs"] if blob["outcome"] == "present"}, there
        )
        self.assertEqual(
            report["bytesSent"],
            sum(blob["size"] for blob in report["blobs"] if blob["digest"] not in there),
        )

    def test_interrupt_leaves_only_partial_blobs(self):
        image = Image(size=2_000_000)
        stop = threading.Event()
        self.addCleanup(stop.set)

        def script(request):
            if image.is_layer(request):
                request.send_response(200)
                request.send_header("Content-Length", str(len(image.layer)))
                request.end_headers()
                request.wfile.write(image.layer[:1_000_000])
                request.wfile.flush()
                stop.wait(30)
                request.cut()
            else:
                image.serve(request)

        with Scripted(script) as registry:
            process = self.start("pull", f"{registry.name}/a:1", "--layout", self.top / "layout")
            wait_until(
                lambda: [size >= 700_000 for size in self.unfinished()] == [True],
                "half of the layer, alone",
            )
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(60), 128 + signal.SIGTERM)
            stop.set()
        self.assertFalse((self.top / "layout").exists())
        self.assertEqual(len(list(self.store.glob("tmp/*"))), 1)


if __name__ == "__main__":
    system_fixture.main()
