"""Machines of any shape with guards in any form: what is asked to run runs, and nothing else that can be bypassed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.asl.validate import validate
from opsctl.domain.conditions import Setting
from opsctl.domain.documents import with_settings
from opsctl.domain.driving import bypassed, drive
from opsctl.domain.guards import Pipeline, read_pipeline
from opsctl.domain.proof import prove
from tests.unit.domain.machines import DONE, choice, machine, passing, task

# A block is a list of parts: ("task",), ("guard", form, block), ("parallel", block, block), ("pass",)
Part = tuple[Any, ...]
JSONPATH_FORMS = (
    "is false", "is true", "is absent", "is present", "is not true", "is present and true", "is absent or false",
    "is a word", "is large", "is null",
)  # fmt: skip
JSONATA_FORMS = ("= true", "!= true", "exists", "not exists", "in", ">", "?", "by a variable")


@dataclass
class Build:
    """States as they are written, one after the other; every guard has a flag of its own."""

    jsonata: bool = False
    root: str = "$"
    names: int = 0
    states: dict[str, Any] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind} {self.names}"

    def block(self, parts: list[Part], then: str | None) -> str:
        """Write the parts so that the last leads on to a state, or ends; where there is nothing, a Pass."""
        names = [self.name(part[0]) for part in parts] or [self.name("nothing")]
        for name, part, following in zip(names, parts or [("pass",)], [*names[1:], then], strict=True):
            getattr(self, f"_{part[0]}")(name, following, *part[1:])
        return names[0]

    def _task(self, name: str, then: str | None) -> None:
        state = task(then)
        if self.jsonata:
            state = {key: value for key, value in state.items() if key != "ResultPath"} | {
                "Output": "{% $states.input %}"
            }
        self.states[name] = state

    def _pass(self, name: str, then: str | None) -> None:
        self.states[name] = passing(then)

    def _guard(self, name: str, then: str | None, form: str, parts: list[Part]) -> None:
        after = then or self.block([("pass",)], None)
        into = self.block(parts, after)
        self.states[name] = _guard(form, self.root, f"flag{name.split()[-1]}", into, after, jsonata=self.jsonata)

    def _parallel(self, name: str, then: str | None, *blocks: list[Part]) -> None:
        branches = []
        for parts in blocks:
            inner = Build(self.jsonata, self.root, self.names)
            start = inner.block(parts, None)
            self.names = inner.names
            branches.append({"StartAt": start, "States": inner.states})
        kept = {"Output": "{% $states.input %}"} if self.jsonata else {"ResultPath": None}
        end = {"Next": then} if then else {"End": True}
        self.states[name] = {"Type": "Parallel", "Branches": branches, **kept, **end}


def _guard(form: str, root: str, flag: str, into: str, after: str, *, jsonata: bool) -> dict[str, Any]:
    rule, fires = (_jsonata_rule if jsonata else _path_rule)(form, root, flag)
    yes, no = (after, into) if fires == "skip" else (into, after)
    return {"Type": "Choice", "Choices": [{**rule, "Next": yes}], "Default": no}


def _path_rule(form: str, root: str, flag: str) -> tuple[dict[str, Any], str]:
    def reads(**test: Any) -> dict[str, Any]:
        return {"Variable": f"{root}.{flag}", **test}

    rules: dict[str, tuple[dict[str, Any], str]] = {
        "is false": (reads(BooleanEquals=False), "skip"),
        "is true": (reads(BooleanEquals=True), "run"),
        "is absent": (reads(IsPresent=False), "run"),
        "is present": (reads(IsPresent=True), "run"),
        "is not true": ({"Not": reads(BooleanEquals=True)}, "skip"),
        "is present and true": ({"And": [reads(IsPresent=True), reads(BooleanEquals=True)]}, "skip"),
        "is absent or false": ({"Or": [reads(IsPresent=False), reads(BooleanEquals=False)]}, "skip"),
        "is a word": (reads(StringMatches="skip*"), "skip"),
        "is large": (reads(NumericGreaterThanEquals=3), "run"),
        "is null": (reads(IsNull=True), "skip"),
    }
    return rules[form]


def _jsonata_rule(form: str, root: str, flag: str) -> tuple[dict[str, Any], str]:
    path = f"{'$states.input' if root == '$' else '$states.context.Execution.Input'}.{flag}"
    rules = {
        "= true": (f"true = {path}", "skip"),
        "!= true": (f"{path} != 'run'", "skip"),
        "exists": (f"$exists({path})", "skip"),
        "not exists": (f"$not($exists({path}))", "skip"),
        "in": (f"{path} in ['yes', 'on']", "run"),
        ">": (f"$number({path}) > 10", "run"),
        "?": (f"{path} ? true : false", "run"),
        "by a variable": (f"($f := {path}; $boolean($f) and $f != 'no')", "skip"),
    }
    condition, fires = rules[form]
    return {"Condition": f"{{% {condition} %}}"}, fires


def parts_of(forms: tuple[str, ...]) -> st.SearchStrategy[list[Part]]:
    simple = st.sampled_from([("task",), ("task",), ("pass",)])
    part = st.recursive(
        simple,
        lambda inner: st.one_of(
            st.tuples(st.just("guard"), st.sampled_from(forms), st.lists(inner, min_size=1, max_size=3)),
            st.tuples(st.just("parallel"), st.lists(inner, max_size=2), st.lists(inner, max_size=2)),
        ),
        max_leaves=8,
    )
    return st.lists(part, min_size=1, max_size=4)


def built(parts: list[Part], root: str, *, jsonata: bool) -> dict[str, Any]:
    build = Build(jsonata, root)
    start = build.block(parts, "Done")
    definition = machine(start, {**build.states, **DONE}, QueryLanguage="JSONata" if jsonata else "JSONPath")
    assert not [found for found in validate(definition) if found.severity == "ERROR"]
    return definition


def closed(pipeline: Pipeline, wanted: Collection[str]) -> set[str]:
    """The wanted steps, and all that cannot be bypassed without them."""
    running = {step.name for step in pipeline.steps if step.guard is None or step.name in wanted}
    size = 0
    while size != len(running):
        size = len(running)
        running |= {step.name for step in pipeline.steps if step.guard and step.guard.covers & running}
    return running


def entered(definition: Mapping[str, Any], document: Mapping[str, Any], running: Collection[str]) -> frozenset[str]:
    proof = prove(definition, document, running)
    assert (proof.problem, proof.doubt) == (None, None)
    return proof.entered


def check(definition: dict[str, Any], pick: Any) -> None:
    pipeline = read_pipeline(definition)
    names = [step.name for step in pipeline.steps]
    for step in pipeline.steps:
        assert step.undrivable is None
    everything = with_settings({}, drive(pipeline, {}, names))
    assert entered(definition, everything, names) == set(names)
    wanted = pick.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    running = closed(pipeline, wanted)
    document = with_settings(everything, drive(pipeline, everything, running))
    assert entered(definition, document, running) == running
    assert bypassed(definition, pipeline, document) == set(names) - running
    for step in pipeline.steps:
        if step.guard is not None:
            around = with_settings(everything, step.guard.bypass)
            assert entered(definition, around, set(names) - step.guard.covers) == set(names) - step.guard.covers
            assert step.guard.bypasses(around)
            assert not step.guard.bypasses(everything)


@settings(max_examples=40, deadline=None)
@given(parts_of(JSONPATH_FORMS), st.sampled_from(["$", "$$.Execution.Input"]), st.data())
def test_guards_in_jsonpath(parts: list[Part], root: str, pick: Any) -> None:
    check(built(parts, root, jsonata=False), pick)


@settings(max_examples=15, deadline=None)
@given(parts_of(JSONATA_FORMS), st.sampled_from(["$", "$$"]), st.data())
def test_guards_in_jsonata(parts: list[Part], root: str, pick: Any) -> None:
    check(built(parts, root, jsonata=True), pick)


@pytest.mark.parametrize("form", JSONPATH_FORMS)
def test_each_form_of_a_guard(form: str) -> None:
    definition = built([("guard", form, [("task",)])], "$$.Execution.Input", jsonata=False)
    pipeline = read_pipeline(definition)
    (step,) = pipeline.steps
    on = with_settings({}, drive(pipeline, {}, [step.name]))
    off = with_settings(on, drive(pipeline, on, []))
    assert entered(definition, on, [step.name]) == {step.name}
    assert entered(definition, off, []) == set()


def test_what_the_input_already_brings_about_is_left_alone() -> None:
    definition = machine("A?", {
        "A?": choice("$.n", 3, "A", "B?", "NumericGreaterThan"), "A": task("B?"),
        "B?": choice("$.mode", "full*", "B", "Done", "StringMatches"), "B": task("Done"), **DONE,
    })  # fmt: skip
    pipeline = read_pipeline(definition)
    assert drive(pipeline, {"n": 7, "mode": "full, please"}, ["A", "B"]) == ()
    assert drive(pipeline, {"n": 7, "mode": "full, please"}, ["B"]) == (Setting(("n",), 3),)
    assert bypassed(definition, pipeline, {"n": 2, "mode": "full"}) == {"A"}
    assert bypassed(definition, pipeline, {}) == frozenset()  # it fails at the first guard


def test_an_input_that_fails_bypasses_nothing() -> None:
    definition = machine("Fine?", {
        "Fine?": choice("$.fine", True, "A", "Bad"), "A": task("Done"), "Bad": {"Type": "Fail"}, **DONE,
    })  # fmt: skip
    pipeline = read_pipeline(definition)
    assert bypassed(definition, pipeline, {"fine": False}) == frozenset()
    assert drive(pipeline, {"fine": False}, ["A"]) == ()  # what the input is checked for is for its author to mend


def test_two_flags_in_one_object_that_an_expression_makes() -> None:
    flags = passing("A?", Assign={"flags": "{% $merge([{'a': 1, 'b': 1}, $states.input.flags]) %}"})
    definition = machine("Flags", {
        "Flags": flags,
        "A?": {"Type": "Choice", "Default": "A", "Choices": [
            {"Condition": "{% $flags.a = 0 and $flags.b = 0 %}", "Next": "Done"}]},
        "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Done"}, **DONE,
    }, QueryLanguage="JSONata")  # fmt: skip
    pipeline = read_pipeline(definition)
    assert drive(pipeline, {"flags": {}}, []) == (Setting(("flags", "a"), 0), Setting(("flags", "b"), 0))


def test_a_value_in_the_way_of_a_flag_is_not_overwritten() -> None:
    definition = machine("A?", {"A?": choice("$.skip.a", True, "Done", "A"), "A": task("Done"), **DONE})
    pipeline = read_pipeline(definition)
    assert drive(pipeline, {"skip": "nothing"}, []) == ()
