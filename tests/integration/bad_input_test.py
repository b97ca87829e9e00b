# SPDX-License-Identifier: Apache-2.0
"""Bad input: what is wrong is said with file and line (or offset), the status is 1, and what was
there before stays as it was.

Wrong arguments of add_bottle(), unknown bottles and cycles of bottles are refused at configure
time: tests/cmake/errors_test.py.
"""
import gzip
import os
import re
import textwrap

import images
import system_fixture
from bad_input_fixture import BadInput


class Dockerfiles(BadInput):
    def test_syntax_errors(self):
        check = self.refuses_dockerfile
        check(
            "FROM scratch\nCOPPY good /\n", r"Dockerfile:2:\d+: error: .*COPPY", "did you mean COPY"
        )
        check(
            textwrap.dedent(
                """\
                FROM scratch

                # comment
                COPY good
                """
            ),
            r"Dockerfile:4:\d+: error: .*two arguments",
        )
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
            textwrap.dedent(
                """\
                FROM scratch
                COPY \\
                  good \\
                  hidden /
                """
            ),
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
            r"spec\.json.*: error: not valid JSON",
            status=2,
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


if __name__ == "__main__":
    system_fixture.main()
