"""What an EventBridge target is sent: Input, InputPath and InputTransformer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MISSING = object()
VARIABLE = re.compile(r"<([\w.\-]+)>")


def shape(event: Mapping[str, Any], target: Mapping[str, Any], rule_arn: str) -> str:
    """The text that a target receives for an event, usually JSON."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = select(event, target["InputPath"])
        return json.dumps(None if found is MISSING else found)
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    values = {name: select(event, path) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {
        "aws.events.event.json": event,
        "aws.events.event": event,
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
        "aws.events.event.ingestion-time": event.get("time"),
    }
    return fill(transformer["InputTemplate"], values)


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with each `<name>` replaced: raw text inside a JSON string, a JSON value elsewhere.

    A name whose path found nothing becomes an empty string within quotes and null outside of them.
    """

    def insert(found: re.Match[str]) -> str:
        if found[1] not in values:
            return found[0]
        value = values[found[1]]
        quoted = len(re.findall(r'(?<!\\)"', template[: found.start()])) % 2 == 1
        if value is MISSING:
            return "" if quoted else "null"
        if not quoted:
            return json.dumps(value)
        text = value if isinstance(value, str) else json.dumps(value)
        return json.dumps(text)[1:-1]

    return VARIABLE.sub(insert, template)


def select(event: Mapping[str, Any], path: str) -> Any:
    """The value at a path of EventBridge's subset of JSONPath (names and indices), or MISSING."""
    value: Any = event
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path.removeprefix("$")):
        if name and isinstance(value, Mapping) and name in value:
            value = value[name]
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return MISSING
    return value
