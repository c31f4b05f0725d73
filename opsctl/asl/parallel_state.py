"""Parallel: several branches on the same input; the first that fails takes the others with it."""

from __future__ import annotations

from opsctl.asl.definition import Parallel
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.payload import Payload, array_of
from opsctl.asl.stopping import abort, drop_children
from opsctl.asl.walk import Walk


def run(walk: Walk, frame: Frame, state: Parallel) -> None:
    """Start the branches."""
    effective = state.flow.arguments(frame.input, walk.environment(frame))
    frame.link = walk.journal.add(walk.now, "ParallelStateStarted", frame.link)
    frame.phase = Phase.JOIN
    for index, branch in enumerate(state.branches):
        walk.spawn(branch, effective, frame, index, frame.link)


def child_done(walk: Walk, parent: Frame, child: Frame, output: Payload) -> None:
    """A branch has ended well; with the last one, so has the state."""
    parent.results[child.index] = output
    state = parent.state
    if not isinstance(state, Parallel) or len(parent.results) < len(state.branches):
        return
    # AWS links the Exited event to the branch that ended last, past the Succeeded event.
    parent.link = child.link
    succeeded = walk.journal.add(walk.now, "ParallelStateSucceeded", child.link)
    result = array_of(parent.results[index] for index in range(len(state.branches)))
    drop_children(walk, parent)
    walk.leave_container(parent, result, succeeded)


def child_failed(walk: Walk, parent: Frame, child: Frame, error: str | None, cause: str | None) -> None:
    """A branch has failed: abort the others, then fail as the branch did."""
    parent.link = child.link
    for sibling in parent.children:
        abort(walk, walk.frames[sibling], child.link)
    walk.fail(parent, error, cause)


def given_up(walk: Walk, frame: Frame) -> None:
    """No retry is left."""
    frame.link = walk.journal.add(walk.now, "ParallelStateFailed", frame.link)
