# SPDX-License-Identifier: Apache-2.0
"""What the cases of compare_files.py copy beside plain files: links, modes, archives."""
import os
import shutil
import subprocess

from compare_cases import archive, compressions, some_tree, zstandard


def hard_context(context):
    """What a context can hold beside plain files."""
    (context / "dir").mkdir(exist_ok=True)
    (context / "setuid").write_text("s\n")
    os.chmod(context / "setuid", 0o4755)
    (context / "secret").write_text("0\n")
    os.chmod(context / "secret", 0o400)
    os.mkdir(context / "dir" / "closed", 0o700)
    os.chmod(context / "dir" / "closed", 0o1730)
    os.symlink("dir/one", context / "soft")
    os.symlink("../a", context / "dir" / "up")
    os.symlink("/nowhere", context / "dir" / "dangling")
    os.symlink("dir", context / "to-dir")


def archives(context):
    owned = some_tree("of-gz")
    for info, _ in owned:
        info.uid, info.gid = 55, 66
    (context / "owned.tar").write_bytes(archive(owned))
    for ending, compress in compressions.items():
        (context / f"t.tar{ending}").write_bytes(
            archive(some_tree("of" + ending.replace(".", "-")), compress)
        )


def sparse_archives_of(context):
    """By GNU tar, in each of its formats; the sparse file is the first member, and in one archive a
    later one."""
    source = context.parent / "sparse"
    source.mkdir()
    (source / "plain").write_text("plain\n", encoding="utf-8")
    with open(source / "disk", "wb") as disk:
        for number in range(40):  # more extents than a header holds
            disk.seek(number * 100_000)
            disk.write(b"data %d\n" % number)
        disk.truncate(5_000_000)

    def tar(name, *options):
        subprocess.run(
            [
                "tar",
                "--sparse",
                "--create",
                "--file",
                context / name,
                "--directory",
                source,
                *options,
            ],
            check=True,
        )

    tar("gnu.tar", "--format=gnu", "disk", "plain")
    tar("gnu.later.tar.gz", "--format=gnu", "--gzip", "plain", "disk")
    subprocess.run(
        [
            "tar",
            "--create",
            "--file",
            context / "dense.tar",
            "--directory",
            source,
            "disk",
            "plain",
        ],
        check=True,
    )
    for version in ("0.0", "0.1", "1.0"):
        tar(f"{version}.tar", "--format=posix", f"--sparse-version={version}", "disk", "plain")
    tar("later.tar.gz", "--format=posix", "--gzip", "plain", "disk")
    shutil.rmtree(source)


def zstd_archive(context):
    (context / "t.tar.zst").write_bytes(archive(some_tree("top"), zstandard))
    (context / "plain.tar").write_bytes(archive(some_tree("top")))
