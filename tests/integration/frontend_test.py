# SPDX-License-Identifier: Apache-2.0
"""What the tools say of a Dockerfile without building it: --print, --check, --emit; and the
warnings of a build."""
import json
import os
import subprocess
import textwrap

import system_fixture
from system_fixture import harness, settings

DOCKERFILE = """\
ARG BASE=scratch
FROM $BASE AS one
COPY a /a
FROM scratch AS two
COPY b /b
FROM debian:12 AS unused
RUN nothing
FROM two
ARG NAME=first
LABEL name=$NAME
COPY --from=one /a /one
ADD https://example.com/x.tar.gz /
"""


class Frontend(system_fixture.TestCase):
    def new_build(self, files=(), name="one build"):
        return super().new_build(
            {"a": "a\n", "b": "b\n", "Dockerfile": DOCKERFILE, **dict(files)}, name
        )

    def fingerprint(self, project, *arguments):
        return project.tools(
            "bottle-fingerprint", "--context", project.source, *arguments, expect=None
        )

    def printed(self, project, what, *arguments):
        """The document alone: whatever else is said would not be JSON."""
        command = [
            settings.tools / "bottle-fingerprint",
            "--context",
            project.source,
            f"--print={what}",
            "--store",
            project.cache,
            *arguments,
        ]
        return json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
        )


class Print(Frontend):
    def test_the_dockerfile_alone_is_enough(self):
        alone = self.top / "alone"
        alone.mkdir()
        (alone / "My Dockerfile").write_text(
            textwrap.dedent(
                """\
                FROM nowhere:1 AS a
                COPY absent /
                RUN <<X cat
                text
                X
                """
            )
        )
        for what in ("ast", "stages"):
            command = [
                settings.tools / "bottle-fingerprint",
                f"--print={what}",
                "-f",
                alone / "My Dockerfile",
            ]
            found = json.loads(
                subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, cwd="/", timeout=60
                ).stdout
            )
            stage = found["stages"][0]
            self.assertEqual([each["lines"] for each in stage["instructions"]], [[2, 2], [3, 5]])
        self.assertEqual(stage["origin"], {"kind": "image", "name": "nowhere:1"})
        self.assertEqual([path.name for path in alone.iterdir()], ["My Dockerfile"])

    def test_inputs_are_listed(self):
        project = self.new_build()
        found = self.printed(
            project, "inputs", "--build-arg", "NAME=second", "--build-arg", "OTHER=x"
        )
        self.assertEqual(
            [
                (each["name"], [file["path"] for file in each["files"]])
                for each in found["contexts"]
            ],
            [("context", ["a", "b"])],
        )
        self.assertEqual(
            found["contexts"][0]["files"][0]["digest"],
            "sha256:" + system_fixture.digest_of(project.source / "a"),
        )
        self.assertEqual(found["arguments"], {"BASE": "scratch", "NAME": "second"})
        self.assertEqual(found["ignoredArguments"], ["OTHER"])
        self.assertEqual(
            [
                (each["name"], each["used"], each["lines"], each["resolved"])
                for each in found["sources"]
            ],
            [("https://example.com/x.tar.gz", ["ADD"], [12], False)],
        )

    def test_secrets_are_listed_without_values(self):
        project = self.new_build(
            {
                "Dockerfile": (
                    "FROM debian:12\nRUN --mount=type=secret,id=word,required --mount=type=ssh x\n"
                )
            }
        )
        (self.top / "secret").write_text("hush")
        text = json.dumps(
            found := self.printed(
                project, "inputs", "--secret", f"id=word,src={self.top / 'secret'}"
            )
        )
        self.assertEqual(found["secrets"], [{"id": "word", "required": True, "given": True}])
        self.assertEqual(found["ssh"], ["default"])
        self.assertEqual(
            [(each["name"], each["resolved"]) for each in found["sources"]], [("debian:12", False)]
        )
        self.assertNotIn("hush", text)

    def test_plan_is_ordered(self):
        found = self.printed(self.new_build(), "plan")
        self.assertEqual(found["levels"], [[0, 1], [3]])
        self.assertEqual([each["number"] for each in found["stages"]], [0, 1, 3])
        last = found["stages"][-1]
        self.assertEqual((last["base"], last["needs"]), ({"kind": "stage", "stage": 1}, [0, 1]))
        steps = {step["instruction"]: step for step in last["steps"]}
        self.assertEqual(list(steps), ["ARG", "LABEL", "COPY", "ADD"])
        self.assertEqual((steps["COPY"]["stages"], steps["COPY"]["lines"]), ([0], [11, 11]))
        self.assertEqual(steps["ADD"]["sources"], ["https://example.com/x.tar.gz"])
        self.assertIn("name=first", steps["LABEL"]["text"])
        self.assertEqual([step["makesLayer"] for step in last["steps"]], [False, False, True, True])
        self.assertEqual(found["stages"][0]["steps"][0]["contexts"], ["context"])

    def test_invalid_dockerfile_is_an_error(self):
        project = self.new_build({"Dockerfile": "FROM scratch\nCOYP a /\n"})
        for what in ("ast", "stages", "inputs", "plan"):
            self.assert_fails(
                self.fingerprint(project, f"--print={what}"),
                r"Dockerfile:2:1: error: ",
                "did you mean COPY",
            )
        self.assert_fails(self.fingerprint(project, "--print=tree"), "tree", status=2)
        self.assert_fails(self.fingerprint(project, "--print=ast", "--check"), "--check", status=2)


