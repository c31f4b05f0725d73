"""Payload templates: JSON in which a field `"name.$": "<expression>"` becomes `"name": <its value>`.

AWS writes the plain fields of an object first and the computed ones after them, each group in its own order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.expressions import Expression, evaluate, parse_expression

Template = Callable[[Environment], Any]
_SUFFIX = ".$"


def compile_template(source: Any) -> Template:
    """Make a function of a template. Raises `ValueError` if an expression in it does not parse."""
    if not is_dynamic(source):
        return lambda _environment: source
    if isinstance(source, dict):
        return _object(source)
    parts = [compile_template(item) for item in source]
    return lambda environment: [part(environment) for part in parts]


def is_dynamic(source: Any) -> bool:
    """Whether anything in the template is computed."""
    if isinstance(source, dict):
        return any(key.endswith(_SUFFIX) or is_dynamic(value) for key, value in source.items())
    return isinstance(source, list) and any(is_dynamic(item) for item in source)


def _object(source: dict[str, Any]) -> Template:
    plain = [(key, compile_template(value)) for key, value in source.items() if not key.endswith(_SUFFIX)]
    computed = [
        (key.removesuffix(_SUFFIX), _field(key, value)) for key, value in source.items() if key.endswith(_SUFFIX)
    ]
    parts = [*plain, *computed]
    return lambda environment: {key: part(environment) for key, part in parts}


def _field(key: str, value: Any) -> Template:
    if not isinstance(value, str):
        raise ValueError(f"the value of the field '{key}' must be a path or an intrinsic function")
    expression: Expression = parse_expression(value)
    return lambda environment: evaluate(expression, environment, key)
