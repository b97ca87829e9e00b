# SPDX-License-Identifier: Apache-2.0
"""A built image, from any builder: its configuration and its flattened tree, read with Python's own
modules from an OCI layout or an archive of `docker save`.

A tree is {path: Row}. Times are left out, since each builder has its own; so is the root directory,
which a layer need not hold."""
import dataclasses
import gzip
import hashlib
import io
import json
import pathlib
import posixpath
import tarfile
import typing

CONFIG = (
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "StopSignal",
    "Healthcheck",
    "OnBuild",
    "Shell",
)
KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
XATTR = "SCHILY.xattr."


class Row(typing.NamedTuple):
    kind: str
    mode: str
    owner: str
    what: str  # digest of the content, target of a link, or numbers of a device
    xattrs: tuple
    first: str  # of a file with several names, that which comes first


@dataclasses.dataclass(eq=False)
class Inode:
    """The names of one file share one."""

    kind: str
    mode: str
    owner: str
    what: str
    xattrs: tuple


@dataclasses.dataclass
class Image:
    config: dict  # as CONFIG, without what is absent or empty
    platform: tuple
    tree: dict
    layers: int


def inode_of(archive, member):
    kind = KINDS[member.type]
    what = ""
    if kind == "file":
        what = hashlib.sha256(archive.extractfile(member).read()).hexdigest()
    elif kind == "symlink":
        what = member.linkname
    elif kind in ("char", "block"):
        what = f"{member.devmajor}:{member.devminor}"
    xattrs = tuple(
        sorted(
            (name.removeprefix(XATTR), value)
            for name, value in member.pax_headers.items()
            if name.startswith(XATTR)
        )
    )
    return Inode(kind, f"{member.mode & 0o7777:04o}", f"{member.uid}:{member.gid}", what, xattrs)


def clean(path):
    return posixpath.normpath("/" + path).lstrip("/")


def remove(tree, path, keep=()):
    for name in [
        name for name in tree if name.startswith(path + "/" if path else "") and name not in keep
    ]:
        del tree[name]


def apply(tree, data):
    """Lays one layer on the tree {path: Inode}."""
    new = set()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = clean(member.name)
            parent, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                remove(tree, parent, keep=new)
            elif name.startswith(".wh."):
                gone = posixpath.join(parent, name.removeprefix(".wh."))
                tree.pop(gone, None)
                remove(tree, gone)
            elif path:
                inode = (
                    tree[clean(member.linkname)] if member.islnk() else inode_of(archive, member)
                )
                if inode.kind != "directory":
                    remove(tree, path)
                tree[path] = inode
                new.add(path)
    return tree


def rows(tree):
    first = {}
    for path in sorted(tree):
        if tree[path].kind != "directory":
            first.setdefault(id(tree[path]), []).append(path)
    return {
        path: Row(
            inode.kind,
            inode.mode,
            inode.owner,
            inode.what,
            inode.xattrs,
            first[id(inode)][0] if len(first.get(id(inode), ())) > 1 else "",
        )
        for path, inode in tree.items()
    }


def decompressed(data):
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def image_of(config, layers):
    tree = {}
    for diff_id, data in zip(config["rootfs"]["diff_ids"] or [], layers, strict=True):
        data = decompressed(data)
        assert diff_id == "sha256:" + hashlib.sha256(data).hexdigest(), diff_id
        apply(tree, data)
    return Image(
        {key: config["config"][key] for key in CONFIG if config.get("config", {}).get(key)},
        (config["os"], config["architecture"]),
        rows(tree),
        len(layers),
    )


def read_layout(layout):
    layout = pathlib.Path(layout)

    def blob(descriptor):
        return (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()

    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads(blob(index["manifests"][0]))
    return image_of(
        json.loads(blob(manifest["config"])), [blob(layer) for layer in manifest["layers"]]
    )


def read_archive(archive):
    with tarfile.open(archive) as file:
        listed = json.load(file.extractfile("manifest.json"))[0]
        config = json.load(file.extractfile(listed["Config"]))
        # A layer that occurs twice is a link to its first place.
        return image_of(config, [file.extractfile(name).read() for name in listed["Layers"] or []])


def differences(ours, theirs):
    """Lines for people: what differs, at most ten."""
    found = []
    if ours.platform != theirs.platform:
        found.append(f"platform: {ours.platform} | {theirs.platform}")
    for key in CONFIG:
        if ours.config.get(key) != theirs.config.get(key):
            found.append(f"{key}: {ours.config.get(key)} | {theirs.config.get(key)}")
    for path in sorted(ours.tree.keys() | theirs.tree.keys()):
        if ours.tree.get(path) != theirs.tree.get(path):
            found.append(f"{path}: {text(ours.tree.get(path))} | {text(theirs.tree.get(path))}")
    return found[:10] + ([f"... {len(found)} in all"] if len(found) > 10 else [])


def text(row):
    return "nothing" if row is None else " ".join(str(part) for part in row if part)
