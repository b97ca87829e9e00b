# SPDX-License-Identifier: Apache-2.0
"""Same inputs, same bytes: other path, umask, user, file times, number of jobs, generator and store
give the same packs and images."""
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import harness

NOBODY = 65534


class Checkout(harness.Project):
    """A copy of an example as in another user's checkout."""

    def __init__(
        self,
        directory,
        example,
        tools,
        generator="Ninja",
        umask=0o022,
        user=None,
        time=None,
        jobs=2,
    ):
        super().__init__(directory, generator=generator)
        self.jobs = jobs
        shutil.rmtree(self.source)
        shutil.copytree(
            harness.SOURCE / "examples" / example,
            self.source,
            ignore=shutil.ignore_patterns("build*"),
        )
        self.configuration = [
            f"-DBottle_DIR={tools}/package",
            f"-DBOTTLE_TOOLS_DIR={tools}/bin",
            "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_C_FLAGS_DEBUG=-O3 -DNDEBUG",
        ]  # what a multi-config generator builds by default
        self.prefix = ["sh", "-c", f'umask {umask:03o}; exec "$@"', "sh"]
        for path in [self.root, self.source, *self.source.rglob("*")]:
            executable = path.is_dir() or os.access(path, os.X_OK)
            path.chmod((0o777 if executable else 0o666) & ~umask)
            if time:
                os.utime(path, (time, time))
            if user:
                os.chown(path, user, user)
        if user:
            self.prefix += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        self.environment["HOME"] = str(self.root)

    def results(self, slugs):
        """Digests of the packs and of the images' manifests."""
        self.configure(*self.configuration)
        self.make("bottles", *(f"bottle-{slug}-oci" for slug in slugs), jobs=self.jobs)
        found = {}
        for slug in slugs:
            found[slug] = hashlib.sha256(self.pack(slug).read_bytes()).hexdigest()
            index = json.loads(
                (self.directory(slug) / "oci" / "index.json").read_text(encoding="utf-8")
            )
            found[slug + " image"] = [manifest["digest"] for manifest in index["manifests"]]
        return found


class SameBytes(unittest.TestCase):
    def setUp(self):
        # A directory that all users can read. The build tree may be in a private home.
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="bottle same bytes "))
        self.top.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.tools = self.top / "tools"
        shutil.copytree(harness.SOURCE / "cmake", self.tools / "package")
        (self.tools / "package" / "BottleConfig.cmake").write_text(
            'include("${CMAKE_CURRENT_LIST_DIR}/Bottle.cmake")\n'
        )
        (self.tools / "bin").mkdir()
        for tool in harness.settings.tools.glob("bottle-*"):
            shutil.copy(tool, self.tools / "bin")
        for path in [self.tools, *self.tools.rglob("*")]:
            path.chmod(0o755)

    def check(self, example, slugs):
        def results(name, **variation):
            return Checkout(self.top / name, example, self.tools, **variation).results(slugs)

        expected = results("one")
        variations = {
            "an altogether different and longer path/with blanks": {},
            "umask": {"umask": 0o077},
            "group": {"umask": 0o002},
            "clock": {"time": 915148800},
            "jobs": {"jobs": 1},
            "make": {"generator": "Unix Makefiles"},
            "multi": {"generator": "Ninja Multi-Config"},
            "all": {"umask": 0o077, "time": 1234567890, "jobs": 1, "generator": "Unix Makefiles"},
        }
        if os.geteuid() == 0:
            variations["somebody"] = {"user": NOBODY}
            variations["somebody else"] = {
                "user": NOBODY,
                "umask": 0o077,
                "time": 1234567890,
                "generator": "Unix Makefiles",
            }
        for name, variation in variations.items():
            with self.subTest(name):
                self.assertEqual(results(name, **variation), expected)
        if os.geteuid() != 0:
            self.skipTest("as another user: needs root")

    def test_hello_has_the_same_bytes(self):
        self.check("hello", ["hello"])

    def test_family_has_the_same_bytes(self):
        self.check("family", ["base", "child-a", "child-b"])


if __name__ == "__main__":
    harness.main()
