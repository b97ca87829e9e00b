# SPDX-License-Identifier: Apache-2.0
"""What ARG and ENV mean in which stage, and what each option of a mount does: one build a table, a
file a row."""
from compare_cases import Case

SHOW = "env | grep -v -e ^SOURCE_DATE_EPOCH= -e ^HOSTNAME= -e ^SHLVL= -e ^OLDPWD= -e ^PWD= | sort >"
GIVEN = {
    "META_GIVEN": "given",
    "GIVEN": "given",
    "GIVEN_EMPTY": "",
    "GIVEN_NONE": "given",
    "SHADOWS_GIVEN": "given",
    "SHADOWED_GIVEN": "given",
    "WHICH": "which",
    "UNDECLARED": "x",
    "HTTP_PROXY": "http://p",
}

scopes = Case(
    f"""\
ARG META=meta
ARG META_EMPTY=
ARG META_NONE
ARG META_USES=${{META}}-used
ARG META_GIVEN=default
ARG META_OWN=meta
ARG BASE=base
ARG TARGETVARIANT=written
FROM ${{BASE}} AS first
RUN {SHOW} /undeclared
ARG META
ARG META_EMPTY
ARG META_NONE
ARG META_USES
ARG META_GIVEN
ARG META_OWN=own
ARG OWN=own
ARG OWN_EMPTY=
ARG OWN_NONE
ARG GIVEN=default
ARG GIVEN_EMPTY=default
ARG GIVEN_NONE
ARG USES=${{OWN}}-${{META}}-${{UNSET}}-${{UNSET:-default}}
ARG USES_SELF=${{USES_SELF}}x
ENV SHADOWS=env
ARG SHADOWS=arg
ENV SHADOWS_NONE=env
ARG SHADOWS_NONE
ENV SHADOWS_GIVEN=env
ARG SHADOWS_GIVEN
ARG SHADOWED=arg
ENV SHADOWED=env
ARG SHADOWED_GIVEN=arg
ENV SHADOWED_GIVEN=env
ARG ENV_USES_ARG=arg
ENV ENV_USES=$ENV_USES_ARG
ENV ENV_EMPTY=
ENV TOGETHER_A=1 TOGETHER_B=$TOGETHER_A
ARG REDECLARED=one
ARG REDECLARED
ARG AGAIN=one
ARG AGAIN=two
ARG FROM_BASE
ARG TARGETARCH
ARG TARGETOS=default
ARG BUILDPLATFORM
ARG BUILDOS
ARG TARGETVARIANT
RUN {SHOW} /first
LABEL first="$META $META_NONE $OWN $GIVEN $SHADOWS $SHADOWED $TARGETOS $LATE"
ARG LATE=late
FROM first AS second
RUN {SHOW} /second
ARG OWN
ARG GIVEN
ARG META=again
ARG SHADOWED
ENV SHADOWS=second
LABEL second="$META $META_NONE $OWN $GIVEN $SHADOWS $SHADOWED $TARGETOS $LATE"
RUN {SHOW} /second-redeclared
FROM base AS third
ARG OWN
ARG META_USES
ENV OWN_ENV=${{OWN:-none}}
RUN {SHOW} /third
FROM base AS onbuild
ONBUILD ARG TRIGGER=default
ONBUILD ARG META
ONBUILD ARG GIVEN
ONBUILD ENV BY_TRIGGER=$TRIGGER-$META-$GIVEN
ONBUILD RUN {SHOW} /trigger
FROM onbuild AS fourth
RUN {SHOW} /fourth
FROM triggers AS fifth
USER root
RUN {SHOW} /fifth
FROM second
COPY --from=third /third /
COPY --from=fourth /trigger /fourth /
COPY --from=fifth /fifth /
LABEL last="$META $OWN $LATE $SHADOWED"
RUN {SHOW} /last
""",
    files={"in/file": "x\n"},
    options=tuple(
        word for name, value in GIVEN.items() for word in ("--build-arg", f"{name}={value}")
    ),
)

