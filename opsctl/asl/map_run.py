"""Map, distributed: the items run as executions of their own, a Map Run, that the driver keeps for us.

The walk writes the run's events, asks for the run with one effect (`effects.StartMapRun`), and takes its outcome. The
children's inputs are made here (`child_inputs`), because ItemSelector and ItemBatcher see what the state sees; items
are read, and results written, by the driver with `map_items.py` and `map_results.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from opsctl.asl.definition import Distribution, Map, Storage
from opsctl.asl.effects import Failed, MapRunStarted, Outcome, StartFailed, StartMapRun, SubmitFailed, Succeeded
from opsctl.asl.environment import Environment
from opsctl.asl.events import failure
from opsctl.asl.failures import RUNTIME, StateError
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.map_items import ITEM_READER_FAILED
from opsctl.asl.map_settings import batches, concurrency, items_of, tolerance
from opsctl.asl.payload import Payload, to_text
from opsctl.asl.sight import context_of
from opsctl.asl.walk import Walk


def run(walk: Walk, frame: Frame, state: Map, distribution: Distribution) -> None:
    """Ask for a Map Run. Raises `StateError`."""
    effective = state.flow.arguments(frame.input, walk.environment(frame))
    view = walk.environment(frame).with_data(effective.value).with_states(input=effective.value)
    items = None if distribution.reader else items_of(state, effective, view, objects=True)
    length = 0 if items is None else len(items)
    frame.link = frame.opened = walk.journal.add(walk.now, "MapStateStarted", frame.link, {"length": length})
    frame.selected, frame.run_redrives, frame.run_arn = effective, 0, _new_arn(walk, distribution.label)
    _ask(walk, frame, _plan(state, distribution, view, items))


def redrive(walk: Walk, frame: Frame) -> bool:
    """Ask for the frame's unsuccessful Map Run to go on; False if there is none and the state has to start afresh."""
    state = frame.state
    if not isinstance(state, Map) or state.distribution is None or not frame.run_arn or frame.selected is None:
        return False
    frame.run_redrives += 1
    frame.link = frame.opened
    view = walk.environment(frame).with_data(frame.selected.value).with_states(input=frame.selected.value)
    items = None if state.distribution.reader else items_of(state, frame.selected, view, objects=True)
    _ask(walk, frame, _plan(state, state.distribution, view, items))
    return True


def _plan(state: Map, distribution: Distribution, view: Environment, items: Any) -> dict[str, Any]:
    """The part of the effect that the definition and the state's input decide."""
    count, share = tolerance(state, view)
    return {
        "state": state.name,
        "label": distribution.label,
        "items": items,
        "reader": None if distribution.reader is None else _reader(distribution.reader, view),
        "max_concurrency": concurrency(state, view),
        "tolerated_count": count,
        "tolerated_percentage": share,
        "processor": dict(distribution.processor),
        "execution_type": distribution.execution_type,
        "writer": None if distribution.writer is None else _storage(distribution.writer, view, "WriterConfig"),
    }


def _ask(walk: Walk, frame: Frame, plan: Mapping[str, Any]) -> None:
    frame.phase, frame.started, frame.task = Phase.TASK, False, walk.next_task
    walk.next_task += 1
    walk.tasks[frame.task] = frame.id
    walk.effects.append(
        StartMapRun(task=frame.task, map_run_arn=frame.run_arn, redrives=frame.run_redrives, **dict(plan))
    )


def _reader(reader: Storage, view: Environment) -> dict[str, Any]:
    """ItemReader, evaluated. Raises `StateError` if MaxItems is no count."""
    document = _storage(reader, view, "ReaderConfig")
    if "MaxItems" in reader.config:
        most = reader.config["MaxItems"].integer(view)
        if most < 0:
            raise StateError(ITEM_READER_FAILED, "field MaxItems must be positive")
        document["ReaderConfig"]["MaxItems"] = most
    return document


