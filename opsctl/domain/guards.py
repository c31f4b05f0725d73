"""Which steps a definition has, in which order, and which run input makes the machine bypass each of them.

Nothing here knows a name of ours: it is all read from the definition.

* A *step* is a Task on the *success path*: reached from the start without a Catch, and able to reach a successful end
  without one. What leads only to a Fail state (describe the failure, notify) is no step of a plan.
* A *guard* is a Choice in front of a step whose outcome depends on the run input alone, one outcome leading to the
  step and another around it. Run input is what `$$.Execution.Input` says, or `$` where no state before has changed it.
* A Choice's outcome is driven by *settings* of run input: a value at a path, or nothing there. They are found by
  solving the rules' conditions (And, Or, Not of comparisons with constants); what compares anything else is no guard.
* A step inside a Parallel's branch is guarded by a Choice in its branch, or else by what guards the Parallel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.conditions import Setting, rule_settings
from opsctl.domain.names import slug

State = Mapping[str, Any]


@dataclass(frozen=True)
class Guard:
    """A Choice that can bypass a step. `bypass` and `enter` are the settings of run input that lead around it and into
    it; `covers` names all steps that are bypassed together."""

    choice: str
    bypass: tuple[Setting, ...]
    enter: tuple[Setting, ...]
    covers: frozenset[str]


@dataclass(frozen=True)
class Step:
    """A Task on the success path. `branch` is the chain of (Parallel or Map, branch number) around it, outermost first;
    `ancestors` the steps that lie before it on some way to it."""

    name: str
    resource: str
    guard: Guard | None
    branch: tuple[tuple[str, int], ...]
    ancestors: frozenset[str]

    @property
    def slug(self) -> str:
        """The step's folder and command line name."""
        return slug(self.name)


@dataclass(frozen=True)
class Pipeline:
    """All steps, in an order in which every step comes after its ancestors; and the type of every other state, those
    Tasks included that are there for failures only."""

    steps: tuple[Step, ...]
    others: Mapping[str, str]

    def step(self, wanted: str) -> Step | None:
        """By state name (in any case) or slug."""
        return next((step for step in self.steps if slug(wanted) == step.slug), None)


def read_pipeline(definition: Mapping[str, Any]) -> Pipeline:
    """The steps and guards of a definition (the JSON object, already known to be valid)."""
    steps = tuple(_Scope(definition, (), frozenset(), None, frozenset()).steps())
    names = {step.name for step in steps}
    return Pipeline(steps, {name: state["Type"] for name, state in all_states(definition) if name not in names})


def all_states(scope: Mapping[str, Any]) -> Iterator[tuple[str, State]]:
    """Every state of a definition with its name, those inside Parallel and Map included."""
    for name, state in scope["States"].items():
        yield name, state
        for inner in _inner_scopes(state):
            yield from all_states(inner)


def _inner_scopes(state: State) -> list[Mapping[str, Any]]:
    if state["Type"] == "Parallel":
        return list(state["Branches"])
    if state["Type"] == "Map":
        return [state.get("ItemProcessor") or state["Iterator"]]
    return []


def _next_states(state: State) -> list[str]:
    """Where a state leads without a failure, in the order in which its author wrote it."""
    if state["Type"] == "Choice":
        targets = [rule["Next"] for rule in state["Choices"]] + [state.get("Default")]
        return list(dict.fromkeys(target for target in targets if target))
    return [state["Next"]] if "Next" in state else []


