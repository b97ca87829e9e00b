# SPDX-License-Identifier: Apache-2.0
"""Registries for the tests: Debian's docker-registry with and without a password, and a scripted
one that misbehaves."""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time
import unittest

USER, PASSWORD = "alice", "s3cret-of-alice"


def wait_until(condition, what, seconds=60):
    """The condition's first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class DockerRegistry:
    """docker-registry on a free port of loopback, its data below `directory`. A context manager."""

    def __init__(self, directory, password=False):
        self.program = shutil.which("docker-registry")
        if not self.program:
            raise unittest.SkipTest("needs docker-registry, which is not installed")
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = self.directory / "data"
        auth = ""
        if password:
            if not shutil.which("htpasswd"):
                raise unittest.SkipTest("needs htpasswd, which is not installed")
            line = subprocess.run(
                ["htpasswd", "-nbB", USER, PASSWORD], check=True, capture_output=True, text=True
            ).stdout
            (self.directory / "htpasswd").write_text(line.strip() + "\n", encoding="utf-8")
            auth = (
                f"auth:\n  htpasswd:\n    realm: test\n    path: '{self.directory / 'htpasswd'}'\n"
            )
        (self.directory / "config.yml").write_text(
            "version: 0.1\nlog: {level: info}\nstorage:\n  delete: {enabled: true}\n"
            f"  filesystem: {{rootdirectory: '{self.data}'}}\nhttp: {{addr: '127.0.0.1:0'}}\n"
            + auth,
            encoding="utf-8",
        )
        self.log = self.directory / "log"
        self.process = None
        self.port = None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", str(self.directory / "config.yml")],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
            )
        try:
            self.port = int(wait_until(self._listening, "docker-registry listening").group(1))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _listening(self):
        if self.process.poll() is not None:
            raise AssertionError(
                "docker-registry ended: " + self.log.read_text(encoding="utf-8", errors="replace")
            )
        return re.search(
            r"listening on 127\.0\.0\.1:(\d+)\D",
            self.log.read_text(encoding="utf-8", errors="replace"),
        )

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    def blobs(self):
        """The digests of the whole blobs that it keeps."""
        return {
            path.parent.name for path in self.data.glob("docker/registry/v2/blobs/sha256/*/*/data")
        }

    def requests(self):
        """(method, path, status) of all answered requests so far."""
        found = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            match = re.search(r'"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1" (\d+)', line)
            if match:
                found.append((match[1], match[2], int(match[3])))
        return found


def auth_file(path, registry, user=USER, password=PASSWORD):
    """A config.json as `docker login` writes it."""
    value = base64.b64encode(f"{user}:{password}".encode()).decode()
    pathlib.Path(path).write_text(
        json.dumps({"auths": {registry: {"auth": value}}}), encoding="utf-8"
    )
    return path


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Scripted:
    """An HTTP server whose answers are a function of the request: script(request) -> None, which
    answers through it. `requests` lists (method, path, headers) in order. A context manager."""

    def __init__(self, script, tls=None):
        self.requests = []
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _any(self):
                with outer.lock:
                    outer.requests.append(
                        (
                            self.command,
                            self.path,
                            {name.lower(): value for name, value in self.headers.items()},
                        )
                    )
                    self.count = sum(
                        1
                        for method, path, _ in outer.requests
                        if (method, path) == (self.command, self.path)
                    )
                try:
                    script(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any

            def body(self):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def answer(self, status, body=b"", headers=(), length=None):
                """The whole answer; `length` may lie."""
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                if length is not None and length != len(body):
                    self.close_connection = True

            def cut(self):
                """Ends the connection as a crash does."""
                self.close_connection = True
                self.connection.close()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:  # an ssl.SSLContext
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def port(self):
        return self.server.server_address[1]

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    def count(self, method, fragment):
        with self.lock:
            return sum(1 for one, path, _ in self.requests if one == method and fragment in path)
