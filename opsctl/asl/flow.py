"""How data runs through a state: from its input to what it hands to its work, and from the result to its output.

`Flow` is what the interpreter needs of a query language; `JsonPathFlow` is the original one:
InputPath -> Parameters -> (work) -> Assign -> ResultSelector -> ResultPath -> OutputPath.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from opsctl.asl.environment import Environment
from opsctl.asl.expressions import evaluate_path
from opsctl.asl.failures import StateError, runtime_failure
from opsctl.asl.jsonata import unexpected_type
from opsctl.asl.path_steps import Step
from opsctl.asl.paths import Path
from opsctl.asl.payload import Payload, to_text
from opsctl.asl.templates import Template

RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
EMPTY = Payload({}, "{}")

LARGEST_LONG = 2**63 - 1
"""The largest number that AWS takes as a count."""


class Flow(Protocol):
    """The data flow of one state in one query language. Every method may raise `StateError`."""

    def arguments(self, raw: Payload, environment: Environment) -> Payload:
        """The effective input: what a Task sends, what a Parallel hands its branches."""
        ...

    def assign(self, raw: Payload, result: Payload, environment: Environment) -> dict[str, Any] | None:
        """The variables that the state assigns, or None if it assigns none."""
        ...

    def output(self, raw: Payload, result: Payload, environment: Environment) -> Payload:
        """The state's output, made of its input and its result."""
        ...


@dataclass(frozen=True, slots=True)
class JsonPathFlow:
    """The five fields and Assign. A path is None where the field was null, and `EVERYTHING` where it is `$`."""

    input_path: Path | None
    parameters: Template | None
    result_selector: Template | None
    result_path: Path | None
    output_path: Path | None
    assignments: Template | None

    def arguments(self, raw: Payload, environment: Environment) -> Payload:
        """InputPath, then Parameters."""
        payload = follow(self.input_path, raw, environment)
        if self.parameters is None:
            return payload
        return Payload(self.parameters(environment.with_data(payload.value)))

    def assign(self, raw: Payload, result: Payload, environment: Environment) -> dict[str, Any] | None:
        """Assign sees the result before ResultSelector."""
        del raw
        if self.assignments is None:
            return None
        assigned: dict[str, Any] = self.assignments(environment.with_data(result.value))
        return assigned

    def output(self, raw: Payload, result: Payload, environment: Environment) -> Payload:
        """ResultSelector, ResultPath into the raw input, OutputPath."""
        if self.result_selector is not None:
            result = Payload(self.result_selector(environment.with_data(result.value)))
        return follow(self.output_path, place(self.result_path, raw, result), environment)


EVERYTHING = Path("$", "$", (), True)


def follow(path: Path | None, payload: Payload, environment: Environment) -> Payload:
    """What an InputPath or OutputPath selects. Raises `StateError`."""
    if path is EVERYTHING:
        return payload
    if path is None:
        return EMPTY
    return Payload(evaluate_path(path, environment.with_data(payload.value)))


def place(path: Path | None, raw: Payload, result: Payload) -> Payload:
    """Put a result where ResultPath says. Raises `StateError` where the input has no room for it."""
    if path is EVERYTHING:
        return result
    if path is None:
        return raw
    return Payload(_placed(raw.value, path.steps, result.value, path, raw))


def _placed(value: Any, steps: tuple[Step, ...], result: Any, path: Path, raw: Payload) -> Any:
    if not steps:
        return result
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        if value is None:
            value = {}
        if isinstance(value, dict):
            return {**value, step: _placed(value.get(step), rest, result, path, raw)}
    elif isinstance(step, int) and isinstance(value, list) and 0 <= step < len(value):
        return [*value[:step], _placed(value[step], rest, result, path, raw), *value[step + 1 :]]
    raise StateError(
        RESULT_PATH_MATCH_FAILURE,
        f"Unable to apply ReferencePath {path.text} to input {raw.text}",
        evaluation=True,
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """A field such as TimeoutSeconds or Error that may be written out or computed; `field` is its name as written."""

    field: str
    constant: Any = None
    path: Path | None = None
    template: Template | None = None
    query: str | None = None
    """The JSONata expression, if it is one."""
    call: str | None = None
    """The path or intrinsic function as written, in a field that may be either."""

    def evaluate(self, environment: Environment) -> Any:
        """The field's value. Raises `StateError`."""
        if self.path is not None:
            return evaluate_path(self.path, environment)
        if self.template is not None:
            return self.template(environment)
        return self.constant

    def integer(self, environment: Environment) -> int:
        """The field's value as a count of seconds or items. Raises `StateError` if it is none."""
        value = self.evaluate(environment)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_LONG
        if self.query is not None and not whole:
            raise unexpected_type(self.query, self.field, "integer", value)
        if not whole:
            source = self.path.text if self.path else self.field
            raise runtime_failure(
                f'The {self.field} field refers to value "{bare(value)}" which is not a valid integer: {source}'
            )
        count: int = value
        return count

    def number(self, environment: Environment) -> float:
        """The field's value as a number. Raises `StateError` if it is none."""
        value = self.evaluate(environment)
        if self.query is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise unexpected_type(self.query, self.field, "number", value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            source = self.path.text if self.path else self.field
            raise runtime_failure(
                f'The {self.field} field refers to value "{bare(value)}" which is not a valid float: {source}'
            )
        return float(value)

    def words(self, environment: Environment) -> str:
        """The field's value as a text. Raises `StateError` if it is none."""
        value = self.evaluate(environment)
        if isinstance(value, str):
            return value
        if self.query is not None:
            raise unexpected_type(self.query, self.field, "string", value)
        raise runtime_failure(
            f'The {self.field} field refers to value "{bare(value)}" which is not a valid string: {self.call}'
        )


def bare(value: Any) -> str:
    """A value as AWS puts it into a sentence: a string without its quotes, anything else as JSON."""
    return value if isinstance(value, str) else to_text(value)


def error_output(error: str | None, cause: str | None) -> Payload:
    """What a Catcher gets to see."""
    return Payload({"Error": error, "Cause": cause})
