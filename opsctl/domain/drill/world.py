"""What the world answers in a scenario: as its mocks say, unless a fault strikes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.asl.effects import Failed, Outcome, ScheduleTask, StartMapRun, Succeeded
from opsctl.asl.failures import TIMEOUT
from opsctl.asl.payload import LIMIT_BYTES
from opsctl.domain.answers import STAND_IN
from opsctl.domain.cases.model import Answer
from opsctl.domain.cases.model import Kind as Answers
from opsctl.domain.cases.query import QueryError, search, view_of
from opsctl.domain.drill.model import Fault, Kind
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.tasks import stopped

if TYPE_CHECKING:
    from opsctl.domain.drill.walk import Drive

MOST_ITEMS = 2
_TOO_LARGE = json.dumps("x" * LIMIT_BYTES)


class UnwalkableError(Exception):
    """There is no run to drill: an answer is missing, or no run succeeds, as `drive` shows."""

    def __init__(self, words: str, drive: Drive | None = None) -> None:
        super().__init__(words)
        self.drive = drive


@dataclass(frozen=True)
class World:
    """The scenario's answers to the run of this name."""

    scenario: Scenario
    name: str

    def outcome(self, effect: ScheduleTask, number: int, fault: Fault | None) -> Outcome:
        """What the call of this number (counted by state) comes to."""
        kind = fault.kind if fault else None
        if kind is Kind.OVERSIZED:
            return Succeeded(_TOO_LARGE)
        if kind is Kind.MISSING:
            return Succeeded("{}")
        if fault is not None and kind is Kind.FAILED:
            return Failed(fault.error, "the drill's")
        answer = self._mocked(effect.state, number)
        if answer.kind is Answers.ERROR:
            return Failed(answer.error, answer.cause)
        if answer.kind in (Answers.TIMEOUT, Answers.HEARTBEAT, Answers.NEVER):
            return Failed(TIMEOUT, "")
        text = self._text(effect, answer, number)
        return Succeeded(stopped(effect.resource, text) if kind is Kind.STOPPED else text)

    def items(self, effect: StartMapRun) -> list[Any]:
        """The first of the items that a distributed Map is given, or reads."""
        if effect.reader is None:
            return list(effect.items or [])[:MOST_ITEMS]
        answer = self._mocked(effect.state, 1)
        return (list(answer.value) if isinstance(answer.value, list) else [])[:MOST_ITEMS]

    def _text(self, effect: ScheduleTask, answer: Answer, number: int) -> str:
        value = answer.value
        if answer.kind is Answers.QUERY:
            try:
                value = search(str(answer.value), view_of(effect, number, "", self.name))
            except QueryError as error:
                raise UnwalkableError(f"the mock of {effect.state}: {error}") from error
        text = json.dumps(value)
        if self.name in json.dumps(effect.parameters):
            text = text.replace(STAND_IN, self.name)
            text = text if self.name == self.scenario.run else text.replace(self.scenario.run, self.name)
        return text

    def _mocked(self, state: str, number: int) -> Answer:
        mock = self.scenario.mocks.get(state)
        script = mock.script_for("") or next(iter(mock.iterations.values()), None) if mock else None
        answer = None if script is None else script.answer(min(number, len(script.answers)))
        if answer is None:
            raise UnwalkableError(f"nothing says what {state} answers")
        return answer
