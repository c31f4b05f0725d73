"""Redrive or rerun: told by histories that the interpreter wrote, of small definitions of every kind of end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from opsctl.asl.effects import Failed, Outcome, ScheduleTask, Started, Submitted, Succeeded
from opsctl.asl.history import read_history
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.domain.redrive import (
    NATIVE,
    RERUN,
    Prospect,
    choose,
    prospect_of,
    redrive_steps,
    redrive_warnings,
    refuse_ended_well,
)
from opsctl.domain.redrive_walk import Foreseen, foresee
from opsctl.domain.runs import Run
from opsctl.errors import RefusedError

ARN = "arn:aws:states:us-east-1:123456789012:execution:m:r"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
START = 1_800_000_000.0
BROKEN = Failed("States.TaskFailed", json.dumps({"FailureReason": "no memory"}))
FAIL = {"Type": "Fail", "Error": "PipelineFailed"}
TO_FAIL = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Fail"}]
ENDED_IN_FAIL = (
    "the run ended in its Fail state 'Fail' ({}): RedriveExecution enters that state again and fails with the same "
    "error"
)
Script = Mapping[str, Sequence[Outcome | None]]


def job(next_state: str | None = None, **more: Any) -> dict[str, Any]:
    """A training state; its job's name tells redrives and retries apart."""
    name = "States.Format('{}-d{}r{}', $$.State.Name, $$.Execution.RedriveCount, $$.State.RetryCount)"
    on = {"End": True} if next_state is None else {"Next": next_state}
    resource = "arn:aws:states:::sagemaker:createTrainingJob.sync"
    return {"Type": "Task", "Resource": resource, "Parameters": {"TrainingJobName.$": name}, **on, **more}


