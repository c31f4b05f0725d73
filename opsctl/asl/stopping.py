"""How the branches of a Parallel or Map are stopped, and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsctl.asl.frames import Frame, Phase

if TYPE_CHECKING:
    from opsctl.asl.walk import Walk

_HAS_ABORTED_EVENT = frozenset({"Task", "Wait", "Parallel", "Map"})


def abort(walk: Walk, frame: Frame, link: int) -> None:
    """Stop a branch and all below it; the events that say so point at `link`, the event that failed."""
    for child in frame.children:
        abort(walk, walk.frames[child], link)
    if frame.phase in (Phase.DONE, Phase.ABORTED):
        return
    begun = frame.phase is not Phase.ENTER
    frame.phase = Phase.ABORTED
    frame.timers.clear()
    walk.abandon(frame)
    if frame.run_arn and frame.started:  # not measured: the event type is documented, a recording of it is missing
        walk.journal.add(walk.now, "MapRunAborted", link)
    if begun and frame.state.type in _HAS_ABORTED_EVENT:
        walk.journal.add(walk.now, f"{frame.state.type}StateAborted", link)


def drop_children(walk: Walk, frame: Frame) -> None:
    """Forget the branches of a container that starts again or is left."""
    for child in frame.children:
        drop_children(walk, walk.frames[child])
        del walk.frames[child]
    frame.children.clear()
    frame.results.clear()
