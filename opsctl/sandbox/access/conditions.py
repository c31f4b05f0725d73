"""The Condition element of a policy statement.

Source: IAM's user guide, "IAM JSON policy elements: Condition operators". A key that the request lacks satisfies only
the negated operators, `Null` that asks for it, and those with `IfExists`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

Context = Mapping[str, Sequence[str]]
Test = Callable[[str, str], bool]
ANY, ALL, IF_EXISTS = "foranyvalue:", "forallvalues:", "ifexists"


class UnknownOperatorError(ValueError):
    """A condition operator that the sandbox does not know."""


def holds(operator: str, key: str, wanted: Sequence[str], context: Context) -> bool:
    """Whether one line of a Condition is met; `context` has its keys in lower case. Raises UnknownOperatorError."""
    name = operator.lower()
    given = context.get(key.lower())
    if name == "null":
        return (not given) == (wanted[0].lower() == "true")
    every, any_of = name.startswith(ALL), name.startswith(ANY)
    name = name.removeprefix(ALL).removeprefix(ANY)
    optional = name.endswith(IF_EXISTS)
    test, negated = _operator(name.removesuffix(IF_EXISTS))
    if not given:
        return optional or every or (negated and not any_of)
    fits = [any(test(one, value) for value in wanted) != negated for one in given]
    return all(fits) if every or (negated and not any_of) else any(fits)


def like(pattern: str, text: str) -> bool:
    """Whether the text is what a pattern with `*` and `?` stands for."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    signs = {"*": ".*", "?": "."}
    return re.compile("".join(signs.get(sign) or re.escape(sign) for sign in pattern), re.DOTALL)


def _operator(name: str) -> tuple[Test, bool]:
    """The test of an operator, and whether it is a negated one."""
    positive = name.replace("not", "", 1) if "not" in name else name
    if name == "notipaddress":
        positive = "ipaddress"
    if positive not in _TESTS:
        raise UnknownOperatorError(name)
    return _TESTS[positive], positive != name


def _number(compare: Callable[[float, float], bool]) -> Test:
    return lambda given, wanted: compare(float(given), float(wanted))


def _in_network(given: str, wanted: str) -> bool:
    return ipaddress.ip_address(given) in ipaddress.ip_network(wanted, strict=False)


_TESTS: dict[str, Test] = {
    "stringequals": lambda given, wanted: given == wanted,
    "stringequalsignorecase": lambda given, wanted: given.lower() == wanted.lower(),
    "stringlike": lambda given, wanted: like(wanted, given),
    "arnequals": lambda given, wanted: like(wanted, given),
    "arnlike": lambda given, wanted: like(wanted, given),
    "bool": lambda given, wanted: given.lower() == wanted.lower(),
    "ipaddress": _in_network,
    "numericequals": _number(lambda given, wanted: given == wanted),
    "numericlessthan": _number(lambda given, wanted: given < wanted),
    "numericlessthanequals": _number(lambda given, wanted: given <= wanted),
    "numericgreaterthan": _number(lambda given, wanted: given > wanted),
    "numericgreaterthanequals": _number(lambda given, wanted: given >= wanted),
}
