"""Which messages a subscription's filter policy lets through, by the rules of the SNS developer guide.

All properties of a policy must match; of a property's conditions, one. A property that the message lacks is matched by
`{"exists": false}` alone. A message attribute counts by its type: `String` and `Number` as one value, `String.Array` as
each of its elements, `Binary` not at all. A body that is no JSON object matches no policy on the body.

`anything-but` on several values wants one that is not listed: the guide's sentence says "none of them", but both of its
examples, `["rugby", "baseball"]` against `anything-but: ["rugby", "tennis"]`, say this.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any

NUMBERS = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">": operator.gt, ">=": operator.ge}
KEYWORDS = frozenset(
    {"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"}
)
DIGITS = 5  # after the decimal point, that SNS compares


def passes(
    policy: Mapping[str, Any], scope: str, attributes: Mapping[str, Mapping[str, Any]] | None, message: str
) -> bool:
    """Whether a message passes; `attributes` are moto's `{name: {"Type": …, "Value": …}}`."""
    if scope == "MessageAttributes":
        return _matches(policy, [{name: _values(one) for name, one in (attributes or {}).items()}])
    try:
        body = json.loads(message)
    except ValueError:
        return False
    return isinstance(body, dict) and _matches(policy, [body])


def _matches(policy: Mapping[str, Any], nodes: Sequence[Any]) -> bool:
    """Whether each property of the policy is matched in one of these objects (several, where a list held them)."""
    return all(_property_matches(name, wanted, nodes) for name, wanted in policy.items())


def _property_matches(name: str, wanted: Any, nodes: Sequence[Any]) -> bool:
    if name == "$or" and _is_or(wanted):
        return any(_matches(one, nodes) for one in wanted)
    found = [node[name] for node in nodes if isinstance(node, Mapping) and name in node]
    if isinstance(wanted, Mapping):
        return _matches(wanted, [one for value in found for one in (value if isinstance(value, list) else [value])])
    values = [one for value in found for one in (value if isinstance(value, list) else [value])]
    return any(_condition_matches(condition, values, bool(found)) for condition in wanted)


def _is_or(wanted: Any) -> bool:
    """A field called `$or` joins policies only if it holds at least two and none of their names is an operator's."""
    return (
        isinstance(wanted, list)
        and len(wanted) > 1
        and all(isinstance(one, Mapping) and not KEYWORDS & one.keys() for one in wanted)
    )


def _condition_matches(condition: Any, values: Sequence[Any], there: bool) -> bool:
    if not isinstance(condition, Mapping):
        return any(_same(value, condition) for value in values)
    ((keyword, wanted),) = condition.items()
    if keyword == "exists":
        return there is wanted
    if keyword == "anything-but":
        return any(not _excluded(value, wanted) for value in values)
    return any(_operator_matches(keyword, wanted, value) for value in values)


def _excluded(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        ((keyword, inner),) = wanted.items()
        texts = inner if isinstance(inner, list) else [inner]
        return any(_operator_matches(keyword, text, value) for text in texts)
    return any(_same(value, one) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _operator_matches(keyword: str, wanted: Any, value: Any) -> bool:
    if keyword == "numeric":
        return _is_number(value) and _within(value, wanted)
    if not isinstance(value, str):
        return False
    match keyword:
        case "prefix":
            return value.startswith(wanted)
        case "suffix":
            return value.endswith(wanted)
        case "equals-ignore-case":
            return value.casefold() == str(wanted).casefold()
        case "wildcard":
            return fnmatch.fnmatchcase(value, wanted.replace("[", "[[]").replace("?", "[?]"))
        case "cidr":
            return _in_network(value, wanted)
    return False


def _within(value: float, limits: Sequence[Any]) -> bool:
    """`[">", 0, "<=", 150]`"""
    pairs = zip(limits[::2], limits[1::2], strict=True)
    return all(NUMBERS[sign](round(value, DIGITS), round(limit, DIGITS)) for sign, limit in pairs)


def _in_network(value: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network)
    except ValueError:
        return False


def _same(value: Any, wanted: Any) -> bool:
    if _is_number(value) and _is_number(wanted):
        return bool(round(value, DIGITS) == round(wanted, DIGITS))
    return type(value) is type(wanted) and bool(value == wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _values(attribute: Mapping[str, Any]) -> Any:
    """What a message attribute is compared by."""
    kind, value = attribute.get("Type", "String"), attribute.get("Value")
    if kind.startswith("Number"):
        return float(str(value))
    if kind == "String.Array":
        try:
            found = json.loads(str(value))
        except ValueError:
            return []
        return found if isinstance(found, list) else [found]
    return [] if kind.startswith("Binary") else value
