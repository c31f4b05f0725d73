"""Deliberately broken copies of the shipped machines: a drill of single faults finds them, each with a trace.

`python -m benchmarks.mutants` makes all mutants of all machines; here are those that the issue names, a few more, and
some drawn from all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from benchmarks.mutant_kinds import States, states_of
from benchmarks.mutant_machines import changes
from benchmarks.mutants import first_refuted, machine, mutants, suite_of

SOUND = machine("training")
QUICK = ("training", "inference", "bulk")
SEED, DRAWN = 9, 20


def mutant(change: Callable[[States, dict[str, Any]], None]) -> dict[str, Any]:
    definition = copy.deepcopy(SOUND)
    change(states_of(definition), definition)
    return definition


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


def a_job_nobody_waits_for(states: States, _: Any) -> None:
    states["Train Text Model"]["Resource"] = "arn:aws:states:::sagemaker:createTrainingJob"


def a_place_that_is_anothers(states: States, _: Any) -> None:
    parameters = states["Train Text Model"]["Parameters"]
    parameters["CheckpointConfig"] = copy.deepcopy(states["Train Image Model"]["Parameters"]["CheckpointConfig"])


def a_catch_of_failures_only(states: States, _: Any) -> None:
    states["Train Image Model"]["Catch"][0]["ErrorEquals"] = ["States.TaskFailed"]


ABORTED = "a failure of Train Text Model throws away the work of Train Image Model, which was going on"
GREEN = "Base Model Training fails with States.DataLimitExceeded, and the run ends SUCCEEDED"
TAKEN = "Train Sequence Model asks 2 times for a job of the name drill-train-sequence-model, which is taken"
INVERTED = "with skip.train_image_model=true the guard 'Skip Train Image Model?' runs Train Image Model"
UNWATCHED = "nothing waits for the job of Train Text Model: if it fails, the run goes on, and nobody is told"
PLACE = "drilltrain-image-model/checkpoints"
SHARED = f"Train Image Model and Train Text Model have their checkpoints in the same place, {PLACE}"
UNCAUGHT = (
    "nothing catches a failure of Train Image Model, though the states beside it catch every error: it goes another way"
)
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
        (a_job_nobody_waits_for, "red", UNWATCHED),
        (a_place_that_is_anothers, "names", SHARED),
        (a_catch_of_failures_only, "caught", UNCAUGHT),
    ],
)
def test_a_broken_machine_is_refuted_with_a_trace(change: Any, check: str, words: str) -> None:
    found = first_refuted(mutant(change))
    assert found is not None
    assert (found.refutation.check, found.refutation.words) == (check, words)
    assert found.lines[-1].words == f"REFUTED {check}: {words}"
    assert all(any(line.words == f"FAULT {fault.words}" for line in found.lines) for fault in found.faults)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Approval Needed?: rule 0 the other way round", "path, step 4: "),
        ("Request Approval: Catch 0 assigns nothing", "published[1].Message: "),
        ("Endpoint In Service?: rule 0 negated", "status: SUCCEEDED was expected, and came FAILED"),
    ],
)
def test_what_only_the_author_knows_is_held_by_the_cases(words: str, why: str) -> None:
    broken = machine("deployment")
    dict(changes(broken))[words](states_of(broken), broken)
    found = first_refuted(broken, suite_of("deployment", broken))
    assert found is not None
    assert found.refutation.check == "cases"
    assert f"does not hold: {why}" in found.refutation.words
    assert found.lines[-1].words == f"REFUTED cases: {found.refutation.words}"
    assert len(found.lines) > 3


def test_a_state_that_the_cases_name_and_that_is_gone_is_a_refutation() -> None:
    """Not a bad file: the run shows what comes instead of it."""
    broken = machine("inference")
    dict(changes(broken))["Remove Model: left out"](states_of(broken), broken)
    found = first_refuted(broken, suite_of("inference", broken))
    assert found is not None
    gone = "'Remove Model' (the nearest is 'Create Model'), and the machine has no such state"
    case = "a run scores the documents, removes its model, and says so"
    assert found.refutation.words == f"the case {case!r} does not hold: it names {gone}"
    told = [(line.state, line.words) for line in found.lines]
    assert ("Score Documents", "is asked for") in told
    assert told[-2] == ("Remove Model", "never comes: the machine has no such state")


def test_mutants_drawn_from_all_are_found() -> None:
    every = [(name, words, broken) for name in QUICK for words, broken in mutants(machine(name))]
    drawn = Random(SEED).sample(every, DRAWN)
    missed = [(name, words) for name, words, broken in drawn if first_refuted(broken, suite_of(name, broken)) is None]
    assert len(missed) <= 0.05 * DRAWN, missed


def test_mutants_of_every_kind_are_made() -> None:
    kinds = {words.rpartition(": ")[2] for words, _ in changes(SOUND)}
    assert {"no Catch", "no Retry", "green", "asked twice", "left out", "fails", "rule 0 negated"} <= kinds
