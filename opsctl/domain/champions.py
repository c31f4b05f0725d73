"""The champion of a machine: the model that is in production, on record.

`champions/<machine>.json` is the record of the present champion (the pointer), replaced by a conditional write; each
promotion is kept as well, written before the pointer and never again, as `champions/<machine>/<deployment>.json`: the
name of the deployment's execution makes a promotion that is tried twice the same promotion.

Version 1 of a record:

    {"version": 1, "machine": "documents-training", "run": "nightly-7",
     "model": {"uri": "s3://B/runs/nightly-7/train-sequence-model/…/output/model.tar.gz", "etag": "\\"…\\""},
     "metrics": {"page_accuracy": 0.929},
     "held_out": {"uri": "s3://B/runs/nightly-7/fetch-preprocessed-data/", "sha256": "…"},
     "code": {"uri": "s3://B/runs/nightly-7/code/", "sha256": "…"},
     "promoted_at": "2026-11-22T07:00:00Z", "approved_by": null, "reason": "gate",
     "deployment": "nightly-7-deployment", "endpoint": "documents",
     "previous": {the record before it, with "previous": null} or null}

`metrics` are figures of the whole ensemble on the held-out stacks of `held_out`. Those of two records compare like with
like only where their held-out sets have one `sha256`; the gate (champion_gate.py) never takes figures from a record,
but has the champion measured anew beside the new model.

Who reads a record to work with it (`found`) counts one that cannot be read as none, and warns. Who reads one to know
what must not be deleted (`runs_kept`) is content with less, and never takes an unreadable one for none.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

ROOT = "champions/"
VERSION = 1
GATE, START, ROLLBACK = "gate", "start", "rollback"  # the reasons of promotions that nobody put into words

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class CorruptRecordError(ValueError):
    """A text that is no record of a champion; the message says what is wrong with it."""


@dataclass(frozen=True)
class Source:
    """An address in S3 and the SHA-256 of what lies there."""

    uri: str
    sha256: str


@dataclass(frozen=True)
class Model:
    """The artifact, `…/output/model.tar.gz`, and its ETag when it was promoted."""

    uri: str
    etag: str

    @property
    def folder(self) -> str:
        """What a training job is given as the channel that holds the artifact."""
        return self.uri[: self.uri.rindex("/") + 1]


@dataclass(frozen=True)
class Champion:
    """One record. `machine` is the training state machine's name, `run` one of its executions; `promoted_at` is UTC in
    ISO 8601, `approved_by` the ARN or name of who agreed (None where nobody was asked), `deployment` the execution that
    promoted it, `previous` the champion before it, without its own."""

    machine: str
    run: str
    model: Model
    metrics: Mapping[str, float]
    held_out: Source
    code: Source
    promoted_at: str
    approved_by: str | None
    reason: str
    deployment: str
    endpoint: str
    previous: Champion | None = None


@dataclass(frozen=True)
class Found:
    """What a machine's record says. `etag` is the object's, for a conditional write, None where there is no object; a
    record that cannot be read gives no champion, but its `etag` and a `warning`."""

    champion: Champion | None
    etag: str | None = None
    warning: str | None = None


def pointer_key(machine: str) -> str:
    """Where the record of a machine's present champion lies in the bucket."""
    return f"{ROOT}{machine}.json"


def history_prefix(machine: str) -> str:
    """Below which a machine's promotions lie, one object each."""
    return f"{ROOT}{machine}/"


def history_key(machine: str, promotion: str) -> str:
    """Where the promotion of that name lies."""
    return f"{history_prefix(machine)}{promotion}.json"


def is_pointer(key: str) -> bool:
    """Whether a key below `champions/` is a machine's record, and no promotion's."""
    name = key.removeprefix(ROOT)
    return key.startswith(ROOT) and name.endswith(".json") and "/" not in name


def succession(champion: Champion, before: Champion | None) -> Champion:
    """The new record, with the one before it as its `previous`. The same model again keeps the previous it had: a
    rollback must lead to another one."""
    if before is not None and before.run == champion.run:
        return replace(champion, previous=before.previous)
    return replace(champion, previous=None if before is None else replace(before, previous=None))


