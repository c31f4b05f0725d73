"""The conformance tool on small corpora of its own: what agrees, what differs, what is left out, what passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from conformance.__main__ import main
from opsctl.asl.effects import Failed, ScheduleTask, Started, Succeeded
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse

Event = dict[str, Any]
INVOKE = "arn:aws:states:::lambda:invoke"
DEFINITION = {
    "StartAt": "Both",
    "States": {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Left", "States": {"Left": {"Type": "Pass", "Result": 1, "End": True}}},
                {
                    "StartAt": "Work",
                    "States": {
                        "Work": {
                            "Type": "Task",
                            "Resource": INVOKE,
                            "Parameters": {"id.$": "States.UUID()", "name.$": "$$.Execution.Name"},
                            "Retry": [{"ErrorEquals": ["Busy"]}],
                            "End": True,
                        }
                    },
                },
            ],
            "Next": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 30, "End": True},
    },
}


def recorded(seed: int = 7) -> list[Event]:
    """An execution as another machine would have recorded it: its own names, ids, random values and times."""
    name = f"recorded-{seed}"
    context = {
        "Execution": {"Id": f"arn:aws:states:eu-west-1:1:execution:m:{name}", "Name": name, "RoleArn": "arn:role"},
        "StateMachine": {"Id": "arn:aws:states:eu-west-1:1:stateMachine:m", "Name": "m"},
    }
    execution = Execution(parse(DEFINITION), '{"in":1}', context, Random(seed))
    execution.start(1e9)
    answers = [Failed("Busy", "later"), Succeeded('{"Payload":"done"}')]
    now = 1e9
    while execution.status == "RUNNING":
        for effect in execution.effects():
            if isinstance(effect, ScheduleTask):
                execution.resolve(effect.task, Started(), now)
                execution.resolve(effect.task, answers.pop(0), now)
        now = execution.next_timer() or now
        execution.tick(now)
    return [{**event, "timestamp": _iso(event["timestamp"])} for event in copy.deepcopy(execution.events)]


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def corpus(
    folder: Path,
    histories: dict[str, dict[str, Any]] | None = None,
    definitions: dict[str, tuple[str, str]] | None = None,
) -> Path:
    """A corpus of histories and of definitions with the evidence of their verdicts."""
    _write(folder / "histories.jsonl", [{"file": name} for name in histories or {}])
    for name, record in (histories or {}).items():
        whole = {"definition": DEFINITION, "input": None, "expected_status": "SUCCEEDED", **record}
        _write(folder / "histories" / name, [whole])
    rows = [{"file": name, "evidence": evidence} for name, (evidence, _) in (definitions or {}).items()]
    _write(folder / "definitions.jsonl", rows)
    for name, (_, text) in (definitions or {}).items():
        path = folder / "definitions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _write(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))


def report(capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[int, list[str]]:
    code = main([str(folder)])
    return code, capsys.readouterr().out.splitlines()


def test_what_our_interpreter_recorded_itself_agrees_but_for_what_was_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    histories = {
        "a.json": {"events": recorded()},
        "b.json": {"events": recorded(8)},
        "none.json": {"events": recorded(), "definition": None},
        "rebuilt.json": {"events": recorded(), "repaired": True},
        "damaged.json": {"events": recorded(), "mangled_ids": True},
        "backwards.json": {"events": recorded()[::-1], "reverse_order": True},
    }
    code, lines = report(capsys, corpus(tmp_path, histories))
    assert code == 0
    assert lines[:6] == [
        "replay: 2 of 2 = 100.00 %, at least 97 %: ok",
        "  excluded 1: it has no definition",
        "  excluded 1: its events were rebuilt by hand",
        "  excluded 1: its event ids are damaged",
        "  excluded 1: it was recorded in reverse order",
        "  of the agreeing, 2 with the same ids, 2 with the same text",
    ]
    assert lines[6:9] == [
        "reader, read at all: 6 of 6 = 100.00 %, at least 100 %: ok",
        "reader, every status right: 6 of 6 = 100.00 %, at least 99.5 %: ok",
        "  24 of 24 states right",
    ]


def index_of(events: list[Event], kind: str) -> int:
    return next(number for number, event in enumerate(events) if event["type"] == kind)


def change(kind: str, details: str, **new: Any) -> Callable[[list[Event]], None]:
    return lambda events: events[index_of(events, kind)][details].update(new)


def link(kind: str, previous: int) -> Callable[[list[Event]], None]:
    return lambda events: events[index_of(events, kind)].update(previousEventId=previous)


CHANGES: dict[str, Callable[[list[Event]], None]] = {
    "WaitStateEntered: name": change("WaitStateEntered", "stateEnteredEventDetails", name="Another"),
    "ParallelStateExited: output": change("ParallelStateExited", "stateExitedEventDetails", output="[1,2]"),
    "TaskStateEntered: input": change("TaskStateEntered", "stateEnteredEventDetails", input='{"in":2}'),
    "TaskScheduled: parameters": change("TaskScheduled", "taskScheduledEventDetails", parameters='{"name":"x","id":3}'),
    "TaskScheduled: timeoutInSeconds": change("TaskScheduled", "taskScheduledEventDetails", timeoutInSeconds=5),
    "TaskScheduled: resource": change("TaskScheduled", "taskScheduledEventDetails", resource="invoke.sync"),
    "WaitStateExited: previousEventId": link("WaitStateExited", 2),
    "ours goes on with ExecutionSucceeded": lambda events: events.pop() and None,
}


@pytest.mark.parametrize("difference", CHANGES)
def test_a_difference_is_found_and_named(difference: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = recorded()
    CHANGES[difference](events)
    histories = {"bad.json": {"events": events}, "good.json": {"events": recorded()}}
    code, lines = report(capsys, corpus(tmp_path, histories))
    assert code == 1
    assert lines[0] == "replay: 1 of 2 = 50.00 %, at least 97 %: MISSED"
    assert f"  differing 1: {difference}" in lines
    assert lines[lines.index(f"  differing 1: {difference}") + 1] == "    bad.json"


def test_siblings_may_interleave_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The Pass leaves its branch before the other branch's Task is entered; ids and links move along."""
    events = recorded()
    entered, left = index_of(events, "TaskStateEntered"), index_of(events, "PassStateExited")
    assert (entered, left) == (4, 5)
    moved = {events[entered]["id"]: events[left]["id"], events[left]["id"]: events[entered]["id"]}
    events[entered], events[left] = events[left], events[entered]
    for event in events:
        for key in ("id", "previousEventId"):
            event[key] = moved.get(event[key], event[key])
    code, lines = report(capsys, corpus(tmp_path, {"a.json": {"events": events}}))
    assert code == 0
    assert "  of the agreeing, 0 with the same ids, 1 with the same text" in lines


