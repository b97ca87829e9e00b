#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for the program `smolvm` in tests: `smolvm pack create` against a registry, without a
virtual machine.

It pulls as the real one does (ping, manifest by tag, configuration, each layer by its digest, all
verified), merges the layers, and writes stub and sidecar, with the messages, control characters and
exit statuses of smolvm 1.9. The stub is not a program.

$STAND_IN says how it misbehaves: "<what>:<step>" with fail, hang or die, and a step of STEPS,
before which it happens; $STAND_IN_REACHED names a file that it makes when it hangs.
"""
import argparse
import ctypes
import ctypes.util
import datetime
import hashlib
import http.client
import io
import json
import os
import pathlib
import re
import signal
import struct
import sys
import tarfile
import time
import zlib

VERSION = "1.9.3"
STEPS = ["boot", "manifest", "config", "layer", "collect", "merge", "assemble", "sidecar", "end"]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPT = ", ".join([MANIFEST, "application/vnd.oci.image.index.v1+json", DOCKER_MANIFEST])


class Failure(Exception):
    pass


def step(name):
    what, _, where = os.environ.get("STAND_IN", "").partition(":")
    if where != name:
        return
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        pathlib.Path(os.environ["STAND_IN_REACHED"]).write_text("reached", encoding="utf-8")
        while True:
            time.sleep(1000)
    raise Failure(f"told to fail at {name}")


def say(text, end="\n"):
    sys.stdout.write(text + end)
    sys.stdout.flush()


# -- the image's name


def canonical(reference):
    name, _, digest = reference.partition("@")
    suffix = ":latest"
    if ":" in name.rsplit("/", 1)[-1]:
        name, _, tag = name.rpartition(":")
        suffix = ":" + tag
    first, slash, rest = name.partition("/")
    registry = "docker.io"
    if slash and re.search("[.:]", first):
        registry, name = first, rest
    if registry == "docker.io" and "/" not in name:
        name = "library/" + name
    return registry, name, "@" + digest if digest else suffix


def check_name(registry, name, suffix):
    text = f"{registry}/{name}{suffix}"
    if not 1 <= len(text) <= 512 or not re.fullmatch(r"[A-Za-z0-9._/:@-]+", text):
        raise Failure(f"invalid image reference: {text}")
    if not (text[0].isalnum() and text[-1].isalnum()) or ".." in text:
        raise Failure(f"invalid image reference: {text} must start and end with alphanumeric")


# -- the pull


class Registry:
    def __init__(self, host):
        name, _, port = host.partition(":")
        if name not in ("localhost", "127.0.0.1") or not port:
            raise Failure(f"cannot reach {host}: only a registry of this host can be")
        self.connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)

    def get(self, path, accept="*/*"):
        try:
            self.connection.request(
                "GET", path, headers={"Accept": accept, "User-Agent": "crane/0.19.0"}
            )
            response = self.connection.getresponse()
            return response.status, response.getheader("Content-Type", ""), response.read()
        except OSError as error:
            raise Failure(f"GET {path}: {error}") from error

    def blob(self, repository, descriptor):
        status, _, data = self.get(f"/v2/{repository}/blobs/{descriptor['digest']}")
        if status != 200:
            raise Failure(f"GET blob {descriptor['digest']}: status {status}")
        if (
            len(data) != descriptor["size"]
            or "sha256:" + hashlib.sha256(data).hexdigest() != descriptor["digest"]
        ):
            raise Failure(f"blob {descriptor['digest']} does not have its digest")
        return data


def pull(reference, platform):
    host, repository, suffix = canonical(reference)
    check_name(host, repository, suffix)
    registry = Registry(host)
    if registry.get("/v2/")[0] != 200:
        raise Failure(f"{host} is no registry")
    step("manifest")
    status, media_type, text = registry.get(f"/v2/{repository}/manifests/{suffix[1:]}", ACCEPT)
    if status != 200:
        raise Failure(f"GET manifest {suffix[1:]}: status {status}")
    if media_type.split(";")[0] not in (MANIFEST, DOCKER_MANIFEST):
        raise Failure(f"unexpected media type {media_type}")
    manifest = json.loads(text)
    step("config")
    config = json.loads(registry.blob(repository, manifest["config"]))
    if platform and platform != f"{config['os']}/{config['architecture']}":
        raise Failure(f"no image for the platform {platform}")
    layers = []
    for number, descriptor in enumerate(manifest["layers"], 1):
        step("layer")
        say(f"\r\x1b[KPulling {number}/{len(manifest['layers'])}", end="")
        data = registry.blob(repository, descriptor)
        if data.startswith(b"\x1f\x8b"):
            data = zlib.decompress(data, 31)
        elif data.startswith(b"\x28\xb5\x2f\xfd"):
            data = Zstd().decompress(data)
        if "sha256:" + hashlib.sha256(data).hexdigest() != config["rootfs"]["diff_ids"][number - 1]:
            raise Failure("a layer does not have its diff ID")
        layers.append(data)
    say("")
    return manifest["config"]["digest"], config, layers


# -- the merge


def merged(layers):
    tree = {}

    def remove_below(path):
        for other in [other for other in tree if other.startswith(path + "/" if path else "")]:
            del tree[other]

    for data in layers:
        whiteouts, entries = [], []
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for info in archive:
                path = os.path.normpath(info.name.lstrip("/"))
                path = "" if path == "." else path
                content = archive.extractfile(info).read() if info.isreg() else b""
                name = path.rpartition("/")[2]
                (whiteouts if name.startswith(".wh.") else entries).append((path, info, content))
        for path, _, _ in whiteouts:
            parent, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                remove_below(parent)
                continue
            target = f"{parent}/{name[4:]}" if parent else name[4:]
            tree.pop(target, None)
            remove_below(target)
        for path, info, content in entries:
            if not info.isdir() and path in tree and tree[path][0].isdir():
                remove_below(path)
            tree[path] = (info, content)
    out = io.BytesIO()
    size = 0
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        if "" not in tree:
            root = tarfile.TarInfo("./")
            root.type, root.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(root)
        # A link needs its target before it.
        for path, (info, content) in sorted(
            tree.items(), key=lambda item: (item[1][0].islnk(), item[0])
        ):
            info.name = "./" + path
            info.pax_headers = {}
            if info.islnk():
                info.linkname = "./" + os.path.normpath(info.linkname.lstrip("/"))
            info.uname = info.gname = ""
            size += len(content)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue(), size


# -- the pack


class Zstd:
    def __init__(self):
        self.library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
        for name in ("ZSTD_compressBound", "ZSTD_compress", "ZSTD_decompress"):
            getattr(self.library, name).restype = ctypes.c_size_t
        self.library.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong

    def compress(self, data):
        bound = self.library.ZSTD_compressBound(ctypes.c_size_t(len(data)))
        out = ctypes.create_string_buffer(bound)
        size = self.library.ZSTD_compress(
            out, ctypes.c_size_t(bound), data, ctypes.c_size_t(len(data)), 3
        )
        return out.raw[:size]

    def decompress(self, data):
        size = self.library.ZSTD_getFrameContentSize(data, ctypes.c_size_t(len(data)))
        out = ctypes.create_string_buffer(size)
        self.library.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
        return out.raw


def assets_tar(agent, layer, layer_name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:

        def add(name, content=None):
            info = tarfile.TarInfo(name)
            info.mtime = int(time.time())
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            else:
                info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content) if content is not None else None)

        add("agent-rootfs.tar", agent)
        add("layers")
        add(f"layers/{layer_name}.tar", layer)
        add("storage.ext4", b"\0" * 4096)
    return out.getvalue()


def agent_rootfs():
    directory = pathlib.Path(os.environ.get("SMOLVM_AGENT_ROOTFS", ""))
    if not os.path.lexists(directory / "sbin/init"):
        raise Failure("agent rootfs not found; set SMOLVM_AGENT_ROOTFS")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(directory, arcname=".")
    return out.getvalue()


def create(options):
    output = pathlib.Path(options.output)
    if output.suffix == ".smolmachine":
        raise Failure(
            f"output path {output} must not end in .smolmachine: it names the executable, the pack"
            " is written beside it"
        )
    step("boot")
    say("Starting agent VM...")
    print(f"Pulling image {options.image}...", file=sys.stderr, flush=True)
    digest, config, layers = pull(options.image, options.oci_platform)
    print(f"Pulling image {options.image}... done.", file=sys.stderr, flush=True)
    say(f"Image: {options.image} ({len(layers)} layers, {sum(map(len, layers))} bytes)")
    step("collect")
    say("Collecting runtime libraries...")
    say("Collecting agent rootfs...")
    agent = agent_rootfs()
    say("Creating storage template...")
    step("merge")
    say(f"Merging {len(layers)} layers in VM (one-time cost)...")
    layer, image_size = merged(layers)
    name = hashlib.sha256(("merged-" + digest).encode()).hexdigest()
    say(f"  Exporting merged layer... {len(layer) >> 20} MB done")
    step("assemble")
    for sign in "|/-":
        say(f"\r\x1b[K{sign} Assembling packed binary", end="")
    output.write_bytes(
        b"#!/bin/sh\nexit 1\n" + b"lib" + struct.pack("<8sIQQ4x", b"SMOLLIBS", 1, 17, 3)
    )
    output.chmod(0o755)
    assets = Zstd().compress(assets_tar(agent, layer, name))
    settings = config.get("config", {})
    manifest = {
        "mode": "container",
        "image": options.image,
        "digest": digest,
        "platform": f"{config['os']}/{config['architecture']}",
        "entrypoint": (
            [options.entrypoint] if options.entrypoint else settings.get("Entrypoint") or []
        ),
        "cmd": settings.get("Cmd") or [],
        "env": settings.get("Env") or [],
    }
    manifest = {key: value for key, value in manifest.items() if value}
    if settings.get("WorkingDir"):
        manifest["workdir"] = settings["WorkingDir"]
    manifest |= {
        "cpus": options.cpus,
        "mem": options.mem,
        "image_size": image_size,
        "network": False,
        "gpu": False,
        "cuda": False,
        "host_platform": "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64",
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z"),
        "smolvm_version": VERSION,
        "assets": {
            "libraries": [{"path": "lib/libkrun.so", "size": 3}],
            "agent_rootfs": {"path": "agent-rootfs.tar", "size": len(agent)},
            "layers": [
                {"digest": "sha256:" + name, "path": f"layers/{name}.tar", "size": len(layer)}
            ],
            "storage_template": {"path": "storage.ext4", "size": 4096},
        },
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    body = assets + text
    footer = struct.pack(
        "<8sIQQQQQI8x", b"SMOLPACK", 1, 0, 0, len(assets), len(assets), len(text), zlib.crc32(body)
    )
    with open(f"{output}.smolmachine", "wb") as sidecar:
        sidecar.write(body[: len(body) // 2])
        sidecar.flush()
        step("sidecar")
        sidecar.write(body[len(body) // 2 :])
        sidecar.write(footer)
    say("\r\x1b[KAssembling packed binary done")
    say(f"Packed: {output} (stub: 1KB, total: {len(body) >> 10}KB)")
    say(f"Assets: {output}.smolmachine ({len(assets) >> 10}KB compressed)")
    step("end")
    say(f"\nRun with: {output}\nNote: Keep the .smolmachine file alongside the binary")


def main():
    parser = argparse.ArgumentParser(prog="smolvm")
    parser.add_argument("--version", action="version", version=f"smolvm {VERSION}")
    pack = (
        parser.add_subparsers(required=True)
        .add_parser("pack")
        .add_subparsers(required=True)
        .add_parser("create")
    )
    pack.add_argument("-I", "--image", required=True)
    pack.add_argument("-o", "--output", required=True)
    pack.add_argument("--cpus", type=int, default=4)
    pack.add_argument("--mem", type=int, default=8192)
    pack.add_argument("--oci-platform")
    pack.add_argument("--entrypoint")
    options = parser.parse_args()
    try:
        create(options)
    except Failure as failure:
        print(f"Error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
