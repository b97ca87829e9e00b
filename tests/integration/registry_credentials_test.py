# SPDX-License-Identifier: Apache-2.0
"""bottle-registry and registries that require credentials or TLS."""
import json
import os
import pathlib
import shutil
import ssl
import subprocess

import system_fixture
from registry_fixture import PASSWORD, USER, DockerRegistry, Scripted, auth_file
from registry_client_fixture import Case, Image


class Credentials(Case):
    def setUp(self):
        super().setUp()
        self.registry = self.enterContext(DockerRegistry(self.top / "registry", password=True))
        self.name = f"{self.registry.name}/secret/image:1"
        self.image = self.layout(layers=1, size=1000)
        self.auth = auth_file(self.top / "config.json", self.registry.name)

    def test_missing_credentials(self):
        self.assert_fails(
            self.tool("push", "--layout", self.image.directory, self.name, status=None),
            "answered 401",
            "docker login",
        )
        probe = self.tool("probe", "--json", self.registry.name)
        self.assertEqual(
            (probe["answers"], probe["authentication"], probe["authorized"]), (True, "Basic", False)
        )

    def test_sources_of_credentials(self):
        docker = self.top / "docker"
        docker.mkdir()
        auth_file(docker / "config.json", f"http://{self.registry.name}")
        helper = self.top / "bin" / "docker-credential-fake"
        helper.parent.mkdir()
        helper.write_text(
            (
                "#!/bin/sh\nread server\necho careful >&2\necho"
                f' \'{{"Username":"{USER}","Secret":"{PASSWORD}"}}\'\n'
            ),
            encoding="utf-8",
        )
        helper.chmod(0o755)
        (self.top / "helper.json").write_text(
            json.dumps({"credHelpers": {self.registry.name: "fake"}}), encoding="utf-8"
        )
        ways = [
            (["--auth-file", self.auth], {}),
            ([], {"REGISTRY_AUTH_FILE": str(self.auth)}),
            ([], {"DOCKER_CONFIG": str(docker)}),
            (
                ["--auth-file", self.top / "helper.json"],
                {"PATH": f"{helper.parent}:{os.environ['PATH']}"},
            ),
        ]
        for number, (arguments, environment) in enumerate(ways):
            with self.subTest(arguments=arguments, environment=environment):
                self.tool(
                    "push",
                    "--layout",
                    self.image.directory,
                    f"{self.registry.name}/secret/{number}",
                    *arguments,
                    environment=environment,
                )
                self.tool(
                    "pull",
                    f"{self.registry.name}/secret/{number}",
                    "--store",
                    self.top / f"store{number}",
                    *arguments,
                    environment=environment,
                )
        probe = self.tool("probe", "--json", self.registry.name, "--auth-file", self.auth)
        self.assertEqual((probe["authorized"], probe["credentials"]), (True, str(self.auth)))

    def test_wrong_password(self):
        auth_file(self.top / "wrong.json", self.registry.name, password="wr0ng-" + PASSWORD[:3])
        result = self.tool(
            "push",
            "--layout",
            self.image.directory,
            self.name,
            "--auth-file",
            self.top / "wrong.json",
            status=None,
        )
        self.assert_fails(result, "401", "docker login")
        self.assertNotIn("wr0ng", result.stdout)

    def test_credentials_are_not_stored(self):
        self.tool("push", "--layout", self.image.directory, self.name, "--auth-file", self.auth)
        self.tool("pull", self.name, "--auth-file", self.auth)
        secrets = [
            PASSWORD.encode(),
            json.loads(pathlib.Path(self.auth).read_text(encoding="utf-8"))["auths"][
                self.registry.name
            ]["auth"].encode(),
        ]
        for path in self.store.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                self.assertFalse(any(secret in data for secret in secrets), path)


