# SPDX-License-Identifier: Apache-2.0
"""Generator expressions: in each argument and variable they are evaluated, or refused when
configuring. None is taken for another value."""
import json
import re

import harness

D = "$<CONFIG:Debug>"
FILES = {
    "Dockerfile": "FROM scratch\nCOPY f /f\n",
    "Debug.Dockerfile": "FROM scratch\nCOPY f /f\nENV A=b\n",
    "Release.Dockerfile": "FROM scratch\n",
    "f": "1\n",
    "Debug/f": "2\n",
    "Release/f": "3\n",
    "agent/sbin/init": "",
    "gate.json": json.dumps(
        {
            "version": 1,
            "kind": "git-gate",
            "upstreams": [
                {
                    "name": "a",
                    "url": "git@example.com:a.git",
                    "deployKey": "/k",
                    "hostKey": "example.com ssh-ed25519 AAAA",
                }
            ],
        }
    ),
}


def choice(debug, release):
    return f"$<IF:{D},{debug},{release}>"


# What add_bottle() is given, where in spec.json it goes, and what is there in Debug and Release.
EVALUATED = {
    "DOCKERFILE $<CONFIG>.Dockerfile": (
        "/dockerfile",
        "{source}/Debug.Dockerfile",
        "{source}/Release.Dockerfile",
    ),
    f"CONTEXT {choice('${CMAKE_CURRENT_SOURCE_DIR}/Debug', '${CMAKE_CURRENT_SOURCE_DIR}/Release')}": (
        "/context",
        "{source}/Debug",
        "{source}/Release",
    ),
    f"TARGET {choice('a', 'b')}": ("/target", "a", "b"),
    f"PLATFORMS linux/{choice('amd64', 'arm64')}": ("/platform", "linux/amd64", "linux/arm64"),
    f"BUILD_ARGS A={choice('1', '2')}": ("/buildArgs/A", "1", "2"),
    "CONTEXTS x=path:$<CONFIG>": ("/contexts/0/value", "{source}/Debug", "{source}/Release"),
    f"CONTEXTS x=image:debian:{choice('12', '13')}": (
        "/contexts/0/value",
        "debian:12",
        "debian:13",
    ),
    f"SECRETS s=env:{choice('A', 'B')}": ("/secrets/0/value", "A", "B"),
    "LOCK $<CONFIG>.lock": ("/lock", "{source}/Debug.lock", "{source}/Release.lock"),
    f"LOCKED {D}": ("/locked", True, False),
    f"ENGINE {choice('builtin', 'podman')}": ("/engine", "builtin", "podman"),
    "ENGINE $<$<CONFIG:Release>:podman>": ("/engine", "builtin", "podman"),
    f"ENGINE_OPTIONS --network={choice('host', 'none')}": (
        "/engineOptions/0",
        "--network=host",
        "--network=none",
    ),
    f"PACKER {choice('native', 'smolvm')}": ("/packer", "native", "smolvm"),
    f"REGISTRY_IMAGE {choice('a', 'b')}": ("/registryImage", "a", "b"),
    f"CPUS {choice('1', '2')}": ("/pack/cpus", "1", "2"),
    f"MEMORY {choice('512', '1024')}": ("/pack/memory", "512", "1024"),
    f"MEMORY $<{D}:512>": ("/pack/memory", "512", "8192"),
    f"ENV A={choice('1', '2')}": ("/pack/env/0", "A=1", "A=2"),
    f"ENTRYPOINT {choice('/a', '/b')}": ("/pack/entrypoint/0", "/a", "/b"),
    f"USER {choice('1', '2')}": ("/pack/user", "1", "2"),
    f"SMOLVM_VERSION {choice('1.9.0', '1.16.2')}": ("/pack/smolvmVersion", "1.9.0", "1.16.2"),
    f"CMD {choice('a', 'b')}": ("/pack/cmd/0", "a", "b"),
    f"SHM_SIZE {choice('64m', '128m')}": ("/shmSize", "64m", "128m"),
    f"ULIMITS nofile={choice('1024', '2048')}": ("/ulimits/0", "nofile=1024", "nofile=2048"),
    f"ADD_HOSTS mirror:{choice('10.0.0.1', '10.0.0.2')}": (
        "/addHosts/0",
        "mirror:10.0.0.1",
        "mirror:10.0.0.2",
    ),
    f"NETWORK {D}": ("/pack/network", True, False),
    f"NETWORK none $<{D}:machine>": ("/pack/network", True, False),
    f"NETWORK {choice('none', 'host')}": ("/runNetwork", "none", "host"),
}
VARIABLES = {
    "ENGINE": EVALUATED[f"ENGINE {choice('builtin', 'podman')}"],
    "PACKER": EVALUATED[f"PACKER {choice('native', 'smolvm')}"],
    "SMOLVM_VERSION": ("/pack/smolvmVersion", "1.9.0", "1.16.2"),
    "CPUS": EVALUATED[f"CPUS {choice('1', '2')}"],
    "MEMORY": EVALUATED[f"MEMORY {choice('512', '1024')}"],
    "PLATFORM": ("/platform", "linux/amd64", "linux/arm64"),
    "NETWORK": ("/pack/network", True, False),
    "GIT_MODES": ("/gitModes", False, True),
    "RUN_NETWORK": ("/runNetwork", "none", "host"),
    "RUN_ISOLATION": ("/isolation", "chroot", "auto"),
    "LOCKED": ("/locked", True, False),
}
REFUSED = {
    f"add_bottle({D})": "is not a slug",
    f"add_bottle(a BASES {D})": "is not a slug",
    f"add_bottle(a CONTEXTS {D})": "is not of the form name=kind:value",
    f"add_bottle(a CONTEXTS x={choice('path:a', 'path:b')})": "has no kind",
    f"add_bottle(a CONTEXTS x=bottle:{D})": "is not a slug",
    f"add_bottle(a CONTEXTS x=target:{D})": "cannot contain a generator expression",
    f"add_bottle(a CONTEXTS x=gate:{D})": "is not a slug",
    f"add_bottle(a BUILD_ARGS $<{D}:A=b>)": "only the value can contain",
    f"add_bottle(a ENV $<{D}:A=b>)": "only the value can contain",
    f"add_bottle(a SECRETS $<{D}:s=env:A>)": "is not of the form id=env:NAME",
    f"add_bottle(a SKILLS {D})": "there is no skill",
    f"add_bottle(a GATES {D})": "there is no gate",
    f"add_gate(a TEMPLATE {D} CONFIG gate.json)": (
        'TEMPLATE ".*" is needed when the project is configured'
    ),
    "add_gate(a TEMPLATE git-gate CONFIG $<CONFIG>.json)": (
        'CONFIG ".*" is needed when the project is configured'
    ),
    f"set(BOTTLE_IMAGE_JOBS {D})\nadd_bottle(a)": (
        "BOTTLE_IMAGE_JOBS .* cannot contain a generator expression"
    ),
    f"set(BOTTLE_CACHE_DIR {D})\nadd_bottle(a)": (
        "BOTTLE_CACHE_DIR .* cannot contain a generator expression"
    ),
    f"set(BOTTLE_SMOLVM_RUNTIME {D})\nadd_bottle(a)": (
        "BOTTLE_SMOLVM_RUNTIME .* cannot contain a generator expression"
    ),
    f"set(BOTTLE_SOURCE_DATE_EPOCH {D})\nadd_bottle(a)": (
        "BOTTLE_SOURCE_DATE_EPOCH .* cannot contain a generator expression"
    ),
    f"set(BOTTLE_VERIFY_REMOTE {D})\nadd_bottle(a PUSH x/a)": (
        "BOTTLE_VERIFY_REMOTE .* cannot contain a generator expression"
    ),
    f"set(BOTTLE_SKILLS_DIR {D})\nadd_bottle(a SKILLS x)": (
        "BOTTLE_SKILLS_DIR .* cannot contain a generator expression"
    ),
    f"set(BOTTLE_TOOLS_DIR {D})\nadd_bottle(a)": (
        "BOTTLE_TOOLS_DIR .* cannot contain a generator expression"
    ),
}
# Expressions whose value is wrong: what the first tool of a build says.
WRONG = {
    "CPUS $<1:none>": '#/pack/cpus: .* a number from 1 to 255, found "none"',
    "MEMORY $<1:63>": "#/pack/memory: .* a number from 64",
    "PLATFORMS $<1:linux>/a/b/c": "#/platform: .*os/architecture",
    "ENGINE $<1:dokcer>": "#/engine: .*did you mean docker\\?",
    "PACKER $<1:smolwm>": "#/packer: .*native or smolvm",
    "LOCKED $<1:maybe>": "#/locked: .*true or false",
    "NETWORK $<1:nonne>": "#/pack/network: .*NETWORK \\[machine\\] \\[none\\|host\\]",
    "NETWORK $<1:none> host": "#/pack/network: ",
}


