# SPDX-License-Identifier: Apache-2.0
"""What gate descriptions may say: bottle-gate beside an independent reader of the schema."""
import json
import subprocess
import unittest

import system_fixture
from gate_descriptions_fixture import GOOD, KEY, SSH, changed


# What a value of any kind is replaced by: (place, value). Each is an error that a schema can see.
BAD = [
    ("/schema", 2),
    ("/schema", "1"),
    ("/kind", "git"),
    ("/kind", None),
    ("/listen/port", 0),
    ("/listen/port", 65536),
    ("/listen/port", 1.5),
    ("/listen/port", "22"),
    ("/listen/address", "localhost"),
    ("/listen/other", 1),
    ("/upstreams", []),
    ("/upstreams", {}),
    ("/upstreams/0/name", "A"),
    ("/upstreams/0/name", ""),
    ("/upstreams/0/name", "-x"),
    ("/upstreams/0/name", "x" * 64),
    ("/upstreams/0/name", "a/b"),
    ("/upstreams/0/name", "a\n"),
    ("/upstreams/0/host", "-oProxyCommand=x"),
    ("/upstreams/0/host", "a b"),
    ("/upstreams/0/host", "$(x)"),
    ("/upstreams/0/host", "a\n"),
    ("/upstreams/0/user", "a;b"),
    ("/upstreams/0/user", "-l"),
    ("/upstreams/0/identity", {}),
    ("/upstreams/0/identity", "~/.ssh/id"),
    ("/upstreams/0/identity", {"file": "a", "secret": "b"}),
    ("/upstreams/0/identity", {"key": "-----BEGIN"}),
    ("/upstreams/0/identity/file", ""),
    ("/upstreams/1/identity/secret", "../x"),
    ("/upstreams/0/knownHostKey", []),
    ("/upstreams/0/knownHostKey", 1),
    ("/upstreams/0/refs", []),
    ("/upstreams/0/refs/0", "heads/x"),
    ("/upstreams/0/refs/0", "refs/notes/x"),
    ("/upstreams/0/refs/0", "refs/heads/a b"),
    ("/upstreams/0/refs/0", "refs/heads/$(x)"),
    ("/upstreams/0/refs/0", "refs/heads/[a]"),
    ("/upstreams/0/allowForce", "yes"),
    ("/upstreams/0/allowForce", 1),
    ("/upstreams/0/maxBlobBytes", 0),
    ("/upstreams/0/maxBlobBytes", -1),
    ("/upstreams/0/maxRefs", 1e9),
    ("/upstreams/0/password", "x"),
    ("/upstreams/0", "x"),
    ("/scanner/timeout", 0),
    ("/scanner/rules/0/id", "A B"),
    ("/scanner/rules/0/regex", ""),
    ("/scanner/rules/0/entropy", 9),
    ("/scanner/rules/0/keywords", "d"),
    ("/scanner/allow/0", ""),
    ("/environment/HTTP_PROXY", 1),
    ("/environment", []),
    ("/variables/own", ["x"]),
    ("/variables/own", "x" * 32769),
    ("/hashKnownHosts", "no"),
    ("/more", 1),
]
# What is allowed.
ALSO_GOOD = [
    ("/listen/address", "::"),
    ("/upstreams/0/host", "2001:db8::1"),
    ("/upstreams/0/host", "192.0.2.1"),
    ("/upstreams/0/host", "a"),
    ("/upstreams/0/knownHostKey", KEY + " comment"),
    ("/upstreams/0/refs/0", "refs/tags/v*"),
    ("/upstreams/1/identity", {"agent": True}),
    ("/variables/own", ""),
    ("/variables/own", "ü" * 32768),
    ("/environment/HTTP_PROXY", "$(touch ran)\n'\"`;"),
    ("/scanner/rules/0/entropy", 3),
    ("/$schema", "gate.schema.json"),
    ("/upstreams/0/maxBlobBytes", 1099511627776),
]
# What only the tool can see.
BAD_FOR_THE_TOOL = [
    ("/upstreams/1/name", "one"),
    ("/upstreams/0/url", "git@h:x"),
    ("/upstreams/1/url", "https://example.com/x"),
    ("/upstreams/1/url", "ssh://me:secret@h/x"),
    ("/upstreams/0/knownHostKey/0", "ssh-ed25519 AAAA"),
    ("/upstreams/0/repository", "-x"),
    ("/upstreams/0/repository", "a\nb"),
    ("/environment/GIT_DIR", "x"),
    ("/environment/PATH", "x"),
    ("/environment/A-B", "x"),
    ("/environment/A=B", "x"),
    ("/variables/own", "a\0b"),
    ("/variables/A", "x"),
    ("/scanner/rules/0/id", "bottle-gate-canary"),
    ("/hosts", SSH["hosts"]),
    ("/clients", [KEY]),
]


class Descriptions(system_fixture.TestCase):
    def check(self, description):
        file = self.top / "gate.json"
        file.write_text(json.dumps(description), encoding="utf-8")
        return subprocess.run(
            [system_fixture.settings.tools / "bottle-gate", "check", file],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def test_tool_refuses_invalid_descriptions(self):
        for description in (GOOD, SSH, *(changed(GOOD, *change) for change in ALSO_GOOD)):
            self.assertEqual(self.check(description).returncode, 0, self.check(description).stdout)
        for place, value in BAD + BAD_FOR_THE_TOOL:
            with self.subTest(f"{place} = {str(value)[:40]}"):
                result = self.check(changed(GOOD, place, value))
                self.assertEqual(result.returncode, 1, result.stdout)
                # The pointer, or that of what holds it, and what was expected.
                pointer = result.stdout.split("#", 1)[1].split(": ", 1)[0]
                self.assertTrue(
                    place.startswith(pointer) or pointer.startswith(place), result.stdout
                )
                self.assertRegex(result.stdout, r"#.*: error: (expected|missing member)")
                self.assertNotIn("secret@", result.stdout)

    def test_schema_refuses_invalid_descriptions(self):
        try:
            import jsonschema  # pylint: disable=import-outside-toplevel
        except ImportError:
            raise unittest.SkipTest("needs python3-jsonschema, which is not installed") from None
        text = subprocess.run(
            [system_fixture.settings.tools / "bottle-gate", "schema"],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        schema = json.loads(text)
        self.assertEqual(
            schema,
            json.loads(
                (system_fixture.harness.SOURCE / "schema" / "gate.schema.json").read_text(
                    encoding="utf-8"
                )
            ),
        )
        jsonschema.Draft7Validator.check_schema(schema)
        reader = jsonschema.Draft7Validator(schema)
        for description in (
            GOOD,
            SSH,
            *(changed(GOOD, *change) for change in ALSO_GOOD + BAD_FOR_THE_TOOL),
        ):
            self.assertEqual([error.message for error in reader.iter_errors(description)], [])
        for place, value in BAD:
            # Python's $ fits before a last newline, which ECMAScript's, of which JSON Schema
            # speaks, does not.
            if not (isinstance(value, str) and value.endswith("\n")):
                self.assertTrue(
                    list(reader.iter_errors(changed(GOOD, place, value))), (place, value)
                )


if __name__ == "__main__":
    system_fixture.main()