class Depfile(Frontend):
    def test_lists_the_inputs_of_a_dockerfile(self):
        project = self.new_build(
            {"Dockerfile": 'FROM debian:12\nCOPY ["a b", "/"]\n', "a b": "x"}, name="with blanks"
        )
        result = self.fingerprint(project, "--emit=depfile", "--depfile-target", "my image")
        self.assertEqual(result.returncode, 0, result.stdout)
        lines = [line.removesuffix(" \\").strip() for line in result.stdout.splitlines()]
        place = str(project.source).replace(" ", "\\ ")
        self.assertEqual(lines, ["my\\ image:", place, place + "/Dockerfile", place + "/a\\ b"])
        self.assertFalse(project.build.exists() and list(project.build.iterdir()))

    def test_key_needs_locked_sources(self):
        project = self.new_build({"Dockerfile": "FROM debian:12\n"})
        for arguments in ((), ("--emit=text",), ("--emit=key",), ("--emit=depfile", "--json")):
            self.assert_fails(
                self.fingerprint(project, *arguments), r"Dockerfile:1:1: error: .*debian:12"
            )

    def test_missing_dockerfile_is_an_error(self):
        project = self.new_build()
        (project.source / "Dockerfile").unlink()
        for arguments in (("--emit=depfile",), ("--print=ast",), ("--check",)):
            self.assert_fails(
                self.fingerprint(project, *arguments),
                "source/Dockerfile: error: the Dockerfile does not exist",
                "hint: give its path with --file",
            )

    def test_documented_makefile_works(self):
        """The makefile of the manual: each change of an input runs both rules once, a deleted file
        too."""
        system_fixture.need("make")
        page = (harness.SOURCE / "docs/tools/bottle-fingerprint.md").read_text(encoding="utf-8")
        project = self.new_build(
            {
                "Dockerfile": "FROM scratch\nCOPY data /data\n",
                "data/f": "1\n",
                "data/g": "g\n",
                "Makefile": page.split("```make\n")[1].split("```")[0],
            }
        )
        project.build = project.source / "out"
        project.environment["PATH"] = f"{settings.tools}:{os.environ['PATH']}"

        def steps_of_make():
            project.trace.unlink(missing_ok=True)
            project.run("make", "out/image.stamp", cwd=project.source)
            return [event["step"] for event in project.traced() if event["step"] != "instruction"]

        plans = set()
        for change in (
            lambda: None,
            lambda: project.append("data/f", "2\n"),
            lambda: project.write("data/h", "new\n"),
            lambda: project.remove("data/g"),
            lambda: project.rename("data/h", "data/i"),
            lambda: project.write("data/x=y", "1"),
            lambda: project.append("data/x=y", "2"),
            lambda: project.remove("data/x=y"),
            lambda: project.write("data/50%: #$", "1"),
            lambda: project.append("data/50%: #$", "2"),
            lambda: project.remove("data/50%: #$"),
            lambda: project.append("Dockerfile", "ENV A=b\n"),
        ):
            change()
            self.assertEqual(steps_of_make(), ["fingerprint", "image"])
            self.assertEqual(steps_of_make(), [])
            plans.add((project.build / "image.json").read_bytes())
        self.assertEqual(len(plans), 10)
        project.append("a", "not taken\n")
        self.assertEqual(steps_of_make(), [])


