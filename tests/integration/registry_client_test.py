"""bottle-registry against docker-registry, skopeo, and a registry that misbehaves in each way there
is."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import threading

import images
import system_fixture
from system_fixture import settings
from registry_fixture import (
    PASSWORD,
    USER,
    DockerRegistry,
    Scripted,
    auth_file,
    digest,
    wait_until,
)

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


class Exchange(Case):
    """With Debian's docker-registry and skopeo on the other side."""

    def setUp(self):
        super().setUp()
        self.registry = self.enterContext(DockerRegistry(self.top / "registry"))

    def test_push_and_pull_with_skopeo(self):
        layout = self.layout()
        name = f"{self.registry.name}/a/b:1"
        pushed = self.tool("push", "--json", "--layout", layout.directory, name)["pushes"][0]
        self.assertEqual(pushed["digest"], self.manifest_digest(layout.directory))
        self.assertEqual({blob["outcome"] for blob in pushed["blobs"]}, {"uploaded"})
        self.assertEqual(pushed["bytesSent"], sum(blob["size"] for blob in pushed["blobs"]))
        self.skopeo(
            "copy", "--src-tls-verify=false", f"docker://{name}", f"oci:{self.top / 'there'}:1"
        )
        self.assertEqual(self.manifest_digest(self.top / "there"), pushed["digest"])
        images.read_image(self.top / "there")

        other = self.layout("other", seed=1)
        self.skopeo(
            "copy",
            "--dest-tls-verify=false",
            f"oci:{other.directory}:latest",
            f"docker://{self.registry.name}/c:2",
        )
        pulled = self.tool(
            "pull", "--json", f"{self.registry.name}/c:2", "--layout", self.top / "here"
        )
        self.assertEqual(pulled["digest"], self.manifest_digest(other.directory))
        self.assertEqual(pulled["blobsFetched"], 3)
        images.read_image(self.top / "here")
        again = self.tool(
            "pull", "--json", f"{self.registry.name}/c:2", "--layout", self.top / "here"
        )
        self.assertEqual((again["blobsFetched"], again["bytesFetched"]), (0, 0))

    def test_docker_schema_2(self):
        layout = self.layout()
        name = f"{self.registry.name}/old:1"
        self.skopeo(
            "copy",
            "--format",
            "v2s2",
            "--dest-tls-verify=false",
            f"oci:{layout.directory}:latest",
            f"docker://{name}",
        )
        pulled = self.tool("pull", "--json", name, "--layout", self.top / "here")
        self.assertEqual(
            pulled["mediaType"], "application/vnd.docker.distribution.manifest.v2+json"
        )
        images.read_image(self.top / "here")
        back = self.tool(
            "push", "--json", "--layout", self.top / "here", f"{self.registry.name}/back:1"
        )["pushes"][0]
        self.assertEqual(back["digest"], pulled["digest"])

    def test_second_push_sends_nothing(self):
        layout = self.layout()
        name = f"{self.registry.name}/a:1"
        self.tool("push", "--layout", layout.directory, name)
        before = len(self.registry.requests())
        result = self.tool(
            "push", "--layout", layout.directory, name, "--result", self.top / "push.json"
        )
        self.assertIn("exists already; nothing was sent", result.stdout)
        report = json.loads((self.top / "push.json").read_text(encoding="utf-8"))
        self.assertEqual((report["bytesSent"], report["pushes"][0]["outcome"]), (0, "unchanged"))
        requests = wait_until(lambda: self.registry.requests()[before:], "the log of a request")
        self.assertEqual([method for method, _, _ in requests], ["HEAD"])
        # Another tag of what is there: no blob is looked for.
        before = len(self.registry.requests())
        self.tool("push", "--layout", layout.directory, f"{self.registry.name}/a:2")
        requests = wait_until(
            lambda: [one for one in self.registry.requests()[before:] if one[0] == "PUT"],
            "the log of a request",
        )
        self.assertEqual([path for _, path, _ in requests], ["/v2/a/manifests/2"])

    def test_only_what_is_missing_is_sent(self):
        one, two = self.layout("one", layers=1), self.layout("two", layers=2)
        self.tool("push", "--layout", one.directory, f"{self.registry.name}/a:1")
        pushed = self.tool(
            "push", "--json", "--layout", two.directory, f"{self.registry.name}/a:2"
        )["pushes"][0]
        self.assertEqual(
            [blob["outcome"] for blob in pushed["blobs"]], ["uploaded", "present", "uploaded"]
        )

    def test_mounts_from_another_repository(self):
        layout = self.layout()
        names = [f"{self.registry.name}/{repository}:1" for repository in ("one", "two", "three")]
        pushes = self.tool("push", "--json", "--layout", layout.directory, *names[:2])["pushes"]
        self.assertEqual(
            {(blob["outcome"], blob.get("mountedFrom")) for blob in pushes[1]["blobs"]},
            {("mounted", "one")},
        )
        copied = self.tool("copy", "--json", names[0], names[2])
        self.assertEqual({blob["outcome"] for blob in copied["blobs"]}, {"mounted"})
        self.assertEqual(copied["bytesSent"], 0)
        # A repository that has nothing of it: the mount is refused with a place to upload to.
        other = self.layout("other", seed=5)
        pushed = self.tool(
            "push",
            "--json",
            "--layout",
            other.directory,
            f"{self.registry.name}/four",
            "--mount-from",
            "none",
        )
        self.assertEqual({blob["outcome"] for blob in pushed["pushes"][0]["blobs"]}, {"uploaded"})

    def test_index_of_two_platforms(self):
        directory, top, entries = self.two_platforms()
        name = f"{self.registry.name}/multi:1"
        self.assertEqual(
            self.tool("push", "--json", "--layout", directory, name)["pushes"][0]["digest"], top
        )
        for platform, expected in (
            ("linux/amd64", entries[0]),
            ("linux/arm64", entries[1]),
            ("linux/arm64/v8", entries[1]),
            ("all", top),
        ):
            with self.subTest(platform=platform):
                pulled = self.tool(
                    "pull", "--json", name, "--platform", platform, "--layout", self.top / "here"
                )
                self.assertEqual(pulled["digest"], expected)
                self.assertEqual(self.manifest_digest(self.top / "here"), expected)
        self.assert_fails(
            self.tool("pull", name, "--platform", "linux/s390x", status=None),
            "no image for linux/s390x; the index lists linux/amd64, linux/arm64",
        )
        self.skopeo(
            "copy",
            "--all",
            "--src-tls-verify=false",
            f"docker://{name}",
            f"oci:{self.top / 'there'}:1",
        )
        self.assertEqual(self.manifest_digest(self.top / "there"), top)

    def test_concurrent_pushes_to_one_index(self):
        architectures = ["amd64", "arm64", "s390x", "riscv64", "ppc64le", "386"]
        layouts = []
        for architecture in architectures:
            layout = images.Layout(self.top / architecture)
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
            entry = layout.blob(json.dumps(manifest).encode(), images.MANIFEST)
            (layout.directory / "index.json").write_text(
                json.dumps({"schemaVersion": 2, "manifests": [entry]}), encoding="utf-8"
            )
            layouts.append(layout.directory)
        name = f"{self.registry.name}/fleet:1"
        with concurrent.futures.ThreadPoolExecutor(len(layouts)) as pool:
            list(
                pool.map(
                    lambda layout: self.tool("push", "--index", "--layout", layout, name), layouts
                )
            )
        index = json.loads(self.tool("inspect", "--raw", name).stdout)
        self.assertEqual(
            sorted(entry["platform"]["architecture"] for entry in index["manifests"]),
            sorted(architectures),
        )
        again = self.tool("push", "--json", "--index", "--layout", layouts[0], name)["pushes"][0]
        self.assertEqual((again["outcome"], again["index"]["attempts"]), ("unchanged", 0))

    def test_upload_in_chunks(self):
        layout = self.layout(compress=False, size=200_000)
        self.tool(
            "push",
            "--layout",
            layout.directory,
            f"{self.registry.name}/chunks",
            "--chunk-size",
            "64K",
        )
        wait_until(
            lambda: sum(1 for method, path, _ in self.registry.requests() if method == "PATCH")
            >= 8,
            "chunks",
        )
        self.tool("pull", f"{self.registry.name}/chunks", "--layout", self.top / "here")
        images.read_image(self.top / "here")

    def test_tags_and_pages(self):
        layout = self.layout(layers=1, size=10)
        tags = [f"t{number}" for number in range(7)]
        self.tool(
            "push",
            "--quiet",
            "--layout",
            layout.directory,
            *[f"{self.registry.name}/many:{tag}" for tag in tags],
        )
        self.assertEqual(
            sorted(self.tool("tags", f"{self.registry.name}/many").stdout.split()), tags
        )

        def script(request):
            first = int(request.path.rpartition("last=")[2]) if "last=" in request.path else 0
            link = (
                {"Link": f'</v2/many/tags/list?n=2&last={first + 2}>; rel="next"'}
                if first + 2 < len(tags)
                else {}
            )
            request.answer(
                200, json.dumps({"name": "many", "tags": tags[first : first + 2]}).encode(), link
            )

        with Scripted(script) as pages:
            self.assertEqual(
                self.tool("tags", "--json", f"{pages.name}/many", "--page", "2")["tags"], tags
            )
            self.assertEqual(pages.requests[0][1], "/v2/many/tags/list?n=2")
            self.assertEqual(
                self.tool("tags", "--json", f"{pages.name}/many", "--page", "2", "--limit", "3")[
                    "tags"
                ],
                tags[:3],
            )
            self.assertEqual(pages.count("GET", "/tags/"), 6)
        self.assert_fails(
            self.tool("tags", f"{self.registry.name}/none", status=None), "NAME_UNKNOWN"
        )

    def test_referrers_by_their_tag(self):
        layout = self.layout(layers=1, size=10)
        name = f"{self.registry.name}/subject"
        subject = self.tool("push", "--json", "--layout", layout.directory, name)["pushes"][0]
        for kind in ("sbom", "signature"):
            about = images.Layout(self.top / kind)
            empty = about.blob(b"{}", "application/vnd.oci.empty.v1+json")
            manifest = {
                "schemaVersion": 2,
                "mediaType": images.MANIFEST,
                "artifactType": f"application/x-{kind}",
                "config": empty,
                "layers": [about.blob(kind.encode(), "text/plain")],
                "annotations": {"what": kind},
                "subject": {
                    "mediaType": subject["mediaType"],
                    "digest": subject["digest"],
                    "size": subject["manifests"][0]["size"],
                },
            }
            entry = about.blob(json.dumps(manifest).encode(), images.MANIFEST)
            (about.directory / "index.json").write_text(
                json.dumps({"schemaVersion": 2, "manifests": [entry]}), encoding="utf-8"
            )
            self.tool("push", "--layout", about.directory, f"{name}@{entry['digest']}")
        found = self.tool("inspect", "--json", name, "--referrers")["referrers"]
        self.assertEqual(
            [(one["artifactType"], one["annotations"]["what"]) for one in found],
            [("application/x-sbom", "sbom"), ("application/x-signature", "signature")],
        )
        found = self.tool("inspect", "--json", name, "--artifact-type", "application/x-sbom")[
            "referrers"
        ]
        self.assertEqual([one["annotations"]["what"] for one in found], ["sbom"])

    def test_push_of_a_build_directory(self):
        build = self.new_build(
            {
                "Dockerfile": 'FROM scratch\nCOPY file /a/\nCOPY other /b/\nCMD ["/a/file"]\n',
                "file": "text " * 100_000,
                "other": hashlib.shake_128(b"x").digest(3_000_000),
            }
        )
        build.image().check_returncode()
        for compression in ("gzip", "zstd", "none"):
            with self.subTest(compression=compression):
                arguments = [
                    "--image",
                    build.build,
                    "--store",
                    build.cache,
                    "--compression",
                    compression,
                ]
                first = self.tool(
                    "push", "--json", *arguments, f"{self.registry.name}/built:{compression}"
                )["pushes"][0]
                again = self.tool(
                    "push", "--json", *arguments, f"{self.registry.name}/built:{compression}"
                )["pushes"][0]
                self.assertEqual(
                    (again["outcome"], again["digest"]), ("unchanged", first["digest"])
                )
                # Elsewhere, from nothing: the same bytes.
                other = self.tool(
                    "push",
                    "--json",
                    "--image",
                    build.build,
                    "--store",
                    self.top / f"store {compression}",
                    "--compression",
                    compression,
                    f"{self.registry.name}/other:{compression}",
                )["pushes"][0]
                self.assertEqual(other["digest"], first["digest"])
                there = self.top / f"there {compression}"
                self.skopeo(
                    "copy",
                    "--preserve-digests",
                    "--src-tls-verify=false",
                    f"docker://{self.registry.name}/built:{compression}",
                    f"oci:{there}:1",
                )
                self.assertEqual(self.manifest_digest(there), first["digest"])
                manifest, _ = images.read_image(there)
                suffix = "" if compression == "none" else "+" + compression
                self.assertEqual(
                    {layer["mediaType"] for layer in manifest["layers"]}, {images.LAYER + suffix}
                )

    def test_packs_are_pushed_and_pulled(self):
        build = self.new_build({"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "text"})
        build.image().check_returncode()
        build.create().check_returncode()
        name = f"{self.registry.name}/team/tool:1.0"
        pushed = self.tool("push", "--json", "--pack", build.output, name)["pushes"][0]
        self.assertEqual(len(pushed["blobs"]), 2)
        index = json.loads(self.tool("inspect", "--raw", name).stdout)
        platform = index["manifests"][0]["platform"]
        self.assertEqual(platform["os"], "linux")
        own = f"1.0-linux-{platform['architecture']}"
        self.assertEqual(
            sorted(self.tool("tags", f"{self.registry.name}/team/tool").stdout.split()),
            ["1.0", own],
        )
        text = self.tool("inspect", "--raw", f"{self.registry.name}/team/tool:{own}").stdout
        manifest = json.loads(text)
        self.assertEqual(text, json.dumps(manifest, indent=2))
        self.assertEqual(
            list(manifest),
            ["schemaVersion", "mediaType", "artifactType", "config", "layers", "annotations"],
        )
        self.assertEqual(manifest["artifactType"], "application/vnd.smolmachines.smolmachine.v1")
        self.assertEqual(
            manifest["config"]["mediaType"], "application/vnd.smolmachines.machine.config.v1+json"
        )
        self.assertEqual(
            [layer["digest"] for layer in manifest["layers"]], [digest(build.output.read_bytes())]
        )
        self.assertEqual(
            manifest["annotations"],
            {
                "com.smolmachines.pack.mode": "container",
                "org.opencontainers.image.title": "team/tool:1.0",
            },
        )
        again = self.tool("push", "--json", "--pack", build.output, name)["pushes"][0]
        self.assertEqual((again["outcome"], again["bytesSent"]), ("unchanged", 0))
        self.tool("pull", name, "--pack", self.top / "got.smolmachine")
        self.assertEqual((self.top / "got.smolmachine").read_bytes(), build.output.read_bytes())
        config = self.tool(
            "inspect", "--json", name, "--platform", f"linux/{platform['architecture']}"
        )
        self.assertEqual(config["pack"]["layer_digest"], manifest["layers"][0]["digest"])
        self.assertEqual(config["config"]["platform"], f"linux/{platform['architecture']}")
        # An image is not a pack.
        self.tool("push", "--layout", self.layout().directory, f"{self.registry.name}/image")
        self.assert_fails(
            self.tool(
                "pull", f"{self.registry.name}/image", "--pack", self.top / "no", status=None
            ),
            "expected a pack",
        )
        self.assertFalse((self.top / "no").exists())


class Credentials(Case):
    def setUp(self):
        super().setUp()
        self.registry = self.enterContext(DockerRegistry(self.top / "registry", password=True))
        self.name = f"{self.registry.name}/secret/image:1"
        self.image = self.layout(layers=1, size=1000)
        self.auth = auth_file(self.top / "config.json", self.registry.name)

    def test_missing_credentials(self):
        self.assert_fails(
            self.tool("push", "--layout", self.image.directory, self.name, status=None),
            "answered 401",
            "docker login",
        )
        probe = self.tool("probe", "--json", self.registry.name)
        self.assertEqual(
            (probe["answers"], probe["authentication"], probe["authorized"]), (True, "Basic", False)
        )

    def test_sources_of_credentials(self):
        docker = self.top / "docker"
        docker.mkdir()
        auth_file(docker / "config.json", f"http://{self.registry.name}")
        helper = self.top / "bin" / "docker-credential-fake"
        helper.parent.mkdir()
        helper.write_text(
            (
                "#!/bin/sh\nread server\necho careful >&2\necho"
                f' \'{{"Username":"{USER}","Secret":"{PASSWORD}"}}\'\n'
            ),
            encoding="utf-8",
        )
        helper.chmod(0o755)
        (self.top / "helper.json").write_text(
            json.dumps({"credHelpers": {self.registry.name: "fake"}}), encoding="utf-8"
        )
        ways = [
            (["--auth-file", self.auth], {}),
            ([], {"REGISTRY_AUTH_FILE": str(self.auth)}),
            ([], {"DOCKER_CONFIG": str(docker)}),
            (
                ["--auth-file", self.top / "helper.json"],
                {"PATH": f"{helper.parent}:{os.environ['PATH']}"},
            ),
        ]
        for number, (arguments, environment) in enumerate(ways):
            with self.subTest(arguments=arguments, environment=environment):
                self.tool(
                    "push",
                    "--layout",
                    self.image.directory,
                    f"{self.registry.name}/secret/{number}",
                    *arguments,
                    environment=environment,
                )
                self.tool(
                    "pull",
                    f"{self.registry.name}/secret/{number}",
                    "--store",
                    self.top / f"store{number}",
                    *arguments,
                    environment=environment,
                )
        probe = self.tool("probe", "--json", self.registry.name, "--auth-file", self.auth)
        self.assertEqual((probe["authorized"], probe["credentials"]), (True, str(self.auth)))

    def test_wrong_password(self):
        auth_file(self.top / "wrong.json", self.registry.name, password="wr0ng-" + PASSWORD[:3])
        result = self.tool(
            "push",
            "--layout",
            self.image.directory,
            self.name,
            "--auth-file",
            self.top / "wrong.json",
            status=None,
        )
        self.assert_fails(result, "401", "docker login")
        self.assertNotIn("wr0ng", result.stdout)

    def test_credentials_are_not_stored(self):
        self.tool("push", "--layout", self.image.directory, self.name, "--auth-file", self.auth)
        self.tool("pull", self.name, "--auth-file", self.auth)
        secrets = [
            PASSWORD.encode(),
            json.loads(pathlib.Path(self.auth).read_text(encoding="utf-8"))["auths"][
                self.registry.name
            ]["auth"].encode(),
        ]
        for path in self.store.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                self.assertFalse(any(secret in data for secret in secrets), path)


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


class Hostile(Case):
    """Each way to misbehave ends in one clear error (or in success where that is right), and
    nothing enters the store."""

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

    # -- manifests

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

    # -- blobs

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

    # -- statuses

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

    # -- redirects and credentials

    def test_redirects_leak_no_credential(self):
        seen = []

        def elsewhere(request):
            seen.append(request.headers.get("Authorization"))
            self.image.serve(request)

        with Scripted(elsewhere) as other:

            def script(request):
                if not request.headers.get("Authorization"):
                    request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
                elif "/blobs/" in request.path:
                    request.answer(
                        307,
                        headers={"Location": f"http://{other.name}{request.path}?signature=abc"},
                    )
                else:
                    self.image.serve(request)

            with Scripted(script) as registry:
                auth = auth_file(self.top / "auth.json", registry.name)
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth)
        self.assertEqual(seen, [None, None])

    def test_challenge_after_a_redirect_gets_no_credential(self):
        seen = []

        def elsewhere(request):
            seen.append(request.headers.get("Authorization"))
            request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

        with Scripted(elsewhere) as other:

            def script(request):
                if not request.headers.get("Authorization"):
                    request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
                else:
                    request.answer(307, headers={"Location": f"http://{other.name}/"})

            with Scripted(script) as registry:
                auth = auth_file(self.top / "auth.json", registry.name)
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth, status=1)
        self.assertEqual(seen, [None])

    def test_invalid_redirects(self):
        for location in (
            "file:///etc/passwd",
            "ftp://h/x",
            "http://user:pw@127.0.0.1/",
            "http://h/\x01",
            "//",
            "javascript:x",
        ):
            with self.subTest(location=location):
                result = self.pull(
                    lambda request, location=location: request.answer(
                        307, headers={"Location": location}
                    )
                )
                self.assertNotIn(":pw@", result.stdout)
        self.assertIn(
            "more than 5 redirects",
            self.pull(
                lambda request: request.answer(307, headers={"Location": request.path})
            ).stdout,
        )

    def test_challenge_beside_an_invalid_one(self):
        """A header that is not a challenge does not hide another; each status of success of a token
        service is one."""
        with Scripted(lambda request: request.answer(201, b'{"token":"t1"}')) as tokens:
            bearer = f'Bearer realm="http://{tokens.name}/token",service="s"'
            for headers in (["Negotiate; x", bearer], [bearer, 'Digest "a']):
                with self.subTest(headers=headers):

                    def script(request, headers=tuple(headers)):
                        if request.headers.get("Authorization") == "Bearer t1":
                            return self.image.serve(request)
                        request.send_response(401)
                        for header in headers:
                            request.send_header("WWW-Authenticate", header)
                        request.send_header("Content-Length", "0")
                        request.end_headers()

                    with Scripted(script) as registry:
                        self.tool(
                            "pull",
                            f"{registry.name}/a:1",
                            "--store",
                            self.top / f"store {headers[0]}",
                        )

    def test_invalid_challenges(self):
        auth = self.top / "auth.json"
        for challenge in (
            "",
            "Bearer",
            'Bearer realm="',
            'Bearer realm="file:///etc/passwd"',
            'Bearer realm="x", realm="y"',
            "Digest realm=x",
            'Bearer realm="http://user:pw@h/"',
            "\x01",
        ):
            with self.subTest(challenge=challenge):

                def script(request, challenge=challenge):
                    request.answer(
                        401, headers={"WWW-Authenticate": challenge} if challenge else {}
                    )

                with Scripted(script) as registry:
                    auth_file(auth, registry.name)
                    result = self.tool(
                        "pull",
                        f"{registry.name}/a",
                        "--auth-file",
                        auth,
                        "--retries",
                        "0",
                        status=1,
                    )
                self.assert_fails(result, registry.name)
                self.assertNotIn(":pw@", result.stdout)

    def test_an_echoed_credential_is_not_shown(self):
        def script(request):
            if not request.headers.get("Authorization"):
                request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            else:
                request.answer(
                    403,
                    json.dumps(
                        {
                            "errors": [
                                {
                                    "code": "DENIED",
                                    "message": f"{request.headers['Authorization']} {PASSWORD}",
                                }
                            ]
                        }
                    ).encode(),
                )

        with Scripted(script) as registry:
            auth = auth_file(self.top / "auth.json", registry.name)
            secret = json.loads(pathlib.Path(auth).read_text(encoding="utf-8"))["auths"][
                registry.name
            ]["auth"]
            result = self.tool("pull", f"{registry.name}/a", "--auth-file", auth, status=1)
        self.assert_fails(result, r"DENIED: Basic \.\.\. \.\.\.")
        self.assertNotIn(secret, result.stdout)

    def test_tokens_are_fetched_used_and_renewed(self):
        issued = []

        def token_service(request):
            self.assertEqual(request.headers.get("Authorization", "")[:6], "Basic ")
            issued.append(request.path)
            request.answer(
                200, json.dumps({"token": f"t{len(issued)}", "expires_in": 300}).encode()
            )

        with Scripted(token_service) as tokens:

            def script(request):
                # The first token is taken back after the manifest.
                good = ("t1",) if "/manifests/" in request.path else ("t2",)
                if request.headers.get("Authorization", "").removeprefix("Bearer ") in good:
                    self.image.serve(request)
                else:
                    request.answer(
                        401,
                        headers={
                            "WWW-Authenticate": (
                                "Bearer"
                                f' realm="http://{tokens.name}/token",service="s",scope="repository:a:pull"'
                            )
                        },
                    )

            with Scripted(script) as registry:
                auth = auth_file(self.top / "auth.json", registry.name)
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth)
        self.assertEqual(issued, ["/token?service=s&scope=repository:a:pull"] * 2)

    def test_identity_tokens_are_exchanged(self):
        forms = []

        def token_service(request):
            forms.append((request.command, request.body().decode()))
            request.answer(200, b'{"access_token":"t1"}')

        with Scripted(token_service) as tokens:

            def script(request):
                if request.headers.get("Authorization") == "Bearer t1":
                    self.image.serve(request)
                else:
                    request.answer(
                        401,
                        headers={
                            "WWW-Authenticate": (
                                f'Bearer realm="http://{tokens.name}/token",service="s"'
                            )
                        },
                    )

            with Scripted(script) as registry:
                auth = self.top / "auth.json"
                auth.write_text(
                    json.dumps({"auths": {registry.name: {"identitytoken": "refresh me"}}}),
                    encoding="utf-8",
                )
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth)
        self.assertEqual(
            forms,
            [
                (
                    "POST",
                    "grant_type=refresh_token&client_id=bottle&refresh_token=refresh%20me&service=s&scope=repository:a:pull",
                )
            ],
        )

    # -- pushes and lists

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


