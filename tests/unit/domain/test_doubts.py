"""Plans of which only the run will tell whether they are right, and plans that are wrong for certain."""

from __future__ import annotations

from opsctl.domain.proof import Proof
from tests.unit.domain.machines import choice, machine, passing, planned, ran, task


def test_a_quality_gate_is_a_doubt() -> None:
    definition = machine("Train?", {
        "Train?": choice("$.train", False, "Evaluate", "Train"), "Train": task("Evaluate"),
        "Evaluate": task("Good?", ResultPath="$.metrics"),
        "Good?": choice("$.metrics.Payload.accuracy", 0.9, "Deploy", "Not good", "NumericGreaterThan"),
        "Deploy": task(), "Not good": {"Type": "Fail"},
    })  # fmt: skip
    bad = ran(definition, {"train": True}, {"Evaluate": {"Payload": {"accuracy": 0.5}}})
    good = ran(definition, {"train": True}, {"Evaluate": {"Payload": {"accuracy": 0.95}}})
    _, proof = planned(definition, {"train": True}, ["Train"], [bad])
    assert (proof.problem, proof.doubt) == (
        None, "whether Deploy runs is decided in the run: 'Good?' reads $.metrics.Payload.accuracy of Evaluate",
    )  # fmt: skip
    assert planned(definition, {"train": True}, ["Train"], [good])[1].doubt is None
    assert planned(definition, {"train": True}, ["Train"])[1].doubt is None  # nothing says that it will not be good


def test_an_alternative_that_a_task_decides_is_a_doubt() -> None:
    definition = machine("Ask", {
        "Ask": task("Approved?", ResultPath="$.answer", Resource="arn:aws:states:::lambda:invoke.waitForTaskToken"),
        "Approved?": choice("$.answer.ok", True, "Deploy", "Archive"), "Deploy": task(), "Archive": task(),
    })  # fmt: skip
    _, proof = planned(definition, {}, [])
    assert proof.doubt == "whether Deploy runs is decided in the run: 'Approved?' reads $.answer.ok of Ask"


def test_a_polling_loop_takes_the_answers_it_got() -> None:
    definition = machine("Start", {
        "Start": task("Poll"), "Poll": task("Done?", ResultPath="$.poll"),
        "Done?": choice("$.poll.status", "DONE", "Finish", "Pause", "StringEquals"),
        "Pause": {"Type": "Wait", "Seconds": 60, "Next": "Poll"}, "Finish": task(),
    })  # fmt: skip
    assert planned(definition, {}, [])[1].doubt is None
    endless = ran(machine("Poll", {"Poll": task(ResultPath="$.poll")}), {}, {"Poll": {"status": "BUSY"}})
    _, proof = planned(definition, {}, [], [endless])
    assert proof.doubt == "whether Finish runs is decided in the run: 'Done?' reads $.poll.status of Poll"


def test_a_state_that_cannot_work_with_the_input_is_a_problem() -> None:
    definition = machine("Take", {"Take": passing("A", Parameters={"name.$": "$.name"}), "A": task()})
    _, proof = planned(definition, {}, [])
    assert proof.problem
    assert proof.problem.startswith(
        "with this input the machine ends FAILED before A (States.Runtime: An error occurred while executing the state "
        "'Take' (entered at the event id #2). The JSONPath '$.name' specified for the field 'name.$' could not be found"
    )


def test_what_no_history_answers_is_made_up_where_it_is_read() -> None:
    definition = machine("Score", {
        "Score": task("Wait", ResultSelector={"score.$": "$.Payload.result.score", "until.$": "$.Payload.until"},
                      ResultPath="$.made"),
        "Wait": {"Type": "Wait", "TimestampPath": "$.made.until", "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$.made.score", "End": True,
                 "ItemProcessor": machine("Item", {"Item": task(Parameters={"id.$": "$.id"})})},
    })  # fmt: skip
    _, proof = planned(definition, {}, [])
    assert proof.problem is None


def test_a_definition_in_words_that_only_aws_knows_cannot_be_walked() -> None:
    definition = machine("Take", {"Take": passing("A", Parameters={"x.$": "States.New($.x)"}), "A": task()})
    _, proof = planned(definition, {}, [])
    assert proof == Proof(
        frozenset(), None,
        "whether the plan is right cannot be told: there is no intrinsic function 'States.New'",
    )  # fmt: skip
