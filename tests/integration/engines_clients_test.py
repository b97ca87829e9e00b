# SPDX-License-Identifier: Apache-2.0
"""Builds by buildx, loading images into engines, and the container client."""
import json
import os
import pathlib
import subprocess
import tarfile
import urllib.request

import buildx_fixture
import docker_fixture
import system_fixture
import registry_fixture
from breakpoint_fixture import SECONDS
from engines_fixture import BASE, BuildCase, FILES


class Buildx(BuildCase):
    """Docker's plug-in, with the builder that is in the daemon."""

    def setUp(self):
        self.plugins = buildx_fixture.made(pathlib.Path.cwd())
        super().setUp()

    def test_image_is_built(self):
        builtin = self.built("builtin", "builtin")
        build = self.built(
            "by buildx",
            "buildx",
            DOCKER_CONFIG=str(self.plugins),
            BOTTLE_ENGINE_OPTIONS="--network=host",
        )
        self.assert_same_tree(build, builtin)
        self.assertEqual(sum(call.split()[1:3] == ["buildx", "build"] for call in self.calls()), 1)
        build.image(*self.contexts)
        self.assertEqual(self.calls(), [])
        self.assertIn("engine = buildx ", (build.build / "image.key").read_text())
        self.assertEqual(build.leftovers(), [])
        self.assert_engine_clean()
        # Without the plug-in there is no such engine.
        build = self.new_build(FILES, "without", engine="buildx")
        self.assert_fails(build.image(*self.contexts, expect=1), "buildx", "ENGINE builtin")

    def test_files_with_equal_size_and_time_are_sent(self):
        self.check_look_alikes(
            "buildx", DOCKER_CONFIG=str(self.plugins), BOTTLE_ENGINE_OPTIONS="--network=host"
        )