class Encrypted(Case):
    """TLS with certificates where Docker has them."""

    def setUp(self):
        super().setUp()
        system_fixture.need("openssl")
        self.image = Image()
        for name, subject in (("server", "/CN=127.0.0.1"), ("client", "/CN=somebody")):
            subprocess.run(
                [
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    subject,
                    "-addext",
                    "subjectAltName=IP:127.0.0.1",
                    "-keyout",
                    self.top / f"{name}.key",
                    "-out",
                    self.top / f"{name}.crt",
                ],
                check=True,
                capture_output=True,
            )

    def serve(self, script, client_certificates=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.top / "server.crt", self.top / "server.key")
        if client_certificates:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.top / "client.crt")
        registry = self.enterContext(Scripted(script, context))
        self.certificates = self.top / "certs.d" / registry.name
        self.certificates.mkdir(parents=True)
        return registry

    def trust(self):
        shutil.copy(self.top / "server.crt", self.certificates / "ca.crt")

    def pull(self, registry, *arguments, status=0):
        return self.tool(
            "pull",
            f"{registry.name}/a:1",
            "--certs",
            self.top / "certs.d",
            "--retries",
            "0",
            *arguments,
            status=status,
        )

    def test_certificate_authorities(self):
        registry = self.serve(self.image.serve)
        self.assert_fails(
            self.pull(registry, status=1), f"https://{registry.name}/", "certificate", "certs.d"
        )
        self.nothing_entered()
        self.trust()
        self.pull(registry)

    def test_client_certificates(self):
        registry = self.serve(self.image.serve, client_certificates=True)
        self.trust()
        self.assert_fails(self.pull(registry, status=1), "failed")
        shutil.copy(self.top / "client.crt", self.certificates / "client.cert")
        self.assert_fails(self.pull(registry, status=1), "has no key")
        shutil.copy(self.top / "client.key", self.certificates / "client.key")
        self.pull(registry)

    def test_credentials_are_not_sent_without_tls(self):
        seen = []

        def plain(request):
            seen.append(request.headers.get("Authorization"))
            request.answer(200, b'{"token":"t"}')

        with Scripted(plain) as other:
            for status, headers in (
                (401, {"WWW-Authenticate": f'Bearer realm="http://{other.name}/token"'}),
                (307, {"Location": f"http://{other.name}/elsewhere"}),
            ):
                registry = self.serve(
                    lambda request, status=status, headers=headers: request.answer(
                        status, headers=headers
                    )
                )
                self.trust()
                auth = auth_file(self.top / "auth.json", registry.name)
                self.assert_fails(
                    self.pull(registry, "--auth-file", auth, status=1),
                    "unencrypted connection|from https to http",
                )
        self.assertEqual(seen, [])

    def test_plain_http_on_a_tls_port(self):
        with Scripted(self.image.serve) as registry:
            self.assert_fails(
                self.tool("pull", f"{registry.name}/a", "--tls", "--retries", "0", status=1),
                "--plain-http",
            )

    def test_certificate_authorities_of_the_environment(self):
        registry = self.serve(self.image.serve)
        self.assert_fails(self.pull(registry, status=1), "certificate")
        file, directory = self.top / "server.crt", self.top / "authorities"
        directory.mkdir()
        (directory / "readme.txt").write_text("no certificate")
        (directory / "authority.pem").write_bytes(b"# comment\n" + file.read_bytes())
        for environment in (
            {"SSL_CERT_FILE": str(file)},
            {"SSL_CERT_DIR": str(directory)},
            {"SSL_CERT_DIR": f"/nowhere:{directory}"},
            {"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": "/nowhere"},
        ):
            with self.subTest(environment):
                self.tool(
                    "pull",
                    f"{registry.name}/a:1",
                    "--certs",
                    self.top / "certs.d",
                    "--retries",
                    "0",
                    environment=environment,
                )
        result = self.tool(
            "pull",
            f"{registry.name}/a:1",
            "--certs",
            self.top / "certs.d",
            "--store",
            self.top / "s",
            "--retries",
            "0",
            environment={"SSL_CERT_FILE": "/nowhere"},
            status=1,
        )
        self.assert_fails(result, "SSL_CERT_FILE")

    def test_insecure_registries(self):
        registry = self.serve(self.image.serve)
        configuration = self.top / "chosen.conf"
        configuration.write_text(
            f"[[registry]]\nlocation = '{registry.name}'\ninsecure = true\n", encoding="utf-8"
        )
        self.assert_fails(self.pull(registry, status=1), "certificate")
        self.tool(
            "pull",
            f"{registry.name}/a:1",
            "--certs",
            self.top / "certs.d",
            "--retries",
            "0",
            environment={"CONTAINERS_REGISTRIES_CONF": str(configuration)},
        )

    def test_skip_verify_of_hosts_toml(self):
        registry = self.serve(self.image.serve)
        directory = self.top / "certs.d" / "r.example"
        directory.mkdir()
        (directory / "hosts.toml").write_text(
            f"[host.'https://{registry.name}']\nskip_verify = true\n", encoding="utf-8"
        )
        self.tool("pull", "r.example/a:1", "--certs", self.top / "certs.d", "--retries", "0")
        (directory / "hosts.toml").write_text(
            f"server = 'https://{registry.name}'\nca = '../../server.crt'\n", encoding="utf-8"
        )
        self.tool(
            "pull",
            "r.example/a:1",
            "--certs",
            self.top / "certs.d",
            "--retries",
            "0",
            "--store",
            self.top / "s2",
        )


if __name__ == "__main__":
    system_fixture.main()
