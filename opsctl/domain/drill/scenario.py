"""What the world does while nothing is broken: the run's input, and what every Task answers.

Where there are cases beside a definition (`<stem>.test.yaml`), their mocks are the answers, and their runs that nothing
disturbs are scenarios. What has no mock answers plausibly (`domain/answers.py`); the answers that Choices decide by are
tried until a run succeeds, and every further way through the machine that this finds is a scenario too.

A Task answers the same for the same request: an answer that the request's run is told of tells of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.cases.model import Case, Kind, Mock

NAME = "drill"


@dataclass(frozen=True)
class Scenario:
    """A run's input and what its Tasks answer; `run` is the name that the answers know the run by."""

    name: str
    document: Any
    mocks: Mapping[str, Mock]
    run: str = NAME
    machine: str = NAME


Expected = Mapping[str, frozenset[str]]
"""By state, the errors that its Catch names by themselves: answers, and no faults."""


def from_cases(cases: Iterable[Case], made_up: Mapping[str, Mock], expected: Expected) -> Iterator[Scenario]:
    """The cases in which nothing is broken on purpose, with answers for what they have none for."""
    for case in cases:
        broken = (
            any(_breaks(mock, expected.get(name)) for name, mock in case.mocks.items())
            or case.stops
            or case.redrives
            or case.begin
        )
        if not broken:
            own = case.context["Execution"]["Name"], case.context["StateMachine"]["Name"]
            yield Scenario(case.name, case.input, {**made_up, **case.mocks}, *own)


def repaired(cases: Iterable[Case], sound: Scenario, expected: Expected) -> Iterator[tuple[Scenario, Scenario]]:
    """The cases in which something is broken on purpose: each as it is, and with the answers of a `sound` scenario in
    place of what is broken."""
    for case in cases:
        if case.begin is None and not case.stops and not case.redrives:
            own = case.context["Execution"]["Name"], case.context["StateMachine"]["Name"]
            mocks = {
                name: sound.mocks[name] if _breaks(mock, expected.get(name)) else mock
                for name, mock in case.mocks.items()
                if name in sound.mocks or not _breaks(mock, expected.get(name))  # a Parallel's, which answers nothing
            }
            if mocks != case.mocks:
                yield (
                    Scenario(case.name, case.input, {**sound.mocks, **case.mocks}, *own),
                    Scenario(f"{case.name} (repaired)", case.input, {**sound.mocks, **mocks}, *own),
                )


def _breaks(mock: Mock, expected: frozenset[str] | None) -> bool:
    """Whether it stands for a failure."""
    scripts = [*mock.iterations.values(), *([mock.script] if mock.script else [])]
    answers = [answer for script in scripts for answer in script.answers]
    quiet = (Kind.TIMEOUT, Kind.HEARTBEAT, Kind.NEVER)
    return any(one.kind in quiet or (one.kind is Kind.ERROR and one.error not in (expected or ())) for one in answers)