class BuildxLayouts(BuildCase):
    """Docker's plug-in with a builder that reads and writes OCI layouts: times, named contexts,
    secrets, caches."""

    @classmethod
    def new_engine(cls):
        cls.plugins = buildx_fixture.made(pathlib.Path.cwd())
        return docker_fixture.Engine(cls.plugins / "engine")

    def setUp(self):
        super().setUp()
        self.environment.update(
            DOCKER_CONFIG=str(self.plugins), BOTTLE_ENGINE_OPTIONS="--network=host"
        )

    def layers(self, build):
        """Of its export, as tarfile reads them."""
        layout = build.root / "layout"
        build.export(layout)
        blobs = layout / "blobs/sha256"
        index = json.loads((layout / "index.json").read_text())
        manifest = json.loads(
            (blobs / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text()
        )
        return [
            tarfile.open(blobs / layer["digest"].removeprefix("sha256:"))
            for layer in manifest["layers"]
        ]

    def image_id(self, build):
        return json.loads((build.build / "image.json").read_text())["imageId"]

    def test_contexts_are_layouts_and_times_are_rewritten(self):
        builtin = self.built("builtin", "builtin")
        build = self.built("by buildx", "buildx")
        self.assert_same_tree(build, builtin)
        self.assertRegex(
            (build.build / "image.key").read_text(), r"engine = buildx \S+%20docker\+oci%20"
        )
        calls = self.calls()
        (call,) = [call for call in calls if call.split()[1:3] == ["buildx", "build"]]
        self.assertRegex(call, "--output type=oci,rewrite-timestamp=true,")
        self.assertEqual(call.count("=oci-layout://"), 2)
        self.assertEqual([call for call in calls if call.split()[1] in ("load", "save", "tag")], [])
        times = {member.mtime for layer in self.layers(build) for member in layer}
        self.assertEqual(times, {0})
        build.image(*self.contexts)
        self.assertEqual(self.calls(), [])
        # Again from an empty store: the same image to the byte.
        self.engine.docker("builder", "prune", "--all", "--force", environment=self.environment)
        again = self.built("again", "buildx", BOTTLE_ENGINE_OPTIONS="--network=host --no-cache")
        self.assertEqual(self.image_id(again), self.image_id(build))
        self.assertEqual(build.leftovers(), [])
        self.assert_engine_clean()

    def test_secrets_are_passed(self):
        """The value is passed, is in no layer, and is not an input."""
        files = {
            "Dockerfile": (
                "FROM base\nRUN --mount=type=secret,id=word read word < /run/secrets/word; echo"
                " ${#word} > /length\n"
            )
        }
        build = self.new_build(files, engine="buildx", WORD="hidden word")
        build.image(*self.contexts, "--secret", "id=word,env=WORD")
        build.create()
        build.tools("bottle-pack", "extract", build.output, self.top / "root")
        self.assertEqual((self.top / "root/length").read_text(), "11\n")
        self.assertNotIn(
            b"hidden word",
            b"".join(file.read_bytes() for file in build.build.rglob("*") if file.is_file()),
        )
        self.calls()
        build.environment["WORD"] = "another"
        build.image(*self.contexts, "--secret", "id=word,env=WORD")
        self.assertEqual(self.calls(), [])

    def test_caches_are_used(self):
        """What one builder exports another takes: RUN is not executed again."""
        files = {
            "Dockerfile": "FROM base\nRUN read time rest < /proc/uptime && echo $time > /time\n"
        }
        cache = self.top / "cache"
        ids = []
        for name, option in (
            ("first", f"--cache-to=type=local,dest={cache}"),
            ("without", ""),
            ("second", f"--cache-from=type=local,src={cache}"),
        ):
            build = self.new_build(files, name, "buildx")
            build.image(*self.contexts, *(["--engine-option", option] if option else []))
            ids.append(self.image_id(build))
            self.engine.docker("builder", "prune", "--all", "--force", environment=self.environment)
        self.assertTrue((cache / "index.json").exists())
        self.assertEqual(ids[2], ids[0])
        self.assertNotEqual(ids[1], ids[0])


class Load(BuildCase):
    """bottle-image load, and the CMake target of that name."""

    def test_only_missing_layers_are_sent(self):
        build = self.built("one", "builtin")

        def load(*options):
            return json.loads(
                build.tools("bottle-image", "load", "--json", "--out", build.build, *options).stdout
            )

        for program in ("docker", "podman"):
            with self.subTest(program=program):
                loaded = load("--into", program, "--tag", "localhost/first:1")
                self.assertEqual(loaded["transferred"], loaded["layers"])
                inspected = build.run(
                    program, "image", "inspect", "--format", "{{.Id}}", "localhost/first:1"
                ).stdout.strip()
                self.assertEqual("sha256:" + inspected.removeprefix("sha256:"), loaded["imageId"])
                # What is there does not travel again.
                self.assertEqual(
                    load("--into", program, "--tag", "localhost/second:1")["transferred"], 0
                )
        output = self.engine.docker(
            "run", "--rm", "--network", "host", "localhost/second:1", "/bin/sh", "-c", "echo $BASE"
        ).stdout
        self.assertEqual(output, "yes\n")
        # One more layer on the ones that the daemon has.
        build.write("Dockerfile", FILES["Dockerfile"] + "COPY unused /unused\n")
        build.image(*self.contexts)
        loaded = load("--tag", "localhost/third:1")
        self.assertEqual(loaded["transferred"], 1)
        for name in ("first", "second", "third"):
            self.engine.docker("rmi", f"localhost/{name}:1")

    def test_load_target(self):
        project = self.prepared(
            self.new_build({"CMakeLists.txt": "", **BASE}, "project"), "builtin"
        )
        project.write(
            "CMakeLists.txt",
            (
                "cmake_minimum_required(VERSION 3.25)\nproject(P LANGUAGES"
                " NONE)\nfind_package(Bottle REQUIRED)\nadd_bottle(loaded CONTEXTS"
                f' "tools=path:{self.top}/tools")\n'
            ),
        )
        project.configure()
        project.make("bottle-loaded-load")
        self.assertEqual(
            self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "loaded"),
            ["loaded:latest"],
        )
        self.engine.docker("rmi", "loaded:latest")


