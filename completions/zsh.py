# SPDX-License-Identifier: Apache-2.0
"""Completion for zsh: one function for each command, with _arguments."""
import shlex


def plain(text):
    """Text in a specification of _arguments, where "[", "]" and ":" have a meaning."""
    for character in "\\:[]":
        text = text.replace(character, "\\" + character)
    return text


def action(option):
    if option.words:
        return "(" + " ".join(word.replace(":", "\\:") for word in option.words) + ")"
    return {"file": "_files", "directory": "_files -/"}.get(option.kind, " ")


def option_lines(option):
    for name in option.names:
        exclusive = "*" if option.repeatable else "(" + " ".join(option.names) + ")"
        value = ""
        if option.value:
            # "=" after a long name: the value is the next word, or follows "=". "=-": only after
            # "=".
            name += ("=-" if option.optional else "=") if name.startswith("--") else "+"
            value = f":{':' if option.optional else ''}{plain(option.value)}:{action(option)}"
        yield shlex.quote(f"{exclusive}{name}[{plain(option.description)}]{value}")


def argument_lines(command):
    if command.commands:
        names = " ".join(
            f'{child.name}\\:"{plain(child.description).replace(chr(34), "")}"'
            for child in command.commands
        )
        yield shlex.quote(f"1:command:(({names}))")
        yield "'*::argument:->argument'"
        return
    for number, argument in enumerate(command.arguments, 1):
        yield shlex.quote(
            f"{'*' if argument.repeatable else number}:{plain(argument.value)}:{action(argument)}"
        )


def function(command):
    lines = [line for option in command.options for line in option_lines(option)] + list(
        argument_lines(command)
    )
    yield f"{command.identifier}() {{"
    yield "  local curcontext=$curcontext state state_descr line ret=1"
    yield "  typeset -A opt_args"
    yield "  _arguments -C " + " ".join(f"\\\n    {line}" for line in lines) + " && ret=0"
    if command.commands:
        yield "  if [[ $state == argument ]]; then"
        yield "    curcontext=${curcontext%:*}-$line[1]:"
        yield "    case $line[1] in"
        for child in command.commands:
            yield f"      {child.name}) {child.identifier} && ret=0 ;;"
        yield "    esac"
        yield "  fi"
    yield "  return ret"
    yield "}"


def script(tool):
    lines = [
        f"#compdef {tool.name}",
        f"# zsh completion for {tool.name}. Written by completions/generate.",
        "",
    ]
    for command in tool.walk():
        lines += [*function(command), ""]
    return "\n".join([*lines, f'{tool.identifier} "$@"', ""])
