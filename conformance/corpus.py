"""A corpus on disk: recorded histories and definitions with verdicts.

histories.jsonl, histories/*.json       {definition, input, expected_status, events, recorded, repaired, …}
definitions.jsonl, definitions/*/*      {file: "valid/…" | "invalid/…", evidence, detail, not_json}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

Event = dict[str, Any]
_DAMAGE = {
    "repaired": "its events were rebuilt by hand",
    "mangled_ids": "its event ids are damaged",
    "reverse_order": "it was recorded in reverse order",
}


@dataclass(frozen=True, slots=True)
class Recording:
    """One execution that AWS recorded. `events` are in order of their ids; `as_recorded` as they stand in the file."""

    name: str
    definition: Mapping[str, Any] | None
    input: str | None
    status: str
    as_recorded: tuple[Event, ...]
    flags: frozenset[str]
    recorded: datetime | None

    @property
    def events(self) -> list[Event]:
        return sorted(self.as_recorded, key=lambda event: int(event["id"]))

    @property
    def why_not_replayable(self) -> str | None:
        """The cause that keeps it from being replayed, if there is one."""
        if self.definition is None:
            return "it has no definition"
        return next((cause for flag, cause in _DAMAGE.items() if flag in self.flags), None)


@dataclass(frozen=True, slots=True)
class Judged:
    """A definition and the verdict that somebody gave on it. `evidence` names who; `messages` are the judge's own."""

    name: str
    text: str
    valid: bool
    evidence: str
    messages: frozenset[str]

    @property
    def by_aws(self) -> bool:
        return self.evidence.startswith("aws-")


def recordings(folder: Path) -> Iterator[Recording]:
    """Every history of the corpus, one at a time. Raises `OSError` and `ValueError` for a folder of another shape."""
    for row in _rows(folder / "histories.jsonl"):
        record = json.loads((folder / "histories" / row["file"]).read_text(encoding="utf-8"))
        yield Recording(
            name=row["file"],
            definition=record.get("definition"),
            input=record.get("input"),
            status=record["expected_status"],
            as_recorded=tuple(record["events"]),
            flags=frozenset(flag for flag in _DAMAGE if record.get(flag)),
            recorded=_moment(record.get("recorded")),
        )


def judged(folder: Path) -> Iterator[Judged]:
    """Every definition of the corpus. Raises `OSError` and `ValueError` for a folder of another shape."""
    for row in _rows(folder / "definitions.jsonl"):
        yield Judged(
            name=row["file"],
            text=(folder / "definitions" / row["file"]).read_text(encoding="utf-8"),
            valid=row["file"].startswith("valid/"),
            evidence=str(row["evidence"]),
            messages=frozenset(_messages(row.get("detail"))),
        )


def _rows(index: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines() if line.strip()]


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%d-%m-%Y, %H:%M:%S")  # noqa: DTZ007 only its day matters
    except ValueError:
        return None


def _messages(detail: Any) -> Iterator[str]:
    """All strings of a verdict's detail."""
    if isinstance(detail, str):
        yield detail
    elif isinstance(detail, dict):
        for value in detail.values():
            yield from _messages(value)
    elif isinstance(detail, list):
        for value in detail:
            yield from _messages(value)
