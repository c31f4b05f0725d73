"""What is done to a machine to break it that takes more than one of its states; and everything that is done to one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.mutant_kinds import DAY, OF_STATE, TASKS, OnState, State, States, scopes_of, states_of

Change = Callable[[States, dict[str, Any]], None]
FAILURE, SUCCESS = "-failures", "-successes"  # how the topics' names end


def changes(sound: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    """Everything that is done to a machine, state by state."""
    states = states_of(sound)
    for name, state in states.items():
        for kind in OF_STATE:
            yield from ((f"{name}: {words}", _on(name, change)) for words, change in kind(state))
        for whole in OF_MACHINE:
            yield from ((f"{name}: {words}", change) for words, change in whole(name, states, sound))
    yield "the machine: 5 minutes for all", lambda _, definition: definition.update(TimeoutSeconds=300)


def _on(name: str, change: OnState) -> Change:
    return lambda states, _: change(states[name])


def order(name: str, states: States, _: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    """States left out, asked twice, told before they are described, made to wait for."""
    state = states[name]
    if "Next" in state and state["Type"] in TASKS:
        yield "left out", _left_out(name)
    if state["Type"] in TASKS:
        yield "a day late", _late(name)
    if name in ("Describe Failure", "Notify Failure"):
        yield "asked twice", _twice(name)
    if name == "Notify Failure" and "Describe Failure" in states:
        yield "told before it is described", _told_first
    for index in range(len(state.get("Branches", ()))):
        if len(state["Branches"]) > 1:
            yield f"no branch {index}", lambda some, _all, index=index: some[name]["Branches"].pop(index)


def ways(name: str, states: States, sound: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    """Failures that lead where those of others lead, or to what tells of success."""
    scope = next(one for one in scopes_of(sound) if name in one["States"])
    others = {entry["Next"] for state in scope["States"].values() for entry in state.get("Catch", ())}
    others |= {other for other, state in scope["States"].items() if SUCCESS in json.dumps(state.get("Parameters"))}
    for index, entry in enumerate(states[name].get("Catch", ())):
        for other in sorted(others - {entry["Next"], states[name].get("Next"), name}):
            yield (
                f"Catch {index} leads to {other}",
                lambda some, _, index=index, other=other: some[name]["Catch"][index].update(Next=other),
            )


def guards(name: str, states: States, _: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    """Guards that read another's key; a guard in front of what nobody may leave out."""
    state = states[name]
    keys = {path for other in states.values() for path in _skips(other)}
    for own in sorted(_skips(state)):
        for other in sorted(keys - {own}):
            yield f"reads {other.rpartition('.')[2]}", _replaced(name, own, other)
    if state["Type"] == "Task" and state.get("ResultPath") and "Next" in state:
        guarded = any(_skips(other) and other.get("Default") == name for other in states.values())
        if not guarded:
            yield "can be skipped", _guarded(name)


def _skips(state: State) -> set[str]:
    texts = json.dumps(state.get("Choices", ())).split('"')
    return {text for text in texts if text.startswith("$$.Execution.Input.skip.")}


def siblings(name: str, states: States, _: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    """A job that is asked for with what is another's: its name, its place, its hyperparameters; another topic."""
    state = states[name]
    text = json.dumps(state.get("Parameters"))
    alike = [other for other, one in states.items() if one.get("Resource") == state.get("Resource")]
    for other in alike if state.get("Resource", "").endswith(".sync") else ():
        if other != name:
            for field, value in state["Parameters"].items():
                if _slug(name) in json.dumps(value):
                    yield f"{field} of {other}", _in_field(name, field, _slug(name), _slug(other))
                own, others = (_slug(one).removeprefix("train-").replace("-", "_") for one in (name, other))
                if f"hyperparameters.{own}" in json.dumps(value):
                    yield f"{field} of {other}", _in_field(name, field, own, others)
    for topic, wrong in ((FAILURE, SUCCESS), (SUCCESS, FAILURE)):
        if f'{topic}"' in text:
            yield f"tells {wrong}", _in_field(name, "TopicArn", topic, wrong)


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _in_field(name: str, field: str, old: str, new: str) -> Change:
    def change(states: States, _: dict[str, Any]) -> None:
        parameters = states[name]["Parameters"]
        parameters[field] = json.loads(json.dumps(parameters[field]).replace(old, new))

    return change


def _replaced(name: str, old: str, new: str) -> Change:
    def change(states: States, _: dict[str, Any]) -> None:
        states[name]["Choices"] = json.loads(json.dumps(states[name]["Choices"]).replace(f'"{old}"', f'"{new}"'))

    return change


def _twice(name: str) -> Change:
    def change(states: States, definition: dict[str, Any]) -> None:
        definition["States"][f"{name} Again"] = copy.deepcopy(states[name])
        states[name]["Next"] = f"{name} Again"

    return change


def _late(name: str) -> Change:
    def change(_: States, definition: dict[str, Any]) -> None:
        scope = next(one for one in scopes_of(definition) if name in one["States"])
        _redirect(scope, name, f"Before {name}")
        scope["States"][f"Before {name}"] = {"Type": "Wait", "Seconds": DAY, "Next": name}

    return change


def _guarded(name: str) -> Change:
    def change(states: States, definition: dict[str, Any]) -> None:
        scope = next(one for one in scopes_of(definition) if name in one["States"])
        path = f"$$.Execution.Input.skip.{_slug(name).replace('-', '_')}"
        asked = {"And": [{"Variable": path, "IsPresent": True}, {"Variable": path, "BooleanEquals": True}]}
        _redirect(scope, name, f"Skip {name}?")
        scope["States"][f"Skip {name}?"] = {
            "Type": "Choice", "Choices": [{**asked, "Next": states[name]["Next"]}], "Default": name,
        }  # fmt: skip

    return change


def _told_first(states: States, definition: dict[str, Any]) -> None:
    describe, notify = states["Describe Failure"], states["Notify Failure"]
    scope = next(one for one in scopes_of(definition) if "Notify Failure" in one["States"])
    last = notify["Next"]
    _redirect(scope, "Notify Failure", last)
    _redirect(scope, "Describe Failure", "Notify Failure")
    notify["Next"] = "Describe Failure"
    describe["Next"] = last


def _left_out(name: str) -> Change:
    def change(states: States, definition: dict[str, Any]) -> None:
        _redirect(definition, name, states[name]["Next"])
        for scope in scopes_of(definition):
            scope["States"].pop(name, None)

    return change


def _redirect(value: Any, name: str, target: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("Next", "Default", "StartAt") and inner == name:
                value[key] = target
            else:
                _redirect(inner, name, target)
    elif isinstance(value, list):
        for inner in value:
            _redirect(inner, name, target)


OF_MACHINE = (order, ways, guards, siblings)
