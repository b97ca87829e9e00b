# SPDX-License-Identifier: Apache-2.0
"""Other programs read the image layouts that we write, and we read theirs: skopeo, umoci."""
import json
import subprocess
import tarfile

import images
import system_fixture

DOCKERFILE = """
FROM scratch AS files
COPY a /first/
FROM scratch
LABEL org.example.name="a name"
ENV GREETING="good day" PATH=/bin
COPY --chown=3:4 --chmod=4750 a /bin/a
COPY --from=files /first /second
WORKDIR /second
EXPOSE 80/tcp 53/udp
VOLUME /data
USER 12:34
STOPSIGNAL SIGUSR1
ENTRYPOINT ["/bin/a"]
CMD ["with", "arguments"]
"""
FILES = {"Dockerfile": DOCKERFILE, "a": "content of a\n"}


def command(*arguments, **options):
    result = subprocess.run(
        [str(argument) for argument in arguments],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **options,
    )
    assert result.returncode == 0, f"{arguments} ended with {result.returncode}:\n{result.stdout}"
    return result.stdout


class Exchange(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.ours = self.new_build(FILES)
        self.ours.image()
        self.layout = self.top / "layout"
        self.ours.export(self.layout, "--tag", "ours")

    def test_layout_follows_the_specification(self):
        manifest, config = images.read_image(self.layout)
        self.assertEqual(
            json.loads((self.layout / "oci-layout").read_text()), {"imageLayoutVersion": "1.0.0"}
        )
        self.assertEqual(manifest["mediaType"], images.MANIFEST)
        self.assertEqual(manifest["config"]["mediaType"], images.CONFIG)
        history = config["history"]
        self.assertEqual(
            len([step for step in history if not step.get("empty_layer")]), len(manifest["layers"])
        )
        self.assertEqual(len(config["rootfs"]["diff_ids"]), len(manifest["layers"]))
        self.assertTrue(
            all(step["created"].startswith("1970-01-01T00:00:00") for step in history), history
        )
        self.assertIn(
            "COPY",
            history[[bool(step.get("empty_layer")) for step in history].index(False)]["created_by"],
        )
        self.assertEqual(config["os"], "linux")
        self.assertEqual(sorted(config["config"]["Env"]), ["GREETING=good day", "PATH=/bin"])
        self.assertEqual(config["config"]["Entrypoint"], ["/bin/a"])
        self.assertEqual(config["config"]["Cmd"], ["with", "arguments"])
        self.assertEqual(config["config"]["User"], "12:34")
        self.assertEqual(config["config"]["WorkingDir"], "/second")
        self.assertEqual(config["config"]["ExposedPorts"], {"80/tcp": {}, "53/udp": {}})
        self.assertEqual(config["config"]["Volumes"], {"/data": {}})
        self.assertEqual(config["config"]["StopSignal"], "SIGUSR1")

    def test_skopeo_inspects(self):
        system_fixture.need("skopeo")
        manifest, _ = images.read_image(self.layout)
        seen = json.loads(command("skopeo", "inspect", f"oci:{self.layout}:ours"))
        index = json.loads((self.layout / "index.json").read_text())
        self.assertEqual(seen["Digest"], index["manifests"][0]["digest"])
        self.assertEqual(seen["Labels"], {"org.example.name": "a name"})
        self.assertEqual(seen["Layers"], [layer["digest"] for layer in manifest["layers"]])
        config = json.loads(command("skopeo", "inspect", "--config", f"oci:{self.layout}:ours"))
        self.assertEqual(config["config"]["StopSignal"], "SIGUSR1")

    def test_umoci_unpacks(self):
        system_fixture.need("umoci")
        system_fixture.need_root("umoci unpacks owners")
        command("umoci", "unpack", "--image", f"{self.layout}:ours", self.top / "bundle")
        tree = system_fixture.tree_of(self.top / "bundle" / "rootfs")
        self.assertEqual(tree["bin/a"][:5], ("file", "4750", 3, 4, 13))
        self.assertEqual(tree["second/a"][:4], ("file", "0644", 0, 0))
        self.assertEqual(set(tree), {"", "bin", "bin/a", "second", "second/a"})
        runtime = json.loads((self.top / "bundle" / "config.json").read_text())
        self.assertEqual(runtime["process"]["args"], ["/bin/a", "with", "arguments"])
        self.assertEqual(runtime["process"]["cwd"], "/second")

    def docker_archive(self, name="archive.tar"):
        """What `docker load` would read, and `docker save` writes."""
        system_fixture.need("skopeo")
        archive = self.top / name
        command(
            "skopeo",
            "--insecure-policy",
            "copy",
            f"oci:{self.layout}:ours",
            f"docker-archive:{archive}:example.org/ours:1",
        )
        return archive

    def test_docker_archive_is_read(self):
        with tarfile.open(self.docker_archive()) as archive:
            listed = json.load(archive.extractfile("manifest.json"))
            config = json.load(archive.extractfile(listed[0]["Config"]))
        self.assertEqual(listed[0]["RepoTags"], ["example.org/ours:1"])
        _, ours = images.read_image(self.layout)
        self.assertEqual(config["rootfs"]["diff_ids"], ours["rootfs"]["diff_ids"])
        self.assertEqual(len(listed[0]["Layers"]), len(ours["rootfs"]["diff_ids"]))

    def check_as_base(self, context):
        """An image FROM what another program made of our image holds our image, and one layer
        more."""
        child = self.new_build(
            {"Dockerfile": "FROM base\nCOPY b /b\n", "b": "b\n"},
            name="child of " + context.split(":")[0],
        )
        child.image("--build-context", "base=" + context)
        layout = child.root / "layout"
        child.export(layout)
        _, ours = images.read_image(self.layout)
        manifest, config = images.read_image(layout)
        self.assertEqual(config["rootfs"]["diff_ids"][:-1], ours["rootfs"]["diff_ids"])
        self.assertEqual(len(manifest["layers"]), len(ours["rootfs"]["diff_ids"]) + 1)
        self.assertEqual(config["config"], ours["config"])
        self.assertEqual(len(config["history"]), len(ours["history"]) + 1)
        child.create()
        rows = {
            row[0]: row[1:]
            for row in json.loads(
                child.tools("bottle-pack", "inspect", "--tree", child.output).stdout
            )
        }
        self.assertEqual(set(rows), {"", "bin", "bin/a", "second", "second/a", "b"})
        self.assertEqual(rows["bin/a"][:4], ["file", "4750", 3, 4])

    def test_base_from_a_layout_of_skopeo(self):
        system_fixture.need("skopeo")
        compress = ["--dest-compress", "--dest-compress-format"]
        for name, options in {
            "plain": [],
            "gzip": [*compress, "gzip"],
            "zstd": [*compress, "zstd"],
        }.items():
            with self.subTest(name):
                command(
                    "skopeo",
                    "--insecure-policy",
                    "copy",
                    *options,
                    f"oci:{self.layout}:ours",
                    f"oci:{self.top}/{name}:x",
                )
                self.check_as_base(f"oci-layout:{self.top}/{name}")

    def test_base_from_a_docker_archive_of_skopeo(self):
        self.check_as_base(f"docker-archive:{self.docker_archive()}")

    def test_base_from_a_layout_changed_by_umoci(self):
        system_fixture.need("umoci")
        system_fixture.need_root("umoci unpacks owners")
        command("umoci", "unpack", "--image", f"{self.layout}:ours", self.top / "bundle")
        rootfs = self.top / "bundle" / "rootfs"
        (rootfs / "second" / "a").unlink()
        (rootfs / "added").write_text("by umoci\n")
        command("umoci", "repack", "--image", f"{self.layout}:changed", self.top / "bundle")
        alone = self.top / "alone"
        system_fixture.need("skopeo")
        command(
            "skopeo", "--insecure-policy", "copy", f"oci:{self.layout}:changed", f"oci:{alone}:x"
        )
        child = self.new_build({"Dockerfile": "FROM base\n"}, name="child of umoci")
        child.image("--build-context", f"base=oci-layout:{alone}")
        child.create()
        rows = {
            row[0]
            for row in json.loads(
                child.tools("bottle-pack", "inspect", "--tree", child.output).stdout
            )
        }
        self.assertEqual(rows, {"", "bin", "bin/a", "second", "added"})

    def test_export_replaces_only_layouts(self):
        self.ours.export(self.layout, "--tag", "ours")
        first = system_fixture.tree_of(self.layout)
        self.ours.export(self.layout, "--tag", "ours")
        self.assertEqual(system_fixture.tree_of(self.layout), first)
        other = self.top / "precious"
        other.mkdir()
        (other / "work").write_text("of years\n")
        result = self.ours.export(other, expect=1)
        self.assert_fails(result, "precious.*is not an OCI image layout")
        self.assertEqual((other / "work").read_text(), "of years\n")


if __name__ == "__main__":
    system_fixture.main()
