# SPDX-License-Identifier: Apache-2.0
"""A registry of `bottle-registry serve` for a test, and requests to it that hide nothing of
HTTP."""
import hashlib
import http.client
import json
import pathlib
import selectors
import subprocess
import urllib.parse

import system_fixture

DEADLINE = 120  # seconds for what takes milliseconds

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


UNKNOWN = digest(b"nobody has pushed this")


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = response.headers

    def json(self):
        return json.loads(self.body)

    def code(self):
        """The code of the error, in a body of the specified form."""
        assert self.headers["Content-Type"] == "application/json", self.headers
        return self.json()["errors"][0]["code"]


class RegistryServer:
    """Started in the constructor, ready when that returns; stop() waits for its end."""

    def __init__(self, *arguments, environment=None):
        self.process = subprocess.Popen(
            [system_fixture.settings.tools / "bottle-registry", "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            line = self.process.stdout.readline() if ready.select(DEADLINE) else ""
        if not line:
            self.process.kill()
            raise AssertionError(f"the server does not get ready: {self.process.communicate()[1]}")
        self.ready = json.loads(line)
        self.port = self.ready["port"]
        self.address = self.ready["address"]

    def stop(self, signal=15):
        if self.process.poll() is None:
            self.process.send_signal(signal)
        error = self.process.communicate(timeout=DEADLINE)[1]
        return self.process.returncode, error

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def request(self, method, path, body=None, headers=None, query=None, connection=None):
        """`headers` as a dictionary; a value may be a list."""
        own = connection is None
        connection = connection or self.connect()
        if query:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(query, doseq=True)
        headers = dict(headers or {})
        connection.putrequest(method, path, skip_host="Host" in headers)
        if (
            body is not None
            and "Content-Length" not in headers
            and "Transfer-Encoding" not in headers
        ):
            headers["Content-Length"] = str(len(body))
        elif body is None and method in ("POST", "PUT", "PATCH"):
            headers.setdefault("Content-Length", "0")
        for name, values in headers.items():
            for value in values if isinstance(values, list) else [values]:
                connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        answer = Answer(response, response.read())
        if own:
            connection.close()
        return answer

    # -- what most tests need first

    def session(self, name, query=None):
        answer = self.request("POST", f"/v2/{name}/blobs/uploads/", query=query)
        assert answer.status == 202, (answer.status, answer.body)
        return answer.headers["Location"]

    def push_blob(self, name, data, algorithm="sha256"):
        named = digest(data, algorithm)
        answer = self.request(
            "PUT",
            self.session(name),
            data,
            {"Content-Type": "application/octet-stream"},
            {"digest": named},
        )
        assert answer.status == 201, (answer.status, answer.body)
        return named

    def push_manifest(self, name, reference, document, media_type=None, **options):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        media_type = media_type or json.loads(data).get("mediaType", MANIFEST)
        answer = self.request(
            "PUT",
            f"/v2/{name}/manifests/{reference}",
            data,
            {"Content-Type": media_type},
            **options,
        )
        assert answer.status == 201, (answer.status, answer.body)
        return answer

    def push_image(self, name, reference, data=b"layer", **members):
        """The bytes of the manifest of an image with one layer."""
        config = b"{}"
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": EMPTY,
                "digest": self.push_blob(name, config),
                "size": len(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": self.push_blob(name, data),
                    "size": len(data),
                }
            ],
            **members,
        }
        text = json.dumps(document).encode()
        self.push_manifest(name, reference or digest(text), text)
        return text


class TestCase(system_fixture.TestCase):
    """Each test has a separate server over an empty root."""

    arguments = ()

    def setUp(self):
        super().setUp()
        self.root = self.top / "root"
        self.server = self.serve("--root", self.root, *self.arguments)
        self.request = self.server.request

    def serve(self, *arguments, **options):
        server = RegistryServer(*arguments, **options)
        self.addCleanup(server.stop)
        return server

    def assert_status(self, answer, status, code=None):
        self.assertEqual(answer.status, status, answer.body)
        if code:
            self.assertEqual(answer.code(), code)
        return answer


def files_below(directory):
    return sorted(
        str(path.relative_to(directory))
        for path in pathlib.Path(directory).rglob("*")
        if path.is_file()
    )
