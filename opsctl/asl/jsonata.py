"""JSONata expressions (`{% … %}`), with the functions that AWS adds.

An expression sees `$states` (input, result, errorOutput, context) and the variables. It is compiled once; an evaluation
works on a copy, because the library keeps the running evaluation in the object and in a thread-local. What the clock
and chance contribute comes from the environment, so that an execution stays deterministic; `jsonata_bounds.py` ends
what would not end.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import UUID

from opsctl.asl.environment import Environment
from opsctl.asl.failures import query_failure
from opsctl.asl.intrinsics import FUNCTIONS, IntrinsicError
from opsctl.asl.jsonata_bounds import Bounds, bounded_functions, library, regular_expression, room_to_recurse
from opsctl.asl.payload import to_text

_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
_NEEDS_CONTEXT = re.compile(r"\$states(?!\s*\.\s*(?:input|result|errorOutput)\b)")
_LARGEST_EXACT = 2**53


def expression_of(text: str) -> str:
    """What stands between `{%` and `%}`."""
    return text[2:-2].strip()


def compile_expression(text: str, field: str) -> Callable[[Environment], Any]:
    """Make a function of an expression. Raises `ValueError` if it does not parse; the function `StateError`."""
    compiled = _compiled(text)
    names = [name for name in dict.fromkeys(_VARIABLE.findall(text)) if name != "states"]
    wants_context = _NEEDS_CONTEXT.search(text) is not None

    def evaluate(environment: Environment) -> Any:
        bindings = _functions(environment)
        states = dict(environment.states)
        if wants_context:
            states["context"] = environment.context()
        bindings["states"] = _to_jsonata(states)
        for name in names:
            try:
                bindings[name] = _to_jsonata(environment.variable(name))
            except KeyError:
                continue
        return _value(_run(compiled, bindings, environment, text, field), text, field)

    return evaluate


def check_expression(text: str) -> None:
    """Raises `ValueError` with the library's words if an expression does not parse."""
    _compiled(text)


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    parse = library()
    from jsonata.jexception import JException  # type: ignore[import-untyped]

    try:
        # The library's tokenizer looks one character ahead without asking whether there is one: a line's end is.
        return parse(f"{text}\n", regular_expression)
    except JException as error:
        raise ValueError(str(error)) from error
    except LookupError as error:
        raise ValueError("The expression ends too early, or has an operator that JSONata does not have") from error
    except RecursionError as error:
        raise ValueError("The expression is nested too deeply") from error


def _run(compiled: Any, bindings: dict[str, Any], environment: Environment, text: str, field: str) -> Any:
    from jsonata.jexception import JException

    expression = copy.copy(compiled)
    type(expression).CURRENT.jsonata = expression
    expression.timestamp = int(environment.now * 1000)
    frame = expression.create_frame(expression.environment)
    for name, value in bindings.items():
        frame.bind(name, value)
    frame.bind("$", None)
    Bounds(frame)
    try:
        with room_to_recurse():
            return expression.eval(expression.ast, None, frame)
    except JException as error:
        reason = f"{error.error}: {error}"
    except IntrinsicError as error:
        reason = str(error)
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # The library lets some of Python's own errors through where the language has an error of its own.
        reason = f"{type(error).__name__}: {error}"
    raise query_failure(
        f"The JSONata expression '{text}' specified for the field '{field}' threw an error during evaluation. {reason}",
        field,
    )


def _value(result: Any, text: str, field: str) -> Any:
    if result is None:
        raise query_failure(
            f"The JSONata expression '{text}' specified for the field '{field}' returned nothing (undefined).", field
        )
    try:
        return _from_jsonata(result)
    except TypeError:
        raise query_failure(
            f"The JSONata expression '{text}' specified for the field '{field}' returned an unsupported result type.",
            field,
        ) from None


def unexpected_type(text: str, field: str, expected: str, value: Any) -> Exception:
    """The failure of an expression whose value is of the wrong kind."""
    return query_failure(
        f"The JSONata expression '{text}' specified for the field '{field}' returned an unexpected result type. "
        f"Expected '{expected}', but was '{kind_of(value)}' for value: {to_text(value)}",
        field,
    )


def kind_of(value: Any) -> str:
    """JSONata's name for a value's type."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _to_jsonata(value: Any) -> Any:
    """JSON to the library's values: its null is not Python's None, which it takes for undefined."""
    from jsonata.utils import Utils  # type: ignore[import-untyped]

    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {key: _to_jsonata(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_jsonata(item) for item in value]
    return value


def _from_jsonata(value: Any) -> Any:
    """The library's values to JSON. Raises `TypeError` for a function."""
    if isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _LARGEST_EXACT else value
    if isinstance(value, dict):
        return {key: _from_jsonata(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple | range):
        return [_from_jsonata(item) for item in value]
    if value is None or type(value).__name__ == "NullValue":
        return None
    raise TypeError(type(value).__name__)


def _functions(environment: Environment) -> dict[str, Any]:
    """AWS's additions, and what must not come from the world: `$random`, `$uuid`; `$eval` is not offered."""

    def call(name: str) -> Callable[..., Any]:
        function = FUNCTIONS[name]
        return lambda *arguments: function.evaluate([_from_jsonata(one) for one in arguments], environment.random)

    def parse(text: Any = None) -> Any:
        try:
            return _to_jsonata(json.loads(text))
        except (ValueError, TypeError) as error:
            raise IntrinsicError(f"the argument of $parse is no JSON: {error}") from error

    def random(seed: Any = None) -> float:
        if seed is None:
            return environment.random.random()
        return type(environment.random)(seed).random()

    offered: dict[str, Callable[..., Any]] = {
        "eval": _no_eval,
        "hash": call("States.Hash"),
        "parse": parse,
        "partition": call("States.ArrayPartition"),
        "random": random,
        "range": call("States.ArrayRange"),
        "uuid": lambda: str(UUID(int=environment.random.getrandbits(128), version=4)),
    }
    return {**{name: library().JLambda(function) for name, function in offered.items()}, **bounded_functions()}


def _no_eval(*_arguments: Any) -> Any:
    raise IntrinsicError("the function $eval is not supported")
