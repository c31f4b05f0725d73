"""Open gates and their task tokens, read out of histories that the interpreter wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.asl.effects import Failed, ScheduleTask, Started, Submitted, Succeeded
from opsctl.asl.history import read_history
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.domain.approvals import Gate, choose_gate, gates_to_come, open_gates
from opsctl.domain.task_tokens import Asked, masked, token_of
from opsctl.errors import RefusedError, UsageError

RUN = "arn:aws:states:us-east-1:123456789012:execution:deploy:nightly-7"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:deploy"
NAMES: dict[str, Any] = {
    "Execution": {"Id": RUN, "Name": "nightly-7"},
    "StateMachine": {"Id": MACHINE, "Name": "deploy"},
}
SNS = "arn:aws:states:::sns:publish.waitForTaskToken"
AWS_TOKEN = "AQCEAAAAKgAAAAMAAAAAAAAAA" + "b+/" * 200 + "=="


def gate(parameters: Any, **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": SNS, "Parameters": parameters, "End": True, **more}


class Story:
    """An execution whose tasks are answered by hand; `tokens` are those that were given out, by state."""

    def __init__(self, definition: dict[str, Any], data: Any = None) -> None:
        self.definition = definition
        context = {"Execution": {**NAMES["Execution"], "Input": data or {}}, "StateMachine": NAMES["StateMachine"]}
        self.execution = Execution(parse(definition), json.dumps(data or {}), context=context)
        self.now = 1000.0
        self.execution.start(self.now)
        self.tokens: dict[str, list[str]] = {}
        self.tasks: dict[str, list[int]] = {}
        self.take()

    def take(self) -> None:
        for effect in self.execution.effects():
            if isinstance(effect, ScheduleTask):
                self.tokens.setdefault(effect.state, []).append(effect.token or "")
                self.tasks.setdefault(effect.state, []).append(effect.task)
                self.execution.resolve(effect.task, Started(), self.now)
                if effect.token and "activity" not in effect.resource:
                    self.execution.resolve(effect.task, Submitted("{}"), self.now)

    def answer(self, state: str, outcome: Any) -> None:
        self.now += 10
        self.execution.resolve(self.tasks[state][-1], outcome, self.now)
        self.execution.tick(self.now)
        self.take()

    def gates(self) -> tuple[Gate, ...]:
        events = self.execution.events
        return open_gates(events, read_history(events, self.definition), self.definition, NAMES)


def machine(states: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states, **more}


@pytest.mark.parametrize(
    "parameters",
    [
        {"TopicArn": "t", "Message": {"token.$": "$$.Task.Token", "model.$": "$.model"}},
        {"TopicArn": "t", "Message.$": "$$.Task.Token"},
        {"TopicArn": "t", "Message.$": "$$.Task"},
        {"TopicArn": "t", "Message.$": "$$"},
        {"Message.$": "States.Format('{} of {}: opsctl approve, or https://x/?t={}&m={}', $.model, $$.Execution.Name, "
         "$$.Task.Token, $.model)"},
        {"Message.$": "States.JsonToString(States.StringToJson(States.Format('\\{\"a\":[\"{}\"]\\}', $$.Task.Token)))"},
        {"Message.$": "States.JsonToString($$.Task)", "Subject.$": "$.model"},
        {"Message.$": "States.Array($.model, $$.Task.Token)"},
        {"Message.$": "States.Format('{} {}', States.UUID(), $$.Task.Token)"},
        {"Message.$": "States.Format('{}{}', $$.State.EnteredTime, States.Format(' {}', $$.Task.Token))"},
        {"Message.$": "States.Format('entered {}, {} {}', $$.State.EnteredTime, $$.Task.Token, $$.Task.Token)"},
    ],
)  # fmt: skip
def test_a_token_is_found_where_the_definition_passes_it_on(parameters: Any) -> None:
    story = Story(machine({"Ask": gate(parameters)}), {"model": "text"})
    (found,) = story.gates()
    assert found.token == story.tokens["Ask"][0]
    assert found.token not in json.dumps(found.parameters)


@pytest.mark.parametrize(
    "arguments",
    [
        {"Message": {"token": "{% $states.context.Task.Token %}"}},
        {"Message": "{% 'approve ' & $states.input.model & ' with ' & $states.context.Task.Token %}"},
        {"Message": "{% $string({'t': $states.context.Task.Token, 'm': $states.input.model}) %}"},
        "{% {'Message': {'all': $states.context.Task}} %}",
        {"Message": "{% $who & ': ' & $states.context.Task.Token %}"},
        {"Message": "{% $states.context.State.EnteredTime & $string($states.context) %}"},
    ],
)
def test_the_same_in_jsonata(arguments: Any) -> None:
    ask = {"Type": "Task", "Resource": SNS, "Arguments": arguments, "End": True}
    first = {"Type": "Pass", "Assign": {"who": "operations"}, "Next": "Ask"}
    story = Story(machine({"First": first, "Ask": ask}, QueryLanguage="JSONata"), {"model": "text"})
    (found,) = story.gates()
    assert found.token == story.tokens["Ask"][0]
    assert found.token not in json.dumps(found.parameters)


def test_a_variable_in_front_of_the_token() -> None:
    first = {"Type": "Pass", "Assign": {"who": "operations"}, "Next": "Ask"}
    ask = gate({"Message": {"who.$": "$who", "token.$": "$$.Task.Token"}, "Subject.$": "$.model"})
    story = Story(machine({"First": first, "Ask": ask}), {"model": "text"})
    assert story.gates()[0].token == story.tokens["Ask"][0]


def test_a_token_among_other_long_texts() -> None:
    first = {"Type": "Pass", "Assign": {"long": "a" * 200}, "Next": "Ask"}
    text = "States.Format('{} {} {}', $long, $.link, $$.Task.Token)"
    for message, found in (({"all.$": "$$.Execution.Input", "token.$": "$$.Task.Token"}, True), ({"t.$": text}, False)):
        ask = gate({"Message": message, "Subject.$": "$long"})
        story = Story(machine({"First": first, "Ask": ask}), {"link": "b" * 200})
        (one,) = story.gates()
        assert one.token == (story.tokens["Ask"][0] if found else None)
        assert one.unknown == (
            None
            if found
            else "Ask waits for a task token that the history does not let tell from the other texts of its message"
        )


def test_a_token_in_a_link_is_decoded() -> None:
    encoded = AWS_TOKEN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    state = {"Arguments": {"Message": "{% 'https://x/?t=' & $encodeUrlComponent($states.context.Task.Token) %}"}}
    recorded = {"Message": f"https://x/?t={encoded}"}
    assert token_of(Asked(state, True, recorded, {}, {})) == AWS_TOKEN
    assert masked(recorded, AWS_TOKEN) == {"Message": "https://x/?t=<task token>"}


def test_a_token_that_goes_nowhere() -> None:
    story = Story(machine({"Ask": gate({"TopicArn": "t", "Message": "please"})}), {"long": "a" * 200})
    (found,) = story.gates()
    assert (found.token, found.unknown) == (
        None,
        "Ask waits for a task token that its definition does not pass on: it is nowhere in the history",
    )
    assert found.parameters == {"TopicArn": "t", "Message": "please"}


def test_an_activity_keeps_its_token() -> None:
    activity = "arn:aws:states:us-east-1:123456789012:activity:gpu"
    story = Story(machine({"Train": {"Type": "Task", "Resource": activity, "End": True}}))
    (found,) = story.gates()
    assert found.token is None
    assert found.unknown == "Train waits for a worker of the activity gpu, which alone is given the task's token"


def test_of_several_attempts_the_newest_has_the_token() -> None:
    retry = [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 3}]
    story = Story(machine({"Ask": gate({"Message.$": "$$.Task.Token"}, Retry=retry)}))
    story.answer("Ask", Failed("Again", ""))
    assert story.gates() == ()
    story.now += 5
    story.execution.tick(story.now)
    story.take()
    (found,) = story.gates()
    assert (found.token, found.attempt) == (story.tokens["Ask"][1], 2)
    story.answer("Ask", Failed("No", ""))
    assert story.gates() == ()
    story.execution.redrive(story.now + 100)
    story.take()
    (found,) = story.gates()
    assert (found.token, found.attempt) == (story.tokens["Ask"][2], 3)
    story.answer("Ask", Succeeded("{}"))
    assert story.gates() == ()


def test_when_a_gate_expires() -> None:
    ask = gate({"Message.$": "$$.Task.Token"}, TimeoutSeconds=600, HeartbeatSeconds=60)
    (found,) = Story(machine({"Ask": ask})).gates()
    assert (found.since, found.expires, found.heartbeat) == (1000.0, 1600.0, 60)
    (found,) = Story(machine({"Ask": ask}, TimeoutSeconds=300)).gates()
    assert found.expires == 1300.0
    (found,) = Story(machine({"Ask": gate({"Message.$": "$$.Task.Token"})})).gates()
    assert (found.expires, found.heartbeat) == (None, None)


def test_gates_beside_each_other() -> None:
    branches = [machine({name: gate({"Message.$": "$$.Task.Token"})}) for name in ("Ask Sales", "Ask Legal")]
    story = Story(machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))
    gates = story.gates()
    assert [gate.name for gate in gates] == ["Ask Sales (branch 1 of Both)", "Ask Legal (branch 2 of Both)"]
    assert choose_gate(gates, "ask-legal", None).token == story.tokens["Ask Legal"][0]
    with pytest.raises(RefusedError) as refused:
        choose_gate(gates, None, None)
    assert refused.value.message == "2 steps wait for an approval"
    assert refused.value.hint == (
        "say which one with --step: Ask Sales (branch 1 of Both), Ask Legal (branch 2 of Both)"
    )
    with pytest.raises(UsageError) as unknown:
        choose_gate(gates, "Ask Lega", None)
    assert unknown.value.hint == "did you mean Ask Legal"


def test_gates_of_a_maps_items() -> None:
    ask = {"StartAt": "Ask", "States": {"Ask": gate({"Message": {"t.$": "$$.Task.Token", "i.$": "$$.Map.Item.Index"}})}}
    story = Story(
        machine({"Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": ask, "End": True}}), {"items": [1, 2]}
    )
    gates = story.gates()
    assert [gate.token for gate in gates] == story.tokens["Ask"]
    assert choose_gate(gates, None, 1).name == "Ask (item 1 of Each)"
    with pytest.raises(RefusedError) as refused:
        choose_gate(gates, "ask", None)
    assert refused.value.hint == "say which one with --item: Ask (item 0 of Each), Ask (item 1 of Each)"
    with pytest.raises(UsageError, match="no item 7 waits for an approval"):
        choose_gate(gates, None, 7)


def test_what_a_definition_waits_for() -> None:
    done = {"Done": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": {}, "End": True}}
    inner = machine({"Ask": gate({"Message.$": "$$.Task.Token"})})
    both = {"Both": {"Type": "Parallel", "Branches": [inner], "Next": "Done"}}
    assert gates_to_come(machine({**both, **done})) == ("Ask",)
    assert gates_to_come(machine(done)) == ()
