"""Which steps a definition has, in which order, and which run input makes the machine bypass each of them.

Nothing here knows a name of ours: it is all read from the definition.

* A *step* is a Task on the *success path*: reached from the start without a Catch, and able to reach a successful end
  without one. What leads only to a Fail state (describe the failure, notify) is no step of a plan.
* A *guard* is a Choice in front of a step whose outcome run input alone can bring about, one outcome leading to the
  step and another around it. Run input is what `$$.Execution.Input` says, and whatever Pass and other states carry on
  of it (`carrying`); what a Task carries on counts where histories show it (`carrying.evidence`).
* A Choice's outcome is driven by *settings* of run input: a value at a path, or nothing there (`choices`).
* A step inside a Parallel's branch is guarded by a Choice in its branch, or else by what guards the Parallel.
* A step with a Choice in front that run input cannot drive has no guard, but a reason why: it is *undrivable*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.run_history import RunHistory
from opsctl.domain.carrying.evidence import Evidence
from opsctl.domain.carrying.flow import Flow
from opsctl.domain.carrying.values import From, Unknown
from opsctl.domain.choices import Decision, Patience
from opsctl.domain.conditions import Setting
from opsctl.domain.graph import State, SuccessPath, all_states, inner_scopes, success_path
from opsctl.domain.names import slug

__all__ = ["Crossing", "Guard", "Pipeline", "Step", "all_states", "read_pipeline"]


@dataclass(frozen=True)
class Guard:
    """A Choice that can bypass a step. `bypass` and `enter` are the plainest settings of run input that lead around it
    and into it; `covers` names all steps that are bypassed together. `drives` is the Choice itself."""

    choice: str
    bypass: tuple[Setting, ...]
    enter: tuple[Setting, ...]
    covers: frozenset[str]
    drives: Crossing | None = field(default=None, compare=False, repr=False)

    def bypasses(self, document: Any) -> bool:
        """Whether this run input leads around the step."""
        taken = None if self.drives is None else self.drives.decision.target(document)
        return self.drives is not None and taken is not None and self.covers <= self.drives.missed(taken)


@dataclass(frozen=True)
class Step:
    """A Task on the success path. `branch` is the chain of (Parallel or Map, branch number) around it, outermost first;
    `ancestors` the steps that lie before it on some way to it. `guard` is the nearest one; where there is none,
    `undrivable` says why a Choice in front of it cannot be driven, in words that complete "it always runs: …"."""

    name: str
    resource: str
    guard: Guard | None
    branch: tuple[tuple[str, int], ...]
    ancestors: frozenset[str]
    undrivable: str | None = None

    @property
    def slug(self) -> str:
        """The step's folder and command line name."""
        return slug(self.name)


@dataclass(frozen=True)
class Crossing:
    """A Choice on the success path, with what it decides about steps.

    `misses` has, for each of its targets on the success path, the steps that could still come but do not come any more
    once it is taken; `ahead` are all the steps that could still come; `branch` is the chain of (Parallel or Map, branch
    number) around it.
    """

    choice: str
    branch: tuple[tuple[str, int], ...]
    misses: Mapping[str, frozenset[str]]
    ahead: frozenset[str]
    decision: Decision = field(compare=False, repr=False)

    def missed(self, target: str) -> frozenset[str]:
        """The steps that are bypassed by going to a target; none by going to a failure."""
        return self.misses.get(target, frozenset())


@dataclass(frozen=True)
class Pipeline:
    """All steps, in an order in which every step comes after its ancestors; the type of every other state, those
    Tasks included that are there for failures only; and the Choices on the success path, in order.

    `reads` are the parts of Tasks' results and Maps' items that the definition reads, and as what; `carried` those of
    them that histories show to come from the run's input, with the part of it that they are.
    """

    steps: tuple[Step, ...]
    others: Mapping[str, str]
    crossings: tuple[Crossing, ...] = field(default=(), compare=False, repr=False)
    reads: Mapping[From, str] = field(default_factory=dict, compare=False, repr=False)
    carried: Mapping[From, From] = field(default_factory=dict, compare=False, repr=False)

    def step(self, wanted: str) -> Step | None:
        """By state name (in any case) or slug."""
        return next((step for step in self.steps if slug(wanted) == step.slug), None)


def read_pipeline(definition: Mapping[str, Any], histories: Sequence[RunHistory] = ()) -> Pipeline:
    """The steps and guards of a definition (the JSON object, already known to be valid).

    `histories` are of runs of the machine, if any are at hand: evidence of what its Tasks carry on of the run's input.
    """
    evidence = Evidence(histories)
    reader = _Reader(definition, evidence)
    steps = tuple(reader.steps(definition, (), frozenset(), ()))
    names = {step.name for step in steps}
    others = {name: state["Type"] for name, state in all_states(definition) if name not in names}
    return Pipeline(steps, others, tuple(reader.crossings), reader.flow.reads, evidence.used)


@dataclass(frozen=True)
class _Ahead:
    """A Choice that some step lies behind, with its targets that lead to the step and around it."""

    crossing: Crossing
    into: tuple[str, ...]
    around: tuple[str, ...]


