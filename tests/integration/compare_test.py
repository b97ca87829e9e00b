# SPDX-License-Identifier: Apache-2.0
"""The same Dockerfiles built by a real Docker Engine and by Bottle: the same tree, the same
configuration, or a failure at the same line.

The cases are in compare_run.py, compare_files.py, compare_config.py, compare_failures.py and
compare_scope.py."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import compare_cases
import compare_config
import compare_failures
import compare_files
import compare_run
import compare_scope
import docker_fixture
import image_tree
import system_fixture


class Compare(system_fixture.TestCase):
    shares_setup = True

    @classmethod
    def setUpClass(cls):
        if not (shutil.which("crun") or shutil.which("runc")):
            system_fixture.need("crun")
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="compare ", dir=pathlib.Path.cwd()))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.bases = compare_cases.make_bases(cls.shared)
        cls.engine = cls.enterClassContext(docker_fixture.Engine())
        for name, layout in cls.bases.items():
            cls.engine.load(layout, name)

    def check(self, case):
        context = self.top / "context"
        compare_cases.write(context, {"Dockerfile": case.dockerfile, **case.files})
        if case.prepare:
            case.prepare(context)
        options = list(case.options)
        for name, content in case.secrets.items():
            (self.top / name).write_text(content, encoding="utf-8")
            options += ["--secret", f"id={name},src={self.top / name}"]
        if case.ssh:
            options += ["--ssh", f"default={self.agent()}"]
        if case.differs:
            with self.assertRaises(
                AssertionError, msg=f'now the same as Docker\'s; remove the remark "{case.differs}"'
            ):
                self.compare(case, context, options)
        else:
            self.compare(case, context, options)

    def compare(self, case, context, options):
        older = ["--file", self.older(case)] if case.older else []
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ours = pool.submit(self.build, context, options)
            theirs = self.engine.build(
                context, "built", *older, *options, network=case.network, expect=None
            )
            ours = ours.result()
        self.assertEqual(bool(case.fails), theirs.returncode != 0, f"Docker:\n{theirs.stdout}")
        if case.fails:
            self.assert_fails(ours, rf"Dockerfile:{case.fails}:\d+: error: ")
            self.assertEqual(
                line_of(theirs.stdout, case.older or case.dockerfile, case.fails),
                case.fails,
                theirs.stdout,
            )
            return
        self.assertEqual(ours.returncode, 0, ours.stdout)
        self.engine.save("built", self.top / "theirs.tar")
        expected = image_tree.read_archive(self.top / "theirs.tar")
        found = image_tree.read_layout(self.top / "ours")
        if "FROM scratch" in case.dockerfile and found.config.get("WorkingDir") == "/":
            expected.config.setdefault("WorkingDir", "/")  # BuildKit writes it since 0.12
        self.leave_out_mount_points(case, expected, found)
        self.assertGreater(len(expected.tree), 0)
        self.assertEqual(image_tree.differences(found, expected), [], "Bottle's | Docker's")

    def older(self, case):
        """Beside the context, where it is not copied from."""
        file = self.top / "Dockerfile.older"
        file.write_text(case.older, encoding="utf-8")
        return file

    def build(self, context, options):
        build = system_fixture.Build(self.top / "bottle")
        build.cache = self.shared / "store"
        bases = [
            word
            for name, layout in self.bases.items()
            for word in ("--build-context", f"{name}=oci-layout:{layout}")
        ]
        return build.tools(
            "bottle-image",
            "build",
            "--quiet",
            "--context",
            context,
            "--oci",
            self.top / "ours",
            *bases,
            *options,
            expect=None,
        )

    def leave_out_mount_points(self, case, expected, found):
        for path in case.by_docker:
            row = expected.tree.get(path)
            if row is None or path in found.tree:
                continue
            self.assertIn(row.what, ("", EMPTY), path)
            del expected.tree[path]

    def agent(self):
        """The socket of an ssh-agent that lives as long as the test."""
        system_fixture.need("ssh-agent")
        directory = tempfile.mkdtemp()  # short, as the names of sockets must be
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        socket = os.path.join(directory, "agent")
        process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        process.stdout.readline()  # said when it listens
        return socket


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def line_of(output, dockerfile, expected):
    """The line that Docker blames: it names a line, or else the instruction as written, or
    neither."""
    named = re.search(r"parse error line (\d+)|Dockerfile:(\d+)|\(line (\d+)\)", output)
    if named:
        return int(next(group for group in named.groups() if group))
    lines = dockerfile.splitlines()
    blamed = re.findall(r"^ > \[.*?\] (.*?):?$", output, re.MULTILINE)
    for number, line in enumerate(lines, 1):
        if (
            blamed
            and line.split("\\")[0].strip()
            and blamed[-1].startswith(line.split("\\")[0].strip()[:40])
        ):
            return number
    return expected  # "unknown signal", for example: nothing to compare with


def add_cases(module):
    """A test class of the module's cases."""

    def test_of(case):
        return lambda self: self.check(case)

    name = module.__name__.removeprefix("compare_").capitalize()
    tests = {f"test_{key}": test_of(case) for key, case in compare_cases.collect(module).items()}
    globals()[name] = type(name, (Compare,), {"__module__": __name__, **tests})


for cases in (compare_run, compare_files, compare_config, compare_failures, compare_scope):
    add_cases(cases)
del globals()["Compare"]  # not a separate test

if __name__ == "__main__":
    system_fixture.main()
