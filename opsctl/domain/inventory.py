"""What every run keeps in S3, and what the world knows of the run: the facts that a cleanup is planned from.

A run's prefix is `runs/<name>/`. Below it lie one folder per step, `code/` (the code the run uses) and single objects:
the claim `plan.json`, `.hold`, and what the run's first step writes, which proves that it was started: `code.json` of a
training run, `documents.json` of an inference.

What a folder holds is told by its objects: a *model* is a folder with a training job's `…/output/model.tar.gz`; any
other step's folder is *data*; the code, an inference's answers, and what lies directly in the prefix, is neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.domain.inference import STEP as ANSWERS
from opsctl.domain.objects import Place, Stored

ROOT = "runs/"
CLAIM = "plan.json"
HOLD = ".hold"
STARTED_MARK = "code.json"
STARTED_MARKS = frozenset((STARTED_MARK, "documents.json"))
CODE = "code"
LOOSE = ""  # the folder name of what lies directly in a run's prefix
ARTIFACT = "/output/model.tar.gz"

DATA = "data"
MODEL = "model"
OTHER = "other"


@dataclass(frozen=True)
class Folder:
    """What one step of a run keeps. `bytes_by_class` is by storage class, `newest` in seconds since the epoch: that of
    a hold's marker only where there is nothing else."""

    name: str
    kind: str
    objects: int
    bytes_by_class: Mapping[str, int]
    newest: float

    @property
    def bytes(self) -> int:
        """Of all storage classes."""
        return sum(self.bytes_by_class.values())


@dataclass(frozen=True)
class Known:
    """What Step Functions says of a run. `redrivable` if AWS may still redrive it."""

    machine: str
    status: str
    started: float
    stopped: float | None
    redrivable: bool = False


@dataclass(frozen=True)
class RunData:
    """One run's prefix. `known` is None where Step Functions has no such run: it was never started, or its history is
    gone, 90 days after its end. `reads` are the runs below whose prefixes its input says that it reads."""

    name: str
    folders: tuple[Folder, ...]
    known: Known | None
    started: bool
    held: bool
    reads: frozenset[str] = field(default_factory=frozenset)

    @property
    def objects(self) -> int:
        """In all folders."""
        return sum(folder.objects for folder in self.folders)

    @property
    def bytes(self) -> int:
        """In all folders."""
        return sum(folder.bytes for folder in self.folders)

    @property
    def last_used(self) -> float:
        """Seconds since the epoch: the end of the run, or the newest object where that is later or all there is. That
        somebody holds it makes it no younger."""
        own = [folder for folder in self.folders if not (self.held and folder.name == LOOSE and folder.objects == 1)]
        newest = max((folder.newest for folder in own or self.folders), default=0.0)
        return max(newest, (self.known.stopped or self.known.started) if self.known else 0.0)


def run_of(key: str) -> str | None:
    """The run that an object key belongs to, be it the empty object `runs/<name>/` by which the console marks a folder;
    None for one that lies outside."""
    name, slash, _ = key.removeprefix(ROOT).partition("/")
    return name if key.startswith(ROOT) and name and slash else None


def owner_of(uri: str) -> str | None:
    """The run below whose prefix an s3:// address lies; None for one outside of `runs/<name>/`."""
    return run_of(f"{Place.parse(uri).key.rstrip('/')}/-")


def folder_of(key: str) -> str:
    """The folder that a key, relative to its run's prefix, lies in."""
    name, slash, _ = key.partition("/")
    return name if slash else LOOSE


def names_read(text: str, bucket: str) -> frozenset[str]:
    """The runs whose prefixes are named anywhere in a text: a run input, or a record that holds one."""
    return frozenset(name for name, _ in _addresses(text, bucket))


def folders_read(text: str, bucket: str, run: str) -> frozenset[str]:
    """The folders of a run that are named anywhere in a text."""
    return frozenset(folder for name, folder in _addresses(text, bucket) if name == run and folder)


def run_meant(text: str) -> frozenset[str]:
    """The run whose model a deployment's or an inference's input says that it works with: `{"run": "nightly-7"}`."""
    name = _object(text).get("run")
    return frozenset([name] if isinstance(name, str) and name else ())


def _addresses(text: str, bucket: str) -> list[tuple[str, str]]:
    """(run, folder) of all addresses below `runs/` in a text, however JSON escapes them there: as s3://, as ARN or URL,
    of a folder or of the whole run; and, where the bucket is named by itself, of the keys beside it."""
    path = rf"{ROOT}([^/\s\"\\]+)(?:/([^/\s\"\\]*)|(?=\\?[\"\s]|\Z))"
    pattern = rf"(?<![\w.-]){re.escape(bucket)}(?:\.s3[\w.-]*)?/{path}"
    try:
        plain = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        plain = ""
    keys = re.findall(rf"\"/?{path}", plain) if f': "{bucket}"' in plain else []
    return re.findall(pattern, text) + re.findall(pattern, plain) + keys


def names_copied(claim: str) -> frozenset[str]:
    """The runs that a claim copies from before its run is started."""
    document = _object(claim)
    steps = document.get("steps")
    makers = [step.get("made_by") for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return frozenset(str(name) for name in (document.get("of"), *makers) if name)


def folders_of(objects: Iterable[Stored]) -> tuple[Folder, ...]:
    """The folders of one run, by name; keys are relative to the run's prefix. Reads its input once."""
    tallies: dict[str, _Tally] = {}
    for item in objects:
        tallies.setdefault(folder_of(item.key), _Tally()).add(item)
    return tuple(tally.folder(name) for name, tally in sorted(tallies.items()))


class _Tally:
    """Counts while a listing goes by, so that a listing of any length takes no memory."""

    def __init__(self) -> None:
        self._objects = 0
        self._bytes: dict[str, int] = {}
        self._newest = self._held = 0.0
        self._model = False

    def add(self, item: Stored) -> None:
        self._objects += 1
        self._bytes[item.storage_class] = self._bytes.get(item.storage_class, 0) + item.size
        if item.key == HOLD:
            self._held = item.modified or 0.0
        else:
            self._newest = max(self._newest, item.modified or 0.0)
        self._model = self._model or item.key.endswith(ARTIFACT)

    def folder(self, name: str) -> Folder:
        kind = OTHER if name in (LOOSE, CODE, ANSWERS) else MODEL if self._model else DATA
        return Folder(name, kind, self._objects, dict(sorted(self._bytes.items())), self._newest or self._held)


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