# Rows whose answer differs between the runtimes' own mount options show what the option is for, and
# no more.
bind_options = Case(
    """\
FROM base AS seed
RUN mkdir -p /seed/in && echo seeded > /seed/in/file && chown 5:6 /seed/in && chmod 0750 /seed/in
FROM base
RUN mkdir /out
RUN --mount=type=bind,source=in,target=/srv stat -c '%a %u %g' /srv/a > /out/default; echo x > /srv/a || cat /srv/a >> /out/default
RUN --mount=type=bind,src=in,dst=/srv,rw echo x > /srv/a; cat /srv/a > /out/rw
RUN --mount=type=bind,source=in,destination=/srv,readwrite echo x > /srv/new; ls /srv > /out/readwrite
RUN --mount=type=bind,source=in,target=/srv,ro=false echo x > /srv/new; ls /srv > /out/ro-false
RUN --mount=type=bind,source=in,target=/srv,readonly=0 echo x > /srv/new; ls /srv > /out/readonly-0
RUN --mount=type=bind,from=seed,source=/seed,target=/srv stat -c '%a %u %g' /srv/in > /out/from
RUN --mount=type=bind,from=seed,target=/srv ls /srv/seed/in > /out/from-root
""",
    files={"in/a": "a\n"},
)

cache_options = Case(
    """\
FROM base AS seed
RUN mkdir -p /seed/in && echo seeded > /seed/in/file && chown 5:6 /seed/in && chmod 0750 /seed/in
FROM base
RUN mkdir /out
RUN --mount=type=cache,target=/srv stat -c '%a %u %g' /srv > /out/default; touch /srv/one
RUN --mount=type=cache,target=/srv,ro ls /srv > /out/ro; touch /srv/x || echo ro >> /out/ro
RUN --mount=type=cache,target=/srv,readonly=true touch /srv/x || echo ro > /out/readonly
RUN --mount=type=cache,id=4,target=/srv,mode=0710,uid=7,gid=8 stat -c '%a %u %g' /srv > /out/owner
RUN --mount=type=cache,id=5,target=/srv,mode=0701 stat -c '%a %u %g' /srv > /out/mode
RUN --mount=type=cache,id=6,target=/srv,uid=9 stat -c '%a %u %g' /srv > /out/uid
RUN --mount=type=cache,id=7,target=/srv,from=seed,source=/seed/in stat -c '%a %u %g' /srv > /out/from; ls /srv >> /out/from
RUN --mount=type=cache,id=8,target=/srv,from=seed,source=/seed/in,uid=3,gid=4,mode=0700 stat -c '%a %u %g' /srv > /out/from-owner
RUN --mount=type=cache,id=9,target=/srv,sharing=private touch /srv/p; ls /srv > /out/private
RUN --mount=type=cache,id=10,target=/srv,sharing=LOCKED touch /srv/p; ls /srv > /out/locked
RUN --mount=type=cache,target=/srv,id=/srv ls /srv > /out/default-id
RUN --mount=type=cache,target=/srv/../srv ls /srv > /out/cleaned-id
"""
)

tmpfs_options = Case(
    """\
FROM base
RUN mkdir -m 0711 /closed /out
RUN --mount=type=tmpfs,target=/srv stat -c '%a %u %g' /srv > /out/default; touch /srv/x; ls /srv >> /out/default
RUN --mount=type=tmpfs,target=/closed stat -c '%a %u %g' /closed > /out/mode
RUN --mount=type=tmpfs,target=/tmp stat -c '%a %u %g' /tmp > /out/sticky
RUN --mount=type=tmpfs,target=/srv,size=1m grep ' /srv ' /proc/mounts | grep -o size=1024k > /out/size
RUN --mount=type=tmpfs,target=/srv,ro touch /srv/x || echo ro > /out/ro
""",
    """\
FROM base
RUN mkdir -m 0711 /closed /out
RUN --mount=type=tmpfs,target=/srv stat -c '%a %u %g' /srv > /out/default; touch /srv/x; ls /srv >> /out/default
RUN --mount=type=tmpfs,target=/closed stat -c '%a %u %g' /closed > /out/mode
RUN --mount=type=tmpfs,target=/tmp stat -c '%a %u %g' /tmp > /out/sticky
RUN echo size=1024k > /out/size
RUN echo ro > /out/ro
""",
    newer="size of a tmpfs, and one that is read-only",
)

