"""What gate descriptions may say, judged by bottle-gate and by an independent reader of the schema;
hostile values in every field, shown inert by running the scripts; and the ssh-gate, run as a plain
process."""
import copy
import json
import os
import pwd
import shutil
import socketserver
import subprocess
import threading
import tomllib
import unittest
import urllib.parse

import gate_fixture
import system_fixture
from gate_fixture import Process, clean_environment, ssh_keygen, wait_until
from system_fixture import free_port, listens

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9ks7jkua5YWIwByRnnnc6UPJQWI75O0e/UJdPYU1JI"
GOOD = {
    "schema": 1,
    "kind": "git-gate",
    "listen": {"address": "0.0.0.0", "port": 9418},
    "hashKnownHosts": True,
    "upstreams": [
        {
            "name": "one",
            "host": "example.com",
            "port": 22,
            "user": "git",
            "repository": "/team/x.git",
            "identity": {"file": "~/.ssh/id"},
            "knownHostKey": [KEY],
            "refs": ["refs/heads/agent/*"],
            "allowForce": True,
            "allowDelete": False,
            "maxBlobBytes": 1,
            "maxPushBytes": 1,
            "maxRefs": 1,
        },
        {
            "name": "two",
            "url": "git@example.com:x",
            "identity": {"secret": "KEY"},
            "knownHostKey": KEY,
        },
    ],
    "scanner": {
        "useDefault": True,
        "timeout": 5,
        "allow": ["x"],
        "rules": [
            {
                "id": "a",
                "description": "b",
                "regex": "c",
                "secretGroup": 1,
                "entropy": 2.5,
                "keywords": ["d"],
            }
        ],
    },
    "environment": {"HTTP_PROXY": "http://proxy"},
    "variables": {"own": "value"},
}
SSH = {
    "schema": 1,
    "kind": "ssh-gate",
    "clients": [KEY],
    "hosts": [{"name": "db", "host": "db.example.com", "port": 5432}],
}

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


def changed(description, place, value):
    result = copy.deepcopy(description)
    *path, last = place[1:].split("/")
    inner = result
    for word in path:
        inner = inner[int(word)] if isinstance(inner, list) else inner[word]
    inner[int(last) if isinstance(inner, list) else last] = value
    return result


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


HOSTILE = [
    "'",
    '"',
    "`touch ran`",
    "$(touch ran)",
    ";touch ran;",
    "a\nb",
    "\n",
    "'\ntouch ran\n'",
    "-rf",
    "--",
    "\\",
    "\\'",
    "'\\''",
    "${HOME}",
    "a b  c\t",
    "*",
    "~",
    "#x",
    "!x",
    "&touch ran&",
    "|touch ran",
    ">ran",
    "ünïcödé \U0001f512",
    "{{slug}}",
    "{{{slug}}}",
    "}}{{/hosts}}",
    "%s%n",
    "\x01\x7f\r",
    "x" * 10240,
    "'" * 5000,
    "",
]


