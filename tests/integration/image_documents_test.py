# SPDX-License-Identifier: Apache-2.0
"""Images whose documents have null, absent, empty, odd and wrong members, as a base: Bottle beside
the answers of real programs.

The answers are in image_documents.json, one a line, recorded with
- "engine20": Docker Engine 20.10.24, `docker load` of an archive, `docker build` of FROM and LABEL
  by BuildKit, `docker save`;
- "engine28": Docker Engine 28.5.2 of Debian sid with containerd's image store, the same with an
  image layout;
- "skopeo": skopeo 1.9.3, `skopeo copy` and `skopeo inspect --config` of the layout.
{"refused": true} is an error, {"is": ...} the member in the image that is built, {} that it is not
there or is the builder's own.

Bottle answers as Engine 28 does, but for what the tables below say and why."""
import json
import pathlib

import images
import system_fixture

INDEX = "application/vnd.oci.image.index.v1+json"
ABSENT = object()
ANSWERS = json.loads(
    pathlib.Path(__file__).with_name("image_documents.json").read_text(encoding="utf-8")
)
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2001-09-09T01:46:40Z",
    "config": {
        "Env": ["PATH=/bin", "A=1"],
        "Cmd": ["c"],
        "WorkingDir": "/w",
        "User": "u",
        "Labels": {"a": "b"},
    },
    "history": [{"created": "2001-09-09T01:46:40Z", "created_by": "layer 1"}],
}

# Where Bottle's answer is another: {(member, value as JSON): why}.
REFUSED = {
    ("architecture", '"arm64"'): "an image for another platform is an error, where BuildKit warns",
    ("variant", '"v9"'): "an image for another platform is an error",
}
KEPT = {
    "os.version",
    "os.features",
    "variant",
    "author",
    "config/StopTimeout",
    "config/Hostname",
    "config/Memory",
    "config/Tty",
    "config/Unknown",
    "config/User",
    "config/WorkingDir",
    "config/StopSignal",
    "config/Env",
    "config/Cmd",
    "config/Entrypoint",
    "config/Shell",
    "config/ExposedPorts",
    "config/Volumes",
    "config/Labels",
    "config/Healthcheck",
    "config/ArgsEscaped",
    "config",
}


class ImageDocuments(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.project = self.new_build({"Dockerfile": "FROM case\nLABEL x=y\n"})
        self.count = 0

    def layout(self):
        self.count += 1
        layout = images.Layout(self.top / f"layout {self.count}")
        layout.add(images.layer([images.member("f", content="x")]))
        return layout

    def config(self, layout, platform="linux/amd64"):
        """The configuration of what is built from the layout, or None and what was said."""
        out = self.top / f"out {self.count}"
        result = self.project.tools(
            "bottle-image",
            "build",
            "--quiet",
            "--context",
            self.project.source,
            "--out",
            out / "plan",
            "--oci",
            out / "oci",
            "--platform",
            platform,
            "--build-context",
            f"case=oci-layout:{layout.directory}",
            expect=None,
        )
        if result.returncode != 0:
            self.assertEqual(result.returncode, 1, result.stdout)
            return None, result.stdout
        return images.read_image(out / "oci")[1], ""

    def index(self, layout, descriptor):
        (layout.directory / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]}),
            encoding="utf-8",
        )


def changed(document, pointer, value):
    """A copy of the document with another value at the place, or without it."""
    document = json.loads(json.dumps(document))
    *parents, last = pointer.split("/")
    place = document
    for name in parents:
        place = place[name]
    if value is ABSENT:
        place.pop(last, None)
    else:
        place[last] = value
    return document


def member(document, pointer):
    for name in pointer.split("/"):
        document = document.get(name, ABSENT) if isinstance(document, dict) else ABSENT
    return document


def without_empty(value):
    """Go leaves out what is empty."""
    return (
        {key: item for key, item in value.items() if item not in ([], None)}
        if isinstance(value, dict)
        else value
    )


def is_broken_trigger(pointer, value):
    return pointer == "config/OnBuild" and value in ([None], [""], ["bogus"])


