# SPDX-License-Identifier: Apache-2.0
"""Image layouts for the tests, written by Python's own tar and JSON modules, so that Bottle's
writers are not checked by Bottle's readers."""
import gzip
import hashlib
import io
import json
import pathlib
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def member(path, kind="file", content=b"", mode=None, uid=0, gid=0, link="", mtime=1_000_000_000):
    """An entry of a layer: (header, content)."""
    info = tarfile.TarInfo(path)
    info.type = {
        "file": tarfile.REGTYPE,
        "directory": tarfile.DIRTYPE,
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
    }[kind]
    info.mode = mode if mode is not None else {"file": 0o644, "directory": 0o755}.get(kind, 0o777)
    info.uid, info.gid, info.mtime, info.linkname = uid, gid, mtime, link
    content = content.encode() if isinstance(content, str) else content
    info.size = len(content) if kind == "file" else 0
    return info, content


def whiteout(path):
    directory, _, name = path.rpartition("/")
    return member(f"{directory}/.wh.{name}" if directory else f".wh.{name}")


def opaque(directory):
    return member(f"{directory}/.wh..wh..opq")


def layer(members):
    """The members as a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue()


class Layout:
    """An OCI image layout under way."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.blobs = self.directory / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (self.directory / "oci-layout").write_text(
            '{"imageLayoutVersion": "1.0.0"}', encoding="utf-8"
        )
        self.layers = []
        self.diff_ids = []

    def blob(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def add(self, tar, compress=False):
        """`tar`: bytes of an archive, or the path of one."""
        data = tar if isinstance(tar, bytes) else pathlib.Path(tar).read_bytes()
        self.diff_ids.append("sha256:" + hashlib.sha256(data).hexdigest())
        if compress:
            self.layers.append(self.blob(gzip.compress(data, 1, mtime=0), LAYER + "+gzip"))
        else:
            self.layers.append(self.blob(data, LAYER))

    def finish(self, config=None, name="latest"):
        image = {
            "architecture": "amd64",
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            "history": [
                {"created": "2001-09-09T01:46:40Z", "created_by": f"layer {number}"}
                for number in range(1, len(self.layers) + 1)
            ],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(image).encode(), CONFIG),
            "layers": self.layers,
        }
        descriptor = self.blob(json.dumps(manifest).encode(), MANIFEST)
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": name}
        index = {"schemaVersion": 2, "manifests": [descriptor]}
        (self.directory / "index.json").write_text(json.dumps(index), encoding="utf-8")
        return self.directory

    def layer_blob(self, number):
        return self.blobs / self.layers[number]["digest"].removeprefix("sha256:")


def read_image(layout):
    """(manifest, config) of a layout with one image; each blob is checked against its descriptor
    and its diff ID."""
    layout = pathlib.Path(layout)

    def blob(descriptor):
        data = (
            layout / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")
        ).read_bytes()
        assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"], descriptor
        assert len(data) == descriptor["size"], descriptor
        return data

    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    assert len(index["manifests"]) == 1, index
    manifest = json.loads(blob(index["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    for descriptor, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        data = blob(descriptor)
        if data.startswith(b"\x28\xb5\x2f\xfd"):
            continue  # zstd: no module of Python 3.11 reads it
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        assert "sha256:" + hashlib.sha256(data).hexdigest() == diff_id, diff_id
    return manifest, config
