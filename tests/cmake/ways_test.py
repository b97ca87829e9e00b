# SPDX-License-Identifier: Apache-2.0
"""add_subdirectory(), FetchContent and find_package(), from a build tree and installed: one
project, the same result."""
import hashlib
import re
import shutil

import harness

VERSION = re.search(
    r"project\(Bottle VERSION ([0-9]+\.[0-9]+)",
    (harness.SOURCE / "CMakeLists.txt").read_text(encoding="utf-8"),
)[1]
FIND = f"find_package(Bottle {VERSION} REQUIRED)"
LISTS = """
cmake_minimum_required(VERSION 3.25)
project(Ways LANGUAGES NONE)
if(WAY STREQUAL "add_subdirectory")
  enable_language(CXX)
  add_subdirectory("${BOTTLE_SOURCE}" bottle)
elseif(WAY STREQUAL "FetchContent")
  enable_language(CXX)
  include(FetchContent)
  FetchContent_Declare(Bottle SOURCE_DIR "${BOTTLE_SOURCE}" BINARY_DIR "${CMAKE_BINARY_DIR}/bottle")
  FetchContent_MakeAvailable(Bottle)
else()
  FIND
endif()
add_subdirectory(bottles-of-mine)
bottle_outputs(base PACK pack PLAN plan LAYOUT_STAMP layout)
add_custom_command(OUTPUT sum COMMAND sha256sum "${pack}" "${plan}" > sum DEPENDS "${pack}" "${plan}" "${layout}" bottle-base bottle-base-oci)
add_custom_target(sums ALL DEPENDS sum)
""".replace(
    "FIND", FIND
)
FILES = {
    "CMakeLists.txt": LISTS,
    "bottles-of-mine/CMakeLists.txt": (
        "add_bottle(child DOCKERFILE child.Dockerfile BASES base)\nadd_bottle(base)\n"
    ),
    "bottles-of-mine/Dockerfile": "FROM scratch\nCOPY f /f\n",
    "bottles-of-mine/child.Dockerfile": "FROM base\nENV A=b\n",
    "bottles-of-mine/f": "1\n",
}


class Ways(harness.TestCase):
    def build(self, project, *arguments):
        project.configure(
            f"-DBOTTLE_SOURCE={harness.SOURCE}", "-DCMAKE_BUILD_TYPE=Release", *arguments
        )
        project.make()
        ran = project.ran()
        self.assert_nothing_to_do(project)
        digests = {
            slug: hashlib.sha256(project.pack(slug).read_bytes()).hexdigest()
            for slug in ("base", "child")
        }
        return digests, ran

    def test_all_ways_give_the_same_targets(self):
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        everything = {
            "base": ["export", "fingerprint", "image", "pack"],
            "child": ["fingerprint", "image", "pack"],
        }

        found = self.project(name="build tree", files=FILES)
        expected, ran = self.build(found)
        self.assertEqual(ran, everything)

        prefix = self.top / "prefix"
        found.run("cmake", "--install", harness.settings.tools.parent, "--prefix", prefix)
        installed = self.project(name="installed", files=FILES)
        digests, ran = self.build(
            installed, "-UBottle_DIR", f"-DCMAKE_PREFIX_PATH={prefix}", "-DBottle_DIR="
        )
        self.assertEqual((digests, ran), (expected, everything))
        self.assertIn(f"{prefix}/bin/bottle-image", self.rules(installed))

        # The tools are compiled for the first of these two only: they are the same to the second.
        inside = self.project(name="inside", files=FILES)
        digests, ran = self.build(
            inside,
            "-DWAY=add_subdirectory",
            "-DBOTTLE_TOOLS=fingerprint;image;lock;pack;why;registry",
            *launcher,
        )
        self.assertEqual((digests, ran), (expected, everything))
        self.assertIn("bottle/tools/bin/bottle-image", self.rules(inside))
        digests, ran = self.build(inside, "-DWAY=FetchContent")
        self.assertEqual((digests, ran), (expected, {}))

        # A project that has Bottle inside installs its own things only.
        inside.run("cmake", "--install", inside.build, "--prefix", self.top / "theirs")
        self.assertFalse((self.top / "theirs").exists())

    def rules(self, project):
        names = ["build.ninja", "bottles-of-mine/CMakeFiles/bottle-base-image.dir/build.make"]
        return "".join(
            (project.build / name).read_text(encoding="utf-8")
            for name in names
            if (project.build / name).exists()
        )

    def test_cross_compiling_uses_host_tools(self):
        """What is built for another system is not run: the tools are those of this machine."""
        project = self.project(name="cross", files=FILES)
        arguments = [
            "-DCMAKE_SYSTEM_NAME=Linux",
            "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
            f"-DBOTTLE_TOOLS_DIR={harness.settings.tools}",
        ]
        project.write(
            "CMakeLists.txt",
            LISTS.replace(
                FIND,
                'include("${BOTTLE_SOURCE}/cmake/Bottle.cmake")',
            ),
        )
        digests, _ = self.build(project, *arguments)
        self.assertEqual(set(digests), {"base", "child"})
        bare = self.project(
            name="bare",
            files={**FILES, "CMakeLists.txt": (project.source / "CMakeLists.txt").read_text()},
        )
        bare.environment["PATH"] = "/usr/bin:/bin"
        result = bare.configure(f"-DBOTTLE_SOURCE={harness.SOURCE}", *arguments[:2], expect=1)
        self.assertIn("BOTTLE_TOOLS_DIR", result.stdout)


if __name__ == "__main__":
    harness.main()