def promoted_time(seconds: float) -> str:
    """Seconds since the epoch as `promoted_at` has them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record_text(champion: Champion) -> str:
    """The record, with its line break."""
    return json.dumps(document(champion), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def document(champion: Champion) -> dict[str, Any]:
    """The record as JSON holds it."""
    return {
        "version": VERSION,
        "machine": champion.machine,
        "run": champion.run,
        "model": {"uri": champion.model.uri, "etag": champion.model.etag},
        "metrics": dict(champion.metrics),
        "held_out": {"uri": champion.held_out.uri, "sha256": champion.held_out.sha256},
        "code": {"uri": champion.code.uri, "sha256": champion.code.sha256},
        "promoted_at": champion.promoted_at,
        "approved_by": champion.approved_by,
        "reason": champion.reason,
        "deployment": champion.deployment,
        "endpoint": champion.endpoint,
        "previous": None if champion.previous is None else document(champion.previous),
    }


def found(machine: str, content: bytes | None, etag: str | None = None) -> Found:
    """What the object at a machine's pointer says; `content` None for an object that is not there."""
    if content is None:
        return Found(None)
    try:
        champion = read_record(content)
        if champion.machine != machine:
            raise CorruptRecordError(f"it is the record of machine {champion.machine!r}")
    except CorruptRecordError as error:
        warning = f"{pointer_key(machine)} is no record of a champion, and counts as none: {error}"
        return Found(None, etag, warning)
    return Found(champion, etag)


def read_record(content: bytes | str) -> Champion:
    """The champion that a record describes. Raises CorruptRecordError."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise CorruptRecordError("it is not JSON") from None
    return _champion(_Fields(value, ""), own=True)


def is_figure(value: Any) -> bool:
    """Whether a value of a JSON document is a finite number."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def runs_kept(content: bytes | str) -> tuple[str, ...] | None:
    """The runs whose models a record of any version needs: the champion's, and the previous one's for a rollback. None
    for a record that does not say."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    runs: list[str] = []
    while value is not None or not runs:
        run = value.get("run") if isinstance(value, dict) else None
        if not isinstance(run, str) or not run:
            return None
        runs.append(run)
        value = value.get("previous")
    return tuple(dict.fromkeys(runs))


@dataclass(frozen=True)
class _Fields:
    """An object of a record, whose fields are asked for by name and kind."""

    value: Any
    path: str

    def __post_init__(self) -> None:
        if not isinstance(self.value, dict):
            raise CorruptRecordError(f"{self.path or 'it'} is no JSON object")

    def of(self, name: str) -> _Fields:
        return _Fields(self.value.get(name), self.at(name))

    def text(self, name: str) -> str:
        value = self.value.get(name)
        if not isinstance(value, str) or not value:
            raise CorruptRecordError(f"{self.at(name)} is no text")
        return value

    def text_or_none(self, name: str) -> str | None:
        return None if self.value.get(name) is None else self.text(name)

    def address(self, name: str) -> str:
        value = self.text(name)
        if not re.fullmatch(r"s3://[^/]+/.+", value):
            raise CorruptRecordError(f"{self.at(name)} is no address in S3")
        return value

    def numbers(self) -> dict[str, float]:
        for name, value in self.value.items():
            if not is_figure(value):
                raise CorruptRecordError(f"{self.at(name)} is no finite number")
        return dict(self.value)

    def source(self, name: str) -> Source:
        return Source(self.of(name).address("uri"), self.of(name).text("sha256"))

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def _champion(fields: _Fields, own: bool) -> Champion:
    if fields.value.get("version") != VERSION:
        raise CorruptRecordError(f"{fields.path or 'it'} has version {fields.value.get('version')!r}, not {VERSION}")
    if not _TIME.fullmatch(fields.text("promoted_at")):
        raise CorruptRecordError(f"{fields.at('promoted_at')} is no time in UTC, such as 2026-11-22T07:00:00Z")
    if not own and fields.value.get("previous") is not None:
        raise CorruptRecordError("previous has a previous of its own")
    return Champion(
        machine=fields.text("machine"),
        run=fields.text("run"),
        model=Model(fields.of("model").address("uri"), fields.of("model").text("etag")),
        metrics=fields.of("metrics").numbers(),
        held_out=fields.source("held_out"),
        code=fields.source("code"),
        promoted_at=fields.text("promoted_at"),
        approved_by=fields.text_or_none("approved_by"),
        reason=fields.text("reason"),
        deployment=fields.text("deployment"),
        endpoint=fields.text("endpoint"),
        previous=None if fields.value.get("previous") is None else _champion(fields.of("previous"), own=False),
    )
