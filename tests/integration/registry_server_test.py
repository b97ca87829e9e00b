#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`bottle-registry serve` against the OCI distribution specification 1.1, and what its main branch
adds (parameters `tag` and `digest-algorithm`): a test a requirement; here
blobs."""


import system_fixture
import server_fixture
from server_fixture import INDEX, MANIFEST, UNKNOWN, digest


OCTETS = {"Content-Type": "application/octet-stream"}


class Pull(server_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.data = bytes(range(256)) * 8
        self.blob = self.server.push_blob("some/name", self.data)
        self.url = f"/v2/some/name/blobs/{self.blob}"

    def test_base_endpoint(self):
        for method in ("GET", "HEAD"):
            self.assert_status(self.request(method, "/v2/"), 200)
        self.assert_status(self.request("GET", "/v2"), 200)
        self.assert_status(self.request("GET", "/v1/"), 404)
        self.assertEqual(
            self.assert_status(self.request("POST", "/v2/"), 405, "UNSUPPORTED").headers["Allow"],
            "GET, HEAD",
        )

    def test_get_blob(self):
        answer = self.assert_status(self.request("GET", self.url), 200)
        self.assertEqual(answer.body, self.data)
        self.assertEqual(answer.headers["Docker-Content-Digest"], self.blob)
        self.assertEqual(answer.headers["Content-Length"], "2048")
        self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
        self.assertEqual(
            self.assert_status(self.request("GET", self.url.replace(":", "%3A")), 200).body,
            self.data,
        )

    def test_head_blob(self):
        answer = self.assert_status(self.request("HEAD", self.url), 200)
        self.assertEqual(
            (
                answer.body,
                answer.headers["Content-Length"],
                answer.headers["Docker-Content-Digest"],
            ),
            (b"", "2048", self.blob),
        )

    def test_unknown_names(self):
        self.assert_status(
            self.request("GET", f"/v2/some/name/blobs/{UNKNOWN}"), 404, "BLOB_UNKNOWN"
        )
        self.assert_status(self.request("HEAD", f"/v2/some/name/blobs/{UNKNOWN}"), 404)
        self.assert_status(
            self.request("GET", f"/v2/no/such/blobs/{self.blob}"), 404, "NAME_UNKNOWN"
        )
        self.assert_status(
            self.request("GET", "/v2/some/name/manifests/none"), 404, "MANIFEST_UNKNOWN"
        )
        self.assert_status(
            self.request("GET", f"/v2/some/name/manifests/{UNKNOWN}"), 404, "MANIFEST_UNKNOWN"
        )
        self.assert_status(
            self.request("GET", "/v2/some/name/manifests/.NOT_A_TAG"), 404, "MANIFEST_UNKNOWN"
        )
        # A blob that is not a manifest is not served as one.
        self.assert_status(
            self.request("GET", f"/v2/some/name/manifests/{self.blob}"), 404, "MANIFEST_UNKNOWN"
        )
        self.assertEqual(server_fixture.files_below(self.root / "no+such"), [])

    def test_invalid_names_and_digests(self):
        for name in ("UPPER", "a..b", "-a", "a_", "a//b", "a/.b", "a%2f..", "%2e%2e", "a" * 256):
            self.assert_status(self.request("GET", f"/v2/{name}/tags/list"), 400, "NAME_INVALID")
        for bad in (
            "sha256:short",
            "sha256:" + "A" * 64,
            "md5:" + "0" * 32,
            "sha256",
            "sha512:" + "0" * 64,
        ):
            self.assert_status(
                self.request("GET", f"/v2/some/name/blobs/{bad}"), 400, "DIGEST_INVALID"
            )
        self.assert_status(
            self.request("GET", "/v2/some/name/manifests/sha256:totallywrong"),
            400,
            "DIGEST_INVALID",
        )
        for path in ("/v2/a/%zz/b", "/v2/a%00/tags/list", "/v2/a/tags/list?n=%"):
            self.assert_status(self.request("GET", path), 400)

    def test_names_with_api_words(self):
        for name in (
            "blobs",
            "a/manifests",
            "tags/list",
            "a/blobs/uploads",
            "referrers",
            "index.json",
            "v2",
        ):
            blob = self.server.push_blob(name, name.encode())
            self.server.push_image(name, "tags")
            self.assertEqual(self.request("GET", f"/v2/{name}/blobs/{blob}").body, name.encode())
            self.assertEqual(
                self.request("GET", f"/v2/{name}/tags/list").json(),
                {"name": name, "tags": ["tags"]},
            )

    def test_range_requests(self):
        for wanted, first, last in (
            ("500-1499", 500, 1499),
            ("500-", 500, 2047),
            ("-500", 1548, 2047),
            ("2000-5000", 2000, 2047),
            ("0-0", 0, 0),
            ("-9999", 0, 2047),
        ):
            answer = self.assert_status(
                self.request("GET", self.url, headers={"Range": f"bytes={wanted}"}), 206
            )
            self.assertEqual(answer.body, self.data[first : last + 1])
            self.assertEqual(answer.headers["Content-Range"], f"bytes {first}-{last}/2048")
            self.assertEqual(answer.headers["Content-Length"], str(last - first + 1))
        for wanted in ("500-0", "5000-10000", "2048-", "-0"):
            answer = self.assert_status(
                self.request("GET", self.url, headers={"Range": f"bytes={wanted}"}), 416
            )
            self.assertEqual(answer.headers["Content-Range"], "bytes */2048")
        for ignored in (
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=a-b",
            "bytes=-",
            "bytes=99999999999999999999999-",
            "bytes 0-1",
        ):
            self.assert_status(self.request("GET", self.url, headers={"Range": ignored}), 200)

    def test_conditional_requests(self):
        tag = self.request("HEAD", self.url).headers["ETag"]
        self.assertEqual(
            self.assert_status(
                self.request("GET", self.url, headers={"If-None-Match": tag}), 304
            ).body,
            b"",
        )
        self.assert_status(self.request("GET", self.url, headers={"If-None-Match": '"other"'}), 200)
        ranged = {"Range": "bytes=0-9", "If-Range": tag}
        self.assert_status(self.request("GET", self.url, headers=ranged), 206)
        self.assert_status(
            self.request("GET", self.url, headers={**ranged, "If-Range": '"other"'}), 200
        )

    def test_get_manifest(self):
        text = self.server.push_image("some/name", "1.0")
        for reference in ("1.0", digest(text)):
            for method in ("GET", "HEAD"):
                answer = self.request(
                    method,
                    f"/v2/some/name/manifests/{reference}",
                    headers={"Accept": [INDEX, MANIFEST]},
                )
                self.assert_status(answer, 200)
                self.assertEqual(answer.headers["Content-Type"], MANIFEST)
                self.assertEqual(answer.headers["Content-Length"], str(len(text)))
                self.assertEqual(answer.headers["Docker-Content-Digest"], digest(text))
                self.assertEqual(answer.body, text if method == "GET" else b"")
        seen = self.request(
            "GET", "/v2/some/name/manifests/1.0", headers={"If-None-Match": f'"{digest(text)}"'}
        )
        self.assert_status(seen, 304)


class Uploads(server_fixture.TestCase):
    data = bytes(range(256)) * 12

    def assert_pushed(self, answer, data, algorithm="sha256"):
        self.assert_status(answer, 201)
        named = digest(data, algorithm)
        self.assertEqual(answer.headers["Docker-Content-Digest"], named)
        self.assertEqual(self.request("GET", answer.headers["Location"]).body, data)
        self.assertEqual(
            [name for name in server_fixture.files_below(self.root) if ".uploads" in name], []
        )

    def test_post_then_put(self):
        for algorithm in ("sha256", "sha512"):
            for data in (self.data, b"", b"{}"):
                where = self.server.session("a")
                self.assertRegex(
                    where, r"/v2/a/blobs/uploads/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
                )
                answer = self.request(
                    "PUT", where, data, OCTETS, {"digest": digest(data, algorithm)}
                )
                self.assert_pushed(answer, data, algorithm)

    def test_single_post(self):
        for algorithm in ("sha256", "sha512"):
            for data in (self.data, b""):
                answer = self.request(
                    "POST",
                    "/v2/a/blobs/uploads/",
                    data,
                    OCTETS,
                    {"digest": digest(data, algorithm)},
                )
                self.assert_pushed(answer, data, algorithm)
        # A POST without a body is the wish for a session, whatever the digest.
        answer = self.request("POST", "/v2/a/blobs/uploads/", query={"digest": digest(b"other")})
        self.assert_pushed(
            self.request(
                "PUT", answer.headers["Location"], b"other", query={"digest": digest(b"other")}
            ),
            b"other",
        )

    def test_wrong_digests(self):
        for query in (
            {"digest": digest(b"other")},
            {"digest": "sha256:bad"},
            {"digest": "md5:" + "0" * 32},
            {},
        ):
            answer = self.request("PUT", self.server.session("a"), self.data, OCTETS, query)
            self.assert_status(answer, 400, "DIGEST_INVALID")
        answer = self.request(
            "POST", "/v2/a/blobs/uploads/", self.data, OCTETS, {"digest": digest(b"other")}
        )
        self.assert_status(answer, 400, "DIGEST_INVALID")
        where = self.server.session("a")
        self.request("PATCH", where, self.data, OCTETS)
        self.assert_status(
            self.request("PUT", where, query={"digest": digest(b"other")}), 400, "DIGEST_INVALID"
        )
        self.assert_status(self.request("GET", where), 404, "BLOB_UPLOAD_UNKNOWN")
        self.assert_status(
            self.request("POST", "/v2/a/blobs/uploads/", query={"digest-algorithm": "md5"}),
            400,
            "DIGEST_INVALID",
        )
        self.assert_status(self.request("GET", f"/v2/a/blobs/{digest(b'other')}"), 404)
        self.assertEqual(
            [name for name in server_fixture.files_below(self.root) if "blobs/" in name], []
        )

    def chunks(self, where, last_by_put=False, algorithm="sha256"):
        named = digest(self.data, algorithm)
        for first in range(0, len(self.data), 1024):
            chunk = self.data[first : first + 1024]
            last = first + len(chunk) - 1
            headers = {**OCTETS, "Content-Range": f"{first}-{last}"}
            if last_by_put and last == len(self.data) - 1:
                return self.request("PUT", where, chunk, headers, {"digest": named})
            answer = self.assert_status(self.request("PATCH", where, chunk, headers), 202)
            self.assertEqual(answer.headers["Range"], f"0-{last}")
            where = answer.headers["Location"]
        return self.request("PUT", where, query={"digest": named})

    def test_upload_in_chunks(self):
        for by_put in (False, True):
            for algorithm in ("sha256", "sha512"):
                self.assert_pushed(
                    self.chunks(self.server.session("a"), by_put, algorithm), self.data, algorithm
                )
                self.request("DELETE", f"/v2/a/blobs/{digest(self.data, algorithm)}")
        where = self.server.session("a", {"digest-algorithm": "sha512"})
        self.assert_pushed(self.chunks(where, algorithm="sha512"), self.data, "sha512")

    def test_streamed_upload(self):
        where = self.server.session("a")
        pieces = (self.data[i : i + 700] for i in range(0, len(self.data), 700))
        connection = self.server.connect()
        connection.request(
            "PATCH", where, pieces, {**OCTETS, "Transfer-Encoding": "chunked"}, encode_chunked=True
        )
        response = connection.getresponse()
        self.assertEqual(
            (response.status, response.headers["Range"]), (202, f"0-{len(self.data) - 1}")
        )
        response.read()
        connection.close()
        self.assert_pushed(
            self.request("PUT", where, query={"digest": digest(self.data)}), self.data
        )

    def test_chunks_out_of_order(self):
        where = self.server.session("a")
        refused = self.request("PATCH", where, b"x" * 10, {"Content-Range": "10-19"})
        self.assert_status(refused, 416)
        self.assert_status(self.request("PATCH", where, b"x" * 10, {"Content-Range": "0-9"}), 202)
        for headers in (
            {"Content-Range": "0-9"},
            {"Content-Range": "11-20"},
            {"Content-Range": "9-18"},
        ):
            for method, query in (("PATCH", None), ("PUT", {"digest": digest(b"x" * 20)})):
                refused = self.assert_status(
                    self.request(method, where, b"x" * 10, headers, query), 416
                )
                self.assertEqual(
                    (refused.headers["Location"], refused.headers["Range"]), (where, "0-9")
                )
                state = self.assert_status(self.request("GET", where), 204)
                self.assertEqual(
                    (state.headers["Location"], state.headers["Range"], state.body),
                    (where, "0-9", b""),
                )
        answer = self.request(
            "PUT", where, b"x" * 10, {"Content-Range": "10-19"}, {"digest": digest(b"x" * 20)}
        )
        self.assert_pushed(answer, b"x" * 20)

    def test_invalid_ranges(self):
        where = self.server.session("a")
        for bad in (
            "9-0",
            "a-b",
            "5",
            "-5",
            "0-",
            "bytes=0-9",
            "99999999999999999999-99999999999999999999",
        ):
            answer = self.request("PATCH", where, b"x" * 10, {"Content-Range": bad})
            self.assert_status(answer, 400, "BLOB_UPLOAD_INVALID")
        for length in ("0-8", "0-10"):
            self.assert_status(
                self.request("PATCH", where, b"x" * 10, {"Content-Range": length}), 416
            )
        # Without a length the body shows it.
        for pieces in ([b"x" * 5], [b"x" * 8, b"x" * 8]):
            connection = self.server.connect()
            connection.request(
                "PATCH",
                where,
                iter(pieces),
                {"Content-Range": "0-9", "Transfer-Encoding": "chunked"},
                encode_chunked=True,
            )
            self.assertEqual(connection.getresponse().status, 416)
            connection.close()
        self.assertEqual(self.request("GET", where).headers["Range"], "0-0")
        self.assert_status(
            self.request("PATCH", where, b"x" * 10, {"Content-Range": "bytes 0-9/*"}), 202
        )

    def test_cancelled_upload(self):
        where = self.server.session("a")
        self.request("PATCH", where, self.data)
        self.assert_status(self.request("DELETE", where), 204)
        for method in ("GET", "DELETE", "PATCH"):
            self.assert_status(self.request(method, where), 404, "BLOB_UPLOAD_UNKNOWN")
        self.assert_status(
            self.request("PUT", where, query={"digest": digest(self.data)}),
            404,
            "BLOB_UPLOAD_UNKNOWN",
        )

    def test_sessions_belong_to_their_repository(self):
        where = self.server.session("a")
        self.server.session("b")
        self.assert_status(
            self.request("GET", where.replace("/a/", "/b/", 1)), 404, "BLOB_UPLOAD_UNKNOWN"
        )
        self.assert_status(self.request("GET", "/v2/a/blobs/uploads/../../index.json"), 404)
        self.assert_status(self.request("GET", "/v2/a/blobs/uploads/..%2findex.json"), 404)

    def test_refused_bodies_do_not_break_the_connection(self):
        connection = self.server.connect()
        answer = self.request(
            "PATCH", "/v2/a/blobs/uploads/" + "0" * 36, b"x" * (4 << 20), connection=connection
        )
        self.assert_status(answer, 404)
        self.assert_status(self.request("GET", "/v2/", connection=connection), 200)
        connection.close()

    def test_mounted_blobs(self):
        for algorithm in ("sha256", "sha512"):
            named = self.server.push_blob("from/here", self.data, algorithm)
            answer = self.request(
                "POST", "/v2/to/there/blobs/uploads/", query={"mount": named, "from": "from/here"}
            )
            self.assertEqual(answer.headers["Location"], f"/v2/to/there/blobs/{named}")
            self.assert_pushed(answer, self.data, algorithm)
            answer = self.request("POST", "/v2/anonymous/blobs/uploads/", query={"mount": named})
            self.assert_pushed(answer, self.data, algorithm)
            # What one repository deletes the others keep.
            self.assert_status(self.request("DELETE", f"/v2/from/here/blobs/{named}"), 202)
            self.assert_status(self.request("GET", f"/v2/to/there/blobs/{named}"), 200)

    def test_mount_of_a_missing_blob(self):
        for query in ({"mount": UNKNOWN, "from": "no/where"}, {"mount": UNKNOWN}):
            answer = self.assert_status(
                self.request("POST", "/v2/a/blobs/uploads/", query=query), 202
            )
            self.assert_status(self.request("GET", answer.headers["Location"]), 204)
        self.assert_status(
            self.request("POST", "/v2/a/blobs/uploads/", query={"mount": "sha256:bad"}),
            400,
            "DIGEST_INVALID",
        )


if __name__ == "__main__":
    system_fixture.main()