class Configurations(ImageDocuments):
    def test_every_member_variant(self):
        for answer in ANSWERS["configurations"]:
            pointer, value = answer["member"], answer.get("value", ABSENT)
            if is_broken_trigger(pointer, value):
                continue  # that is an error of an instruction, not of the document
            name = "absent" if value is ABSENT else json.dumps(value)
            with self.subTest(f"{pointer} = {name}"):
                layout = self.layout()
                document = {**CONFIG, "rootfs": {"type": "layers", "diff_ids": layout.diff_ids}}
                config = layout.blob(
                    json.dumps(changed(document, pointer, value)).encode(), images.CONFIG
                )
                manifest = {
                    "schemaVersion": 2,
                    "mediaType": images.MANIFEST,
                    "config": config,
                    "layers": layout.layers,
                }
                self.index(layout, layout.blob(json.dumps(manifest).encode(), images.MANIFEST))
                built, said = self.config(layout)
                expected = answer["engine28"]
                if (pointer, name) in REFUSED or expected.get("refused"):
                    self.assertIsNone(built, said)
                    # It says where: the member's JSON pointer, or what is missing.
                    self.assertRegex(
                        said,
                        rf"#/{pointer.split('/')[0]}|\"{pointer}\" is missing|diff IDs|platform",
                    )
                    continue
                self.assertIsNotNone(built, said)
                if "is" in expected:
                    self.assertEqual(
                        without_empty(member(built, pointer)), without_empty(expected["is"])
                    )
                elif pointer not in KEPT:
                    continue
                elif member(built, pointer) not in (ABSENT, "", [], {}):
                    self.assertEqual(
                        member(built, pointer), value
                    )  # not known to BuildKit, and kept by Bottle


# Shapes of which Bottle says something else than Engine 28: {shape: (answer, why)}. "refused" is an
# error.
DIFFERENT = {
    "platformless arm64 then platformless amd64": (
        "b",
        "each entry without a platform is looked at, not the first alone",
    ),
    "attestation annotation on amd64": (
        "image",
        "an entry that is marked as an attestation is none",
    ),
    "mediaType unknown of wanted then image": (
        "image",
        "an entry of another media type is passed over",
    ),
    "digest empty of another": ("image", "an entry that is not wanted is passed over"),
    "unknown algorithm of another": ("image", "an entry that is not wanted is passed over"),
    "platform os.features": ("image", "features of the operating system are not compared"),
    'entry urls ["x y"]': ("refused", "image-spec: a URI"),
    "index schemaVersion 1": ("refused", "image-spec: 2"),
    'index mediaType "application/x"': ("refused", "image-spec: the type of an index"),
    "manifest schemaVersion 1": ("refused", "image-spec: 2"),
    'manifest mediaType "application/x"': ("refused", "image-spec: the type of a manifest"),
    "entry size null": ("refused", "the size is what a blob is checked by"),
    "entry size -1": ("refused", "the size is what a blob is checked by"),
    "entry size 0": ("refused", "the size is what a blob is checked by"),
    **{
        f"manifest {where} size {value}": (
            "refused",
            "image-spec: required; what a blob is checked by",
        )
        for where in ("config", "layers")
        for value in ("null", "absent", "0")
    },
    **{
        f"manifest layers digest {value}": (
            "refused",
            "image-spec: required; Docker fails when the layer is needed",
        )
        for value in ("null", '""')
    },
    **{
        f"manifest layers mediaType {value}": ("refused", "image-spec: required")
        for value in ("absent", "null", '""', '"x"')
    },
    **{
        f'manifest {where} urls ["x y"]': ("refused", "image-spec: a URI")
        for where in ("config", "layers")
    },
    **{
        f"manifest config platform {value}": ("image", "a platform there has no meaning")
        for value in ("{}", '{"os": null}')
    },
}


class Indexes(ImageDocuments):
    def test_every_shape_of_an_index(self):
        answers = {answer["shape"]: answer["engine28"] for answer in ANSWERS["shapes"]}
        for shape, make in shapes():
            with self.subTest(shape):
                wanted = "linux/arm/v7" if " v6" in shape else "linux/amd64"
                layout = self.layout()
                self.index(layout, make(Entries(layout)))
                built, said = self.config(layout, wanted)
                found = built["config"]["Labels"]["which"] if built else "refused"
                self.assertEqual(found, DIFFERENT.get(shape, (answers[shape],))[0], said)


