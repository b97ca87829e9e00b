# SPDX-License-Identifier: Apache-2.0
"""RUN: mounts, network, users, what it changes and deletes."""
import textwrap

from compare_cases import Case

INPUT = {"in/a": "a\n", "in/b/c": "c\n", "other": "other\n"}

bind_mounts = Case(
    """\
FROM base AS made
RUN mkdir -p /out/deep && echo made > /out/deep/file && ln -s deep/file /out/link
FROM base
RUN --mount=target=/srv cp -r /srv/in /from-context && stat -c %a:%u:%g /srv/in/a /srv/in/b > /modes
RUN --mount=type=bind,source=in,target=/srv cat /srv/a /srv/b/c > /read && ! touch /srv/a && ! touch /srv/new
RUN --mount=type=bind,source=in/a,target=/data/one cat /data/one > /one-file
RUN --mount=type=bind,from=made,source=/out,target=/srv cp -r /srv /from-stage
RUN --mount=type=bind,from=made,source=out/deep,dst=/srv,ro cp /srv/file /from-below
RUN --mount=type=bind,from=base,source=/data,target=/srv ls /srv > /from-image
RUN --mount=type=bind,source=in,target=/srv,rw echo changed > /srv/a && echo n > /srv/new && cat /srv/a /srv/new > /written
RUN --mount=type=bind,source=in,target=/srv,readwrite=true touch /srv/x && ls /srv > /not-kept
RUN --mount=type=bind,source=in,target=/srv,readonly ls /srv > /still
""",
    files=INPUT,
)

relative_targets = Case(
    """\
FROM base
WORKDIR /srv
RUN --mount=type=bind,source=in,target=sub ls sub > /listed
RUN --mount=type=tmpfs,target=scratch touch scratch/x && ls scratch >> /listed
""",
    files=INPUT,
    by_docker=("srv/sub", "srv/scratch"),
)

cache_mounts = Case(
    """\
FROM base AS seed
RUN mkdir -p /seed/in && echo seeded > /seed/in/file
FROM base
RUN --mount=type=cache,target=/srv echo 1 > /srv/kept
RUN --mount=type=cache,target=/srv cat /srv/kept > /again
RUN --mount=type=cache,target=/var,id=/srv ls /var > /same-id
RUN --mount=type=cache,target=/srv,id=own,uid=1000,gid=50,mode=0710 stat -c %a:%u:%g /srv > /owned
RUN --mount=type=cache,target=/srv,id=seeded,from=seed,source=/seed cat /srv/in/file > /seeded
RUN --mount=type=cache,target=/srv,id=locked,sharing=locked touch /srv/x
RUN --mount=type=cache,target=/srv,id=private,sharing=private ls /srv > /private
RUN --mount=type=cache,target=/srv,id=shared,sharing=shared ls /srv > /shared
RUN --mount=type=cache,target=/srv,id=/srv,ro ls /srv > /read-only && ! touch /srv/new
"""
)

tmpfs_mounts = Case(
    """\
FROM base
RUN --mount=type=tmpfs,target=/data ls /data > /hidden && touch /data/gone && stat -c %a:%u:%g /data > /modes
RUN --mount=type=tmpfs,target=/srv --mount=type=tmpfs,target=/var touch /srv/a /var/b && ls /srv /var > /both
RUN ls /data > /back
"""
)

nested_targets = Case(
    """\
FROM base
RUN --mount=type=bind,source=in,target=/srv/a/b --mount=type=tmpfs,target=/srv/a --mount=type=tmpfs,target=/srv ls /srv /srv/a/b > /listed
""",
    files=INPUT,
)

tmpfs_size = Case(
    """\
FROM base
RUN --mount=type=tmpfs,target=/srv,size=8192 ! head -c 100000 /dev/zero > /srv/large && echo full > /said
""",
    "FROM base\nRUN echo full > /said\n",
    newer="size of a tmpfs",
)

secrets = Case(
    """\
FROM base
RUN --mount=type=secret,id=one cat /run/secrets/one | md5sum > /one && stat -c %a:%u:%g /run/secrets/one >> /one
RUN --mount=type=secret,id=one,target=/srv/token,uid=1000,gid=50,mode=0440 stat -c %a:%u:%g /srv/token > /token
RUN --mount=type=secret,id=one,dst=/data/one cat /data/one | md5sum > /over
RUN --mount=type=secret,id=one,required=true --mount=type=secret,id=two,required cat /run/secrets/one /run/secrets/two | md5sum > /both
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
RUN --mount=type=secret,id=absent,required=false,target=/srv/absent test ! -e /srv/absent
""",
    secrets={"one": "first secret\n", "two": "second"},
    by_docker=("run/secrets", "run/secrets/one", "run/secrets/two", "srv/token"),
)

