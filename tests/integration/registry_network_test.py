# SPDX-License-Identifier: Apache-2.0
"""What bottle-registry takes from its surroundings as Docker, Podman and containerd do: what a
registry has already, credentials, proxies, authorities, mirrors."""
import json
import pathlib
import urllib.parse

import images
import system_fixture
from registry_client_fixture import Case, Image
from registry_fixture import DockerRegistry, Scripted, auth_file
from server_fixture import RegistryServer, digest


class Mounts(Case):
    """A registry that has a base's layers gets nothing but what is new."""

    def setUp(self):
        super().setUp()
        self.registry = self.enterContext(DockerRegistry(self.top / "registry"))

    def child_of(self, reference, name="child", content="new\n"):
        build = self.new_build(
            {"Dockerfile": f"FROM {reference}\nCOPY file /\n", "file": content}, name=name
        )
        build.tools("bottle-lock", "update", "--context", build.source).check_returncode()
        build.image().check_returncode()
        return build

    def push_image(self, build, reference):
        return self.tool(
            "push", "--json", "--image", build.build, "--store", build.cache, reference
        )["pushes"][0]

    def test_layers_of_the_base_are_mounted(self):
        base = self.layout("base", layers=2, size=1_000_000)
        self.tool("push", "--layout", base.directory, f"{self.registry.name}/team/base:1")
        build = self.child_of(f"{self.registry.name}/team/base:1")
        pushed = self.push_image(build, f"{self.registry.name}/team/child:1")
        outcomes = [(blob["outcome"], blob.get("mountedFrom")) for blob in pushed["blobs"]]
        self.assertEqual(outcomes.count(("mounted", "team/base")), 2, outcomes)
        self.assertLess(pushed["bytesSent"], 5_000)  # a layer of one file, and the configuration
        self.skopeo(
            "copy",
            "--src-tls-verify=false",
            f"docker://{self.registry.name}/team/child:1",
            f"oci:{self.top / 'there'}:1",
        )
        self.assertEqual(len(images.read_image(self.top / "there")[0]["layers"]), 3)
        # Another registry has nothing to mount.
        with DockerRegistry(self.top / "other") as other:
            elsewhere = self.push_image(build, f"{other.name}/team/child:1")
            self.assertEqual({blob["outcome"] for blob in elsewhere["blobs"]}, {"uploaded"})
            # What was pushed there can be mounted there from then on.
            again = self.push_image(build, f"{other.name}/copy:1")
            self.assertEqual([blob["outcome"] for blob in again["blobs"]].count("mounted"), 3)

    def test_token_service_that_refuses_the_second_scope(self):
        for status in (400, 401, 403, 404, 500, "no token"):
            with self.subTest(status=status):
                layout = self.layout(f"layout {status}", layers=2, size=1000)
                asked, uploads = [], {}

                def token_service(request, status=status, asked=asked):
                    scopes = urllib.parse.parse_qs(request.path.partition("?")[2]).get("scope", [])
                    asked.append(scopes)
                    if len(scopes) == 1:
                        request.answer(200, json.dumps({"token": scopes[0]}).encode())
                    elif status == "no token":
                        request.answer(200, b"{}")
                    else:
                        request.answer(status)

                with Scripted(token_service) as tokens:

                    def script(request, tokens=tokens, uploads=uploads):
                        request_body = request.body()
                        reads = request.command in ("GET", "HEAD")
                        if request.headers.get("Authorization") not in (
                            ("Bearer repository:a:pull",)
                            if reads
                            else ("Bearer repository:a:pull,push",)
                        ):
                            request.answer(
                                401,
                                headers={
                                    "WWW-Authenticate": (
                                        f'Bearer realm="http://{tokens.name}/token",service="s"'
                                    )
                                },
                            )
                        elif reads:
                            request.answer(404)
                        elif request.command == "POST":
                            request.answer(202, headers={"Location": f"/upload/{len(uploads)}"})
                            uploads[request.path] = uploads.get(request.path, 0) + 1
                        else:
                            uploads[request.path.partition("?")[0]] = request_body
                            request.answer(201)

                    with Scripted(script) as registry:
                        pushed = self.tool(
                            "push",
                            "--json",
                            "--layout",
                            layout.directory,
                            f"{registry.name}/a:1",
                            "--mount-from",
                            "base",
                            "--retries",
                            "0",
                            "--threads",
                            "1",
                        )["pushes"][0]
                self.assertEqual({blob["outcome"] for blob in pushed["blobs"]}, {"uploaded"})
                self.assertEqual(
                    sum(1 for scopes in asked if len(scopes) > 1), 1, "the refusal is remembered"
                )


