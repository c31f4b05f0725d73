"""Payload templates: JSON in which a field `"name.$": "<expression>"` becomes `"name": <its value>`.

AWS writes the plain fields of an object first, in their order, and the computed ones after them, in the order of a
Java `HashMap`. Recorded histories show it, and texts are compared, so we do as AWS does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.expressions import Expression, evaluate, parse_expression

Template = Callable[[Environment], Any]
_SUFFIX = ".$"
_SMALLEST_TABLE = 16
_LOAD_FACTOR = 0.75


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
    parts = [*plain, *_as_hash_map(computed)]
    return lambda environment: {key: part(environment) for key, part in parts}


def _as_hash_map(fields: list[tuple[str, Template]]) -> list[tuple[str, Template]]:
    """The fields in the order in which Java's HashMap lists its keys: by bucket, then as they were put in."""
    buckets = _SMALLEST_TABLE
    while len(fields) > buckets * _LOAD_FACTOR:
        buckets *= 2
    return sorted(fields, key=lambda item: _java_hash(item[0]) & (buckets - 1))


def _java_hash(text: str) -> int:
    """`String.hashCode`, with its high bits spread as HashMap does."""
    code = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for position in range(0, len(units), 2):
        code = (31 * code + int.from_bytes(units[position : position + 2], "big")) & 0xFFFFFFFF
    return code ^ (code >> 16)


def _field(key: str, value: Any) -> Template:
    if not isinstance(value, str):
        raise ValueError(f"the value of the field '{key}' must be a path or an intrinsic function")
    expression: Expression = parse_expression(value)
    return lambda environment: evaluate(expression, environment, key)
