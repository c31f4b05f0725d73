"""The text of a definition, read with where everything stands in it, or with the one reason why it cannot be read."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from opsctl.domain.lint.findings import Finding

LONGEST = 1_048_576
"""The most bytes that AWS takes as a definition."""
DEEPEST = 200
"""How deep a definition may be nested here; real ones stay far below."""

_LONGEST_NUMBER = 100
_TOKEN = re.compile(r'[\s,:]*(?:("[^"\\]*(?:\\.[^"\\]*)*")|([{\[])|([}\]])|([^\s{}\[\],:"]+))', re.DOTALL)
_FIELD = re.compile(r"[Ff]ield '([^']+)'")
Offsets = Mapping[str, int]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A line and a column, both from 1; columns count characters."""

    line: int
    column: int


class Lines:
    """Offsets of a text as lines and columns."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]

    def position(self, offset: int) -> Position:
        """Where the character at an offset stands."""
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1)


class Source:
    """A definition's value, and lazily, for few findings need it, the offset of each location in its text."""

    def __init__(self, text: str, value: dict[str, Any], locate: Callable[[], Offsets]) -> None:
        self.text = text
        self.value = value
        self._locate = locate

    @cached_property
    def _offsets(self) -> Offsets:
        return self._locate()

    def offset(self, location: str) -> int:
        """Where a location stands, or what is nearest around it."""
        while location not in self._offsets and location not in ("", "/"):
            location = location[: max(location.rfind("/"), location.rfind("["), 0)]
        return self._offsets.get(location, self._offsets.get("", 0))

    def offset_of(self, finding: Finding) -> int:
        """Where a finding stands; where AWS only says which state, but names its field, there."""
        named = _FIELD.search(finding.message)
        inner = f"{finding.location.rstrip('/')}/{named[1]}" if named else finding.location
        return self.offset(inner if inner in self._offsets else finding.location)


class UnreadableError(ValueError):
    """The text is no definition: `finding` says why, `offset` where."""

    def __init__(self, code: str, message: str, remedy: str, offset: int = 0) -> None:
        super().__init__(message)
        self.finding = Finding("ERROR", code, "", message, remedy)
        self.offset = offset


def read_json(text: str) -> Source:
    """The definition of a JSON text. Raises UnreadableError: no JSON, a duplicate field, too long, too deep."""
    check_length(text)
    repeated: list[str] = []
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _object(pairs, repeated),
            parse_constant=_no_constant,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise invalid_json(f"This is no JSON: {error.msg}.", error.pos) from error
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        raise invalid_json(str(error), _constant_offset(text)) from error
    if repeated:
        name = repeated[0]
        raise invalid_json(f"The field '{name}' is there twice in the same object.", _duplicate_offset(text))
    if not isinstance(value, dict):
        raise invalid_json("The definition is no JSON object.", len(text) - len(text.lstrip()))
    check_depth(value)
    return Source(text, value, lambda: dict(_json_offsets(text)))


def check_length(text: str) -> None:
    """Raises UnreadableError for a text that is empty, or longer than AWS takes."""
    if not text.strip():
        raise UnreadableError("MISSING_DESCRIPTION", "There is nothing in it.", "Write a definition into it.")
    length = len(text.encode("utf-8", "surrogatepass"))
    if length > LONGEST:
        message = f"The definition has {length:,} bytes; AWS takes at most {LONGEST:,}."
        raise UnreadableError("SCHEMA_VALIDATION_FAILED", message, "Split the machine; a Task can start another one.")


def check_depth(value: Any) -> None:
    """Raises UnreadableError for a value that is nested more than DEEPEST levels."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return
    raise too_deep()


def invalid_json(message: str, offset: int) -> UnreadableError:
    """The error for a text that is no JSON, or no object."""
    return UnreadableError("INVALID_JSON_DESCRIPTION", message, "Correct the JSON at this place.", offset)


def too_deep(offset: int = 0) -> UnreadableError:
    """The error for a text that is nested too deeply."""
    return UnreadableError(
        "INVALID_JSON_DESCRIPTION",
        f"The definition is nested more than {DEEPEST} levels deep.",
        "Move the inner part into a machine of its own.",
        offset,
    )


def _inside(item: Any) -> list[Any]:
    inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [value for value in inner if isinstance(value, dict | list)]


def _object(pairs: list[tuple[str, Any]], repeated: list[str]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated.append(next(name for name in names if names.count(name) > 1))
    return fields


def _no_constant(text: str) -> Any:
    raise ValueError(f"This is no JSON: {text} is no number that JSON has.")


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"A number in it has more than {_LONGEST_NUMBER} digits.")
    return int(digits)


def _constant_offset(text: str) -> int:
    return next((found.start(4) for found in _TOKEN.finditer(text) if _is_refused(found[4] or "")), 0)


def _is_refused(token: str) -> bool:
    return token in ("NaN", "Infinity", "-Infinity") or len(token) > _LONGEST_NUMBER


def _duplicate_offset(text: str) -> int:
    seen: set[str] = set()
    for location, offset in _json_offsets(text):
        if location in seen:
            return offset
        seen.add(location)
    return 0


def _json_offsets(text: str) -> Iterator[tuple[str, int]]:
    """Each location with its offset: a field's is where its name stands, an array's item's where the item begins.

    The text is known to be JSON, which is why tokens alone tell what is what.
    """
    containers: list[tuple[str, int]] = []  # location, and how many items so far; -1: an object
    field: str | None = None
    position = 0
    while True:
        found = _TOKEN.match(text, position)
        if not found:
            return
        position = found.end()
        text_token, opening, closing, _ = found.groups()
        if closing:
            containers.pop()
            continue
        if containers and containers[-1][1] < 0 and field is None:
            field = f"{containers[-1][0]}/{_name(text_token)}"
            yield field, found.start(1)
            continue
        here = field if field is not None else ""
        if field is None and containers:
            location, count = containers[-1]
            here = f"{location}[{count}]"
            containers[-1] = (location, count + 1)
        if field is None:
            yield here, found.start(found.lastindex or 0)
        field = None
        if opening:
            containers.append((here, -1 if opening == "{" else 0))


def _name(token: str) -> str:
    return str(json.loads(token)) if "\\" in token else token[1:-1]
