# SPDX-License-Identifier: Apache-2.0
"""Outside URLs of a web server, and registries that misbehave: locked, changed and gone."""
import base64
import gzip
import hashlib
import json
import shutil

import images
import system_fixture
from lock_fixture import Case, Web


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


if __name__ == "__main__":
    system_fixture.main()
