"""Templates of definitions, rendered so that a place in the result is led back to the template.

The variables come from the sample file beside the template (`training.asl.json.tftpl`: `training.variables.yaml`),
and over it from variable files and single values. A second rendering carries a marker at the start of each template
line, which is how a place in the result is led back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opsctl.domain.lint.catalogue import NOT_RENDERED
from opsctl.domain.lint.sources import Position, UnreadableError
from opsctl.errors import UsageError
from opsctl.operations.rendering import NotRenderedError, Variables, render

OPEN, CLOSE = "\ue000", "\ue001"  # private characters, which no definition holds
_MARKER = re.compile(f"{OPEN}(\\d+){CLOSE}")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered template. `marks` are offsets in the text with the template's line that begins there."""

    text: str
    template: str
    marks: tuple[tuple[int, int], ...]

    def position(self, offset: int) -> Position | None:
        """Where in the template the text at an offset comes from; None where that is not known."""
        before = [mark for mark in self.marks if mark[0] <= offset]
        if not before:
            return None
        start, line = before[-1]
        written, source = self.text[start:offset], _LINE.findall(self.template)[line - 1]
        if source.startswith(written):
            return Position(line, len(written) + 1)
        computed = re.search(r"[$%]\{", source)
        return Position(line, computed.start() + 1 if computed else 1)


def read_variables(pairs: Sequence[str], files: Sequence[Path]) -> Variables:
    """Variables from `name=value` pairs and files. A value is JSON where it reads as such, else text.

    Raises UsageError for a pair without a name, and for a file that is not there.
    """
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            raise UsageError(f"--var {pair} is no variable", "write --var name=value")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return Variables(tuple(files), values)


def samples_of(template: Path) -> Path:
    """Where the sample variables of a template lie: the same that `opsctl test` renders it with."""
    return template.with_name(f"{template.name.split('.')[0]}.variables.yaml")


def render_marked(path: Path, template: str, variables: Variables) -> Rendering:
    """Render a template. Raises UnreadableError where Terraform cannot, ConfigurationError where there is none."""
    samples = samples_of(path)
    files = (*([samples] if samples.exists() else []), *variables.files)
    try:
        text, marked = render(template, Variables(files, variables.values), _marked(template))
    except NotRenderedError as error:
        raise _not_rendered(error, template, samples) from error
    return Rendering(text, template, ()) if marked is None else _unmarked(marked, template)


def _not_rendered(error: NotRenderedError, template: str, samples: Path) -> UnreadableError:
    offset = sum(map(len, _LINE.findall(template)[: error.line - 1])) + error.column - 1
    missing = re.search(r'vars map does not contain key "([^"]+)"', str(error))
    if missing is None:
        message = f"Terraform cannot render it: {error.words()}."
        return UnreadableError(NOT_RENDERED, message, "Correct the template or the values.", offset)
    message = f"The template needs the variable '{missing[1]}'."
    given = f"--var {missing[1]}=… or --var-file"
    remedy = f"Give it with {given}, or keep a sample value in {samples.name} beside the template."
    return UnreadableError(NOT_RENDERED, message, remedy, offset)


def _marked(template: str) -> str:
    """The template with a marker at the start of each line that begins as text, not inside `${…}` or `%{…}`."""
    depths = _depths(template)
    lines = _LINE.findall(template)
    offset, marked = 0, []
    for number, line in enumerate(lines, 1):
        marked.append(f"{OPEN}{number}{CLOSE}{line}" if not depths[offset] else line)
        offset += len(line)
    return "".join(marked)


def _depths(template: str) -> list[int]:
    """For each character, how many braces and quotes of expressions are open in front of it."""
    depths, stack, index = [], "", 0
    while index < len(template):
        step = 1
        inside_text = not stack or stack[-1] == '"'
        two = template[index : index + 2]
        if inside_text and template[index : index + 3] in ("$${", "%%{"):
            step = 3
        elif inside_text and two in ("${", "%{"):
            depths.append(len(stack))
            stack, index = stack + "{", index + 1
        elif stack and stack[-1] == '"' and two[:1] == "\\":
            step = 2
        elif stack and two[:1] == '"':
            depths.append(len(stack))
            stack = stack[:-1] if stack[-1] == '"' else stack + '"'
            index += 1
            continue
        elif stack and stack[-1] == "{" and two[:1] in "{}":
            depths.append(len(stack))
            stack = stack + "{" if two[:1] == "{" else stack[:-1]
            index += 1
            continue
        depths += [len(stack)] * step
        index += step
    return depths


def _unmarked(marked: str, template: str) -> Rendering:
    marks: list[tuple[int, int]] = []
    parts, length, end = [], 0, 0
    for marker in _MARKER.finditer(marked):
        parts.append(marked[end : marker.start()])
        length += len(parts[-1])
        end = marker.end()
        marks.append((length, int(marker[1])))
    parts.append(marked[end:])
    return Rendering("".join(parts), template, tuple(marks))
