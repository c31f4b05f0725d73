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


def from_cases(cases: Iterable[Case], made_up: Mapping[str, Mock]) -> Iterator[Scenario]:
    """The cases in which nothing is broken on purpose, with answers for what they have none for."""
    for case in cases:
        broken = any(map(_breaks, case.mocks.values())) or case.stops or case.redrives or case.begin
        if not broken:
            own = case.context["Execution"]["Name"], case.context["StateMachine"]["Name"]
            yield Scenario(case.name, case.input, {**made_up, **case.mocks}, *own)


def _breaks(mock: Mock) -> bool:
    """Whether it stands for a failure; an error of its author's own naming is an answer."""
    scripts = [*mock.iterations.values(), *([mock.script] if mock.script else [])]
    answers = [answer for script in scripts for answer in script.answers]
    quiet = (Kind.TIMEOUT, Kind.HEARTBEAT, Kind.NEVER)
    return any(one.kind in quiet or (one.kind is Kind.ERROR and "." in one.error) for one in answers)
