"""What a case is made of, and what comes of it. Values only; times are seconds of the virtual clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a mocked task does."""

    RESULT = "result"
    QUERY = "result_query"
    ERROR = "error"
    TIMEOUT = "timeout"
    HEARTBEAT = "heartbeat"
    NEVER = "never"
    ITEMS = "items"


@dataclass(frozen=True, slots=True)
class Answer:
    """One outcome of a task, `after` seconds from when it is asked.

    `value` is the result, for QUERY the JMESPath expression that makes it, for ITEMS what an ItemReader reads.
    `phase` is where an ERROR happens: "start" (the service could not be reached), "submit" (it refused the request) or
    "run". `submitted` is what a `.sync` or `.waitForTaskToken` request is answered with at once.
    """

    kind: Kind
    value: Any = None
    error: str = ""
    cause: str = ""
    after: float = 0.0
    phase: str = "run"
    submitted: Any = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """The answers to a state's first, second, … call; an `endless` one gives its only answer to every call."""

    answers: tuple[Answer, ...]
    endless: bool = False

    def answer(self, call: int) -> Answer | None:
        """The answer to a call, counted from 1; None where the script is at its end."""
        if self.endless:
            return self.answers[0]
        return self.answers[call - 1] if call <= len(self.answers) else None


@dataclass(frozen=True, slots=True)
class Mock:
    """What a state answers. `iterations` are keyed by the Map's item index, nested Maps' joined by dots ("2.0")."""

    script: Script | None
    iterations: Mapping[str, Script] = field(default_factory=dict)

    @property
    def reads(self) -> bool:
        """Whether it answers a distributed Map's ItemReader, and does not stand for the whole state."""
        scripts = [*self.iterations.values(), *([self.script] if self.script else [])]
        return any(answer.kind is Kind.ITEMS for script in scripts for answer in script.answers)

    def script_for(self, iteration: str) -> Script | None:
        """The script of one iteration; "" is outside any Map."""
        return self.iterations.get(iteration, self.script)


@dataclass(frozen=True, slots=True)
class Stop:
    """StopExecution, `after` seconds from the start."""

    after: float
    error: str | None = None
    cause: str | None = None


BEGINNING = "(the case begins)"
"""The state that sets up a case which begins at a later state; it appears in no record."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A later beginning: at `state`, with its input and the variables that are set by then."""

    state: str
    input: Any
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A state in an expected path.

    `branches` are a Parallel's branches or a Map's iterations, None where they are not looked at; `whole` where there
    must be no others.
    """

    name: str
    branches: Mapping[int, tuple[Step | None, ...]] | None = None
    whole: bool = False


Path = tuple[Step | None, ...]
"""States in the order of entry; None stands for any number of states, also none."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test. `expect` maps the kind of expectation to its value, as `document.py` checked it."""

    name: str
    location: tuple[str | int, ...]
    input: Any
    context: Mapping[str, Any]
    start: float
    mocks: Mapping[str, Mock]
    expect: Mapping[str, Any]
    begin: Begin | None = None
    stops: tuple[Stop, ...] = ()
    redrives: tuple[float, ...] = ()
    """When it is redriven, in seconds since the epoch; a moment that has passed is at once."""
    seed: int = 0


@dataclass(slots=True)
class Entry:
    """One entry into a state, with what was entered inside it, by branch or iteration."""

    name: str
    parent: Entry | None = None
    index: int = 0
    branches: dict[int, list[Entry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One time that a task's work was asked for. `number` counts the calls of the state (in its iteration) from 1."""

    state: str
    number: int
    iteration: str
    at: float
    resource: str
    parameters: Any


@dataclass(frozen=True, slots=True)
class Record:
    """What a walk came to. `problem` is set where it could not go on, and says why."""

    status: str
    output: Any
    error: str | None
    cause: str | None
    duration: float
    path: tuple[Entry, ...]
    entered: frozenset[str]
    calls: tuple[Call, ...]
    messages: tuple[tuple[float, Any], ...]
    """What SNS took, and when."""
    transitions: int
    events: tuple[str, ...] = ()
    problem: str | None = None
    waiting: str | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    """Its events, as GetExecutionHistory gives them."""

    @property
    def published(self) -> tuple[Any, ...]:
        """The parameters of each message that SNS took."""
        return tuple(parameters for _, parameters in self.messages)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is not as expected; `expected` and `actual` are None for a walk that could not go on."""

    what: str
    expected: str | None = None
    actual: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case's outcome."""

    case: Case
    record: Record
    difference: Difference | None

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return self.difference is None
