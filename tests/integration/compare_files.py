# SPDX-License-Identifier: Apache-2.0
"""COPY and ADD: sources, owners, modes, archives, heredocs, ignore files."""
import os

from compare_cases import Case
from compare_contexts import archives, hard_context, sparse_archives_of, zstd_archive

TREE = {
    "a": "a\n",
    "b": "b\n",
    "dir/one": "1\n",
    "dir/two.txt": "2\n",
    "dir/sub/three": "3\n",
    "dir/sub/deep/four.txt": "4\n",
    "other/five": "5\n",
}


places = Case(
    """\
FROM base
COPY a /new/deep/file
COPY a b /srv/
COPY dir /srv/
COPY dir /srv/dir
COPY dir/ /tmp/x/
COPY a /data
COPY ./b /link/
COPY dir/sub/ other/ /several/
COPY . /all
WORKDIR /work
COPY a .
COPY b sub/
COPY ["dir/one", "with blank"]
COPY a ../up
""",
    files=TREE,
)

wildcards = Case(
    """\
FROM base
COPY d*/t* /t/
COPY dir/*/deep /deep/
COPY ? /letters/
COPY [ab] /class/
COPY dir/two.???  /question
COPY dir* /dirs/
COPY */five /five
COPY x*y /nothing-matches/
""",
    files=TREE,
)

over_the_base = Case(
    """\
FROM base
COPY a /data/one
COPY dir /data/deep
COPY b /srv/up/three
COPY dir/sub /link/deep
RUN ln -s /data/two /srv/l && mkdir /srv/empty
COPY a /srv/l
COPY a /srv/empty
""",
    files=TREE,
)

hard_files = Case(
    """\
FROM base
COPY . /all/
COPY soft /soft
COPY to-dir /to-dir
COPY to-dir/one /through
COPY setuid secret /modes/
ADD dir/up /added
""",
    files=TREE,
    prepare=hard_context,
)

hard_links = Case(
    "FROM base\nCOPY . /all/\nCOPY a dir /apart/\n",
    files=TREE,
    prepare=lambda context: os.link(context / "a", context / "dir" / "hard"),
    differs="BuildKit keeps hard links among the files that one COPY takes from the context",
)

_stages = """\
FROM base AS one
RUN mkdir -p /o/d && echo 1 > /o/f && chmod 4711 /o/f && chown 5:6 /o/f && ln /o/f /o/g && ln -s f /o/s && ln -s /o /away && mkfifo /o/p
FROM scratch AS Two
COPY --from=one /o /moved/
COPY --from=0 /away/ /through-link
COPY --from=0 /o/s /followed
COPY --from=0 /o/f /o/g /names/
FROM base
COPY --from=two /moved /x
COPY --from=two . /everything
COPY --from=base /data/two /etc/passwd /image/
COPY --from=base --chown=1:2 /data /owned
"""
stages = Case(
    _stages,
    _stages + "RUN mkfifo /x/p /everything/moved/p /everything/through-link/p\n",
    newer="pipes among what is copied",
)

owners = Case(
    """\
FROM base
COPY --chown=app a /name
COPY --chown=app:staff dir /both
COPY --chown=:staff a /group
COPY --chown=77 a /number
COPY --chown=77:app a /mixed
COPY --chown=4242:4343 dir/ /new/made/below/
ADD --chown=nobody:nogroup b /added
ARG WHO=app
COPY --chown=$WHO:${WHO} a /variable
USER app
COPY a /still-root
WORKDIR /owned/by
""",
    files=TREE,
)

unknown_owner = Case("FROM base\nCOPY --chown=nosuch a /\n", files=TREE)

modes = Case(
    """\
FROM base
COPY --chmod=0640 a /file
COPY --chmod=755 dir /dir
COPY --chmod=4711 --chown=3:4 a b /special/
COPY --chmod=1777 dir/sub /new/dir/
ADD --chmod=600 b /added
""",
    """\
FROM base
COPY --chmod=0640 a /file
COPY --chmod=755 dir /dir
COPY --chown=3:4 a b /special/
COPY dir/sub /new/dir/
ADD --chmod=600 b /added
RUN chmod 0755 /dir/closed && chmod 0711 /special && chmod 4711 /special/* && chmod -R 1777 /new/dir && chmod 0777 /new /new/dir
""",
    newer="the mode for the directories that are made on the way, and special bits",
    files=TREE,
    prepare=hard_context,
)

