"""Deliberately broken copies of the shipped machines: how many of them a drill of single faults finds.

Every mutant of every kind below is made of every machine. Three are left out: one that equals the machine (both ways of
a Choice lead to the same state), one that assigns no more what nothing reads, and one that AWS would refuse to create.
Where a state that the cases name is gone,
the drill refuses to begin (exit code 2) and says which one: these are counted by themselves.

    python benchmarks/mutants.py [--without-cases] [MACHINE...]       # training deployment inference bulk

The cases beside each machine (definitions/<stem>.test.yaml) are what its author says of it, and are taken as `opsctl
drill` takes them; `--without-cases` drills what holds of every machine alone.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from opsctl.asl.validate import validate
from opsctl.domain.cases import CaseError, Suite
from opsctl.domain.drill.explore import Explorer
from opsctl.domain.drill.guards import inverted_guards
from opsctl.domain.drill.kept import broken_cases
from opsctl.domain.drill.model import Check, Refutation, Trace
from opsctl.domain.drill.search import scenarios
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.trace import trace
from opsctl.domain.drill.world import UnwalkableError
from opsctl.operations.documents_yaml import load

ROOT = Path(__file__).parents[1]
MACHINES = ("training", "deployment", "inference", "bulk")
NEEDED = 0.95

State = dict[str, Any]
States = dict[str, State]
Change = Callable[[States, dict[str, Any]], None]


def machine(name: str) -> dict[str, Any]:
    """A shipped machine, as Terraform renders it."""
    definition: dict[str, Any] = json.loads((ROOT / f"tests/golden/{name}.asl.json").read_text())
    return definition


def suite_of(name: str, definition: dict[str, Any]) -> Suite:
    """The cases beside a shipped machine, for a mutant of it. Raises CaseError for those that name a missing state."""
    path = ROOT / f"definitions/{name}.test.yaml"
    return Suite(definition, load(path.read_text(), str(path)).value, name)


def mutants(sound: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mutant, by what was done to it."""
    for words, change in changes(sound):
        broken = copy.deepcopy(sound)
        change(states_of(broken), broken)
        if _rid_of_unread(broken, sound) != _rid_of_unread(sound, sound) and not any(
            found.severity == "ERROR" for found in validate(broken)
        ):
            yield words, broken


def _rid_of_unread(definition: dict[str, Any], sound: dict[str, Any]) -> dict[str, Any]:
    """The definition without what it assigns to variables that nothing reads in the sound machine."""
    text = json.dumps(sound)
    kept = copy.deepcopy(definition)
    for state in states_of(kept).values():
        for holder in (state, *state.get("Catch", ()), *state.get("Choices", ())):
            names = [name for name in holder.get("Assign", ()) if f"${name.removesuffix('.$')}" not in text]
            for name in names:
                del holder["Assign"][name]
            if names and not holder["Assign"]:
                del holder["Assign"]
    return kept


def states_of(scope: dict[str, Any]) -> States:
    """Each state, wherever it lies."""
    found: States = {}
    for name, state in scope["States"].items():
        found[name] = state
        inner = [state[key] for key in ("ItemProcessor", "Iterator") if key in state]
        for deeper in (*state.get("Branches", ()), *inner):
            found |= states_of(deeper)
    return found


def first_refuted(definition: dict[str, Any], suite: Suite | None = None) -> Trace | None:
    """The trace of the first run that refutes something: of a case, where there are cases, or of single faults."""
    kept = (made for made in broken_cases(suite) if made) if suite else iter(())
    return next(kept, None) or _by_rules(Subject(definition), suite)


def _by_rules(subject: Subject, suite: Suite | None) -> Trace | None:
    try:
        chosen = scenarios(subject, suite.cases if suite else ())
    except UnwalkableError as error:  # not even a run without faults succeeds: the drill shows that run
        why = str(error)
        return trace(error.drive, (), Refutation(Check.ENDS, error.drive.blamed, why)) if error.drive else None
    explorers = [Explorer(subject, scenario) for scenario in chosen]
    for outcomes in (
        (explorer.plain() for explorer in explorers),
        inverted_guards(subject, chosen[0]),
        (outcome for explorer in explorers for outcome in explorer.singles(merge=True)),
    ):
        for outcome in outcomes:
            if outcome.refutations:
                return trace(outcome.drive, outcome.faults, outcome.refutations[0])
    return None


# the kinds of mutants


