# SPDX-License-Identifier: Apache-2.0
"""What is measured over an image: a Debian of about 400 MB in three layers, of which the top one is
edited."""
import contextlib

from inputs import App, Debian
from measure import Work, call, progress
from peers import Buildah, Docker, Pipeline, compress, docker_engine, docker_registry, storage
from project import Project, remove
from works import floors


class DebianProject(Project):
    """The image is the Debian's layout with the files of a program on top."""

    def __init__(self, root, settings, debian, app):
        super().__init__(
            root,
            settings,
            app,
            f'add_bottle(bench CONTEXT ../context CONTEXTS "base=oci-layout:{debian.layout}")\n',
        )

    def forget_packs(self):
        """The image is there, in the store too, but nothing of a pack."""
        self.forget()
        self.fingerprint()
        self.image()
        self.ran()

    def edited_image(self):
        self.up_to_date()
        self.context.edit()
        self.fingerprint()
        self.image()
        self.ran()


def own_works(project):
    def edited():
        project.up_to_date()
        project.context.edit()

    everything = ("fingerprint", "image", "pack")
    yield Work("null", project.ninja, project.up_to_date, project.expect(), "null", ours=True)
    yield Work(
        "edit, to the finished pack",
        project.ninja,
        edited,
        project.expect(*everything),
        "edit",
        ours=True,
    )
    yield Work(
        "repack after an edit",
        project.create,
        project.edited_image,
        project.expect("pack"),
        "edit",
        ours=True,
    )
    yield Work(
        "cold pack of the image",
        project.create,
        project.forget_packs,
        project.expect("pack"),
        "cold",
        ours=True,
        slow=True,
    )
    yield Work(
        "cold, to the finished pack",
        project.ninja,
        project.forget,
        project.expect(*everything),
        "cold",
        ours=True,
        slow=True,
    )


def peers_works(bench, stack, top, debian, app):
    engine = registry = None
    if bench.wants("debian", "docker, push, pull, merge, compress"):
        engine = stack.enter_context(docker_engine(bench.directory, bench.skipped))
        registry = stack.enter_context(docker_registry(top / "registry", bench.skipped))
    if engine and registry:
        bench.facts["docker storage"] = storage(engine)
        docker = Docker(engine, app, "debian-bench", True)
        pipeline = bench.skipped.attempt(
            "the full pipeline", Pipeline, docker, registry, top / "pipeline"
        )
        if pipeline:
            progress("debian: the base in Docker, the first time through the pipeline")
            engine.load(debian.layout, "base")
            pipeline.run()

            def edited():
                pipeline.forget()
                if docker.built == app.version:
                    app.edit()

            yield Work(
                "docker, push, pull, merge, compress",
                pipeline.run,
                edited,
                pipeline.forget,
                "edit",
                slow=True,
            )
    if bench.wants("debian", "buildah, mount, tar | zstd"):
        buildah = bench.skipped.attempt("buildah", Buildah, top / "buildah", app, "debian-bench")
        if buildah and bench.skipped.attempt(
            "buildah", lambda: buildah.load(debian.layout, "base") or True
        ):
            stack.callback(buildah.close)
            output = top / "buildah.tar.zst"

            def build_and_pack():
                buildah.build()
                buildah.pack(output)

            def edit_for_buildah():
                if buildah.built == app.version:
                    app.edit()

            progress("debian: first build by buildah")
            if bench.skipped.attempt("buildah", lambda: build_and_pack() or True):
                yield Work(
                    "buildah, mount, tar | zstd",
                    build_and_pack,
                    edit_for_buildah,
                    buildah.tidy,
                    "edit",
                    slow=True,
                )


def debian(bench):
    """A Debian with git, ssh and Python, about 400 MB in three layers."""
    debian = bench.skipped.attempt(
        "debian", Debian, bench.settings.inputs or bench.directory / "inputs"
    )
    if not debian:
        return None
    with contextlib.ExitStack() as stack:
        top = bench.directory / "debian"
        top.mkdir()
        stack.callback(remove, top)
        # The tree that `tar | zstd` takes lies on the same file system as all else, with the top
        # layer in it.
        progress("debian: first build")
        layout = top / "layout"
        call(["cp", "-a", debian.layout, layout])
        debian.layout = layout
        project = DebianProject(top / "ours", bench.settings, debian, App(top / "ours" / "context"))
        project.configure()
        project.ninja()
        tree = top / "tree"
        call(["cp", "-a", debian.root, tree])
        call(["cp", "-a", project.context.data, tree / "opt" / "app"])
        works = [
            *own_works(project),
            *peers_works(bench, stack, top, debian, App(top / "theirs")),
            *floors(project, top / "copy"),
            Work(
                "tar | zstd of the tree",
                lambda: compress(tree, top / "copy"),
                kind="cold",
                slow=True,
            ),
        ]
        return bench.take(
            "debian",
            works,
            files=sum(1 for _ in tree.rglob("*")),
            bytes=debian.size,
            packBytes=project.pack.stat().st_size,
        )