symbolic_modes = Case(
    """\
FROM base
COPY --chmod=u=rwX,go=rX a /file
COPY --chmod=u=rwX,g=rX,o= dir /dir
COPY --chmod=a+x b /plus
COPY --chmod=go-r b /minus
""",
    """\
FROM base
COPY --chmod=644 a /file
COPY dir /dir
RUN chmod -R u=rwX,g=rX,o= /dir/*
COPY --chmod=755 b /plus
COPY --chmod=600 b /minus
""",
    newer="symbolic modes",
    files=TREE,
)

linked = Case(
    """\
FROM base
COPY --link a /srv/
COPY --link --chown=3:4 dir /new/dir
COPY --link --chmod=600 b /deep/er/file
ADD --link other /data/
COPY --link=false b /plain
""",
    """\
FROM base
COPY a /srv/
COPY --chown=3:4 dir /new/dir
COPY --chmod=600 b /deep/er/file
RUN chmod 600 /deep/er /deep
ADD other /data/
COPY b /plain
""",
    newer="COPY --link",
    files=TREE,
)

parents = Case(
    """\
FROM base
COPY --parents dir/sub/three a /p/
COPY --parents dir/./sub/deep/four.txt /pivot/
COPY --parents **/*.txt /texts/
COPY --parents dir/sub /whole/
FROM base
COPY --from=0 --parents /p/dir/sub/./three /data/./deep/three /s/
COPY --from=0 /p /p
COPY --from=0 /pivot /pivot
COPY --from=0 /texts /texts
COPY --from=0 /whole /whole
""",
    """\
FROM base
COPY dir/sub/three /p/dir/sub/
COPY a /p/
COPY dir/sub/deep/four.txt /pivot/sub/deep/
COPY dir/two.txt /texts/dir/
COPY dir/sub/deep/four.txt /texts/dir/sub/deep/
COPY dir/sub /whole/dir/sub/
FROM base
COPY --from=0 /p/dir/sub/three /s/
COPY --from=0 /data/deep/three /s/deep/
COPY --from=0 /p /p
COPY --from=0 /pivot /pivot
COPY --from=0 /texts /texts
COPY --from=0 /whole /whole
""",
    newer="COPY --parents",
    files=TREE,
)


def linked_context(context):
    os.symlink("dir", context / "link")
    os.symlink("sub", context / "dir" / "inner")


parents_through_links = Case(
    """\
FROM base
COPY --parents link/./sub/three link/inner/./deep/four.txt /a/
COPY --parents li*/./one /b/
COPY --from=base --parents /link/./deep/three /srv/up/./er /c/
""",
    """\
FROM base
COPY dir/sub/three /a/sub/
COPY dir/sub/deep/four.txt /a/deep/
COPY dir/one /b/
COPY --from=base /data/deep/three /c/deep/
COPY --from=base /data/deep/er /c/er/
""",
    newer="COPY --parents",
    files=TREE,
    prepare=linked_context,
)

excluded = Case(
    """\
FROM base
COPY --exclude=*.txt dir /no-texts-on-top
COPY --exclude=**/*.txt --exclude=other . /no-texts
COPY --exclude=sub --exclude=none dir/ /no-sub/
ADD --exclude=two.txt dir /added
""",
    """\
FROM base
COPY dir/one /no-texts-on-top/
COPY dir/sub /no-texts-on-top/sub
COPY a b Dockerfile /no-texts/
COPY dir/one /no-texts/dir/
COPY dir/sub/three /no-texts/dir/sub/
RUN mkdir /no-texts/dir/sub/deep
COPY dir/one dir/two.txt /no-sub/
COPY dir/one /added/
COPY dir/sub /added/sub
""",
    newer="COPY --exclude",
    files=TREE,
)

