"""The constraints of an API's model, checked as AWS's front door does it before the service sees a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from opsctl.sandbox.api import ApiError

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}


@lru_cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service."""
    return botocore.session.Session().get_service_model(service)


def check(operation: OperationModel, request: Mapping[str, Any]) -> None:
    """Raises ApiError: SerializationException for JSON of a wrong type, else ValidationException with every problem."""
    if operation.input_shape is None:
        return
    problems = list(_problems(operation.input_shape, request, ""))
    if problems:
        plural = "s" if len(problems) > 1 else ""
        message = f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}"
        raise ApiError("ValidationException", message)


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    expected = _TYPES.get(shape.type_name)
    if expected and (not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected)):
        raise ApiError("SerializationException", f"The member '{path}' must be of type {shape.type_name}")
    for broken in _broken(shape, value):
        shown = "Value" if shape.metadata.get("sensitive") else f"Value '{value}'"
        yield f"{shown} at '{path}' failed to satisfy constraint: {broken}"
    yield from _inside(shape, value, path)


def _inside(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        prefix = f"{path}." if path else ""
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _problems(member, value[name], prefix + name)
            elif name in shape.required_members:
                yield f"Value null at '{prefix}{name}' failed to satisfy constraint: Member must not be null"
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value, 1):
            yield from _problems(shape.member, item, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _problems(shape.value, item, f"{path}.{key}")


def _broken(shape: Shape, value: Any) -> Iterator[str]:
    if isinstance(value, str | list):
        yield from _out_of_range(shape, len(value), "have length")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _out_of_range(shape, value, "have value")
    if not isinstance(value, str):
        return
    if shape.enum and value not in shape.enum:
        yield f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]"), value):
        yield f"Member must satisfy regular expression pattern: {pattern}"


def _out_of_range(shape: Shape, size: float, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"Member must {what} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"Member must {what} less than or equal to {most}"
