"""Plan a cleanup: which runs' data goes, which stays, and for everything that stays the reason in one word.

Two questions are asked of each run, in this order.

*May it go?* Never: a run that is going, or waits for somebody (`running`); one that AWS could still redrive, until it
has been ended for a grace period (`redrivable`); one that is held (`held`), that the champion or the one before it
comes from (`champion`) or that an endpoint serves (`endpoint`); one whose prefix a run that stays reads from (`read`,
at any remove); one with nothing but fresh objects and no execution yet, as a rerun that is copying right now (`fresh`).

*Was it asked for?* Every criterion given has to agree: named (`unnamed`), old enough (`young`), not among the machine's
newest (`recent`), of a status (`status`), or without an execution (`known`). A limit of bytes to keep then takes the
oldest of those until the rest fits (`fits`).

A run that stays keeps what it reads. So the second question is settled first for all, and reading is followed from
what stays, until nothing new is found: what is deleted is read by nothing that is left, whatever the order of deletion.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from opsctl.domain.inventory import DATA, MODEL, Folder, RunData

ALL = "all"
UNNAMED = "unnamed"
MODELS = "models"
PARTS = (DATA, MODELS, ALL)
GRACE = 14 * 86400.0  # AWS redrives a run for 14 days after its end (Developer Guide, redrive-executions)
FRESH = 86400.0  # seconds for which a prefix without an execution may be a rerun that is about to start


@dataclass(frozen=True)
class Criteria:
    """What was asked for; None (or nothing) where a criterion was not given. Times in seconds, sizes in bytes."""

    names: frozenset[str] = frozenset()
    older_than: float | None = None
    keep_last: int | None = None
    statuses: frozenset[str] = frozenset()
    orphans: bool = False
    bytes_to_keep: int | None = None
    part: str = ALL
    grace: float = GRACE


@dataclass(frozen=True)
class Decision:
    """What happens to one run: `folders` are deleted; where there are none, `kept` says why."""

    run: RunData
    folders: tuple[Folder, ...]
    kept: str | None

    @property
    def objects(self) -> int:
        """To be deleted."""
        return sum(folder.objects for folder in self.folders)

    @property
    def bytes(self) -> int:
        """To be deleted."""
        return sum(folder.bytes for folder in self.folders)


def plan_cleanup(
    runs: Sequence[RunData], criteria: Criteria, in_use: Mapping[str, str], now: float
) -> tuple[Decision, ...]:
    """A decision for each run, the one that was used longest ago first.

    `in_use` names the runs that something outside of the runs depends on, with the word for it; `now` is in seconds
    since the epoch.
    """
    ordered = sorted(runs, key=lambda run: (run.last_used, run.name))
    kept = {run.name: _protection(run, criteria, in_use, now) or _unasked(run, criteria, now) for run in ordered}
    _keep_newest(ordered, kept, criteria)
    _keep_what_is_read(ordered, kept, criteria)
    _keep_what_fits(ordered, kept, criteria)
    return tuple(_decision(run, kept[run.name], criteria) for run in ordered)


def generations(decisions: Iterable[Decision]) -> list[list[Decision]]:
    """What goes, in turns: nothing in a turn is read by anything of a later one. Runs that read each other share the
    last."""
    going = [decision for decision in decisions if decision.folders]
    places = {decision.run.name: place for place, decision in enumerate(going)}
    reads = [{places[name] for name in one.run.reads - {one.run.name} if name in places} for one in going]
    readers = Counter(chain.from_iterable(reads))
    turns, turn = [], [place for place in places.values() if not readers[place]]
    while turn:
        turns.append(turn)
        read = list(chain.from_iterable(reads[place] for place in turn))
        readers.subtract(read)
        turn = sorted(place for place in set(read) if not readers[place])
    in_a_circle = [place for place in places.values() if readers[place]]
    return [[going[place] for place in turn] for turn in (*turns, in_a_circle) if turn]


def readers_first(decisions: Iterable[Decision]) -> dict[str, list[str]]:
    """The runs that go, with those that have to be gone before because they read it; for those that have any."""
    turns = [[decision.run for decision in turn] for turn in generations(decisions)]
    numbers = {run.name: number for number, turn in enumerate(turns) for run in turn}
    read_by = _readers(chain.from_iterable(turns))
    earlier = {name: sorted(one for one in read_by[name] if numbers[one] < numbers[name]) for name in numbers}
    return {name: found for name, found in earlier.items() if found}


def _protection(run: RunData, criteria: Criteria, in_use: Mapping[str, str], now: float) -> str | None:
    known = run.known
    if run.held:
        return "held"
    if known is not None and known.stopped is None:
        return "running"
    if run.name in in_use:
        return in_use[run.name]
    if known is not None and known.redrivable and now - (known.stopped or now) < criteria.grace:
        return "redrivable"
    return "fresh" if known is None and not run.started and now - run.last_used < FRESH else None


def _unasked(run: RunData, criteria: Criteria, now: float) -> str | None:
    if criteria.names and run.name not in criteria.names:
        return UNNAMED
    if criteria.orphans and (run.known is not None or run.started):
        return "known"
    if criteria.statuses and (run.known is None or run.known.status not in criteria.statuses):
        return "status"
    if criteria.older_than is not None and now - run.last_used < criteria.older_than:
        return "young"
    return None if _chosen(run, criteria) else "empty"


def _keep_newest(ordered: Sequence[RunData], kept: dict[str, str | None], criteria: Criteria) -> None:
    """The newest `keep_last` runs of each machine stay; one that was kept for another reason counts as well."""
    if criteria.keep_last is None:
        return
    left: dict[str | None, int] = {}
    for run in reversed(ordered):
        machine = run.known.machine if run.known else None
        left[machine] = left.get(machine, criteria.keep_last) - 1
        if left[machine] >= 0:
            kept[run.name] = kept[run.name] or "recent"


def _keep_what_is_read(ordered: Iterable[RunData], kept: dict[str, str | None], criteria: Criteria) -> None:
    """Follow reading from all that stays; of a run that loses a part only, the rest stays."""
    reads = {run.name: run.reads for run in ordered}
    waiting = [name for name, reason in kept.items() if reason or criteria.part != ALL]
    while waiting:
        for name in reads[waiting.pop()] & kept.keys():
            if kept[name] is None:
                kept[name] = "read"
                waiting.append(name)


def _keep_what_fits(ordered: Sequence[RunData], kept: dict[str, str | None], criteria: Criteria) -> None:
    """Take the oldest first, until what is left fits. A run that reads another goes before the one that it reads."""
    if criteria.bytes_to_keep is None:
        return
    left = sum(run.bytes for run in ordered)
    going: set[str] = set()
    readers = _readers(ordered)
    for run in _readers_first([run for run in ordered if kept[run.name] is None]):
        if left > criteria.bytes_to_keep and going.issuperset(readers[run.name]):
            going.add(run.name)
            left -= sum(folder.bytes for folder in _chosen(run, criteria))
        else:
            kept[run.name] = "fits" if left <= criteria.bytes_to_keep else "read"


def _readers_first(candidates: Sequence[RunData]) -> list[RunData]:
    """Oldest first, and yet each run after all that read it."""
    by_name, readers = {run.name: run for run in candidates}, _readers(candidates)
    done: dict[str, RunData] = {}
    seen: set[str] = set()
    waiting = [(run, False) for run in reversed(candidates)]
    while waiting:
        run, expanded = waiting.pop()
        if expanded:
            done[run.name] = run
        elif run.name not in seen:
            seen.add(run.name)
            waiting += [(run, True), *((by_name[reader], False) for reader in reversed(readers[run.name]))]
    return list(done.values())


def _readers(runs: Iterable[RunData]) -> defaultdict[str, list[str]]:
    """Who else reads a run, of these runs, in their order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for run in runs:
        for name in run.reads - {run.name}:
            found[name].append(run.name)
    return found


def _chosen(run: RunData, criteria: Criteria) -> tuple[Folder, ...]:
    kinds = {DATA: (DATA,), MODELS: (MODEL,)}.get(criteria.part)
    return tuple(folder for folder in run.folders if kinds is None or folder.kind in kinds)


def _decision(run: RunData, kept: str | None, criteria: Criteria) -> Decision:
    return Decision(run, () if kept else _chosen(run, criteria), kept)
