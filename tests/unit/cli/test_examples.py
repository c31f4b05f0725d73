"""Every command's help has examples, of options and arguments that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile

import click
import pytest
from click.testing import CliRunner

from opsctl.cli.root import COMMANDS, root


def commands(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and all below it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands((*path, name), inner)


def loaded(name: str) -> click.Command:
    found = root.get_command(click.Context(root), name)  # type: ignore[attr-defined]
    assert isinstance(found, click.Command)
    return found


ALL = {path: command for name in COMMANDS for path, command in commands((name,), loaded(name))}
APART = "|<>();&"  # what separates commands in a shell


def examples(path: tuple[str, ...]) -> list[list[str]]:
    """The words of each line under `Examples:` that runs opsctl."""
    text = CliRunner().invoke(root, [*path, "--help"], terminal_width=200).output
    block = "".join(re.findall(r"^ *Examples?:\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE))
    return [words for line in block.splitlines() if (words := after_opsctl(line))]


def after_opsctl(line: str) -> list[str]:
    """The words of the command in a line that may do more, as `eval "$(opsctl sandbox env)"`."""
    line = line.replace('"$(', " ").replace(')"', " ") if '"$(' in line else line
    lexer = shlex.shlex(line, posix=True, punctuation_chars=APART)
    lexer.whitespace_split = True
    words = list(lexer)
    if "opsctl" not in words:
        return []
    rest = words[words.index("opsctl") + 1 :]
    return list(takewhile(lambda word: not set(word) <= set(APART), rest))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_examples_of_what_there_is(path: tuple[str, ...]) -> None:
    found = examples(path)
    assert found
    assert any(tuple(words[: len(path)]) == path or path[0] in words for words in found)
    for words in found:
        here = max((other for other in ALL if tuple(words[: len(other)]) == other), key=len, default=())
        if not here:  # options of opsctl's own go first
            continue
        known = {name for each in (ALL[here], root) for parameter in each.params for name in parameter.opts}
        known |= {name for parameter in ALL[here].params for name in parameter.secondary_opts}
        own = words[len(here) :]
        own = own[: own.index("--")] if "--" in own else own
        assert [word for word in own if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known] == []
