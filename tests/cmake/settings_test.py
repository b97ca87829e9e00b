# SPDX-License-Identifier: Apache-2.0
"""Settings that a build takes from the machine and the environment: fixed when configuring,
tracked, the same for all steps."""
import json
import os
import shutil

import harness

ALL = "fingerprint image pack"
FILES = {"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "1\n"}


class Settings(harness.TestCase):
    def agent(self, project, path):
        """An agent root filesystem as smolvm installs it; sbin/init leads nowhere on the host."""
        directory = project.root / path
        (directory / "sbin").mkdir(parents=True)
        (directory / "sbin/init").symlink_to("/usr/local/bin/agent")
        (directory / "usr/bin").mkdir(parents=True)
        (directory / "usr/bin/agent").write_text("1\n", encoding="utf-8")
        project.renew(directory / "usr/bin/agent")
        return directory

    def spec(self, project, slug):
        return json.loads((project.directory(slug) / "spec.json").read_text(encoding="utf-8"))

    def runtime_of(self, project, slug):
        return json.loads((project.directory(slug) / "pack.json").read_text(encoding="utf-8"))[
            "runtime"
        ]

    def refused(self, project, *words, arguments=()):
        said = " ".join(project.configure(*arguments, expect=1).stdout.split())
        for word in words:
            self.assertRegex(said, word)

    # -- BOTTLE_SMOLVM_RUNTIME

    def test_runtime_is_an_input_of_its_packs(self):
        project = self.project(
            "add_bottle(a)\nadd_bottle(b)\nset(BOTTLE_SMOLVM_RUNTIME none)\nadd_bottle(c)\n", FILES
        )
        agent = self.agent(project, "agents/an agent")
        project.configure(f"-DBOTTLE_SMOLVM_RUNTIME={agent}")
        self.assert_ran(project, {"a": ALL, "b": ALL, "c": ALL})
        self.assertEqual(
            [self.runtime_of(project, slug) for slug in "abc"], [str(agent), str(agent), None]
        )
        upgraded = agent / "usr/bin/agent"
        upgraded.write_text("22\n", encoding="utf-8")
        project.renew(upgraded)
        self.assert_ran(project, {"a": "pack", "b": "pack"})
        os.utime(upgraded)  # the same content
        project.renew(upgraded)
        self.assert_ran(project, {})
        (agent / "usr/bin/more").write_text("", encoding="utf-8")
        project.renew(agent / "usr/bin/more", agent / "usr/bin")
        self.assert_ran(project, {"a": "pack", "b": "pack"})
        project.configure("-DBOTTLE_SMOLVM_RUNTIME=none")
        self.assert_ran(project, {"a": "fingerprint pack", "b": "fingerprint pack"})
        self.assertIsNone(self.runtime_of(project, "a"))

    def test_runtime_is_searched_when_configuring_only(self):
        project = self.project("add_bottle(a)\n", FILES)
        first, other = self.agent(project, "home/.local/share/smolvm/agent-rootfs"), self.agent(
            project, "others/agent"
        )
        project.environment["HOME"] = str(project.root / "home")
        self.assertIn(str(first), project.configure().stdout)
        self.assertEqual(self.spec(project, "a")["pack"]["runtime"], str(first))
        project.environment.update(
            HOME=str(project.root / "elsewhere"), SMOLVM_AGENT_ROOTFS=str(other)
        )
        self.assert_ran(project, {"a": ALL})
        self.assertEqual(self.runtime_of(project, "a"), str(first))
        # A build that configures itself again in another shell keeps what was found; who names
        # another gets that.
        del project.environment["SMOLVM_AGENT_ROOTFS"]
        project.configure()
        self.assert_ran(project, {})
        project.environment["SMOLVM_AGENT_ROOTFS"] = str(other)
        project.configure()
        self.assert_ran(project, {"a": "fingerprint pack"})
        self.assertEqual(self.runtime_of(project, "a"), str(other))

    def test_runtime_that_was_found_and_removed(self):
        project = self.project("add_bottle(a)\n", FILES)
        agent = self.agent(project, "home/.local/share/smolvm/agent-rootfs")
        project.environment["HOME"] = str(project.root / "home")
        project.configure()
        project.make()
        shutil.rmtree(agent)
        project.make()
        self.assertIsNone(self.runtime_of(project, "a"))
        self.assert_nothing_to_do(project)
        self.agent(
            project, "home/.local/share/smolvm/agent-rootfs"
        )  # is found by the next configuring only
        self.assert_nothing_to_do(project)
        project.configure()
        self.assert_ran(project, {"a": "fingerprint pack"})
        self.assertEqual(self.runtime_of(project, "a"), str(agent))

    def test_invalid_runtime_is_an_error(self):
        project = self.project("add_bottle(a)\n", FILES)
        self.refused(
            project,
            'BOTTLE_SMOLVM_RUNTIME ".*nowhere" is not an agent root filesystem .* no sbin/init',
            arguments=["-DBOTTLE_SMOLVM_RUNTIME=nowhere"],
        )
        agent = self.agent(project, "agent")
        project.configure(f"-DBOTTLE_SMOLVM_RUNTIME={agent}")
        project.make()
        shutil.rmtree(agent)
        self.assertRegex(
            " ".join(project.make(expect=1).stdout.split()), "agent root filesystem .* no sbin/init"
        )

    def test_runtime_behind_a_link_or_replaced_by_an_older_one(self):
        project = self.project("add_bottle(a)\n", FILES)
        for number in "123":
            agent = self.agent(project, f"versions/{number}")
            (agent / "version").write_text(number, encoding="utf-8")
            for path in (*agent.rglob("*"), agent):
                os.utime(path, (1e9, 1e9), follow_symlinks=False)
        link = project.root / "versions/current"
        link.symlink_to("1")
        outer = project.root / "links/agent"
        outer.parent.mkdir()
        outer.symlink_to(link)
        project.configure(f"-DBOTTLE_SMOLVM_RUNTIME={outer}")
        project.make()
        digests = {project.pack("a").read_bytes()}
        link.unlink()
        link.symlink_to("2")
        project.renew(link.parent)
        self.assert_ran(project, {"a": "pack"})
        digests.add(project.pack("a").read_bytes())
        shutil.rmtree(project.root / "versions/2")
        (project.root / "versions/3").rename(project.root / "versions/2")
        project.renew(link.parent)
        self.assert_ran(project, {"a": "pack"})
        digests.add(project.pack("a").read_bytes())
        self.assertEqual(len(digests), 3)

    # -- BOTTLE_SOURCE_DATE_EPOCH

    def epochs(self, project, slug):
        keys = [
            (project.directory(slug) / name).read_text(encoding="utf-8")
            for name in ("key", "pack.key")
        ]
        return {
            line.split(" = ")[1]
            for text in keys
            for line in text.splitlines()
            if line.startswith("epoch = ")
        }

    def test_epoch_is_the_same_in_all_keys(self):
        project = self.project(
            "add_bottle(a)\nadd_bottle(b CONTEXT b)\n",
            {**FILES, "b/Dockerfile": FILES["Dockerfile"], "b/f": "1\n"},
        )
        project.environment["SOURCE_DATE_EPOCH"] = "1000"
        project.configure()
        del project.environment["SOURCE_DATE_EPOCH"]
        self.assert_ran(project, {"a": ALL, "b": ALL})
        project.environment["SOURCE_DATE_EPOCH"] = "2000"
        self.assert_nothing_to_do(project)  # no tool runs that could see it
        project.append("f", "2\n")
        said = " ".join(project.make(expect=1).stdout.split())
        self.assertRegex(
            said,
            (
                r"spec.json#/epoch: error: SOURCE_DATE_EPOCH is 2000 in the environment, and 1000"
                r" in this build"
            ),
        )
        self.assertIn(f"cmake -DBOTTLE_SOURCE_DATE_EPOCH=2000 {project.build}", said)
        project.environment["SOURCE_DATE_EPOCH"] = "01000"
        self.assert_ran(project, {"a": ALL})
        self.assertEqual([self.epochs(project, slug) for slug in "ab"], [{"1000"}, {"1000"}])
        project.environment["SOURCE_DATE_EPOCH"] = "2000"
        project.configure()
        self.assert_ran(project, {"a": ALL, "b": ALL})
        self.assertEqual([self.epochs(project, slug) for slug in "ab"], [{"2000"}, {"2000"}])
        del project.environment[
            "SOURCE_DATE_EPOCH"
        ]  # a build that configures itself again in another shell
        project.configure()
        self.assert_ran(project, {})
        project.configure("-DBOTTLE_SOURCE_DATE_EPOCH=0")
        self.assert_ran(project, {"a": ALL, "b": ALL})
        self.assertEqual([self.epochs(project, slug) for slug in "ab"], [{"0"}, {"0"}])

    def test_malformed_epoch_is_an_error(self):
        project = self.project("add_bottle(a)\n", FILES)
        for value in (
            "now",
            "1.5",
            " 7",
            "0x7",
            "+-7",
            "-62167219201",
            "253402300800",
            "99999999999999999999",
            "$<CONFIG>",
        ):
            with self.subTest(value=value):
                self.refused(
                    project,
                    'BOTTLE_SOURCE_DATE_EPOCH ".*"',
                    arguments=[f"-DBOTTLE_SOURCE_DATE_EPOCH={value}"],
                )
        project.environment["SOURCE_DATE_EPOCH"] = "now"
        self.refused(
            project,
            'SOURCE_DATE_EPOCH of the environment "now": expected seconds since 1970',
            arguments=["-UBOTTLE_SOURCE_DATE_EPOCH"],
        )
        del project.environment["SOURCE_DATE_EPOCH"]
        project.configure()  # what was refused is not kept
        self.assertEqual(self.spec(project, "a")["epoch"], 0)

    def test_forms_of_the_epoch(self):
        """Those that BuildKit accepts (Go's strconv.ParseInt), and times that no octal field of a
        tar header holds."""
        project = self.project("add_bottle(a)\n", FILES)
        for text, seconds, created in (
            ("+7", 7, "1970-01-01T00:00:07Z"),
            ("007", 7, "1970-01-01T00:00:07Z"),
            ("-7", -7, "1969-12-31T23:59:53Z"),
            ("-0", 0, "1970-01-01T00:00:00Z"),
            ("253402300799", 253402300799, "9999-12-31T23:59:59Z"),
            ("-62167219200", -62167219200, "0000-01-01T00:00:00Z"),
        ):
            for arguments, environment in (
                ([f"-DBOTTLE_SOURCE_DATE_EPOCH={text}"], {}),
                (["-DBOTTLE_SOURCE_DATE_EPOCH="], {"SOURCE_DATE_EPOCH": text}),
            ):
                with self.subTest(text=text, arguments=arguments):
                    project.environment = environment
                    project.configure(*arguments)
                    project.make("bottle-a", "bottle-a-oci")
                    self.assertEqual(self.spec(project, "a")["epoch"], seconds)
                    self.assertEqual(self.epochs(project, "a"), {str(seconds)})
                    self.assertIn(
                        f'"created":"{created}"',
                        (project.directory("a") / "image.json")
                        .read_text(encoding="utf-8")
                        .replace('": "', '":"'),
                    )
                    self.assertEqual(project.extract("a")["f"], "1\n")
                    project.tool("bottle-pack", "verify", project.pack("a"))

    # -- the others

    def test_engine_and_store_of_the_environment(self):
        project = self.project("add_bottle(a)\n", FILES)
        project.environment["BOTTLE_ENGINE"] = "podman"
        project.configure()
        self.assertEqual(self.spec(project, "a")["engine"], "podman")
        del project.environment["BOTTLE_ENGINE"]
        project.configure()
        self.assertEqual(self.spec(project, "a")["engine"], "podman")
        project.environment["BOTTLE_ENGINE"] = "builtin"
        project.configure()
        first, project.cache = project.cache, project.root / "another store"
        self.assert_ran(project, {"a": ALL})
        self.assertEqual(
            (self.spec(project, "a")["store"], first.exists(), project.cache.exists()),
            (str(first), True, False),
        )
        project.configure()
        self.assert_ran(project, {"a": ALL})
        self.assertTrue(project.cache.exists())


if __name__ == "__main__":
    harness.main()