added_archives = Case(
    """\
FROM base
ADD t.tar t.tar.gz t.tar.bz2 t.tar.xz /srv/
ADD t.tar /new/below
ADD not.tar.gz /srv/
COPY t.tar.gz /copied/
ADD *.bz2 /pattern/
""",
    files={"not.tar.gz": "only its name is that of an archive\n"},
    prepare=archives,
)

owned_archive = Case(
    "FROM base\nADD --chown=55:66 t.tar.gz /owned/\n",
    "FROM base\nADD --chown=55:66 owned.tar /owned/\n",
    newer="--chown for the content of archives",
    prepare=archives,
)

sparse_archives = Case(
    """\
FROM base
ADD gnu.tar /gnu/
ADD 0.0.tar /0.0/
ADD 0.1.tar /0.1/
ADD 1.0.tar /1.0/
ADD later.tar.gz /later/
ADD gnu.later.tar.gz /gnu.later/
""",
    """\
FROM base
ADD dense.tar /gnu/
ADD 0.0.tar /0.0/
ADD 0.1.tar /0.1/
ADD 1.0.tar /1.0/
ADD later.tar.gz /later/
ADD dense.tar /gnu.later/
""",
    newer="sparse members of GNU's old format, which the Engine refuses (type 83)",
    prepare=sparse_archives_of,
)

zstandard_archive = Case(
    "FROM base\nADD t.tar.zst /srv/\n",
    "FROM base\nADD plain.tar /srv/\n",
    newer="archives by zstd",
    prepare=zstd_archive,
)

unpacked = Case(
    """\
FROM base
ADD --unpack=false t.tar.gz /kept/
ADD --unpack=true t.tar.gz /unpacked/
ADD --unpack t.tar /unpacked-too/
""",
    """\
FROM base
COPY t.tar.gz /kept/
ADD t.tar.gz /unpacked/
ADD t.tar /unpacked-too/
""",
    newer="ADD --unpack",
    prepare=archives,
)

documents = Case(
    """\
FROM base
ENV NAME=value
COPY <<EOF /expanded
$NAME ${NAME:-x} \\$NAME "quoted"
EOF
COPY <<"EOF" /literal
$NAME \\$NAME
EOF
COPY <<-ONE <<-'TWO' /several/
	first $NAME
	ONE
		second $NAME
	TWO
COPY --chown=app:staff --chmod=0600 <<EOF /owned
EOF
COPY a <<mixed /with/
text
mixed
""",
    """\
FROM base
ENV NAME=value
COPY written/ /
COPY --chown=app:staff --chmod=0600 empty /owned
COPY a /with/
""",
    newer="heredocs",
    files={
        "a": "a\n",
        "empty": "",
        "written/expanded": 'value value $NAME "quoted"\n',
        "written/literal": "$NAME \\$NAME\n",
        "written/several/ONE": "first value\n",
        "written/several/TWO": "second $NAME\n",
        "written/with/mixed": "text\n",
    },
)

deep_ignore = Case(
    "FROM base\nCOPY . /all/\nCOPY keep /kept\n",
    files={
        ".dockerignore": """\
# a comment
Dockerfile
**/*.log
!important.log
!deep/**/keep.log
/build
docs/*/draft
node*/**
!node_modules/kept/file
  spaced
dir/
!dir/back
[x-z]*
*/.hidden
keep/*
!keep/this
trailing/slash/
""",
        **{
            path: path
            for path in (
                "a.log",
                "important.log",
                "deep/keep.log",
                "deep/er/keep.log",
                "deep/er/other.log",
                "build/x",
                "sub/build/x",
                "docs/en/draft/x",
                "docs/en/final",
                "node_modules/x/y",
                "node_modules/kept/file",
                "node_modules/kept/other",
                "spaced",
                "dir/gone",
                "dir/back/in",
                "xyz",
                "y1",
                "sub/.hidden",
                ".hidden",
                "keep/this",
                "keep/that",
                "trailing/slash/x",
                "trailing/other",
                "sub/x.log/y",
            )
        },
    },
)

own_ignore_file = Case(
    "FROM base\nCOPY . /all/\n",
    files={".dockerignore": "a\n", "Dockerfile.dockerignore": "b\n", "a": "a", "b": "b"},
)
