"""YAML (and so JSON) as JSON values that know their places: the one reader of `opsctl lint` and `opsctl test`.

Types are those of YAML 1.2's core schema, so that `on`, `12:30:00` and `2026-11-21` stay the words they look like; keys
are always strings. Read event by event, so that neither depth nor aliases can run away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from opsctl.domain.lint.sources import DEEPEST, Lines
from opsctl.errors import UsageError

MOST_VALUES = 500_000
"""How many values a document may hold once its aliases are written out."""
_PARSER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NOT_TEXT = yaml.reader.Reader.NON_PRINTABLE
_CORE = "tag:yaml.org,2002:"
_PLAIN = re.compile(
    r"(?P<null>~|null|Null|NULL|)|(?P<bool>true|True|TRUE|false|False|FALSE)"
    r"|(?P<int>[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
# JSON writes a character beyond the basic plane as two escapes, each of which libyaml refuses: their backslashes are
# hidden from it behind a character that no text holds.
_HALF = "u([dD][89a-fA-F][0-9a-fA-F]{2})"
_HIDDEN = "\U0010ffff"
_ESCAPE, _HIDDEN_ESCAPE = re.compile(rf"\\\\|\\(?={_HALF})"), re.compile(_HIDDEN + _HALF)


class YamlError(ValueError):
    """The text is no document: `message` says why in a clause, `offset` where, `hint` what would be right."""

    def __init__(self, message: str, mark: Any, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = int(mark.index) if mark else 0
        self.hint = hint


class TooDeepError(YamlError):
    """The document is nested more than DEEPEST levels deep."""


class _Place(NamedTuple):
    offset: int
    inner: dict[str | int, _Place]


class _Known(NamedTuple):
    """A value, how many values it holds and how deep with its aliases written out, and the places of what is in it."""

    value: Any
    size: int = 1
    depth: int = 0
    inner: dict[str | int, _Place] = {}  # noqa: RUF012 what has nothing in it shares one


@dataclass(frozen=True)
class Source:
    """A document: `value` is JSON; offsets count characters from 0, lines and columns from 1."""

    value: Any
    _root: _Place
    _lines: Lines

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a value, or of the nearest value around it that is written in the file."""
        return self._lines.position(self._offset(path)).line

    def column(self, path: Sequence[str | int]) -> int:
        """The column of a value, likewise."""
        return self._lines.position(self._offset(path)).column

    def offsets(self) -> dict[str, int]:
        """The offset of each value by its location as AWS writes it, `/States/Train/Catch[0]`."""
        return dict(_located("", self._root, set()))

    def _offset(self, path: Sequence[str | int]) -> int:
        place = self._root
        for step in path:
            if step not in place.inner:
                break
            place = place.inner[step]
        return place.offset


def _located(location: str, place: _Place, seen: set[int]) -> Iterator[tuple[str, int]]:
    """What an alias repeats is located once, where it is written."""
    yield location, place.offset
    if id(place.inner) not in seen:
        seen.add(id(place.inner))
        for step, inner in place.inner.items():
            yield from _located(f"{location}[{step}]" if isinstance(step, int) else f"{location}/{step}", inner, seen)


def load(text: str, name: str) -> Source:
    """The document in `text`; `name` is the file's, for errors. Raises UsageError with the line."""
    try:
        return read(text)
    except YamlError as error:
        line = Lines(text).position(error.offset).line
        raise UsageError(f"{name}:{line}: {error.message}", error.hint) from error