WARNS = """\
FROM scratch as base
ENV API_KEY=x
COPY a /
CMD run
"""
RULES = ["FromAsCasing", "SecretsUsedInArgOrEnv", "JSONArgsRecommended"]


class Check(Frontend):
    def test_findings_are_printed(self):
        project = self.new_build({"Dockerfile": WARNS})
        results = [
            self.fingerprint(project, "--check"),
            project.tools(
                "bottle-image", "build", "--check", "--context", project.source, expect=None
            ),
        ]
        for result in results:
            self.assertEqual(result.returncode, 3, result.stdout)
            self.assertEqual(result.stdout, results[0].stdout)
            self.assertRegex(
                result.stdout,
                r"Dockerfile:1:14: warning: .* \[FromAsCasing\]\n +1 \| FROM scratch as base\n"
                r" +\| +\^\n  hint: write FROM and AS",
            )
        self.assertFalse((project.build / "image.json").exists())

    def test_findings_as_json(self):
        project = self.new_build({"Dockerfile": WARNS})
        result = self.fingerprint(project, "--check", "--json")
        self.assertEqual(result.returncode, 3, result.stdout)
        found = json.loads(result.stdout)
        self.assertEqual([each["rule"] for each in found["warnings"]], RULES)
        self.assertEqual(
            [(each["line"], each["column"]) for each in found["warnings"]],
            [(1, 14), (2, 5), (4, 1)],
        )
        self.assertNotIn("buildError", found)

    def test_no_findings(self):
        project = self.new_build({"Dockerfile": "FROM scratch\nCOPY a /\n"})
        self.assertEqual(self.fingerprint(project, "--check").returncode, 0)

    def test_unlocked_bases_are_accepted(self):
        project = self.new_build({"Dockerfile": "FROM debian:12\nRUN $x\nWORKDIR y\n"})
        result = self.fingerprint(project, "--check")
        self.assertEqual(result.returncode, 3, result.stdout)
        self.assertIn("[WorkdirRelativePath]", result.stdout)

    def test_build_errors_are_reported(self):
        project = self.new_build({"Dockerfile": "FROM scratch as a\nCOPY --from=7 x /\n"})
        result = self.fingerprint(project, "--check")
        self.assert_fails(
            result, r"\[FromAsCasing\]", "Dockerfile:2:1: error: invalid stage index 7"
        )
        found = self.fingerprint(project, "--check", "--json")
        self.assertEqual((found.returncode, json.loads(found.stdout)["buildError"]["line"]), (1, 2))

    def test_check_options(self):
        skip = "skip=FromAsCasing,SecretsUsedInArgOrEnv"
        project = self.new_build({"Dockerfile": f"# check={skip}\n" + WARNS})
        self.assertRegex(self.fingerprint(project, "--check").stdout, "(?s)JSONArgs.*: 1 warning\n")
        given = "BUILDKIT_DOCKERFILE_CHECK="
        self.assertEqual(
            self.fingerprint(project, "--check", "--build-arg", given + "skip=all").returncode, 0
        )
        self.assertIn(
            "3 warnings", self.fingerprint(project, "--check", "--build-arg", given).stdout
        )
        self.assert_fails(
            self.fingerprint(project, "--check", "--build-arg", given + "nonsense"),
            "BUILDKIT_DOCKERFILE_CHECK.*nonsense",
            status=2,
        )

    def test_ignore_file_is_used(self):
        project = self.new_build({"Dockerfile": "FROM scratch\nCOPY a /\n", ".dockerignore": "a\n"})
        self.assertIn("[CopyIgnoredFile]", self.fingerprint(project, "--check").stdout)


