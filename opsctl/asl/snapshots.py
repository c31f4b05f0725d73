"""A walk as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from random import Random
from typing import Any

from opsctl.asl.definition import StateMachine
from opsctl.asl.effects import AbandonTask, Effect, ScheduleTask, StartMapRun
from opsctl.asl.events import Journal
from opsctl.asl.frames import dump_frame, load_frame
from opsctl.asl.handlers import Handlers
from opsctl.asl.payload import Payload
from opsctl.asl.timers import Timers
from opsctl.asl.walk import Walk

VERSION = 1
_EFFECTS: dict[str, type[Effect]] = {kind.__name__: kind for kind in (ScheduleTask, AbandonTask, StartMapRun)}
_PLAIN = ("now", "status", "output", "error", "cause", "redrives", "redriven_at", "next_frame", "next_task")


def dump(walk: Walk) -> dict[str, Any]:
    """Everything but the machine. Between calls no frame is ready to move, so `ready` needs no place."""
    version, internal, gauss = walk.random.getstate()
    return {
        "version": VERSION,
        **{name: getattr(walk, name) for name in _PLAIN},
        "input": walk.input.text,
        "context": dict(walk.base_context),
        "random": [version, list(internal), gauss],
        "events": list(walk.journal.events),
        "timers": [list(entry) for entry in sorted(walk.timers.heap)],
        "sequence": walk.timers.sequence,
        "frames": [dump_frame(frame) for frame in walk.frames.values()],
        "tasks": [[task, frame] for task, frame in walk.tasks.items()],
        "effects": [{"kind": type(effect).__name__, **asdict(effect)} for effect in walk.effects],
    }


def load(machine: StateMachine, snapshot: Mapping[str, Any], handlers: Handlers) -> Walk:
    """The walk of `dump`. Raises `KeyError` if it is of another machine, `ValueError` if of another version."""
    if snapshot["version"] != VERSION:
        raise ValueError(f"a snapshot of version {snapshot['version']} cannot be restored by version {VERSION}")
    random = Random()
    version, internal, gauss = snapshot["random"]
    random.setstate((version, tuple(internal), gauss))
    walk = Walk(machine, Payload(text=snapshot["input"]), snapshot["context"], random, handlers)
    for name in _PLAIN:
        setattr(walk, name, snapshot[name])
    walk.journal = Journal(list(snapshot["events"]))
    walk.timers = Timers([(due, order, frame, kind) for due, order, frame, kind in snapshot["timers"]])
    walk.timers.sequence = snapshot["sequence"]
    walk.frames = {document["id"]: load_frame(document, machine) for document in snapshot["frames"]}
    walk.tasks = dict(snapshot["tasks"])
    walk.effects = [_effect(document) for document in snapshot["effects"]]
    return walk


def _effect(document: Mapping[str, Any]) -> Effect:
    fields = {name: value for name, value in document.items() if name != "kind"}
    return _EFFECTS[document["kind"]](**fields)