def test_a_number_in_another_notation_is_the_same_value_and_another_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = recorded()
    change("PassStateExited", "stateExitedEventDetails", output="1.0")(events)
    code, lines = report(capsys, corpus(tmp_path, {"a.json": {"events": events}}))
    assert code == 0
    assert "  of the agreeing, 1 with the same ids, 0 with the same text" in lines


def test_a_wrong_final_status_is_the_readers_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [{"id": "first", "type": "ExecutionStarted", "timestamp": _iso(0), "previousEventId": 0}]
    code, lines = report(capsys, corpus(tmp_path, {"foreign.json": {"events": events, "definition": None}}))
    assert code == 1
    assert any(line.startswith("  differing 1: InvalidHistory: not an execution's history") for line in lines)


VALID = json.dumps(DEFINITION)
DEFINITIONS = {
    "valid/aws.json": ("aws-accepted (CreateStateMachine)", VALID),
    "invalid/aws.json": ("aws-rejected (CreateStateMachine)", "{}"),
    "valid/field.json": ("some validator's tests", VALID),
    "invalid/field.json": ("some validator's tests", '{"StartAt": "A", "States": {}}'),
    "valid/template.json": (
        "some validator's tests",
        '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": {"Fn::GetAtt": ["F", "Arn"]}, "End": true}}}',
    ),
}