class _Reader:
    def __init__(self, definition: Mapping[str, Any], evidence: Evidence) -> None:
        self.crossings: list[Crossing] = []
        self._paths: dict[int, SuccessPath] = {}
        self._evidence = evidence
        self._patience = Patience()
        self.flow = Flow(definition, self._order)

    def _order(self, scope: Mapping[str, Any]) -> tuple[list[str], Mapping[str, list[str]]]:
        path = self._path(scope)
        return path.order, path.edges

    def _path(self, scope: Mapping[str, Any]) -> SuccessPath:
        if id(scope) not in self._paths:
            self._paths[id(scope)] = success_path(scope)
        return self._paths[id(scope)]

    def steps(
        self, scope: Mapping[str, Any], branch: tuple[tuple[str, int], ...], before: frozenset[str],
        outer: tuple[_Ahead, ...],
    ) -> Iterator[Step]:  # fmt: skip
        """The steps of a scope and of those inside of it, in order. `outer` are the Choices in front of the scope."""
        path = self._path(scope)
        found: dict[str, frozenset[str]] = {}  # per state: the steps it consists of
        crossings: dict[str, Crossing] = {}
        for name in path.order:
            state = scope["States"][name]
            if state["Type"] == "Choice":
                crossings[name] = self._crossing(name, scope, branch)
            if state["Type"] in ("Task", "Parallel", "Map"):
                before_it = (crossing for choice, crossing in crossings.items() if name in path.reach[choice])
                ahead = (*outer, *(_ahead(path, crossing, name) for crossing in before_it))
            else:
                ahead = ()
            ancestors = before.union(*(found[other] for other in found if name in path.reach[other]))
            inner = list(self._steps_of(name, state, branch, ancestors, ahead))
            found[name] = frozenset(step.name for step in inner)
            yield from inner

    def _steps_of(
        self, name: str, state: State, branch: tuple[tuple[str, int], ...], ancestors: frozenset[str],
        ahead: tuple[_Ahead, ...],
    ) -> Iterator[Step]:  # fmt: skip
        if state["Type"] == "Task":
            guard = _nearest_guard(ahead)
            reason = None if guard else _undrivable(ahead)
            yield Step(name, str(state.get("Resource", "")), guard, branch, ancestors, reason)
        for number, inner in enumerate(inner_scopes(state)):
            yield from self.steps(inner, (*branch, (name, number)), ancestors, ahead)

    def _crossing(self, name: str, scope: Mapping[str, Any], branch: tuple[tuple[str, int], ...]) -> Crossing:
        path, state = self._path(scope), scope["States"][name]
        later = [n for n in path.order[path.order.index(name) + 1 :] if n in path.reach[name]]  # no way back in a loop
        misses = {
            target: frozenset(_tasks_in(scope, (n for n in later if n != target and not path.leads_to(target, n))))
            for target in path.edges[name]
        }
        ahead = frozenset(_tasks_in(scope, later))
        jsonata = name in self.flow.jsonata
        sight = self.flow.effective(name, state)
        decision = Decision(state, sight, self._evidence, jsonata=jsonata, patience=self._patience)
        crossing = Crossing(name, branch, misses, ahead, decision)
        self.crossings.append(crossing)
        return crossing


def _tasks_in(scope: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    level = {name: scope["States"][name] for name in names}
    yield from (name for name, state in all_states({"States": level}) if state["Type"] == "Task")


def _ahead(path: SuccessPath, crossing: Crossing, name: str) -> _Ahead:
    targets = path.edges[crossing.choice]
    into = tuple(target for target in targets if path.leads_to(target, name))
    return _Ahead(crossing, into, tuple(target for target in targets if target not in into))


def _nearest_guard(ahead: Sequence[_Ahead]) -> Guard | None:
    """The way around that bypasses the fewest other steps, and of those the nearest."""
    guards = [guard for choice in ahead for guard in _guards(choice)]
    return min(reversed(guards), key=lambda guard: len(guard.covers), default=None)


def _guards(ahead: _Ahead) -> Iterator[Guard]:
    ways = ahead.crossing.decision.outcomes
    into = [ways[target][0] for target in ahead.into if target in ways]
    for target in reversed(ahead.around):
        if into and target in ways:
            yield Guard(ahead.crossing.choice, ways[target][0], into[0], ahead.crossing.missed(target), ahead.crossing)


def _undrivable(ahead: Sequence[_Ahead]) -> str | None:
    """Why the nearest Choice that leads around the step cannot be driven."""
    choice = next((choice for choice in reversed(ahead) if choice.into and choice.around), None)
    if choice is None:
        return None
    name, blamed = choice.crossing.choice, choice.crossing.decision.blamed()
    if blamed is None:
        return f"no run input was found that drives its guard {name!r} both ways"
    reading, leaf = blamed
    if isinstance(leaf, Unknown):
        return f"its guard {name!r} reads {reading.text}, which is {leaf.why}"
    if leaf.source in (around for around, _ in choice.crossing.branch):
        return f"its guard {name!r} reads {reading.text}, which the items of {leaf.source!r} decide"
    return (
        f"its guard {name!r} reads {reading.text}, which {leaf.source!r} (a Task) decides, "
        "and the history does not show that it comes from the run's input"
    )
