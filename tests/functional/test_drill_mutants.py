"""Deliberately broken copies of the training machine: a drill of single faults finds them, each with a trace."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from opsctl.asl.validate import validate
from opsctl.domain.drill.explore import Explorer, Outcome
from opsctl.domain.drill.guards import inverted_guards
from opsctl.domain.drill.search import scenarios
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.trace import trace
from opsctl.domain.drill.walk import UnwalkableError

SOUND = json.loads((Path(__file__).parents[1] / "golden/training.asl.json").read_text())
SEED, DRAWN = 9, 20
States = dict[str, dict[str, Any]]


def states_of(scope: dict[str, Any]) -> States:
    found: States = {}
    for name, state in scope["States"].items():
        found[name] = state
        for branch in state.get("Branches", ()):
            found |= states_of(branch)
    return found


def mutant(change: Callable[[States, dict[str, Any]], None]) -> dict[str, Any]:
    definition = copy.deepcopy(SOUND)
    change(states_of(definition), definition)
    return definition


def first_refuted(definition: dict[str, Any]) -> Outcome | str | None:
    """The first run that refutes something, or why not even a run without faults can be walked."""
    subject = Subject(definition)
    try:
        (scenario, *_) = scenarios(subject)
    except UnwalkableError as error:  # not even a run without faults succeeds: the drill shows that run
        return str(error) if error.drive else None
    explorer = Explorer(subject, scenario)
    runs = (run for part in (inverted_guards(subject, scenario), explorer.singles(merge=True)) for run in part)
    return next((run for run in runs if run.refutations), None)


def a_catch_removed(states: States, _: Any) -> None:
    del states["Train Text Model"]["Catch"]


def a_green_end(states: States, _: Any) -> None:
    states["Fail"].clear()
    states["Fail"]["Type"] = "Succeed"


def a_colliding_name(states: States, _: Any) -> None:
    parameters = states["Train Sequence Model"]["Parameters"]
    parameters["TrainingJobName.$"] = "States.Format('{}-train-sequence-model', $.run.job_prefix)"


def a_guard_inverted(states: States, _: Any) -> None:
    choice = states["Skip Train Image Model?"]
    choice["Default"], choice["Choices"][0]["Next"] = choice["Choices"][0]["Next"], choice["Default"]


def an_alert_sent_twice(states: States, definition: dict[str, Any]) -> None:
    definition["States"]["Notify Again"] = copy.deepcopy(states["Notify Failure"])
    states["Notify Failure"]["Next"] = "Notify Again"


def a_sibling_aborted(states: States, _: Any) -> None:
    states["Text Model Failed"].clear()
    states["Text Model Failed"] |= {"Type": "Fail", "Error": "TrainingFailed"}


ABORTED = "a failure of Train Text Model throws away the work of Train Image Model, which was going on"
GREEN = "Base Model Training fails with States.DataLimitExceeded, and the run ends SUCCEEDED"
TAKEN = "Train Sequence Model asks 2 times for a job of the name drill-train-sequence-model, which is taken"
INVERTED = "with skip.train_image_model=true the guard 'Skip Train Image Model?' runs Train Image Model"
TWICE = "the run ends FAILED with 2 messages: by Notify Failure, Notify Again"


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (a_catch_removed, "siblings", ABORTED),
        (a_green_end, "red", GREEN),
        (a_colliding_name, "names", TAKEN),
        (a_guard_inverted, "guards", INVERTED),
        (an_alert_sent_twice, "alert", TWICE),
        (a_sibling_aborted, "siblings", ABORTED),
    ],
)
def test_a_broken_machine_is_refuted_with_a_trace(change: Any, check: str, words: str) -> None:
    found = first_refuted(mutant(change))
    assert isinstance(found, Outcome)
    assert words in [one.words for one in found.refutations if one.check == check]
    lines = trace(found.drive, found.faults, found.refutations[0]).lines
    assert lines[-1].words.startswith("REFUTED ")
    assert all(any(line.words == f"FAULT {fault.words}" for line in lines) for fault in found.faults)


def automatic() -> Iterator[tuple[str, Callable[[States, Any], None]]]:
    """Every mutant of these kinds."""
    for name, state in states_of(SOUND).items():
        for field in ("Catch", "Retry", "TimeoutSeconds"):
            if field in state:
                yield f"{name} without {field}", lambda states, _, name=name, field=field: states[name].pop(field)  # type: ignore[misc]
        for index, entry in enumerate(state.get("Catch", ())):
            if "Assign" in entry:
                yield (
                    f"{name} forgets its failure",
                    lambda states, _, name=name, index=index: states[name]["Catch"][index].pop("Assign"),
                )  # type: ignore[misc]
        if "Choices" in state:
            yield f"{name} the other way round", lambda states, _, name=name: turn(states[name])  # type: ignore[misc]
        for word in ("RetryCount", "RedriveCount"):
            if "TrainingJobName.$" in state.get("Parameters", {}):
                yield f"{name} without {word}", lambda states, _, name=name, word=word: unname(states[name], word)  # type: ignore[misc]


def turn(choice: dict[str, Any]) -> None:
    choice["Default"], choice["Choices"][0]["Next"] = choice["Choices"][0]["Next"], choice["Default"]


def unname(state: dict[str, Any], word: str) -> None:
    value = state["Parameters"]["TrainingJobName.$"]
    state["Parameters"]["TrainingJobName.$"] = value.replace(f"$$.State.{word}", "1").replace(
        f"$$.Execution.{word}", "1"
    )


def test_mutants_made_automatically_are_found() -> None:
    drawn = Random(SEED).sample(sorted(automatic(), key=lambda one: one[0]), DRAWN)
    missed = []
    for words, change in drawn:
        broken = mutant(change)
        assert not [one for one in validate(broken) if one.severity == "ERROR"], words
        if first_refuted(broken) is None:
            missed.append(words)
    assert len(missed) <= 0.05 * DRAWN, missed


def test_the_sound_machine_is_not_refuted() -> None:
    assert first_refuted(SOUND) is None