def read(text: str, *, merges: bool = True) -> Source:
    """The document in `text`. Raises YamlError: without `merges` for merge keys (`<<`) too, which JSON has not."""
    if odd := _NOT_TEXT.search(text):
        mark = yaml.Mark("", odd.start(), 0, 0, None, 0)
        raise YamlError(f"this is no YAML: it holds the character #x{ord(odd[0]):02x}", mark)
    reader = _Reader(merges)
    hidden = _ESCAPE.sub(lambda found: _HIDDEN if len(found[0]) == 1 else found[0], text)
    try:
        for event in yaml.parse(hidden, Loader=_PARSER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        raise YamlError(f"this is no YAML: {error.problem or error.context}", error.problem_mark) from error
    except yaml.YAMLError as error:
        raise YamlError(f"this is no YAML: {' '.join(str(error).split())}", None) from error
    return Source(reader.value, reader.root, Lines(text))


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that has not ended. `key` is the field whose value comes next, at `offset`."""

    value: dict[str, Any] | list[Any]
    inner: dict[str | int, _Place]
    anchor: str | None
    size: int = 1
    depth: int = 1
    key: str | None = None
    offset: int = 0
    merging: bool = False
    merges: list[tuple[Any, Any]] = field(default_factory=list)


class _Reader:
    def __init__(self, merges: bool) -> None:
        self.value: Any = None
        self.root = _Place(0, {})
        self._merges = merges
        self._documents = 0
        self._size = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, _Known] = {}

    def take(self, event: Any) -> None:
        """The next event of the text."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise YamlError("there is more than one document in it", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end(self._open.pop())
        elif isinstance(event, yaml.NodeEvent):
            holder = self._open[-1] if self._open else None
            if holder and isinstance(holder.value, dict) and holder.key is None:
                self._key(holder, event)
            else:
                self._node(event)

    def _key(self, holder: _Open, event: Any) -> None:
        """The name of a mapping's next field."""
        mark = event.start_mark
        if not isinstance(event, yaml.ScalarEvent):
            raise YamlError("a field's name must be text", mark)
        _check_tag(event, *_CONVERTERS)
        holder.key, holder.offset = _text(event), mark.index
        holder.merging = event.value == "<<" and event.implicit[0]
        if holder.merging and not self._merges:
            raise YamlError("merge keys (<<) have no counterpart in JSON", mark)
        if holder.key in holder.value:
            raise YamlError(f"the field '{holder.key}' is there twice in the same object", mark)
        self._remember(event.anchor, _Known(holder.key))

    def _node(self, event: Any) -> None:
        """A value begins."""
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise YamlError(f"the alias *{event.anchor} stands for nothing, or for what it stands in", mark)
            self._put(self._anchors[event.anchor], mark)
        elif isinstance(event, yaml.ScalarEvent):
            known = _Known(_scalar(event))
            self._put(known, mark)
            self._remember(event.anchor, known)
        else:
            _check_tag(event, "map", "seq")
            value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
            begun = _Open(value, {}, event.anchor)
            self._anchors.pop(event.anchor, None)
            self._put(_Known(value, 1, 1, begun.inner), mark)
            self._open.append(begun)

    def _put(self, known: _Known, mark: Any) -> None:
        self._size += known.size
        if self._size > MOST_VALUES:
            message = f"with its aliases written out it holds more than {MOST_VALUES:,} values"
            raise YamlError(message, mark, "use fewer aliases")
        if len(self._open) + known.depth > DEEPEST:
            raise TooDeepError(f"the document is nested more than {DEEPEST} levels deep", mark)
        if not self._open:
            self.value, self.root = known.value, _Place(mark.index, known.inner)
            return
        holder = self._open[-1]
        holder.size += known.size
        holder.depth = max(holder.depth, known.depth + 1)
        if isinstance(holder.value, list):
            holder.inner[len(holder.value)] = _Place(mark.index, known.inner)
            holder.value.append(known.value)
            return
        if holder.merging:
            holder.merges.append((known.value, mark))
        else:
            holder.inner[str(holder.key)] = _Place(holder.offset, known.inner)
            holder.value[str(holder.key)] = known.value
        holder.key = None

    def _end(self, ended: _Open) -> None:
        for value, mark in ended.merges:
            for more in value if isinstance(value, list) else [value]:
                if not isinstance(more, dict) or not isinstance(ended.value, dict):
                    raise YamlError("<< takes a mapping, or a list of mappings", mark)
                for name, item in more.items():
                    ended.value.setdefault(name, item)
        if self._open:
            holder = self._open[-1]
            holder.size += ended.size - 1
            holder.depth = max(holder.depth, ended.depth + 1)
        self._remember(ended.anchor, _Known(ended.value, ended.size, ended.depth, ended.inner))

    def _remember(self, anchor: str | None, known: _Known) -> None:
        if anchor is not None:
            self._anchors[anchor] = known


def _scalar(event: Any) -> Any:
    _check_tag(event, *_CONVERTERS)
    text = _text(event)
    if event.tag and event.tag != "!":
        kind = event.tag.removeprefix(_CORE)
    else:
        plain = _PLAIN.fullmatch(text) if event.implicit[0] and not event.tag else None
        kind = plain.lastgroup if plain else "str"
    try:
        return _CONVERTERS[kind](text)
    except ValueError:
        raise YamlError(f"{text!r} is no {kind}", event.start_mark) from None


def _text(event: Any) -> str:
    text = str(event.value)
    if _HIDDEN not in text:
        return text
    if event.style != '"':
        return _HIDDEN_ESCAPE.sub(r"\\u\1", text)
    halves = _HIDDEN_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        return halves.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise YamlError("half a character: a surrogate stands alone", event.start_mark) from None


def _check_tag(event: Any, *kinds: str) -> None:
    if event.tag not in (None, "!") and event.tag.removeprefix(_CORE) not in kinds:
        raise YamlError(f"the tag {event.tag} has no counterpart in JSON", event.start_mark)


def _integer(text: str) -> int:
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")) or value != value:
        raise ValueError(text)
    return value


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": _truth,
    "int": _integer,
    "float": _number,
    "str": str,
}
