# SPDX-License-Identifier: Apache-2.0
"""Outside images of a real registry: locked, changed and gone."""
import hashlib
import json
import os
import shutil
import subprocess
import urllib.request

import images
import system_fixture
from lock_fixture import Case, DEADLINE, Server, Web


INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


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


if __name__ == "__main__":
    system_fixture.main()
