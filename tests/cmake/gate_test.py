# SPDX-License-Identifier: Apache-2.0
"""Gates as targets: what an edit renders again, and what that builds again."""
import json
import os
import shutil
import subprocess

import harness

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9ks7jkua5YWIwByRnnnc6UPJQWI75O0e/UJdPYU1JI"
ALL = "fingerprint image pack render"


def git_gate(*names, **more):
    return json.dumps(
        {
            "schema": 1,
            "kind": "git-gate",
            **more,
            "upstreams": [
                {
                    "name": name,
                    "url": f"git@example.com:team/{name}.git",
                    "identity": {"file": "~/.ssh/id"},
                    "knownHostKey": KEY,
                }
                for name in names
            ],
        }
    )


def ssh_gate(port=5432):
    return json.dumps(
        {
            "schema": 1,
            "kind": "ssh-gate",
            "clients": [KEY],
            "hosts": [{"name": "db", "host": "db.example.com", "port": port}],
        }
    )


LISTS = """
add_gate(one TEMPLATE git-gate CONFIG one.json DOCKERFILE Dockerfile CONTEXT empty)
add_gate(two TEMPLATE git-gate CONFIG two.json DOCKERFILE Dockerfile CONTEXT empty)
add_gate(door TEMPLATE ssh-gate CONFIG door.json DOCKERFILE Dockerfile CONTEXT empty)
"""
FILES = {
    "one.json": git_gate("a"),
    "two.json": git_gate("b"),
    "door.json": ssh_gate(),
    "empty/.keep": "",
    "Dockerfile": "FROM scratch\nCOPY --from=gate . /etc/gate/\n",
}