class Entries:
    """Entries of an index, each with an image that says in a label which one it is."""

    def __init__(self, layout):
        self.layout = layout

    def manifest(self, platform="linux/amd64", which=None, change=lambda manifest: manifest):
        config = {
            **platform_of(platform),
            "config": {"Labels": {"which": which or platform}},
            "history": [{"created_by": "l"}],
            "rootfs": {"type": "layers", "diff_ids": self.layout.diff_ids},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": images.MANIFEST,
            "config": self.layout.blob(json.dumps(config).encode(), images.CONFIG),
            "layers": self.layout.layers,
        }
        return self.layout.blob(json.dumps(change(manifest)).encode(), images.MANIFEST)

    def entry(self, platform="linux/amd64", which=None, named=True, **members):
        descriptor = self.manifest(platform, which)
        if named:
            descriptor["platform"] = platform_of(platform)
        return present({**descriptor, **members})

    def index(self, entries, **members):
        document = present(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **members}
        )
        return self.layout.blob(json.dumps(document).encode(), INDEX)


def present(document):
    return {key: value for key, value in document.items() if value is not ABSENT}


def platform_of(text):
    return dict(zip(("os", "architecture", "variant"), text.split("/")))


def shown(value):
    return "absent" if value is ABSENT else json.dumps(value)


