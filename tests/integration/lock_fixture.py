# SPDX-License-Identifier: Apache-2.0
"""Cases of outside sources: servers of this process, runs of bottle-lock, trees of images."""
import http.server
import json
import pathlib
import shutil
import subprocess
import tarfile
import threading
import time

import images
import system_fixture


DEADLINE = 120  # seconds; for things that take a fraction of one


class Server:
    """A program that listens on a port of this machine, until stop()."""

    def __init__(self, *command, port, log, environment=None):
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        end = time.monotonic() + DEADLINE
        while True:
            if system_fixture.listens(port):
                return
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(
                    f"{command} does not listen:\n{self.log.read_text(errors='replace')}"
                )
            threading.Event().wait(0.02)  # between two looks

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Web:
    """A web server of this process: `pages` is what it gives, {path: (status, headers, body)};
    `seen` the requests."""

    def __init__(self):
        self.pages, self.seen = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # pylint: disable=invalid-name
                web.seen.append((self.path, dict(self.headers)))
                status, headers, body = web.pages.get(self.path, (404, {}, b"no such page"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                if "Content-Length" in headers:
                    self.close_connection = True

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, path, body, status=200, **headers):
        self.pages[path] = (status, headers, body if isinstance(body, bytes) else body.encode())

    def stop(self):
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()


class Case(system_fixture.TestCase):
    """A build whose context has a lock."""

    is_all_ours = True  # the bases have no files
    time = 0  # of all that is ours

    def new(self, dockerfile, name="one build", **files):
        build = self.new_build({"Dockerfile": dockerfile, **files}, name)
        self.addCleanup(shutil.rmtree, build.cache, ignore_errors=True)
        return build

    def lock(self, build, command="update", *arguments, **options):
        return build.tools("bottle-lock", command, "--context", build.source, *arguments, **options)

    def entries(self, build):
        return json.loads((build.source / "bottle.lock").read_text())["sources"]

    def tree(self, build):
        """{path: (mode, size, digest or link)} of the exported image, layer upon layer (no
        whiteouts here)."""
        layout = build.root / "exported"
        shutil.rmtree(layout, ignore_errors=True)
        build.export(layout)
        manifest, _ = images.read_image(layout)
        tree = {}
        for descriptor in manifest["layers"]:
            path = layout / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")
            with tarfile.open(path) as archive:
                for info in archive:
                    self.assertEqual((info.uid, info.gid), (0, 0), info.name)
                    if self.is_all_ours:
                        self.assertEqual(info.mtime, self.time, info.name)
                    content = archive.extractfile(info).read() if info.isreg() else info.linkname
                    tree[info.name.strip("/")] = (info.mode, content)
        return tree