class CredentialFiles(Case):
    """Each place where Podman, Skopeo and Docker keep credentials."""

    def authorized(self, **environment):
        """Where the credentials came from that the registry accepts."""
        probe = self.tool("probe", "--json", self.registry.name, environment=environment)
        return probe["credentials"] if probe["authorized"] else None

    def write(self, path, *arguments, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(auth_file(path, *arguments, **options))

    def test_files_are_read_in_order(self):
        self.registry = self.enterContext(DockerRegistry(self.top / "registry", password=True))
        self.assertIsNone(self.authorized())
        run, config = self.top / "run", self.top / "config"
        places = [
            self.write(self.top / ".docker/config.json", self.registry.name),
            self.write(self.top / ".config/containers/auth.json", self.registry.name),
            self.write(run / "containers/auth.json", self.registry.name),
            self.write(self.top / "chosen.json", self.registry.name),
        ]
        environment = {"XDG_RUNTIME_DIR": str(run), "REGISTRY_AUTH_FILE": places[3]}
        self.assertEqual(self.authorized(**environment), places[3])
        # A place without an entry leaves it to the next: missing, empty, for another registry.
        for number, spoil in (
            (3, lambda path: path.unlink()),
            (2, lambda path: path.write_text("")),
            (1, lambda path: auth_file(path, "other.example")),
        ):
            spoil(pathlib.Path(places[number]))
            self.assertEqual(self.authorized(**environment), places[number - 1])
        content = pathlib.Path(places[0]).read_text(encoding="utf-8")
        pathlib.Path(places[0]).write_text("{}")
        self.assertIsNone(self.authorized(**environment))
        self.assertEqual(self.authorized(DOCKER_AUTH_CONFIG=content), "$DOCKER_AUTH_CONFIG")
        (self.top / ".dockercfg").write_text(json.dumps(json.loads(content)["auths"]))
        self.assertEqual(self.authorized(), str(self.top / ".dockercfg"))
        self.assertEqual(self.authorized(XDG_CONFIG_HOME=str(config)), str(self.top / ".dockercfg"))
        place = self.write(config / "containers/auth.json", self.registry.name)
        self.assertEqual(self.authorized(XDG_CONFIG_HOME=str(config)), place)


class Network(Case):
    """Proxies, authorities, mirrors."""

    def setUp(self):
        super().setUp()
        self.image = Image()
        self.environment["BOTTLE_CACHE_DIR"] = str(self.store)

    def pull(self, reference, *arguments, environment=None, status=0):
        """Into an empty store."""
        self.pulls = getattr(self, "pulls", 0) + 1
        return self.tool(
            "pull",
            reference,
            "--store",
            self.top / f"store{self.pulls}",
            "--retries",
            "0",
            *arguments,
            environment=environment,
            status=status,
        )

    def configure(self, text, name="registries.conf"):
        file = self.top / ".config/containers" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def test_upper_case_proxy_variables(self):
        def script(request):
            self.assertTrue(request.path.startswith("http://r.example/v2/"), request.path)
            self.image.serve(request)

        with Scripted(script) as proxy:
            for name in ("HTTP_PROXY", "http_proxy"):
                self.pull("r.example/a:1", "--plain-http", environment={name: proxy.name})
            before = len(proxy.requests)
            # Not through the proxy: there is no such host.
            for excluded in (
                "r.example",
                ".example",
                "*.example",
                "r.example:80",
                "*",
                "192.0.2.1, r.example",
            ):
                self.pull(
                    "r.example/a:1",
                    "--plain-http",
                    environment={"HTTP_PROXY": proxy.name, "NO_PROXY": excluded},
                    status=1,
                )
            self.assertEqual(len(proxy.requests), before)
            self.pull(
                "r.example/a:1",
                "--plain-http",
                environment={
                    "HTTP_PROXY": proxy.name,
                    "NO_PROXY": ".r.example,r.example:81,10.0.0.0/8",
                },
            )

    def test_list_options_do_not_take_the_reference(self):
        with Scripted(self.image.serve) as registry:
            self.tool("pull", "--certs", self.top, f"{registry.name}/a:1", "--retries", "0")
            self.tool(
                "pull", "--certs", self.top, "--certs", self.top / "x", f"{registry.name}/a:1"
            )

    def test_mirrors_of_registries_conf(self):
        with (
            Scripted(self.image.serve) as mirror,
            Scripted(lambda request: request.answer(404)) as empty,
        ):
            self.configure(
                f"""
                [[registry]]
                prefix = "r.example/team"
                location = "unreachable.example/x"
                [[registry.mirror]]
                location = "127.0.0.1:1/down"
                [[registry.mirror]]
                location = "{empty.name}/without"
                [[registry.mirror]]
                location = "{mirror.name}/mirrored"
                insecure = true
                """
            )
            self.pull("r.example/team/app:1")
            self.assertEqual(
                {path.rpartition("/")[0] for _, path, _ in mirror.requests},
                {"/v2/mirrored/app/manifests", "/v2/mirrored/app/blobs"},
            )
            self.assertEqual(empty.count("GET", "/v2/without/app/"), 3)
            self.configure("[[registry]]\nlocation = 'r.example'\nblocked = true\n")
            self.assert_fails(
                self.pull("r.example/team/app:1", status=1), "blocked", "registries.conf"
            )
            self.configure("[[registry]\n")
            self.assert_fails(self.pull("r.example/team/app:1", status=1), r"registries.conf:1:\d+")

    def test_push_ignores_mirrors(self):
        registry = self.enterContext(DockerRegistry(self.top / "registry"))
        layout = self.layout(layers=1, size=1000)
        with Scripted(self.image.serve) as mirror:
            self.configure(
                f"[[registry]]\nlocation = '{registry.name}'\n[[registry.mirror]]\nlocation ="
                f" '{mirror.name}'\n"
            )
            self.tool("push", "--layout", layout.directory, f"{registry.name}/a:1", "--index")
            self.assertEqual(mirror.requests, [])

    def test_hosts_toml(self):
        with Scripted(self.image.serve) as mirror:
            directory = self.top / "certs.d" / "r.example"
            directory.mkdir(parents=True)
            (directory / "hosts.toml").write_text(
                f"""
                server = "http://127.0.0.1:1"
                [host."http://127.0.0.1:1"]
                [host."http://{mirror.name}/cache"]
                  capabilities = ["pull", "resolve"]
                  [host."http://{mirror.name}/cache".header]
                    X-Team = "blue"
                """,
                encoding="utf-8",
            )
            self.pull("r.example/a:1", "--certs", self.top / "certs.d")
            self.assertEqual(
                {
                    (path.partition("/a/")[0], headers.get("x-team"))
                    for _, path, headers in mirror.requests
                },
                {("/cache/v2", "blue")},
            )
            self.assertEqual(
                {path.rpartition("?")[2] for _, path, _ in mirror.requests},
                {"ns=r.example"},
                "which registry is meant",
            )

    def test_sha512_references(self):
        server = RegistryServer("--root", self.top / "root")
        self.addCleanup(server.stop)
        layout = self.layout(layers=1, size=1000)
        text = layout.directory.joinpath(
            "blobs/sha256", self.manifest_digest(layout.directory).partition(":")[2]
        ).read_bytes()
        good = digest(text, "sha512")
        self.tool("push", "--layout", layout.directory, f"{server.address}/a@{good}")
        pulled = self.tool(
            "pull", "--json", f"{server.address}/a@{good}", "--layout", self.top / "there"
        )
        self.assertEqual(pulled["digest"], digest(text))
        self.assertEqual(
            self.tool("inspect", "--raw", f"{server.address}/a@{good}").stdout.encode(), text
        )
        bad = digest(b"x", "sha512")
        self.assert_fails(
            self.tool("push", "--layout", layout.directory, f"{server.address}/a@{bad}", status=1),
            "the content has sha512:",
        )
        with Scripted(self.image.serve) as registry:
            self.assert_fails(
                self.pull(f"{registry.name}/a@{bad}", status=1),
                "does not match its digest: expected sha512:",
            )

    def test_sha512_of_blobs_is_refused(self):
        text = json.loads(self.image.manifest)
        text["layers"][0]["digest"] = digest(self.image.layer, "sha512")
        self.image.manifest = json.dumps(text).encode()
        with Scripted(self.image.serve) as registry:
            self.assert_fails(self.pull(f"{registry.name}/a:1", status=1), "sha512:")


if __name__ == "__main__":
    system_fixture.main()
