"""Deliberately broken copies of the shipped machines: how many of them a drill of single faults finds.

Every mutant of every kind (`mutant_kinds.py`, `mutant_machines.py`) is made of every machine. Left out are those that
AWS would refuse to create, and those that are the machine itself, whatever happens: what differs is assigned to
variables that nothing reads, or handed to states that read nothing and whose own output nothing of it is in, or is an
entry of Catch before one that takes all and does the same, or leads to a Choice that leads on to the same state by what
the Catch itself assigned, or two ways of a Choice lead to the same state.

    python -m benchmarks.mutants [--without-cases] [--every N] [MACHINE...]     # training deployment inference bulk

The cases beside each machine (definitions/<stem>.test.yaml) are what its author says of it, and are taken as `opsctl
drill` takes them; `--without-cases` drills what holds of every machine alone. `--every` takes every Nth mutant only.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.mutant_kinds import states_of
from benchmarks.mutant_machines import changes
from opsctl.asl.validate import validate
from opsctl.domain.cases import Suite
from opsctl.domain.drill.explore import Explorer
from opsctl.domain.drill.guards import inverted_guards
from opsctl.domain.drill.jobs import careless_jobs
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
_OF_INPUT = re.compile(r'(?<![$.\w])\$[.\["]')


def machine(name: str) -> dict[str, Any]:
    """A shipped machine, as Terraform renders it."""
    definition: dict[str, Any] = json.loads((ROOT / f"tests/golden/{name}.asl.json").read_text())
    return definition


def suite_of(name: str, definition: dict[str, Any]) -> Suite:
    """The cases beside a shipped machine, for a mutant of it, as `opsctl drill` reads them."""
    path = ROOT / f"definitions/{name}.test.yaml"
    return Suite(definition, load(path.read_text(), str(path)).value, name, lenient=True)


def mutants(sound: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mutant, by what was done to it."""
    same = _plain(sound)
    for words, change in changes(sound):
        broken = copy.deepcopy(sound)
        change(states_of(broken), broken)
        if _plain(broken) != same and not any(found.severity == "ERROR" for found in validate(broken)):
            yield words, broken


def _plain(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition without what nothing can tell: variables that nothing reads, the input of states that read none
    and hand none on, an entry of Catch before one that takes all and does the same, the way of a Catch through a Choice
    that it decides itself."""
    text = json.dumps(definition)
    plain = copy.deepcopy(definition)
    states = states_of(plain)
    deaf = _deaf(states)
    for state in states.values():
        for holder in (state, *state.get("Catch", ()), *state.get("Choices", ())):
            for name in list(holder.get("Assign", ())):
                if f"${name.removesuffix('.$')}" not in text:
                    del holder["Assign"][name]
            if holder.get("Assign") == {}:
                del holder["Assign"]
            if holder.get("Next") in deaf:
                holder.pop("ResultPath", None)
        for entry in state.get("Catch", ()):
            entry["Next"] = _decided(entry, states)
        _merge_catches(state)
    return plain


def _decided(entry: dict[str, Any], states: dict[str, Any]) -> str:
    """Where an entry of Catch leads in the end: through a Choice whose first rule asks for what the entry has assigned.
    A Choice hands its input on as it is."""
    choice = states[entry["Next"]]
    if choice["Type"] == "Choice" and choice.keys() <= {"Type", "Comment", "Choices", "Default"}:
        rule = choice["Choices"][0]
        for name, value in entry.get("Assign", {}).items():
            there = {"Variable": f"${name}[0]", "IsPresent": True}
            if isinstance(value, list) and value and rule == there | {"Next": rule["Next"]}:
                return str(rule["Next"])
    return str(entry["Next"])


def _merge_catches(state: dict[str, Any]) -> None:
    entries = state.get("Catch", ())
    last = {key: value for key, value in entries[-1].items() if key != "ErrorEquals"} if entries else {}
    if entries and entries[-1]["ErrorEquals"] == ["States.ALL"]:
        state["Catch"] = [
            entry for entry in entries[:-1] if {key: entry[key] for key in entry if key != "ErrorEquals"} != last
        ] + [entries[-1]]


def _deaf(states: dict[str, Any]) -> set[str]:
    """The states that read nothing of their input, and so do all that they lead to, up to a Fail or to a Pass whose
    output is its own."""
    able = {name for name, state in states.items() if state["Type"] == "Fail" or "Next" in state or _ends_anew(state)}
    deaf = {name for name in able if not _reads(states[name])}
    while worse := {name for name in deaf if not deaf >= _followers(states[name])}:
        deaf -= worse
    return deaf


def _reads(state: dict[str, Any]) -> bool:
    """Whether it takes anything out of its input; what a Catch or a selector reads is the error, or the result."""
    own = {key: value for key, value in state.items() if key not in ("Catch", "ResultSelector", "ResultPath", "Assign")}
    if state["Type"] == "Fail":
        return any(key.endswith("Path") for key in state)
    if _ends_anew(state):
        return bool(_OF_INPUT.search(json.dumps(own)))
    return state["Type"] != "Task" or "Parameters" not in state or bool(_OF_INPUT.search(json.dumps(own)))


def _ends_anew(state: dict[str, Any]) -> bool:
    """Whether it ends its branch with an output that it makes up itself."""
    made = "Parameters" in state or "Result" in state
    return state["Type"] == "Pass" and "End" in state and made and "ResultPath" not in state


def _followers(state: dict[str, Any]) -> set[str]:
    return {one["Next"] for one in (state, *state.get("Catch", ())) if "Next" in one}


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
        careless_jobs(subject, chosen),
        (outcome for explorer in explorers for outcome in explorer.singles(merge=True)),
    ):
        for outcome in outcomes:
            if outcome.refutations:
                return trace(outcome.drive, outcome.faults, outcome.refutations[0])
    return None


def main() -> None:
    """Print how many are found, by which rule, and which are not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help=f"of {', '.join(MACHINES)} (default: all)")
    parser.add_argument("--without-cases", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="take every Nth mutant (default: 1)")
    options = parser.parse_args()
    if unknown := set(options.machines) - set(MACHINES):
        parser.error(f"no such machine: {', '.join(sorted(unknown))}")
    made = found = 0
    for name in options.machines or MACHINES:
        begun, before = time.process_time(), (made, found)
        rules: Counter[str] = Counter()
        for words, broken in islice(mutants(machine(name)), 0, None, options.every):
            hit = first_refuted(broken, None if options.without_cases else suite_of(name, broken))
            made, found = made + 1, found + (hit is not None)
            if hit is None:
                print(f"  missed: {name}: {words}", flush=True)
            else:
                rules[hit.refutation.check] += 1
        took = time.process_time() - begun
        by = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
        print(f"{name:<11} {found - before[1]} of {made - before[0]} mutants found ({by}); {took:.0f} s of CPU")
    print(f"all         {found} of {made} ({found / made:.1%}; {NEEDED:.0%} needed)")
    sys.exit(found < NEEDED * made)


if __name__ == "__main__":
    main()
