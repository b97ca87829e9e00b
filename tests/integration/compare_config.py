# SPDX-License-Identifier: Apache-2.0
"""Instructions that leave no files: the configuration of the image."""
from compare_cases import Case

healthchecks = {
    "shell": "HEALTHCHECK CMD wget -q $HOST || exit 1",
    "json": 'HEALTHCHECK CMD ["a", "b c"]',
    "none": "HEALTHCHECK NONE",
    "all_options": (
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=500ms --retries=5 CMD true"
    ),
    "lower": "healthcheck --timeout=2h cmd x",
    "last": "HEALTHCHECK CMD a\nHEALTHCHECK CMD b",
}
for _name, _text in healthchecks.items():
    globals()["healthcheck_" + _name] = Case(f"FROM base\n{_text}\n")
healthcheck_zero = Case(
    "FROM base\nHEALTHCHECK --interval=0s --retries=0 CMD true\n",
    "FROM base\nHEALTHCHECK CMD true\n",
    newer="0 as another word for the default",
)

inherited = Case(
    'FROM triggers AS plain\nFROM base\nENTRYPOINT ["/e"]\n',
    options=("--target", "plain"),
    files={"in/file": "x\n"},
)

triggers = Case(
    """\
FROM triggers
RUN pwd > /where; stat -c '%n %a %u %g' /triggers/* > /listed
LABEL which=$TRIGGERED
""",
    files={"in/file": "x\n"},
    options=("--build-arg", "WHICH=given"),
)

triggers_of_a_stage = Case(
    """\
FROM base AS first
ONBUILD RUN echo triggered > /trigger
ONBUILD LABEL triggered=yes
FROM first
ONBUILD COPY . /later
ONBUILD CMD ["x"]
"""
)

commands = Case(
    """\
FROM base
ENTRYPOINT ["/entry", "point"]
CMD ["a", "b"]
"""
)

command_reset = Case('FROM base\nENTRYPOINT exec /entry "$@"\n')
command_shell = Case("FROM base\nCMD echo  $HOME   'two  blanks'\n")
command_empty = Case("FROM base\nENTRYPOINT []\nCMD []\n")
command_not_json = Case("FROM base\nCMD ['single', 'quotes']\nENTRYPOINT [\"a\", ]\n")

ports = Case(
    """\
FROM base
ARG P=7000
EXPOSE 80 443/tcp 53/udp 8000-8003 9000-9001/UDP
EXPOSE $P ${P}/sctp
EXPOSE 80/tcp
"""
)

labels = Case(
    """\
FROM base
ARG VERSION=1.2
ENV NAME=app
LABEL version=$VERSION "quoted key"="a value" multi="one" two='$NAME' three="${NAME}-${VERSION:-none}" \\
      four=$NAME:$VERSION of=
LABEL kept=changed $NAME=key
LABEL legacy a value with  blanks
""",
    options=("--label", "from=command line", "--label", "version=over"),
)

variables = Case(
    """\
FROM base
ENV A=1 B="two words" C=with\\ blank D='$A' E=$A$B F=${NONE:-default} G=${A:+set} H="\\"q\\"" PATH=$PATH:/more
ENV OLD form of   env $A
ENV A=2 I=$A
ENV J=${I} K=a=b=c
"""
)

modified_variables = Case(
    """\
FROM base
ENV V=a/b/c.tar.gz
ENV A=${V#*/} B=${V##*/} C=${V%.*} D=${V%%.*} E=${V/b/x} F=${V//[abc]/-} G=${NONE-unset} H=${V+set} I=${NONE+set}
""",
    """\
FROM base
ENV V=a/b/c.tar.gz
ENV A=b/c.tar.gz B=c.tar.gz C=a/b/c.tar D=a/b/c E=a/x/c.tar.gz F=a/b/c.tar.gz G=unset H=set I=
""",
    newer="patterns in variables",
)

stop_name = Case("FROM base\nSTOPSIGNAL SIGUSR1\n")
stop_short = Case("FROM base\nSTOPSIGNAL quit\n")
stop_number = Case("FROM base\nSTOPSIGNAL 9\n")
stop_real_time = Case("FROM base\nARG S=RTMIN\nSTOPSIGNAL SIG$S+3\n")

directories = Case(
    """\
FROM base
WORKDIR relative
WORKDIR deeper/../other
ENV D=/from/variable
USER app
WORKDIR $D/x
WORKDIR /data/
WORKDIR new
"""
)

users = Case(
    """\
FROM base
ARG U=app
USER $U:staff
USER ${U}
"""
)
shell = Case(
    """\
FROM base
SHELL ["/bin/sh", "-o", "x"]
CMD a b
ENTRYPOINT c
HEALTHCHECK CMD d
"""
)
volumes = Case(
    """\
FROM base
ENV V=/v
VOLUME /a $V
VOLUME ["/b c", "/a"]
"""
)
maintainer = Case("FROM base\nMAINTAINER Some Body <some@body>\n")

switched_base = Case(
    """\
ARG WHICH=one
ARG BASE=base
FROM $BASE AS one
LABEL stage=one
FROM triggers AS two
LABEL stage=two
FROM ${BASE:-nothing} AS three
COPY --from=one /data/one /one
LABEL stage=three
FROM $WHICH AS final
LABEL after=final
""",
    options=("--build-arg", "WHICH=three"),
)

platform_arguments = Case(
    """\
ARG TARGETOS
FROM --platform=$BUILDPLATFORM base AS native
ARG BUILDPLATFORM
RUN echo $BUILDPLATFORM > /native
FROM base
ARG TARGETPLATFORM
ARG TARGETARCH
ARG TARGETVARIANT
ARG BUILDOS
COPY --from=native /native /native
RUN echo "$TARGETPLATFORM $TARGETARCH [$TARGETVARIANT] $BUILDOS [$TARGETOS]" > /platforms
LABEL platform=$TARGETPLATFORM os=$TARGETOS
"""
)

from_nothing = Case(
    """\
FROM scratch
COPY Dockerfile /
ENV A=b
LABEL c=d
"""
)