class Gates(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.gates = self.project(LISTS, FILES)
        self.gates.configure()
        self.assert_ran(self.gates, {slug: ALL for slug in ("one", "two", "door")})

    def rendered(self, slug, name):
        return self.gates.directory(slug).parents[1] / "gates" / slug / "files" / name

    def test_rendered_files_are_in_the_pack(self):
        tree = self.gates.extract("one")
        self.assertEqual(tree["etc/gate/known_hosts"], f"example.com {KEY}\n")
        self.assertIn("etc/gate/pre-receive", tree)
        self.assertTrue(os.access(self.rendered("one", "entrypoint.sh"), os.X_OK))
        self.assertEqual(
            tree["etc/gate/entrypoint.sh"],
            self.rendered("one", "entrypoint.sh").read_text(encoding="utf-8"),
        )

    def test_edited_upstream_rebuilds_its_gate_only(self):
        self.gates.write("one.json", git_gate("a", "c"))
        self.assert_ran(self.gates, {"one": ALL})

    def test_the_same_description_again_packs_nothing(self):
        self.gates.write("one.json", json.dumps(json.loads(FILES["one.json"]), indent=4))
        self.assert_ran(self.gates, {"one": "render"})
        self.gates.touch("one.json")
        self.assert_ran(self.gates, {"one": "render"})

    def test_changed_port_of_an_ssh_gate(self):
        self.gates.write("door.json", ssh_gate(5433))
        self.assert_ran(self.gates, {"door": ALL})

    def test_removed_and_restored_file(self):
        self.rendered("one", "known_hosts").unlink()
        self.gates.touch("one.json")
        self.gates.make()
        self.assertTrue(self.rendered("one", "known_hosts").exists())

    def test_targets_exist(self):
        self.gates.write("two.json", git_gate("b", "d"))
        self.gates.write("door.json", ssh_gate(1))
        self.assert_ran(self.gates, {"two": "fingerprint image render"}, "gate-two")

    def test_an_error_names_the_place(self):
        self.gates.write("one.json", git_gate("a", scanner={"rules": [{"id": "x"}]}))
        result = self.gates.make(expect=1)
        self.assertIn('one.json#/scanner/rules/0: error: missing member "regex"', result.stdout)


class OwnTemplates(harness.TestCase):
    def setUp(self):
        super().setUp()
        template = (
            '#!/bin/sh\nhost() {\n  echo "$1:$2"\n}\n{{#hosts}}\nhost {{host}}'
            " {{port}}\n{{/hosts}}\n{{#clients}}\necho {{key}}\n{{/clients}}\n"
        )
        self.gates = self.project(
            (
                "add_gate(own TEMPLATE templates CONFIG door.json DOCKERFILE Dockerfile CONTEXT"
                " empty)\nadd_gate(one TEMPLATE git-gate CONFIG one.json DOCKERFILE Dockerfile"
                " CONTEXT empty)\n"
            ),
            {**FILES, "templates/entrypoint.sh.mustache": template, "templates/README": ""},
        )
        self.gates.configure()
        self.assert_ran(self.gates, {"own": ALL, "one": ALL})

    def test_edited_template_renders_its_gates_only(self):
        self.gates.append("templates/entrypoint.sh.mustache", "true\n")
        self.assert_ran(self.gates, {"own": ALL})
        self.gates.write("templates/more.sh.mustache", "# shellcheck shell=sh\ntrue\n")
        self.assert_ran(self.gates, {"own": ALL})
        self.assertIn("etc/gate/more.sh", self.gates.extract("own"))
        self.gates.remove("templates/more.sh.mustache")
        self.assert_ran(self.gates, {"own": ALL})
        self.assertNotIn("etc/gate/more.sh", self.gates.extract("own"))
        self.gates.append("templates/README", "nothing\n")
        self.assert_ran(self.gates, {})

    def test_unsafe_template_is_an_error(self):
        self.gates.append("templates/entrypoint.sh.mustache", "echo {{{slug}}}\n")
        result = self.gates.make(expect=1)
        self.assertRegex(result.stdout, r"entrypoint\.sh\.mustache:11: .*unescaped form")


class PackagedTemplates(harness.TestCase):
    """The templates that come with Bottle, in a copy of the package so that they can be edited."""

    def setUp(self):
        super().setUp()
        self.gates = self.project(LISTS, FILES)
        self.package = self.gates.source / "package"
        for name in ("cmake", "templates", "images", "schema"):
            shutil.copytree(harness.SOURCE / name, self.package / name)
        config = self.package / "config"
        config.mkdir()
        for file in harness.settings.package.glob("Bottle*.cmake"):
            text = file.read_text(encoding="utf-8")
            if file.name == "BottleConfig.cmake":
                self.assertIn(f'"{harness.SOURCE}/cmake"', text)
                text = text.replace(f'"{harness.SOURCE}/cmake"', f'"{self.package}/cmake"')
            (config / file.name).write_text(text, encoding="utf-8")
        self.gates.configure(f"-DBottle_DIR={config}")
        self.assert_ran(self.gates, {slug: ALL for slug in ("one", "two", "door")})

    def test_edit_renders_the_gates_of_its_kind(self):
        self.gates.append("package/templates/ssh-gate/entrypoint.sh.mustache", "# edited\n")
        self.assert_ran(self.gates, {"door": ALL})
        self.assertTrue(self.gates.extract("door")["etc/gate/entrypoint.sh"].endswith("# edited\n"))
        # What the scripts of a git-gate share concerns every git-gate, and none of another kind.
        self.gates.append("package/templates/git-gate/common.sh.mustache", "# edited\n")
        self.assert_ran(self.gates, {"one": ALL, "two": ALL})
        # What renders the same builds nothing.
        common = "package/templates/git-gate/common.sh.mustache"
        self.gates.append(common, "{{! says nothing }}")
        self.assert_ran(self.gates, {"one": "render", "two": "render"})
        self.gates.touch(common)
        self.assert_ran(self.gates, {"one": "render", "two": "render"})
        self.gates.write("package/templates/git-gate/README", "not a template\n")
        self.gates.touch("package/templates/ssh-gate")
        self.gates.make()
        self.assertEqual(
            {step for steps in self.gates.ran().values() for step in steps} - {"render"}, set()
        )
        self.assert_nothing_to_do(self.gates)


class SharedTemplates(harness.TestCase):
    def test_file_linked_from_two_directories(self):
        """Two of three template directories share a file."""
        script = (
            "#!/bin/sh\necho {{slug}}\n{{#hosts}}\necho {{host}}"
            " {{port}}\n{{/hosts}}\n{{#clients}}\necho {{key}}\n{{/clients}}\n"
        )
        gates = self.project(
            "".join(
                f"add_gate({slug} TEMPLATE {slug} CONFIG door.json DOCKERFILE Dockerfile CONTEXT"
                " empty)\n"
                for slug in ("left", "right", "alone")
            ),
            {
                **FILES,
                "shared/common.sh.mustache": "# shellcheck shell=sh\ntrue\n",
                "alone/common.sh.mustache": "# shellcheck shell=sh\ntrue\n",
                **{f"{slug}/entrypoint.sh.mustache": script for slug in ("left", "right", "alone")},
            },
        )
        gates.link("left/common.sh.mustache", "../shared/common.sh.mustache")
        gates.link("right/common.sh.mustache", "../shared/common.sh.mustache")
        gates.configure()
        self.assert_ran(gates, {slug: ALL for slug in ("left", "right", "alone")})
        gates.append("shared/common.sh.mustache", "true\n")
        self.assert_ran(gates, {"left": ALL, "right": ALL})
        self.assertEqual(
            gates.extract("left")["etc/gate/common.sh"], "# shellcheck shell=sh\ntrue\ntrue\n"
        )


class Skills(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.agent = self.project(
            (
                "set(BOTTLE_SKILLS_DIR skills)\nadd_gate(up TEMPLATE git-gate CONFIG one.json"
                " DOCKERFILE Dockerfile CONTEXT empty)\nadd_bottle(agent CONTEXT agent SKILLS"
                " review release GATES up ENV A=b)\n"
            ),
            {
                **FILES,
                "agent/Dockerfile": "FROM scratch\nCOPY --from=skills . /skills/\n",
                "skills/review/SKILL.md": "Review.\n",
                "skills/review/deep/check": "#!/bin/sh\n",
                "skills/release/SKILL.md": "Release.\n",
                "skills/other/SKILL.md": "Other.\n",
            },
        )
        self.agent.link("skills/release/link", "SKILL.md")
        self.agent.configure()
        self.assert_ran(self.agent, {"up": ALL, "agent": "fingerprint image pack skills"})

    def test_skills_are_copied_and_tracked(self):
        self.assertEqual(
            {
                path: text
                for path, text in self.agent.extract("agent").items()
                if "." in path or "link" in path
            },
            {
                "skills/review/SKILL.md": "Review.\n",
                "skills/release/SKILL.md": "Release.\n",
                "skills/release/link": "-> SKILL.md",
            },
        )
        self.agent.append("skills/review/SKILL.md", "More.\n")
        self.assert_ran(self.agent, {"agent": "fingerprint image pack skills"})
        self.agent.write("skills/review/deep/new", "new\n")
        self.assert_ran(self.agent, {"agent": "fingerprint image pack skills"})
        self.assertIn("skills/review/deep/new", self.agent.extract("agent"))
        self.agent.remove("skills/review/deep/new")
        self.assert_ran(self.agent, {"agent": "fingerprint image pack skills"})
        self.agent.append("skills/other/SKILL.md", "More.\n")
        self.assert_ran(self.agent, {})
        self.agent.touch("skills/review/SKILL.md")
        self.assert_ran(self.agent, {"agent": "skills"})

    def test_addresses_are_in_the_environment(self):
        said = json.loads(
            self.agent.tool("bottle-pack", "--json", "inspect", self.agent.pack("agent")).stdout
        )
        environment = said["manifest"]["env"]
        for line in (
            "A=b",
            "BOTTLE_GATE_UP=git://up:9418",
            "GIT_CONFIG_KEY_0=url.git://up:9418/a.git.insteadOf",
            "GIT_CONFIG_VALUE_0=git@example.com:team/a.git",
        ):
            self.assertIn(line, environment)


class Spellings(harness.TestCase):
    def lead(self, url):
        result = subprocess.run(
            ["git", "ls-remote", "--get-url", url],
            check=True,
            capture_output=True,
            text=True,
            env={
                **harness.clean_environment(),
                **self.environment,
                "HOME": "/nonexistent",
                "GIT_CONFIG_NOSYSTEM": "1",
            },
        )
        return result.stdout.rstrip("\n")

    def test_urls_lead_to_the_gate(self):
        """Git takes all URLs of an upstream to the gate, and none of another repository."""
        identity = {"identity": {"file": "~/.ssh/id"}, "knownHostKey": KEY}
        upstreams = [
            {"name": "a", "url": "git@example.com:team/a.git", "alsoHttps": True, **identity},
            {"name": "ab", "url": "ssh://git@example.com/team/ab", **identity},
            {
                "name": "parts",
                "host": "git.example.org",
                "port": 2222,
                "user": "me",
                "repository": "/srv/b.git",
                **identity,
            },
            {"name": "home", "host": "example.net", "repository": "~you/c", **identity},
            {"name": "six", "url": "[::1]:d.git", **identity},
            {
                "name": "root",
                "host": "git.example.net",
                "user": "me",
                "repository": "/srv/e.git",
                **identity,
            },
        ]
        agent = self.project(
            (
                "add_gate(up TEMPLATE git-gate CONFIG up.json DOCKERFILE Dockerfile CONTEXT empty"
                " EXCLUDE_FROM_ALL)\nadd_bottle(agent CONTEXT agent GATES up)\n"
            ),
            {
                **FILES,
                "agent/Dockerfile": "FROM scratch\nCOPY . /\n",
                "up.json": json.dumps({"schema": 1, "kind": "git-gate", "upstreams": upstreams}),
            },
        )
        agent.configure()
        agent.make("bottle-agent")
        said = json.loads(
            agent.tool("bottle-pack", "--json", "inspect", agent.pack("agent")).stdout
        )
        self.environment = dict(line.split("=", 1) for line in said["manifest"]["env"])

        for name, places in (
            (
                "a",
                [
                    "git@example.com:team/a",
                    "git@example.com:/team/a",
                    "https://example.com/team/a",
                    *(
                        f"{scheme}://git@example.com{port}/team/a"
                        for scheme in ("ssh", "git+ssh", "ssh+git")
                        for port in ("", ":22")
                    ),
                    "ssh://git@example.com/~/team/a",
                ],
            ),
            (
                "ab",
                [
                    "git@example.com:team/ab",
                    "ssh://git@example.com/team/ab",
                    "ssh://git@example.com:22/~/team/ab",
                ],
            ),
            (
                "parts",
                [
                    f"{scheme}://me@git.example.org:2222/srv/b"
                    for scheme in ("ssh", "git+ssh", "ssh+git")
                ],
            ),
            ("home", ["git@example.net:~you/c", "ssh://git@example.net/~you/c"]),
            (
                "root",
                [
                    "me@git.example.net:/srv/e",
                    "me@git.example.net:srv/e",
                    "ssh://me@git.example.net/srv/e",
                ],
            ),
            ("six", ["[::1]:d", "git@[::1]:d", "ssh://git@[::1]/d", "ssh://git@[::1]:22/~/d"]),
        ):
            for place in places:
                for suffix in ("", ".git"):
                    self.assertEqual(
                        self.lead(place + suffix), f"git://up:9418/{name}.git", place + suffix
                    )

        for url in (
            "git@example.com:team/a-b.git",
            "git@example.com:team/a2",
            "git@example.com:team/aB.git",
            "git@example.com:team/a.b",
            "git@example.com:team/a_",
            "git@example.com:team/a.github.io",
            "git@example.com:team/abc",
            "git@example.com:team",
            "ssh://git@example.com/team/ac.git",
            "ssh://git@example.com:22/~/team/a-b",
            "git+ssh://git@example.com/team/a.c",
            "https://example.com/team/a-b.git",
            "https://example.com/team/ab.git",
            "ssh://git@example.com:2222/team/a",
            "ssh://me@git.example.org/srv/b.git",
            "ssh://me@git.example.org:2222/srv/bc.git",
            "me@git.example.org:srv/b.git",
            "other@example.com:team/a.git",
            "git@example.com:/team/a-b",
            "git@example.net:/~you/c",
            "git@example.net:~you/cd",
            "http://example.com/team/a.git",
        ):
            self.assertEqual(self.lead(url), url)


class Errors(harness.TestCase):
    def assert_error(self, lists, pattern):
        project = self.project(
            lists, {**FILES, "skills/review/SKILL.md": "x", "skills/release/SKILL.md": "x"}
        )
        result = project.configure(expect=1)
        self.assertRegex(" ".join(result.stdout.split()), pattern)

    def test_invalid_arguments(self):
        for lists, pattern in (
            ("add_gate(a CONFIG one.json)", r"add_gate\(a\): TEMPLATE is missing"),
            ("add_gate(a TEMPLATE git-gate)", r"add_gate\(a\): CONFIG is missing"),
            (
                "add_gate(a TEMPLATE git-gat CONFIG one.json)",
                "nor a directory; did you mean git-gate",
            ),
            ("add_gate(a TEMPLATE empty CONFIG one.json)", "needs DOCKERFILE"),
            (
                "add_gate(a TEMPLATES git-gate CONFIG one.json)",
                'unknown argument "TEMPLATES"; did you mean TEMPLATE',
            ),
            ("add_gate(A TEMPLATE git-gate CONFIG one.json)", "is not a slug"),
            ("add_bottle(a GATES nope)", 'there is no gate "nope"'),
            (
                "set(BOTTLE_SKILLS_DIR skills)\nadd_bottle(a SKILLS reviw)",
                'no skill "reviw" in .*did you mean review.* Found: release, review',
            ),
        ):
            with self.subTest(lists):
                self.assert_error(lists, pattern)


if __name__ == "__main__":
    harness.main()
