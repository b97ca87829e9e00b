# SPDX-License-Identifier: Apache-2.0
"""Cases of bad input: both tools refuse, and earlier results stay."""


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
