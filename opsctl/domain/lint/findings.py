"""What a rule says, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from opsctl.asl.diagnostics import Severity
from opsctl.domain.lint.machine import Machine


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: `location` is where in the definition, as AWS writes it (`/States/Train/Catch[0]`)."""

    severity: Severity
    code: str
    location: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What one rule found at one place."""

    location: str
    message: str


Rule = Callable[[Machine], Iterator[Remark]]
