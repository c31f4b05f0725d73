"""Definitions in YAML: read event by event, so that neither depth nor aliases can run away, and with their positions.

Only what JSON has words for: plain scalars are null, true, false, JSON's numbers, or text. So a Timestamp stays the
text that it is, and `yes` and `on` are words. Anchors and aliases work; tags, merge keys and several documents are
refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from opsctl.domain.lint.catalogue import BAD_YAML
from opsctl.domain.lint.sources import DEEPEST, Source, UnreadableError, check_length, too_deep

MOST_NODES = 500_000
"""How many values a file may hold when its aliases are written out."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS = {"null": None, "Null": None, "NULL": None, "~": None, "": None, "true": True, "True": True, "TRUE": True,
          "false": False, "False": False, "FALSE": False}  # fmt: skip
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that has not ended. `key` is the field whose value comes next."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    location: str
    key: str | None = None
    size: int = 1


@dataclass(slots=True)
class _Reader:
    text: str
    offsets: dict[str, int] = field(default_factory=dict)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    open: list[_Open] = field(default_factory=list)
    nodes: int = 0
    root: Any = None

    def read(self) -> Any:
        documents = 0
        for event in yaml.parse(self.text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _bad("There is more than one document in it.", event.start_mark)
            elif isinstance(event, yaml.NodeEvent):
                self.node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                ended = self.open.pop()
                self.finish(ended.anchor, ended.value, ended.size)
        return self.root

    def node(self, event: Any) -> None:
        """A value begins: or a mapping's key does."""
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].key is None:
            self.key(event)
            return
        location = self.place(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise _bad(f"The alias *{event.anchor} stands for nothing, or for what it stands in.", event.start_mark)
            self.put(*self.anchors[event.anchor])
        elif isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
            self.put(value, 1)
            self.remember(event.anchor, value, 1)
        else:
            self.begin(event, location)

    def begin(self, event: Any, location: str) -> None:
        _check_tag(event, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
        if len(self.open) >= DEEPEST:
            raise too_deep(event.start_mark.index)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.put(value, 0)
        self.open.append(_Open(value, event.anchor, location))

    def key(self, event: Any) -> None:
        """The name of a mapping's next field."""
        holder = self.open[-1]
        if not isinstance(event, yaml.ScalarEvent):
            raise _bad("A field's name must be text.", event.start_mark)
        _check_tag(event, "tag:yaml.org,2002:str")
        name, mark = event.value, event.start_mark
        if name == "<<" and event.implicit[0]:
            raise _bad("Merge keys (<<) have no counterpart in JSON.", mark)
        if name in holder.value:
            raise _bad(f"The field '{name}' is there twice in the same object.", mark)
        holder.key = name
        self.offsets[f"{holder.location}/{name}"] = _index(mark)

    def place(self, event: Any) -> str:
        """Where the value that begins belongs."""
        if not self.open:
            self.offsets[""] = event.start_mark.index
            return ""
        holder = self.open[-1]
        if isinstance(holder.value, dict):
            return f"{holder.location}/{holder.key}"
        location = f"{holder.location}[{len(holder.value)}]"
        self.offsets[location] = event.start_mark.index
        return location

    def put(self, value: Any, size: int) -> None:
        self.nodes += size
        if self.nodes > MOST_NODES:
            raise UnreadableError(
                BAD_YAML,
                f"With its aliases written out it holds more than {MOST_NODES:,} values.",
                "Use fewer aliases.",
            )
        if not self.open:
            self.root = value
            return
        holder = self.open[-1]
        holder.size += size
        if isinstance(holder.value, dict):
            holder.value[str(holder.key)] = value
            holder.key = None
        else:
            holder.value.append(value)

    def finish(self, anchor: str | None, value: Any, size: int) -> None:
        self.nodes += 1
        if self.open:
            self.open[-1].size += size
        self.remember(anchor, value, size)

    def remember(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)


def read_yaml(text: str) -> Source:
    """The definition of a YAML text. Raises UnreadableError: no YAML, more than JSON can say, too long, too deep."""
    check_length(text)
    reader = _Reader(text)
    try:
        value = reader.read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _bad(f"This is no YAML: {error.problem or error.context}.", mark) from error
    except yaml.YAMLError as error:
        raise _bad(f"This is no YAML: {' '.join(str(error).split())}.", None) from error
    if not isinstance(value, dict):
        raise _bad("The definition is no mapping with StartAt and States.", None)
    return Source(text, value, lambda: reader.offsets)


def _scalar(event: Any) -> Any:
    _check_tag(event, "tag:yaml.org,2002:str")
    if not event.implicit[0] or event.style:
        return event.value
    if event.value in _WORDS:
        return _WORDS[event.value]
    return json.loads(event.value) if _NUMBER.fullmatch(event.value) else event.value


def _check_tag(event: Any, *allowed: str) -> None:
    if event.tag is not None and event.tag not in (*allowed, "!"):
        raise _bad(f"The tag {event.tag} has no counterpart in JSON.", event.start_mark)


def _index(mark: Any) -> int:
    return int(mark.index) if mark else 0


def _bad(message: str, mark: Any) -> UnreadableError:
    return UnreadableError(BAD_YAML, message, "Correct the YAML at this place.", _index(mark))