def changes(sound: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    """What is done to a machine, state by state."""
    for name, state in states_of(sound).items():
        yield from ((f"{name}: {words}", _on(name, change)) for words, change in _of_state(state))
        for word in ("Describe", "Notify"):
            if name == f"{word} Failure":
                yield f"{name}: asked twice", _twice(name)
        if "Next" in state and state["Type"] in ("Task", "Parallel", "Map"):
            yield f"{name}: left out", _left_out(name)


def _on(name: str, change: Callable[[State], None]) -> Change:
    return lambda states, _: change(states[name])


def _of_state(state: State) -> Iterator[tuple[str, Callable[[State], None]]]:
    for field in ("Catch", "Retry", "TimeoutSeconds", "HeartbeatSeconds", "Assign"):
        if field in state:
            yield f"no {field}", lambda one, field=field: _drop(one, field)
    for index, entry in enumerate(state.get("Catch", ())):
        if "Assign" in entry:
            yield f"Catch {index} assigns nothing", lambda one, index=index: _drop(one["Catch"][index], "Assign")
        if "Next" in state and entry["Next"] != state["Next"] and "States.ALL" in entry["ErrorEquals"]:
            yield f"Catch {index} goes on", lambda one, index=index: one["Catch"][index].update(Next=one["Next"])
    for index in range(len(state.get("Choices", ()))):
        yield f"rule {index} the other way round", lambda one, index=index: _turn(one, index)
        if len(state["Choices"]) > 1:
            yield f"no rule {index}", lambda one, index=index: one["Choices"].pop(index)
        yield f"rule {index} negated", lambda one, index=index: _negate(one["Choices"], index)
    for field in ("TrainingJobName.$", "TransformJobName.$"):
        if field in state.get("Parameters", {}):
            for word in ("$$.State.RetryCount", "$$.Execution.RedriveCount", "$.run.job_prefix"):
                yield f"named without {word}", lambda one, field=field, word=word: _unname(one, field, word)
    if state["Type"] == "Fail":
        yield "green", _green
    if state["Type"] == "Pass":
        yield "fails", _fails
    if state.get("Parameters", {}).get("failed") is True:
        yield "says that it went well", lambda one: one["Parameters"].update(failed=False)


def _drop(value: dict[str, Any], field: str) -> None:
    del value[field]


def _turn(choice: State, index: int) -> None:
    rule = choice["Choices"][index]
    if "Default" in choice:
        choice["Default"], rule["Next"] = rule["Next"], choice["Default"]


def _negate(choices: list[dict[str, Any]], index: int) -> None:
    rule = choices[index]
    outside = {key: rule.pop(key) for key in ("Next", "Assign", "Comment", "Output") if key in rule}
    choices[index] = {"Not": rule, **outside}


def _unname(state: State, field: str, word: str) -> None:
    state["Parameters"][field] = state["Parameters"][field].replace(word, "1")


def _green(state: State) -> None:
    state.clear()
    state["Type"] = "Succeed"


def _fails(state: State) -> None:
    state.clear()
    state |= {"Type": "Fail", "Error": "Broken"}


def _twice(name: str) -> Change:
    def change(states: States, definition: dict[str, Any]) -> None:
        definition["States"][f"{name} Again"] = copy.deepcopy(states[name])
        states[name]["Next"] = f"{name} Again"

    return change


def _left_out(name: str) -> Change:
    def change(states: States, definition: dict[str, Any]) -> None:
        _redirect(definition, name, states[name]["Next"])
        for scope in (definition, *_scopes(definition)):
            scope["States"].pop(name, None)

    return change


def _scopes(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for state in states_of(definition).values():
        yield from state.get("Branches", ())
        yield from (state[key] for key in ("ItemProcessor", "Iterator") if key in state)


def _redirect(value: Any, name: str, target: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("Next", "Default", "StartAt") and inner == name:
                value[key] = target
            else:
                _redirect(inner, name, target)
    elif isinstance(value, list):
        for inner in value:
            _redirect(inner, name, target)


def main() -> None:
    """Print how many are found, and which are not."""
    alone = "--without-cases" in sys.argv
    made = found = 0
    for name in [word for word in sys.argv[1:] if word in MACHINES] or MACHINES:
        begun, before, refused = time.process_time(), (made, found), 0
        for words, broken in mutants(machine(name)):
            try:
                hit = first_refuted(broken, None if alone else suite_of(name, broken)) is not None
            except CaseError:
                refused += 1
                continue
            made, found = made + 1, found + hit
            if not hit:
                print(f"  missed: {name}: {words}", flush=True)
        took = time.process_time() - begun
        counts = f"{found - before[1]} of {made - before[0]} mutants found, {refused} more refused"
        print(f"{name:<11} {counts}; {took:.0f} s of CPU", flush=True)
    print(f"all         {found} of {made} ({found / made:.1%}; {NEEDED:.0%} needed)")
    sys.exit(found < NEEDED * made)


if __name__ == "__main__":
    main()
