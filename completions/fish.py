# SPDX-License-Identifier: Apache-2.0
"""Completion for fish. A function finds the subcommand: a word that is the value of an option is
not one."""

BODY = """\
# fish completion for {name}. Written by completions/generate.
function _{function}_path
    set -l path ''
    set -l is_value 0
    for word in (commandline -opc)[2..-1]
        if test $is_value = 1
            set is_value 0
        else if string match -q -- '-*' $word
            contains -- "$path $word" {values}
            and set is_value 1
        else if contains -- $path/$word {paths}
            set path $path/$word
        end
    end
    echo x$path
end

complete -c {name} -f
{lines}
"""


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def values(option):
    if option.words:
        return "-f -a " + quoted(" ".join(option.words))
    return {"file": "-F", "directory": "-f -a '(__fish_complete_directories)'"}.get(
        option.kind, "-f"
    )


def lines(tool):
    for command in tool.walk():
        at = f"complete -c {tool.name} -n 'test (_{tool.identifier}_path) = x{command.path}'"
        for child in command.commands:
            yield f"{at} -a {child.name} -d {quoted(child.description)}"
        for option in command.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in option.names
            )
            value = (
                ""
                if not option.value
                else values(option)
                if option.optional
                else f"-r {values(option)}"
            )
            yield " ".join(
                part for part in (at, names, value, "-d", quoted(option.description)) if part
            )
        for text in dict.fromkeys(
            values(argument) for argument in command.arguments if argument.kind != "text"
        ):
            yield f"{at} {text}"


def script(tool):
    commands = list(tool.walk())
    keys = [
        quoted(f"{command.path} {name}")
        for command in commands
        for option in command.options
        if option.value and not option.optional
        for name in option.names
    ]
    return BODY.format(
        name=tool.name,
        function=tool.identifier,
        values=" ".join(keys) or "''",
        paths=" ".join(command.path for command in commands[1:]) or "''",
        lines="\n".join(lines(tool)),
    )
