# SPDX-License-Identifier: Apache-2.0
"""Builds by Docker (both builders), Podman and Buildah: their inputs, results and leftovers."""
import json
import subprocess
import tarfile

import system_fixture
from breakpoint_fixture import SECONDS
from engines_fixture import BuildCase, ENGINES, FILES, staged


class Builds(BuildCase):
    def test_bases_and_contexts_are_images(self):
        """A bottle as base, a directory as context, stages by number, a stage that only the file
        knows."""
        builtin = self.built("builtin", "builtin")
        for engine, more in [
            ("docker", {}),
            ("docker", {"DOCKER_BUILDKIT": "0"}),
            ("podman", {}),
            ("buildah", {}),
        ]:
            with self.subTest(engine=engine, **more):
                build = self.built(f"by {engine} {more}", engine, **more)
                self.assert_same_tree(build, builtin)
                self.assertEqual(build.leftovers(), [])
                self.assertFalse((build.build / "engine.left").exists())
                calls = self.calls()
                self.assertEqual(sum(call.split()[1] == "build" for call in calls), 1, calls)
                # Comments, unneeded stages and files that no instruction copies are not inputs.
                build.write(
                    "Dockerfile",
                    FILES["Dockerfile"]
                    .replace("# a comment between", "#")
                    .replace("COPY nothing", "COPY other"),
                )
                build.write("unused", "other\n")
                build.image(*self.contexts)
                self.assertEqual(self.calls(), [])
        self.assert_engine_clean()
        for engine in ("podman", "buildah"):
            names = self.base.run(
                engine,
                "images",
                "--format",
                "{{.Repository}}" if engine == "podman" else "{{.Name}}",
            ).stdout.split()
            self.assertEqual([name for name in names if name != "<none>"], [])

    def test_image_id_is_kept(self):
        """An export has the ID that the engine gave."""
        build = self.built("one", "docker")
        build.export(self.top / "layout")
        index = json.loads((self.top / "layout/index.json").read_text())
        digest = index["manifests"][0]["digest"].removeprefix("sha256:")
        manifest = json.loads((self.top / "layout/blobs/sha256" / digest).read_text())
        plan = json.loads((build.build / "image.json").read_text())
        self.assertEqual(manifest["config"]["digest"], plan["imageId"])
        self.assertIn(plan["imageId"], self.docker("image", "ls", "--all", "--quiet", "--no-trunc"))

    def test_times_follow_the_epoch(self):
        """Staged files have parts of seconds, by which BuildKit knows what it has; images have
        none."""
        build = self.built(
            "one", "docker", {"Dockerfile": "FROM base\nCOPY file /file\n", "file": "one\n"}
        )
        self.assertNotEqual((staged(build.build) / "file").stat().st_mtime_ns % 1_000_000_000, 0)
        build.export(self.top / "layout")
        layers = [
            tarfile.open(blob)
            for blob in (self.top / "layout/blobs/sha256").iterdir()
            if not blob.read_bytes().startswith(b"{")
        ]
        self.assertEqual(
            {member.mtime for layer in layers for member in layer if member.name == "file"}, {0}
        )
        # Another content of the same size is not what the builder has.
        build.write("file", "two\n")
        build.image(*self.contexts)
        build.create()
        build.tools("bottle-pack", "extract", build.output, self.top / "root")
        self.assertEqual((self.top / "root/file").read_text(), "two\n")

    def test_files_with_equal_size_and_time_are_sent(self):
        self.check_look_alikes("docker")

    def test_error_hints(self):
        build = self.new_build(
            FILES, engine="docker", DOCKER_HOST="unix:///nonexistent/docker.sock"
        )
        self.assert_fails(
            build.image(*self.contexts, expect=1),
            "Cannot connect",
            "start the daemon, or set DOCKER_HOST",
        )
        for engine in ENGINES:
            build = self.new_build(FILES, "none", engine=engine, PATH=str(self.top))
            self.assert_fails(
                build.image(*self.contexts, expect=1),
                f'"{engine}" is not installed',
                "install .*ENGINE builtin",
            )
        build = self.new_build(FILES, "unknown", BOTTLE_ENGINE="dokcer")
        self.assert_fails(
            build.image(*self.contexts, expect=1),
            "did you mean docker",
            "known: builtin, docker, podman, buildah, buildx",
            status=2,
        )
        build = self.new_build(
            dict(FILES, Dockerfile="FROM base\nRUN exit 3\n"), "fails", engine="docker"
        )
        self.assert_fails(build.image(*self.contexts, expect=1), "the engine failed", "3")
        self.assertEqual(build.leftovers(), [])
        self.assert_engine_clean()

    def test_without_a_network(self):
        """NETWORK none: RUN sees no network but its own loopback, whatever this machine's options
        say; or the engine says why not."""
        dockerfile = (
            "FROM base\nRUN while read name rest; do echo $name; done < /proc/net/dev > /devices\n"
        )
        containers = self.top / "containers.conf"
        containers.write_text('[engine]\nruntime = "runc"\n', encoding="utf-8")
        oci = {
            "CONTAINERS_CONF": str(containers),
            "BOTTLE_ENGINE_OPTIONS": "--isolation=oci --network=host",
        }
        for engine, more in [
            ("docker", {}),
            ("docker", {"DOCKER_BUILDKIT": "0"}),
            ("podman", oci),
            ("buildah", oci),
        ]:
            with self.subTest(engine=engine, **more):
                build = self.new_build(
                    {"Dockerfile": dockerfile},
                    f"by {engine} {more.get('DOCKER_BUILDKIT')}",
                    engine,
                    **more,
                )
                build.image(*self.contexts, "--network", "none")
                build.create()
                out = self.top / f"root {engine} {more.get('DOCKER_BUILDKIT')}"
                build.tools("bottle-pack", "extract", build.output, out)
                devices = [
                    word for word in (out / "devices").read_text().split() if word.endswith(":")
                ]
                self.assertEqual(devices, ["lo:"])
        for engine in ("podman", "buildah"):  # the isolation without namespaces
            build = self.new_build({"Dockerfile": dockerfile}, f"{engine} in a chroot", engine)
            self.assert_fails(
                build.image(*self.contexts, "--network", "none", expect=1),
                "cannot set --network other than host",
            )

    def test_settings_of_run(self):
        """--shm-size, --ulimit and --add-host act, or the error names the RUN and what could: no
        engine ignores them silently."""
        dockerfile = (
            "FROM base\n\nRUN grep ' /dev/shm ' /proc/mounts | sed 's/.*size=//; s/[ ,].*//' >"
            " /shm; (ulimit -n; ulimit -Hn) > /limits; grep -o '1.2.3.4.*' /etc/hosts > /hosts\n"
        )
        containers = self.top / "containers.conf"
        containers.write_text('[engine]\nruntime = "runc"\n', encoding="utf-8")
        oci = {
            "CONTAINERS_CONF": str(containers),
            "BOTTLE_ENGINE_OPTIONS": "--isolation=chroot --isolation OCI",
        }
        size, others = ["--shm-size", "128m"], [
            "--ulimit",
            "nofile=1000:2000",
            "--add-host",
            "a.b:1.2.3.4",
        ]
        expected = {"shm": "131072k\n", "limits": "1000\n2000\n", "hosts": "1.2.3.4\ta.b\n"}
        for number, (engine, more, options, ignored) in enumerate(
            (
                ("docker", {"DOCKER_BUILDKIT": "0"}, size + others, ""),
                ("docker", {}, size, "--shm-size"),
                ("docker", {}, others, "--ulimit"),
                ("docker", {}, others[2:], ""),
                ("podman", oci, size + others, ""),
                ("buildah", oci, size + others, ""),
                ("podman", {}, size, "--shm-size"),
                ("buildah", {}, size, "--shm-size"),
                ("podman", {}, others, ""),
                ("buildah", {}, others, ""),
                (
                    "buildah",
                    {"BOTTLE_ENGINE_OPTIONS": "", "BUILDAH_ISOLATION": "chroot"},
                    size,
                    "--shm-size",
                ),
            )
        ):
            with self.subTest(engine=engine, options=options, **more):
                build = self.new_build(
                    {"Dockerfile": dockerfile}, f"settings {number}", engine, **more
                )
                if ignored:
                    self.assert_fails(
                        build.image(*self.contexts, *options, expect=1),
                        f"Dockerfile:3:1: error: {ignored} has no effect on RUN with",
                        "ENGINE builtin",
                    )
                    continue
                build.image(*self.contexts, *options)
                build.create()
                out = self.top / f"settings root {number}"
                build.tools("bottle-pack", "extract", build.output, out)
                for option, name in (
                    ("--shm-size", "shm"),
                    ("--ulimit", "limits"),
                    ("--add-host", "hosts"),
                ):
                    if option in options:
                        self.assertEqual((out / name).read_text(), expected[name])
        without = self.new_build(
            {"Dockerfile": "FROM base\nCOPY Dockerfile /\n"}, "without RUN", "podman"
        )
        without.image(*self.contexts, *size)

    def test_engine_is_chosen_in_order(self):
        """ENGINE, then the variable, then the environment, then builtin; what is missing fails the
        target, and not the configuring."""
        missing = {"BOTTLE_ENGINE": "docker", "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
        for number, (engine, variable, environment, expected) in enumerate(
            (
                ("", "", "", "builtin"),
                ("", "", "docker", "docker"),
                ("", "buildah", "docker", "buildah"),
                ("podman", "buildah", "docker", "podman"),
                ("builtin", "buildah", "docker", "builtin"),
                ("", "builtin", "docker", "builtin"),
            )
        ):
            with self.subTest(engine=engine, variable=variable, environment=environment):
                project = self.prepared(
                    system_fixture.harness.Project(
                        self.top / f"project {number}",
                        f"add_bottle(a {'ENGINE ' + engine if engine else ''})\n",
                        {"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "1\n"},
                    ),
                    BOTTLE_ENGINE=environment,
                )
                project.configure(f"-DBOTTLE_ENGINE={variable}" if variable else "-UBOTTLE_ENGINE")
                self.assertEqual(self.calls(), [])
                project.make("bottle-a")
                self.assertEqual(
                    {call.split()[0] for call in self.calls()}, {expected} - {"builtin"}
                )
        project = self.prepared(
            system_fixture.harness.Project(
                self.top / "unreachable",
                "add_bottle(a)\nadd_bottle(b ENGINE builtin)\n",
                {"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "1\n"},
            ),
            **missing,
        )
        project.configure()
        project.make("bottle-b")
        self.assertRegex(
            project.make("bottle-a", expect=1).stdout,
            "Cannot connect(.|\n)*start the daemon, or set DOCKER_HOST",
        )
        for program in ("podman", "buildah"):
            (self.bin / program).unlink()
        for engine, program in (("podman", "podman"), ("buildah", "buildah"), ("buildx", "docker")):
            project = self.prepared(
                system_fixture.harness.Project(
                    self.top / f"without {engine}",
                    f"add_bottle(a ENGINE {engine})\n",
                    {"Dockerfile": "FROM scratch\n"},
                ),
                PATH=self.path_without(program),
            )
            project.configure()
            self.assertRegex(
                project.make("bottle-a", expect=1).stdout,
                f'"{program}" is not installed(.|\n)*install .*ENGINE builtin',
            )

    def test_two_builds_at_once(self):
        """Two bottles through one daemon, from bases of the same name that are not the same."""
        processes, builds = [], []
        for number in range(2):
            files = dict(FILES, Dockerfile=FILES["Dockerfile"].replace("$WORD", f"{number} $WORD"))
            build = self.new_build(files, f"build {number}", "docker", DOCKER_BUILDKIT=str(number))
            builds.append(build)
            processes.append(
                subprocess.Popen(
                    [
                        system_fixture.settings.tools / "bottle-image",
                        "build",
                        "--context",
                        build.source,
                        "--out",
                        build.build,
                        *self.contexts,
                    ],
                    env={
                        **system_fixture.harness.clean_environment(),
                        **build.environment,
                        "BOTTLE_CACHE_DIR": str(build.cache),
                    },
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        for number, process in enumerate(processes):
            _, errors = process.communicate(timeout=SECONDS)
            self.assertEqual(process.returncode, 0, errors)
            builds[number].create()
            out = self.top / f"root {number}"
            builds[number].tools("bottle-pack", "extract", builds[number].output, out)
            self.assertEqual((out / "copied").read_text(), f"{number} word yes\n")
        self.assert_engine_clean()


if __name__ == "__main__":
    system_fixture.main()
