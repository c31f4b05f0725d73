"""The sandbox's mailbox, as anybody on this machine can read it: who was told of which run.

A message is written once and never changed, so that each is read once, however often somebody looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from opsctl.config import Context

QUESTION = "approval"  # the `kind` of a message that asks for an answer


@dataclass(frozen=True)
class Message:
    """What a message's headers say, and all of it for one that names no run there."""

    headers: dict[str, str]
    text: str

    def warns_of(self, run: str) -> bool:
        """Whether it tells of this run, and of something else than its success, and asks nothing."""
        if self.headers.get("status", "").upper() == "SUCCEEDED" or self.headers.get("kind") == QUESTION:
            return False
        if "run" in self.headers:
            return self.headers["run"] == run
        return re.search(rf"(?<![\w-]){re.escape(run)}(?![\w-])", self.text) is not None


@dataclass
class Mailbox:
    """The messages in this folder."""

    folder: Path
    _read: dict[str, Message] = field(default_factory=dict, repr=False)

    def alerts_of(self, run: str) -> int:
        """How many messages there are that warn of a run."""
        return sum(message.warns_of(run) for message in self._messages())

    def _messages(self) -> Iterator[Message]:
        for path in self.folder.glob("*.txt"):
            if path.name not in self._read:
                self._read[path.name] = _message(path.read_text(encoding="utf-8", errors="replace"))
            yield self._read[path.name]


def mailbox_of(context: Context) -> Mailbox:
    """The mailbox of the sandbox that a context is of."""
    return Mailbox(context.outputs.parent / "mailbox")


def _message(text: str) -> Message:
    head = text.partition("\n\n")[0]
    headers = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    return Message(headers, "" if "run" in headers else text)
