"""Bad input: what is wrong is said with file and line (or offset), the status is 1, and what was
there before stays as it was.

Wrong arguments of add_bottle(), unknown bottles and cycles of bottles are refused at configure
time: tests/cmake/errors_test.py.
"""
import gzip
import os
import re
import resource
import shutil
import subprocess

import images
import system_fixture


class BadInput(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.build = self.new_build(
            {
                "Dockerfile": "FROM scratch\nCOPY good /\n",
                "good": "good\n",
                "hidden": "hidden\n",
                ".dockerignore": "# rules\nhidden\n",
            }
        )
        self.build.image()
        self.build.create()
        self.before = self.state()

    def state(self):
        """The results; records of steps and locks are not among them."""
        records = {".lock", "key", "key.d", "key.stamp", "fingerprint.last.json"}
        return {
            path: row
            for path, row in system_fixture.tree_of(self.build.build).items()
            if path not in records
        }

    def refuses(
        self, *patterns, options=(), tools=(("bottle-fingerprint",), ("bottle-image", "build"))
    ):
        """Both tools that read a Dockerfile refuse, and the image and the pack of before are
        untouched."""
        for tool in tools:
            result = self.build.tools(
                *tool, "--context", self.build.source, "--out", self.build.build, *options, expect=1
            )
            self.assert_fails(result, *patterns)
        self.assertEqual(self.state(), self.before)
        self.assertEqual(self.build.leftovers(), [])

    def refuses_dockerfile(self, text, *patterns, **more):
        with self.subTest(text):
            self.build.write("Dockerfile", text)
            self.refuses(*patterns, **more)


class Dockerfiles(BadInput):
    def test_syntax_errors(self):
        check = self.refuses_dockerfile
        check(
            "FROM scratch\nCOPPY good /\n", r"Dockerfile:2:\d+: error: .*COPPY", "did you mean COPY"
        )
        check("FROM scratch\n\n# comment\nCOPY good\n", r"Dockerfile:4:\d+: error: .*two arguments")
        check("FROM scratch\nCOPY --chwon=1 good /\n", r"Dockerfile:2:\d+: error: .*--chwon")
        # What depends on the files of the image is not known to the fingerprint.
        build_only = [("bottle-image", "build")]
        check(
            "FROM scratch\nCOPY --chown=no-such-user good /\n",
            r"Dockerfile:2:\d+: error: .*no-such-user",
            tools=build_only,
        )
        check(
            "FROM scratch\nCOPY --chmod=99 good /\n",
            r"Dockerfile:2:\d+: error: .*99",
            tools=build_only,
        )
        check("FROM scratch\nENV\n", r"Dockerfile:2:\d+: error: ENV")
        check("FROM scratch\nEXPOSE 70000\n", r"Dockerfile:2:\d+: error: .*70000")
        check('FROM scratch\nLABEL a="b\n', r"Dockerfile:2:\d+: error: ")
        check("FROM scratch\nENV A=${B\n", r"Dockerfile:2:\d+: error: ")
        check("FROM scratch\nWORKDIR ${A:?is needed}\n", r"Dockerfile:2:\d+: error: .*is needed")
        check("FROM scratch\nCOPY <<END /x\ntext\n", r"Dockerfile:2:\d+: error: .*END")
        check(
            "FROM scratch\nHEALTHCHECK --interval=soon CMD x\n", r"Dockerfile:2:\d+: error: .*soon"
        )
        check("COPY good /\n", r"Dockerfile:1:\d+: error: .*FROM")
        check("", "Dockerfile: error: ")
        check(
            "FROM scratch\nRUN --security=insecure make\n",
            r"Dockerfile:2:\d+: error: RUN --security",
            "hint: ",
        )

    def test_missing_dockerfile(self):
        self.build.remove("Dockerfile")
        self.refuses("Dockerfile: error: the Dockerfile does not exist")
        (self.build.source / "Dockerfile").mkdir()
        self.refuses("Dockerfile: error: .*directory")

    def test_binary_dockerfile(self):
        for line in ("COPY good\0 /", "COPY good /x\0y", "ENV A=x\0y", "# \0"):
            self.refuses_dockerfile(f"FROM scratch\n{line}\n", r"Dockerfile:2:\d+: error: .*NUL")

    def test_missing_sources(self):
        check = self.refuses_dockerfile
        check(
            "FROM scratch\nCOPY missing /\n",
            r"Dockerfile:2:\d+: error: \"missing\" is not in the context",
        )
        check(
            "FROM scratch\nADD missing.tar.gz /\n", r"Dockerfile:2:\d+: error: \"missing.tar.gz\""
        )
        check(
            "FROM scratch\nCOPY \\\n  good \\\n  hidden /\n",
            r"Dockerfile:2:\d+: error: \"hidden\"",
            r"\.dockerignore excludes the file",
        )

    def test_paths_that_leave_the_context(self):
        outside = self.build.root / "outside"
        outside.write_text("not for images\n")
        self.build.link("up", "../outside")
        self.build.link("away", str(outside))
        self.build.link("root", "/")
        check = self.refuses_dockerfile
        check(
            "FROM scratch\nCOPY ../outside /\n",
            r"Dockerfile:2:\d+: error: .*\.\./outside",
            "a directory outside the context",
        )
        for source in (f"root{outside}", "root/etc/passwd", str(outside)):
            check(
                f'FROM scratch\nCOPY ["{source}", "/"]\n',
                r"Dockerfile:2:\d+: error: .*not in the context",
            )
        # Links themselves are copied as links, or followed within the context: never the file
        # outside.
        for source in ("up", "away"):
            self.build.write("Dockerfile", f"FROM scratch\nCOPY {source} /x\n")
            result = self.build.image(expect=None)
            if result.returncode == 0:
                self.build.create()
                tree = self.build.tools(
                    "bottle-pack", "inspect", "--tree", self.build.output
                ).stdout
                self.assertNotIn(system_fixture.digest_of(outside), tree)
            else:
                self.assert_fails(result, r"Dockerfile:2:\d+: error: ")

    def test_loops_of_links(self):
        self.build.link("one", "two")
        self.build.link("two", "one")
        self.build.link("self", "self")
        check = self.refuses_dockerfile
        check("FROM scratch\nCOPY one /x\n", r"Dockerfile:2:\d+: error: .*symbolic links")
        check("FROM scratch\nCOPY self/x /x\n", r"Dockerfile:2:\d+: error: .*symbolic links")
        # In the image: the destination goes in a circle. The key does not know yet, the build does.
        self.build.write("links/one", "")
        self.build.link("links/one", "two")
        self.build.link("links/two", "one")
        for line in ("COPY good /one/good", "WORKDIR /two/x"):
            self.build.write("Dockerfile", f"FROM scratch\nCOPY links/ /\n{line}\n")
            self.assert_fails(
                self.build.image(expect=1), r"Dockerfile:3:\d+: error: .*symbolic links"
            )

    def test_unknown_names(self):
        check = self.refuses_dockerfile
        check("FROM nowhere\n", r"Dockerfile:1:\d+: error: .*\"nowhere\"", "hint: ")
        check("FROM scratch\nCOPY --from=nowhere good /\n", r"Dockerfile:2:\d+: error: .*nowhere")
        check("FROM scratch\nCOPY --from=3 good /\n", r"Dockerfile:2:\d+: error: .*3")
        check(
            "FROM scratch AS one\nFROM scratch AS two\n",
            "error: .*three",
            "hint: .*one.*two",
            options=["--target", "three"],
        )
        # A cycle of stages cannot be written: a stage only knows the ones before it.
        check("FROM two AS one\nFROM one AS two\n", r"Dockerfile:1:\d+: error: .*\"two\"")

    def test_missing_bottle(self):
        for place in (self.top / "nowhere", self.build.source):
            self.refuses_dockerfile(
                "FROM other\n",
                re.escape(str(place)) + ".*: error: cannot find the image plan",
                "hint: ",
                options=["--build-context", f"other=bottle:{place}"],
            )

    def test_usage_errors(self):
        for arguments in (
            ["build", "--no-such-option"],
            ["build", "--build-context", "x"],
            ["no-such-command"],
            [],
        ):
            result = self.build.tools("bottle-image", *arguments, expect=1)
            self.assertEqual(result.returncode, 2, result.stdout)
        specification = self.build.root / "spec.json"
        specification.write_text('{"schema": 1,\n "slug": }')
        self.assert_fails(
            self.build.tools("bottle-image", "build", "--spec", specification, expect=1),
            r"spec\.json.*: error: ",
        )
        specification.write_text('{"schema": 1, "slug": "x", "dockerfile": 3}')
        self.assert_fails(
            self.build.tools("bottle-image", "build", "--spec", specification, expect=1),
            r"spec\.json#/.*: error: ",
        )


class Bases(BadInput):
    def setUp(self):
        super().setUp()
        self.layout = images.Layout(self.top / "layout")
        self.layout.add(images.layer([images.member("one", content="1\n" * 50_000)]))
        self.layout.add(images.layer([images.member("two", content="2\n" * 50_000)]), compress=True)
        self.layout.finish()
        self.build.write("Dockerfile", "FROM base\nCOPY good /\n")

    def refuses_base(self, *patterns, kind="oci-layout", place=None):
        """Each reader of the base reports it: the fingerprint for its description, the image build
        for its layers too."""
        options = [
            "--context",
            self.build.source,
            "--out",
            self.build.build,
            "--build-context",
            f"base={kind}:{place or self.layout.directory}",
        ]
        self.assert_fails(self.build.tools("bottle-image", "build", *options, expect=1), *patterns)
        self.assertEqual(self.state(), self.before)
        self.assertEqual(self.build.leftovers(), [])

    def test_intact_base_is_accepted(self):
        self.build.image("--build-context", f"base=oci-layout:{self.layout.directory}")

    def damages(self, blob):
        """Damages the file in each way, and restores it."""
        whole = blob.read_bytes()
        altered = bytearray(whole)
        altered[len(altered) // 2] ^= 1
        yield "altered", lambda: blob.write_bytes(altered)
        yield "short", lambda: blob.write_bytes(whole[:-100])
        yield "empty", lambda: blob.write_bytes(b"")
        yield "long", lambda: blob.write_bytes(whole + b"more")
        yield "missing", blob.unlink

    def check_damages(self, blob):
        whole = blob.read_bytes()
        for name, damage in self.damages(blob):
            with self.subTest(name, blob=blob.name):
                try:
                    damage()
                    self.refuses_base("error: ", blob.name)
                finally:
                    blob.write_bytes(whole)

    def test_damaged_plain_layer(self):
        self.check_damages(self.layout.layer_blob(0))

    def test_damaged_compressed_layer(self):
        self.check_damages(self.layout.layer_blob(1))

    def test_damaged_manifest_and_configuration(self):
        documents = [
            blob for blob in self.layout.blobs.iterdir() if blob.read_bytes().startswith(b"{")
        ]
        self.assertEqual(len(documents), 2)
        for blob in documents:
            self.check_damages(blob)

    def test_wrong_diff_id(self):
        self.layout.diff_ids[1] = "sha256:" + "0" * 64
        self.layout.finish()
        self.refuses_base("error: .*" + "0" * 64)

    def test_directory_without_a_layout(self):
        for name in ("index.json", "oci-layout"):
            with self.subTest(name):
                file = self.layout.directory / name
                text = file.read_text()
                file.unlink()
                self.refuses_base("layout: error: .*" + name)
                file.write_text(text[:-1])
                self.refuses_base(name + ".*: error: ")
                file.write_text(text)
        self.refuses_base("nowhere.*: error: ", place=self.top / "nowhere")

    def test_layer_that_is_not_an_archive(self):
        for data in (b"this is no tar archive\n" * 100, gzip.compress(b"nor is this\n" * 100)):
            layout = images.Layout(self.top / f"layout-{len(data)}")
            layout.add(data)
            layout.finish()
            # The offset within the blob is said.
            self.refuses_base(
                r": error: .*", layout.layer_blob(0).name + ".*offset", place=layout.directory
            )

    def test_entries_that_leave_the_image(self):
        for entry in (
            images.member("../outside", content="x"),
            images.member("x", "hardlink", link="../../etc/passwd"),
        ):
            layout = images.Layout(self.top / ("layout-" + entry[0].name.replace("/", "-")))
            layout.add(images.layer([entry]))
            layout.finish()
            result = self.build.image(
                "--build-context", f"base=oci-layout:{layout.directory}", expect=None
            )
            if result.returncode != 0:  # refused; else confined to the image:
                self.assert_fails(result, "error: ")
                continue
            self.build.create()
            self.build.tools(
                "bottle-pack", "extract", self.build.output, self.top / "into" / "here"
            )
            self.assertEqual(os.listdir(self.top / "into"), ["here"])

    def test_damaged_docker_archive(self):
        archive = self.top / "archive.tar"
        self.refuses_base("archive.tar: error: ", kind="docker-archive", place=archive)
        archive.write_bytes(b"no archive")
        self.refuses_base("archive.tar: .*error: ", kind="docker-archive", place=archive)
        archive.write_bytes(images.layer([images.member("x", content="no image")]))
        self.refuses_base(
            "archive.tar.*: error: .*manifest.json", kind="docker-archive", place=archive
        )
        manifest = '[{"Config": "c.json", "RepoTags": null, "Layers": ["missing/layer.tar"]}]'
        archive.write_bytes(
            images.layer(
                [
                    images.member("manifest.json", content=manifest),
                    images.member("c.json", content="{}"),
                ]
            )
        )
        self.refuses_base("archive.tar.*: error: ", kind="docker-archive", place=archive)


class Packs(BadInput):
    """Damaged packs, for each command that reads one."""

    def refuses_pack(self, pack, *patterns):
        into = self.top / "extracted"
        for arguments in (["verify", pack], ["extract", pack, into]):
            result = self.build.tools("bottle-pack", *arguments, expect=1)
            self.assert_fails(result, re.escape(pack.name) + "(: .*)?: error: ", *patterns)
        self.assertFalse(into.exists())
        self.assertEqual(
            [name for name in os.listdir(self.top) if "tmp" in name or name.startswith(".")], []
        )

    def test_every_truncation(self):
        whole = self.build.output.read_bytes()
        pack = self.top / "short.smolmachine"
        for size in {
            0,
            1,
            63,
            64,
            len(whole) // 2,
            *range(len(whole) - 70, len(whole)),
            *range(0, len(whole), 97),
        }:
            with self.subTest(size=size):
                pack.write_bytes(whole[:size])
                self.refuses_pack(pack)

    def test_altered_bytes(self):
        whole = self.build.output.read_bytes()
        pack = self.top / "altered.smolmachine"
        for at in range(0, len(whole) - 64, 11):
            with self.subTest(at=at):
                altered = bytearray(whole)
                altered[at] ^= 0x40
                pack.write_bytes(altered)
                self.refuses_pack(pack)
                self.assert_fails(
                    self.build.tools("bottle-pack", "inspect", "--tree", pack, expect=1), "error: "
                )

    def test_altered_footer(self):
        whole = self.build.output.read_bytes()
        pack = self.top / "altered.smolmachine"
        self.build.tools("bottle-pack", "extract", self.build.output, self.top / "expected")
        expected = system_fixture.tree_of(self.top / "expected")
        for at in range(
            len(whole) - 64, len(whole) - 8
        ):  # the last eight bytes are reserved: readers ignore them
            with self.subTest(at=at):
                altered = bytearray(whole)
                altered[at] ^= 0x40
                pack.write_bytes(altered)
                refused = self.build.tools("bottle-pack", "verify", pack, expect=1)
                self.assert_fails(refused, r"altered\.smolmachine(: .*)?: error: ")
                # Some fields do not describe the content: then it comes out right, or not at all.
                into = self.top / f"extracted-{at}"
                if (
                    self.build.tools("bottle-pack", "extract", pack, into, expect=None).returncode
                    == 0
                ):
                    self.assertEqual(system_fixture.tree_of(into), expected)
                else:
                    self.assertFalse(into.exists())

    def test_file_that_is_not_a_pack(self):
        pack = self.top / "text.smolmachine"
        pack.write_text("this is no pack\n" * 100)
        self.refuses_pack(pack)
        for command in ("verify", "inspect"):
            self.assert_fails(
                self.build.tools("bottle-pack", command, self.top / "nowhere", expect=1),
                "nowhere: error: .*No such file",
            )
            self.assert_fails(
                self.build.tools("bottle-pack", command, self.top, expect=1), "error: "
            )

    def test_damaged_plan(self):
        plan = self.build.build / "image.json"
        text = plan.read_text()
        pack = self.build.output.read_bytes()
        for damaged in ("", text[:-20], text.replace("sha256:", "sha255:", 1), "[]"):
            plan.write_text(damaged)
            self.assert_fails(self.build.create(expect=1), r"image\.json.*: error: ")
        plan.unlink()
        self.assert_fails(
            self.build.create(expect=1),
            r"image\.json: error: cannot find the image plan",
            "hint: .*bottle-image build",
        )
        self.assertEqual(self.build.output.read_bytes(), pack)

    def test_source_changed_after_the_build(self):
        """The bytes must be the ones of the plan: else the step fails with a message."""
        shutil.rmtree(self.build.cache)
        pack = self.build.output.read_bytes()
        self.build.write("good", "evil\n")
        self.assert_fails(
            self.build.create(expect=1), "good: .*error: |good: error: ", "build again|changed"
        )
        self.assertEqual(self.build.output.read_bytes(), pack)
        (self.build.source / "good").unlink()
        self.assert_fails(self.build.create(expect=1), "good.*: error: ")
        self.assertEqual(self.build.output.read_bytes(), pack)
        self.assertEqual(self.build.leftovers(), [])


class Outputs(BadInput):
    """Places that cannot be written to."""

    def as_nobody(self):
        if os.geteuid() == 0:
            system_fixture.need("setpriv")
            self.build.prefix = [
                "setpriv",
                f"--reuid={system_fixture.NOBODY}",
                f"--regid={system_fixture.NOBODY}",
                "--clear-groups",
            ]
            for path in [self.top, *self.top.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            # This user may not look into the closed home that the build tree may be in.
            probe = subprocess.run(
                [*self.build.prefix, system_fixture.settings.tools / "bottle-pack", "--version"],
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if probe.returncode != 0:
                self.skipTest("needs a build tree that another user may read")
        else:
            for path in (self.build.build, *self.build.build.rglob("*")):
                if path.is_dir():
                    self.addCleanup(path.chmod, path.stat().st_mode)
                    path.chmod(0o555)

    def test_export_from_a_wrong_path(self):
        wrong = self.top / "no such directory"
        result = self.build.tools(
            "bottle-image", "export", wrong, "--layout", self.top / "layout", expect=1
        )
        self.assert_fails(
            result,
            r"no such directory: error: no image plan in this directory",
            "hint: .*bottle-image export",
        )
        self.assertFalse(wrong.exists())
        self.assertFalse((self.top / "layout").exists())

    def test_unwritable_build_directory(self):
        self.as_nobody()
        self.before = self.state()
        self.build.cache = self.top / "a store of one's own"
        self.build.cache.mkdir()
        self.build.cache.chmod(0o777)
        self.build.trace = self.build.cache / "trace.jsonl"
        denied = "error: .*(Permission denied|cannot create|cannot write)"
        self.build.write("Dockerfile", "FROM scratch\nCOPY good /changed\n")
        where = ["--context", self.build.source, "--out", self.build.build]
        self.assert_fails(
            self.build.tools("bottle-image", "build", *where, expect=1),
            denied,
            str(self.build.build),
        )
        self.assert_fails(
            self.build.tools("bottle-fingerprint", *where, expect=1), denied, str(self.build.build)
        )
        self.assert_fails(self.build.create("--cpus", 2, expect=1), denied)
        self.assert_fails(self.build.export(self.build.build / "layout", expect=1), denied)
        self.assert_fails(
            self.build.tools(
                "bottle-pack", "extract", self.build.output, self.build.build / "x", expect=1
            ),
            denied,
        )
        self.assertEqual(self.state(), self.before)

    def test_unwritable_store(self):
        self.build.environment["BOTTLE_CACHE_DIR"] = "/proc/nowhere"
        self.assert_fails(
            self.build.image(expect=1), "/proc/nowhere.*: error: ", "BOTTLE_CACHE_DIR"
        )
        file = self.top / "file"
        file.write_text("in the way\n")
        self.build.environment["BOTTLE_CACHE_DIR"] = str(file)
        self.assert_fails(self.build.image(expect=1), "file.*: error: ")

    def test_output_path_is_taken(self):
        shutil.rmtree(self.build.build)
        self.build.build.write_text("a file\n")
        self.assert_fails(self.build.image(expect=1), "error: ")
        self.assertEqual(self.build.build.read_text(), "a file\n")
        self.build.build.unlink()
        self.build.image()
        self.build.output.mkdir()
        self.assert_fails(self.build.create(expect=1), r"image\.smolmachine: error: .*directory")
        self.assertEqual(self.build.leftovers(), [])

    def test_extract_into_a_directory_that_is_not_empty(self):
        into = self.top / "into"
        into.mkdir()
        (into / "work").write_text("of years\n")
        self.assert_fails(
            self.build.tools("bottle-pack", "extract", self.build.output, into, expect=1),
            "into: error: .*not empty",
        )
        self.assertEqual(os.listdir(into), ["work"])


class ShortMemory(system_fixture.TestCase):
    def test_failed_allocation_is_reported(self):
        build = self.new_build(
            files={"Dockerfile": "FROM scratch\nCOPY . /\n", "big": os.urandom(3 << 20)}
        )
        failures = 0
        for kilobytes in range(11_000, 30_000, 1000):
            shutil.rmtree(build.cache, ignore_errors=True)
            result = build.tools(
                "bottle-image",
                "build",
                "--context",
                build.source,
                "--out",
                self.top / f"out-{kilobytes}",
                expect=None,
                preexec_fn=lambda limit=kilobytes << 10: resource.setrlimit(
                    resource.RLIMIT_AS, (limit, limit)
                ),
            )
            if "error while loading shared libraries" in result.stdout or result.returncode == 0:
                continue
            failures += 1
            self.assertEqual(
                (result.returncode, result.stdout.count("error: ")), (1, 1), result.stdout
            )
            self.assertRegex(
                result.stdout, "(?i)out of memory|not enough memory|cannot allocate memory"
            )
        self.assertGreater(failures, 0)


if __name__ == "__main__":
    system_fixture.main()
