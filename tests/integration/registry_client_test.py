# SPDX-License-Identifier: Apache-2.0
"""bottle-registry against docker-registry and skopeo."""
import concurrent.futures
import hashlib
import json
import textwrap

import images
import system_fixture
from registry_fixture import DockerRegistry, Scripted, digest, wait_until
from registry_client_fixture import Case


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
                "Dockerfile": textwrap.dedent(
                    """\
                    FROM scratch
                    COPY file /a/
                    COPY other /b/
                    CMD ["/a/file"]
                    """
                ),
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


if __name__ == "__main__":
    system_fixture.main()
