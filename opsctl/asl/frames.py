"""Where an execution stands: one frame for each path that is being walked.

The root frame walks the machine, each branch of a running Parallel has a frame of its own below its parent's. Frames
are plain data and survive a snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from opsctl.asl.definition import Scope, State, StateMachine
from opsctl.asl.payload import Payload


class Phase(StrEnum):
    """What the frame does next, or waits for."""

    ENTER = "ENTER"
    RUN = "RUN"
    TASK = "TASK"
    WAIT = "WAIT"
    RETRY = "RETRY"
    JOIN = "JOIN"
    FAIL = "FAIL"
    DONE = "DONE"
    FAILED = "FAILED"
    ABORTED = "ABORTED"


@dataclass(slots=True)
class Frame:
    """One path through a scope."""

    id: int
    parent: int | None
    index: int
    """Which branch of the parent's state this is."""
    scope: Scope
    state: State
    input: Payload
    link: int
    """The event that the frame's next event points back to."""
    phase: Phase = Phase.ENTER
    entered: int = 0
    """The id of the current state's Entered event; 0 while it is not entered."""
    entered_at: float = 0.0
    came_from: int = 0
    """The event that the Entered event points back to."""
    variables: dict[str, Any] = field(default_factory=dict)
    attempt: int = 0
    """How often the current state was retried (`$$.State.RetryCount`)."""
    retries: dict[int, int] = field(default_factory=dict)
    """How often each retrier was used."""
    task: int | None = None
    token: str | None = None
    started: bool = False
    """Whether the current task's Started event is written."""
    timeout: float | None = None
    heartbeat: float | None = None
    missed: str = ""
    """Which clock of the task has run out, "timeout" or "heartbeat"."""
    timers: dict[str, int] = field(default_factory=dict)
    """The valid timer of each kind, by its sequence number."""
    children: list[int] = field(default_factory=list)
    results: dict[int, Payload] = field(default_factory=dict)
    """What each finished branch made."""
    items: list[Any] = field(default_factory=list)
    """A Map's items, or batches of them."""
    selected: Payload | None = None
    """A Map's effective input, for its ItemSelector."""
    limit: int = 0
    """How many of a Map's iterations may run at once."""
    opened: int = 0
    """The id of a Map's Started event."""
    begun: int = 0
    """How many of a Map's iterations have been started."""
    tolerated: int = 0
    """How many of a Map's iterations may fail."""
    failures: int = 0
    """How many of them have."""
    run_arn: str = ""
    """The Map Run of a distributed Map."""
    run_redrives: int = 0
    """How often that Map Run was redriven."""

    @property
    def open(self) -> bool:
        """Whether the frame still has something to do."""
        return self.phase not in (Phase.DONE, Phase.FAILED, Phase.ABORTED)


_SPECIAL = {"scope", "state", "input", "results", "retries", "selected"}
_PLAIN = [item.name for item in fields(Frame) if item.name not in _SPECIAL]


def dump_frame(frame: Frame) -> dict[str, Any]:
    """A frame as JSON."""
    document = {name: getattr(frame, name) for name in _PLAIN}
    for name in ("variables", "timers", "children"):
        document[name] = document[name].copy()
    return {
        **document,
        "phase": frame.phase.value,
        "scope": [list(step) for step in frame.scope.path],
        "state": frame.state.name,
        "input": frame.input.text,
        "selected": None if frame.selected is None else frame.selected.text,
        "retries": list(frame.retries.items()),
        "results": [[index, result.text] for index, result in frame.results.items()],
    }


def load_frame(document: dict[str, Any], machine: StateMachine) -> Frame:
    """The frame of `dump_frame`. Raises `KeyError` if the machine has no such scope or state."""
    scope = machine.scope_at(tuple((name, index) for name, index in document["scope"]))
    plain = {name: document[name] for name in _PLAIN}
    for name in ("variables", "timers", "children"):
        plain[name] = plain[name].copy()
    plain["phase"] = Phase(document["phase"])
    return Frame(
        **plain,
        scope=scope,
        state=scope.states[document["state"]],
        input=Payload(text=document["input"]),
        selected=None if document["selected"] is None else Payload(text=document["selected"]),
        retries=dict(document["retries"]),
        results={index: Payload(text=text) for index, text in document["results"]},
    )
