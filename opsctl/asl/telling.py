"""What AWS says of a state that failed by a rule or an expression: the cause, and an event of its own before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsctl.asl.failures import QueryError, StateError
from opsctl.asl.frames import Frame

if TYPE_CHECKING:
    from opsctl.asl.walk import Walk


def told(walk: Walk, frame: Frame, problem: StateError) -> str | None:
    """The cause as AWS tells it, written down first if it has an event of its own."""
    cause = problem.cause
    if problem.evaluation:
        cause = (
            f"An error occurred while executing the state '{frame.state.name}' "
            f"(entered at the event id #{frame.entered}). {cause}"
        )
    if isinstance(problem, QueryError):
        _write_evaluation_failed(walk, frame, problem, cause)
    return cause


def _write_evaluation_failed(walk: Walk, frame: Frame, problem: QueryError, cause: str | None) -> None:
    details = {"error": problem.error, "cause": cause, "state": frame.state.name}
    if problem.location is not None:
        details["location"] = problem.location
    # Before the state has done anything, AWS links the event past the Entered event.
    fresh = frame.link == frame.entered and not problem.late
    link = frame.came_from if fresh else frame.link
    frame.link = walk.journal.add(walk.now, "EvaluationFailed", link, details)
