# SPDX-License-Identifier: Apache-2.0
"""The documents that Bottle writes, byte for byte as in tests/golden: the key text, the plan, layer
indexes, the documents of a layout, a pack's manifest and its record."""
import json

import system_fixture

GOLDEN = system_fixture.harness.SOURCE / "tests/golden"
# These depend on the release of zstd, on Bottle's version, or on the time and place of the test.
VARYING = {
    *("size", "packIdentity", "assetsSize", "manifestOffset", "manifestSize", "checksum", "key"),
    *("file", "pack", "modified", "inode", "milliseconds"),
}


def masked(document):
    """The document as JSON, with "..." for values that vary."""

    def mask(members):
        return {name: "..." if name in VARYING else value for name, value in members.items()}

    if "format" in document:
        document["format"] = mask(document["format"])
    return json.dumps(mask(document), indent=1) + "\n"


class Golden(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.build = self.new_build()

    def options(self, case):
        context = GOLDEN / case / "context"
        return ["--context", context, "--git-modes", "--platform", "linux/amd64"]

    def image(self, case):
        options = [*self.options(case), "--out", self.build.build]
        self.build.tools("bottle-image", "build", "--quiet", *options)
        return json.loads((self.build.build / "image.json").read_text(encoding="utf-8"))

    def version(self):
        return self.build.tools("bottle-image", "--version").stdout.split()[-1]

    def check(self, name, text):
        self.assert_golden(name, text.replace(self.version(), "VERSION"))

    def test_key_text(self):
        options = [
            *self.options("key"),
            "--build-arg",
            "MODE=slow",
            "--secret",
            "id=token,env=HOME",
        ]
        text = self.build.tools("bottle-fingerprint", *options, "--emit", "text").stdout
        self.check("key/key.txt", text)

    def test_plan(self):
        self.image("plan")
        self.check("plan/image.json", (self.build.build / "image.json").read_text("utf-8"))

    def test_layer_index(self):
        layers = self.image("layer_index")["layers"]
        files = [self.build.build / "layers" / f"{layer['digest'][7:]}.idx" for layer in layers]
        self.check("layer_index/layers.txt", "".join(file.read_text("utf-8") for file in files))

    def test_layout(self):
        """index.json, the manifest and the configuration."""
        self.image("layout")
        layout = self.build.root / "layout"
        self.build.export(layout, "--tag", "example.com/golden:1")

        def document(descriptor):
            path = layout / "blobs" / descriptor["digest"].replace(":", "/")
            return path.read_text(encoding="utf-8")

        index = (layout / "index.json").read_text(encoding="utf-8")
        manifest = document(json.loads(index)["manifests"][0])
        self.check("layout/index.json", index)
        self.check("layout/manifest.json", manifest)
        self.check("layout/config.json", document(json.loads(manifest)["config"]))

    def test_pack(self):
        """The manifest of the pack and pack.json."""
        self.image("pack")
        machine = ["--cpus", "2", "--memory", "512", "--name", "golden:1", "--jobs", "1"]
        record = json.loads(self.build.create(*machine, "--json").stdout)
        shown = self.build.tools("bottle-pack", "inspect", "--json", self.build.output).stdout
        self.check("pack/manifest.json", masked(json.loads(shown)))
        self.check("pack/pack.json", masked(record))


if __name__ == "__main__":
    system_fixture.main()
