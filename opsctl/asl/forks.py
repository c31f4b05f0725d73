"""An execution twice, to let each go on in its own way; and where an execution stands, to tell whether two stand alike.

What never changes (the machine, payloads, events that were written) is shared.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Hashable
from random import Random

from opsctl.asl.events import Journal
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.payload import to_text
from opsctl.asl.timers import Timers
from opsctl.asl.walk import Walk

_OWN = ("variables", "retries", "timers", "children", "results")


def fork(walk: Walk) -> Walk:
    """A walk that stands where this one does."""
    twin = copy.copy(walk)
    twin.random = Random(0)
    twin.random.setstate(walk.random.getstate())
    twin.journal = Journal(list(walk.journal.events))
    twin.timers = Timers(list(walk.timers.heap), walk.timers.sequence)
    twin.frames = {number: _fork_frame(frame) for number, frame in walk.frames.items()}
    twin.ready = deque(twin.frames[frame.id] for frame in walk.ready)
    twin.tasks = dict(walk.tasks)
    twin.effects = list(walk.effects)
    return twin


def _fork_frame(frame: Frame) -> Frame:
    twin = copy.copy(frame)
    for name in _OWN:
        setattr(twin, name, getattr(frame, name).copy())
    return twin


def standing(walk: Walk) -> Hashable:
    """All that decides what becomes of an ended execution when it is redriven: which state each path is in, with which
    data, and what its siblings have come to. Retries and clocks begin anew, so they do not count."""
    return walk.redrives, tuple(sorted(_stands(walk, frame) for frame in walk.frames.values()))


def _stands(walk: Walk, frame: Frame) -> tuple[str, ...]:
    place, parent = f"{frame.index}", frame.parent
    while parent is not None:
        outer = walk.frames[parent]
        place, parent = f"{outer.index}/{outer.state.name}/{place}", outer.parent
    began = "done" if frame.phase is Phase.DONE else "entered" if frame.entered else "ahead"
    data = to_text([frame.variables, [[key, value.text] for key, value in sorted(frame.results.items())]])
    return place, frame.state.name, began, frame.input.text, data
