"""JSONPath as AWS evaluates it (the Jayway dialect).

A path is parsed once into steps (`path_steps`) and evaluated often. A path of names and indexes only is *definite*: it
gives its value, or fails with Jayway's words for what is missing. Any other path gives the list of what it finds, an
empty one included.

Roots: `$` is the state's input (or result), `$$` the context object, `$name` a variable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.path_filters import parse_filter
from opsctl.asl.path_steps import Descend, Indexes, Names, Slice, Step, Wildcard, expand
from opsctl.asl.path_work import begin

_NAME = re.compile(r"[^\s.\[\](){},'\"$@*?:=<>!&|+/;#%^~`\\]+")
_FROM_END = re.compile(r"\(\s*@\.length(?:\(\))?\s*-\s*([1-9]\d*)\s*\)")
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_INTEGER = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?\s*)?")


class PathSyntaxError(ValueError):
    """The text is no JSONPath."""


class PathMissingError(LookupError):
    """A definite path leads nowhere; the message is Jayway's."""


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. `root` is `$`, `$$` or a variable's name."""

    text: str
    root: str
    steps: tuple[Step, ...]
    definite: bool

    def evaluate(self, environment: Environment) -> Any:
        """The value, or the list of values of an indefinite path. Raises `PathMissingError`."""
        return self.find(environment.root(self.root))

    def find(self, document: Any) -> Any:
        """Evaluate against a document that stands for the root. Raises `PathMissingError`.

        Unless the path is definite it raises `StateError` if it takes too many steps.
        """
        if not self.definite:
            begin()
        return self.seek(document)

    def seek(self, document: Any) -> Any:
        """The same as a part of another path's evaluation."""
        if not self.definite:
            return list(expand(self.steps, document, document))
        value = document
        for position, step in enumerate(self.steps):
            try:
                value = _member(value, step)
            except LookupError:
                raise PathMissingError(self._why(position, value)) from None
        return value

    def exists(self, environment: Environment) -> bool:
        """Whether the path leads to anything."""
        try:
            found = self.evaluate(environment)
        except (PathMissingError, KeyError):
            return False
        return self.definite or bool(found)

    def _why(self, position: int, value: Any) -> str:
        before, step = canonical(self.steps[:position]), self.steps[position]
        if isinstance(step, int):
            if isinstance(value, list):
                return f"Index out of bounds when evaluating path {before}[{step}]"
            return f"Filter: [{step}] can only be applied to arrays. Current context is: {value}"
        if not isinstance(value, dict):
            return f"Expected to find an object with property ['{step}'] in path {before} but found '{_java(value)}'."
        if position == len(self.steps) - 1:
            return f"No results for path: {before}['{step}']"
        return f"Missing property in path {before}['{step}']"


def _member(value: Any, step: Step) -> Any:
    if isinstance(step, str) and isinstance(value, dict):
        return value[step]
    if isinstance(step, int) and isinstance(value, list):
        return value[step]
    raise KeyError(step)


def canonical(steps: tuple[Step, ...]) -> str:
    """The definite steps in Jayway's spelling: `$['a'][0]`."""
    return "$" + "".join(f"['{step}']" if isinstance(step, str) else f"[{step}]" for step in steps)


def parse_path(text: str) -> Path:
    """Parse a whole text as a path. Raises `PathSyntaxError`."""
    path, end = scan_path(text, 0)
    if end != len(text):
        raise PathSyntaxError(f"unexpected '{text[end:]}' in '{text}'")
    return path


def scan_path(text: str, position: int) -> tuple[Path, int]:
    """Parse the path that begins at `position`; returns it and where it ends. Raises `PathSyntaxError`."""
    start = position
    root, position = _scan_root(text, position)
    steps, position = scan_steps(text, position)
    definite = all(isinstance(step, str | int) for step in steps)
    return Path(text[start:position], root, steps, definite), position


def scan_steps(text: str, position: int) -> tuple[tuple[Step, ...], int]:
    """Parse the steps after a root. Raises `PathSyntaxError`."""
    steps: list[Step] = []
    while position < len(text):
        if text.startswith("..", position):
            steps.append(Descend())
            position += 2
            if text.startswith("[", position):
                continue
            step, position = _scan_dotted(text, position)
        elif text[position] == ".":
            step, position = _scan_dotted(text, position + 1)
        elif text[position] == "[":
            step, position = _scan_bracket(text, position + 1)
        else:
            break
        steps.append(step)
    return tuple(steps), position