def test_verdicts_and_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = report(capsys, corpus(tmp_path, definitions=DEFINITIONS))
    assert code == 0
    assert "verdicts, AWS's own: 2 of 2 = 100.00 %, at least 97 %: ok" in lines
    assert "verdicts, the field's validators: 2 of 3 = 66.67 %" in lines
    assert "samples: 2 of 2 = 100.00 %, at least 99 %: ok" in lines


def test_a_sample_that_aws_refuses_in_so_many_words_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def assuming(role: dict[str, str]) -> str:
        task = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Credentials": role, "End": True}
        return json.dumps({"StartAt": "A", "States": {"A": task}})

    words = "The field 'RoleArn' is required but was missing"
    judged = {
        "invalid/by-aws.json": ("aws-rejected (CreateStateMachine)", assuming({})),
        "valid/by-others.json": ("some validator's tests", assuming({"roleArn": "r"})),
    }
    folder = corpus(tmp_path, definitions=judged)
    index = folder / "definitions.jsonl"
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    index.write_text("\n".join(json.dumps({**row, "detail": {"message": f"{words} at /States/A"}}) for row in rows))
    _, lines = report(capsys, folder)
    assert f"  excluded 1: AWS refuses it in so many words: {words}" in lines


def test_a_refused_sample_misses_the_bar_unless_the_bar_is_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"valid/odd.json": ("some validator's tests", '{"StartAt": "A", "States": {}}')}
    folder = corpus(tmp_path, definitions=DEFINITIONS | refused)
    code, lines = report(capsys, folder)
    assert code == 1
    assert "samples: 2 of 3 = 66.67 %, at least 99 %: MISSED" in lines
    assert "    valid/odd.json" in lines
    monkeypatch.setenv("MIN_SAMPLES", "66")
    assert main([str(folder)]) == 0


@pytest.mark.parametrize("name", ["MIN_REPLAY", "MIN_READ", "MIN_READER", "MIN_VERDICTS", "MIN_SAMPLES"])
def test_a_bar_that_is_no_number_and_a_folder_that_is_no_corpus(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    monkeypatch.setenv(name, "most")
    assert main([str(corpus(tmp_path))]) == 2
    assert f"{name} must be a number of percent, not 'most'" in capsys.readouterr().err


def test_an_empty_corpus_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("histories", "definitions"):
        (tmp_path / f"{kind}.jsonl").touch()
        (tmp_path / kind).mkdir()
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: nothing to measure in {tmp_path}: both of its indexes are empty\n"


@pytest.mark.parametrize("told", ["arn:aws:states:eu-west-1:1:activity:gone", "activity_arn"])
def test_an_activity_that_aws_found_missing_is_missing_for_us_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    definition = {
        "StartAt": "A",
        "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:eu-west-1:1:activity:a", "End": True}},
    }
    execution = Execution(parse(definition), "{}", {}, Random(1))
    execution.ask_for_activities(lambda _arn: False)
    execution.start(1e9)
    events = [{**event, "timestamp": _iso(1e9)} for event in copy.deepcopy(execution.events)]
    failure = events[-1]["executionFailedEventDetails"]
    failure["cause"] = failure["cause"].replace("arn:aws:states:eu-west-1:1:activity:a", told)
    assert failure["cause"].endswith(f"(entered at the event id #2). The activity {told} does not exist.")
    history = {"definition": definition, "events": events, "expected_status": "FAILED", "input": "{}"}
    _, lines = report(capsys, corpus(tmp_path, {"gone.json": history}))
    assert lines[0] == "replay: 1 of 1 = 100.00 %, at least 97 %: ok"
