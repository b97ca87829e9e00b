#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`bottle-registry serve` and the OCI distribution specification: manifests, tags, referrers."""
import hashlib
import json

import system_fixture
import server_fixture
from server_fixture import EMPTY, INDEX, MANIFEST, UNKNOWN, digest


class Manifests(server_fixture.TestCase):
    def test_exact_bytes_and_headers(self):
        text = (
            b'{ "schemaVersion": 2,\n "mediaType":"'
            + MANIFEST.encode()
            + b'", "layers": [], "config": {}, "unknown": [1.50] }'
        )
        for reference in ("tag", digest(text)):
            answer = self.server.push_manifest("a", reference, text)
            self.assertEqual(answer.headers["Docker-Content-Digest"], digest(text))
            self.assertEqual(self.request("GET", answer.headers["Location"]).body, text)
            self.assertNotIn("OCI-Subject", answer.headers)

    def test_media_types(self):
        docker = "application/vnd.docker.distribution.manifest.v2+json"
        self.server.push_manifest(
            "a", "docker", {"schemaVersion": 2, "mediaType": docker, "config": {}, "layers": []}
        )
        self.server.push_manifest(
            "a", "silent", {"schemaVersion": 2, "config": {}, "layers": [1]}, MANIFEST
        )
        self.server.push_manifest(
            "a",
            "parameters",
            {"schemaVersion": 2, "config": {}, "layers": [2]},
            MANIFEST + "; charset=utf-8",
        )
        self.server.push_manifest(
            "a", "list", {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        )
        for tag, expected in (
            ("docker", docker),
            ("silent", MANIFEST),
            ("parameters", MANIFEST),
            ("list", INDEX),
        ):
            self.assertEqual(
                self.request("HEAD", f"/v2/a/manifests/{tag}").headers["Content-Type"], expected
            )
        lie = self.request(
            "PUT",
            "/v2/a/manifests/lie",
            json.dumps({"mediaType": INDEX, "manifests": []}).encode(),
            {"Content-Type": MANIFEST},
        )
        self.assert_status(lie, 400, "MANIFEST_INVALID")

    def test_invalid_manifests(self):
        good = b'{"config":{},"layers":[]}'
        self.assert_status(
            self.request("PUT", f"/v2/a/manifests/{UNKNOWN}", good), 400, "DIGEST_INVALID"
        )
        self.assert_status(
            self.request("PUT", "/v2/a/manifests/sha256:baddigeststring", good),
            400,
            "DIGEST_INVALID",
        )
        self.assert_status(
            self.request("PUT", "/v2/a/manifests/.tag", good), 400, "MANIFEST_INVALID"
        )
        self.assert_status(
            self.request("PUT", "/v2/a/manifests/" + "t" * 129, good), 400, "MANIFEST_INVALID"
        )
        for bad in (
            b"",
            b"no JSON",
            b"[]",
            b"{}",
            b'{"layers":1}',
            b'"text"',
            b"{" * 100,
            b'{"layers":[' + b"[" * 100 + b"]" * 100 + b"]}",
            b'{"layers":[],"subject":{"digest":"sha256:bad"}}',
            b'{"config":{},"layers":[]} trailing',
        ):
            self.assert_status(
                self.request("PUT", "/v2/a/manifests/tag", bad), 400, "MANIFEST_INVALID"
            )
        self.assertEqual(self.request("GET", "/v2/a/tags/list").json()["tags"], [])

    def test_large_manifests(self):
        def manifest(size):
            text = b'{"config":{},"layers":[],"x":"'
            return text + b"x" * (size - len(text) - 2) + b'"}'

        self.assertEqual(
            self.request("PUT", "/v2/a/manifests/large", manifest(4 << 20)).status, 201
        )
        too_large = manifest((4 << 20) + 1)
        self.assert_status(
            self.request("PUT", "/v2/a/manifests/larger", too_large), 413, "MANIFEST_INVALID"
        )
        connection = self.server.connect()
        connection.request(
            "PUT",
            "/v2/a/manifests/larger",
            iter([too_large]),
            {"Transfer-Encoding": "chunked"},
            encode_chunked=True,
        )
        self.assertEqual(connection.getresponse().status, 413)
        connection.close()

    def test_missing_references_are_accepted(self):
        """Layers kept elsewhere, and images of platforms that were not copied."""
        layer = {
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "digest": UNKNOWN,
            "size": 1,
            "urls": ["https://example.com/layer"],
        }
        self.server.push_manifest("a", "elsewhere", {"config": {}, "layers": [layer]})
        self.server.push_manifest(
            "a",
            "sparse",
            {
                "mediaType": INDEX,
                "manifests": [{"mediaType": MANIFEST, "digest": UNKNOWN, "size": 2}],
            },
        )

    def test_sha512_manifests(self):
        text = b'{"config":{},"layers":[]}'
        named = digest(text, "sha512")
        answer = self.server.push_manifest("a", named, text)
        self.assertEqual(answer.headers["Docker-Content-Digest"], named)
        self.assertEqual(self.request("GET", f"/v2/a/manifests/{named}").body, text)

    def test_tag_parameters(self):
        for algorithm in ("sha256", "sha512"):
            text = json.dumps({"config": {}, "layers": [], "algorithm": algorithm}).encode()
            named = digest(text, algorithm)
            tags = [f"{algorithm}-{i}" for i in range(12)]
            answer = self.server.push_manifest("a", named, text, query={"tag": tags})
            self.assertEqual(answer.headers.get_all("OCI-Tag"), tags)
            for tag in tags:
                self.assertEqual(
                    self.request("HEAD", f"/v2/a/manifests/{tag}").headers["Docker-Content-Digest"],
                    named,
                )
        text = b'{"config":{},"layers":[]}'
        path = f"/v2/a/manifests/{digest(text)}"
        self.assert_status(
            self.request("PUT", path, text, query={"tag": [f"t{i}" for i in range(65)]}), 414
        )
        self.assert_status(
            self.request("PUT", path, text, query={"tag": ["good", "-bad"]}),
            400,
            "MANIFEST_INVALID",
        )
        self.assert_status(
            self.request("PUT", "/v2/a/manifests/one", text, query={"tag": "two"}),
            400,
            "MANIFEST_INVALID",
        )
        self.assert_status(self.request("GET", path), 404)

    def test_moved_tags_leave_manifests(self):
        first = self.server.push_image("a", "tag", b"first")
        second = self.server.push_image("a", "tag", b"second")
        self.assertEqual(self.request("GET", "/v2/a/manifests/tag").body, second)
        self.assertEqual(self.request("GET", f"/v2/a/manifests/{digest(first)}").body, first)

    def test_conditional_pushes(self):
        first, second = (json.dumps({"config": {}, "layers": [i]}).encode() for i in (1, 2))

        def put(text, **headers):
            return self.request(
                "PUT",
                "/v2/a/manifests/tag",
                text,
                {name.replace("_", "-"): value for name, value in headers.items()},
            )

        self.assert_status(put(first, If_Match=f'"{digest(first)}"'), 412)
        self.assert_status(put(first, If_None_Match="*"), 201)
        self.assert_status(put(second, If_None_Match="*"), 412)
        self.assert_status(put(second, If_Match=f'"{digest(second)}"'), 412)
        self.assert_status(put(second, If_Match=f'"{digest(first)}"'), 201)
        self.assertEqual(self.request("GET", "/v2/a/manifests/tag").body, second)


class Tags(server_fixture.TestCase):
    names = ["1.0", "A", "_x", "a", "a.b", "b-c", "latest"]

    def setUp(self):
        super().setUp()
        for tag in reversed(self.names):
            self.server.push_manifest("a", tag, {"config": {}, "layers": []})

    def listed(self, **query):
        answer = self.assert_status(self.request("GET", "/v2/a/tags/list", query=query), 200)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.json()["name"], "a")
        return answer.json()["tags"], answer.headers["Link"]

    def test_list_of_tags(self):
        self.assertEqual(self.listed(), (self.names, None))

    def test_pages_of_tags(self):
        self.assertEqual(self.listed(n=0), ([], None))
        self.assertEqual(
            self.listed(n=3), (self.names[:3], '</v2/a/tags/list?n=3&last=_x>; rel="next"')
        )
        self.assertEqual(self.listed(n=7), (self.names, None))
        self.assertEqual(self.listed(n=100), (self.names, None))
        self.assertEqual(self.listed(last="a"), (self.names[4:], None))
        self.assertEqual(
            self.listed(last="a", n=2),
            (self.names[4:6], '</v2/a/tags/list?n=2&last=b-c>; rel="next"'),
        )
        self.assertEqual(self.listed(last="B"), (self.names[2:], None))  # need not be one
        self.assertEqual(self.listed(last="zzz"), ([], None))
        self.assert_status(self.request("GET", "/v2/a/tags/list", query={"n": "many"}), 400)
        self.assert_status(self.request("GET", "/v2/a/tags/list", query={"n": "-1"}), 400)

    def test_links_lead_to_the_end(self):
        found, path = [], "/v2/a/tags/list?n=2"
        while path:
            answer = self.request("GET", path)
            found += answer.json()["tags"]
            link = answer.headers["Link"]
            path = link and link[1 : link.index(">")]
        self.assertEqual(found, self.names)

    def test_list_of_repositories(self):
        self.server.push_blob("b/c", b"x")
        self.assertEqual(self.request("GET", "/v2/_catalog").json(), {"repositories": ["a", "b/c"]})
        self.assertEqual(
            self.request("GET", "/v2/_catalog?n=1").headers["Link"],
            '</v2/_catalog?n=1&last=a>; rel="next"',
        )
        self.assertEqual(self.request("GET", "/v2/b/c/tags/list").json()["tags"], [])
        self.assert_status(self.request("GET", "/v2/none/tags/list"), 404, "NAME_UNKNOWN")

    def test_deleted_tags_and_manifests(self):
        text = self.request("GET", "/v2/a/manifests/a").body
        self.assert_status(self.request("DELETE", "/v2/a/manifests/a"), 202)
        self.assert_status(self.request("GET", "/v2/a/manifests/a"), 404, "MANIFEST_UNKNOWN")
        self.assert_status(self.request("DELETE", "/v2/a/manifests/a"), 404, "MANIFEST_UNKNOWN")
        self.assertEqual(self.request("GET", f"/v2/a/manifests/{digest(text)}").body, text)
        self.assertEqual(self.listed()[0], [name for name in self.names if name != "a"])
        # A manifest goes with all its tags.
        self.assert_status(self.request("DELETE", f"/v2/a/manifests/{digest(text)}"), 202)
        self.assert_status(self.request("GET", f"/v2/a/manifests/{digest(text)}"), 404)
        self.assert_status(self.request("HEAD", "/v2/a/manifests/latest"), 404)
        self.assertEqual(self.listed()[0], [])
        self.assert_status(
            self.request("DELETE", f"/v2/a/manifests/{digest(text)}"), 404, "MANIFEST_UNKNOWN"
        )
        self.assert_status(
            self.request("DELETE", f"/v2/none/manifests/{digest(text)}"), 404, "NAME_UNKNOWN"
        )

    def test_deletes_of_the_last_tag(self):
        text = self.server.push_image("b", "only")
        self.assert_status(self.request("DELETE", "/v2/b/manifests/only"), 202)
        self.assertEqual(self.request("GET", f"/v2/b/manifests/{digest(text)}").body, text)

    def test_deletes_of_blobs(self):
        blob = self.server.push_blob("a", b"data")
        self.assert_status(self.request("DELETE", f"/v2/a/blobs/{blob}"), 202)
        for method in ("GET", "HEAD", "DELETE"):
            self.assert_status(self.request(method, f"/v2/a/blobs/{blob}"), 404)
        text = self.request("GET", "/v2/a/manifests/a").body
        self.assert_status(
            self.request("DELETE", f"/v2/a/blobs/{digest(text)}"), 405, "UNSUPPORTED"
        )