class Expressions(harness.TestCase):
    def values(self, project, slug, pointer):
        result = []
        for configuration in ("Debug", "Release"):
            value = json.loads(
                (project.build / configuration / "bottles" / slug / "spec.json").read_text(
                    encoding="utf-8"
                )
            )
            for word in pointer.split("/")[1:]:
                value = value[int(word) if word.isdigit() else word]
            result.append(value)
        return result

    def test_every_argument_has_a_decision(self):
        """The tables name all keywords of add_bottle() and add_gate(), and all variables."""
        text = (harness.SOURCE / "cmake/AddBottle.cmake").read_text(encoding="utf-8")
        keywords = set(
            re.search(r"set\(single (.*?)\)\n.*set\(multiple (.*?)\)", text, re.S)[1].split()
        )
        keywords |= set(re.search(r"set\(multiple (.*?)\)", text)[1].split())
        tried = {
            word
            for words in [*EVALUATED, *REFUSED, "DEPENDS PUSH PUSH_PACK"]
            for word in re.findall(r"[A-Z_]+", words)
        }
        self.assertEqual(keywords - tried, set())

    def test_expressions_are_evaluated(self):
        lists = [f"add_bottle(a{number} {words})" for number, words in enumerate(EVALUATED)]
        lists += [
            f"set(BOTTLE_{name} {D if isinstance(debug, bool) and debug else choice(debug, release)})\nadd_bottle(v-{name.lower()})\nunset(BOTTLE_{name})\nadd_bottle(p-{name.lower()})\nset_property(TARGET"
            f" bottle-p-{name.lower()} PROPERTY BOTTLE_{name} {choice(debug, release)})"
            for name, (_, debug, release) in VARIABLES.items()
        ]
        project = self.project("\n".join(lists), FILES, generator="Ninja Multi-Config")
        project.configure("-DCMAKE_CONFIGURATION_TYPES=Debug;Release")
        rows = [(f"a{number}", *row) for number, row in enumerate(EVALUATED.values())]
        rows += [
            (f"{kind}-{name.lower()}", *row) for name, row in VARIABLES.items() for kind in "vp"
        ]
        for slug, pointer, *expected in rows:
            with self.subTest(slug=slug, pointer=pointer):
                expected = [
                    value.format(source=project.source) if isinstance(value, str) else value
                    for value in expected
                ]
                found = self.values(project, slug, pointer)
                # The words of NETWORK are the tools' to read (tests/unit/image/spec_test.cpp).
                if slug.startswith("a") and pointer == "/pack/network":
                    found = [";machine" in value or ";1" in value for value in found]
                self.assertEqual(found, expected)

    def test_network_of_a_machine_by_configuration(self):
        project = self.project(
            (
                f"add_bottle(a NETWORK {D} none DEPENDS"
                f" {choice('${CMAKE_SOURCE_DIR}/f', '${CMAKE_SOURCE_DIR}/Release/f')})\n"
            ),
            FILES,
            generator="Ninja Multi-Config",
        )
        project.configure("-DCMAKE_CONFIGURATION_TYPES=Debug;Release")
        for configuration, network in (("Debug", True), ("Release", False)):
            project.run("cmake", "--build", project.build, "--config", configuration)
            pack = project.build / configuration / "bottles/a/a.smolmachine"
            self.assertEqual(
                json.loads(project.tool("bottle-pack", "--json", "inspect", pack).stdout)[
                    "manifest"
                ]["network"],
                network,
            )

    def test_expressions_needed_at_configure_time_are_errors(self):
        for lists, expected in REFUSED.items():
            with self.subTest(lists):
                said = (
                    self.project(lists, FILES, name=f"refused {abs(hash(lists))}")
                    .configure(expect=1)
                    .stdout
                )
                self.assertRegex(" ".join(said.split()), expected)

    def test_invalid_evaluated_values_are_errors(self):
        project = self.project(
            "\n".join(f"add_bottle(a{number} {words})" for number, words in enumerate(WRONG)),
            FILES,
            generator="Ninja",
        )
        project.configure()
        for number, (words, expected) in enumerate(WRONG.items()):
            with self.subTest(words):
                said = project.tool(
                    "bottle-fingerprint",
                    "--spec",
                    project.directory(f"a{number}") / "spec.json",
                    expect=1,
                ).stdout
                self.assertRegex(" ".join(said.split()), expected)


if __name__ == "__main__":
    harness.main()
