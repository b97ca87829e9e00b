# SPDX-License-Identifier: Apache-2.0
"""bottle-<slug>-push: what is sent to a real registry (bottle-registry serve), and when nothing
is."""
import json
import urllib.request

import harness

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(Push LANGUAGES NONE)
find_package(Bottle REQUIRED)
add_bottle(base PUSH "${REGISTRY}/base:one" ${MORE} PUSH_PACK "${REGISTRY}/base/pack:one")
add_bottle(child DOCKERFILE child.Dockerfile BASES base PUSH "${REGISTRY}/child:one")
add_bottle(quiet DOCKERFILE child.Dockerfile BASES base)
"""
FILES = {
    "CMakeLists.txt": LISTS,
    "Dockerfile": "FROM scratch\nCOPY f /f\n",
    "child.Dockerfile": "FROM base\nCOPY g /g\n",
    "f": "1\n",
    "g": "2\n",
}


class Push(harness.RegistryTestCase):
    def setUp(self):
        super().setUp()
        self.tree = self.project(files=FILES)
        self.configure()

    def configure(self, *more):
        self.tree.configure(f"-DREGISTRY={self.registry}", *more)

    def tags(self, repository):
        with urllib.request.urlopen(
            f"http://{self.registry}/v2/{repository}/tags/list", timeout=30
        ) as answer:
            return json.load(answer)["tags"]

    def reports(self, slug):
        """{reference: report} of the last pushes."""
        found = {}
        for file in (self.tree.directory(slug) / "push").glob("*.json"):
            for push in json.loads(file.read_text())["pushes"]:
                found[push["reference"].removeprefix(self.registry)] = push
        return found

    def sent(self, slug):
        return {reference: push["bytesSent"] for reference, push in self.reports(slug).items()}

    def pushed(self, target):
        """Builds the target; the references of the pushes that ran, from what the generator
        announces."""
        output = self.tree.make(target).stdout
        return sorted(
            line.split(" to ")[1].removeprefix(self.registry)
            for line in output.splitlines()
            if "Pushing the" in line
        )

    def test_only_what_changed_is_sent(self):
        self.assertEqual(self.pushed("bottles-push"), ["/base/pack:one", "/base:one", "/child:one"])
        self.assertEqual((self.tags("base"), self.tags("child")), (["one"], ["one"]))
        self.assertIn("one", self.tags("base/pack"))
        self.assertTrue(all(size > 0 for size in self.sent("base").values()), self.sent("base"))
        self.assert_nothing_to_do(self.tree, "bottles-push")
        self.assertEqual(self.pushed("bottles-push"), [])

        # A second reference is sent by itself, and no blob goes twice.
        self.configure(f"-DMORE={self.registry}/base:two")
        self.assertEqual(self.pushed("bottle-base-push"), ["/base:two"])
        self.assertEqual(self.sent("base")["/base:two"], 0)
        self.assertEqual(self.tags("base"), ["one", "two"])

        self.tree.write("g", "3\n")
        self.assertEqual(self.pushed("bottles-push"), ["/child:one"])
        blobs = [blob["outcome"] for blob in self.reports("child")["/child:one"]["blobs"]]
        self.assertEqual(
            sorted(blobs), ["present", "uploaded", "uploaded"], blobs
        )  # the base's layer; configuration and layer
        self.assert_nothing_to_do(self.tree, "bottles-push")

    def test_lost_blobs_are_pushed_again(self):
        self.tree.make("bottle-child-push")
        tool = harness.settings.tools / "bottle-registry"
        digest = json.loads(self.tree.run(tool, "inspect", f"{self.registry}/child:one").stdout)[
            "digest"
        ]
        for name in ("one", digest):
            request = urllib.request.Request(
                f"http://{self.registry}/v2/child/manifests/{name}", method="DELETE"
            )
            urllib.request.urlopen(request, timeout=30).close()
        self.assertEqual(self.pushed("bottle-child-push"), [])
        self.configure("-DBOTTLE_VERIFY_REMOTE=ON")
        self.tree.make("bottle-child-push")
        self.assertEqual(
            json.loads(self.tree.run(tool, "inspect", f"{self.registry}/child:one").stdout)[
                "digest"
            ],
            digest,
        )

    def test_unreachable_registry_is_an_error(self):
        self.stop_registry()
        self.tree.make()  # the rest needs none
        result = self.tree.make("bottle-child-push", expect=None)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(self.registry, result.stdout)
        self.assertEqual(self.reports("child"), {})


if __name__ == "__main__":
    harness.main()