class Encrypted(Case):
    """TLS with certificates where Docker has them."""

    def setUp(self):
        super().setUp()
        system_fixture.need("openssl")
        self.image = Image()
        for name, subject in (("server", "/CN=127.0.0.1"), ("client", "/CN=somebody")):
            subprocess.run(
                [
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    subject,
                    "-addext",
                    "subjectAltName=IP:127.0.0.1",
                    "-keyout",
                    self.top / f"{name}.key",
                    "-out",
                    self.top / f"{name}.crt",
                ],
                check=True,
                capture_output=True,
            )

    def serve(self, script, client_certificates=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.top / "server.crt", self.top / "server.key")
        if client_certificates:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.top / "client.crt")
        registry = self.enterContext(Scripted(script, context))
        self.certificates = self.top / "certs.d" / registry.name
        self.certificates.mkdir(parents=True)
        return registry

    def trust(self):
        shutil.copy(self.top / "server.crt", self.certificates / "ca.crt")

    def pull(self, registry, *arguments, status=0):
        return self.tool(
            "pull",
            f"{registry.name}/a:1",
            "--certs",
            self.top / "certs.d",
            "--retries",
            "0",
            *arguments,
            status=status,
        )

    def test_certificate_authorities(self):
        registry = self.serve(self.image.serve)
        self.assert_fails(
            self.pull(registry, status=1), f"https://{registry.name}/", "certificate", "certs.d"
        )
        self.nothing_entered()
        self.trust()
        self.pull(registry)

    def test_client_certificates(self):
        registry = self.serve(self.image.serve, client_certificates=True)
        self.trust()
        self.assert_fails(self.pull(registry, status=1), "failed")
        shutil.copy(self.top / "client.crt", self.certificates / "client.cert")
        self.assert_fails(self.pull(registry, status=1), "has no key")
        shutil.copy(self.top / "client.key", self.certificates / "client.key")
        self.pull(registry)

    def test_credentials_are_not_sent_without_tls(self):
        seen = []

        def plain(request):
            seen.append(request.headers.get("Authorization"))
            request.answer(200, b'{"token":"t"}')

        with Scripted(plain) as other:
            for status, headers in (
                (401, {"WWW-Authenticate": f'Bearer realm="http://{other.name}/token"'}),
                (307, {"Location": f"http://{other.name}/elsewhere"}),
            ):
                registry = self.serve(
                    lambda request, status=status, headers=headers: request.answer(
                        status, headers=headers
                    )
                )
                self.trust()
                auth = auth_file(self.top / "auth.json", registry.name)
                self.assert_fails(
                    self.pull(registry, "--auth-file", auth, status=1),
                    "unencrypted connection|from https to http",
                )
        self.assertEqual(seen, [])

    def test_plain_http_on_a_tls_port(self):
        with Scripted(self.image.serve) as registry:
            self.assert_fails(
                self.tool("pull", f"{registry.name}/a", "--tls", "--retries", "0", status=1),
                "--plain-http",
            )

    def test_certificate_authorities_of_the_environment(self):
        registry = self.serve(self.image.serve)
        self.assert_fails(self.pull(registry, status=1), "certificate")
        file, directory = self.top / "server.crt", self.top / "authorities"
        directory.mkdir()
        (directory / "readme.txt").write_text("no certificate")
        (directory / "authority.pem").write_bytes(b"# comment\n" + file.read_bytes())
        for environment in (
            {"SSL_CERT_FILE": str(file)},
            {"SSL_CERT_DIR": str(directory)},
            {"SSL_CERT_DIR": f"/nowhere:{directory}"},
            {"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": "/nowhere"},
        ):
            with self.subTest(environment):
                self.tool(
                    "pull",
                    f"{registry.name}/a:1",
                    "--certs",
                    self.top / "certs.d",
                    "--retries",
                    "0",
                    environment=environment,
                )
        result = self.tool(
            "pull",
            f"{registry.name}/a:1",
            "--certs",
            self.top / "certs.d",
            "--store",
            self.top / "s",
            "--retries",
            "0",
            environment={"SSL_CERT_FILE": "/nowhere"},
            status=1,
        )
        self.assert_fails(result, "SSL_CERT_FILE")

    def test_insecure_registries(self):
        registry = self.serve(self.image.serve)
        configuration = self.top / "chosen.conf"
        configuration.write_text(
            f"[[registry]]\nlocation = '{registry.name}'\ninsecure = true\n", encoding="utf-8"
        )
        self.assert_fails(self.pull(registry, status=1), "certificate")
        self.tool(
            "pull",
            f"{registry.name}/a:1",
            "--certs",
            self.top / "certs.d",
            "--retries",
            "0",
            environment={"CONTAINERS_REGISTRIES_CONF": str(configuration)},
        )

    def test_skip_verify_of_hosts_toml(self):
        registry = self.serve(self.image.serve)
        directory = self.top / "certs.d" / "r.example"
        directory.mkdir()
        (directory / "hosts.toml").write_text(
            f"[host.'https://{registry.name}']\nskip_verify = true\n", encoding="utf-8"
        )
        self.tool("pull", "r.example/a:1", "--certs", self.top / "certs.d", "--retries", "0")
        (directory / "hosts.toml").write_text(
            f"server = 'https://{registry.name}'\nca = '../../server.crt'\n", encoding="utf-8"
        )
        self.tool(
            "pull",
            "r.example/a:1",
            "--certs",
            self.top / "certs.d",
            "--retries",
            "0",
            "--store",
            self.top / "s2",
        )


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
