# SPDX-License-Identifier: Apache-2.0
"""Images that go between bottle-registry, docker and podman, both ways, through Bottle's registry:
the digests stay."""
import json
import os
import re
import subprocess

import docker_fixture
import images
import system_fixture
import server_fixture


class Case(server_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.top),
            "BOTTLE_CACHE_DIR": str(self.top / "store"),
        }
        self.name = f"127.0.0.1:{self.server.port}/team/image"

    def bottle(self, *arguments):
        result = subprocess.run(
            [system_fixture.settings.tools / "bottle-registry", *map(str, arguments), "--json"],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=120,
            check=False,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def pushed(self):
        """The manifest's digest and that of the configuration, of an image that is at the tag
        "ours"."""
        layout = images.Layout(self.top / "layout")
        layout.add(
            images.layer(
                [
                    images.member("a", "directory"),
                    images.member("a/one", content=b"1" * 70_000, mode=0o751, uid=7, gid=8),
                ]
            )
        )
        layout.add(
            images.layer([images.member("a/two", "symlink", link="one"), images.whiteout("gone")]),
            compress=True,
        )
        layout.finish({"Env": ["A=b"], "Cmd": ["/a/one"]})
        digest = self.bottle("push", "--layout", layout.directory, f"{self.name}:ours")["pushes"][
            0
        ]["digest"]
        manifest = json.loads((layout.directory / "blobs" / digest.replace(":", "/")).read_bytes())
        return digest, manifest["config"]["digest"]

    def assert_pulled(self, tag, digest, image_id):
        """What the other side pushed is what it says, and the image that it had from us."""
        pulled = self.bottle("pull", f"{self.name}:{tag}", "--layout", self.top / "back")
        self.assertEqual(pulled["digest"], digest)
        images.read_image(self.top / "back")
        manifest = json.loads((self.top / "back/blobs" / digest.replace(":", "/")).read_bytes())
        self.assertEqual(manifest["config"]["digest"], image_id)
        config = json.loads((self.top / "back/blobs" / image_id.replace(":", "/")).read_bytes())
        self.assertEqual((config["config"]["Env"], config["config"]["Cmd"]), (["A=b"], ["/a/one"]))


class Docker(Case):
    def test_push_and_pull_with_docker(self):
        digest, image_id = self.pushed()
        with docker_fixture.Engine() as engine:
            output = engine.docker("pull", f"{self.name}:ours").stdout
            self.assertIn(f"Digest: {digest}", output)
            self.assertEqual(
                engine.docker(
                    "image", "inspect", "--format", "{{.Id}}", f"{self.name}:ours"
                ).stdout.strip(),
                image_id,
            )
            engine.docker("tag", f"{self.name}:ours", f"{self.name}:theirs")
            output = engine.docker("push", f"{self.name}:theirs").stdout
        found = re.search(r"theirs: digest: (sha256:[0-9a-f]{64}) size:", output)
        self.assertTrue(found, output)
        self.assert_pulled("theirs", found[1], image_id)


class Podman(Case):
    def podman(self, *arguments):
        storage = self.top / "storage.conf"
        storage.write_text(
            (
                f'[storage]\ndriver = "vfs"\ngraphroot = "{self.top}/containers"\nrunroot ='
                f' "{self.top}/run"\n'
            ),
            encoding="utf-8",
        )
        result = subprocess.run(
            ["podman", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**self.environment, "CONTAINERS_STORAGE_CONF": str(storage)},
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.strip()

    def test_push_and_pull_with_podman(self):
        system_fixture.need("podman")
        system_fixture.need_root("podman without privileges has another storage")
        digest, image_id = self.pushed()
        self.assertEqual(
            "sha256:" + self.podman("pull", "--quiet", "--tls-verify=false", f"{self.name}:ours"),
            image_id,
        )
        self.assertEqual(
            self.podman("image", "inspect", "--format", "{{.Digest}}", image_id), digest
        )
        self.podman(
            "push",
            "--quiet",
            "--tls-verify=false",
            "--digestfile",
            self.top / "digest",
            image_id,
            f"{self.name}:theirs",
        )
        self.assert_pulled("theirs", (self.top / "digest").read_text(encoding="ascii"), image_id)
        self.podman("image", "rm", "--force", image_id)


if __name__ == "__main__":
    system_fixture.main()
