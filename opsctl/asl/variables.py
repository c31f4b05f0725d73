"""How an execution keeps its variables, and how much of them AWS lets it have.

The limits are documented (Developer Guide, "Passing data between states with variables"); with which error AWS answers
is not, so it is the one for data that is too large anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opsctl.asl.failures import DATA_LIMIT_EXCEEDED, StateError
from opsctl.asl.payload import LIMIT_BYTES, to_text

if TYPE_CHECKING:
    from opsctl.asl.frames import Frame
    from opsctl.asl.walk import Walk

MOST_STORED_BYTES = 10 * 1_048_576
"""What all variables of an execution may have together; one Assign may have `LIMIT_BYTES`."""


def assign(walk: Walk, frame: Frame, assigned: Mapping[str, Any]) -> dict[str, str]:
    """Set the frame's variables; returns each as JSON text, as the history shows it. Raises `StateError` beyond a
    limit, and then sets none."""
    texts = {name: to_text(value) for name, value in assigned.items()}
    added = _bytes(texts.values())
    if added > LIMIT_BYTES:
        raise _too_large(f"The state/task '{frame.state.name}' assigned variables with a size exceeding")
    if walk.stored_bytes is None or walk.stored_bytes + added > MOST_STORED_BYTES:
        walk.stored_bytes = _stored(walk, frame, assigned)
        if walk.stored_bytes + added > MOST_STORED_BYTES:
            raise _too_large("The execution's variables have a total size exceeding")
    walk.stored_bytes += added
    frame.variables.update(assigned)
    return texts


def _stored(walk: Walk, assigning: Frame, assigned: Mapping[str, Any]) -> int:
    """The bytes of all variables in scope but those that are replaced. In between, `stored_bytes` only grows: it may
    be too large then, never too small, and counting is put off until it matters."""
    return sum(
        _bytes(
            to_text(value) for name, value in frame.variables.items() if frame is not assigning or name not in assigned
        )
        for frame in walk.frames.values()
        if frame.open
    )


def _bytes(texts: Iterable[str]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _too_large(what: str) -> StateError:
    return StateError(DATA_LIMIT_EXCEEDED, f"{what} the maximum number of bytes service limit.")