class Referrers(server_fixture.TestCase):
    def listed(self, subject, name="a", **query):
        answer = self.assert_status(
            self.request("GET", f"/v2/{name}/referrers/{subject}", query=query), 200
        )
        self.assertEqual(answer.headers["Content-Type"], INDEX)
        document = answer.json()
        self.assertEqual((document["schemaVersion"], document["mediaType"]), (2, INDEX))
        return document["manifests"], answer

    def artifact(self, subject, media_type=MANIFEST, **members):
        body = (
            {"manifests": []}
            if media_type == INDEX
            else {
                "config": {"mediaType": "application/x.config", "digest": UNKNOWN, "size": 2},
                "layers": [],
            }
        )
        text = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_type,
                **body,
                **members,
                "subject": {"mediaType": MANIFEST, "digest": subject, "size": 3},
            }
        ).encode()
        answer = self.server.push_manifest("a", digest(text), text)
        self.assertEqual(answer.headers["OCI-Subject"], subject)
        return {"mediaType": media_type, "digest": digest(text), "size": len(text)}

    def test_empty_list(self):
        self.assertEqual(self.listed(UNKNOWN, "no/such/repository")[0], [])
        self.server.push_image("a", "tag")
        self.assertEqual(self.listed(UNKNOWN)[0], [])
        self.assert_status(self.request("GET", "/v2/a/referrers/sha256:bad"), 400, "DIGEST_INVALID")
        self.assert_status(self.request("GET", "/v2/a/referrers/tag"), 400, "DIGEST_INVALID")

    def test_descriptors_have_annotations(self):
        """Also of a subject that is not there, and pushed before it."""
        image = self.artifact(
            UNKNOWN, artifactType="application/x.type", annotations={"key": "value", "other": "ü"}
        )
        config = self.artifact(UNKNOWN)
        index = self.artifact(UNKNOWN, INDEX, artifactType="application/x.list")
        plain = self.artifact(UNKNOWN, INDEX)
        self.artifact(digest(b"another subject"))
        expected = [
            {
                **image,
                "artifactType": "application/x.type",
                "annotations": {"key": "value", "other": "ü"},
            },
            {**config, "artifactType": "application/x.config"},
            {**index, "artifactType": "application/x.list"},
            plain,
        ]
        self.assertCountEqual(self.listed(UNKNOWN)[0], expected)
        self.assertNotIn("OCI-Filters-Applied", self.listed(UNKNOWN)[1].headers)

    def test_filter_by_artifact_type(self):
        named = "application/x.type+json"
        wanted = self.artifact(UNKNOWN, artifactType=named)
        self.artifact(UNKNOWN, artifactType="application/x.other")
        for query in ({"artifactType": named},):
            found, answer = self.listed(UNKNOWN, **query)
            self.assertEqual(found, [{**wanted, "artifactType": named}])
            self.assertEqual(answer.headers["OCI-Filters-Applied"], "artifactType")
        plus = self.request("GET", f"/v2/a/referrers/{UNKNOWN}?artifactType={named}")
        self.assertEqual(len(plus.json()["manifests"]), 1)
        self.assertEqual(self.listed(UNKNOWN, artifactType="application/x.none")[0], [])

    def test_deleted_referrers(self):
        one, two = self.artifact(UNKNOWN), self.artifact(UNKNOWN, artifactType="application/x.two")
        self.assertEqual(len(self.listed(UNKNOWN)[0]), 2)
        self.assert_status(self.request("DELETE", f"/v2/a/manifests/{one['digest']}"), 202)
        self.assertEqual([each["digest"] for each in self.listed(UNKNOWN)[0]], [two["digest"]])
        self.assert_status(self.request("DELETE", f"/v2/a/manifests/{two['digest']}"), 202)
        self.assertEqual(self.listed(UNKNOWN)[0], [])

    def test_subject_deleted_and_restored(self):
        text = self.server.push_image("a", "tag")
        self.artifact(digest(text))
        self.request("DELETE", f"/v2/a/manifests/{digest(text)}")
        self.assertEqual(len(self.listed(digest(text))[0]), 1)
        self.server.push_image("a", "tag")
        self.assertEqual(len(self.listed(digest(text))[0]), 1)

    def test_sha512_subjects(self):
        subject = "sha512:" + hashlib.sha512(b"subject").hexdigest()
        self.artifact(subject)
        self.assertEqual(len(self.listed(subject)[0]), 1)

    def test_pages_of_referrers(self):
        pushed = {
            self.artifact(UNKNOWN, annotations={"number": str(i)})["digest"] for i in range(5)
        }
        found, path = set(), f"/v2/a/referrers/{UNKNOWN}?n=2"
        while path:
            answer = self.request("GET", path)
            found |= {each["digest"] for each in answer.json()["manifests"]}
            link = answer.headers["Link"]
            path = link and link[1 : link.index(">")]
        self.assertEqual(found, pushed)

    def test_referrers_of_the_tag_schema(self):
        """Pushed to a layout by a client that did not know of referrers: listed by an index with a
        tag made of the digest."""
        blobs = self.root / "a" / "blobs" / "sha256"
        self.server.push_blob("a", b"x")
        text = json.dumps(
            {
                "mediaType": MANIFEST,
                "config": {"mediaType": EMPTY},
                "layers": [],
                "subject": {"digest": UNKNOWN, "size": 1},
            }
        ).encode()
        (blobs / digest(text)[7:]).write_bytes(text)
        self.server.push_manifest(
            "a",
            UNKNOWN.replace(":", "-"),
            {
                "mediaType": INDEX,
                "manifests": [{"mediaType": MANIFEST, "digest": digest(text), "size": len(text)}],
            },
        )
        self.assertEqual([each["digest"] for each in self.listed(UNKNOWN)[0]], [digest(text)])


if __name__ == "__main__":
    system_fixture.main()
