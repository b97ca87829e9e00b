# SPDX-License-Identifier: Apache-2.0
"""Cases of bottle-registry as a client: runs of the tool, layouts, and an image that a scripted
registry serves."""
import hashlib
import json
import os
import pathlib
import re
import subprocess

import images
import system_fixture
from system_fixture import settings
from registry_fixture import PASSWORD, Scripted, digest


INDEX = "application/vnd.oci.image.index.v1+json"


class Case(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.store = self.top / "store"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.top),
            "BOTTLE_CACHE_DIR": str(self.store),
        }

    def tool(self, *arguments, environment=None, status=0):
        """bottle-registry; its JSON if it was asked for."""
        wants_json = (
            "--json" in arguments and status == 0
        )  # which is alone on stdout: a slow transfer reports its progress on stderr
        result = subprocess.run(
            [settings.tools / "bottle-registry", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if wants_json else subprocess.STDOUT,
            text=True,
            env=self.environment | (environment or {}),
            timeout=120,
            check=False,
        )
        self.assertNotIn(PASSWORD, result.stdout + (result.stderr or ""))
        if status is not None:
            self.assertEqual(result.returncode, status, result.stdout + (result.stderr or ""))
        return json.loads(result.stdout) if wants_json else result

    def start(self, *arguments):
        process = subprocess.Popen(
            [settings.tools / "bottle-registry", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        return process

    def skopeo(self, *arguments):
        system_fixture.need("skopeo")
        return subprocess.run(
            ["skopeo", *map(str, arguments)],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout

    def layout(
        self, name="layout", seed=0, layers=2, size=300_000, compress=True, architecture="amd64"
    ):
        layout = images.Layout(self.top / name)
        for number in range(layers):
            content = hashlib.shake_128(f"{seed} {number}".encode()).digest(size)
            layout.add(
                images.layer([images.member(f"file{number}", content=content)]), compress=compress
            )
        layout.finish({"Env": [f"SEED={seed}", f"ARCH={architecture}"]})
        return layout

    def manifest_digest(self, directory):
        index = json.loads((pathlib.Path(directory) / "index.json").read_text(encoding="utf-8"))
        return index["manifests"][0]["digest"]

    def nothing_entered(self):
        """No blob is in the store."""
        blobs = (
            [path for path in self.store.glob("blobs/sha256/*/*")] if self.store.exists() else []
        )
        self.assertEqual(blobs, [])

    def two_platforms(self, name="both"):
        """A layout whose image is an index for two platforms."""
        layout = images.Layout(self.top / name)
        entries = []
        for architecture in ("amd64", "arm64"):
            layout.layers, layout.diff_ids = [], []
            layout.add(images.layer([images.member("arch", content=architecture)]), compress=True)
            config = {
                "architecture": architecture,
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": layout.diff_ids},
            }
            manifest = {
                "schemaVersion": 2,
                "mediaType": images.MANIFEST,
                "config": layout.blob(json.dumps(config).encode(), images.CONFIG),
                "layers": layout.layers,
            }
            entries.append(
                layout.blob(json.dumps(manifest).encode(), images.MANIFEST)
                | {"platform": {"architecture": architecture, "os": "linux"}}
            )
        top = layout.blob(
            json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode(),
            INDEX,
        )
        (layout.directory / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": [top]}), encoding="utf-8"
        )
        return layout.directory, top["digest"], [entry["digest"] for entry in entries]


class Image:
    """An image in memory for scripted registries."""

    def __init__(self, size=100_000, seed=0):
        self.layer = hashlib.shake_128(f"layer {seed}".encode()).digest(size)
        self.config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [digest(self.layer)]},
            }
        ).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": images.MANIFEST,
                "config": {
                    "mediaType": images.CONFIG,
                    "digest": digest(self.config),
                    "size": len(self.config),
                },
                "layers": [{"mediaType": images.LAYER, "digest": digest(self.layer), "size": size}],
            }
        ).encode()
        self.blobs = {digest(self.config): self.config, digest(self.layer): self.layer}

    def serve(self, request):
        """An honest answer to a GET."""
        last = request.path.split("?")[0].rpartition("/")[2]
        if "/manifests/" in request.path:
            request.answer(
                200,
                self.manifest,
                {"Content-Type": images.MANIFEST, "Docker-Content-Digest": digest(self.manifest)},
            )
        elif last in self.blobs:
            data, match = self.blobs[last], re.fullmatch(
                r"bytes=(\d+)-", request.headers.get("Range", "")
            )
            if match:
                first = int(match[1])
                request.answer(
                    206,
                    data[first:],
                    {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"},
                )
            else:
                request.answer(200, data)
        else:
            request.answer(404)

    def is_layer(self, request):
        return request.path.endswith(digest(self.layer))


class HostileCase(Case):
    def setUp(self):
        super().setUp()
        self.image = Image()

    def pull(self, script, *arguments, status=1):
        with Scripted(script) as registry:
            self.registry = registry
            result = self.tool(
                "pull", f"{registry.name}/a:1", "--retries", "2", *arguments, status=status
            )
        if status != 0:
            self.assert_fails(result, registry.name)
            self.nothing_entered()
        return result

    def layer_case(self, answer):
        """Honest but for the layer."""

        def script(request):
            if request.command == "GET" and self.image.is_layer(request):
                answer(request)
            else:
                self.image.serve(request)

        return script

    def pull_bad_layer(self, answer, pattern):
        """As pull(), where the configuration may enter, but not the layer."""
        with Scripted(self.layer_case(answer)) as registry:
            self.registry = registry
            result = self.tool("pull", f"{registry.name}/a:1", "--retries", "2", status=1)
        self.assert_fails(result, pattern, registry.name)
        for path in self.store.glob("blobs/sha256/*/*"):
            self.assertNotEqual(
                path.parent.name + path.name, digest(self.image.layer).removeprefix("sha256:")
            )

    def push(self, script, *arguments):
        self.pushes = getattr(self, "pushes", 0) + 1
        layout = self.layout(f"layout {self.pushes}", layers=1, size=1000)
        with Scripted(script) as registry:
            result = self.tool(
                "push",
                "--layout",
                layout.directory,
                f"{registry.name}/a:1",
                "--retries",
                "1",
                *arguments,
                status=1,
            )
        self.assert_fails(result, registry.name)
        return result
