# SPDX-License-Identifier: Apache-2.0
"""RUN on a whole Debian (debian_fixture.py): a package installed by dpkg, what the base has deleted
and changed, links, pipes and capabilities; the tree that docker build leaves, built as root and as
an ordinary user, and the same bytes each time."""
import json
import os
import pathlib
import platform
import shutil
import subprocess
import unittest

import docker_fixture
import image_tree
import system_fixture

USER = "bottle-test"
UID = 54321
# Number of the system call setxattr, for perl, which is the only program of a minimal Debian that
# can call it.
SETXATTR = {"x86_64": 188, "aarch64": 5}

DOCKERFILE = """\
FROM debian
COPY local.deb /tmp/
RUN dpkg -i /tmp/local.deb && rm /tmp/local.deb /var/log/dpkg.log
RUN rm -r /usr/share/doc /usr/share/locale /usr/share/zoneinfo && rm /etc/issue && mkdir /usr/share/doc && echo only > /usr/share/doc/this
RUN chmod 0711 /home && chown 5:6 /srv && chgrp -R staff /opt && chmod g+s /opt && chmod u-s /bin/su && chown daemon:adm /etc/fstab
RUN ln /etc/debian_version /opt/version && ln -s version /opt/soft && mkfifo -m 0620 /opt/pipe && mv /etc/skel /opt/skel
RUN cp /bin/true /opt/true && perl -e 'my @a = ("/opt/true", "security.capability", pack("V5", 0x02000001, 0x400, 0, 0, 0)); \\
    syscall(@SETXATTR@, $a[0], $a[1], $a[2], 20, 0) == 0 or die $!'
RUN dpkg --purge local-example && rm /var/log/dpkg.log && rm -rf /var/cache/* /var/lib/apt && mkdir -p /var/lib/apt/lists/partial
RUN dpkg-query --show > /opt/packages && ls -R /etc > /opt/listed
"""

CONTROL = """\
Package: local-example
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: a package of this test
"""
POSTINST = """\
#!/bin/sh
set -e
echo "made by postinst $1" > /etc/local-example.made
install -d -o nobody -g nogroup -m 0750 /srv/local-example
"""


def make_package(directory):
    """local.deb below `directory`."""
    system_fixture.need("dpkg-deb")
    root = directory / "package"
    for path, text, mode in (
        ("DEBIAN/control", CONTROL, 0o644),
        ("DEBIAN/postinst", POSTINST, 0o755),
        ("DEBIAN/conffiles", "/etc/local-example.conf\n", 0o644),
        ("etc/local-example.conf", "a = b\n", 0o644),
        ("usr/bin/local-example", "#!/bin/sh\necho here\n", 0o755),
        ("usr/lib/local-example/helper", "helper\n", 0o4755),
        ("usr/share/local-example/data", "data\n" * 1000, 0o644),
    ):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
    (root / "usr/bin/local-link").symlink_to("local-example")
    os.link(root / "usr/share/local-example/data", root / "usr/share/local-example/same-data")
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", root, directory / "local.deb"],
        stdout=subprocess.DEVNULL,
        check=True,
        env={**system_fixture.harness.clean_environment(), "SOURCE_DATE_EPOCH": "1000000000"},
    )
    shutil.rmtree(root)


class AsUser:
    """Words to put before a command so that it runs as an ordinary user with subordinate ids, whom
    only that command sees: the system's own files stay as they are."""

    FILES = {
        "/etc/passwd": f"{USER}:x:{UID}:{UID}::/nonexistent:/bin/sh\n",
        "/etc/group": f"{USER}:x:{UID}:\n",
        "/etc/subuid": f"{USER}:200000:65536\n",
        "/etc/subgid": f"{USER}:200000:65536\n",
    }

    def __init__(self, directory):
        system_fixture.need_root("another user is made for one process")
        system_fixture.need("unshare", "setpriv", "newuidmap", "newgidmap")
        script = ["set -e"]
        for path, text in self.FILES.items():
            if not os.path.exists(path):
                raise unittest.SkipTest(f"needs {path} to put another one over it")
            file = directory / os.path.basename(path)
            kept = (
                ""
                if path.startswith("/etc/sub")
                else pathlib.Path(path).read_text(encoding="utf-8")
            )
            file.write_text(kept + text, encoding="utf-8")
            file.chmod(0o644)
            script.append(f"mount --bind '{file}' {path}")
        script.append(f'exec setpriv --reuid {UID} --regid {UID} --clear-groups -- "$@"')
        self.words = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            "\n".join(script),
            "as-user",
        ]

    def can(self, *test):
        return subprocess.run([*self.words, "test", *test], check=False).returncode == 0