def shapes():
    """(name, function from Entries to the descriptor of the image)."""
    unknown = {"os": "unknown", "architecture": "unknown"}
    attestation = {"vnd.docker.reference.type": "attestation-manifest"}
    sha512 = "sha512:" + "0" * 128
    arm64 = "linux/arm64"
    yield "platformless alone", lambda e: e.index([e.entry(named=False)])
    yield "platformless of another", lambda e: e.index([e.entry(arm64, named=False)])
    yield "platformless first, named second", lambda e: e.index(
        [e.entry(which="bare", named=False), e.entry(which="named")]
    )
    yield "named 386 beside platformless amd64", lambda e: e.index(
        [e.entry(which="bare", named=False), e.entry("linux/386", which="386")]
    )
    yield "platformless arm64 then platformless amd64", lambda e: e.index(
        [e.entry(arm64, named=False, which="a"), e.entry(named=False, which="b")]
    )
    yield "two equal", lambda e: e.index([e.entry(which="first"), e.entry(which="second")])
    yield "v7 after v6", lambda e: e.index([e.entry("linux/arm/v6"), e.entry("linux/arm/v7")])
    yield "v5 before v6 for v7", lambda e: e.index(
        [e.entry("linux/arm/v5"), e.entry("linux/arm/v6")]
    )
    yield "attestation first", lambda e: e.index(
        [
            e.entry(which="a") | {"platform": unknown, "annotations": attestation},
            e.entry(which="image"),
        ]
    )
    yield "attestation annotation on amd64", lambda e: e.index(
        [e.entry(which="att", annotations=attestation), e.entry(which="image")]
    )
    yield "nested", lambda e: e.index([e.index([e.entry(which="inner")])])
    yield "nested named", lambda e: e.index(
        [e.index([e.entry(which="inner")]) | {"platform": platform_of("linux/amd64")}]
    )
    yield "nested beside named", lambda e: e.index(
        [e.index([e.entry(which="inner")]), e.entry(which="outer")]
    )
    yield "nested twice", lambda e: e.index([e.index([e.index([e.entry(which="inner")])])])
    yield "sha512 of another", lambda e: e.index(
        [e.entry(arm64, digest=sha512), e.entry(which="image")]
    )
    yield "sha512 of wanted", lambda e: e.index([e.entry(digest=sha512)])
    yield "unknown algorithm of another", lambda e: e.index(
        [
            e.entry(arm64, digest="multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3"),
            e.entry(which="image"),
        ]
    )
    yield "digest empty of another", lambda e: e.index(
        [e.entry(arm64, digest=""), e.entry(which="image")]
    )
    yield "mediaType empty of another", lambda e: e.index(
        [e.entry(arm64, mediaType=""), e.entry(which="image")]
    )
    yield "mediaType absent of another", lambda e: e.index(
        [e.entry(arm64, mediaType=ABSENT), e.entry(which="image")]
    )
    yield "mediaType absent of wanted", lambda e: e.index(
        [e.entry(which="image", mediaType=ABSENT)]
    )
    yield "mediaType unknown of wanted then image", lambda e: e.index(
        [e.entry(which="x", mediaType="application/x"), e.entry(which="image")]
    )
    for name, platform in {
        "null": None,
        "{}": {},
        "os empty": {"os": "", "architecture": "amd64"},
        "os absent": {"architecture": "amd64"},
        "architecture empty": {"os": "linux", "architecture": ""},
        "variant null": {"os": "linux", "architecture": "amd64", "variant": None},
        "Linux/x86_64": {"os": "Linux", "architecture": "x86_64"},
        "os.version": {"os": "linux", "architecture": "amd64", "os.version": "5.1"},
        "os.features": {"os": "linux", "architecture": "amd64", "os.features": ["x"]},
        "wrong type": "linux/amd64",
    }.items():
        yield f"platform {name}", lambda e, platform=platform: e.index(
            [e.entry(which="image") | {"platform": platform}]
        )
    yield "platform of another wrong type", lambda e: e.index(
        [e.entry(which="x") | {"platform": {"os": 5}}, e.entry(which="image")]
    )
    yield "manifests null", lambda e: e.index(None)
    yield "manifests absent", lambda e: e.index(ABSENT)
    yield "manifests empty", lambda e: e.index([])
    yield "manifests [null]", lambda e: e.index([None, e.entry(which="image")])
    for key, values in {
        "annotations": [None, {"a": None}, {"a": 5}, []],
        "urls": [None, [], ["x y"], "x", [None]],
        "data": [None, "", "!!"],
        "artifactType": [None, ""],
        "size": [None, "5", -1, 1.5, 0],
    }.items():
        for value in values:
            yield f"entry {key} {json.dumps(value)}", lambda e, key=key, value=value: e.index(
                [e.entry(which="image", **{key: value})]
            )
    for key, values in {
        "schemaVersion": [ABSENT, None, 1, "2"],
        "mediaType": [ABSENT, None, "", "application/x"],
        "annotations": [None, {"a": None}, {"a": 5}],
        "subject": [None, {}],
        "artifactType": [None, ""],
    }.items():
        for value in values:
            yield f"index {key} {shown(value)}", lambda e, key=key, value=value: e.index(
                [e.entry(which="image")], **{key: value}
            )
    for key, values in {
        "schemaVersion": [ABSENT, None, 1, "2"],
        "mediaType": [ABSENT, None, "", "application/x", 5],
        "annotations": [None, {"a": None}, {"a": 5}, []],
        "subject": [None, {}],
        "artifactType": [None, "", 5],
        "layers": [None, ABSENT, [None], {}],
        "config": [None, ABSENT, {}],
    }.items():
        for value in values:
            yield f"manifest {key} {shown(value)}", lambda e, key=key, value=value: e.manifest(
                which="image", change=lambda manifest: present({**manifest, key: value})
            )
    for where in ("config", "layers"):
        for key, values in {
            "mediaType": [ABSENT, None, "", 5, "x"],
            "digest": [None, ""],
            "size": [None, ABSENT, 0, "5"],
            "annotations": [None, {"a": None}],
            "urls": [None, ["x y"], []],
            "data": [None],
            "platform": [None, {}, {"os": None}],
            "artifactType": [None],
        }.items():
            for value in values:
                yield f"manifest {where} {key} {shown(value)}", lambda e, where=where, key=key, value=value: e.manifest(
                    which="image",
                    change=lambda manifest: changed_descriptor(manifest, where, key, value),
                )


def changed_descriptor(manifest, where, key, value):
    descriptor = manifest[where] if where == "config" else manifest[where][0]
    descriptor = present({**descriptor, key: value})
    return {**manifest, where: descriptor if where == "config" else [descriptor]}


if __name__ == "__main__":
    system_fixture.main()
