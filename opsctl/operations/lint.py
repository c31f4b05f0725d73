"""Lint files: read each, check it, and say where each finding stands. Nothing that a file holds makes it raise."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from opsctl.asl.diagnostics import Severity
from opsctl.domain.lint import Finding, check
from opsctl.domain.lint.catalogue import UNREADABLE
from opsctl.domain.lint.sources import LONGEST, Lines, Position, Source, UnreadableError, read_json
from opsctl.errors import UsageError
from opsctl.operations.lint_templates import Rendering, render_marked
from opsctl.operations.lint_yaml import read_yaml
from opsctl.operations.rendering import NO_VARIABLES, TEMPLATE, Variables

MOST_BYTES = 8 * LONGEST
"""What is read of a file: what is longer is refused anyway."""
_LONGEST_LINE = 600
Positions = Callable[[int], tuple[Position, bool]]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding in a file. `line` and `column` count from 1, columns in characters; `rendered` says that they are those
    of the rendered template, for they could not be led back to the template itself."""

    file: str
    line: int
    column: int
    rendered: bool
    severity: Severity
    code: str
    location: str
    message: str
    remedy: str


def lint_file(path: Path, variables: Variables = NO_VARIABLES) -> list[Diagnostic]:
    """The findings about a file. Raises UsageError where there is no such file, ConfigurationError for a template
    without Terraform."""
    try:
        with path.open("rb") as stream:
            return lint_stream(str(path), stream, path, variables)
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}", _nearest(path)) from error
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a directory", "name the files in it") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def lint_stream(
    name: str,
    stream: BinaryIO,
    path: Path | None = None,
    variables: Variables = NO_VARIABLES,
) -> list[Diagnostic]:
    """The findings about what a stream holds. `name` is how the file is called, `path` where a template lies."""
    data = stream.read(MOST_BYTES)
    try:
        text = data.decode("utf-8-sig")
        if "\0" in text:
            raise UnreadableError(UNREADABLE, "This is no text: it holds NUL bytes.", "Save it as UTF-8 text.")
    except UnicodeDecodeError as error:
        message = f"This is no UTF-8 text: byte {data[error.start]:#04x} at offset {error.start}."
        return [_diagnostic(name, Finding("ERROR", UNREADABLE, "", message, "Save it as UTF-8 text."), Position(1, 1))]
    except UnreadableError as error:
        return [_diagnostic(name, error.finding, Position(1, 1))]
    return lint_text(name, text, path, variables)


def lint_text(
    name: str,
    text: str,
    path: Path | None = None,
    variables: Variables = NO_VARIABLES,
) -> list[Diagnostic]:
    """The findings about a text, in its order."""
    if not name.endswith(TEMPLATE):
        lines = Lines(text)
        return _lint(name, name, text, lambda offset: (lines.position(offset), False))
    try:
        rendering = render_marked(path or Path(name), text, variables)
    except UnreadableError as error:
        return [_diagnostic(name, error.finding, Lines(text).position(error.offset))]
    return _lint(name, name.removesuffix(TEMPLATE), rendering.text, _led_back(rendering))


def _lint(name: str, kind: str, text: str, positions: Positions) -> list[Diagnostic]:
    try:
        source = _read(kind, text)
    except UnreadableError as error:
        return [_diagnostic(name, error.finding, *positions(error.offset))]
    found = [_diagnostic(name, item, *positions(source.offset_of(item))) for item in check(source.value)]
    return sorted(found, key=lambda item: (item.line, item.column, item.code))


def _read(name: str, text: str) -> Source:
    """By the file's name; where it says nothing, what begins with a brace is JSON."""
    is_yaml = name.endswith((".yaml", ".yml"))
    if not is_yaml and (name.endswith(".json") or text.lstrip()[:1] in ("", "{", "[")):
        return read_json(text)
    return read_yaml(text)


def _led_back(rendering: Rendering) -> Positions:
    lines = Lines(rendering.text)

    def position(offset: int) -> tuple[Position, bool]:
        found = rendering.position(offset)
        return (found, False) if found else (lines.position(offset), True)

    return position


def _diagnostic(name: str, found: Finding, at: Position, rendered: bool = False) -> Diagnostic:
    location, message, remedy = (_one_line(text) for text in (found.location or "/", found.message, found.remedy))
    return Diagnostic(name, at.line, at.column, rendered, found.severity, found.code, location, message, remedy)


def _one_line(text: str) -> str:
    """What a file says is quoted in messages: neither its length nor its characters may break a terminal."""
    shown = " ".join(text[:_LONGEST_LINE].split()) + ("…" if len(text) > _LONGEST_LINE else "")
    if shown.isprintable() and shown.isascii():
        return shown
    plain = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in shown)
    return plain.encode("utf-8", "backslashreplace").decode()


def _nearest(path: Path) -> str | None:
    """The name in the same folder that comes nearest."""
    folder = path.parent
    names = [item.name for item in folder.iterdir() if item.is_file()] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {folder / near[0]}?"
    return None if folder.is_dir() else f"there is no folder {folder} either"
