# SPDX-License-Identifier: Apache-2.0
"""Redirects, challenges and token services that misbehave: no credential reaches another server."""
import json
import pathlib

import system_fixture
from registry_fixture import PASSWORD, Scripted, auth_file
from registry_client_fixture import HostileCase


class HostileChallenges(HostileCase):
    def test_redirects_leak_no_credential(self):
        seen = []

        def elsewhere(request):
            seen.append(request.headers.get("Authorization"))
            self.image.serve(request)

        with Scripted(elsewhere) as other:

            def script(request):
                if not request.headers.get("Authorization"):
                    request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
                elif "/blobs/" in request.path:
                    request.answer(
                        307,
                        headers={"Location": f"http://{other.name}{request.path}?signature=abc"},
                    )
                else:
                    self.image.serve(request)

            with Scripted(script) as registry:
                auth = auth_file(self.top / "auth.json", registry.name)
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth)
        self.assertEqual(seen, [None, None])

    def test_challenge_after_a_redirect_gets_no_credential(self):
        seen = []

        def elsewhere(request):
            seen.append(request.headers.get("Authorization"))
            request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

        with Scripted(elsewhere) as other:

            def script(request):
                if not request.headers.get("Authorization"):
                    request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
                else:
                    request.answer(307, headers={"Location": f"http://{other.name}/"})

            with Scripted(script) as registry:
                auth = auth_file(self.top / "auth.json", registry.name)
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth, status=1)
        self.assertEqual(seen, [None])

    def test_invalid_redirects(self):
        for location in (
            "file:///etc/passwd",
            "ftp://h/x",
            "http://user:pw@127.0.0.1/",
            "http://h/\x01",
            "//",
            "javascript:x",
        ):
            with self.subTest(location=location):
                result = self.pull(
                    lambda request, location=location: request.answer(
                        307, headers={"Location": location}
                    )
                )
                self.assertNotIn(":pw@", result.stdout)
        self.assertIn(
            "more than 5 redirects",
            self.pull(
                lambda request: request.answer(307, headers={"Location": request.path})
            ).stdout,
        )

    def test_challenge_beside_an_invalid_one(self):
        """A header that is not a challenge does not hide another; each status of success of a token
        service is one."""
        with Scripted(lambda request: request.answer(201, b'{"token":"t1"}')) as tokens:
            bearer = f'Bearer realm="http://{tokens.name}/token",service="s"'
            for headers in (["Negotiate; x", bearer], [bearer, 'Digest "a']):
                with self.subTest(headers=headers):

                    def script(request, headers=tuple(headers)):
                        if request.headers.get("Authorization") == "Bearer t1":
                            return self.image.serve(request)
                        request.send_response(401)
                        for header in headers:
                            request.send_header("WWW-Authenticate", header)
                        request.send_header("Content-Length", "0")
                        request.end_headers()

                    with Scripted(script) as registry:
                        self.tool(
                            "pull",
                            f"{registry.name}/a:1",
                            "--store",
                            self.top / f"store {headers[0]}",
                        )

    def test_invalid_challenges(self):
        auth = self.top / "auth.json"
        for challenge in (
            "",
            "Bearer",
            'Bearer realm="',
            'Bearer realm="file:///etc/passwd"',
            'Bearer realm="x", realm="y"',
            "Digest realm=x",
            'Bearer realm="http://user:pw@h/"',
            "\x01",
        ):
            with self.subTest(challenge=challenge):

                def script(request, challenge=challenge):
                    request.answer(
                        401, headers={"WWW-Authenticate": challenge} if challenge else {}
                    )

                with Scripted(script) as registry:
                    auth_file(auth, registry.name)
                    result = self.tool(
                        "pull",
                        f"{registry.name}/a",
                        "--auth-file",
                        auth,
                        "--retries",
                        "0",
                        status=1,
                    )
                self.assert_fails(result, registry.name)
                self.assertNotIn(":pw@", result.stdout)

    def test_an_echoed_credential_is_not_shown(self):
        def script(request):
            if not request.headers.get("Authorization"):
                request.answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            else:
                request.answer(
                    403,
                    json.dumps(
                        {
                            "errors": [
                                {
                                    "code": "DENIED",
                                    "message": f"{request.headers['Authorization']} {PASSWORD}",
                                }
                            ]
                        }
                    ).encode(),
                )

        with Scripted(script) as registry:
            auth = auth_file(self.top / "auth.json", registry.name)
            secret = json.loads(pathlib.Path(auth).read_text(encoding="utf-8"))["auths"][
                registry.name
            ]["auth"]
            result = self.tool("pull", f"{registry.name}/a", "--auth-file", auth, status=1)
        self.assert_fails(result, r"DENIED: Basic \.\.\. \.\.\.")
        self.assertNotIn(secret, result.stdout)

    def test_tokens_are_fetched_used_and_renewed(self):
        issued = []

        def token_service(request):
            self.assertEqual(request.headers.get("Authorization", "")[:6], "Basic ")
            issued.append(request.path)
            request.answer(
                200, json.dumps({"token": f"t{len(issued)}", "expires_in": 300}).encode()
            )

        with Scripted(token_service) as tokens:

            def script(request):
                # The first token is taken back after the manifest.
                good = ("t1",) if "/manifests/" in request.path else ("t2",)
                if request.headers.get("Authorization", "").removeprefix("Bearer ") in good:
                    self.image.serve(request)
                else:
                    request.answer(
                        401,
                        headers={
                            "WWW-Authenticate": (
                                "Bearer"
                                f' realm="http://{tokens.name}/token",service="s",scope="repository:a:pull"'
                            )
                        },
                    )

            with Scripted(script) as registry:
                auth = auth_file(self.top / "auth.json", registry.name)
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth)
        self.assertEqual(issued, ["/token?service=s&scope=repository:a:pull"] * 2)

    def test_identity_tokens_are_exchanged(self):
        forms = []

        def token_service(request):
            forms.append((request.command, request.body().decode()))
            request.answer(200, b'{"access_token":"t1"}')

        with Scripted(token_service) as tokens:

            def script(request):
                if request.headers.get("Authorization") == "Bearer t1":
                    self.image.serve(request)
                else:
                    request.answer(
                        401,
                        headers={
                            "WWW-Authenticate": (
                                f'Bearer realm="http://{tokens.name}/token",service="s"'
                            )
                        },
                    )

            with Scripted(script) as registry:
                auth = self.top / "auth.json"
                auth.write_text(
                    json.dumps({"auths": {registry.name: {"identitytoken": "refresh me"}}}),
                    encoding="utf-8",
                )
                self.tool("pull", f"{registry.name}/a:1", "--auth-file", auth)
        self.assertEqual(
            forms,
            [
                (
                    "POST",
                    "grant_type=refresh_token&client_id=bottle&refresh_token=refresh%20me&service=s&scope=repository:a:pull",
                )
            ],
        )


if __name__ == "__main__":
    system_fixture.main()
