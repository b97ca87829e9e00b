# SPDX-License-Identifier: Apache-2.0
"""What add_bottle() refuses, and with which words. Only configures."""
import re

import harness


class ConfigureErrors(harness.TestCase):
    def refuses(self, lists, *expected, but_not=None):
        project = self.project(lists, {"Dockerfile": "FROM scratch\n"})
        result = project.configure(expect=1)
        # CMake wraps messages; patterns are about words.
        words = " ".join(result.stdout.split())
        for pattern in expected:
            self.assertRegex(words, pattern)
        self.assertEqual(words.count("CMake Error"), 1, words)
        if but_not:
            self.assertNotRegex(words, but_not)

    def accepts(self, lists):
        self.project(lists, {"Dockerfile": "FROM scratch\n"}).configure()

    def test_dissimilar_words_are_not_suggested(self):
        self.refuses(
            "add_bottle(a SPEED 4)",
            'unknown argument "SPEED". Expected one of: EXCLUDE_FROM_ALL',
            but_not="did you mean",
        )
        self.refuses(
            "add_bottle(a ENGINE kaniko)",
            'ENGINE "kaniko" is unknown. Expected one of: builtin',
            but_not="did you mean",
        )
        self.refuses(
            "add_bottle(a CONTEXTS x=ftp:y)",
            'unknown kind "ftp:". Expected one of: path:',
            but_not="did you mean",
        )

    def test_unknown_keyword(self):
        for words in (
            "CONTEXTS x=path:. BILD_ARGS A=b",
            "ENV A=b BILD_ARGS A=b",
            "NETWORK none BUILD_ARG A=b",
            "PUSH x.org/a BULID_ARGS A=b",
            "ULIMITS nofile=1 BUILDARGS A=b",
            "SECRETS s=env:A BUILD-ARGS A=b",
            "PLATFORMS linux/amd64 BUILD_ARG A=b",
            "BASES b BUILD_RAGS A=b",
            "LOCKED ON BUILD_AGRS A=b",
        ):
            self.refuses(
                f"add_bottle(a {words})",
                r'add_bottle\(a\): unknown argument "[A-Z_-]*"; did you mean BUILD_ARGS\?',
            )
        self.refuses(
            "add_bottle(a DOKERFILE x)",
            r'add_bottle\(a\): unknown argument "DOKERFILE"; did you mean DOCKERFILE\?',
            "Expected one of: EXCLUDE_FROM_ALL DOCKERFILE",
        )
        self.refuses("add_bottle(a CPUS 1 2)", r'unknown argument "2"')
        self.refuses("add_bottle(a network)", r'unknown argument "network"; did you mean NETWORK\?')
        self.refuses('add_bottle(a "")', r'unknown argument ""')

    def test_keyword_of_a_later_version(self):
        self.refuses("add_bottle(a SIZE_BUDGET 1)", "SIZE_BUDGET is not supported in this version")

    def test_invalid_references(self):
        self.refuses(
            'add_bottle(a PUSH "b c")',
            r'add_bottle\(a\): "b c" is not a reference of the form registry/repository',
        )
        self.refuses(
            "add_bottle(a PUSH_PACK x/a x/a)",
            r"add_bottle\(a\): two pushes of the pack have the same reference x/a",
        )

        self.refuses("add_bottle(a PUSH_PACK x/a:b:c)", "is not a reference of the form")
        for reference, problem in (
            ("https://x.org/a", '"https:" is not a host'),
            ("x.org/Hello", '"Hello" is not a repository'),
            ("x.org:port/a", '"x.org:port" is not a host'),
            ("x.org/a:-b", '"-b" is not a tag'),
            ("x.org/a:", '"" is not a tag'),
            ("x.org//a", '"/a" is not a repository'),
            ("x.org/a@sha256:" + "0" * 64, "has a tag and not a digest"),
            ("x.org/", '"" is not a repository'),
            ("registry/a b", '"registry/a b" is not a repository'),
        ):
            with self.subTest(reference=reference):
                self.refuses(
                    f'add_bottle(a PUSH "{reference}")',
                    re.escape(f'"{reference}" is not a reference of the form'),
                    problem,
                )

    def test_unknown_platforms(self):
        self.refuses(
            "add_bottle(a PLATFORMS linux/amd46)",
            r'platform "linux/amd46": unknown architecture "amd46"; did you mean amd64\?',
        )
        self.refuses(
            "add_bottle(a PLATFORMS linx/amd64)",
            r'unknown operating system "linx"; did you mean linux\?',
        )
        self.refuses(
            "set(BOTTLE_PLATFORM linux/zzzzzz)\nadd_bottle(a)",
            r'unknown architecture "zzzzzz"\. Expected one of: amd64, arm64',
        )

    def test_missing_context(self):
        """A path of the build tree, or of something that DEPENDS makes, may come later."""
        self.refuses(
            "file(MAKE_DIRECTORY app)\nadd_bottle(a CONTEXT ap DOCKERFILE Dockerfile)",
            r"there is no directory .*/ap for a context; did you mean app\?",
        )
        self.refuses(
            "add_bottle(a CONTEXTS x=path:nowhere)",
            "there is no directory .*/nowhere for a context",
        )
        self.refuses(
            "add_bottle(a DOCKERFILE Dockerfil)",
            r"there is no Dockerfile .*/Dockerfil; did you mean Dockerfile\?",
        )
        self.refuses(
            "add_bottle(a CONTEXT Dockerfile)", "the context .*/Dockerfile is not a directory"
        )
        self.refuses("add_bottle(a DOCKERFILE .)", "DOCKERFILE .*/source is a directory")
        self.accepts(
            "add_bottle(a CONTEXT ${CMAKE_BINARY_DIR}/made)\nadd_bottle(b CONTEXTS"
            " x=path:${CMAKE_CURRENT_BINARY_DIR}/y)\nadd_bottle(c CONTEXT"
            " later)\nfile(MAKE_DIRECTORY later)\nadd_bottle(d CONTEXT made DEPENDS made/f)"
        )

    def test_unknown_gates(self):
        self.refuses(
            "add_gate(g TEMPLATE git-gate CONFIG gate.jsn)\nadd_bottle(a GATES g)",
            r"add_gate\(g\): CONFIG: there is no file .*/gate.jsn",
        )
        self.refuses(
            (
                "add_gate(g TEMPLATE git-gate CONFIG ${CMAKE_BINARY_DIR}/gate.json)\nadd_bottle(a"
                " GATES g)"
            ),
            r"GATES g: there is no file .*/gate.json; .* needed when the project is configured",
        )
        self.refuses(
            (
                "file(WRITE ${CMAKE_BINARY_DIR}/g {})\nadd_gate(upstream TEMPLATE git-gate CONFIG"
                " ${CMAKE_BINARY_DIR}/g)\nadd_bottle(a GATES upstraem)"
            ),
            r'there is no gate "upstraem"; did you mean upstream\?',
        )
        self.refuses(
            "add_gate(g TEMPLATE smtp CONFIG x)",
            'TEMPLATE "smtp" is neither git-gate nor ssh-gate nor a directory',
            but_not="did you mean",
        )

    def test_misspelt_variables(self):
        for name, nearest in (
            ("BTTLE_ENGINE", "BOTTLE_ENGINE"),
            ("BOTTLE_ENGIN", "BOTTLE_ENGINE"),
            ("BOTTEL_MEMORY", "BOTTLE_MEMORY"),
            ("BOTTLE_PLATFORMS", "BOTTLE_PLATFORM"),
            ("BOTLE_CACHE_DIR", "BOTTLE_CACHE_DIR"),
            ("BOTTLES_CPUS", "BOTTLE_CPUS"),
            ("BOTTLEENGINE", "BOTTLE_ENGINE"),
            ("BOTTLE-PACKER", "BOTTLE_PACKER"),
            ("BOTTLE_SOURCE_DATE_EPOHC", "BOTTLE_SOURCE_DATE_EPOCH"),
        ):
            with self.subTest(name=name):
                project = self.project(
                    "set(MY_BOTTLE x)\nset(BOTTLE_LABEL x)\nadd_bottle(a)\nadd_bottle(b)",
                    {"Dockerfile": "FROM scratch\n"},
                )
                said = " ".join(project.configure(f"-U{name}", f"-D{name}=x").stdout.split())
                self.assertIn(
                    f"add_bottle(a): the variable {name} is unknown; did you mean {nearest}?", said
                )
                self.assertEqual(said.count("CMake Warning"), 1, said)
                project.configure(f"-U{name}")
        self.assertNotIn(
            "CMake Warning",
            project.configure("-DBOTTLE_BUILD_TESTS=ON", "-DBOTTLE_MEMORY=512").stdout,
        )

    def test_misspelt_properties(self):
        for name, nearest in (
            ("MEMORY", "BOTTLE_MEMORY"),
            ("BOTTLE_MEMRY", "BOTTLE_MEMORY"),
            ("BOTTLE_ENIGNE", "BOTTLE_ENGINE"),
            ("BOTTLE_PLATFORMS", "BOTTLE_PLATFORM"),
            ("BOTTLEPACKER", "BOTTLE_PACKER"),
        ):
            with self.subTest(name=name):
                project = self.project(
                    f"add_bottle(a)\nset_property(TARGET bottle-a PROPERTY {name} 64)\n",
                    {"Dockerfile": "FROM scratch\n"},
                )
                said = " ".join(project.configure().stdout.split())
                self.assertIn(
                    f"the property {name} of bottle-a is unknown; did you mean {nearest}?", said
                )
                self.assertEqual(said.count("CMake Warning"), 1, said)
        project = self.project(
            "set(BOTTLE_CPUS 2)\nadd_bottle(a)\nset_target_properties(bottle-a PROPERTIES BOTTLE_MEMORY 64 FOLDER x EXCLUDE_FROM_ALL 1)\n",
            {"Dockerfile": "FROM scratch\n"},
        )
        self.assertNotIn("CMake Warning", project.configure().stdout)

    def test_misspelt_dependency(self):
        project = self.project(
            "add_custom_target(hello)\nadd_bottle(a DEPENDS helo)\nadd_bottle(b DEPENDS made)\n",
            {"Dockerfile": "FROM scratch\n"},
        )
        said = " ".join(project.configure().stdout.split())
        self.assertIn('DEPENDS: there is no target "helo"; did you mean hello?', said)
        self.assertEqual(said.count("CMake Warning"), 1, said)

    def test_keyword_without_value(self):
        self.refuses("add_bottle(a DOCKERFILE)", r"add_bottle\(a\): DOCKERFILE needs a value")
        self.refuses("add_bottle(a BUILD_ARGS CONTEXT .)", "BUILD_ARGS needs a value")

    def test_invalid_slugs(self):
        for slug in ('"A"', '"-a"', '""', '"a/b"', '"a b"', "a" * 64):
            with self.subTest(slug=slug):
                self.refuses(
                    f"add_bottle({slug})",
                    r"add_bottle: \"[^\"]*\" is not a slug",
                    "at most 63 characters",
                )
        self.accepts("add_bottle(" + "a" * 63 + ")\nadd_bottle(0.b_c-d)")

    def test_same_slug_twice(self):
        self.refuses(
            "add_bottle(a)\nadd_bottle(a)",
            r"add_bottle\(a\): a bottle with this name is already declared in .*CMakeLists.txt",
        )

    def test_targets_of_two_bottles_collide(self):
        self.refuses(
            "add_bottle(a)\nadd_bottle(a-image)",
            r"add_bottle\(a-image\): the target bottle-a-image already exists",
        )
        self.refuses(
            "add_bottle(a-oci)\nadd_bottle(a)",
            r"add_bottle\(a\): the target bottle-a-oci already exists",
        )

    def test_invalid_values(self):
        self.refuses("add_bottle(a BUILD_ARGS X)", r'BUILD_ARGS "X" is not of the form name=value')
        self.refuses("add_bottle(a ENV =x)", r'ENV "=x" is not of the form name=value')
        self.refuses("add_bottle(a CPUS 0)", r'CPUS "0" is not a number from 1 to 255')
        self.refuses("add_bottle(a CPUS 256)", r'CPUS "256" is not a number')
        self.refuses("add_bottle(a MEMORY 1G)", r'MEMORY "1G" is not a number of MiB')
        self.refuses("add_bottle(a MEMORY 63)", r'MEMORY "63" is not a number of MiB from 64')
        self.refuses("add_bottle(a USER a:b:c)", r'USER "a:b:c" is not of the form user\[:group\]')
        self.refuses('add_bottle(a USER "")', r'USER "" is not of the form')
        self.refuses(
            "add_bottle(a SMOLVM_VERSION 1.8.0)",
            r'SMOLVM_VERSION "1.8.0": expected "current" or a version of at least 1.8.1',
        )
        self.refuses(
            "set(BOTTLE_SMOLVM_VERSION newest)\nadd_bottle(a)", r'SMOLVM_VERSION "newest": expected'
        )
        self.refuses(
            "add_bottle(a PLATFORMS linux)", r'platform "linux" is not of the form os/architecture'
        )
        self.refuses(
            "add_bottle(a PLATFORMS linux/amd64 linux/arm64)", "a bottle can have only one platform"
        )

    def test_empty_values_mean_the_default(self):
        for keyword in (
            "ENGINE",
            "PACKER",
            "CPUS",
            "MEMORY",
            "PLATFORMS",
            "NETWORK",
            "LOCKED",
            "SMOLVM_VERSION",
            "SHM_SIZE",
            "TARGET",
            "LOCK",
            "DOCKERFILE",
            "CONTEXT",
        ):
            with self.subTest(keyword=keyword):
                project = self.project(
                    f'add_bottle(a)\nadd_bottle(b {keyword} "")\n', {"Dockerfile": "FROM scratch\n"}
                )
                project.configure()
                specs = [
                    (project.directory(slug) / "spec.json").read_text(encoding="utf-8")
                    for slug in "ab"
                ]
                self.assertEqual(specs[0].replace('"a"', '"b"'), specs[1])

    def test_invalid_run_settings(self):
        self.refuses(
            "add_bottle(a NETWORK off)",
            r'add_bottle\(a\): NETWORK "off": expected "machine", .* one of "none" and "host"',
        )
        self.refuses("add_bottle(a NETWORK none host)", 'NETWORK "host": expected .* each once')
        self.refuses(
            "set(BOTTLE_RUN_ISOLATION jail)\nadd_bottle(a)",
            'RUN_ISOLATION "jail": expected auto, runtime, userns or chroot',
        )
        self.refuses(
            "set(BOTTLE_RUN_NETWORK off)\nadd_bottle(a)", 'RUN_NETWORK "off": expected none or host'
        )
        self.refuses(
            "add_bottle(a SHM_SIZE much)",
            r'add_bottle\(a\): SHM_SIZE "much": expected a size such as 128m',
        )
        self.refuses("add_bottle(a ULIMITS core=0 nofile)", 'ULIMITS "nofile": expected name=soft')
        self.refuses("add_bottle(a ADD_HOSTS mirror)", 'ADD_HOSTS "mirror": expected name:address')

    def test_invalid_secrets(self):
        self.refuses(
            "add_bottle(a SECRETS token=abc)",
            r'SECRETS "token=abc" is not of the form id=env:NAME or id=file:PATH',
        )
        self.refuses("add_bottle(a SECRETS t=env:A t=file:b)", 'two secrets have the id "t"')

    def test_invalid_lock(self):
        self.refuses(
            "add_bottle(lock)", r"add_bottle\(lock\): the target bottle-lock updates the locks"
        )
        self.refuses("add_bottle(a LOCK)", "LOCK needs a value")

    def test_unknown_engine_and_packer(self):
        self.refuses(
            "add_bottle(a ENGINE dokcer)",
            (
                r'ENGINE "dokcer" is unknown; did you mean docker\? Expected one of: builtin,'
                r" docker, podman"
            ),
        )
        self.refuses(
            "add_bottle(a ENGINE bultin)", r'ENGINE "bultin" is unknown; did you mean builtin\?'
        )
        self.refuses("set(BOTTLE_ENGINE podmann)\nadd_bottle(a)", 'ENGINE "podmann" is unknown')
        self.refuses(
            "add_bottle(a PACKER smolwm)", r'PACKER "smolwm" is unknown; did you mean smolvm\?'
        )
        self.refuses(
            "add_bottle(a)\nset_property(TARGET bottle-a PROPERTY BOTTLE_CPUS none)",
            'CPUS "none" is not a number',
        )

    def test_invalid_contexts(self):
        self.refuses("add_bottle(a CONTEXTS x)", r'CONTEXTS "x" is not of the form name=kind:value')
        self.refuses("add_bottle(a CONTEXTS x=.)", r'"x=\." has no kind', "x=path:<directory>")
        self.refuses("add_bottle(a CONTEXTS x=pth:.)", r'unknown kind "pth:"; did you mean path:\?')
        self.refuses(
            "add_bottle(a CONTEXTS x=gate:git)",
            'there is no gate "git"; declare it before with add_gate',
        )
        self.refuses("add_bottle(a CONTEXTS x=path:. x=path:..)", 'two contexts have the name "x"')
        self.refuses("add_bottle(a BASES B)", r'add_bottle\(a\): BASES: "B" is not a slug')
        self.refuses(
            "add_bottle(a BASES b CONTEXTS b=path:.)\nadd_bottle(b)",
            'two contexts have the name "b"',
        )
        self.refuses("add_bottle(a CONTEXTS x=bottle:B)", '"B" is not a slug')

    def test_unknown_bottle(self):
        self.refuses(
            "add_bottle(a BASES bass)\nadd_bottle(base)\nadd_bottle(other)",
            r'add_bottle\(a\), .*CMakeLists.txt: there is no bottle "bass"; did you mean base\?',
        )
        self.refuses(
            "add_bottle(a CONTEXTS x=bottle:y)", 'there is no bottle "y"', but_not="did you mean"
        )
        self.refuses(
            "add_bottle(base CONTEXTS x=bottle:bsae)",
            'there is no bottle "bsae"',
            but_not="did you mean",
        )
        self.refuses(
            "add_bottle(bas BASES bsae)\nadd_bottle(base)",
            r'there is no bottle "bsae"; did you mean base\?',
        )
        self.refuses(
            "add_bottle(a BASES zzz)\nadd_bottle(one)\nadd_bottle(two)",
            'there is no bottle "zzz"; the other bottles are: one, two',
            but_not="did you mean",
        )

    def test_cycle_of_bottles(self):
        self.refuses(
            (
                "add_bottle(a BASES b)\nadd_bottle(b CONTEXTS x=bottle:c)\nadd_bottle(c BASES"
                " a)\nadd_bottle(d BASES a)"
            ),
            "the bottles depend on each other in a cycle: a -> b -> c -> a",
        )
        self.refuses("add_bottle(a BASES a)", "in a cycle: a -> a")

    def test_unknown_target(self):
        self.refuses(
            "add_bottle(a CONTEXTS x=target:helo)\nadd_custom_target(hello)",
            r'there is no target "helo"; did you mean hello\?',
        )
        for name in ("nosuch", "bottle-loc", "_bottle-lock-1", "bottles"):
            self.refuses(
                (
                    "add_bottle(a CONTEXTS"
                    f" x=target:{name})\nadd_custom_target(hello)\nadd_custom_target(_bottle-loc-0)"
                ),
                f'there is no target "{name}"|the target "bottles" builds no file',
                but_not="did you mean",
            )
        self.refuses(
            "add_custom_target(hello)\nadd_bottle(a CONTEXTS x=target:hello)",
            'the target "hello" builds no file \\(its type is UTILITY\\)',
        )

    def test_context_is_the_build_tree(self):
        self.refuses(
            'add_bottle(a CONTEXT "${CMAKE_BINARY_DIR}")', "the context .* is the build tree"
        )

    def test_invalid_outputs(self):
        self.refuses(
            "bottle_outputs(a PAK x)",
            r'bottle_outputs\(a\): unknown argument "PAK"; did you mean PACK\?',
        )
        self.refuses("bottle_outputs(a PACK)", "PACK needs a value")

    def test_missing_tools(self):
        project = self.project("add_bottle(a)", {"Dockerfile": "FROM scratch\n"})
        result = project.configure("-DBOTTLE_TOOLS_DIR=nowhere", expect=1)
        self.assertRegex(
            " ".join(result.stdout.split()),
            "there is no bottle-fingerprint in BOTTLE_TOOLS_DIR, .*nowhere",
        )

    def test_documented_arguments_are_accepted(self):
        self.accepts(
            """
          set(BOTTLE_MEMORY 512)
          add_bottle(a DOCKERFILE Dockerfile CONTEXT . TARGET x PLATFORMS linux/arm64 BUILD_ARGS A=b "C=" CONTEXTS l=oci-layout:l
            d=docker-archive:d.tar p=path:. b=bottle:b BASES c DEPENDS Dockerfile ENGINE builtin PACKER native CPUS 1 MEMORY 64
            SECRETS e=env:HOME f=file:secret LOCK my.lock NETWORK ENV A=b ENTRYPOINT a b CMD c EXCLUDE_FROM_ALL)
          add_bottle(b NETWORK none CONTEXTS i=image:debian:12)
          add_bottle(c NETWORK host machine LOCK my.lock)
          foreach(row IN ITEMS "a TRUE host" "b FALSE none" "c TRUE host")
            separate_arguments(row)
            list(GET row 0 slug)
            get_property(machine TARGET bottle-${slug} PROPERTY BOTTLE_NETWORK)
            get_property(run TARGET bottle-${slug} PROPERTY BOTTLE_RUN_NETWORK)
            if(NOT "${slug};${machine};${run}" STREQUAL "${row}")
              message(FATAL_ERROR "${slug} ${machine} ${run}, and not ${row}")
            endif()
          endforeach()
          get_property(memory TARGET bottle-b PROPERTY BOTTLE_MEMORY)
          if(NOT memory EQUAL 512)
            message(FATAL_ERROR "the variable did not initialise the property: ${memory}")
          endif()"""
        )


if __name__ == "__main__":
    harness.main()
