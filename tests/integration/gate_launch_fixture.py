# SPDX-License-Identifier: Apache-2.0
"""Launched gates: an image of this machine's programs, Docker Engine and Podman."""
import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import unittest

import docker_fixture
import gate_fixture
import images
import system_fixture
from gate_fixture import Upstream, git


UID = 1234
PROGRAMS = (
    "sh git ssh ssh-keygen flock timeout awk sed tail head tr cut sort find od grep cat mktemp rm"
    " mkdir mv cp wc dirname env cmp ls chmod touch id sleep"
).split()


def files_of_programs(scanner):
    """{path in the image: path here} of the programs, git's own, and the libraries that they are
    linked with."""
    files = {}

    def add(path, place=None):
        place = str(place or path)
        if place in files:
            return
        files[place] = os.path.realpath(path)
        linked = subprocess.run(
            ["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
        ).stdout
        for line in linked.splitlines():
            library = next((word for word in line.split() if word.startswith("/")), None)
            if library:
                files.setdefault(library, os.path.realpath(library))

    for name in PROGRAMS:
        add(shutil.which(name), f"/usr/bin/{name}")
    core = pathlib.Path(git("--exec-path").stdout.strip())
    for name in (
        "git",
        "git-daemon",
        "git-upload-pack",
        "git-receive-pack",
        "git-remote",
        "git-gc",
    ):
        if (core / name).exists():
            add(core / name)
    add(scanner / "gitleaks", "/usr/bin/gitleaks")
    return files


def make_layout(directory, scanner):
    """An image like that of images/git-gate: the programs, an account, and the directories that
    files are copied to."""
    member = images.member
    files = files_of_programs(scanner)
    members = [
        member("bin", "symlink", link="usr/bin"),
        member(
            "etc/passwd",
            content=f"root:x:0:0::/:/bin/sh\ngate:x:{UID}:{UID}::/git-gate/home:/bin/sh\n",
        ),
        member("etc/group", content=f"root:x:0:\ngate:x:{UID}:\n"),
        member("etc/git-gate", "directory"),
        member("tmp", "directory", mode=0o1777),
    ]
    members += [
        member(path, "directory", uid=UID, gid=UID, mode=0o700 if path.endswith("creds") else 0o755)
        for path in (
            "git-gate",
            "git-gate/creds",
            "git-gate/repositories",
            "git-gate/tmp",
            "git-gate/home",
        )
    ]
    seen = set()
    for place, path in sorted(files.items()):
        if place.startswith("/bin/"):
            place = "/usr" + place
        if place not in seen:
            seen.add(place)
            members.append(member(place[1:], content=pathlib.Path(path).read_bytes(), mode=0o755))
    layout = images.Layout(directory)
    layout.add(images.layer(members))
    return layout.finish(
        {"User": "gate", "Entrypoint": ["/etc/git-gate/entrypoint.sh"], "Env": ["PATH=/usr/bin"]}
    )


class LaunchCase(system_fixture.TestCase):
    """One engine a class, with the gate's image in it."""

    start_engine = docker_fixture.Engine

    shares_setup = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        system_fixture.need("ldd", "sshd", *PROGRAMS)
        scanner = gate_fixture.scanner("sid")
        base = pathlib.Path.cwd() / "integration"
        base.mkdir(exist_ok=True)
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="launch ", dir=base))
        cls.addClassCleanup(shutil.rmtree, cls.place, ignore_errors=True)
        cls.engine = cls.start_engine()
        cls.engine.__enter__()
        cls.addClassCleanup(cls.engine.__exit__, None, None, None)
        make_layout(cls.place / "layout", scanner)
        cls.engine.load(cls.place / "layout", "project")

    def setUp(self):
        super().setUp()
        self.upstream = Upstream(self.top / "upstream")
        self.addCleanup(self.upstream.stop)
        self.repository = self.upstream.repository("project")
        self.port = system_fixture.free_port()
        self.upstream_url = self.upstream.url("project")
        self.rendered = self.top / "rendered"
        self.render({"file": str(self.upstream.identity)})
        self.addCleanup(self.gate, "down", expect=None)

    def render(self, identity, listen=None):
        config = self.top / "gate.json"
        config.write_text(
            json.dumps(
                {
                    "schema": 1,
                    "kind": "git-gate",
                    "listen": listen or {"address": "127.0.0.1", "port": self.port},
                    "upstreams": [
                        {
                            "name": "project",
                            "url": self.upstream_url,
                            "identity": identity,
                            "knownHostKey": self.upstream.host_key,
                        }
                    ],
                }
            ),
            encoding="utf-8",
        )
        subprocess.run(
            [
                system_fixture.settings.tools / "bottle-gate",
                "render",
                "--quiet",
                "--config",
                config,
                "--templates",
                gate_fixture.TEMPLATES / "git-gate",
                "--out",
                self.rendered,
                "--slug",
                "project",
            ],
            check=True,
        )

    def command(self, *arguments):
        return [
            system_fixture.settings.tools / "bottle-gate",
            arguments[0],
            "--program",
            self.engine.client,
            "--rendered",
            self.rendered,
            *arguments[1:],
        ]

    def gate(self, *arguments, expect=0, **environment):
        return self.engine.command(
            *self.command(*arguments),
            expect=expect,
            environment=environment,
            stderr=subprocess.PIPE,
        )

    def up(self, *arguments, **environment):
        return json.loads(self.gate("up", *arguments, **environment).stdout)

    def names(self, kind):
        words = ["--all"] if kind == "container" else []
        lines = self.engine.docker(
            kind, "ls", *words, "--format", "{{.Names}}" if kind == "container" else "{{.Name}}"
        ).stdout
        return sorted(set(lines.split()) - {"host", "none", "bridge", "podman"})

    def assert_nothing_left(self):
        self.assertEqual((self.names("container"), self.names("network")), ([], []))


