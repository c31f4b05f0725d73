"""Drive a machine: the settings of run input that make it enter some steps and bypass all others that it can.

Every Choice with several ways between steps is looked at, outer and earlier ones first. Of its targets those are right
that lead past no step that has to run, and of these the ones that bypass the most others. What the run input already
brings about stays as it is; where Choices share a path of the run input, other ways are tried until all are content.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsctl.domain.conditions import Setting
from opsctl.domain.documents import with_settings
from opsctl.domain.graph import inner_scopes, success_path
from opsctl.domain.guards import Crossing, Pipeline
from opsctl.errors import UsageError

MAX_TURNS = 500


def bypassed(definition: Mapping[str, Any], pipeline: Pipeline, document: Any) -> frozenset[str]:
    """The steps that this run input leads past, whatever Tasks answer: by their own guard or by one further out."""
    turns = {crossing.choice: crossing.decision.target(document) for crossing in pipeline.crossings}
    passed = frozenset(_passed(definition, turns))
    return frozenset(step.name for step in pipeline.steps if step.name not in passed)


def _passed(scope: Mapping[str, Any], turns: Mapping[str, str | None]) -> Iterator[str]:
    """The states that may be entered, where a Choice whose turn is known takes no other."""
    path = success_path(scope)
    waiting, seen = [name for name in path.order if name == scope["StartAt"]], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        turn = turns.get(name)
        targets = path.edges[name]
        waiting += [turn] if turn in targets else targets  # to go to a failure is not to bypass anything
        for inner in inner_scopes(scope["States"][name]):
            yield from _passed(inner, turns)
    yield from seen


def drive(pipeline: Pipeline, document: Mapping[str, Any], running: Collection[str]) -> tuple[Setting, ...]:
    """The settings over `document` that make the steps named by `running` run, and bypass what else can be bypassed.

    Where that cannot be had for every Choice, the settings of those that come first; `proof.prove` is what tells.
    """
    crossings = [crossing for crossing in pipeline.crossings if len(crossing.misses) > 1]
    return _Search(frozenset(running), crossings).settings(document)


@dataclass(frozen=True)
class _Drive:
    """A run input, the settings that made it, where each Choice so far leads, and the steps that are bypassed."""

    document: Mapping[str, Any]
    settings: tuple[Setting, ...] = ()
    targets: tuple[tuple[Crossing, str], ...] = ()
    bypassed: frozenset[str] = field(default_factory=frozenset)

    def holds(self, way: tuple[Setting, ...]) -> bool:
        """Whether every Choice that the way concerns leads where it was meant to."""
        concerned = ((crossing.decision, target) for crossing, target in self.targets)
        return all(
            decision.target(self.document) == target for decision, target in concerned if decision.concerned(way)
        )  # fmt: skip


class _Search:
    def __init__(self, running: frozenset[str], crossings: Sequence[Crossing]) -> None:
        self._running = running
        self._crossings = crossings

    def settings(self, document: Mapping[str, Any]) -> tuple[Setting, ...]:
        """The settings that content all Choices, or as many from the first on as could be."""
        best: tuple[Setting, ...] = ()
        furthest = turns = 0
        ahead = [self._turned(self._crossings[0], _Drive(document))] if self._crossings else []
        while ahead and turns < MAX_TURNS + len(self._crossings):
            turns += 1
            drive = next(ahead[-1], None)
            if drive is None:
                ahead.pop()
                continue
            if len(ahead) > furthest:
                furthest, best = len(ahead), drive.settings
            if len(ahead) == len(self._crossings):
                break
            ahead.append(self._turned(self._crossings[len(ahead)], drive))
        return best

    def _turned(self, crossing: Crossing, drive: _Drive) -> Iterator[_Drive]:
        """The drive with one more Choice going the right way, the plainest way first."""
        behind = frozenset().union(*crossing.misses.values())
        right = self._right_targets(crossing)
        now = crossing.decision.target(drive.document)
        fails = now is None and crossing.decision.from_input
        if not right or (behind <= drive.bypassed and (behind or not fails)):
            yield drive
            return
        if now in right:
            yield self._gone(crossing, now, drive, drive.document, ())
        for target in right if now not in right else ():
            for way in crossing.decision.outcomes.get(target, ()):
                yield from self._set(crossing, target, drive, way)
        if not any(target in crossing.decision.outcomes for target in right):
            yield drive

    def _set(self, crossing: Crossing, target: str, drive: _Drive, way: tuple[Setting, ...]) -> Iterator[_Drive]:
        try:
            document = with_settings(drive.document, way)
        except UsageError:  # the run input has a value where the way needs an object
            return
        further = self._gone(crossing, target, drive, document, way)
        if further.holds(way):
            yield further

    def _gone(
        self, crossing: Crossing, target: str, drive: _Drive, document: Mapping[str, Any], way: tuple[Setting, ...]
    ) -> _Drive:  # fmt: skip
        settings = {setting.path: setting for setting in (*drive.settings, *way)}
        targets = (*drive.targets, (crossing, target))
        return _Drive(document, tuple(settings.values()), targets, drive.bypassed | crossing.misses[target])

    def _right_targets(self, crossing: Crossing) -> list[str]:
        """The targets that miss no running step, and of those the ones that miss the most others."""
        fitting = {t: len(missed) for t, missed in crossing.misses.items() if not missed & self._running}
        most = max(fitting.values(), default=0)
        return [target for target, count in fitting.items() if count == most]
