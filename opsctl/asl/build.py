"""From JSON to `StateMachine`: one small builder per kind of state.

A builder may rely on the document having passed `validate`; what it still raises as `ValueError` is an expression that
does not parse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opsctl.asl.choice import compile_rule
from opsctl.asl.definition import (
    Batcher,
    Catcher,
    Choice,
    Fail,
    Map,
    Parallel,
    Pass,
    Retrier,
    Rule,
    Scope,
    State,
    StateMachine,
    Succeed,
    Task,
    Wait,
)
from opsctl.asl.expressions import evaluate, parse_expression
from opsctl.asl.flow import EVERYTHING, JsonPathFlow, Setting
from opsctl.asl.paths import Path, parse_path
from opsctl.asl.payload import Payload
from opsctl.asl.templates import Template, compile_template


class UnsupportedError(ValueError):
    """The definition is sound, but uses what the interpreter cannot do."""


Source = Mapping[str, Any]
Location = tuple[tuple[str, int], ...]


def build_machine(source: Source) -> StateMachine:
    """Make a machine of a checked definition. Raises `ValueError` if an expression does not parse."""
    return StateMachine(
        scope=_scope(source, ()),
        timeout=source.get("TimeoutSeconds"),
        comment=source.get("Comment"),
        source=source,
    )


def _scope(source: Source, path: Location) -> Scope:
    states = {name: _state(name, state, path) for name, state in source["States"].items()}
    return Scope(source["StartAt"], states, path)


def _state(name: str, source: Source, path: Location) -> State:
    common = {"name": name, "type": source["Type"], "next": source.get("Next"), "flow": _flow(source)}
    return _BUILDERS[source["Type"]](source, common, path)


def _flow(source: Source) -> JsonPathFlow:
    return JsonPathFlow(
        input_path=_data_path(source, "InputPath"),
        parameters=_template(source, "Parameters"),
        result_selector=_template(source, "ResultSelector"),
        result_path=_data_path(source, "ResultPath"),
        output_path=_data_path(source, "OutputPath"),
        assignments=_template(source, "Assign"),
    )


def _data_path(source: Source, field: str) -> Path | None:
    text = source.get(field, "$")
    if text == "$":
        return EVERYTHING
    return None if text is None else parse_path(text)


def _template(source: Source, field: str) -> Template | None:
    return compile_template(source[field]) if field in source else None


def _setting(source: Source, field: str, *, calls: bool = False) -> Setting | None:
    """The field or its `Path` form, whichever is there. `calls` allows intrinsic functions, as Fail's fields do."""
    if field in source:
        return Setting(field, constant=source[field])
    field = f"{field}Path"
    if field not in source:
        return None
    if calls:
        expression = parse_expression(source[field])
        return Setting(field, template=lambda environment: evaluate(expression, environment, field))
    return Setting(field, path=parse_path(source[field]))


def _pass(source: Source, common: dict[str, Any], _path: Location) -> State:
    return Pass(**common, result=Payload(source["Result"]) if "Result" in source else None)


def _succeed(_source: Source, common: dict[str, Any], _path: Location) -> State:
    return Succeed(**common)


def _fail(source: Source, common: dict[str, Any], _path: Location) -> State:
    return Fail(**common, error=_setting(source, "Error", calls=True), cause=_setting(source, "Cause", calls=True))


def _wait(source: Source, common: dict[str, Any], _path: Location) -> State:
    until = _setting(source, "Seconds") or _setting(source, "Timestamp")
    if until is None:
        raise ValueError("a Wait state needs one of Seconds, SecondsPath, Timestamp and TimestampPath")
    return Wait(**common, until=until)


def _choice(source: Source, common: dict[str, Any], _path: Location) -> State:
    rules = tuple(Rule(compile_rule(rule), rule["Next"], _template(rule, "Assign")) for rule in source["Choices"])
    return Choice(**common, rules=rules, default=source.get("Default"))


def _task(source: Source, common: dict[str, Any], _path: Location) -> State:
    return Task(
        **common,
        **_guards(source),
        resource=source["Resource"],
        timeout=_setting(source, "TimeoutSeconds"),
        heartbeat=_setting(source, "HeartbeatSeconds"),
        credentials=_template(source, "Credentials"),
    )


def _parallel(source: Source, common: dict[str, Any], path: Location) -> State:
    name = common["name"]
    branches = tuple(_scope(branch, (*path, (name, index))) for index, branch in enumerate(source["Branches"]))
    return Parallel(**common, **_guards(source), branches=branches)


def _map(source: Source, common: dict[str, Any], path: Location) -> State:
    processor = source.get("ItemProcessor") or source["Iterator"]
    if processor.get("ProcessorConfig", {}).get("Mode", "INLINE") != "INLINE":
        raise UnsupportedError(f"the Map state '{common['name']}' is distributed")
    # In a Map, Parameters is the older name of ItemSelector, so it is no part of the flow.
    flow = _flow({field: value for field, value in source.items() if field != "Parameters"})
    selector = _template(source, "ItemSelector") or _template(source, "Parameters")
    return Map(
        **{**common, "flow": flow},
        **_guards(source),
        processor=_scope(processor, (*path, (common["name"], 0))),
        items=_setting(source, "Items"),
        selector=selector,
        batcher=_batcher(source["ItemBatcher"]) if "ItemBatcher" in source else None,
        max_concurrency=_setting(source, "MaxConcurrency"),
        tolerated_count=_setting(source, "ToleratedFailureCount"),
        tolerated_percentage=_setting(source, "ToleratedFailurePercentage"),
    )


def _batcher(source: Source) -> Batcher:
    return Batcher(
        most_items=_setting(source, "MaxItemsPerBatch"),
        most_bytes=_setting(source, "MaxInputBytesPerBatch"),
        input=_template(source, "BatchInput"),
    )


def _guards(source: Source) -> dict[str, Any]:
    return {
        "retriers": tuple(_retrier(entry) for entry in source.get("Retry", ())),
        "catchers": tuple(_catcher(entry) for entry in source.get("Catch", ())),
    }


def _retrier(source: Source) -> Retrier:
    return Retrier(
        errors=tuple(source["ErrorEquals"]),
        interval=source.get("IntervalSeconds", 1),
        attempts=source.get("MaxAttempts", 3),
        backoff=source.get("BackoffRate", 2.0),
        max_delay=source.get("MaxDelaySeconds"),
        full_jitter=source.get("JitterStrategy", "NONE") == "FULL",
    )


def _catcher(source: Source) -> Catcher:
    return Catcher(
        errors=tuple(source["ErrorEquals"]),
        next=source["Next"],
        result_path=_data_path(source, "ResultPath"),
        assignments=_template(source, "Assign"),
    )


_BUILDERS: dict[str, Callable[[Source, dict[str, Any], Location], State]] = {
    "Choice": _choice,
    "Fail": _fail,
    "Map": _map,
    "Parallel": _parallel,
    "Pass": _pass,
    "Succeed": _succeed,
    "Task": _task,
    "Wait": _wait,
}