class PodmanEngine:
    """Podman with separate storage, networks and settings, which end with it. Of
    docker_fixture.Engine what is needed here."""

    client = "podman"

    def __init__(self):
        system_fixture.need_root("podman's containers mount file systems")
        system_fixture.need("podman", "runc", "conmon", "skopeo")
        self.directory = self.environment = None
        self.prefix = []

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bottle-podman-"))
        storage = self.directory / "storage.conf"
        storage.write_text(
            (
                f'[storage]\ndriver = "vfs"\ngraphroot = "{self.directory}/root"\nrunroot ='
                f' "{self.directory}/run"\n'
            ),
            encoding="utf-8",
        )
        self.environment = {
            **system_fixture.harness.clean_environment(),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
        }
        self.configure("")
        return self

    def configure(self, backend):
        # Limits as they are here: podman would ask for more than a process without all capabilities
        # may have.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = hard if soft == resource.RLIM_INFINITY else soft
        (self.directory / "containers.conf").write_text(
            (
                f'[containers]\ndefault_ulimits = ["nofile={files}:{files}",'
                ' "nproc=1024:1024"]\n[engine]\nruntime = "runc"\ncgroup_manager ='
                ' "cgroupfs"\nevents_logger = "file"\ntmp_dir ='
                f' "{self.directory}/tmp"\nvolume_path ='
                f' "{self.directory}/volumes"\n[network]\nnetwork_backend ='
                f' "{backend}"\nnetwork_config_dir = "{self.directory}/networks{backend}"\n'
            ),
            encoding="utf-8",
        )

    def __exit__(self, *_):
        self.command("podman", "rm", "--all", "--force", "--time", "1", expect=None)
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self, *command, **options):
        return docker_fixture.Engine.command(self, *self.prefix, *command, **options)

    docker = docker_fixture.Engine.docker

    def load(self, layout, tag):
        self.command(
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            f"oci:{layout}",
            f"containers-storage:localhost/{tag}:latest",
        )
        result = self.command(
            "podman",
            "run",
            "--rm",
            "--network",
            "none",
            "--entrypoint",
            "/usr/bin/id",
            f"{tag}:latest",
            expect=None,
        )
        if result.returncode != 0:
            raise unittest.SkipTest(
                "needs containers of podman with runc, which do not run here:"
                f" {result.stdout[-300:]}"
            )