class Builds(Frontend):
    def rules(self, result):
        self.assertEqual(result.returncode, 0, result.stdout)
        return [rule for rule in RULES if f"[{rule}]" in result.stdout]

    def test_locked_refuses_to_add_to_the_lock(self):
        project = self.new_build({"Dockerfile": "FROM registry.invalid/x\n"})
        project.environment["BOTTLE_LOCKED"] = "0"
        for tool in (["bottle-image", "build"], ["bottle-fingerprint"]):
            result = project.tools(
                *tool, "--locked", "--context", project.source, "--out", project.build, expect=1
            )
            self.assertRegex(
                result.stdout, "not locked;.*\n(.*\n)*  hint: lock it with bottle-lock update"
            )
        self.assertFalse((project.source / "bottle.lock").exists())

    def test_warnings_are_printed_once(self):
        project = self.new_build({"Dockerfile": WARNS})
        self.assertEqual(self.rules(self.fingerprint(project, "--out", project.build)), [])
        self.assertEqual(self.rules(project.image()), RULES)
        self.assertEqual(self.rules(project.image()), [])

    def test_unneeded_stages_are_not_checked(self):
        project = self.new_build(
            {
                "Dockerfile": textwrap.dedent(
                    """\
                    FROM scratch AS x
                    CMD run
                    FROM scratch
                    COPY a /
                    """
                )
            }
        )
        self.assertEqual(self.rules(project.image()), [])
        self.assertEqual(self.fingerprint(project, "--check").returncode, 3)

    def test_warnings_fail_the_build_on_request(self):
        project = self.new_build({"Dockerfile": WARNS})
        self.assertEqual(self.rules(project.image()), RULES)
        # A comment is in no key: the image is there, and nevertheless this is an error.
        (project.source / "Dockerfile").write_text("# check=error=true;skip=FromAsCasing\n" + WARNS)
        for result in (
            project.image(expect=None),
            self.fingerprint(project, "--out", project.build),
        ):
            self.assert_fails(
                result,
                "lint violation found for rules: JSONArgsRecommended, SecretsUsedInArgOrEnv",
                r"Dockerfile:5:1: warning: .*\[JSONArgsRecommended\]",
            )
            self.assertNotIn("[FromAsCasing]", result.stdout)
        self.assertEqual(self.rules(project.image("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=")), [])

    def test_invalid_mode_is_found_early(self):
        for mode in ("9", "10000", "u=q", "rwx"):
            project = self.new_build(
                {"Dockerfile": "FROM scratch\nARG MODE\nCOPY --chmod=$MODE a /\n"},
                name=f"mode {mode}",
            )
            self.assert_fails(
                self.fingerprint(project, "--build-arg", f"MODE={mode}"),
                rf"Dockerfile:3:1: error: --chmod={mode}: expected an octal number",
                "hint: write --chmod=",
            )
        self.assertEqual(self.fingerprint(project, "--build-arg", "MODE=u=rwX").returncode, 0)
        self.assertEqual(self.fingerprint(project).returncode, 0)


if __name__ == "__main__":
    system_fixture.main()
