# SPDX-License-Identifier: Apache-2.0
"""What RUN does in containers with fewer and fewer rights: a table of users and options of
`docker run`, each with a RUN that installs a package with dpkg, one with a cache, a bind, a secret
and a tmpfs mount, and one with --network=none.

As a program it prints the table, with what `buildah build --isolation chroot` does beside each
cell:

    isolation_matrix.py --package BUILD/cmake --tools BUILD/bin \\
        --debian BUILD/tests/integration/debian [--peer]
"""
import argparse
import io
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile
import unittest

import container_fixture
import debian_run_test
import docker_fixture
import images
import system_fixture

UNCONFINED = ("--security-opt", "seccomp=unconfined")
# Of --privileged this is what counts; an engine that is itself in a container may not be able to
# give the rest.
OPTIONS = {
    "default": (),
    "seccomp=unconfined": UNCONFINED,
    "cap-add SYS_ADMIN": ("--cap-add", "SYS_ADMIN"),
    "privileged": ("--privileged",),
    "read-only, tmpfs": ("--read-only", "--tmpfs", "/tmp"),
    "read-only, tmpfs exec,dev": ("--read-only", "--tmpfs", "/tmp:exec,dev,mode=1777"),
    "cap-drop ALL": ("--cap-drop", "ALL"),
}
USERS = {"root": "0", "uid 1000": str(container_fixture.USER)}
SECRET = "correct-horse-battery"
CASES = {
    "dpkg": "RUN dpkg -i /local.deb && rm /var/log/dpkg.log /local.deb\n",
    "mounts": "RUN --mount=type=cache,target=/c --mount=type=bind,target=/ctx --mount=type=secret,id=s --mount=type=tmpfs,target=/t "
    "echo line >> /c/list && cp /c/list /list && wc -c < /run/secrets/s > /size && cp /ctx/Dockerfile /copied && "
    "echo x > /t/x && cp /t/x /x\n",
    "network": "RUN --network=none echo y > /y\n",
}
BUILD = """\
out=$(mktemp -d)
export BOTTLE_CACHE_DIR=$out/store
if bottle-image build --context "$1" --out "$out/image" --secret id=s,src=secret > "$out/log" 2>&1 &&
   bottle-pack create --quiet --runtime none --image "$out/image" --output "$out/pack" >> "$out/log" 2>&1
then sed -n 's/^isolation: /grade /p' "$out/log"; echo "pack $(sha256sum < "$out/pack")"
else cat "$out/log"; fi
"""
PEER = """\
out=$(mktemp -d)
if buildah --root "$out/root" --runroot "$out/run" --storage-driver vfs build --isolation chroot --network host \\
     --secret id=s,src=secret "$1" > "$out/log" 2>&1
then echo works
else tail -n 1 "$out/log"; fi
"""


def busybox_root(file):
    busybox = next(
        (pathlib.Path(p) for p in ("/bin/busybox", "/usr/bin/busybox") if pathlib.Path(p).exists()),
        None,
    )
    if busybox is None:
        raise unittest.SkipTest(
            "needs a static busybox, which is not installed (Debian: busybox-static)"
        )
    with tarfile.open(file, "w") as archive:
        for info, content in [
            images.member("bin", "directory"),
            images.member("bin/busybox", content=busybox.read_bytes(), mode=0o755),
            images.member("etc", "directory"),
            images.member("etc/passwd", content="root:x:0:0::/root:/bin/sh\n"),
            *(
                images.member(f"bin/{name}", "symlink", link="busybox")
                for name in ("sh", "cp", "wc", "cat")
            ),
        ]:
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)


class Matrix:
    def __init__(self, engine, top, debian):
        self.top = top
        top.chmod(0o755)  # other users of the container read it
        (top / "secret").write_text(SECRET)
        self.cases = {}
        for name, text in CASES.items():
            if name == "dpkg" and not debian:
                continue
            context = top / name
            context.mkdir()
            if name == "dpkg":
                shutil.copy(debian / "root.tar", context / "root.tar")
                debian_run_test.make_package(context)
            else:
                busybox_root(context / "root.tar")
            (context / "Dockerfile").write_text(
                "FROM scratch\nADD root.tar /\n"
                + ("COPY local.deb /\n" if name == "dpkg" else "")
                + text
            )
            self.cases[name] = context
        (top / "build.sh").write_text(BUILD)
        (top / "peer.sh").write_text(PEER)
        self.machine = container_fixture.Machine(engine, top)

    def options(self, user, option):
        return ["--user", USERS[user], *OPTIONS[option]]

    def cell(self, user, option, case):
        """("works", grade, digest of the pack) or ("error", message, "")."""
        result = self.machine.run(self.options(user, option), "sh", "build.sh", self.cases[case])
        if result.returncode == 125:
            return "no container", result.stdout.strip().splitlines()[0], ""
        pack = re.search(r"^pack (\w+)", result.stdout, re.MULTILINE)
        if pack:
            grade = re.search(r"^grade (\w+)", result.stdout, re.MULTILINE)
            return "works", grade[1] if grade else "", pack[1]
        return "error", result.stdout, ""

    def peer(self, user, option, case):
        result = self.machine.run(self.options(user, option), "sh", "peer.sh", self.cases[case])
        return result.stdout.strip().splitlines()[-1] if result.stdout.strip() else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--package", type=pathlib.Path)
    parser.add_argument("--tools", required=True, type=pathlib.Path)
    parser.add_argument("--debian", type=pathlib.Path)
    parser.add_argument("--peer", action="store_true")
    parser.parse_args(namespace=system_fixture.settings)
    settings = system_fixture.settings
    with docker_fixture.Engine() as engine, tempfile.TemporaryDirectory(
        prefix="bottle-matrix-"
    ) as top:
        matrix = Matrix(engine, pathlib.Path(top), settings.debian)
        print(
            "| user | container | RUN | bottle | why |"
            + (" buildah --isolation chroot |" if settings.peer else "")
        )
        print("|---|---|---|---|---|" + ("---|" if settings.peer else ""))
        packs = {}
        for user in USERS:
            for option in OPTIONS:
                for case in matrix.cases:
                    kind, text, pack = matrix.cell(user, option, case)
                    error = re.search(r"error: (.*)", text)
                    words = [
                        user,
                        option,
                        case,
                        f"{text} {pack[:8]}" if kind == "works" else kind,
                        "" if kind == "works" else (error[1] if error else text),
                    ]
                    if kind == "works":
                        packs.setdefault(case, set()).add(pack)
                    if settings.peer and kind != "no container":
                        words.append(matrix.peer(user, option, case)[:120])
                    print(
                        "| "
                        + " | ".join(word.replace("|", "\\|").replace("\n", " ") for word in words)
                        + " |",
                        flush=True,
                    )
        for case, digests in packs.items():
            print(f"{case}: {len(digests)} different pack(s)")
        sys.exit(0 if all(len(digests) == 1 for digests in packs.values()) else 1)


if __name__ == "__main__":
    main()
