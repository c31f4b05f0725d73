"""What stands on the right of a `"name.$"` field: a path or a call of an intrinsic function.

expression := path | call
call       := 'States.' NAME '(' [argument (',' argument)*] ')'
argument   := path | call | number | 'string' | true | false | null
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.failures import INTRINSIC_FAILURE, StateError, runtime_failure
from opsctl.asl.intrinsics import FUNCTIONS, IntrinsicError
from opsctl.asl.paths import Path, PathMissingError, PathSyntaxError, scan_path
from opsctl.asl.payload import to_text

_CALL = re.compile(r"(States\.[A-Za-z0-9]+)\s*\(\s*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_WORD = re.compile(r"true|false|null")
_SEPARATOR = re.compile(r"\s*(,|\))\s*")
_ESCAPABLE = "'\\{}"
_MAX_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a string, true, false or null. `template` is a string with its braces still escaped."""

    value: Any
    template: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an intrinsic function; `text` is the source."""

    text: str
    name: str
    arguments: tuple[Argument, ...]


Argument = Path | Call | Literal
Expression = Path | Call


def parse_expression(text: str) -> Expression:
    """Parse the text of a `.$` field. Raises `ValueError` with the reason."""
    if text.startswith("$"):
        path, end = scan_path(text, 0)
        found: Expression = path
    else:
        found, end = _scan_call(text, 0, 1)
    if text[end:].strip():
        raise PathSyntaxError(f"unexpected '{text[end:]}' in '{text}'")
    return found


def paths_of(expression: Argument) -> list[Path]:
    """All paths in an expression, for whoever checks them."""
    if isinstance(expression, Path):
        return [expression]
    if isinstance(expression, Call):
        return [path for argument in expression.arguments for path in paths_of(argument)]
    return []


def evaluate(expression: Expression, environment: Environment, field: str) -> Any:
    """The expression's value. `field` is named in the cause. Raises `StateError`."""
    if isinstance(expression, Call):
        return _call(expression, environment, expression.text)
    try:
        return expression.evaluate(environment)
    except PathMissingError:
        raise runtime_failure(
            f"The JSONPath '{expression.text}' specified for the field '{field}' could not be found in the input "
            f"'{_searched(expression, environment)}'"
        ) from None
    except KeyError:
        raise undefined_variable(expression) from None


def evaluate_path(path: Path, environment: Environment) -> Any:
    """A path that stands alone in a field (InputPath, TimeoutSecondsPath …). Raises `StateError`."""
    try:
        return path.evaluate(environment)
    except PathMissingError as missing:
        raise runtime_failure(f"Invalid path '{path.text}' : {missing}") from None
    except KeyError:
        raise undefined_variable(path) from None


def undefined_variable(path: Path) -> StateError:
    """Nothing was assigned to the variable that the path starts from."""
    return runtime_failure(f"The variable '${path.root}' used in '{path.text}' has not been assigned a value.")


def _searched(path: Path, environment: Environment) -> str:
    return to_text(environment.root(path.root))


def _call(call: Call, environment: Environment, whole: str) -> Any:
    """The call's value; a failure names the whole expression that it stands in. Raises `StateError`."""
    values = [_argument(argument, environment, whole) for argument in call.arguments]
    if call.name == "States.Format" and isinstance(call.arguments[0], Literal):
        # Only the template tells '{}' from '\\{\\}'.
        values[0] = call.arguments[0].template
    try:
        return FUNCTIONS[call.name].evaluate(values, environment.random)
    except IntrinsicError as error:
        cause = f"The function '{whole}' had the following error: {error}"
        raise StateError(INTRINSIC_FAILURE, cause, evaluation=True) from None


def _argument(argument: Argument, environment: Environment, whole: str) -> Any:
    if isinstance(argument, Literal):
        return argument.value
    if isinstance(argument, Call):
        return _call(argument, environment, whole)
    try:
        return argument.evaluate(environment)
    except PathMissingError:
        raise runtime_failure(
            f"The function '{whole}' had the following error: The JsonPath argument for the field "
            f"'{argument.text}' could not be found in the input '{_searched(argument, environment)}'"
        ) from None
    except KeyError:
        raise undefined_variable(argument) from None


def _scan_call(text: str, position: int, depth: int) -> tuple[Call, int]:
    head = _CALL.match(text, position)
    if not head:
        raise PathSyntaxError(f"neither a path nor an intrinsic function: '{text[position:]}'")
    if depth > _MAX_DEPTH:
        raise PathSyntaxError(f"intrinsic functions are nested more than {_MAX_DEPTH} deep")
    name, end = head[1], head.end()
    if name not in FUNCTIONS:
        raise PathSyntaxError(f"there is no intrinsic function '{name}'")
    arguments: list[Argument] = []
    closed = re.compile(r"\)").match(text, end)
    while not closed:
        argument, end = _scan_argument(text, end, depth)
        arguments.append(argument)
        separator = _SEPARATOR.match(text, end)
        if not separator:
            raise PathSyntaxError(f"',' or ')' is missing in '{text}'")
        end = separator.end()
        closed = separator if separator[1] == ")" else None
    end = max(end, closed.end())
    FUNCTIONS[name].check_count(name, len(arguments))
    return Call(text[head.start() : end].strip(), name, tuple(arguments)), end


def _scan_argument(text: str, position: int, depth: int) -> tuple[Argument, int]:
    if text.startswith("$", position):
        return scan_path(text, position)
    if text.startswith("'", position):
        return _scan_string(text, position)
    number = _NUMBER.match(text, position) or _WORD.match(text, position)
    if number:
        return Literal(json.loads(number[0])), number.end()
    return _scan_call(text, position, depth + 1)


def _scan_string(text: str, position: int) -> tuple[Literal, int]:
    """A string in quotes, with the escapes that AWS accepts."""
    out: list[str] = []
    template: list[str] = []
    position += 1
    while position < len(text):
        character = text[position]
        if character == "'":
            return Literal("".join(out), "".join(template)), position + 1
        if character == "\\" and position + 1 < len(text):
            escaped = text[position + 1]
            if escaped not in _ESCAPABLE:
                raise PathSyntaxError(f"'\\{escaped}' is no escape in '{text}'")
            out.append(escaped)
            template.append(f"\\{escaped}" if escaped in "{}\\" else escaped)
            position += 2
        else:
            out.append(character)
            template.append(character)
            position += 1
    raise PathSyntaxError(f"a string does not end in '{text}'")
