"""What an activity's task is answered with, once the command that was run for it has ended.

Errors are named `Worker.…`, so that a Retry or Catch of the state can tell them from each other. AWS's limits (API
reference, SendTaskSuccess and SendTaskFailure): an output has at most 262,144 bytes, a cause 32,768 characters.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass

from opsctl.domain.redaction import redacted

OUTPUT_BYTES = 262_144
CAUSE_CHARACTERS = 32_768
QUOTED = 200
"""Characters of a bad output that the cause quotes."""

FAILED, KILLED, TIMED_OUT = "Worker.CommandFailed", "Worker.CommandKilled", "Worker.Timeout"
BAD_OUTPUT, LARGE_OUTPUT, INTERRUPTED = "Worker.InvalidOutput", "Worker.OutputTooLarge", "Worker.Interrupted"
NO_COMMAND = "Worker.CommandNotStarted"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: `status` as subprocess has it (-9 for signal 9), at most one byte more of `stdout` than a
    task's output may have, the end of `stderr`, and what ended the command if we did."""

    status: int
    stdout: bytes
    stderr: str
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A task's output as JSON text, or the error and cause of its failure."""

    output: str | None = None
    error: str = ""
    cause: str = ""


def answer(ended: Ended) -> Answer:
    """The answer for a task whose command has ended. Nothing on stdout is the output `{}`."""
    if ended.ended_by is not None:
        return failure(ended.ended_by, "the command was ended by the worker", ended.stderr)
    if ended.status < 0:
        return failure(KILLED, f"signal {-ended.status} ({_signal_name(-ended.status)})", ended.stderr)
    if ended.status > 0:
        return failure(FAILED, f"exit code {ended.status}", ended.stderr)
    if len(ended.stdout) > OUTPUT_BYTES:
        return failure(LARGE_OUTPUT, f"the command printed more than {OUTPUT_BYTES:,} bytes", ended.stderr)
    return _output(ended)


def failure(error: str, what: str, stderr: str = "") -> Answer:
    """A failure that says what happened and, without credentials, what the command said last."""
    last_words = redacted(stderr.strip())
    room = CAUSE_CHARACTERS - len(what) - 2
    return Answer(error=error, cause=f"{what}: {last_words[-room:]}" if last_words else what)


def _output(ended: Ended) -> Answer:
    try:
        text = ended.stdout.decode().strip() or "{}"
        # Not only what Python takes for JSON: AWS refuses NaN and Infinity.
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        start = redacted(ended.stdout[:QUOTED].decode(errors="replace").strip())
        return failure(BAD_OUTPUT, f"the command printed no JSON but {start!r}", ended.stderr)
    return Answer(output=text)


def _refuse(word: str) -> None:
    raise ValueError(word)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
