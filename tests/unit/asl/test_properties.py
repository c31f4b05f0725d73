"""Properties of every execution: determinism, consecutive ids, one end, and snapshots that change nothing."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsctl.asl.effects import Failed, Outcome, Started, Submitted, Succeeded
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from tests.unit.asl.walking import CALLBACK, CONTEXT, INVOKE, JOB, asked, machine_of

ERRORS = ("Throttled", "States.TaskFailed", "Broken")
ENDS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
RETRY = st.lists(
    st.fixed_dictionaries(
        {"ErrorEquals": st.sampled_from([[name] for name in ERRORS])},
        optional={
            "MaxAttempts": st.integers(0, 2),
            "IntervalSeconds": st.integers(1, 5),
            "JitterStrategy": st.sampled_from(["FULL", "NONE"]),
        },
    ),
    max_size=2,
)


@st.composite
def tasks(draw: st.DrawFn) -> dict[str, Any]:
    resource = draw(st.sampled_from([JOB, INVOKE, CALLBACK]))
    state: dict[str, Any] = {"Type": "Task", "Resource": resource, "Retry": draw(RETRY)}
    if draw(st.booleans()):
        state["TimeoutSeconds"] = draw(st.integers(4, 8))
    if resource == CALLBACK and draw(st.booleans()):
        state["HeartbeatSeconds"] = draw(st.integers(1, 3))
    arguments = draw(st.sampled_from(["none", "paths", "queries"]))
    if arguments == "paths":
        state["Parameters"] = {"id.$": "States.UUID()", "n.$": "$$.State.RetryCount"}
    elif arguments == "queries":
        queries = {"r": "{% $random() %}", "n": "{% $states.context.State.RetryCount %}"}
        state |= {"QueryLanguage": "JSONata", "Arguments": queries, "Assign": {"v": "{% $random() %}"}}
    return state


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        tasks(),
        st.builds(lambda seconds: {"Type": "Wait", "Seconds": seconds}, st.integers(0, 5)),
        st.builds(lambda value: {"Type": "Pass", "Result": value, "Assign": {"v": value}}, st.integers()),
        st.just({"Type": "Fail", "Error": "Broken"}),
    )


def parallels(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    chains = st.lists(st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3)
    return st.builds(lambda branches, retry: {"Type": "Parallel", "Branches": branches, "Retry": retry}, chains, RETRY)


def maps(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda chain, retry, most: {"Type": "Map", "Branches": [chain], "Retry": retry, "MaxConcurrency": most},
        st.lists(inner, min_size=1, max_size=2),
        RETRY,
        st.integers(0, 2),
    )


def scope(chain: list[dict[str, Any]], prefix: str, caught: bool) -> dict[str, Any]:
    """A machine of a chain of states; every name is unique, and errors may be caught."""
    states: dict[str, Any] = {}
    for number, state in enumerate(chain):
        name = f"{prefix}{number}"
        made = dict(state)
        if "Assign" in made:  # an inner scope may not assign an outer one's variable
            made["Assign"] = {f"v{prefix.count('-')}": made["Assign"]["v"]}
        if "Branches" in made:
            branches = enumerate(made["Branches"])
            made["Branches"] = [scope(branch, f"{name}-{index}-", caught) for index, branch in branches]
            if made["Type"] == "Map":
                made["ItemProcessor"] = made.pop("Branches")[0]
                made["ItemsPath"] = "$$.Execution.Input.items"
        if made["Type"] != "Fail" and number < len(chain) - 1:
            made["Next"] = f"{prefix}{number + 1}"
        if caught and made["Type"] in ("Task", "Parallel", "Map"):
            kept = {} if made.get("QueryLanguage") else {"ResultPath": "$.caught"}
            made["Catch"] = [{"ErrorEquals": ["Broken"], **kept, "Next": f"{prefix}caught"}]
            states[f"{prefix}caught"] = {"Type": "Succeed"}
        states[name] = made
        if made["Type"] == "Fail":
            break
    start = f"{prefix}0"
    return machine_of({start: states.pop(start), **states})


STATES = st.recursive(leaves(), lambda inner: st.one_of(parallels(inner), maps(inner)), max_leaves=8)
MACHINES = st.builds(scope, st.lists(STATES, min_size=1, max_size=4), st.just("s"), st.booleans())
SCRIPTS = st.lists(st.integers(0, 12), max_size=30)


def outcome(choice: int) -> Outcome:
    options: list[Outcome] = [
        Started(),
        Submitted('{"Id":1}'),
        *[Failed(error, "because") for error in ERRORS],
        *[Succeeded('{"done":true}')] * 5,
    ]
    return options[choice % len(options)]


def walk(definition: dict[str, Any], script: list[int], seed: int, saved_at: set[int]) -> Execution:
    """Drive an execution by a script of numbers; at the steps in `saved_at`, go on from its copy in JSON."""
    machine = parse(definition)
    execution = Execution(machine, '{"items":[1,2,3]}', CONTEXT, Random(seed))
    execution.start(0.0)
    now, open_tasks = 0.0, asked(execution)
    for step, choice in enumerate([*script, *[10] * 40]):
        if step in saved_at:
            execution = Execution.restore(machine, json.loads(json.dumps(execution.snapshot())))
        due = execution.next_timer()
        if choice == 12 and execution.redrive_refusal(now) is None:
            execution.redrive(now)
        elif choice == 11:
            execution.stop(now, "Stopped")
        elif choice == 10 and due is not None:
            now = max(now, due)
            execution.tick(now)
        elif open_tasks:
            now += 0.5
            execution.resolve(open_tasks[choice % len(open_tasks)].task, outcome(choice), now)
        open_tasks += asked(execution)
    return execution


@settings(max_examples=40, deadline=None)
@given(MACHINES, SCRIPTS, st.integers(0, 3), st.sets(st.integers(0, 69), max_size=4))
def test_an_execution_is_deterministic_and_survives_being_saved(
    definition: dict[str, Any], script: list[int], seed: int, saved_at: set[int]
) -> None:
    execution = walk(definition, script, seed, set())
    again = walk(definition, script, seed, saved_at)
    assert again.events == execution.events
    assert again.snapshot() == execution.snapshot()


def crawl(definition: dict[str, Any], script: list[int], saved_at: set[int]) -> Execution:
    """As `walk`, but the execution pauses after each step of a state, and is saved there too."""
    machine = parse(definition)
    execution = Execution(machine, '{"items":[1,2,3]}', CONTEXT, Random(1))
    now, open_tasks = 0.0, asked(execution)
    for move, choice in enumerate([*script, *[10] * 200]):
        if move in saved_at:
            execution = Execution.restore(machine, json.loads(json.dumps(execution.snapshot())))
        execution.pause_when(lambda: True)
        due = execution.next_timer()
        if not execution.events:
            execution.start(now)
        elif choice == 11:
            execution.stop(now, "Stopped")
        elif choice == 12 and execution.redrive_refusal(now) is None:
            execution.redrive(now)
        elif execution.busy and choice % 4:
            execution.go_on(now)
        elif open_tasks and choice < 10:
            now += 0.5
            execution.resolve(open_tasks[choice % len(open_tasks)].task, outcome(choice), now)
        elif due is not None:
            now = max(now, due)
            execution.tick(now)
        elif move > len(script):
            break
        open_tasks += asked(execution)
    return execution


WAITS: dict[str, Any] = {"Type": "Task", "Resource": JOB}
STOPPED_IN_ITS_TURN = scope(
    [{"Type": "Parallel", "Branches": [[WAITS], [{"Type": "Fail", "Error": "Broken"}], [WAITS]],
      "Retry": [{"ErrorEquals": ["States.TaskFailed"]}]}], "s", False,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@example(STOPPED_IN_ITS_TURN, [0, 1, 1, 1, 1, 1, 0, 0, 0, 1], {7})
@given(MACHINES, SCRIPTS, st.sets(st.integers(0, 40), min_size=1, max_size=6))
def test_an_execution_that_is_saved_between_any_two_moves_goes_on_as_it_would_have(
    definition: dict[str, Any], script: list[int], saved_at: set[int]
) -> None:
    execution = crawl(definition, script, set())
    again = crawl(definition, script, saved_at)
    assert again.events == execution.events
    assert again.snapshot() == execution.snapshot()


@settings(max_examples=40, deadline=None)
@given(MACHINES, SCRIPTS)
def test_ids_are_consecutive_links_point_back_and_there_is_one_end(
    definition: dict[str, Any], script: list[int]
) -> None:
    execution = walk(definition, script, 1, set())
    events = execution.events
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(0 <= event["previousEventId"] < event["id"] for event in events)
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    ends = [event["id"] for event in events if event["type"] in ENDS]
    redriven = [event["previousEventId"] for event in events if event["type"] == "ExecutionRedriven"]
    assert ends == redriven + ([] if execution.status == "RUNNING" else [len(events)])
    json.dumps(events)


@settings(max_examples=40, deadline=None)
@given(MACHINES, SCRIPTS)
def test_nothing_stays_open_after_the_end(definition: dict[str, Any], script: list[int]) -> None:
    machine = parse(definition)
    execution = Execution(machine, '{"items":[1,2]}', CONTEXT, Random(1))
    execution.start(0.0)
    scheduled, abandoned, answered = set(), set(), set()
    for step, choice in enumerate([*script, *[5] * 200]):
        for effect in execution.effects():
            (scheduled if hasattr(effect, "resource") else abandoned).add(effect.task)
        waiting = sorted(scheduled - abandoned - answered)
        if waiting and choice not in (0, 1, 10, 11, 12):
            answered.add(waiting[0])
            execution.resolve(waiting[0], outcome(choice), float(step))
        elif execution.next_timer() is not None:
            execution.tick(max(float(step), execution.next_timer() or 0.0))
    for effect in execution.effects():
        (scheduled if hasattr(effect, "resource") else abandoned).add(effect.task)
    if execution.status != "RUNNING":
        assert scheduled == abandoned | answered
        assert execution.next_timer() is None
