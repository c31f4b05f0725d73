"""What a drill is made of: faults, and what is refuted by them. Values only; times are seconds of the virtual clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How a state, or the run, is broken."""

    REFUSED = "refused"
    """The service does not take the request."""
    FAILED = "failed"
    """What was asked for began, and failed."""
    HANG = "hang"
    """No answer ever comes."""
    SILENCE = "silence"
    """No sign of life comes any more, where signs of life are demanded."""
    OVERSIZED = "oversized"
    """The answer, or what a Parallel or Map puts together of its branches' answers, is larger than AWS allows."""
    MISSING = "missing"
    """The answer has nothing of what is read from it."""
    STOPPED = "stopped"
    """The job ends before it is done, as when it reaches its time limit, and its task succeeds."""
    CORRUPT = "corrupt"
    """The job succeeds, and half of the model that it leaves is not there."""
    INTERRUPTED = "interrupted"
    """The Spot host of the job is taken away, two minutes after the job was told; its service begins it anew."""
    ABORT = "abort"
    """The run is stopped."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks once, or, if it is `lasting`, whenever it is tried, until somebody puts it right.

    `error` is the name of the error that it gives, `passing` whether AWS's services give it now and then and it goes
    away by itself; an `expected` error is one that the state's Catch names, as an answer. An abort strikes behind the
    event number `after`.
    """

    state: str
    kind: Kind
    error: str
    lasting: bool = False
    passing: bool = False
    after: int = 0
    expected: bool = False

    @property
    def words(self) -> str:
        """The fault as people say it."""
        if self.kind is Kind.ABORT and not self.after:
            return f"the run is stopped while {self.state} is at work"
        if self.kind is Kind.ABORT:
            return f"the run is stopped after event {self.after}" + (f", in {self.state}" if self.state else "")
        what = {
            Kind.HANG: "never answers",
            Kind.SILENCE: "gives no sign of life",
            Kind.OVERSIZED: "answers with more than 256 KiB",
            Kind.MISSING: "answers without what is read of it",
            Kind.STOPPED: "ends its job before it is done",
            Kind.CORRUPT: "leaves a model that is cut off",
            Kind.INTERRUPTED: "loses its Spot host",
        }.get(self.kind, f"{'is refused' if self.kind is Kind.REFUSED else 'fails'} with {self.error}")
        return f"{self.state} {what}{' every time' if self.lasting else ' once'}"


class Check(StrEnum):
    """What a drill proves or refutes of every fault."""

    ENDS = "ends"
    RED = "red"
    ALERT = "alert"
    CAUGHT = "caught"
    RETRIED = "retried"
    SIBLINGS = "siblings"
    RECOVERY = "recovery"
    REPEATED = "repeated"
    NAMES = "names"
    LIMITS = "limits"
    GUARDS = "guards"
    CASES = "cases"


@dataclass(frozen=True, slots=True)
class Refutation:
    """Something that does not hold, in words. `at` is the state that is to blame."""

    check: Check
    at: str
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a trace: when, at which state, and what happened."""

    at: float
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Trace:
    """How faults led to a refutation: what happened, in order, and the run's events, for a picture."""

    refutation: Refutation
    faults: tuple[Fault, ...]
    scenario: str
    lines: tuple[Line, ...]
    input: Any
    events: tuple[Mapping[str, Any], ...]
    mode: str = ""
