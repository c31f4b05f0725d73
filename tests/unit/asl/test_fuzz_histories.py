"""Whatever is given as a history is read or refused; what the interpreter writes is read as what it was.

The statuses that the reader must find in our own histories are worked out backwards by `conformance.expectation`,
which shares no code with the reader and is held against AWS's recorded histories.
"""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conformance.corpus import Recording
from conformance.expectation import expected_states, expected_status
from opsctl.asl.effects import Failed, Outcome, Started, Submitted, Succeeded
from opsctl.asl.history import InvalidHistory, RunHistory, read_history
from opsctl.asl.interpreter import Execution
from opsctl.asl.unentered import unentered
from opsctl.asl.validate import parse
from tests.unit.asl.mutations import VALUES, spoilt
from tests.unit.asl.test_fuzz_definitions import JSONATA, JSONPATH
from tests.unit.asl.test_properties import RETRY, SCRIPTS, leaves, parallels, scope, walk
from tests.unit.asl.walking import CONTEXT, JOB, asked

STATUSES = {"SUCCEEDED", "FAILED", "CAUGHT", "RUNNING", "ABORTED", "TIMED_OUT"}
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANSWERS: tuple[Outcome, ...] = (
    Succeeded('{"Payload": 1}'), Failed("E", "because"), Started(), Submitted("{}"), Failed("States.TaskFailed"),
)  # fmt: skip


@cache
def written(name: str, seed: int) -> str:
    """A history that our interpreter wrote, as JSON."""
    random = Random(seed)
    execution = Execution(parse({"jsonata": JSONATA, "jsonpath": JSONPATH}[name]), '{"a": 5}', CONTEXT, random)
    execution.start(0.0)
    for step in range(random.randrange(40)):
        for task in asked(execution):
            execution.resolve(task.task, random.choice(ANSWERS), float(step))
        if (due := execution.next_timer()) is not None:
            execution.tick(max(due, float(step)))
    if random.random() < 0.3:
        execution.stop(100.0, "Stopped")
    return json.dumps(execution.events)


def scopes(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    maps = st.builds(
        lambda chain, retry, limits: {"Type": "Map", "Branches": [chain], "Retry": retry, **limits},
        st.lists(inner, min_size=1, max_size=3),
        RETRY,
        st.fixed_dictionaries(
            {}, optional={"MaxConcurrency": st.integers(0, 3), "ToleratedFailureCount": st.integers(0, 2)}
        ),
    )
    return parallels(inner) | maps


MACHINES = st.builds(
    scope,
    st.lists(st.recursive(leaves(), scopes, max_leaves=8), min_size=1, max_size=4),
    st.just("s"),
    st.booleans(),
)
HISTORIES = st.builds(
    lambda name, seed: json.loads(written(name, seed)), st.sampled_from(["jsonata", "jsonpath"]), st.integers(0, 15)
)


def sane(run: RunHistory, definition: Any) -> None:
    assert run.status in STATUSES
    assert {state.status for state in run.states} <= STATUSES
    assert {attempt.status for state in run.states for attempt in state.attempts} <= STATUSES - {"CAUGHT"}
    assert [state.entered_id for state in run.states] == sorted({state.entered_id for state in run.states})
    assert all(
        isinstance(state.name, str) and (state.exited is None) == (state.status == "RUNNING") for state in run.states
    )
    for state in run.states:
        for attempt in state.attempts:
            _ = attempt.job
    entered = {state.name for state in run.states}
    assert not entered & {one.name for one in unentered(definition, run)}


@FUZZ
@given(st.lists(VALUES | st.dictionaries(st.sampled_from(["id", "type", "timestamp"]), VALUES), max_size=5), VALUES)
def test_any_events_are_read_or_refused(events: list[Any], definition: Any) -> None:
    try:
        run = read_history(events, definition if isinstance(definition, dict) else None)
    except InvalidHistory:
        return
    sane(run, definition)


@FUZZ
@given(spoilt(HISTORIES, most=8), spoilt(st.sampled_from([JSONATA, JSONPATH])), st.randoms(use_true_random=False))
def test_a_spoilt_history_in_any_order_is_read_or_refused(events: list[Any], definition: Any, random: Random) -> None:
    random.shuffle(events)
    try:
        run = read_history(events, definition)
    except InvalidHistory:
        return
    sane(run, definition)


@FUZZ
@given(HISTORIES, st.data())
def test_a_history_may_lack_events_anywhere(events: list[Any], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.sampled_from(events), unique_by=lambda event: event["id"]))
    run = read_history(kept)
    sane(run, JSONPATH)
    assert len(run.states) == sum(event["type"].endswith("StateEntered") for event in kept)


def test_pages_in_any_order_are_one_history() -> None:
    for seed in range(16):
        events = json.loads(written("jsonpath", seed))
        shuffled = Random(seed).sample(events, len(events))
        assert read_history(shuffled) == read_history(events) == read_history(events[::-1])


TOLERANT = {
    "Type": "Map",
    "ToleratedFailureCount": 3,
    "Branches": [[{"Type": "Parallel", "Branches": [[{"Type": "Fail"}]]}]],
}
"""What follows it is not inside of the Parallels that failed in it."""


@FUZZ
@given(MACHINES, SCRIPTS)
@example(scope([TOLERANT, {"Type": "Task", "Resource": JOB}], "s", caught=False), [])
def test_what_the_interpreter_writes_is_read_as_what_it_was(definition: dict[str, Any], script: list[int]) -> None:
    execution = walk(definition, [choice for choice in script if choice != 12], 1, set())  # 12 redrives
    text = json.dumps([{**event, "timestamp": "2026-01-01T00:00:00Z"} for event in execution.events])
    recording = Recording("", definition, None, execution.status, tuple(json.loads(text)), frozenset(), None)
    run = read_history(json.loads(text), definition)
    assert run.status == execution.status == expected_status(recording)
    assert (run.output, run.error, run.cause) == (execution.output, execution.error, execution.cause)
    found = {state.entered_id: (state.name, state.status) for state in run.states}
    assert found == expected_states(recording)


@FUZZ
@given(MACHINES, SCRIPTS)
def test_a_redriven_execution_has_its_generations_apart(definition: dict[str, Any], script: list[int]) -> None:
    execution = walk(definition, [12 if choice == 11 else choice for choice in script], 1, set())
    run = read_history(execution.events, definition)
    assert (run.status, run.redrives) == (execution.status, execution.redrives)
    redriven = [event["id"] for event in execution.events if event["type"] == "ExecutionRedriven"]
    for state in run.states:
        assert state.generation == sum(number < state.entered_id for number in redriven)
        assert [attempt.generation for attempt in state.attempts] == sorted(one.generation for one in state.attempts)
    if execution.status != "RUNNING":
        assert "RUNNING" not in {state.status for state in run.states}
    else:
        assert "RUNNING" in {state.status for state in run.states}
