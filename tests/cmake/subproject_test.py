# SPDX-License-Identifier: Apache-2.0
"""Bottle inside another project: nothing of that project's settings reaches the tools."""
import json
import shutil

import harness

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(Parent LANGUAGES C CXX)
include(settings.cmake)
add_subdirectory("${BOTTLE_SOURCE}" bottle)
add_subdirectory(library)
add_bottle(one)
"""
FILES = {
    "CMakeLists.txt": LISTS,
    "library/CMakeLists.txt": (
        'add_subdirectory("${BOTTLE_SOURCE}" bottle)\nadd_bottle(two)\n'
    ),  # brings Bottle too
    "library/Dockerfile": "FROM one\n",
    "Dockerfile": "FROM scratch\n",
    "settings.cmake": "",
}
# Build type and flags; a directory's options; kinds of libraries; directories; targets with the
# names of libraries that the tools use.
HOSTILE = """
set(CMAKE_BUILD_TYPE Debug)
set(CMAKE_CXX_FLAGS "-Dhostile -fno-exceptions")
set(CMAKE_CXX_FLAGS_DEBUG -Dhostile)
set(CMAKE_CXX_FLAGS_RELEASE -Dhostile)
set(CMAKE_CXX_STANDARD 11)
set(CMAKE_CXX_EXTENSIONS OFF)
add_compile_options(-Dhostile -fsanitize=address)
add_compile_definitions(_GLIBCXX_DEBUG)
include_directories(hostile)
link_libraries(hostile)
add_link_options(-static)
set(CMAKE_EXE_LINKER_FLAGS -fsanitize=address)
set(BUILD_SHARED_LIBS ON)
set(CMAKE_UNITY_BUILD OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/programs)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/archives)
set(CMAKE_EXECUTABLE_SUFFIX .exe)
foreach(library IN ITEMS fmt::fmt nlohmann_json::nlohmann_json CLI11::CLI11 OpenSSL::Crypto ZLIB::ZLIB)
  add_library(${library} INTERFACE IMPORTED GLOBAL)
endforeach()
add_library(util STATIC hostile.c)
set(fmt_DIR /nowhere)
"""
ENVIRONMENT = {
    "CXXFLAGS": "-Dhostile",
    "LDFLAGS": "-static",
    "CMAKE_BUILD_TYPE": "Debug",
    "CPATH": "/nowhere",
}
PARENTS = {
    "settings": (HOSTILE, (), {}),
    "toolchain and environment": ("", ("-DCMAKE_TOOLCHAIN_FILE=toolchain.cmake",), ENVIRONMENT),
    "another system": ("", ("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"), {}),
}


class SubProject(harness.TestCase):
    maxDiff = 4000

    def parent(self, name, settings="", arguments=(), environment=()):
        project = self.project(
            name=name,
            files={
                **FILES,
                "settings.cmake": settings,
                "hostile.c": "",
                "toolchain.cmake": "set(CMAKE_CXX_FLAGS_INIT -Dhostile)\n",
            },
        )
        project.environment.update(dict(environment))
        project.configure(
            f"-DBOTTLE_SOURCE={harness.SOURCE}",
            "-DBOTTLE_TOOLS_CMAKE_ARGS=-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
            *arguments,
        )
        return project

    def commands(self, project):
        """How the tools are compiled and linked, without the build tree's name."""
        tools = project.build / "bottle" / "tools"
        compiled = json.loads((tools / "compile_commands.json").read_text(encoding="utf-8"))
        lines = [entry["command"] for entry in compiled]
        for rules in (*tools.glob("build.ninja"), *tools.rglob("link.txt")):
            lines += [
                line
                for line in rules.read_text(encoding="utf-8").splitlines()
                if rules.name == "link.txt"
                or line.lstrip().startswith(("FLAGS", "LINK_", "DEFINES", "INCLUDES"))
            ]
        return [line.replace(str(tools), "TOOLS") for line in sorted(lines)]

    def test_settings_of_the_parent_stay_there(self):
        expected = self.commands(self.parent("plain"))
        self.assertTrue(
            any(" -DNDEBUG " in line and " -O2 " in line for line in expected), expected[:1]
        )
        for name, (settings, arguments, environment) in PARENTS.items():
            with self.subTest(name):
                self.assertEqual(
                    self.commands(self.parent(name, settings, arguments, environment)), expected
                )

    def test_compiler_is_the_parents(self):
        if not shutil.which("clang++"):
            self.skipTest("no clang++")
        commands = self.commands(self.parent("clang", "", ("-DCMAKE_CXX_COMPILER=clang++",)))
        self.assertIn("/clang++ ", " ".join(commands))

    def test_choice_of_tools(self):
        project = self.parent("some", "", ("-DBOTTLE_TOOLS=image;fingerprint;pack;why;lock",))
        self.assertNotIn(
            "bin/bottle-gate ",
            (
                (project.build / "build.ninja").read_text(encoding="utf-8")
                if "Ninja" in project.generator
                else ""
            ),
        )
        result = project.configure("-DBOTTLE_TOOLS=image;imgae", expect=1)
        self.assertIn(
            (
                'BOTTLE_TOOLS contains "imgae": expected some of cache, fingerprint, gate, image,'
                " lock, pack, registry, why"
            ),
            " ".join(result.stdout.split()),
        )
        result = project.configure("-DBOTTLE_TOOLS=image", expect=1)
        self.assertIn(
            'bottle-fingerprint is needed and not in BOTTLE_TOOLS: add "fingerprint"',
            " ".join(result.stdout.split()),
        )

    def test_missing_library_is_an_error_when_configuring(self):
        project = self.project(name="bare", files=FILES)
        result = project.configure(
            f"-DBOTTLE_SOURCE={harness.SOURCE}",
            "-DBOTTLE_TOOLS_CMAKE_ARGS=-DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON",
            expect=1,
        )
        self.assertIn("dependencies.txt", result.stdout)
        self.assertIn("CURL", result.stdout)


if __name__ == "__main__":
    harness.main()
