"""A walk as JSON, and back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from random import Random
from typing import Any

from opsctl.asl.definition import StateMachine
from opsctl.asl.effects import AbandonTask, Effect, ScheduleTask, StartMapRun
from opsctl.asl.events import Journal
from opsctl.asl.frames import dump_frame, load_frame
from opsctl.asl.habits import Habits
from opsctl.asl.handlers import Handlers
from opsctl.asl.payload import Payload
from opsctl.asl.timers import Timers
from opsctl.asl.walk import Walk

VERSION = 2
_EFFECTS: dict[str, type[Effect]] = {kind.__name__: kind for kind in (ScheduleTask, AbandonTask, StartMapRun)}
_PLAIN = (
    "now", "status", "output", "error", "cause", "redrives", "redriven_at", "next_frame", "next_task", "stored_bytes",
)  # fmt: skip


def dump(walk: Walk) -> dict[str, Any]:
    """Everything but the machine, of a walk that waits, has paused or has ended."""
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
        "ready": [frame.id for frame in walk.ready if frame.open],
        "tasks": [[task, frame] for task, frame in walk.tasks.items()],
        "effects": [{"kind": type(effect).__name__, **asdict(effect)} for effect in walk.effects],
        "given": dict(walk.given),
        "spoiled": dict(walk.spoiled),
        "habits": asdict(walk.habits),
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
    walk.ready = deque(walk.frames[number] for number in snapshot["ready"])
    walk.tasks = dict(snapshot["tasks"])
    walk.effects = [_effect(document) for document in snapshot["effects"]]
    walk.given, walk.spoiled = dict(snapshot["given"]), dict(snapshot["spoiled"])
    walk.habits = Habits(**snapshot["habits"])
    return walk


def _effect(document: Mapping[str, Any]) -> Effect:
    fields = {name: value for name, value in document.items() if name != "kind"}
    return _EFFECTS[document["kind"]](**fields)
