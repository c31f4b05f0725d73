"""How runs descend from each other: reruns by name and by input, as a list marks them and as a tree.

The name says it at no cost: a rerun without a `--name` of its own is `<root>-r<N>` (`names.rerun_name`), N counting the
reruns of the root whatever they are reruns of. The input's `rerun` says it for certain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsctl.domain.documents import Change, changes, value_at
from opsctl.domain.names import rerun_name
from opsctl.domain.redaction import redacted_value
from opsctl.domain.runs import Run

OURS = ("skip", "reuse", "rerun")  # keys of the run input that a plan decides
_RERUN = re.compile(r"(.+)-r([1-9]\d{0,5})")
_MADE = re.compile(r"run-\d{6}-\d{6}-[0-9a-f]{2}")  # a name that `opsctl start` makes
_SHORTENED = re.compile(r".*-[0-9a-f]{8}")


@dataclass(frozen=True)
class Numbered:
    """The `number`th rerun of `root`, by its name."""

    root: str
    number: int


def numbered(name: str, known: Collection[str]) -> Numbered | None:
    """Which rerun a run is by its name: the root must be among the `known` names of the machine, or be one that
    `opsctl start` makes. Anything may be called `model-r2`."""
    match = _RERUN.fullmatch(name)
    if not match:
        return None
    base, number = match[1], int(match[2])
    if base in known or _MADE.fullmatch(base):
        return Numbered(base, number)
    if not _SHORTENED.fullmatch(base):
        return None
    return next((Numbered(root, number) for root in sorted(known) if rerun_name(root, number) == name), None)


@dataclass(frozen=True)
class Kin:
    """What is known of one run of a lineage: what AWS says of it, with its input, and its claim
    (`runs/<name>/plan.json`); neither of a run that both have forgotten."""

    name: str
    run: Run | None = None
    claim: Mapping[str, Any] | None = None

    @property
    def document(self) -> Mapping[str, Any] | None:
        """The run's input; None where nobody knows it any more, or it is no object."""
        value = _parsed(self.run.input) if self.run else (self.claim or {}).get("input")
        return value if isinstance(value, Mapping) else None

    @property
    def root(self) -> str | None:
        """The first run of the lineage, for a rerun."""
        return self._told("root")

    @property
    def of(self) -> str | None:
        """The run that this is a rerun of."""
        return self._told("of")

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that the rerun was to run from."""
        named = value_at(self.document, ("rerun", "from"))
        return tuple(map(str, named)) if isinstance(named, list) else ()

    @property
    def reused(self) -> Mapping[str, str]:
        """By the slug of a step whose result was reused, the run that had made it."""
        entries = value_at(self.document, ("reuse",))
        if isinstance(entries, Mapping):
            return {step: str(value_at(entry, ("run",))) for step, entry in entries.items()}
        rows = [row for row in _list((self.claim or {}).get("steps")) if isinstance(row, Mapping)]
        return {str(row.get("step")): str(row.get("made_by")) for row in rows if row.get("action") == "REUSE"}

    def _told(self, key: str) -> str | None:
        """The claim has the same words as the input's `rerun`."""
        value = value_at(self.document, ("rerun", key))
        if not isinstance(value, str) and self.run is None:
            value = (self.claim or {}).get(key)
        return value if isinstance(value, str) and value else None


@dataclass(frozen=True)
class Descendant:
    """A run in the tree: what it is, how its input differs from that of the run it repeats (None where one of the two
    is not known; credentials are struck out), and its reruns in the order in which they were started."""

    kin: Kin
    changes: tuple[Change, ...] | None
    reruns: tuple[Descendant, ...]


def family(root: str, kins: Iterable[Kin], *, linked: bool) -> Descendant:
    """The tree of a lineage. A rerun of a run that is not among the `kins` hangs at the root. `linked`: the inputs hold
    what we write into them, which is then no difference."""
    members = {kin.name: kin for kin in [Kin(root), *kins]}
    of = {name: kin.of for name, kin in members.items()}
    parents = {name: _parent(name, root, of) for name in members if name != root}
    below: dict[str, list[Kin]] = {}
    for name, parent in parents.items():
        below.setdefault(parent, []).append(members[name])
    order = _from_root(root, below)
    grown: dict[str, Descendant] = {}
    for name in reversed(order):  # leaves first: a lineage may be deeper than Python's stack
        kin, mine = members[name], sorted(below.get(name, ()), key=_started)
        changed = () if name == root else _changes(members[parents[name]], kin, linked)
        grown[name] = Descendant(kin, changed, tuple(grown[child.name] for child in mine))
    return grown[root]


def _parent(name: str, root: str, of: Mapping[str, str | None]) -> str:
    """Where the run hangs: at the root where what it repeats is not known, or leads back to the run itself."""
    parent = of[name]
    if parent is None or parent not in of:
        return root
    seen, above = {root}, of[name]
    while above is not None and above in of and above not in seen and above != name:
        seen.add(above)
        above = of[above]
    return root if above == name else parent


def _from_root(root: str, below: Mapping[str, list[Kin]]) -> list[str]:
    """All names, each after the one it hangs at."""
    order = [root]
    for name in order:
        order += [kin.name for kin in below.get(name, ())]
    return order


def _started(kin: Kin) -> tuple[float, str]:
    return (kin.run.started if kin.run else float("inf"), kin.name)


def _changes(before: Kin, after: Kin, linked: bool) -> tuple[Change, ...] | None:
    if before.document is None or after.document is None:
        return None
    ours = OURS if linked else ()
    was, now = (
        {key: value for key, value in one.items() if key not in ours} for one in (before.document, after.document)
    )
    return tuple(
        replace(
            one,
            before=redacted_value(one.before, one.path),
            after=redacted_value(one.after, one.path),
        )
        for one in changes(was, now)
    )


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
