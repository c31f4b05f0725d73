"""From JSON to `StateMachine`: one small builder per kind of state.

A builder may rely on the document having passed `validate`; what it still raises as `ValueError` is an expression that
does not parse. What differs between the query languages is in `languages.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opsctl.asl.definition import (
    Batcher,
    Choice,
    Distribution,
    Fail,
    Map,
    Parallel,
    Pass,
    Retrier,
    Scope,
    State,
    StateMachine,
    Storage,
    Succeed,
    Task,
    Wait,
)
from opsctl.asl.languages import Language, Source
from opsctl.asl.payload import Payload

Location = tuple[tuple[str, int], ...]
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_LABEL = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where a state stands: its name, its scope's path, its own language and the one its scopes inherit."""

    name: str
    path: Location
    language: Language
    inherited: Language

    def inner(self, index: int) -> Location:
        """The path of a scope inside the state."""
        return (*self.path, (self.name, index))


def build_machine(source: Source) -> StateMachine:
    """Make a machine of a checked definition. Raises `ValueError` if an expression does not parse."""
    return StateMachine(
        scope=_scope(source, (), Language(source.get("QueryLanguage") == "JSONata")),
        timeout=source.get("TimeoutSeconds"),
        comment=source.get("Comment"),
        source=source,
    )


def _scope(source: Source, path: Location, language: Language) -> Scope:
    states = {name: _state(name, state, path, language) for name, state in source["States"].items()}
    return Scope(source["StartAt"], states, path)


def _state(name: str, source: Source, path: Location, inherited: Language) -> State:
    """A state in its own query language. The scopes in it inherit the machine's, not its own."""
    language = Language(inherited.jsonata or source.get("QueryLanguage") == "JSONata")
    common = {
        "name": name,
        "type": source["Type"],
        "next": source.get("Next"),
        "flow": language.flow(source),
        "jsonata": language.jsonata,
    }
    place = Place(name, path, language, inherited)
    return _BUILDERS[source["Type"]](source, common, place)


def _pass(source: Source, common: dict[str, Any], _place: Place) -> State:
    return Pass(**common, result=Payload(source["Result"]) if "Result" in source else None)


def _succeed(_source: Source, common: dict[str, Any], _place: Place) -> State:
    return Succeed(**common)


def _fail(source: Source, common: dict[str, Any], place: Place) -> State:
    setting = place.language.setting
    return Fail(**common, error=setting(source, "Error", calls=True), cause=setting(source, "Cause", calls=True))


def _wait(source: Source, common: dict[str, Any], place: Place) -> State:
    until = place.language.setting(source, "Seconds") or place.language.setting(source, "Timestamp")
    if until is None:
        raise ValueError("a Wait state needs one of Seconds, SecondsPath, Timestamp and TimestampPath")
    return Wait(**common, until=until)


def _choice(source: Source, common: dict[str, Any], place: Place) -> State:
    rules = tuple(place.language.rule(rule, index) for index, rule in enumerate(source["Choices"]))
    return Choice(**common, rules=rules, default=source.get("Default"))


def _task(source: Source, common: dict[str, Any], place: Place) -> State:
    return Task(
        **common,
        **_guards(source, place.language),
        resource=source["Resource"],
        timeout=place.language.setting(source, "TimeoutSeconds"),
        heartbeat=place.language.setting(source, "HeartbeatSeconds"),
        credentials=place.language.template(source, "Credentials"),
    )


def _parallel(source: Source, common: dict[str, Any], place: Place) -> State:
    branches = tuple(
        _scope(branch, place.inner(index), place.inherited) for index, branch in enumerate(source["Branches"])
    )
    return Parallel(**common, **_guards(source, place.language), branches=branches)


def _map(source: Source, common: dict[str, Any], place: Place) -> State:
    language = place.language
    processor = source.get("ItemProcessor") or source["Iterator"]
    # In a Map, Parameters is the older name of ItemSelector, so it is no part of the flow.
    flow = language.flow({field: value for field, value in source.items() if field != "Parameters"})
    selector = language.template(source, "ItemSelector") or language.template(source, "Parameters")
    return Map(
        **{**common, "flow": flow},
        **_guards(source, language),
        processor=_scope(processor, place.inner(0), place.inherited),
        items=language.setting(source, "Items"),
        selector=selector,
        batcher=_batcher(source["ItemBatcher"], language) if "ItemBatcher" in source else None,
        max_concurrency=language.setting(source, "MaxConcurrency"),
        tolerated_count=language.setting(source, "ToleratedFailureCount"),
        tolerated_percentage=language.setting(source, "ToleratedFailurePercentage"),
        distribution=_distribution(source, processor, place),
    )


def _distribution(source: Source, processor: Source, place: Place) -> Distribution | None:
    config = processor.get("ProcessorConfig") or {}
    if config.get("Mode", "INLINE") == "INLINE":
        return None
    child = {name: value for name, value in processor.items() if name != "ProcessorConfig"}
    if place.inherited.jsonata:
        child["QueryLanguage"] = "JSONata"
    return Distribution(
        label=source.get("Label") or _NOT_IN_LABELS.sub("", place.name)[:_LONGEST_LABEL] or "Map",
        reader=_storage(source, "ItemReader", "ReaderConfig", place.language),
        writer=_storage(source, "ResultWriter", "WriterConfig", place.language),
        execution_type=config.get("ExecutionType", "STANDARD"),
        processor=child,
    )


def _storage(source: Source, field: str, config: str, language: Language) -> Storage | None:
    if field not in source:
        return None
    holder = source[field]
    names = dict.fromkeys(name.removesuffix("Path") for name in holder.get(config) or {})
    settings = {name: language.setting(holder[config], name) for name in names}
    return Storage(
        resource=holder.get("Resource"),
        parameters=language.template(holder, "Arguments" if language.jsonata else "Parameters"),
        config={name: setting for name, setting in settings.items() if setting is not None},
    )


def _batcher(source: Source, language: Language) -> Batcher:
    return Batcher(
        most_items=language.setting(source, "MaxItemsPerBatch"),
        most_bytes=language.setting(source, "MaxInputBytesPerBatch"),
        input=language.template(source, "BatchInput"),
    )


def _guards(source: Source, language: Language) -> dict[str, Any]:
    return {
        "retriers": tuple(_retrier(entry) for entry in source.get("Retry", ())),
        "catchers": tuple(language.catcher(entry, index) for index, entry in enumerate(source.get("Catch", ()))),
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


_BUILDERS: dict[str, Callable[[Source, dict[str, Any], Place], State]] = {
    "Choice": _choice,
    "Fail": _fail,
    "Map": _map,
    "Parallel": _parallel,
    "Pass": _pass,
    "Succeed": _succeed,
    "Task": _task,
    "Wait": _wait,
}
