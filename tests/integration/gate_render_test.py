# SPDX-License-Identifier: Apache-2.0
"""Rendered gates: hostile values in every field, and an ssh-gate in use."""
import json
import os
import pwd
import shutil
import socketserver
import subprocess
import threading
import tomllib
import urllib.parse

import gate_fixture
import system_fixture
from gate_fixture import Process, clean_environment, ssh_keygen, wait_until
from system_fixture import free_port, listens
from gate_descriptions_fixture import GOOD, KEY, SSH, changed


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
