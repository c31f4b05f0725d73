"""Whole plans on machines of any shape: each is proven by its walk, or refused in words, whatever was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opsctl.asl.effects import Failed
from opsctl.domain.guards import read_pipeline
from opsctl.domain.plan import RUNS, Request, RerunPlan, Source
from opsctl.domain.proof import prove
from opsctl.domain.rerun import plan_rerun
from opsctl.errors import RefusedError, UsageError
from tests.unit.domain.machines import DONE, EVERYTHING, TALK, choice, machine, ran, task


def whole(variable: str, value: str, target: str) -> dict[str, Any]:
    """A rule that also asks whether the variable is there."""
    return {"And": [{"Variable": variable, "IsPresent": True}, {"Variable": variable, "StringEquals": value}],
            "Next": target}  # fmt: skip


BEGINS = [whole("$.from", "train", "Train"), whole("$.from", "deploy", "Deploy")]
MACHINES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the talk's": (TALK, dict(EVERYTHING)),
    "one Choice says where to begin": (machine("From?", {
        "From?": {"Type": "Choice", "Choices": BEGINS, "Default": "Fetch"}, "Fetch": task("Train"),
        "Train": task("Deploy"), "Deploy": task("Done"), **DONE,
    }), {}),
    "guards inside of guards": (machine("All?", {
        "All?": choice("$.all", False, "Last?", "A?"), "A?": choice("$.a", False, "B?", "A"), "A": task("B?"),
        "B?": choice("$.b", False, "Last?", "B"), "B": task("Last?"), "Last?": choice("$.last", False, "Done", "Last"),
        "Last": task("Done"), **DONE,
    }), {"all": True, "a": True, "b": True, "last": True}),
    "one or the other": (machine("Gpu?", {
        "Gpu?": choice("$.gpu", True, "Train Gpu", "Train Cpu"), "Train Gpu": task("Eval?"), "Train Cpu": task("Eval?"),
        "Eval?": choice("$.eval", False, "Done", "Eval"), "Eval": task("Done"), **DONE,
    }), {"gpu": True, "eval": True}),
    "a polling loop": (machine("A?", {
        "A?": choice("$.a", False, "Poll", "A"), "A": task("Poll"), "Poll": task("Ready?", ResultPath="$.poll"),
        "Ready?": choice("$.poll.ok", True, "Done", "Wait"), "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Poll"},
        **DONE,
    }), {"a": True}),
}  # fmt: skip


def sources(name: str) -> Iterator[Source]:
    """The machine's run, once for each step that fails, and once to its end."""
    definition, document = MACHINES[name]
    plain: dict[str, Any] = {"Setup": document, "Poll": {"ok": True}}
    for failing in [None, *(step.name for step in read_pipeline(definition).steps)]:
        history = ran(definition, document, {**plain, **({failing: Failed("Boom")} if failing else {})})
        pipeline = read_pipeline(definition, [history])
        yield Source("r", document, pipeline, {"r": history}, {}, linked=False, definition=definition)


def requests(source: Source) -> Iterator[Request]:
    """Everything that can be asked for with one word."""
    yield Request(("failed",))
    for step in source.pipeline.steps:
        yield from (Request((step.name,)), Request(only=(step.name,)))
        yield from (Request(skip=(step.name,)), Request(until=(step.name,)))


def problem(source: Source, plan: RerunPlan) -> str | None:
    assert source.definition is not None
    expected = [step.name for step in plan.steps if step.action in RUNS]
    return prove(source.definition, plan.input, expected, [source.histories["r"]]).problem


@pytest.mark.parametrize("name", MACHINES)
def test_every_plan_is_what_the_machine_does(name: str) -> None:
    planned = 0
    for source in sources(name):
        for request in requests(source):
            try:
                plan = plan_rerun(source, request)
            except (RefusedError, UsageError):
                continue
            assert problem(source, plan) is None, (request, plan.input)
            planned += 1
    assert planned > len(list(sources(name)))


def actions(source: Source, request: Request) -> dict[str, str]:
    return {step.name: step.action for step in plan_rerun(source, request).steps}


def test_of_alternatives_one_runs_and_a_named_one_takes_the_others_place() -> None:
    read = list(sources("one or the other"))[-1]  # Eval failed
    assert actions(read, Request(("failed",))) == {"Train Gpu": "RUN", "Train Cpu": "SKIP", "Eval": "RUN"}
    with pytest.raises(RefusedError, match="Train Gpu cannot be skipped: no setting of the run input leads past it"):
        plan_rerun(read, Request(("Eval",), skip=("Train Gpu",)))
    plan = plan_rerun(read, Request(("Train Cpu",)))
    assert plan.input == {"gpu": False, "eval": True}
    assert [step.action for step in plan.steps][1:] == ["RUN", "RUN"]


def test_where_a_result_chooses_between_alternatives_both_may_run_again() -> None:
    """What was created may be gone by the rerun, or be there: neither way is closed by what the run before did."""
    definition = machine("Make?", {
        "Make?": choice("$.make", False, "Look", "Make"), "Make": task("Look"),
        "Look": task("There?", ResultPath="$.look"),
        "There?": choice("$.look.there", True, "Update?", "Create?"),
        "Update?": choice("$.update", False, "Done", "Update"), "Update": task("Done"),
        "Create?": choice("$.create", False, "Done", "Create"), "Create": task("Done"), **DONE,
    })  # fmt: skip
    document = {"make": True, "update": True, "create": True}
    history = ran(definition, document, {"Look": {"there": False}})
    read = Source("r", document, read_pipeline(definition, [history]), {"r": history}, {}, linked=False,
                  definition=definition)  # fmt: skip
    plan = plan_rerun(read, Request(("Make",)))
    assert plan.input == document
    assert {step.name: step.action for step in plan.steps} == {
        "Make": "RUN", "Look": "ALWAYS", "Update": "RUN", "Create": "RUN",
    }  # fmt: skip