def _scan_root(text: str, position: int) -> tuple[str, int]:
    if text.startswith("$$", position):
        return "$$", position + 2
    variable = _VARIABLE.match(text, position)
    if variable:
        return variable[1], variable.end()
    if text.startswith("$", position):
        return "$", position + 1
    raise PathSyntaxError(f"a path begins with '$': '{text[position:]}'")


def _scan_dotted(text: str, position: int) -> tuple[Step, int]:
    if text.startswith("*", position):
        return Wildcard(), position + 1
    name = _NAME.match(text, position)
    if not name:
        raise PathSyntaxError(f"a property name is missing in '{text}'")
    return name[0], name.end()


def _scan_bracket(text: str, position: int) -> tuple[Step, int]:
    content = text[position:].lstrip()
    position = len(text) - len(content)
    step: Step
    if content.startswith("*"):
        step, position = Wildcard(), position + 1
    elif content.startswith("?"):
        step, position = parse_filter(text, position + 1, scan_path_in_filter)
    elif content.startswith("("):
        step, position = _scan_from_end(text, position)
    elif content[:1] in ("'", '"'):
        step, position = _scan_names(text, position)
    else:
        step, position = _scan_indexes(text, position)
    while position < len(text) and text[position] == " ":
        position += 1
    if not text.startswith("]", position):
        raise PathSyntaxError(f"']' is missing in '{text}'")
    return step, position + 1


def scan_path_in_filter(text: str, position: int) -> tuple[Path, int]:
    """Parse `@.a` or `$.a` inside a filter; the root of the first is `@`. Raises `PathSyntaxError`."""
    if not text.startswith("@", position):
        return scan_path(text, position)
    steps, end = scan_steps(text, position + 1)
    definite = all(isinstance(step, str | int) for step in steps)
    return Path(text[position:end], "@", steps, definite), end


def _scan_names(text: str, position: int) -> tuple[Step, int]:
    names: list[str] = []
    while True:
        quote = text[position : position + 1]
        if quote not in ("'", '"') or not quote:
            raise PathSyntaxError(f"a quoted name is missing in '{text}'")
        name, position = scan_string(text, position)
        names.append(name)
        separator = re.compile(r"\s*,\s*").match(text, position)
        if not separator:
            return (names[0] if len(names) == 1 else Names(tuple(names))), position
        position = separator.end()


def scan_string(text: str, position: int) -> tuple[str, int]:
    """Read the quoted string at `position`, backslash escapes undone. Raises `PathSyntaxError`."""
    quote, out = text[position], []
    position += 1
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            out.append(text[position + 1])
            position += 2
        elif character == quote:
            return "".join(out), position + 1
        else:
            out.append(character)
            position += 1
    raise PathSyntaxError(f"a string does not end in '{text}'")


def _scan_from_end(text: str, position: int) -> tuple[int, int]:
    """`[(@.length-1)]`: an element counted from the end, the one script expression in use."""
    script = _FROM_END.match(text, position)
    if not script:
        raise PathSyntaxError(f"only (@.length-N) may stand as an expression in '{text}'")
    return -int(script[1]), script.end()


def _scan_indexes(text: str, position: int) -> tuple[Step, int]:
    piece = _SLICE.match(text, position)
    if piece:
        start, stop, step = (int(part) if part else None for part in piece.groups())
        return Slice(start, stop, step), piece.end()
    indexes: list[int] = []
    while True:
        number = _INTEGER.match(text, position)
        if not number:
            raise PathSyntaxError(f"an index is missing in '{text}'")
        indexes.append(int(number[1]))
        position = number.end()
        if not text.startswith(",", position):
            return (indexes[0] if len(indexes) == 1 else Indexes(tuple(indexes))), position
        position += 1


def _java(value: Any) -> str:
    names = {str: "String", bool: "Boolean", int: "Integer", float: "Double", list: "ArrayList"}
    return f"java.lang.{names[type(value)]}" if type(value) in names else "null"
