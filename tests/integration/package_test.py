# SPDX-License-Identifier: Apache-2.0
"""The packages that `package` makes: the Debian package and the archive that runs anywhere."""
import functools
import hashlib
import http.server
import pathlib
import subprocess
import tempfile
import threading

import system_fixture
from system_fixture import harness, settings

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(Mine LANGUAGES NONE)
if(ARCHIVE)
  include(FetchContent)
  FetchContent_Declare(Bottle URL "${ARCHIVE}" URL_HASH "SHA256=${ARCHIVE_DIGEST}" DOWNLOAD_NAME bottle.tar)
  FetchContent_MakeAvailable(Bottle)
else()
  find_package(Bottle REQUIRED)
endif()
add_bottle(mine)
"""
FILES = {"CMakeLists.txt": LISTS, "Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "1\n"}


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Package(system_fixture.TestCase):
    shares_setup = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        system_fixture.need("dpkg-shlibdeps", "zstd")
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.made = cls.make(pathlib.Path(cls.directory.name) / "packages")

    @staticmethod
    def make(directory):
        """{".deb": path, ".zst": path}"""
        result = subprocess.run(
            ["cpack", "--config", settings.tools.parent / "CPackConfig.cmake", "-B", directory],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if result.returncode != 0:
            raise AssertionError(result.stdout)
        return {
            path.suffix: path for path in directory.iterdir() if path.suffix in (".deb", ".zst")
        }

    def serve(self, file):
        """The URL of a file, from a server on loopback."""
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=file.parent)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/{file.name}"

    def unpacked(self, name):
        directory = self.top / name
        directory.mkdir()
        subprocess.run(
            ["tar", "--zstd", "-xf", self.made[".zst"], "-C", directory, "--strip-components=1"],
            check=True,
        )
        return directory

    def pack(self, name, *arguments):
        project = harness.Project(self.top / name, files=FILES)
        project.configure("-UBottle_DIR", "-DBottle_DIR=", *arguments)
        project.make()
        return digest_of(project.pack("mine"))

    def test_the_same_bytes_each_time(self):
        self.assertEqual(sorted(self.made), [".deb", ".zst"])
        again = self.make(self.top / "again")
        for kind, path in self.made.items():
            self.assertEqual(digest_of(path), digest_of(again[kind]), kind)

    def test_same_results_from_each(self):
        expected = self.pack("build tree", f"-DBottle_DIR={settings.package}")
        archive = self.unpacked("an archive")
        self.assertEqual(self.pack("archive", f"-DCMAKE_PREFIX_PATH={archive}"), expected)
        url = self.serve(self.made[".zst"])
        self.assertEqual(
            self.pack(
                "fetched", f"-DARCHIVE={url}", f"-DARCHIVE_DIGEST={digest_of(self.made['.zst'])}"
            ),
            expected,
        )
        debian = self.top / "debian"
        subprocess.run(["dpkg-deb", "-x", self.made[".deb"], debian], check=True)
        self.assertEqual(self.pack("debian package", f"-DCMAKE_PREFIX_PATH={debian}/usr"), expected)

    def test_archive_needs_nothing_else(self):
        """In a root directory that has the archive and no other file, the registry and its client
        included."""
        system_fixture.need_root("chroot")
        root = self.top / "root"
        self.unpacked("root")
        (root / "context").mkdir()
        (root / "context" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /f\n")
        for directory in ("proc", "tmp", "store", "out"):
            (root / directory).mkdir()
        # The launcher finds itself through /proc.
        script = 'mount -t proc proc "$1/proc" && shift && exec chroot "$@"'

        def command(tool, *arguments):
            return [
                "unshare",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
                root,
                root,
                f"/bin/bottle-{tool}",
                *arguments,
            ]

        version = subprocess.run(
            command("image", "--version"), text=True, stdout=subprocess.PIPE, check=True
        ).stdout
        self.assertRegex(version, r"^bottle-image \d+\.\d+\.\d+")
        build = command(
            "image", "build", "--context", "/context", "--store", "/store", "--oci", "/out/oci"
        )
        subprocess.run(build, check=True, env={"HOME": "/"})
        with subprocess.Popen(
            command("registry", "serve", "--root", "/store/registry", "--port-file", "/out/port"),
            stdout=subprocess.PIPE,
            text=True,
            env={"HOME": "/"},
        ) as server:
            self.assertTrue(server.stdout.readline())
            name = f"127.0.0.1:{(root / 'out' / 'port').read_text().strip()}/a:1"
            subprocess.run(
                command("registry", "push", "--layout", "/out/oci", name),
                check=True,
                env={"HOME": "/"},
            )
            inspected = subprocess.run(
                command("registry", "inspect", name),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env={"HOME": "/"},
            )
            server.terminate()
        self.assertIn("sha256:", inspected.stdout)


if __name__ == "__main__":
    system_fixture.main()
