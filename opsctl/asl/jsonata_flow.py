"""How data runs through a state in JSONata: Arguments, then the work, then Assign and Output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.jsonata import compile_expression, expression_of
from opsctl.asl.payload import Payload
from opsctl.asl.validation_values import is_jsonata

Template = Callable[[Environment], Any]


def compile_jsonata(source: Any, field: str) -> Template:
    """Make a function of JSON with expressions in it. Raises `ValueError` if one does not parse."""
    if isinstance(source, str) and is_jsonata(source):
        return compile_expression(expression_of(source), field)
    if isinstance(source, dict):
        members = [(key, compile_jsonata(value, f"{field}/{key}")) for key, value in source.items()]
        return lambda environment: {key: member(environment) for key, member in members}
    if isinstance(source, list):
        items = [compile_jsonata(item, f"{field}[{index}]") for index, item in enumerate(source)]
        return lambda environment: [item(environment) for item in items]
    return lambda _environment: source


@dataclass(frozen=True, slots=True)
class JsonataFlow:
    """The three fields; each may be missing."""

    sent: Template | None
    assignments: Template | None
    made: Template | None

    def arguments(self, raw: Payload, environment: Environment) -> Payload:
        """Arguments; without them the input itself."""
        if self.sent is None:
            return raw
        return Payload(self.sent(environment.with_states(input=raw.value)))

    def assign(self, raw: Payload, result: Payload, environment: Environment) -> dict[str, Any] | None:
        """Assign sees input and result."""
        if self.assignments is None:
            return None
        assigned: dict[str, Any] = self.assignments(environment.with_states(input=raw.value, result=result.value))
        return assigned

    def output(self, raw: Payload, result: Payload, environment: Environment) -> Payload:
        """Output; without it the result itself."""
        if self.made is None:
            return result
        return Payload(self.made(environment.with_states(input=raw.value, result=result.value)))