def function(next_state: str | None = None, **more: Any) -> dict[str, Any]:
    """A Lambda state."""
    return {**job(next_state), "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}, **more}


def machine(states: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": dict(states), **more}


def branches(*states: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": [machine(branch) for branch in states], **more}


def ran(definition: Mapping[str, Any], script: Script, text: str = "{}", redrives: int = 0) -> tuple[Run, list[Any]]:
    """A run of the definition: each task takes 10 s and succeeds, unless the script has an outcome for it; `None` is
    never answered. Where nothing moves any more, the run is stopped."""
    names = {"Id": ARN, "Name": "r", "RoleArn": "", "RedriveCount": 0, "StartTime": "2027-01-15T08:00:00.000Z"}
    execution = Execution(
        parse(dict(definition)), text, {"Execution": names, "StateMachine": {"Id": MACHINE, "Name": "m"}}
    )
    left = {state: list(outcomes) for state, outcomes in script.items()}
    execution.start(START)
    now = walk(execution, left, START)
    for _ in range(redrives):
        execution.redrive(now + 3600)
        now = walk(execution, left, now + 3600)
    return Run("r", ARN, MACHINE, execution.status, START, input=text), execution.events


def walk(execution: Execution, left: dict[str, list[Outcome | None]], now: float) -> float:
    waiting: list[tuple[float, int, Outcome]] = []
    while execution.status == "RUNNING":
        for effect in execution.effects():
            if isinstance(effect, ScheduleTask):
                done = Succeeded(json.dumps({**effect.parameters, "TrainingJobStatus": "Completed"}))
                outcome = left[effect.state].pop(0) if left.get(effect.state) else done
                execution.resolve(effect.task, Started(), now)
                execution.resolve(effect.task, Submitted("{}"), now)
                waiting += [] if outcome is None else [(now + 10, effect.task, outcome)]
        moments = [moment for moment in (execution.next_timer(), *(at for at, _, _ in waiting)) if moment is not None]
        if not moments:
            execution.stop(now + 5, "Stopped")
            return now + 5
        now = min(moments)
        for due in [entry for entry in waiting if entry[0] <= now]:
            waiting.remove(due)
            execution.resolve(due[1], due[2], now)
        execution.tick(now)
    return now


def judged(definition: Mapping[str, Any], script: Script, text: str = "{}", redrives: int = 0) -> Prospect:
    run, events = ran(definition, script, text, redrives)
    foreseen = foresee(definition, run, events)
    assert foreseen is not None
    return prospect_of(read_history(events, definition), foreseen)


TALK = {
    "Train": branches({"Image": job()}, {"Text": job()}, Next="Done", Catch=TO_FAIL),
    "Done": {"Type": "Succeed"},
    "Fail": FAIL,
}
CAUGHT_INSIDE = {
    "Train": branches(
        {"Image": job("Trained", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Lost"}]),
         "Trained": {"Type": "Pass", "Result": {"ok": True}, "End": True},
         "Lost": {"Type": "Pass", "Result": {"ok": False}, "End": True}},
        {"Text": job()},
        ResultPath="$.models", Next="Trained?",
    ),
    "Trained?": {
        "Type": "Choice", "Choices": [{"Variable": "$.models[0].ok", "BooleanEquals": True, "Next": "Done"}],
        "Default": "Describe",
    },
    "Describe": function("Fail"),
    "Done": {"Type": "Succeed"},
    "Fail": FAIL,
}  # fmt: skip
CACHE = {
    "Cached": function("Train", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Build"}]),
    "Build": job("Train"),
    "Train": job(),
}
FALLBACK = {
    "Train": branches({"Image": job()}, Next="Done", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Fallback"}]),
    "Fallback": job(),
    "Done": {"Type": "Succeed"},
}
CHECKED = {
    "Train": job("Completed?"),
    "Completed?": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.TrainingJobStatus", "StringEquals": "Completed", "Next": "Evaluate"}],
        "Default": "Fail",
    },
    "Evaluate": job(),
    "Fail": FAIL,
}
GATED = {
    "Train": job("Evaluate"),
    "Evaluate": job("Good?"),
    "Good?": {
        "Type": "Choice",
        "Choices": [{"And": [
            {"Variable": "$.FinalMetricDataList[0].Value", "IsPresent": True},
            {"Variable": "$.FinalMetricDataList[0].Value", "NumericGreaterThan": 0.9},
        ], "Next": "Done"}],
        "Default": "Fail",
    },
    "Done": {"Type": "Succeed"},
    "Fail": FAIL,
}  # fmt: skip
ASKED = {
    "Checked?": {
        "Type": "Choice", "Default": "Fail", "Choices": [
            {"And": [{"Variable": "$.ok", "IsPresent": True}, {"Variable": "$.ok", "BooleanEquals": True}],
             "Next": "Done"},
        ],
    },
    "Done": {"Type": "Succeed"},
    "Fail": FAIL,
}  # fmt: skip
SELECTED = {"Train": job(ResultSelector={"model.$": "$.ModelArtifacts.S3ModelArtifacts"})}
JSONATA = {
    "Train": {
        "Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
        "Arguments": {"TrainingJobName": "{% 'x-' & $states.context.Execution.RedriveCount %}"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fail"}], "End": True,
    },
    "Fail": FAIL,
}  # fmt: skip
NEVER: Sequence[Outcome | None] = [None]
KEPT = "failed and was caught, which a redrive keeps: it may well end FAILED again"


@pytest.mark.parametrize(
    ("states", "script", "more", "helps", "reason"),
    [
        pytest.param({"A": job("B"), "B": job()}, {"B": [BROKEN]}, {}, True, "B failed and nothing caught it",
                     id="uncaught"),
        pytest.param(TALK, {"Image": [BROKEN]}, {}, False, ENDED_IN_FAIL.format("Image failed and was caught"),
                     id="a Parallel's Catch"),
        pytest.param(CAUGHT_INSIDE, {"Image": [BROKEN]}, {}, False, ENDED_IN_FAIL.format("Image failed and was caught"),
                     id="caught in a branch, found out after the join"),
        pytest.param(CAUGHT_INSIDE, {"Image": [BROKEN], "Text": NEVER}, {}, False,
                     "the run would only go on to 'Describe' and end FAILED: a redrive keeps what happened before "
                     "(Image failed and was caught)", id="caught in a branch, stopped before the join"),
        pytest.param(CAUGHT_INSIDE, {"Image": [BROKEN], "Describe": NEVER}, {}, False,
                     "the run would only go on to 'Describe' and end FAILED: a redrive keeps what happened before "
                     "(Image failed and was caught)", id="stopped on the way to Fail"),
        pytest.param({"Prepare": function("Train"), **CAUGHT_INSIDE}, {"Image": [BROKEN], "Text": NEVER}, {}, False,
                     "the run would only go on to 'Describe' and end FAILED: a redrive keeps what happened before "
                     "(Image failed and was caught)", id="behind a function whose answer is on record"),
        pytest.param(CAUGHT_INSIDE, {"Text": NEVER}, {}, True, "the run was stopped at Text", id="stopped"),
        pytest.param(CAUGHT_INSIDE, {"Text": [BROKEN]}, {}, True, "Text failed and nothing caught it",
                     id="one branch catches, the other not"),
        pytest.param(CACHE, {"Cached": [BROKEN], "Train": [BROKEN]}, {}, True, "Train failed and nothing caught it",
                     id="a Catch that mended what it caught"),
        pytest.param(FALLBACK, {"Image": [BROKEN], "Fallback": NEVER}, {}, True, "the run was stopped at Fallback",
                     id="stopped in what a Catch led to"),
        pytest.param({"A": job("B"), "B": job()}, {"B": NEVER}, {"TimeoutSeconds": 100}, True,
                     "the run reached its time limit at B, and a redrive starts that anew", id="the run's time limit"),
        pytest.param({"A": job(TimeoutSeconds=60)}, {"A": NEVER}, {}, True, "A failed and nothing caught it",
                     id="a task's time limit"),
        pytest.param({"A": {"Type": "Wait", "Seconds": 50, "Next": "B"}, "B": job()}, {}, {"TimeoutSeconds": 20}, True,
                     "the run reached its time limit at A, and a redrive starts that anew", id="in a Wait"),
        pytest.param(CHECKED, {"Train": [Succeeded('{"TrainingJobStatus": "Stopped"}')]}, {}, False,
                     ENDED_IN_FAIL.format("Train: its job ended Stopped"), id="a job that did not complete"),
        pytest.param(CHECKED, {"Evaluate": [BROKEN]}, {}, True, "Evaluate failed and nothing caught it",
                     id="behind a Choice"),
        pytest.param(SELECTED, {}, {}, False,
                     "Train would do its work again and fail with States.Runtime again: its definition cannot use the "
                     "answer", id="a job's answer that cannot be used"),
        pytest.param({"A": function(ResultSelector={"x.$": "$.Payload.x"})}, {}, {}, True,
                     "A failed and nothing caught it; what would come after cannot be foreseen",
                     id="a function's answer that could not be used"),
        pytest.param(GATED, {"Evaluate": [BROKEN]}, {}, True,
                     "Evaluate failed and nothing caught it; what would come after cannot be foreseen",
                     id="before a Choice on what only a real job answers"),
        pytest.param({"Try": function("Train", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Train"}]), **GATED},
                     {"Try": [BROKEN], "Train": NEVER}, {}, None,
                     f"the run was stopped at Train; Try {KEPT}", id="the same after a caught failure"),
        pytest.param({"Ask": function("Checked?"), **ASKED}, {"Ask": NEVER}, {}, True,
                     "the run was stopped at Ask; what would come after cannot be foreseen", id="before a question"),
        pytest.param({"Try": job("Ask", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Ask"}]),
                      "Ask": function("Checked?"), **ASKED}, {"Try": [BROKEN], "Ask": NEVER}, {}, None,
                     f"the run was stopped at Ask; Try {KEPT}", id="before a question, after a caught failure"),
        pytest.param({"A": {"Type": "Pass", "InputPath": "$.missing", "End": True}}, {}, {}, False,
                     "A would fail with States.Runtime again: its input and its definition stay as they are",
                     id="an expression that fails"),
        pytest.param(JSONATA, {"Train": [BROKEN]}, {"QueryLanguage": "JSONata"}, False,
                     ENDED_IN_FAIL.format("Train failed and was caught"), id="JSONata"),
        pytest.param({"A": job(Retry=[{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "JitterStrategy": "FULL"}])},
                     {"A": [BROKEN, BROKEN, BROKEN]}, {}, True, "A failed and nothing caught it", id="after retries"),
    ],
)  # fmt: skip
def test_whether_a_redrive_helps(
    states: Mapping[str, Any], script: Script, more: Mapping[str, Any], helps: bool, reason: str
) -> None:
    assert judged(machine(states, **more), script) == Prospect(helps, reason)


def test_a_run_that_was_redriven_before() -> None:
    definition = machine(CAUGHT_INSIDE)
    assert judged(definition, {"Text": [BROKEN, BROKEN]}, redrives=1).helps is True
    assert judged(definition, {"Text": [BROKEN], "Describe": NEVER, "Image": [BROKEN]}, redrives=1).helps is False


def test_what_cannot_be_walked_again_is_left_to_aws() -> None:
    definition = machine({"A": job("B"), "B": job()})
    run, events = ran(definition, {"B": [BROKEN]})
    for event in events:
        event.get("taskSucceededEventDetails", {}).pop("output", None)
    assert foresee(definition, run, events) is None
    assert foresee(machine({"Other": job()}), run, events) is None
    assert prospect_of(read_history(events), None) == Prospect(
        True, "B failed and nothing caught it; what would come after cannot be foreseen"
    )
    caught, events = ran(machine(TALK), {"Image": [BROKEN]})
    assert prospect_of(read_history(events), None).helps is False, caught


def test_what_a_redrive_does_state_by_state() -> None:
    definition = machine({
        "Fetch": job("Train"),
        "Train": branches(
            {"Image": job()}, {"Pause": {"Type": "Wait", "Seconds": 5, "Next": "Text"}, "Text": job()},
            {"Slow": {"Type": "Wait", "Seconds": 12, "Next": "Page"}, "Page": job()}, Next="Evaluate",
        ),
        "Evaluate": job(),
    })  # fmt: skip
    run, events = ran(definition, {"Text": [BROKEN], "Page": NEVER})
    history = read_history(events, definition)
    found = redrive_steps(history, foresee(definition, run, events))
    assert [(step.name, step.action, step.reason, step.seconds) for step in found] == [
        ("Fetch", "REUSE", "completed", 10.0),
        ("Image", "REUSE", "completed", 10.0),
        ("Text", "RUN", "failed: States.TaskFailed: no memory; starts from zero", 10.0),
        ("Page", "RUN", "was aborted; starts from zero", 3.0),
        ("Evaluate", "RUN", "comes after", None),
    ]
    assert list(redrive_warnings(history, None)) == [
        "the input stays as it is: if that made Text fail, it fails again; --set makes it a rerun",
    ]


def test_of_a_map_only_the_items_that_did_not_end_well() -> None:
    items = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "MaxConcurrency": 1,
        "ItemProcessor": machine({"One": job()}),
        "End": True,
    }
    definition = machine({"All": items})
    run, events = ran(definition, {"One": [Succeeded("{}"), BROKEN]}, '{"items": [1, 2, 3]}')
    foreseen = foresee(definition, run, events)
    assert foreseen is not None
    assert foreseen.asked == ("One", "One")  # the one that failed, and the one that was never begun
    [step] = redrive_steps(read_history(events, definition), foreseen)
    assert step.reason == "1 of 2 entries: failed: States.TaskFailed: no memory; starts from zero"


def test_a_result_that_is_too_large_runs_all_branches_again() -> None:
    large = Succeeded(json.dumps({"x": "x" * 200_000}))
    definition = machine({"Both": branches({"A": job()}, {"B": job()}, End=True)})
    run, events = ran(definition, {"A": [large], "B": [large]})
    history = read_history(events, definition)
    assert [(step.name, step.action) for step in redrive_steps(history, foresee(definition, run, events))] == [
        ("Both", "RUN"), ("A", "RUN"), ("B", "RUN"),
    ]  # fmt: skip
    assert "Both lost its result (States.DataLimitExceeded): all of its branches run again" in redrive_warnings(
        history, None
    )


def test_warnings() -> None:
    same_name = job(Parameters={"TrainingJobName": "nightly"})
    definition = machine({**CACHE, "Train": same_name})
    run, events = ran(definition, {"Cached": [BROKEN], "Train": [BROKEN]})
    foreseen = foresee(definition, run, events)
    assert foreseen is not None
    assert foreseen.repeated == (("Train", "nightly"),)
    assert list(redrive_warnings(read_history(events, definition), foreseen)) == [
        "the input stays as it is: if that made Train fail, it fails again; --set makes it a rerun",
        "Cached failed and was caught: a redrive does not run it again",
        "Train would ask for a job nightly again, and its service takes a name only once: give it RedriveCount",
    ]
    run, events = ran(machine(SELECTED), {})
    assert "the work of Train succeeded, and its answer could not be used: the work is done again" in redrive_warnings(
        read_history(events), foresee(machine(SELECTED), run, events)
    )


def test_a_nested_execution_starts_anew() -> None:
    nested = job(Resource="arn:aws:states:::states:startExecution.sync:2", Parameters={"Name": "child"})
    definition = machine({"Call": nested})
    run, events = ran(definition, {"Call": [BROKEN]})
    assert list(redrive_warnings(read_history(events), foresee(definition, run, events)))[1:] == [
        "Call starts its nested execution anew, from the beginning",
        "Call would ask for a job child again, and its service takes a name only once: give it RedriveCount",
    ]


def ended(status: str = "FAILED", **more: Any) -> Run:
    return Run("r", ARN, MACHINE, status, START, **more)


GOOD, BAD, UNKNOWN = (
    Prospect(True, "A failed"),
    Prospect(False, "it ended in Fail"),
    Prospect(None, "A failed; who knows"),
)
OLD = {"redrive_status": "NOT_REDRIVABLE", "redrive_reason": "Execution redrivable period exceeded"}


@pytest.mark.parametrize(
    ("run", "prospect", "insisted", "changed", "way", "reason"),
    [
        (ended(), GOOD, None, False, NATIVE, "A failed"),
        (ended(redrive_status="REDRIVABLE"), GOOD, None, False, NATIVE, "A failed"),
        (ended(), UNKNOWN, None, False, RERUN, "A failed; who knows"),
        (ended(), UNKNOWN, NATIVE, False, NATIVE, "A failed; who knows"),
        (ended(), BAD, None, False, RERUN, "it ended in Fail"),
        (ended(), GOOD, None, True, RERUN, "the input changes, and a redrive keeps it"),
        (ended(), GOOD, RERUN, False, RERUN, "as --rerun says"),
        (ended(), GOOD, NATIVE, False, NATIVE, "A failed"),
        (ended(**OLD), GOOD, None, False, RERUN, "AWS does not redrive it: Execution redrivable period exceeded"),
        (ended(redrive_status="BEING_MOVED"), GOOD, None, False, RERUN, "AWS does not redrive it: BEING_MOVED"),
    ],
)  # fmt: skip
def test_the_choice(run: Run, prospect: Prospect, insisted: str | None, changed: bool, way: str, reason: str) -> None:
    choice = choose(run, prospect, insisted=insisted, changed=changed)
    assert (choice.way, choice.reason) == (way, reason)


@pytest.mark.parametrize(
    ("run", "prospect", "reason"),
    [
        (ended(), BAD, "it ended in Fail"),
        (ended(**OLD), GOOD, "AWS does not redrive it: Execution redrivable period exceeded"),
    ],
)
def test_to_insist_on_a_native_redrive_that_cannot_help(run: Run, prospect: Prospect, reason: str) -> None:
    with pytest.raises(RefusedError) as raised:
        choose(run, prospect, insisted=NATIVE, changed=False)
    assert (raised.value.message, raised.value.hint) == (
        f"a native redrive of r is refused: {reason}", "a rerun helps: opsctl redrive r --rerun",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (ended("SUCCEEDED"), "r has SUCCEEDED: there is nothing to redrive"),
        (ended("RUNNING"), "r is still running"),
        (ended("PENDING_REDRIVE"), "r is PENDING_REDRIVE, and only a run that ended can be redriven"),
        (ended(redrive_status="REDRIVABLE_BY_MAP_RUN"),
         "r cannot be redriven alone: AWS redrives it with the Map Run that it is a child of"),
    ],
)  # fmt: skip
def test_runs_that_neither_way_is_for(run: Run, message: str) -> None:
    with pytest.raises(RefusedError) as raised:
        refuse_ended_well(run)
    assert raised.value.message == message


def test_a_loop_without_end_is_left_to_aws() -> None:
    again = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.never", "IsPresent": True, "Next": "Done"}],
        "Default": "Ask",
    }
    definition = machine({"Ask": job("Again"), "Again": again, "Done": {"Type": "Succeed"}})
    run, events = ran(definition, {"Ask": [BROKEN]})
    assert foresee(definition, run, events) is None
    assert isinstance(foresee(machine({"A": job()}), *ran(machine({"A": job()}), {"A": [BROKEN]})), Foreseen)
