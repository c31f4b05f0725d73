"""Policy documents: their statements, and what each of them says to a question."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opsctl.sandbox.access.conditions import Context, UnknownOperatorError, holds, like

VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Need:
    """One thing that a request needs to be allowed.

    `resources` are ways to write the ARN of one and the same resource (a log group with and without its streams): a
    policy that names any of them means it. `context` has condition keys, in lower case.
    """

    action: str
    resources: tuple[str, ...]
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Question:
    """A need, and whoever has it: `names` by kind of principal (AWS, Service), and all condition keys."""

    need: Need
    names: Mapping[str, frozenset[str]]
    context: Context


@dataclass(frozen=True)
class Statement:
    """One statement. `sid` is its own, or `#` and its place in the document."""

    sid: str
    allows: bool
    actions: tuple[str, ...]
    but_actions: tuple[str, ...]
    resources: tuple[str, ...]
    but_resources: tuple[str, ...]
    principals: Mapping[str, tuple[str, ...]] | None
    but_principals: Mapping[str, tuple[str, ...]] | None
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def fits(self, question: Question) -> bool:
        """Whether it speaks of this question. An operator that the sandbox does not know never loosens a policy."""
        need = question.need
        if not self._speaks_of(need.action.lower(), need.resources, question.context):
            return False
        if self.principals is not None and not _named(self.principals, question.names):
            return False
        if self.but_principals is not None and _named(self.but_principals, question.names):
            return False
        try:
            return all(holds(operator, key, values, question.context) for operator, key, values in self.conditions)
        except (UnknownOperatorError, ValueError):
            return not self.allows

    def _speaks_of(self, action: str, resources: tuple[str, ...], context: Context) -> bool:
        if self.actions and not any(like(pattern.lower(), action) for pattern in self.actions):
            return False
        if self.but_actions and any(like(pattern.lower(), action) for pattern in self.but_actions):
            return False
        if self.resources and not _among(self._written(self.resources, context), resources):
            return False
        return not (self.but_resources and _among(self._written(self.but_resources, context), resources))

    @staticmethod
    def _written(patterns: tuple[str, ...], context: Context) -> tuple[str, ...]:
        """The patterns with policy variables such as `${aws:username}` put in."""
        if not any("${" in pattern for pattern in patterns):
            return patterns
        return tuple(
            VARIABLE.sub(lambda found: next(iter(context.get(found[1].lower(), ())), found[0]), pattern)
            for pattern in patterns
        )


@dataclass(frozen=True)
class Policy:
    """A policy and whose it is: a role's or user's (`owner` its ARN), a managed one (its own ARN), or a resource's."""

    owner: str
    name: str
    text: str

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What it says."""
        return parse(self.text)


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a policy document. Raises ValueError for what is none."""
    document = json.loads(text)
    entries = document.get("Statement") or []
    entries = entries if isinstance(entries, list) else [entries]
    return tuple(_statement(entry, number) for number, entry in enumerate(entries))


def _statement(entry: Mapping[str, Any], number: int) -> Statement:
    return Statement(
        sid=entry.get("Sid") or f"#{number}",
        allows=entry["Effect"] == "Allow",
        actions=_texts(entry.get("Action")),
        but_actions=_texts(entry.get("NotAction")),
        resources=_texts(entry.get("Resource")),
        but_resources=_texts(entry.get("NotResource")),
        principals=_principals(entry.get("Principal")),
        but_principals=_principals(entry.get("NotPrincipal")),
        conditions=tuple(
            (operator, key, _texts(values))
            for operator, lines in (entry.get("Condition") or {}).items()
            for key, values in lines.items()
        ),
    )


def _texts(value: Any) -> tuple[str, ...]:
    values: Sequence[Any] = () if value is None else value if isinstance(value, list) else [value]
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in values)


def _principals(value: Any) -> Mapping[str, tuple[str, ...]] | None:
    if value is None:
        return None
    if value == "*":
        return {"*": ("*",)}
    return {kind: _texts(names) for kind, names in value.items()}


def _named(wanted: Mapping[str, tuple[str, ...]], names: Mapping[str, frozenset[str]]) -> bool:
    if "*" in wanted:
        return True
    return any("*" in values or names.get(kind, frozenset()) & set(values) for kind, values in wanted.items())


def _among(patterns: tuple[str, ...], resources: tuple[str, ...]) -> bool:
    return any(like(pattern, resource) for pattern in patterns for resource in resources)