class _Scope:
    """One level of states: the machine's own, or those of a branch."""

    def __init__(
        self,
        scope: Mapping[str, Any],
        branch: tuple[tuple[str, int], ...],
        before: frozenset[str],
        guard: Guard | None,
        changed: frozenset[str] | None,
    ) -> None:
        self._states: Mapping[str, State] = scope["States"]
        self._start: str = scope["StartAt"]
        self._branch = branch
        self._before = before  # steps that lie before this whole scope
        self._outer_guard = guard
        self._edges = self._success_edges()
        self._order = self._topological()
        self._changed = self._changed_paths(changed)
        self._reach = self._reachable()

    def steps(self) -> Iterator[Step]:
        """The steps of this level and of those inside of it, in order."""
        found: dict[str, frozenset[str]] = {}  # per state: the steps it consists of
        for name in self._order:
            ancestors = self._before.union(*(found[other] for other in found if name in self._reach[other]))
            inner = list(self._steps_of(name, ancestors))
            found[name] = frozenset(step.name for step in inner)
            yield from inner

    def _steps_of(self, name: str, ancestors: frozenset[str]) -> Iterator[Step]:
        state = self._states[name]
        guard = self._guard(name) or self._outer_guard
        if state["Type"] == "Task":
            yield Step(name, str(state.get("Resource", "")), guard, self._branch, ancestors)
        for number, inner in enumerate(_inner_scopes(state)):
            changed = self._changed[name] if state["Type"] == "Parallel" and _keeps_input(state) else None
            yield from _Scope(inner, (*self._branch, (name, number)), ancestors, guard, changed).steps()

    # The success path

    def _success_edges(self) -> dict[str, list[str]]:
        """Edges between the states that are reached from the start and can end well."""
        backwards: dict[str, list[str]] = {name: [] for name in self._states}
        for name, state in self._states.items():
            for target in _next_states(state):
                backwards.setdefault(target, []).append(name)
        ends = [name for name, state in self._states.items() if state.get("End") or state["Type"] == "Succeed"]
        good = _closure(ends, backwards)
        forwards = {name: [t for t in _next_states(self._states[name]) if t in good] for name in good}
        reached = _closure([self._start] if self._start in good else [], forwards)
        return {name: forwards[name] for name in self._states if name in reached}

    def _topological(self) -> list[str]:
        """Reverse postorder: before its successors comes every state that does not lie on a loop with them."""
        done: dict[str, None] = {}
        seen: set[str] = set()
        stack = [(self._start, False)] if self._start in self._edges else []
        while stack:
            name, finished = stack.pop()
            if finished:
                done[name] = None
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [(target, False) for target in self._edges[name] if target not in seen]
        return list(reversed(done))

    def _reachable(self) -> dict[str, frozenset[str]]:
        """What comes after each state; loops lead nowhere new."""
        reach: dict[str, frozenset[str]] = {}
        for name in reversed(self._order):
            targets = self._edges[name]
            reach[name] = frozenset(targets).union(*(reach.get(target, frozenset()) for target in targets))
        return reach

    # Guards

    def _guard(self, name: str) -> Guard | None:
        """The Choice that bypasses the state with the fewest other steps, and among those the nearest."""
        guards = [guard for choice in self._order for guard in self._guards_by(choice, name)]
        return min(reversed(guards), key=lambda guard: len(guard.covers), default=None)

    def _guards_by(self, choice: str, name: str) -> Iterator[Guard]:
        state = self._states[choice]
        if state["Type"] != "Choice" or name not in self._reach[choice]:
            return
        outcomes = rule_settings(state, self._changed[choice])
        into = [settings for target, settings in outcomes if self._leads_to(target, name)]
        around = [(t, settings) for t, settings in outcomes if t in self._edges and not self._leads_to(t, name)]
        if into and around:
            target, bypass = around[0]
            missed = [other for other in self._reach[choice] if other != target and other not in self._reach[target]]
            yield Guard(choice, bypass, into[0], frozenset(self._steps_in(missed)))

    def _leads_to(self, target: str, name: str) -> bool:
        return target == name or name in self._reach.get(target, frozenset())

    def _steps_in(self, names: list[str]) -> Iterator[str]:
        level = {name: self._states[name] for name in names}
        yield from (name for name, state in all_states({"States": level}) if state["Type"] == "Task")

    # Where `$` still is the run input

    def _changed_paths(self, at_start: frozenset[str] | None) -> dict[str, frozenset[str] | None]:
        """Per state, the top-level keys of its input that may differ from the run's; None: any of it may."""
        changed: dict[str, frozenset[str] | None] = {}
        for name in self._order:
            merged = at_start if name == self._start else frozenset()
            for previous in changed.keys() & {p for p, targets in self._edges.items() if name in targets}:
                keys = _changes(self._states[previous], changed[previous])
                merged = None if merged is None or keys is None else merged | keys
            changed[name] = merged
        return changed


def _closure(start: list[str], edges: Mapping[str, list[str]]) -> set[str]:
    seen, waiting = set(start), list(start)
    while waiting:
        for target in edges.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def _keeps_input(state: State) -> bool:
    return not any(key in state for key in ("Parameters", "Arguments", "QueryLanguage")) and _is_root(
        state, "InputPath"
    )


def _is_root(state: State, key: str) -> bool:
    return bool(state.get(key, "$") == "$")


def _changes(state: State, before: frozenset[str] | None) -> frozenset[str] | None:
    """The changed keys after a state; a Choice, a Wait and a state that puts its result aside keep the others."""
    if before is None or not _is_root(state, "OutputPath") or "Output" in state:
        return None
    if state["Type"] in ("Choice", "Wait"):
        return before if _is_root(state, "InputPath") else None
    if state["Type"] == "Pass" and _keeps_input(state) and "Result" not in state and _is_root(state, "ResultPath"):
        return before
    result_path = state.get("ResultPath", "$")
    if result_path is None:
        return before
    if not isinstance(result_path, str) or not result_path.startswith("$."):
        return None
    key = result_path.removeprefix("$.").split(".")[0].split("[")[0]
    return before | {key} if key else None