secret_options = Case(
    """\
FROM base
RUN mkdir /out
RUN --mount=type=secret,id=one stat -c '%a %u %g' /run/secrets/one > /out/id; echo x > /run/secrets/one || echo ro >> /out/id
RUN --mount=type=secret,id=one,mode=0444,uid=3,gid=4 stat -c '%a %u %g' /run/secrets/one > /out/owner
RUN --mount=type=secret,source=one,target=/srv/x cat /srv/x > /out/source
RUN --mount=type=secret,target=/srv/one cat /srv/one > /out/target
RUN --mount=type=secret,id=two,target=/srv/y test ! -e /srv/y && echo none > /out/optional
RUN --mount=type=secret,id=one,required=false cat /run/secrets/one > /out/not-required
RUN --mount=type=secret,id=one,env=ONE echo "$ONE" > /out/env; test -e /run/secrets/one || echo no file >> /out/env
RUN --mount=type=secret,id=one,env=ONE,target=/srv/x echo "$ONE" > /out/env-target; cat /srv/x >> /out/env-target
RUN --mount=type=secret,id=two,env=ONE echo "[$ONE]" > /out/env-optional
RUN --mount=type=secret,id=one,env=FROM_BASE env | grep FROM_BASE > /out/env-over-env
RUN --mount=type=secret,id=one,env=ONE,required=true echo "$ONE" > /out/env-required
""",
    """\
FROM base
RUN mkdir /out
RUN --mount=type=secret,id=one stat -c '%a %u %g' /run/secrets/one > /out/id; echo x > /run/secrets/one || echo ro >> /out/id
RUN --mount=type=secret,id=one,mode=0444,uid=3,gid=4 stat -c '%a %u %g' /run/secrets/one > /out/owner
RUN --mount=type=secret,source=one,target=/srv/x cat /srv/x > /out/source
RUN --mount=type=secret,target=/srv/one cat /srv/one > /out/target
RUN --mount=type=secret,id=two,target=/srv/y test ! -e /srv/y && echo none > /out/optional
RUN --mount=type=secret,id=one,required=false cat /run/secrets/one > /out/not-required
RUN echo secret > /out/env; echo no file >> /out/env
RUN echo secret > /out/env-target; echo -n secret >> /out/env-target
RUN echo "[]" > /out/env-optional
RUN echo FROM_BASE=secret > /out/env-over-env
RUN echo secret > /out/env-required
""",
    newer="secrets as variables",
    secrets={"one": "secret"},
    by_docker=("run/secrets", "run/secrets/one", "srv/x", "srv/one", "srv/y"),
)

agent_options = Case(
    """\
FROM base
RUN mkdir /out
RUN --mount=type=ssh stat -c '%a %u %g %F' $SSH_AUTH_SOCK > /out/default; echo $SSH_AUTH_SOCK >> /out/default
RUN --mount=type=ssh,id=default,mode=0660,uid=3,gid=4,target=/srv/a stat -c '%a %u %g' /srv/a > /out/owner; echo $SSH_AUTH_SOCK >> /out/owner
RUN --mount=type=ssh,id=nosuch echo "[$SSH_AUTH_SOCK]" > /out/optional; test -e $SSH_AUTH_SOCK || echo none >> /out/optional
RUN --mount=type=ssh,required=true test -S $SSH_AUTH_SOCK && echo there > /out/required
""",
    ssh=True,
    by_docker=("run/buildkit", "run/buildkit/ssh_agent.0", "srv/a"),
)

run_settings = Case(
    """\
FROM base
RUN grep ' /dev/shm ' /proc/mounts | sed 's/.*size=//; s/[ ,].*//' > /shm
RUN ulimit -n > /limits; ulimit -Hn >> /limits; ulimit -c >> /limits
RUN cat /etc/hosts > /copied
""",
    """\
FROM base
RUN echo 131072k > /shm
RUN for limit in 1000 2000 0; do echo $limit; done > /limits
RUN cat /etc/hosts > /copied
""",
    newer="--shm-size and --ulimit with BuildKit",
    options=(
        "--shm-size",
        "128m",
        "--ulimit",
        "nofile=1000:2000",
        "--ulimit",
        "core=0",
        "--add-host",
        "a.b:1.2.3.4",
        "--add-host",
        "c:::1",
    ),
)
