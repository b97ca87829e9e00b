# SPDX-License-Identifier: Apache-2.0
"""A command line as a tree of commands: what `<tool> --describe-command-line` prints."""


class Option:
    """An option, or an argument without a name."""

    def __init__(self, record):
        self.names = record["names"]  # ["-f", "--file"]
        self.value = record["value"]  # the placeholder of its value; empty for a flag
        self.words = record["words"]  # the values, if it is an enumeration
        self.optional = record["optional"]  # the value may be missing
        self.repeatable = record["repeatable"]
        self.description = record["description"].replace("\n", " ")

    @property
    def kind(self):
        """ "" for a flag, "file", "directory", "words", or "text", which cannot be completed."""
        if not self.value:
            return ""
        if self.words:
            return "words"
        return {"FILE": "file", "PATH": "file", "DIR": "directory"}.get(self.value, "text")


class Command:
    """A tool, or one of its subcommands."""

    def __init__(self, record, parent=None):
        self.name = record["name"]
        self.tool = parent.tool if parent else self.name
        self.path = f"{parent.path}/{self.name}" if parent else ""  # "/docker/tag"; the tool is ""
        self.description = record["description"].replace("\n", " ")
        own = [Option(option) for option in record["options"]]
        names = {name for option in own for name in option.names}
        inherited = parent.options if parent and record["inherits"] else []
        self.options = own + [
            option for option in inherited if not names.intersection(option.names)
        ]
        self.arguments = [Option(argument) for argument in record["arguments"]]
        self.commands = [Command(child, self) for child in record["commands"]]

    def walk(self):
        yield self
        for command in self.commands:
            yield from command.walk()

    @property
    def identifier(self):
        """The name of a shell function. "/" becomes "__", so that `bottle image` differs from
        `bottle-image`."""
        return "_" + (self.tool + self.path).replace("-", "_").replace("/", "__")