class Rendering(system_fixture.TestCase):
    """Values that may be any text are words of a script whatever they hold."""

    def render(self, description, templates, expect=0):
        config = self.top / "gate.json"
        config.write_text(json.dumps(description), encoding="utf-8")
        result = subprocess.run(
            [
                system_fixture.settings.tools / "bottle-gate",
                "render",
                "--quiet",
                "--config",
                config,
                "--templates",
                templates,
                "--out",
                self.top / "out",
                "--slug",
                "slug",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.assertEqual(result.returncode, expect, result.stdout)
        return result.stdout

    def run_script(self, text):
        directory = self.top / "here"
        directory.mkdir(exist_ok=True)
        result = subprocess.run(
            ["sh", "-c", text, "sh", self.top / "out"],
            cwd=directory,
            stdout=subprocess.PIPE,
            check=True,
            env=clean_environment(LC_ALL="C"),
        )
        self.assertEqual(list(directory.iterdir()), [])
        return result.stdout.decode()

    def test_variables_are_rendered(self):
        templates = self.top / "templates"
        templates.mkdir()
        names = [f"own_{number}" for number in range(len(HOSTILE))]
        (templates / "show.mustache").write_text(
            "#!/bin/sh\nshow() {\n  printf '%s\\036' \"$@\"\n}\n"
            + "".join(
                f'value={{{{{name}}}}}\nshow {{{{{name}}}}} {{{{{name}}}}} x\nshow "$value"\n'
                for name in names
            )
            + "{{#hosts}}\nshow {{host}} {{port}}\n{{/hosts}}\n{{#clients}}\nshow"
            " {{key}}\n{{/clients}}\n",
            encoding="utf-8",
        )
        self.render({**SSH, "variables": dict(zip(names, HOSTILE))}, templates)
        said = self.run_script('"$1/show"').split("\x1e")
        self.assertEqual(
            said,
            [text for value in HOSTILE for text in (value, value, "x", value)]
            + ["db.example.com", "5432", KEY, ""],
        )

    def test_hostile_fields_are_quoted(self):
        templates = gate_fixture.TEMPLATES / "git-gate"
        upstreams, good = [], []
        for number, value in enumerate(HOSTILE):
            upstream = {
                **GOOD["upstreams"][0],
                "name": f"u{number}",
                "repository": "x" + value[:500],
            }
            if any(ord(c) < 32 or ord(c) == 127 for c in value[:500]):
                said = self.render(
                    {**GOOD, "variables": {}, "upstreams": [upstream]}, templates, expect=1
                )
                self.assertIn(
                    (
                        "#/upstreams/0/repository: error: expected the path of a repository, found"
                        " a control character"
                    ),
                    said,
                )
            else:
                upstreams.append(upstream)
                good.append(value[:500])
        rules = [
            {"id": f"r{number}", "regex": "x" + value[:500], "keywords": ["y" + value[:100]]}
            for number, value in enumerate(HOSTILE)
        ]
        self.render(
            {
                **GOOD,
                "variables": {},
                "upstreams": upstreams,
                "scanner": {"rules": rules},
                "environment": {f"X_{number}": value for number, value in enumerate(HOSTILE)},
            },
            templates,
        )
        said = self.run_script(
            'GATE_ETC=$1; . "$1/common.sh"; for name in '
            + " ".join(upstream["name"] for upstream in upstreams)
            + '; do use_upstream "$name"; printf \'%s\\036\' "$upstream_url"; done; printf'
            " '%s\\036' " + " ".join(f'"$X_{number}"' for number in range(len(HOSTILE)))
        ).split("\x1e")
        for url, value in zip(said, good):
            self.assertRegex(url, r"^ssh://git@example.com:22/~/x[A-Za-z0-9._~%/+-]*$")
            self.assertEqual(urllib.parse.unquote(url.split("/~/x", 1)[1]), value)
        self.assertEqual(said[len(good) :], [*HOSTILE, ""])
        # Rules of the scanner are TOML, which Python reads as well.
        read = tomllib.loads((self.top / "out" / "gitleaks.toml").read_bytes().decode())["rules"]
        self.assertEqual(read[1:], [{**rule, "description": rule["id"]} for rule in rules])

    def test_every_restricted_field_is_refused_with_its_pointer(self):
        fields = [
            "/listen/address",
            "/upstreams/0/name",
            "/upstreams/0/host",
            "/upstreams/0/user",
            "/upstreams/0/refs/0",
            "/upstreams/1/url",
            "/upstreams/1/identity/secret",
            "/upstreams/0/knownHostKey/0",
            "/scanner/rules/0/id",
        ]
        for field in fields:
            for value in HOSTILE:
                with self.subTest(f"{field} {value[:20]}"):
                    said = self.render(
                        changed(GOOD, field, value), gate_fixture.TEMPLATES / "git-gate", expect=1
                    )
                    self.assertIn(f"#{field}: error: expected", said)

    def test_rendering_is_reproducible(self):
        templates = gate_fixture.TEMPLATES / "git-gate"
        description = {**GOOD, "variables": {}}
        self.render(description, templates)
        first = {
            file.name: (file.read_bytes(), file.stat().st_mode, file.stat().st_mtime_ns)
            for file in (self.top / "out").iterdir()
        }
        self.render(description, templates)
        self.assertEqual(
            {
                file.name: (file.read_bytes(), file.stat().st_mode, file.stat().st_mtime_ns)
                for file in (self.top / "out").iterdir()
            },
            first,
        )
        shutil.rmtree(self.top / "out")
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        self.render(description, templates)
        self.assertEqual(
            {
                file.name: (file.read_bytes(), file.stat().st_mode)
                for file in (self.top / "out").iterdir()
            },
            {name: facts[:2] for name, facts in first.items()},
        )


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"hello\n")


class SshGate(system_fixture.TestCase):
    """Forwards to the named host and port, and does nothing else."""

    def setUp(self):
        super().setUp()
        system_fixture.need("sshd", "ssh", "ssh-keygen")
        self.servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) for _ in range(2)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
        self.allowed, self.other = (server.server_address[1] for server in self.servers)
        self.port = free_port()
        public = ssh_keygen(self.top / "client")
        ssh_keygen(self.top / "stranger")
        (self.top / "gate.json").write_text(
            json.dumps(
                {
                    "schema": 1,
                    "kind": "ssh-gate",
                    "listen": {"address": "127.0.0.1", "port": self.port},
                    "clients": [public],
                    "hosts": [
                        {
                            "name": "echo",
                            "host": "127.0.0.1",
                            "port": self.allowed,
                            "knownHostKey": KEY,
                        }
                    ],
                }
            ),
            encoding="utf-8",
        )
        subprocess.run(
            [
                system_fixture.settings.tools / "bottle-gate",
                "render",
                "--quiet",
                "--config",
                self.top / "gate.json",
                "--templates",
                gate_fixture.TEMPLATES / "ssh-gate",
                "--out",
                self.top / "etc",
            ],
            check=True,
        )
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.gate = Process(
            [self.top / "etc" / "entrypoint.sh"],
            self.top / "log",
            env=clean_environment(GATE_ROOT=str(self.top / "root"), GATE_USER=self.user),
        )
        self.addCleanup(self.gate.stop)
        wait_until(
            lambda: listens(self.port),
            f"the gate does not answer\n{self.gate.text()}",
            self.gate.process,
        )
        key = (self.top / "root" / "host_key.public").read_text(encoding="utf-8")
        (self.top / "known").write_text(f"[127.0.0.1]:{self.port} {key}", encoding="utf-8")

    def ssh(self, *arguments, identity="client"):
        return subprocess.run(
            [
                "ssh",
                "-F",
                "/dev/null",
                "-p",
                str(self.port),
                "-i",
                self.top / identity,
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "BatchMode=yes",
                "-o",
                f"UserKnownHostsFile=\"{self.top / 'known'}\"",
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "ExitOnForwardFailure=yes",
                "-l",
                self.user,
                *map(str, arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
            env=clean_environment(),
        )

    def test_only_named_hosts_are_reachable(self):
        self.assertEqual(self.ssh("-W", f"127.0.0.1:{self.allowed}", "127.0.0.1").stdout, "hello\n")
        self.assertEqual(
            (self.top / "etc" / "known_hosts").read_text(encoding="utf-8"),
            f"[127.0.0.1]:{self.allowed} {KEY}\n",
        )
        for arguments, said in (
            (("-W", f"127.0.0.1:{self.other}"), "administratively prohibited"),
            (("-W", f"localhost:{self.allowed}"), "administratively prohibited"),
            (("-N", "-R", "127.0.0.1:0:127.0.0.1:1"), "remote port forwarding failed|failed"),
            (("-N", "-w", "any:any"), "(?i)tunnel"),
        ):
            with self.subTest(arguments):
                result = self.ssh(*arguments, "127.0.0.1")
                self.assertNotEqual(result.returncode, 0)
                self.assertRegex(result.stdout, said)
                self.assertNotIn("hello", result.stdout)

    def test_commands_and_unknown_clients_are_refused(self):
        for command in (
            ("127.0.0.1", "touch", "ran"),
            ("-s", "127.0.0.1", "sftp"),
            ("-tt", "127.0.0.1"),
        ):
            result = self.ssh(*command)
            self.assertNotEqual(result.returncode, 0)
            self.assertRegex(
                result.stdout, "session open failed|open failed|administratively|refused|closed"
            )
        self.assertEqual(list(self.top.rglob("ran")), [])
        self.assertRegex(
            self.ssh("-W", f"127.0.0.1:{self.allowed}", "127.0.0.1", identity="stranger").stdout,
            "Permission denied",
        )


if __name__ == "__main__":
    system_fixture.main()
