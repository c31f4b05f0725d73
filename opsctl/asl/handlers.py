"""Which handler runs which kind of state, and which container hears of its branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsctl.asl import map_run, map_state, parallel_state, simple_states, task_state
from opsctl.asl.effects import Outcome
from opsctl.asl.frames import Frame
from opsctl.asl.payload import Payload
from opsctl.asl.walk import Walk

_RUN: dict[str, Callable[[Walk, Frame, Any], None]] = {
    "Choice": simple_states.run_choice,
    "Fail": simple_states.run_fail,
    "Map": map_state.run,
    "Parallel": parallel_state.run,
    "Pass": simple_states.run_pass,
    "Succeed": simple_states.run_succeed,
    "Task": task_state.run,
    "Wait": simple_states.run_wait,
}


class Handlers:
    """The dispatch table; an object so that the walk need not import the handlers that import it."""

    def run(self, walk: Walk, frame: Frame) -> None:
        """Run the frame's state. Raises `StateError`."""
        _RUN[frame.state.type](walk, frame, frame.state)

    def resolve(self, walk: Walk, frame: Frame, outcome: Outcome) -> None:
        """The world has told something about the frame's task or Map Run."""
        answer = map_run.resolve if frame.state.type == "Map" else task_state.resolve
        answer(walk, frame, outcome)

    def child_done(self, walk: Walk, parent: Frame, child: Frame, output: Payload) -> None:
        """A branch has ended well."""
        container = map_state if parent.state.type == "Map" else parallel_state
        container.child_done(walk, parent, child, output)

    def child_failed(self, walk: Walk, parent: Frame, child: Frame, error: str | None, cause: str | None) -> None:
        """A branch has failed."""
        container = map_state if parent.state.type == "Map" else parallel_state
        container.child_failed(walk, parent, child, error, cause)

    def given_up(self, walk: Walk, frame: Frame) -> None:
        """The state has failed for good: no retry is left."""
        if frame.state.type == "Parallel":
            parallel_state.given_up(walk, frame)
        elif frame.state.type == "Map":
            map_state.given_up(walk, frame)