secret_environment = Case(
    """\
FROM base
RUN --mount=type=secret,id=one,env=TOKEN echo -n "$TOKEN" | md5sum > /value; ls /run >> /value
RUN --mount=type=secret,id=one,env=TOKEN,target=/srv/t test "$TOKEN" = "$(cat /srv/t)" && echo same > /same
RUN echo "[$TOKEN]" > /gone
""",
    """\
FROM base
RUN echo -n 'first secret' | md5sum > /value; ls /run >> /value
RUN echo same > /same
RUN echo "[]" > /gone
""",
    newer="secrets as variables",
    secrets={"one": "first secret"},
)

agent = Case(
    """\
FROM base
RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo "$SSH_AUTH_SOCK" > /where && stat -c %a:%u:%g "$SSH_AUTH_SOCK" > /modes
RUN --mount=type=ssh,target=/srv/agent,uid=1000,gid=50,mode=0666 echo "$SSH_AUTH_SOCK" > /named; stat -c %a:%u:%g /srv/agent >> /named
RUN echo "[$SSH_AUTH_SOCK]" > /gone
""",
    ssh=True,
    by_docker=("run/buildkit", "run/buildkit/ssh_agent.0", "srv/agent"),
)

no_network = Case(
    """\
FROM base
RUN --network=none ls /sys/class/net > /interfaces
RUN --network=none cat /proc/net/route | wc -l > /routes
""",
    """\
FROM base
RUN ls /sys/class/net > /interfaces
RUN cat /proc/net/route | wc -l > /routes
""",
    newer="RUN --network",
    network="none",
)

network_words = Case(
    """\
FROM base
RUN --network=default echo a > /a
RUN --network=host echo b > /b
RUN --security=sandbox echo c > /c
""",
    textwrap.dedent(
        """\
        FROM base
        RUN echo a > /a
        RUN echo b > /b
        RUN echo c > /c
        """
    ),
    newer="RUN --network and --security",
)

deletes = Case(
    """\
FROM base
RUN rm /data/one && rm -r /data/deep/er && rm /link
RUN rm -r /data/deep && mkdir /data/deep && echo new > /data/deep/three
RUN rm -r /run/state && echo 'a file now' > /run/state
RUN rm /data/two && mkdir /data/two && touch /data/two/in
RUN rm /srv/up && mkdir -p /srv/up/x
RUN echo back > /data/one && rm -r /var && ln -s data /var
"""
)

opaque = Case(
    """\
FROM base
RUN rm -rf /data && mkdir -m 0700 /data && echo only > /data/only
RUN mkdir /data/deep && echo 5 > /data/deep/five
RUN rm -rf /data && mkdir -p /data/deep/er && chown 1:2 /data/deep
"""
)

special_files = Case(
    """\
FROM base
RUN mkfifo -m 0620 /srv/pipe && mknod /srv/null c 1 3 && ln -s /nowhere /srv/dangling && ln /data/two /srv/two && ln /srv/two /srv/three
RUN mkdir /srv/d && chmod 2775 /srv/d && chown app:staff /srv/d && chmod 1777 /srv && touch /srv/d/inherits
RUN cp /bin/busybox /srv/tool && chown 5:6 /srv/tool && chmod 6755 /srv/tool && chmod 000 /data/one
RUN chown -h 3:4 /link && rm /srv/three && ln -s two /srv/three
"""
)

hard_links = Case(
    """\
FROM base
RUN ln /data/name-1 /srv/name-3
RUN echo more >> /data/name-2 && ln /data/one /data/deep/one
RUN rm /data/name-1 && mv /data/deep/one /srv/moved && chmod 0444 /srv/moved
"""
)

metadata_only = Case(
    """\
FROM base
RUN chmod 0711 /data && chown 12:34 /data/deep && chmod u+s /data/one
RUN touch /data/one && chmod 0644 /data/one && mv /data/deep /srv/deep
"""
)

through_links = Case(
    """\
FROM base
RUN echo through > /link/new && mkdir -p /srv/up/made/deep && rm /link/one && echo t > /srv/up/three
COPY in/a /link/copied
COPY in /srv/up/
WORKDIR /link/work
RUN pwd > where; pwd -P >> where
WORKDIR ../relative
COPY other .
""",
    files=INPUT,
)

