# SPDX-License-Identifier: Apache-2.0
"""Completion for bash, without the package bash-completion."""
import shlex

# The loop finds the subcommand, and whether the current word is the value of an option. bash splits
# "--file=x" into three words at "=".
BODY = """\
# bash completion for {name}. Written by completions/generate.
{function}_value() {{ # path option: the kind of its value; "optional" first if the value needs "="
  case "$1 $2" in
{values}
    *) echo ;;
  esac
}}

{function}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} path= kind= count=0 plain= word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    if [[ -n $kind ]]; then
      [[ $word == = ]] || kind=
    elif [[ -n $plain ]]; then
      ((++count))
    elif [[ $word == -- ]]; then
      plain=1
    elif [[ $word == -* ]]; then
      kind=$({function}_value "$path" "$word")
      if [[ $kind == optional* ]]; then
        [[ ${{COMP_WORDS[i + 1]}} == = ]] && kind=${{kind#optional }} || kind=
      fi
    else
      case "$path/$word" in
{paths}
        *) ((++count)) ;;
      esac
    fi
  done
  [[ -n $kind && $cur == = ]] && cur=
  if [[ -z $kind ]]; then
    if [[ $cur == -* && -z $plain ]]; then
      case "$path" in
{options}
      esac
    else
      case "$path $count" in
{arguments}
      esac
    fi
  fi
  case $kind in
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    directory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    words\\ *) mapfile -t COMPREPLY < <(compgen -W "${{kind#words }}" -- "$cur") ;;
    *) COMPREPLY=() ;;
  esac
}}
complete -F {function} {name}
"""


def kind(option):
    return "words " + " ".join(option.words) if option.words else option.kind


def case(indent, pattern, action):
    return f"{' ' * indent}{pattern}) {action} ;;"


def arguments(command):
    if command.commands:
        yield case(
            8,
            shlex.quote(f"{command.path} 0"),
            "kind=" + shlex.quote("words " + " ".join(c.name for c in command.commands)),
        )
    for number, argument in enumerate(command.arguments):
        pattern = shlex.quote(f"{command.path} {number}")
        if argument.repeatable:
            pattern = shlex.quote(command.path + " ") + "*"
        if argument.kind != "text":
            yield case(8, pattern, "kind=" + shlex.quote(kind(argument)))


def script(tool):
    commands = list(tool.walk())
    values = [
        case(
            4,
            "|".join(shlex.quote(f"{command.path} {name}") for name in option.names),
            "echo " + shlex.quote(("optional " if option.optional else "") + kind(option)),
        )
        for command in commands
        for option in command.options
        if option.value
    ]
    paths = [case(8, command.path, f"path={command.path} count=0") for command in commands[1:]]
    options = [
        case(
            8,
            shlex.quote(command.path),
            "kind="
            + shlex.quote(
                "words " + " ".join(name for option in command.options for name in option.names)
            ),
        )
        for command in commands
    ]
    return BODY.format(
        name=tool.name,
        function=tool.identifier,
        values="\n".join(values),
        paths="\n".join(paths),
        options="\n".join(options),
        arguments="\n".join(line for command in commands for line in arguments(command)),
    )
