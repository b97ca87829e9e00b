# SPDX-License-Identifier: Apache-2.0
"""examples/agent on a Debian root file system: one command makes the agent's bottle and its
gate."""
import json
import shutil

import system_fixture


class Example(system_fixture.TestCase):
    def test_agent_reaches_only_its_gate(self):
        system_fixture.need_root("the images' RUN mounts file systems")
        system_fixture.need("cmake", "ninja")
        layout = system_fixture.settings.debian / "layout"
        if not layout.exists():
            self.skipTest("needs the Debian root file system, which the fixture could not make")
        project = system_fixture.harness.Project(self.top / "agent")
        shutil.rmtree(project.source)
        shutil.copytree(
            system_fixture.harness.SOURCE / "examples" / "agent",
            project.source,
            ignore=shutil.ignore_patterns("build*"),
        )
        project.configure(f"-DAGENT_BASE=oci-layout:{layout}")
        project.make()
        gate, agent = project.extract("upstream"), project.extract("agent")
        self.assertIn("/etc/git-gate/entrypoint.sh", "/" + " /".join(gate))
        self.assertIn("github.com ssh-ed25519 ", gate["etc/git-gate/known_hosts"])
        self.assertIn("name: review", agent["home/agent/.claude/skills/review/SKILL.md"])
        self.assertIn("home/agent/.claude/skills/release/SKILL.md", agent)
        said = json.loads(
            project.tool("bottle-pack", "--json", "inspect", project.pack("agent")).stdout
        )
        self.assertIn(
            "GIT_CONFIG_KEY_0=url.git://upstream:9418/project.git.insteadOf",
            said["manifest"]["env"],
        )
        self.assertEqual(project.make().stdout.count("no work to do"), 1)
        # Another upstream key concerns the gate, and not the agent.
        gate_json = (project.source / "gate.json").read_text(encoding="utf-8")
        project.write("gate.json", gate_json.replace("agent/*", "agents/*"))
        project.make()
        self.assertEqual(project.ran(), {"upstream": ["fingerprint", "image", "pack", "render"]})


if __name__ == "__main__":
    system_fixture.main()
