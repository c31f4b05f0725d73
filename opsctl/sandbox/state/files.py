"""How a state's files are written: for their owner alone, and never by half."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal


@contextlib.contextmanager
def written(path: Path, mode: Literal["wb", "xb"]) -> Iterator[IO[bytes]]:
    """A file to write into. What cannot be written to its end, for want of room on the disk, is removed: it would take
    the room that is left."""
    with open(path, mode, opener=_private) as file:
        try:
            yield file
            file.flush()
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
