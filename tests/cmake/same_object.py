#!/usr/bin/env python3
"""A compiler launcher for a second build of the same sources: same_object.py <commands> <compiler> <argument>...

Where the first build has compiled the same file with the same words, its object is what the compiler would write again, and is
taken. `<commands>` is what `ninja -t compdb` says of that build. All else is compiled: a definition, an option or a directory more
or less is another command."""
import json
import os
import pathlib
import shlex
import shutil
import sys

PLACES = ("-o", "-MF", "-MT", "-MQ")  # where the results go, which nothing in an object tells


def words_of(command):
    """(what is compiled and how, {option: where a result goes})"""
    words, places = [], {}
    rest = iter(command)
    for word in rest:
        if word in PLACES:
            places[word] = next(rest)
        else:
            words.append(word)
    return words, places


def first_object(commands, words):
    """Of the first build, if it is not older than the source."""
    for entry in json.loads(pathlib.Path(commands).read_text(encoding="utf-8")):
        if not words or entry["file"] != words[-1]:
            continue
        command = shlex.split(entry["command"])
        if words[0] not in command:
            continue
        theirs, places = words_of(command[command.index(words[0]):])  # without that build's own launcher
        made = pathlib.Path(entry["directory"], places.get("-o", "nowhere"))
        if theirs == words and made.exists() and made.stat().st_mtime_ns > pathlib.Path(entry["file"]).stat().st_mtime_ns:
            return made
    return None


def main():
    commands, *command = sys.argv[1:]
    words, places = words_of(command)
    made = first_object(commands, words) if "-c" in words and "-o" in places else None
    if made is None:
        os.execvp(command[0], command)
    shutil.copyfile(made, places["-o"])
    if "-MF" in places:
        pathlib.Path(places["-MF"]).write_text(f"{places.get('-MT', places['-o'])}: {words[-1]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
