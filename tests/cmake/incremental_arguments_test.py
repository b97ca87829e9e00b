# SPDX-License-Identifier: Apache-2.0
"""The steps that run after an argument or an option changes, and in families of bottles."""
import json
import os
import shutil
import textwrap

import harness
from incremental_test import ALL, LOOKED


class Arguments(harness.TestCase):
    def test_argument(self):
        project = self.project(
            'add_bottle(a BUILD_ARGS "WORD=${WORD}" "UNUSED=${UNUSED}")\n',
            {
                "Dockerfile": textwrap.dedent(
                    """\
                    FROM scratch
                    ARG WORD
                    LABEL word=$WORD
                    COPY data /data
                    """
                ),
                "data": "1\n",
            },
        )
        project.configure("-DWORD=a", "-DUNUSED=a")
        self.assert_ran(project, {"a": ALL})
        project.configure("-DUNUSED=b")
        self.assert_ran(project, {"a": LOOKED})
        project.configure("-DWORD=b")
        self.assert_ran(project, {"a": ALL})

    def test_argument_switches_from(self):
        lists = (
            "add_bottle(one CONTEXT one)\nadd_bottle(two CONTEXT two)\n"
            'add_bottle(a BASES one two BUILD_ARGS "BASE=${BASE}")\n'
        )
        project = self.project(
            lists,
            {
                "one/Dockerfile": "FROM scratch\nCOPY f /f\n",
                "one/f": "1\n",
                "two/Dockerfile": "FROM scratch\nCOPY f /f\n",
                "two/f": "2\n",
                "Dockerfile": "ARG BASE=one\nFROM ${BASE}\nENV A=b\n",
            },
        )
        project.configure("-DBASE=one")
        project.make()
        self.assertEqual(project.extract("a")["f"], "1\n")
        project.append("two/f", "more\n")  # not the base now
        project.make()
        self.assertEqual(project.ran()["a"], [LOOKED])
        project.configure("-DBASE=two")
        self.assert_ran(project, {"a": ALL})
        self.assertEqual(project.extract("a")["f"], "2\nmore\n")

    def test_pack_options(self):
        project = self.project(
            "add_bottle(a MEMORY ${MEMORY})\n",
            {"Dockerfile": "FROM scratch\nCOPY data /data\n", "data": "1\n"},
        )
        project.configure("-DMEMORY=256")
        self.assert_ran(project, {"a": ALL})
        project.configure("-DMEMORY=512")
        self.assert_ran(project, {"a": "fingerprint pack"})
        project.configure("-DMEMORY=512")
        self.assert_ran(project, {})

    def test_run_settings(self):
        """Secrets are not inputs. Neither is the network of a bottle without RUN."""
        lists = (
            "cmake_minimum_required(VERSION 3.25)\nproject(Nested LANGUAGES"
            " NONE)\nfind_package(Bottle REQUIRED)\nadd_bottle(a {})\n"
        )
        bottle = self.project(
            "add_bottle(a)\n", {"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "f"}
        )
        bottle.configure()
        self.assert_ran(bottle, {"a": ALL})
        spec = bottle.directory("a") / "spec.json"
        self.assertEqual(json.loads(spec.read_text())["secrets"], [])
        for words, network, secrets in (
            ("SECRETS s=env:HOME", "host", [{"id": "s", "kind": "env", "value": "HOME"}]),
            (
                "SECRETS s=env:PATH t=file:t",
                "host",
                [
                    {"id": "s", "kind": "env", "value": "PATH"},
                    {"id": "t", "kind": "file", "value": str(bottle.source / "t")},
                ],
            ),
            ("NETWORK none", "none", []),
        ):
            bottle.write("CMakeLists.txt", lists.format(words))
            self.assert_ran(bottle, {"a": LOOKED})
            document = json.loads(spec.read_text())
            self.assertEqual(
                (document["secrets"], document["runNetwork"], document["pack"]["network"]),
                (secrets, network, False),
            )
        bottle.write("CMakeLists.txt", lists.format("NETWORK machine none"))
        self.assert_ran(bottle, {"a": "fingerprint pack"})
        document = json.loads(spec.read_text())
        self.assertEqual((document["runNetwork"], document["pack"]["network"]), ("none", True))
        # Without a RUN they change nothing.
        bottle.write(
            "CMakeLists.txt",
            lists.format(
                "NETWORK machine none SHM_SIZE 128m ULIMITS core=0 nofile=5:6 ADD_HOSTS a:::1"
                " b=[::1]"
            ),
        )
        self.assert_ran(bottle, {"a": LOOKED})
        document = json.loads(spec.read_text())
        self.assertEqual(
            (document["shmSize"], document["ulimits"], document["addHosts"]),
            ("128m", ["core=0", "nofile=5:6"], ["a:::1", "b=[::1]"]),
        )

    def test_locks(self):
        bottle = self.project(
            (
                "add_bottle(a)\nset(BOTTLE_LOCK locks/b.lock)\nadd_bottle(b)\nadd_bottle(c LOCK"
                " c.lock)\nadd_bottle(d)\n"
            ),
            {"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "f", "locks/README": "b.lock"},
        )
        bottle.configure()
        names = {
            slug: json.loads((bottle.directory(slug) / "spec.json").read_text())["lock"]
            for slug in "abcd"
        }
        self.assertEqual(
            {slug: os.path.relpath(name, bottle.source) for slug, name in names.items()},
            {"a": "bottle.lock", "b": "locks/b.lock", "c": "c.lock", "d": "locks/b.lock"},
        )
        bottle.make("bottle-lock")

    def test_values_are_passed_unchanged(self):
        values = {
            "A": "x;y",
            "B": 'say "hi" to $HOME and ${X}',
            "C": "back\\",
            "D": "two\nlines",
            "E": "\\;",
            "F": "[open",
            "G": "",
            "H": "tab\there",
            "I": "a=b",
            "J": "'single' #hash",
        }
        words = " ".join("[==[" + name + "=" + value + "]==]" for name, value in values.items())
        project = self.project(
            f"add_bottle(a BUILD_ARGS {words} ENV {words} CMD [==[a;b]==] [==[]==] [==[]]==])\n",
            {"Dockerfile": "FROM scratch\nCOPY data /data\n", "data": "1\n"},
        )
        project.configure()

        spec = json.loads((project.directory("a") / "spec.json").read_text(encoding="utf-8"))
        self.assertEqual(spec["buildArgs"], values)
        self.assertEqual(spec["pack"]["env"], [f"{name}={value}" for name, value in values.items()])
        self.assertEqual(spec["pack"]["cmd"], ["a;b", "", "]"])
        self.assertNotIn("entrypoint", spec["pack"])

    def test_tool_changed(self):
        project = self.project(
            "add_bottle(a)\n", {"Dockerfile": "FROM scratch\nCOPY data /data\n", "data": "1\n"}
        )
        tools = project.root / "tools"
        shutil.copytree(
            harness.settings.tools,
            tools,
            ignore=lambda _, names: [n for n in names if not n.startswith("bottle-")],
        )
        project.configure(f"-DBOTTLE_TOOLS_DIR={tools}")
        self.assert_ran(project, {"a": ALL})
        os.utime(tools / "bottle-pack")
        project.renew(tools / "bottle-pack")
        self.assert_ran(project, {"a": "pack"})


class Families(harness.TestCase):
    """Bottles based on other bottles."""

    def test_edit_of_a_base_rebuilds_its_children(self):
        project = self.project(name="family")
        shutil.rmtree(project.source)
        shutil.copytree(
            harness.SOURCE / "examples" / "family",
            project.source,
            ignore=shutil.ignore_patterns("build*"),
        )
        project.configure()
        self.assert_ran(project, {"base": ALL, "child-a": ALL, "child-b": ALL})

        project.append("base/Dockerfile", "LABEL edited=yes\n")
        self.assert_ran(project, {"base": ALL, "child-a": ALL, "child-b": ALL})
        project.append("base/etc/motd", "More.\n")
        self.assert_ran(project, {"base": ALL, "child-a": ALL, "child-b": ALL})
        self.assertIn("More.", project.extract("child-b")["etc/motd"])
        project.append("child-b/share/note", "More.\n")
        self.assert_ran(project, {"child-b": ALL})
        project.append("child-a.Dockerfile", "ENV MORE=yes\n")
        self.assert_ran(project, {"child-a": ALL})

        project.append("base/Dockerfile", "# a comment\n")
        self.assert_ran(project, {"base": LOOKED})
        project.touch("base/etc/motd")
        self.assert_ran(project, {"base": LOOKED})
        project.touch("child-b/share/note")
        self.assert_ran(project, {"child-b": LOOKED})
        os.chmod(project.source / "base/etc/motd", 0o664)
        project.touch("base/etc/motd")
        self.assert_ran(project, {"base": LOOKED})
        project.append("child-b/NOTES", "More.\n")
        self.assert_ran(project, {})

    def test_parent_below_an_intermediate_stage(self):
        project = self.project(
            (
                "add_bottle(base CONTEXT base)\nadd_bottle(side CONTEXT side)\nadd_bottle(a BASES"
                " base side)\n"
            ),
            {
                "base/Dockerfile": "FROM scratch\nCOPY f /f\n",
                "base/f": "1\n",
                "side/Dockerfile": "FROM scratch\nCOPY g /g\nCOPY h /h\n",
                "side/g": "1\n",
                "side/h": "1\n",
                "Dockerfile": textwrap.dedent(
                    """\
                    FROM base AS middle
                    ENV A=b
                    FROM middle AS upper
                    ENV B=c
                    FROM upper
                    COPY --from=side /g /g
                    """
                ),
            },
        )
        project.configure()
        self.assert_ran(project, {"base": ALL, "side": ALL, "a": ALL})
        project.append("base/f", "2\n")
        self.assert_ran(project, {"base": ALL, "a": ALL})
        self.assertEqual(project.extract("a")["f"], "1\n2\n")
        project.append("side/g", "2\n")
        self.assert_ran(project, {"side": ALL, "a": ALL})
        self.assertEqual(project.extract("a")["g"], "1\n2\n")
        project.append("side/h", "nothing copies this\n")
        self.assert_ran(project, {"side": ALL, "a": LOOKED})

    def test_onbuild(self):
        project = self.project(
            "add_bottle(base CONTEXT base)\nadd_bottle(a CONTEXT a BASES base)\n",
            {
                "base/Dockerfile": "FROM scratch\nCOPY f /f\nONBUILD COPY trigger /trigger\n",
                "base/f": "1\n",
                "a/Dockerfile": "FROM base\nENV A=b\n",
                "a/trigger": "1\n",
            },
        )
        project.configure()
        self.assert_ran(project, {"base": ALL, "a": ALL})
        self.assertEqual(project.extract("a")["trigger"], "1\n")
        project.append("a/trigger", "2\n")
        self.assert_ran(project, {"a": ALL})
        self.assertEqual(project.extract("a")["trigger"], "1\n2\n")
        project.write("base/Dockerfile", "FROM scratch\nCOPY f /f\nONBUILD COPY trigger /other\n")
        self.assert_ran(project, {"base": ALL, "a": ALL})
        self.assertIn("other", project.extract("a"))

    def test_layout_and_archive_replaced(self):
        maker = self.project(
            "add_bottle(base)\n",
            {"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "1\n"},
            name="maker",
        )
        maker.configure()
        maker.make("bottle-base-oci")
        user = self.project(
            "add_bottle(a CONTEXTS base=oci-layout:layout)\n",
            {"Dockerfile": "FROM base\nENV A=b\n"},
            name="user",
        )
        shutil.copytree(maker.directory("base") / "oci", user.source / "layout")
        user.configure()
        self.assert_ran(user, {"a": ALL})
        maker.append("f", "2\n")
        maker.make("bottle-base-oci")
        shutil.rmtree(user.source / "layout")
        shutil.copytree(maker.directory("base") / "oci", user.source / "layout")
        user.renew(user.source, *(user.source / "layout").rglob("*"))
        self.assert_ran(user, {"a": ALL})
        self.assertEqual(user.extract("a")["f"], "1\n2\n")

    def test_path_context(self):
        project = self.project(
            "add_bottle(a CONTEXT a CONTEXTS more=path:more)\n",
            {
                "a/Dockerfile": "FROM scratch\nCOPY --from=more f /f\n",
                "more/f": "1\n",
                "more/g": "1\n",
            },
        )
        project.configure()
        self.assert_ran(project, {"a": ALL})
        project.append("more/f", "2\n")
        self.assert_ran(project, {"a": ALL})
        project.append("more/g", "2\n")
        self.assert_ran(project, {})

    def test_context_moved(self):
        """The key is the same, but the plan's places are elsewhere: only the image's rule has to
        see it."""
        project = self.project(
            "add_bottle(a CONTEXT ${WHERE} DOCKERFILE Dockerfile)\n",
            {"Dockerfile": "FROM scratch\nCOPY f /f\n", "one/f": "1\n", "two/f": "1\n"},
        )
        project.configure("-DWHERE=one")
        self.assert_ran(project, {"a": ALL})
        project.configure("-DWHERE=two")
        self.assert_ran(project, {"a": "fingerprint image"})
        project.append("one/f", "no longer looked at\n")
        self.assert_ran(project, {})
        project.append("two/f", "2\n")
        self.assert_ran(project, {"a": ALL})

    def test_generated_file(self):
        project = self.project(
            """
          add_custom_command(OUTPUT made/f COMMAND "${CMAKE_COMMAND}" -E copy "${CMAKE_SOURCE_DIR}/f" made/f DEPENDS f)
          add_bottle(a CONTEXT ${CMAKE_BINARY_DIR}/made DOCKERFILE Dockerfile DEPENDS made/f)
          """,
            {"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "1\n"},
        )
        project.configure()
        self.assert_ran(project, {"a": ALL})
        project.append("f", "2\n")
        self.assert_ran(project, {"a": ALL})
        project.touch("f")
        self.assert_ran(project, {"a": LOOKED})

    def test_bottle_in_a_subdirectory(self):
        project = self.project(
            "add_subdirectory(child)\nadd_subdirectory(base)\n",
            {
                "child/CMakeLists.txt": "add_bottle(child BASES base)\n",
                "child/Dockerfile": "FROM base\nCOPY g /g\n",
                "child/g": "1\n",
                "base/CMakeLists.txt": "add_bottle(base)\n",
                "base/Dockerfile": "FROM scratch\nCOPY f /f\n",
                "base/f": "1\n",
            },
        )
        project.configure()
        self.assert_ran(project, {"base": ALL, "child": ALL})
        project.append("base/f", "2\n")
        self.assert_ran(project, {"base": ALL, "child": ALL})
        project.append("child/g", "2\n")
        self.assert_ran(project, {"child": ALL})


if __name__ == "__main__":
    harness.main()
