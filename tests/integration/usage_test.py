# SPDX-License-Identifier: Apache-2.0
"""Command lines of a user who has not read the manual: taken where they are clear, else told what
to write."""
import json
import shutil

import system_fixture

FILES = {"app/Dockerfile": "FROM scratch\nCOPY f /f\n", "app/f": "1\n"}
# A mistyped option or command of each tool, and the hint.
TYPOS = {
    ("bottle-fingerprint", "--contxt", "x"): "did you mean --context?",
    ("bottle-image", "biuld", "."): "did you mean build?",
    ("bottle-image", "build", "--targte", "x"): "did you mean --target?",
    ("bottle-image", "build", "--flie=x"): "did you mean --file?",
    ("bottle-pack", "create", "--memroy", "64"): "did you mean --memory?",
    ("bottle-pack", "verfy", "x"): "did you mean verify?",
    ("bottle-lock", "udpate"): "did you mean update?",
    ("bottle-lock", "check", "--form", "x"): "did you mean --from?",
    ("bottle-cache", "stast"): "did you mean stats?",
    ("bottle-why", "--sepc", "x"): "did you mean --spec?",
    ("bottle-registry", "psuh", "x"): "did you mean push?",
    ("bottle-gate", "rendr"): "did you mean render?",
}
# Nothing is near enough to be meant.
FAR = (
    ("bottle-image", "build", "--push", "x"),
    ("bottle-image", "build", "--no-cache"),
    ("bottle-pack", "create", "--gpu"),
    ("bottle-lock", "check", "--pull"),
    ("bottle-cache", "prune"),
    ("bottle-registry", "login"),
)


class Usage(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.build = self.new_build(FILES)

    def test_positional_context(self):
        out = self.build.root / "out"
        said = self.build.tools(
            "bottle-image", "build", self.build.source / "app", "--out", out
        ).stdout
        self.assertIn("1 instruction executed", said)
        key = self.build.tools("bottle-fingerprint", self.build.source / "app").stdout
        self.assertEqual(
            key,
            self.build.tools("bottle-fingerprint", "--context", self.build.source / "app").stdout,
        )
        self.assert_fails(
            self.build.tools("bottle-image", "build", ".", "--context", ".", expect=1),
            "excludes",
            status=2,
        )

    def test_positional_pack_and_export(self):
        out = self.build.root / "out"
        self.build.tools("bottle-image", "build", self.build.source / "app", "--out", out)
        self.build.tools("bottle-pack", "create", out, "-o", self.build.root / "named.smolmachine")
        self.build.tools("bottle-pack", "create", f"{out}/", cwd=self.build.root)
        self.build.tools("bottle-pack", "verify", self.build.root / "out.smolmachine")
        self.build.tools("bottle-image", "export", out)
        self.assertTrue((out / "oci/index.json").exists())

    def test_positional_specification(self):
        directory = self.build.root / "bottles/a"
        directory.mkdir(parents=True)
        (directory / "spec.json").write_text(
            json.dumps(
                {
                    "schema": 1,
                    "slug": "a",
                    "dockerfile": str(self.build.source / "app/Dockerfile"),
                    "context": str(self.build.source / "app"),
                }
            )
        )
        self.build.tools("bottle-image", "build", "--spec", directory / "spec.json")
        for place in (directory, directory / "spec.json"):
            with self.subTest(place=place):
                self.build.tools("bottle-pack", "create", place)
                self.assertTrue((directory / "a.smolmachine").exists())
                self.build.tools("bottle-image", "export", place)
                self.assertTrue((directory / "oci/index.json").exists())
                (directory / "a.smolmachine").unlink()
                shutil.rmtree(directory / "oci")
        self.assert_fails(
            self.build.tools("bottle-pack", "create", directory, "--image", directory, expect=1),
            "it conflicts with --image",
            status=2,
        )

    def test_missing_inputs_name_the_command(self):
        for words, expected in (
            (("bottle-pack", "create"), "bottle-pack create build/bottles/<slug>"),
            (
                ("bottle-pack", "create", "--image", "x"),
                "bottle-pack create --image x -o image.smolmachine",
            ),
            (("bottle-image", "export"), "bottle-image export build/bottles/<slug>"),
            (("bottle-image", "load"), "bottle-image load build/bottles/<slug>"),
        ):
            with self.subTest(words):
                self.assert_fails(
                    self.build.tools(*words, expect=1), "error: ", f"hint: .*{expected}", status=2
                )

    def test_isolation_is_for_the_builtin_engine(self):
        words = ("--engine", "podman", "--isolation", "chroot")
        result = self.build.tools(
            "bottle-image", "build", self.build.source / "app", *words, expect=1
        )
        self.assert_fails(
            result, "--isolation has no effect with the engine podman", "hint: remove it", status=2
        )

    def test_missing_directories(self):
        nowhere = self.build.root / "nowhere"
        for words in (
            ("bottle-image", "build", nowhere),
            ("bottle-fingerprint", nowhere),
            ("bottle-pack", "create", nowhere),
            ("bottle-image", "export", nowhere),
            ("bottle-lock", "check", nowhere),
            ("bottle-pack", "verify", nowhere),
            ("bottle-pack", "runtime", nowhere),
            ("bottle-why", nowhere),
        ):
            with self.subTest(words):
                shutil.rmtree(nowhere, ignore_errors=True)
                said = self.build.tools(*words, expect=None)
                self.assertNotEqual(said.returncode, 0)
                self.assertRegex(said.stdout, f"{nowhere}.*: error: ")

    def test_typos_get_a_suggestion(self):
        for words, expected in TYPOS.items():
            with self.subTest(words):
                said = self.build.tools(*words, expect=1)
                self.assert_fails(said, "error: unknown (option|command)", status=2)
                self.assertIn(expected, said.stdout)
        for words in FAR:
            with self.subTest(words):
                said = self.build.tools(*words, expect=1)
                self.assert_fails(
                    said, "error: unknown (option|command)", "see .* --help", status=2
                )
                self.assertNotIn("did you mean", said.stdout)

    def test_lock_is_read_from_the_context(self):
        """Named contexts that only CMake knows are not looked for in a registry."""
        (self.build.source / "app/Dockerfile").write_text(
            "FROM base\nCOPY --from=debian:12 /a /a\n"
        )
        self.build.environment.update(
            HTTPS_PROXY="http://127.0.0.1:1", https_proxy="http://127.0.0.1:1"
        )
        for words in ((self.build.source / "app",), ("--context", self.build.source / "app")):
            said = self.build.tools("bottle-lock", "check", *words, expect=None)
            self.assertEqual(said.returncode, 3, said.stdout)
            self.assertRegex(
                said.stdout,
                r"missing +docker.io/library/base:latest\nmissing +docker.io/library/debian:12",
            )


if __name__ == "__main__":
    system_fixture.main()
