# SPDX-License-Identifier: Apache-2.0
"""What both must refuse, at the same line."""
from compare_cases import Case

files = {"a": "a\n", "dir/b": "b\n", ".dockerignore": "ignored\n", "ignored": "x"}


def at(line, text, **more):
    return Case(text, fails=line, files=files, **more)


missing_source = at(3, "FROM base\nRUN true\nCOPY none /\n")
ignored_source = at(2, "FROM base\nCOPY ignored /\n")
missing_in_stage = at(3, "FROM base AS one\nFROM base\nCOPY --from=one /none /\n")
unknown_stage_number = at(2, "FROM base\nCOPY --from=7 /a /\n")
own_stage = at(2, "FROM base\nCOPY --from=0 /a /\n")
run_status = at(
    3,
    """\
FROM base
RUN true
RUN exit 3
RUN exit 4
""",
)
run_status_continued = at(2, "FROM base\nRUN true && \\\n  exit 3\n")
run_no_program = at(2, 'FROM base\nRUN ["/none"]\n')
run_no_shell = at(3, "FROM scratch\nCOPY a /\nRUN true\n")
unknown_user = at(3, "FROM base\nUSER nosuch\nRUN true\n")
unknown_group = at(3, "FROM base\nUSER app:nosuch\nRUN true\n")
secret_required = at(2, "FROM base\nRUN --mount=type=secret,id=none,required true\n")
ssh_required = at(2, "FROM base\nRUN --mount=type=ssh,required true\n")
mount_of_missing = at(2, "FROM base\nRUN --mount=type=bind,source=none,target=/srv true\n")
mount_type = at(2, "FROM base\nRUN --mount=type=nosuch,target=/srv true\n")
mount_without_target = at(2, "FROM base\nRUN --mount=type=cache true\n")
mount_key = at(2, "FROM base\nRUN --mount=type=bind,target=/srv,nosuch=1 true\n")
read_only_mount = at(2, "FROM base\nRUN --mount=type=bind,target=/srv touch /srv/x\n")
unknown_instruction = at(2, "FROM base\nCOPYY a /\n")
unknown_flag = at(2, "FROM base\nCOPY --nosuch=1 a /\n")
nothing_before_from = at(1, "RUN true\nFROM base\n")
one_argument = at(2, "FROM base\nCOPY a\n")
several_to_a_file = at(2, "FROM base\nCOPY a dir /file\n")
directory_over_file = at(2, "FROM base\nCOPY a /data/one/\n")
blank_base = at(2, "ARG NONE\nFROM $NONE\n")
required_variable = at(
    3,
    "FROM base\nARG A\nENV B=${A:?is needed}\n",
    older="FROM base\nARG A\nENV B=${A:}\n",
    newer="${a:?b} that ends the build",
)
bad_duration = at(2, "FROM base\nHEALTHCHECK --interval=fast CMD true\n")
bad_retries = at(2, "FROM base\nHEALTHCHECK --retries=-1 CMD true\n")
short_interval = at(2, "FROM base\nHEALTHCHECK --interval=10us CMD true\n")
bad_port = at(2, "FROM base\nEXPOSE 70000\n")
bad_protocol = at(2, "FROM base\nEXPOSE 80/nosuch\n")
bad_signal = at(2, "FROM base\nSTOPSIGNAL NOSUCH\n")
bad_shell = at(2, "FROM base\nSHELL /bin/sh\n")
nested_trigger = at(2, "FROM base\nONBUILD ONBUILD RUN true\n")
trigger_from = at(2, "FROM base\nONBUILD FROM base\n")
nothing_to_set = at(2, "FROM base\nENV\n")
workdir_on_file = at(2, "FROM base\nWORKDIR /data/one\n")
mount_of_stage_number = at(
    3, "FROM base AS one\nFROM base\nRUN --mount=type=bind,from=0,target=/srv true\n"
)