def _storage(storage: Storage, view: Environment, config: str) -> dict[str, Any]:
    document: dict[str, Any] = {} if storage.resource is None else {"Resource": storage.resource}
    document["Parameters"] = {} if storage.parameters is None else storage.parameters(view)
    document[config] = {name: setting.evaluate(view) for name, setting in storage.config.items()}
    return document


def _new_arn(walk: Walk, label: str) -> str:
    """`arn:aws:states:region:account:mapRun:machine/label:id`, in the place of the execution."""
    parts = str(walk.base_context.get("Execution", {}).get("Id", "")).split(":")
    region, account, machine = (parts[3], parts[4], parts[6]) if len(parts) > 6 else ("us-east-1", "", "")
    identity = UUID(int=walk.random.getrandbits(128), version=4)
    return f"arn:aws:states:{region}:{account}:mapRun:{machine}/{label}:{identity}"


# the children


def child_inputs(walk: Walk, frame: Frame, items: list[Any] | dict[str, Any]) -> list[str]:
    """The children's inputs as JSON texts, of the items after ItemSelector and ItemBatcher. Raises `StateError`."""
    state = frame.state
    if not isinstance(state, Map) or frame.selected is None:
        raise TypeError(f"'{state.name}' has no Map Run")
    environment = walk.environment(frame).with_data(frame.selected.value).with_states(input=frame.selected.value)
    values: list[Any] = list(items.values()) if isinstance(items, dict) else list(items)
    keys = [{"Key": key} for key in items] if isinstance(items, dict) else [{}] * len(values)
    if state.selector is not None:
        selector, context = state.selector, context_of(walk, frame)
        values = [
            selector(_seeing(environment, {**context, "Map": {"Item": {"Index": index, **key, "Value": value}}}))
            for index, (key, value) in enumerate(zip(keys, values, strict=True))
        ]
    return [to_text(value) for value in batches(state, values, environment)]


def _seeing(environment: Environment, context: dict[str, Any]) -> Environment:
    return replace(environment, context=lambda: context)


# outcomes


def resolve(walk: Walk, frame: Frame, outcome: Outcome) -> None:
    """What the world says about the frame's Map Run."""
    if isinstance(outcome, Succeeded):
        _start(walk, frame)
        _succeeded(walk, frame, Payload(text=outcome.output))
    elif isinstance(outcome, Failed | StartFailed | SubmitFailed):
        _start(walk, frame)
        _failed(walk, frame, outcome.error or None, outcome.cause or None)
    elif isinstance(outcome, MapRunStarted):
        frame.run_arn = outcome.arn or frame.run_arn
        _start(walk, frame)


def _start(walk: Walk, frame: Frame) -> None:
    if frame.started:
        return
    frame.started = True
    details: dict[str, Any] = {"mapRunArn": frame.run_arn}
    kind = "MapRunStarted"
    if frame.run_redrives:
        kind, details["redriveCount"] = "MapRunRedriven", frame.run_redrives
    frame.link = walk.journal.add(walk.now, kind, frame.link, details)


def _succeeded(walk: Walk, frame: Frame, result: Payload) -> None:
    try:
        _ = result.value
    except ValueError as error:
        _failed(walk, frame, RUNTIME, f"The Map Run's result is no JSON: {error}")
        return
    _close(walk, frame)
    frame.run_arn = ""
    # AWS links the Exited event past these two, to MapRunStarted.
    ended = walk.journal.add(walk.now, "MapRunSucceeded", frame.link)
    if walk.habits.map_exit_after_run_end:
        frame.link = ended
    succeeded = walk.journal.add(walk.now, "MapStateSucceeded", ended)
    walk.leave_container(frame, result, succeeded)


def _failed(walk: Walk, frame: Frame, error: str | None, cause: str | None) -> None:
    _close(walk, frame)
    frame.link = walk.journal.add(walk.now, "MapRunFailed", frame.link, failure(error, cause))
    walk.fail(frame, error, cause)


def _close(walk: Walk, frame: Frame) -> None:
    if frame.task is not None:
        walk.tasks.pop(frame.task, None)
    frame.task, frame.started = None, False