environment = Case(
    """\
ARG GLOBAL=global
FROM base
ARG GLOBAL
ARG PLAIN
ARG WITH="a default"
ARG OVERRIDDEN=no
ENV SET="set $WITH" FROM_BASE="$FROM_BASE again"
RUN env | grep -v -e ^SOURCE_DATE_EPOCH= -e ^HOSTNAME= -e ^SHLVL= -e ^OLDPWD= | sort > /env
USER app
ARG LATE=late
RUN env | grep -v -e ^SOURCE_DATE_EPOCH= -e ^HOSTNAME= -e ^SHLVL= -e ^OLDPWD= | sort > /tmp/env
""",
    options=("--build-arg", "OVERRIDDEN=yes", "--build-arg", "PLAIN=p"),
)

proxies = Case(
    """\
FROM base
RUN env | grep -i proxy | sort > /env
ARG https_proxy
RUN env | grep -i proxy | sort > /declared
""",
    options=(
        "--build-arg",
        "http_proxy=http://127.0.0.1:9",
        "--build-arg",
        "https_proxy=http://127.0.0.1:8",
        "--build-arg",
        "NO_PROXY=localhost",
    ),
)

users = Case(
    """\
FROM base
RUN mkdir -p /srv/app && chown app /srv/app
RUN printf '%s\\n' 'echo $(id -u) $(id -g) and $(id -G | tr " " "\\n" | sort -nu); umask; pwd; echo ~' > /who; cat /who
USER app
RUN sh /who > /tmp/name
WORKDIR made
RUN touch /tmp/file && ! touch /data/none
USER 1000
RUN sh /who > /tmp/number
USER 1000:staff
RUN sh /who > /tmp/pair
USER 4242
RUN sh /who > /tmp/unknown
USER :staff
RUN sh /who > /tmp/group-alone
USER nobody:nogroup
WORKDIR relative/deep
RUN sh /who > /tmp/nobody
"""
)

shells = Case(
    """\
FROM base
RUN ["sh", "-c", "echo $0 json $FROM_BASE > /json", "name"]
SHELL ["/bin/sh", "-euc"]
RUN echo $- > /flags; false || true
SHELL ["/bin/busybox", "echo"]
RUN not executed
CMD shell form
ENTRYPOINT also $shell
"""
)

continued = Case(
    """\
FROM base
RUN echo one \\
    # a comment between
    two \\

    three > /lines; \\
    echo "a \\$HOME b" 'c \\d' >> /lines
RUN set -e; \\
  for x in 1 2; do echo "$x"; done > /loop
"""
)

backtick = Case(
    """\
# escape=`
FROM base
ENV P=C:\\dir\\`$x
RUN echo one `
    two > /lines && printf '%s' 'a\\tb' > /kept
LABEL l="a `"quoted`" word"
"""
)

heredocs = Case(
    """\
FROM base
ENV NAME=value
RUN <<EOF
echo "one $NAME" > /a
for i in 1 2; do echo $i >> /a; done
EOF
RUN <<-EOF
	echo 'tabs stripped' > /b
	cat > /b2 <<-INNER
		inner
	INNER
EOF
RUN cat <<A > /c && cat <<'B' > /d
unquoted $NAME
A
quoted $NAME
B
RUN <<'EOF' cat > /e
$NAME stays
EOF
RUN <<EOF
#!/bin/sh -e
case $- in *e*) echo "by /bin/sh -e" > /interpreter; esac
EOF
""",
    """\
FROM base
ENV NAME=value
RUN echo "one $NAME" > /a; for i in 1 2; do echo $i >> /a; done
RUN echo 'tabs stripped' > /b; echo inner > /b2
RUN echo "unquoted $NAME" > /c; echo 'quoted $NAME' > /d
RUN echo '$NAME stays' > /e
RUN echo "by /bin/sh -e" > /interpreter
""",
    newer="heredocs",
)

volume_then_write = Case(
    """\
FROM base
VOLUME /data /srv/volume
RUN echo kept > /data/new && mkdir -p /srv/volume && echo v > /srv/volume/in && rm /data/one
VOLUME ["/later"]
"""
)

not_kept = Case(
    """\
FROM base
RUN echo x > /dev/shm/x && echo y > /tmp/y && echo z > /run/z; ls / > /listed
RUN ls /dev/shm /tmp > /after
"""
)

unreachable = Case(
    """\
FROM base AS never
RUN exit 1
FROM base AS used
RUN echo used > /used
FROM never AS neither
RUN exit 2
FROM base
COPY --from=used /used /copied
"""
)

target_stage = Case(
    """\
FROM base AS first
RUN echo first > /first
CMD ["first"]
FROM first AS second
RUN echo second > /second
FROM second
RUN exit 1
""",
    options=("--target", "SECOND"),
)