class ContainerClient(BuildCase):
    """bottle-image docker: each command, each failure policy, and names of containers."""

    def setUp(self):
        super().setUp()
        self.base.tools("bottle-image", "load", "--out", self.base.build, "--tag", "base:1")
        self.addCleanup(self.remove_all)

    def remove_all(self):
        for container in self.docker("ps", "--all", "--quiet"):
            self.engine.docker("rm", "--force", container)
        self.engine.docker("rmi", "--force", "base:1", "base:2", expect=None)

    def command(self, *words, status=0, **options):
        result = self.base.run(
            system_fixture.settings.tools / "bottle-image", "docker", *words, expect=None, **options
        )
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout.strip()

    def create(self, name="box", *options):
        return self.command(
            "create",
            "--name",
            name,
            "--option=--network=none",
            *options,
            "base:1",
            "--",
            "/bin/sleep",
            "600",
        )

    def test_each_command(self):
        image = self.command("image-id", "base:1")
        self.assertEqual(
            image,
            self.engine.docker("image", "inspect", "--format", "{{.Id}}", "base:1").stdout.strip(),
        )
        self.assertEqual(self.command("image-id", "nothing:1", status=3), "")
        self.command("tag", "base:1", "base:2")
        self.assertEqual(self.command("image-id", "base:2"), image)
        self.command("exists", "box", status=3)
        self.assertEqual(self.create("box", "--option=--user=7"), "box")
        self.command("exists", "box")
        self.command("start", "box")
        (self.top / "in").write_text("in\n")
        self.command("cp", "box", self.top / "in", "/in")
        script = "echo $(/bin/busybox id -u; /bin/busybox cat /in)"
        self.assertEqual(
            self.engine.docker("exec", "box", "/bin/sh", "-c", script).stdout, "7 in\n"
        )
        self.assertEqual(self.command("exec", "box", "--", "/bin/sh", "-c", script), "0 in")
        self.command("rm", "box")
        self.command("rm", "box")
        self.command("exists", "box", status=3)

    def test_push_command(self):
        with registry_fixture.DockerRegistry(self.top / "registry") as registry:
            name = f"localhost:{registry.port}/pushed:1"
            self.addCleanup(self.engine.docker, "rmi", name)
            self.command("tag", "base:1", name)
            self.command("push", name)
            with urllib.request.urlopen(
                urllib.request.Request(
                    f"http://localhost:{registry.port}/v2/pushed/manifests/1",
                    headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
                )
            ) as answer:
                self.assertEqual(
                    json.load(answer)["config"]["digest"], self.command("image-id", "base:1")
                )

    def test_connect_command(self):
        network = f"bottle-test-{os.getpid()}"
        made = self.engine.docker("network", "create", "--internal", network, expect=None)
        if made.returncode != 0:
            self.skipTest(f"needs a bridge, which cannot be made here: {made.stdout.strip()}")
        self.addCleanup(self.engine.docker, "network", "rm", network)
        self.addCleanup(self.engine.docker, "rm", "--force", "box")
        self.command("create", "--name", "box", "base:1", "--", "/bin/sleep", "600")
        self.command("connect", network, "box")
        networks = self.engine.docker(
            "inspect", "--format", "{{json .NetworkSettings.Networks}}", "box"
        ).stdout
        self.assertIn(network, json.loads(networks))

    def test_failure_policies(self):
        """What each command does when it fails is said where it is called."""
        nobody = ["nobody"]
        for words in (
            ["tag", "nothing:1", "nothing:2"],
            ["push", "localhost:1/nothing:1"],
            ["cp", *nobody, self.top / "tools", "/"],
            ["connect", "none", *nobody],
            ["start", *nobody],
            ["exec", *nobody, "--", "/bin/true"],
        ):
            with self.subTest(command=words[0]):
                before = words[:1] + ["--on-failure"]
                self.assertIn("error: ", self.command(*words, status=1))
                self.assertNotIn("error: ", self.command(*before, "status", *words[1:], status=3))
                self.assertIn("warning: ", self.command(*before, "ignore", *words[1:], status=0))
        # An unreachable daemon does not answer a query.
        self.base.environment["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"
        for words in (
            ["exists", "box"],
            ["image-id", "base:1"],
            ["rm", "box"],
            ["create", "--name", "box", "base:1"],
            ["free-name", "box"],
        ):
            with self.subTest(command=words[0]):
                self.assertIn("start the daemon", self.command(*words, status=1))
        self.assertIn("warning: ", self.command("rm", "--on-failure", "ignore", "box", status=0))

    def test_first_free_name_is_used(self):
        self.assertEqual([self.create("walk") for _ in range(3)], ["walk", "walk-2", "walk-3"])
        self.assertEqual(self.command("free-name", "walk"), "walk-4")
        self.command("rm", "walk-2")
        self.assertEqual(self.command("free-name", "walk"), "walk-2")
        self.assertEqual(self.create("walk"), "walk-2")

    def test_concurrent_creates_get_different_names(self):
        """Concurrent creates with one name: each gets another name, and none fails."""
        command = [
            system_fixture.settings.tools / "bottle-image",
            "docker",
            "create",
            "--name",
            "race",
            "--option=--network=none",
            "base:1",
            "--",
            "/bin/sleep",
            "600",
        ]
        processes = [
            subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        names = sorted(process.communicate(timeout=SECONDS)[0].strip() for process in processes)
        self.assertEqual(names, ["race", "race-2", "race-3", "race-4"])

    def test_names_are_bounded(self):
        self.wrapper(
            "docker",
            (
                'echo "Conflict. The container name is already in use by container x" >&2; echo'
                f' "$@" >> "{self.calls_file}"; case "$1" in container) exit 0;; esac; exit 1\n'
            ),
        )
        for words in (["create", "--name", "n", "base:1"], ["free-name", "n"]):
            self.calls()
            self.assertIn("n to n-99 are in use", self.command(*words, status=1))
            self.assertEqual(len(self.calls()), 99)


if __name__ == "__main__":
    system_fixture.main()
