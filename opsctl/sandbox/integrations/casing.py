"""Between the PascalCase of Step Functions and the members of botocore's models, in both directions.

Only members of structures change their case; the keys of maps (environment variables, tags, hyperparameters) are the
user's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

Instant = Callable[[datetime], Any]


class UnknownFieldError(ValueError):
    """A parameter that the API does not have."""


def to_request(value: Any, shape: Shape) -> Any:
    """Parameters as botocore wants them. Raises UnknownFieldError."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping) and not shape.metadata.get("document"):
        members = {name.lower(): name for name in shape.members}
        request = {}
        for given, inner in value.items():
            name = members.get(given.lower())
            if name is None:
                raise UnknownFieldError(given)
            request[name] = to_request(inner, shape.members[name])
        return request
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_request(inner, shape.member) for inner in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {name: to_request(inner, shape.value) for name, inner in value.items()}
    if shape.type_name in ("string", "blob"):
        return _text(value, shape)
    return value


def to_result(value: Any, shape: Shape | None, instant: Instant) -> Any:
    """An answer of botocore's with AWS's casing in states: members begin with a capital and are in order.

    `instant` turns a point in time into JSON: optimized integrations and AWS SDK integrations differ in that.
    """
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        members = {
            name[:1].upper() + name[1:]: to_result(inner, shape.members.get(name), instant)
            for name, inner in value.items()
        }
        return dict(sorted(members.items()))
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_result(inner, shape.member, instant) for inner in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {name: to_result(inner, shape.value, instant) for name, inner in value.items()}
    if isinstance(value, datetime):
        return instant(value)
    if hasattr(value, "read"):
        value = value.read()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def milliseconds(moment: datetime) -> int:
    """A time as the optimized integrations show it."""
    return int(moment.timestamp() * 1000)


def iso(moment: datetime) -> str:
    """A time as the AWS SDK integrations show it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact(value: Any) -> str:
    """JSON text without spaces, as Step Functions writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(value: Any, shape: Shape) -> Any:
    """Objects given for text become JSON text, as for SNS's Message or Lambda's Payload."""
    if isinstance(value, dict | list) or (shape.type_name == "blob" and not isinstance(value, str | bytes)):
        value = compact(value)
    elif isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)
    return value.encode() if shape.type_name == "blob" and isinstance(value, str) else value