class DebianRun(system_fixture.TestCase):
    def setUp(self):
        super().setUp()
        self.base = system_fixture.settings.debian / "plain"
        if not self.base.exists():
            raise unittest.SkipTest(
                "needs the Debian root file system that debootstrap makes (test"
                " integration.debian.root)"
            )
        if platform.machine() not in SETXATTR:
            raise unittest.SkipTest(f"needs to know the system calls of {platform.machine()}")
        system_fixture.need_root("the trees have several owners")
        self.context = self.top / "context"
        self.context.mkdir()
        make_package(self.context)
        (self.context / "Dockerfile").write_text(
            DOCKERFILE.replace("@SETXATTR@", str(SETXATTR[platform.machine()])), encoding="utf-8"
        )

    def build_with_docker(self):
        with docker_fixture.Engine() as engine:
            engine.load(self.base, "debian")
            engine.build(self.context, "built", network="none")
            engine.save("built", self.top / "theirs.tar")
        image = image_tree.read_archive(self.top / "theirs.tar")
        (self.top / "theirs.tar").unlink()
        # Where Docker mounts its own files on ones that the base does not have, this version leaves
        # empty ones.
        image.tree = {
            path: row
            for path, row in image.tree.items()
            if path not in ("etc/hosts", "etc/resolv.conf")
        }
        return image

    def build_with_bottle(self, name, prefix=()):
        """(image digest, image), from an empty store."""
        build = self.new_build(name=name)
        build.prefix = list(prefix)
        if prefix:
            for directory in (build.root, build.source):
                os.chown(directory, UID, UID)
        layout = build.root / "layout"
        result = build.tools(
            "bottle-image",
            "--json",
            "build",
            "--context",
            self.context,
            "--oci",
            layout,
            "--build-context",
            f"debian=oci-layout:{self.base}",
        )
        document = json.loads(
            result.stdout[result.stdout.index("\n{") if not result.stdout.startswith("{") else 0 :]
        )
        self.assertEqual(document["instructions"]["executed"], 8, result.stdout)
        image = image_tree.read_layout(layout)
        image.tree = {
            path: row
            for path, row in image.tree.items()
            if path not in ("etc/hosts", "etc/resolv.conf")
        }
        return document["oci"]["imageDigest"], image

    def check_what_ran(self, tree):
        """So that two builders that both do nothing are not equal."""
        self.assertGreater(len(tree), 3000)
        for path in (
            "etc/issue",
            "usr/share/locale",
            "usr/share/doc/apt",
            "tmp/local.deb",
            "usr/bin/local-example",
            "etc/skel",
        ):
            self.assertNotIn(path, tree)
        kinds = {
            "opt/pipe": "fifo",
            "opt/soft": "symlink",
            "usr/share/doc/this": "file",
            "etc/local-example.made": "file",
        }
        for path, kind in kinds.items():
            self.assertEqual(tree[path].kind, kind, path)
        self.assertEqual(tree["opt/version"].first, "etc/debian_version")
        self.assertEqual(tree["opt/true"].xattrs[0][0], "security.capability")
        self.assertEqual(tree["srv/local-example"][1:3], ("0750", "65534:65534"))
        self.assertEqual(tree["home"].mode, "0711")

    def test_same_tree_as_docker_as_root_and_as_a_user(self):
        theirs = self.build_with_docker()
        self.check_what_ran(theirs.tree)
        digest, ours = self.build_with_bottle("first")
        self.assertEqual(image_tree.differences(ours, theirs), [], "Bottle's | Docker's")
        again, _ = self.build_with_bottle("again below another path")
        self.assertEqual(again, digest)
        user = AsUser(self.top)
        os.chmod(self.top, 0o755)
        for test in (
            ("-x", system_fixture.settings.tools / "bottle-image"),
            ("-r", self.base / "index.json"),
            ("-r", self.context / "Dockerfile"),
        ):
            if not user.can(*test):
                raise unittest.SkipTest(f"needs a build tree that other users can read: {test[1]}")
        as_user, image = self.build_with_bottle("as an ordinary user", user.words)
        self.assertEqual(
            image_tree.differences(image, theirs), [], "Bottle's as an ordinary user | Docker's"
        )
        self.assertEqual(as_user, digest)


if __name__ == "__main__":
    system_fixture.main()
