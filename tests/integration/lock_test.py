"""Outside sources: images of a real registry, files of a web server, git repositories; locked,
changed, and gone."""
import base64
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import threading
import time
import unittest
import urllib.request

import images
import system_fixture

DEADLINE = 120  # seconds; for things that take a fraction of one
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


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


class Images(Case):
    is_all_ours = False

    @classmethod
    def setUpClass(cls):
        system_fixture.need("docker-registry", "skopeo")

    def setUp(self):
        super().setUp()
        port = system_fixture.free_port()
        config = self.top / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory:"
            f" {json.dumps(str(self.top / 'registry'))}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        )
        self.server = Server(
            "docker-registry", "serve", config, port=port, log=self.top / "registry.log"
        )
        self.addCleanup(self.server.stop)
        self.pushed = 0
        self.registry = f"127.0.0.1:{port}"
        self.base = f"{self.registry}/team/base:1"

    def push(self, content, reference=None, name="layout"):
        self.pushed += 1
        directory = self.top / f"{name} {self.pushed}"
        layout = images.Layout(directory)
        layout.add(
            images.layer(
                [images.member("etc", "directory"), images.member("etc/content", content=content)]
            ),
            compress=True,
        )
        layout.add(images.layer([images.member("second", content="2")]))
        layout.finish({"Env": ["NAME=" + content]})
        subprocess.run(
            [
                "skopeo",
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                "--preserve-digests",
                f"oci:{directory}:latest",
                "docker://" + (reference or self.base),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return directory

    def outcome(self, build, *options):
        result = build.tools(
            "bottle-image",
            "--json",
            "build",
            "--context",
            build.source,
            "--out",
            build.build,
            *options,
        )
        return json.loads(result.stdout)

    def digest(self, directory):
        return json.loads((directory / "index.json").read_text())["manifests"][0]["digest"]

    def test_unlocked_locked_offline(self):
        layout = self.push("one")
        build = self.new(f"FROM {self.base}\nCOPY --from={self.base} /etc/content /$NAME\n")
        result = build.image("--platform", "linux/amd64", expect=1)
        self.assert_fails(
            result, r"Dockerfile:1:1: error: .* not locked", "bottle-lock update --lock"
        )
        # The command of the message is the one that helps.
        command = next(line for line in result.stdout.splitlines() if "bottle-lock update" in line)
        command = command[command.index("bottle-lock update") :].split(", or ")[0]
        build.run("sh", "-c", f'PATH="{system_fixture.settings.tools}:$PATH"; {command}')
        entry = self.entries(build)[self.base]
        self.assertEqual(entry["kind"], "image")
        self.assertEqual(entry["tag"], "1")
        self.assertEqual(entry["platforms"]["linux/amd64"]["digest"], self.digest(layout))
        before = (build.source / "bottle.lock").read_bytes()
        self.lock(build, "update", "--platform", "linux/amd64")
        self.assertEqual((build.source / "bottle.lock").read_bytes(), before)
        build.image("--platform", "linux/amd64")
        tree = self.tree(build)
        self.assertEqual(tree["one"][1], b"one")
        # Everything is in the store now.
        self.server.stop()
        shutil.rmtree(build.build)
        build.image("--platform", "linux/amd64")
        self.assertEqual(self.tree(build), tree)
        build.append("Dockerfile", "LABEL a=b\n")
        build.image("--platform", "linux/amd64")
        # And without it nothing goes.
        shutil.rmtree(build.cache)
        shutil.rmtree(build.build)
        self.assert_fails(
            build.image("--platform", "linux/amd64", expect=1),
            "Failed to connect|connection",
            self.registry,
        )

    def test_layers_are_fetched_when_needed(self):
        self.push("one")
        other = f"{self.registry}/team/other:1"
        layout = self.push("two", other)
        options = ("--platform", "linux/amd64")
        build = self.new(
            (
                f"FROM {other} AS first\nCOPY file /copied\nFROM {self.base}\nCOPY"
                f" --from={other} /etc/content /a\nCOPY --from=first /copied /b\n"
            ),
            file="1",
        )
        self.lock(build, "update", *options)
        build.image(*options)
        before = self.tree(build)
        self.assertEqual((before["a"][1], before["b"][1]), (b"two", b"1"))
        # A store that has lost a layer of the image that files are only copied from.
        manifest = json.loads(
            (layout / "blobs" / "sha256" / self.digest(layout).removeprefix("sha256:")).read_text()
        )
        (lost,) = build.cache.rglob(manifest["layers"][0]["digest"].removeprefix("sha256:")[2:])
        lost.unlink()
        self.server.stop()
        shutil.rmtree(build.build)
        build.write("Dockerfile", (build.source / "Dockerfile").read_text() + "LABEL a=b\n")
        self.assertEqual(
            self.outcome(build, *options)["instructions"], {"executed": 0, "stored": 3}
        )
        build.write("file", "2")
        self.assert_fails(build.image(*options, expect=1), self.registry)

    def test_gc_keeps_blobs_of_a_build_tree(self):
        layout = self.push("one")
        web = Web()
        self.addCleanup(web.stop)
        web.put("/file", "from far")
        pinned = f"{self.base.removesuffix(':1')}@{self.digest(layout)}"
        options = ("--platform", "linux/amd64")
        build = self.new(
            f"FROM {self.base} AS first\nADD {web.url}/file /file\nFROM {pinned}\nCOPY --from=first"
            " /file /file\n"
        )
        self.lock(build, "update", *options)
        build.image(*options)
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        self.server.stop()
        web.stop()
        build.tools("bottle-fingerprint", "--context", build.source, "--out", build.build, *options)
        self.assertEqual(self.outcome(build, *options)["outcome"], "unchanged")
        build.write(
            "Dockerfile",
            (build.source / "Dockerfile").read_text().replace("ADD", "ADD --chmod=600"),
        )
        build.image(*options)
        self.assertEqual(self.tree(build)["file"], (0o600, b"from far"))
        # Content that no root names is not kept.
        build.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
        build.image(*options)
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        build.write("Dockerfile", f"FROM {self.base}\n")
        self.assert_fails(build.image(*options, expect=1), self.registry)

    def test_moved_tag_is_drift_and_not_an_input(self):
        first = self.push("one")
        build = self.new(f"FROM {self.base}\n")
        self.lock(build)
        build.image("--platform", "linux/amd64")
        self.assertEqual(self.lock(build, "check").returncode, 0)
        second = self.push("two")
        build.image("--platform", "linux/amd64")
        self.assertIn("etc/content", self.tree(build))
        self.assertEqual(self.tree(build)["etc/content"][1], b"one")
        drift = self.lock(build, "check", "--json", expect=3)
        self.assertEqual(drift.returncode, 3, drift.stdout)
        (source,) = json.loads(drift.stdout)["sources"]
        self.assertEqual(source["outcome"], "drifted")
        self.assertIn(self.digest(first), source["locked"])
        self.assertIn(self.digest(second), source["found"])
        dry = self.lock(build, "update", "--dry-run")
        self.assertIn("changed", dry.stdout)
        self.assertEqual(
            self.entries(build)[self.base]["platforms"]["linux/amd64"]["digest"], self.digest(first)
        )
        self.lock(build, "update")
        build.image("--platform", "linux/amd64")
        self.assertEqual(self.tree(build)["etc/content"][1], b"two")
        self.assertIn(self.digest(second), self.lock(build, "list").stdout)

    def test_the_lock_is_a_dependency(self):
        self.push("one")
        build = self.new(f"FROM {self.base}\n")

        def dependencies():
            depfile = build.tools(
                "bottle-fingerprint",
                "--context",
                build.source,
                "--emit",
                "depfile",
                "--platform",
                "linux/amd64",
            )
            return [
                line.replace("\\ ", " ").strip()
                for line in depfile.stdout.replace(" \\\n", "\n").splitlines()
            ]

        # Where it would be, until it is there.
        self.assertIn(str(build.source), dependencies())
        self.assertNotIn(str(build.source / "bottle.lock"), dependencies())
        self.lock(build)
        self.assertIn(str(build.source / "bottle.lock"), dependencies())

    def test_an_index_is_locked_for_all_its_platforms(self):
        one, two = self.push("one"), self.push("two", f"{self.registry}/team/other:1")
        reference = f"{self.registry}/team/base"
        subprocess.run(
            [
                "skopeo",
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                "--preserve-digests",
                f"oci:{two}:latest",
                f"docker://{reference}:two",
            ],
            check=True,
        )
        manifests = []
        for directory, architecture in ((one, "amd64"), (two, "arm64")):
            descriptor = json.loads((directory / "index.json").read_text())["manifests"][0]
            del descriptor["annotations"]
            manifests.append(
                descriptor | {"platform": {"os": "linux", "architecture": architecture}}
            )
        # BuildKit's attestations are for no platform.
        manifests.append(manifests[0] | {"platform": {"os": "unknown", "architecture": "unknown"}})
        index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": manifests,
            }
        ).encode()
        urllib.request.urlopen(
            urllib.request.Request(
                f"http://{self.registry}/v2/team/base/manifests/all",
                data=index,
                method="PUT",
                headers={"Content-Type": "application/vnd.oci.image.index.v1+json"},
            ),
            timeout=DEADLINE,
        ).close()
        build = self.new(f"FROM {reference}:all\n")
        self.lock(build)
        entry = self.entries(build)[f"{reference}:all"]
        self.assertEqual(entry["index"]["digest"], "sha256:" + hashlib.sha256(index).hexdigest())
        self.assertEqual(
            {platform: manifest["digest"] for platform, manifest in entry["platforms"].items()},
            {"linux/amd64": self.digest(one), "linux/arm64": self.digest(two)},
        )
        for platform, content in (("linux/amd64", b"one"), ("linux/arm64", b"two")):
            build.image("--platform", platform)
            self.assertEqual(self.tree(build)["etc/content"][1], content)
        self.assert_fails(
            build.image("--platform", "linux/s390x", expect=1),
            "not available for linux/s390x",
            "linux/amd64, linux/arm64",
        )
        # By digest no lock is needed; of an index, too.
        (build.source / "bottle.lock").unlink()
        build.write("Dockerfile", f"FROM {reference}@{entry['index']['digest']}\n")
        build.image("--platform", "linux/arm64")
        self.assertEqual(self.tree(build)["etc/content"][1], b"two")

    def test_entries_without_a_platform_and_indexes_in_indexes(self):
        one = self.push("one")
        reference = f"{self.registry}/team/base"
        descriptor = json.loads((one / "index.json").read_text())["manifests"][0]
        bare = {key: descriptor[key] for key in ("mediaType", "digest", "size")}

        def put_index(manifests, tag=None):
            index = json.dumps(
                {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
            ).encode()
            digest = "sha256:" + hashlib.sha256(index).hexdigest()
            request = urllib.request.Request(
                f"http://{self.registry}/v2/team/base/manifests/{tag or digest}",
                data=index,
                method="PUT",
                headers={"Content-Type": INDEX_TYPE},
            )
            urllib.request.urlopen(request, timeout=DEADLINE).close()
            return {"mediaType": INDEX_TYPE, "digest": digest, "size": len(index)}

        put_index([put_index([bare])], "nested")
        build = self.new(f"FROM {reference}:nested\n")
        self.lock(build)
        platforms = self.entries(build)[f"{reference}:nested"]["platforms"]
        self.assertEqual(
            {platform: manifest["digest"] for platform, manifest in platforms.items()},
            {"linux/amd64": self.digest(one)},
        )
        for platform in ("linux/amd64", "linux/amd64/v3"):
            build.image("--platform", platform)
            self.assertEqual(self.tree(build)["etc/content"][1], b"one")
            build.tools(
                "bottle-registry",
                "pull",
                f"{reference}:nested",
                "--platform",
                platform,
                "--layout",
                self.top / "pulled",
            )
            self.assertEqual(self.digest(self.top / "pulled"), self.digest(one))

    def test_frontends_named_sources_and_unused_ones(self):
        self.push("one")
        frontend, other = f"{self.registry}/team/frontend:1", f"{self.registry}/team/other:2"
        for reference in (frontend, other):
            self.push("front", reference)
        build = self.new(
            f"# syntax={frontend}\nARG BASE={self.base}\nFROM {other} AS unneeded\nFROM $BASE\n"
        )
        build.image("--platform", "linux/amd64", expect=1)
        self.lock(build, "update", self.base)
        self.assertEqual(set(self.entries(build)), {self.base})
        build.image("--platform", "linux/amd64")  # no frontend is run
        self.assertIn("missing", self.lock(build, "check", expect=3).stdout)
        self.lock(build)
        self.assertEqual(set(self.entries(build)), {self.base, frontend})
        self.lock(build, "update", "--all-stages")
        self.assertEqual(set(self.entries(build)), {self.base, frontend, other})
        unused = self.lock(build, "check")
        self.assertRegex(unused.stdout, rf"unused +{other}")
        self.lock(build, "update", "--prune")
        self.assertEqual(set(self.entries(build)), {self.base, frontend})
        self.lock(build, "update", "--build-arg", f"BASE={other}")
        self.assertEqual(set(self.entries(build)), {self.base, frontend, other})
        wrong = self.lock(build, "update", f"{self.registry}/team/bsae:1", expect=2)
        self.assert_fails(wrong, "no Dockerfile here names", "did you mean", status=2)
        gone = self.new(f"FROM {self.registry}/team/none:1\n", "gone")
        self.assert_fails(self.lock(gone, expect=1), "team/none")
        self.assertFalse((gone.source / "bottle.lock").exists())

    def test_image_contexts_and_layouts_in_place_of_registries(self):
        layout = self.push("one")
        self.server.stop()
        build = self.new("FROM base\nCOPY --from=debian:12 /etc/content /copied\n")
        contexts = ("--platform", "linux/amd64", "--build-context", f"base=image:{self.base}")
        froms = (
            "--from",
            f"{self.base}=oci-layout:{layout}",
            "--from",
            f"debian:12=oci-layout:{layout}",
        )
        self.lock(build, "update", *contexts, *froms)
        self.assertEqual(set(self.entries(build)), {self.base, "docker.io/library/debian:12"})
        self.assertEqual(self.lock(build, "check", *contexts, *froms).returncode, 0)
        build.image(*contexts)
        self.assertEqual(self.tree(build)["copied"][1], b"one")

    def test_old_docker_archive(self):
        layout = self.push("one")
        archive = self.top / "old.tar"
        subprocess.run(
            [
                "skopeo",
                "copy",
                "--quiet",
                f"oci:{layout}:latest",
                f"docker-archive:{archive}:debian:12",
            ],
            check=True,
        )
        build = self.new("FROM debian:12\n")
        self.lock(
            build,
            "update",
            "--platform",
            "linux/amd64",
            "--from",
            f"debian:12=docker-archive:{archive}",
        )
        build.image("--platform", "linux/amd64")
        self.assertEqual(self.tree(build)["etc/content"][1], b"one")

    def test_concurrent_updates(self):
        builds = []
        for number in range(4):
            reference = f"{self.registry}/team/image{number}:1"
            self.push("one", reference)
            builds.append((self.new(f"FROM {reference}\n", f"build {number}"), reference))
        lock = self.top / "bottle.lock"
        running = []
        for build, _ in builds:
            environment = {**os.environ, "BOTTLE_CACHE_DIR": str(build.cache)}
            running.append(
                subprocess.Popen(
                    [
                        system_fixture.settings.tools / "bottle-lock",
                        "update",
                        "--quiet",
                        "--lock",
                        lock,
                        "--context",
                        build.source,
                    ],
                    env=environment,
                )
            )
        for process in running:
            self.assertEqual(process.wait(DEADLINE), 0)
        self.assertEqual(
            set(json.loads(lock.read_text())["sources"]), {reference for _, reference in builds}
        )
        self.assertEqual([path.name for path in self.top.glob("*lock*")], ["bottle.lock"])

    def test_registry_with_wrong_content(self):
        layout = self.push("one")
        build = self.new(f"FROM {self.base}\n")
        self.lock(build)
        shutil.rmtree(build.cache)
        blobs = self.top / "registry" / "docker" / "registry" / "v2" / "blobs" / "sha256"
        manifest = json.loads(
            (layout / "blobs" / "sha256" / self.digest(layout).removeprefix("sha256:")).read_text()
        )
        layer = manifest["layers"][0]["digest"].removeprefix("sha256:")
        data = blobs / layer[:2] / layer / "data"
        good = data.read_bytes()
        data.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        self.assert_fails(build.image("--platform", "linux/amd64", expect=1), layer)
        data.write_bytes(good)
        build.image("--platform", "linux/amd64")
        self.assertEqual(self.tree(build)["etc/content"][1], b"one")


class HostileRegistries(Case):
    """A registry that says anything."""

    def setUp(self):
        super().setUp()
        self.web = Web()
        self.addCleanup(self.web.stop)
        self.web.put("/v2/", "{}")
        self.base = self.web.url.removeprefix("http://") + "/base"

    def blob(self, data):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.web.put(
            f"/v2/base/blobs/{digest}", data, **{"Content-Type": "application/octet-stream"}
        )
        return {"digest": digest, "size": len(data)}

    def document(self, document, tag="1", media_type=images.MANIFEST):
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **document}).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        for target in (tag, digest):
            self.web.put(f"/v2/base/manifests/{target}", data, **{"Content-Type": media_type})
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def config(self, **members):
        return {
            "mediaType": images.CONFIG,
            **self.blob(
                {
                    "os": "linux",
                    "architecture": "amd64",
                    "rootfs": {"type": "layers", "diff_ids": []},
                    **members,
                }
            ),
        }

    def refused(self, *patterns):
        build = self.new(f"FROM {self.base}:1\n")
        self.assert_fails(
            self.lock(build, "update", "--platform", "linux/amd64", expect=1), *patterns
        )
        self.assertFalse((build.source / "bottle.lock").exists())
        build.run(system_fixture.settings.tools / "bottle-cache", "--store", build.cache, "verify")
        self.assertEqual(build.leftovers(), [])
        shutil.rmtree(build.root)

    def test_hostile_documents(self):
        self.web.put(
            "/v2/base/manifests/1", "<html>welcome</html>", **{"Content-Type": "text/html"}
        )
        self.refused(self.base.split("/")[0])
        self.document(
            {"config": {"mediaType": "application/vnd.example+json", **self.blob({})}, "layers": []}
        )
        self.refused("expected an image, found an artifact")
        self.document(
            {
                "config": {
                    "mediaType": images.CONFIG,
                    "digest": "sha256:" + "1" * 64,
                    "size": 1 << 40,
                },
                "layers": [],
            }
        )
        self.refused("1099511627776|too large|at most")
        config = self.config()
        self.web.put(f"/v2/base/blobs/{config['digest']}", b"x" * config["size"])
        self.document({"config": config, "layers": []})
        self.refused(config["digest"])
        self.document({"config": self.config(architecture="amd64/../.."), "layers": []})
        self.refused("unsupported platform")
        self.document(
            {
                "config": self.config(
                    rootfs={"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}
                ),
                "layers": [],
            }
        )
        self.refused("1 diff IDs, the manifest 0 layers")
        layer = {"mediaType": "application/vnd.example.layer", **self.blob(b"x")}
        self.document(
            {
                "config": self.config(
                    rootfs={"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}
                ),
                "layers": [layer],
            }
        )
        self.refused("layer 1 is a application/vnd.example.layer")

    def test_hostile_indexes(self):
        index = "application/vnd.oci.image.index.v1+json"
        good = self.document({"config": self.config(), "layers": []}, "other")
        for platform in (
            {"os": "unknown", "architecture": "unknown"},
            {"os": "linux", "architecture": "a/b"},
            {"os": "linux\n", "architecture": "amd64"},
        ):
            self.document({"manifests": [{**good, "platform": platform}]}, media_type=index)
            self.refused("the index lists no image")
        self.document({"manifests": []}, media_type=index)
        self.refused("the index lists no image")
        other = self.document({"config": self.config(author="another"), "layers": []}, "another")
        self.web.pages[f"/v2/base/manifests/{good['digest']}"] = self.web.pages[
            f"/v2/base/manifests/{other['digest']}"
        ]
        self.document(
            {"manifests": [{**good, "platform": {"os": "linux", "architecture": "amd64"}}]},
            media_type=index,
        )
        self.refused(good["digest"])


class Urls(Case):
    def setUp(self):
        super().setUp()
        self.web = Web()
        self.addCleanup(self.web.stop)

    def test_mode_name_and_unpacking(self):
        archive = images.layer([images.member("inside", content="unpacked")])
        self.web.put("/dir/a%20b", "content")
        self.web.put("/", "index")
        self.web.put(
            "/archive.tar.gz",
            gzip.compress(archive, mtime=0),
            **{"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"},
        )
        self.web.put("/moved", b"", status=302, Location="/dir/a%20b")
        build = self.new(
            (
                f"FROM scratch\nADD {self.web.url}/dir/a%20b /into/\nADD {self.web.url} /root/\nADD"
                f" --chmod=755 {self.web.url}/dir/a%20b /named\nADD {self.web.url}/archive.tar.gz"
                f" /\nADD --unpack {self.web.url}/archive.tar.gz /unpacked/\nADD"
                f" {self.web.url}/moved local /mixed/\n"
            ),
            local="of the context",
        )
        self.assert_fails(
            build.image(expect=1), r"Dockerfile:2:1: error: .*is not locked", "bottle-lock update"
        )
        self.lock(build)
        build.image()
        tree = self.tree(build)
        self.assertEqual(tree["into/a b"], (0o600, b"content"))
        self.assertEqual(tree["root/__unnamed__"], (0o600, b"index"))
        self.assertEqual(tree["named"], (0o755, b"content"))
        self.assertEqual(tree["archive.tar.gz"], (0o600, gzip.compress(archive, mtime=0)))
        self.assertEqual(tree["unpacked/inside"], (0o644, b"unpacked"))
        self.assertEqual(tree["mixed/moved"], (0o600, b"content"))
        self.assertEqual(tree["mixed/local"][1], b"of the context")
        # Offline, and other instructions run again.
        self.web.stop()
        shutil.rmtree(build.build)
        build.write(
            "Dockerfile",
            (build.source / "Dockerfile").read_text().replace("--chmod=755", "--chmod=700"),
        )
        build.image()
        self.assertEqual(self.tree(build)["named"], (0o700, b"content"))

    def test_named_context(self):
        """A file at a URL lies in the root, under the URL's name."""
        self.web.put("/dir/page.txt", "one")
        build = self.new("FROM scratch\nCOPY --from=page /page.txt /copied\n")
        context = ["--build-context", f"page={self.web.url}/dir/page.txt"]
        self.assert_fails(
            build.image(*context, expect=1),
            r"Dockerfile:2:1: error: .*page\.txt\" is not locked",
            "bottle-lock update",
        )
        self.lock(build, "update", *context)
        build.image(*context)
        self.assertEqual(self.tree(build)["copied"], (0o600, b"one"))
        # What the lock names is what is used, whatever the server has by now.
        self.web.put("/dir/page.txt", "two")
        shutil.rmtree(build.cache)
        self.assert_fails(
            build.image(*context, expect=1), "expected sha256:.*found sha256:", "bottle-lock check"
        )
        self.assertEqual(self.lock(build, "check", *context, expect=3).returncode, 3)
        self.lock(build, "update", *context)
        build.image(*context)
        self.web.stop()
        shutil.rmtree(build.build)
        build.image(*context)
        self.assertEqual(self.tree(build)["copied"], (0o600, b"two"))

    def test_changed_content_is_drift(self):
        self.web.put("/file", "one")
        build = self.new(f"FROM scratch\nADD {self.web.url}/file /\n")
        self.lock(build)
        self.web.put("/file", "two two two")
        shutil.rmtree(build.cache)
        self.assert_fails(
            build.image(expect=1), f"{self.web.url}/file", "bottle-lock (check|update)"
        )
        self.web.put("/file", "two")
        self.assert_fails(
            build.image(expect=1), "expected sha256:.*found sha256:", "bottle-lock check"
        )
        self.assertEqual(self.lock(build, "check", expect=3).returncode, 3)
        self.lock(build)
        build.image()
        self.assertEqual(self.tree(build)["file"][1], b"two")

    def test_checksums_need_no_lock(self):
        self.web.put("/file", "one")
        digest = "sha256:" + hashlib.sha256(b"one").hexdigest()
        build = self.new(f"FROM scratch\nADD --checksum={digest} {self.web.url}/file /\n")
        build.image()
        self.lock(build)
        self.assertFalse((build.source / "bottle.lock").exists())
        self.web.put("/file", "two")
        build.append("Dockerfile", f"ADD --checksum={digest} {self.web.url}/file /again\n")
        build.image()  # it is in the store
        shutil.rmtree(build.cache)
        shutil.rmtree(build.build)
        self.assert_fails(build.image(expect=1), "expected " + digest, "checksum")

    def test_failures_are_errors(self):
        build = self.new(f"FROM scratch\nADD {self.web.url}/none /\n")
        self.assert_fails(self.lock(build, expect=1), "found 404", f"{self.web.url}/none")
        self.assertFalse((build.source / "bottle.lock").exists())
        self.web.put("/short", b"abc", **{"Content-Length": "10"})
        self.web.put("/loop", b"", status=302, Location="/loop")
        self.web.put("/away", b"", status=302, Location="file:///etc/passwd")
        for page in ("short", "loop", "away"):
            build.write("Dockerfile", f"FROM scratch\nADD {self.web.url}/{page} /\n")
            self.assert_fails(self.lock(build, expect=1), self.web.url)
        self.assertEqual(build.leftovers(), [])

    def test_credentials_are_not_stored(self):
        self.web.put("/file", "content")
        with_credentials = self.web.url.replace("http://", "http://me:s3cret@")
        build = self.new(f"FROM scratch\nADD {with_credentials}/file /\n")
        update = self.lock(build)
        image = build.image()
        self.assertEqual(self.tree(build)["file"][1], b"content")
        expected = "Basic " + base64.b64encode(b"me:s3cret").decode()
        self.assertEqual(
            [headers.get("Authorization") for path, headers in self.web.seen if path == "/file"],
            [expected],
        )
        self.assertNotIn("s3cret", update.stdout + image.stdout)
        for top in (
            build.build,
            build.cache,
            build.root / "exported",
            build.source / "bottle.lock",
        ):
            for path in [top] if top.is_file() else top.rglob("*"):
                if path.is_file():
                    self.assertNotIn(b"s3cret", path.read_bytes(), path)


class Repositories(Case):
    @classmethod
    def setUpClass(cls):
        system_fixture.need("git")
        # Itself: "git daemon" would be its parent, and end without it.
        directory = subprocess.run(
            ["git", "--exec-path"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        cls.daemon = pathlib.Path(directory) / "git-daemon"
        if not cls.daemon.exists():
            raise unittest.SkipTest("needs git daemon, which is not installed")

    def setUp(self):
        super().setUp()
        self.repositories = self.top / "repositories"
        port = system_fixture.free_port()
        self.url = f"git://127.0.0.1:{port}"
        for name in ("main", "part"):
            self.git(name, "init", "--quiet", "--initial-branch=main", directory=name)
        self.server = Server(
            self.daemon,
            "--reuseaddr",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={self.repositories}",
            "--export-all",
            str(self.repositories),
            port=port,
            log=self.top / "git.log",
            environment=self.environment(),
        )
        self.addCleanup(self.server.stop)
        self.commit("part", {"of part": "1"})
        self.first = self.commit(
            "main", {"a": "one", "dir/run": "#!", "dir/deep/b": "b"}, executable="dir/run"
        )
        self.git("main", "tag", "-a", "-m", "annotated", "v1")

    def environment(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.top),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
            "GIT_AUTHOR_DATE": "2020-01-01T00:00Z",
            "GIT_COMMITTER_DATE": "2020-01-01T00:00Z",
        }

    def git(self, name, *arguments, directory=None):
        path = self.repositories / name
        path.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            ["git", *arguments],
            cwd=path,
            env=self.environment(),
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout.strip()

    def commit(self, name, files, executable=None):
        for path, text in files.items():
            file = self.repositories / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        if executable:
            (self.repositories / name / executable).chmod(0o755)
        self.git(name, "add", "--all")
        self.git(name, "commit", "--quiet", "-m", "a commit")
        return self.git(name, "rev-parse", "HEAD")

    def test_branches_tags_commits_and_directories(self):
        os.symlink("../a", self.repositories / "main" / "dir" / "link")
        second = self.commit("main", {"a": "two"})
        main = f"{self.url}/main"
        build = self.new(
            f"FROM scratch\nADD {main}#v1 /tag\nADD {main} /head\nADD {main}#main:dir /dir\nADD"
            f" {main}#{self.first} /commit\nADD --exclude=dir {main}#refs/heads/main /partly/\n"
        )
        self.assert_fails(
            build.image(expect=1),
            r"Dockerfile:2:1: error: .*#v1\" is not locked",
            "bottle-lock update",
        )
        self.lock(build)
        entries = self.entries(build)
        self.assertEqual(
            entries[f"{main}#v1"], {"kind": "git", "commit": self.first, "ref": "refs/tags/v1"}
        )
        self.assertEqual(
            entries[f"{main}#main"], {"kind": "git", "commit": second, "ref": "refs/heads/main"}
        )
        self.assertEqual(entries[main], {"kind": "git", "commit": second, "ref": "HEAD"})
        self.assertNotIn(f"{main}#{self.first}", entries)
        build.image()
        tree = self.tree(build)
        self.assertEqual(tree["tag/a"], (0o644, b"one"))
        self.assertEqual(tree["head/a"], (0o644, b"two"))
        self.assertEqual(tree["commit/a"], (0o644, b"one"))
        self.assertEqual(tree["dir/run"], (0o755, b"#!"))
        self.assertEqual(tree["dir/link"], (0o777, "../a"))
        self.assertEqual(tree["dir/deep/b"], (0o644, b"b"))
        self.assertEqual(tree["tag"][0], 0o755)
        self.assertIn("partly/a", tree)
        self.assertFalse([path for path in tree if path.startswith("partly/dir") or ".git" in path])
        # A later commit is drift, not an input; and nothing is asked for again.
        third = self.commit("main", {"a": "three"})
        drift = self.lock(build, "check", "--json", expect=3)
        self.assertEqual(
            {source["name"]: source["outcome"] for source in json.loads(drift.stdout)["sources"]},
            {
                main: "drifted",
                f"{main}#main": "drifted",
                f"{main}#refs/heads/main": "drifted",
                f"{main}#v1": "unchanged",
            },
        )
        shutil.rmtree(build.cache)
        shutil.rmtree(build.build)
        build.image()
        self.assertEqual(self.tree(build), tree)
        self.server.stop()
        shutil.rmtree(build.build)
        build.image()
        self.assertEqual(self.tree(build), tree)
        self.assertNotEqual(second, third)

    def test_named_context(self):
        """Its files are those of an image, for FROM and COPY."""
        main = f"{self.url}/main"
        build = self.new(
            "FROM repository AS all\nFROM scratch\nCOPY --from=repository /a /one/\nCOPY --from=all"
            " /dir/deep /two/\n"
        )
        context = ["--build-context", f"repository={main}#v1"]
        self.assert_fails(
            build.image(*context, expect=1),
            r"Dockerfile:1:1: error: .*#v1\" is not locked",
            "bottle-lock update",
        )
        self.lock(build, "update", *context)
        self.assertEqual(
            self.entries(build),
            {f"{main}#v1": {"kind": "git", "commit": self.first, "ref": "refs/tags/v1"}},
        )
        build.image(*context)
        tree = self.tree(build)
        self.assertEqual(tree["one/a"], (0o644, b"one"))
        self.assertEqual(tree["two/b"], (0o644, b"b"))
        self.assertFalse([path for path in tree if ".git" in path])
        # A commit needs no lock, and a directory is the whole context.
        build.write("Dockerfile", "FROM repository\n")
        build.image("--build-context", f"repository={main}#{self.first}:dir")
        self.assertEqual(
            self.tree(build), {"run": (0o755, b"#!"), "deep": (0o755, ""), "deep/b": (0o644, b"b")}
        )
        self.server.stop()
        shutil.rmtree(build.build)
        build.image(*context)
        self.assertEqual(self.tree(build)["a"], (0o644, b"one"))

    def test_epoch_from_a_commit(self):
        main = f"{self.url}/main"
        build = self.new(
            f"ARG SOURCE_DATE_EPOCH=when\nFROM scratch AS when\nARG REF=v1\nADD {main}#$REF /\nFROM"
            " scratch\nARG SOURCE_DATE_EPOCH\nCOPY <<EOF /time\n$SOURCE_DATE_EPOCH\nEOF\n"
        )
        self.assert_fails(
            build.image(expect=1),
            r"Dockerfile:4:1: error: .*#v1\" is not locked",
            "bottle-lock update",
        )
        self.lock(build)
        self.assertEqual(list(self.entries(build)), [f"{main}#v1"])
        seconds = 1577836800  # GIT_COMMITTER_DATE
        self.time = seconds
        build.image()
        self.assertEqual(self.tree(build)["time"], (0o644, f"{seconds}\n".encode()))
        self.assertIn("2020-01-01T00:00:00Z", (build.build / "image.json").read_text())
        # Or that of a named context, which nothing else has to use.
        build.write(
            "Dockerfile",
            "FROM scratch\nARG SOURCE_DATE_EPOCH\nCOPY <<EOF /time\n$SOURCE_DATE_EPOCH\nEOF\n",
        )
        context = ["--build-context", f"when={main}#main", "--build-arg", "SOURCE_DATE_EPOCH=when"]
        self.assert_fails(
            build.image(*context, expect=1),
            r"Dockerfile:1:1: error: .*#main\" is not locked",
            "bottle-lock update",
        )
        self.lock(build, "update", *context)
        build.image(*context)
        self.assertEqual(self.tree(build)["time"], (0o644, f"{seconds}\n".encode()))
        # Kept with what the build tree needs, and asked for once.
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        self.server.stop()
        shutil.rmtree(build.build)
        build.image(*context)
        self.assertEqual(self.tree(build)["time"][1], f"{seconds}\n".encode())

    def test_gc_keeps_the_checkout_of_a_build_tree(self):
        main = f"{self.url}/main"
        build = self.new(f"FROM scratch\nADD {main}#v1 /x\n")
        self.lock(build)
        build.image()
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        self.server.stop()
        # Offline, and another instruction.
        build.write("Dockerfile", f"FROM scratch\nADD --exclude=dir {main}#v1 /x\n")
        build.image()
        self.assertEqual((self.tree(build)["x/a"][1], "x/dir" in self.tree(build)), (b"one", False))
        # Content that no root names is not kept.
        build.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
        build.image()
        build.tools("bottle-cache", "gc", "--max-size", "0", "--keep-referenced")
        build.write("Dockerfile", f"FROM scratch\nADD {main}#v1 /x\n")
        self.assertRegex(build.image(expect=1).stdout, f"{main}: error: git fetch .* failed")

    def test_submodules_and_kept_repositories(self):
        self.git(
            "main",
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            f"{self.url}/part",
            "module",
        )
        commit = self.commit("main", {"a": "two"})
        main = f"{self.url}/main"
        dockerfile = (
            f"FROM scratch\nADD --keep-git-dir=true {main}#main /kept\nADD {main}#main /plain\n"
        )
        trees = []
        for name in ("one", "another"):
            build = self.new(dockerfile, name)
            self.lock(build)
            build.image()
            trees.append(self.tree(build))
        self.assertEqual(trees[0], trees[1])
        self.assertEqual(trees[0]["plain/module/of part"], (0o644, b"1"))
        self.assertFalse(
            [
                path
                for path in trees[0]
                if path.startswith("plain/") and path.split("/")[-1] == ".git"
            ]
        )
        self.assertEqual(trees[0]["kept/.git/HEAD"][1].decode().strip(), commit)
        # git takes it for a clean repository with that commit.
        for path, (mode, content) in trees[0].items():
            if path.startswith("kept/") and isinstance(content, bytes):
                file = self.top / "checkout" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                file.chmod(mode)
        for directory in ("objects/pack", "refs/heads"):
            (self.top / "checkout/kept/.git" / directory).mkdir(parents=True, exist_ok=True)

        def git(*arguments):
            return subprocess.run(
                ["git", *arguments],
                cwd=self.top / "checkout" / "kept",
                env=self.environment(),
                check=True,
                text=True,
                stdout=subprocess.PIPE,
            ).stdout.strip()

        self.assertEqual(git("rev-parse", "HEAD"), commit)
        self.assertEqual(git("rev-parse", "refs/heads/main"), commit)
        self.assertEqual(git("config", "remote.origin.url"), main)
        self.assertEqual(git("status", "--porcelain", "--ignore-submodules"), "")
        git("fsck", "--strict")

    def test_failures_are_errors(self):
        main = f"{self.url}/main"
        build = self.new(f"FROM scratch\nADD {main}#none /x\n")
        self.assert_fails(self.lock(build, expect=1), "neither a branch nor a tag", main)
        build.write("Dockerfile", f"FROM scratch\nADD {main}#main:none /x\n")
        self.assert_fails(self.lock(build, expect=1), 'no directory "none"')
        build.write("Dockerfile", f"FROM scratch\nADD {main}#{'0' * 39}1 /x\n")
        self.assertRegex(build.image(expect=1).stdout, f"{main}: error: git fetch 0+1 failed")
        build.write("Dockerfile", f"FROM scratch\nADD {self.url}/absent#main /x\n")
        self.assertRegex(
            self.lock(build, expect=1).stdout, f"{self.url}/absent: error: git ls-remote failed"
        )
        # A directory that is a link leads nowhere else.
        os.symlink("/etc", self.repositories / "main" / "out")
        self.commit("main", {})
        build.write("Dockerfile", f"FROM scratch\nADD {main}#main:out /x\n")
        self.assert_fails(self.lock(build, expect=1), 'no directory "out"')
        self.assertEqual(build.leftovers(), [])

    def test_git_bombs_are_refused(self):
        def commit_of(blob, names, levels):
            """A tree of names^levels files that are one object each, in as many objects as
            levels."""
            entry = f"100644 blob {blob}"
            for _ in range(levels):
                listing = "".join(f"{entry}\t{number:03}\n" for number in range(names))
                tree = subprocess.run(
                    ["git", "mktree"],
                    cwd=self.repositories / "main",
                    env=self.environment(),
                    check=True,
                    text=True,
                    input=listing,
                    stdout=subprocess.PIPE,
                ).stdout.strip()
                entry = f"040000 tree {tree}"
            commit = self.git("main", "commit-tree", "-m", "large", tree)
            self.git("main", "update-ref", "refs/heads/large", commit)

        def blob_of(size):
            (self.top / "blob").write_bytes(bytes(size))
            return self.git("main", "hash-object", "-w", str(self.top / "blob"))

        build = self.new(f"FROM scratch\nADD {self.url}/main#large /x\n")
        commit_of(blob_of(0), 100, 4)
        self.assert_fails(
            self.lock(build, expect=1),
            "the commit holds more than 4000000 files",
            f"{self.url}/main",
        )
        commit_of(blob_of(1 << 20), 41, 3)
        self.assert_fails(
            self.lock(build, expect=1),
            "the files of the commit are larger than 64.0 GiB",
            f"{self.url}/main",
        )
        commit_of(blob_of(0), 9, 1)
        self.lock(build)
        build.image()
        self.assertEqual(len([path for path in self.tree(build) if path.startswith("x/")]), 9)
        self.assertEqual(build.leftovers(), [])

    def test_local_submodules_are_refused(self):
        self.git(
            "main",
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            str(self.repositories / "part"),
            "module",
        )
        self.commit("main", {})
        build = self.new(f"FROM scratch\nADD {self.url}/main#main /x\n")
        self.assert_fails(self.lock(build, expect=1), "not allowed")
        build.write(
            "Dockerfile", f"FROM scratch\nADD {self.url}/main?ref=main&submodules=false /x\n"
        )
        self.lock(build)
        build.image()
        self.assertIn("x/a", self.tree(build))

    def test_hooks_filters_and_configuration_are_ignored(self):
        marker = self.top / "ran"
        home = self.top / "home"
        home.mkdir()
        (home / ".gitconfig").write_text(
            f'[core]\n\thooksPath = {home}/hooks\n[filter "f"]\n\tsmudge = touch {marker}; cat\n'
            f'[url "file:///"]\n\tinsteadOf = {self.url}\n'
        )
        (home / "hooks").mkdir()
        hook = home / "hooks" / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
        hook.chmod(0o755)
        self.commit("main", {".gitattributes": "* filter=f\n"})
        build = self.new(f"FROM scratch\nADD {self.url}/main /x\n")
        build.environment["HOME"] = str(home)
        self.lock(build)
        build.image()
        self.assertEqual(self.tree(build)["x/a"][1], b"one")
        self.assertFalse(marker.exists())


if __name__ == "__main__":
    system_fixture.main()
