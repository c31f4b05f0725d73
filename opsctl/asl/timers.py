"""The clocks of an execution: what is due when, in a deterministic order."""

from __future__ import annotations

import heapq

from opsctl.asl.frames import Frame

Entry = tuple[float, int, int, str]


class Timers:
    """A heap of (due, sequence, frame id, kind). A timer is valid while its frame still names its sequence number."""

    __slots__ = ("heap", "sequence")

    def __init__(self, heap: list[Entry] | None = None, sequence: int = 0) -> None:
        self.heap = [] if heap is None else heap
        self.sequence = sequence

    def set(self, frame: Frame, kind: str, due: float) -> None:
        """Start a timer of the frame; an older one of the same kind is void."""
        self.sequence += 1
        frame.timers[kind] = self.sequence
        heapq.heappush(self.heap, (due, self.sequence, frame.id, kind))

    def next_due(self, frames: dict[int, Frame]) -> float | None:
        """When the next valid timer is due."""
        while self.heap and not _valid(self.heap[0], frames):
            heapq.heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    def pop_due(self, now: float, frames: dict[int, Frame]) -> tuple[Frame, str] | None:
        """Take the earliest valid timer that is due by `now`."""
        due = self.next_due(frames)
        if due is None or due > now:
            return None
        _, _, frame_id, kind = heapq.heappop(self.heap)
        frame = frames[frame_id]
        del frame.timers[kind]
        return frame, kind


def _valid(entry: Entry, frames: dict[int, Frame]) -> bool:
    frame = frames.get(entry[2])
    return frame is not None and frame.timers.get(entry[3]) == entry[1]
