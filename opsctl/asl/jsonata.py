"""JSONata expressions (`{% … %}`), with the functions that AWS adds.

An expression sees `$states` (input, result, errorOutput, context) and the variables. It is compiled once; an evaluation
works on a copy, because the library keeps the running evaluation in the object and in a thread-local. What the clock
and chance contribute comes from the environment, so that an execution stays deterministic; `jsonata_bounds.py` ends
what would not end, or would take long.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.failures import query_failure
from opsctl.asl.intrinsics import IntrinsicError
from opsctl.asl.jsonata_bounds import Bounds
from opsctl.asl.jsonata_functions import functions_for
from opsctl.asl.jsonata_library import library, paid_frame, parse, room_to_recurse
from opsctl.asl.jsonata_values import from_jsonata, to_jsonata
from opsctl.asl.payload import to_text

_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
_NEEDS_CONTEXT = re.compile(r"\$states(?!\s*\.\s*(?:input|result|errorOutput)\b)")


def expression_of(text: str) -> str:
    """What stands between `{%` and `%}`."""
    return text[2:-2].strip()


def compile_expression(text: str, field: str) -> Callable[[Environment], Any]:
    """Make a function of an expression. Raises `ValueError` if it does not parse; the function `StateError`."""
    compiled = _compiled(text)
    names = [name for name in dict.fromkeys(_VARIABLE.findall(text)) if name != "states"]
    wants_context = _NEEDS_CONTEXT.search(text) is not None

    def evaluate(environment: Environment) -> Any:
        bindings = functions_for(environment)
        states = dict(environment.states)
        if wants_context:
            states["context"] = environment.context()
        bindings["states"] = to_jsonata(states)
        for name in names:
            try:
                bindings[name] = to_jsonata(environment.variable(name))
            except KeyError:
                continue
        return _run(compiled, bindings, environment, text, field)

    return evaluate


def check_expression(text: str) -> None:
    """Raises `ValueError` with the library's words if an expression does not parse."""
    _compiled(text)


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    library()  # before anything else of it, for what it does to Python's recursion limit
    from jsonata.jexception import JException  # type: ignore[import-untyped]

    try:
        # The library's tokenizer looks one character ahead without asking whether there is one: a line's end is.
        return parse(f"{text}\n")
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
    frame = expression.create_frame(paid_frame())
    for name, value in bindings.items():
        frame.bind(name, value)
    frame.bind("$", None)
    expression.bounds = Bounds(frame)
    try:
        with room_to_recurse():
            problem, made = _made(expression.eval(expression.ast, None, frame), expression.bounds)
    except JException as error:
        problem = f"threw an error during evaluation. {error.error}: {error}"
    except IntrinsicError as error:
        problem = f"threw an error during evaluation. {error}"
    except Exception as error:  # noqa: BLE001
        # The library lets Python's own errors, of any kind, through where the language has an error of its own.
        problem = f"threw an error during evaluation. {type(error).__name__}: {error}"
    if problem is None:
        return made
    raise query_failure(f"The JSONata expression '{text}' specified for the field '{field}' {problem}", field)


def _made(result: Any, bounds: Bounds) -> tuple[str | None, Any]:
    """What is wrong with a result, and its value. A value may repeat itself, so its copy is part of the work."""
    if result is None:
        return "returned nothing (undefined).", None
    bounds.pay_for_walk([result])
    try:
        return None, from_jsonata(result)
    except TypeError:
        return "returned an unsupported result type.", None


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
