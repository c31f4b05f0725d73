"""Lint of state machine definitions: AWS's own checks and the field's hard lessons. Pure: values in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.asl.validate import validate
from opsctl.domain.lint.allowances import apply_allowances
from opsctl.domain.lint.catalogue import LESSONS, SUMMARIES
from opsctl.domain.lint.findings import Finding
from opsctl.domain.lint.machine import Machine
from opsctl.domain.lint.placeholders import about_placeholders
from opsctl.domain.lint.remedies import remedy

__all__ = ["SUMMARIES", "Finding", "check"]


def check(definition: Mapping[str, Any]) -> tuple[Finding, ...]:
    """All findings about a definition (its JSON value): AWS's errors and warnings, then our warnings.

    The lessons are only looked for in a definition without errors: what is to be said about an error comes first.
    """
    findings = list(_aws_findings(definition))
    if not any(finding.severity == "ERROR" for finding in findings):
        findings += _lessons(definition)
    return tuple(apply_allowances(definition, findings))


def _aws_findings(definition: Mapping[str, Any]) -> Iterator[Finding]:
    for found in validate(definition):
        if not about_placeholders(found, definition):
            yield Finding(found.severity, found.code, found.location, found.message, remedy(found, definition))


def _lessons(definition: Mapping[str, Any]) -> Iterator[Finding]:
    machine = Machine(definition)
    for lesson in LESSONS:
        for remark in lesson.rule(machine):
            yield Finding("WARNING", lesson.code, remark.location, remark.message, lesson.remedy)
