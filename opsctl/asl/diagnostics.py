"""What a validator says about a definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from opsctl.errors import OpsError

Severity = Literal["ERROR", "WARNING"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `code` is as in AWS's ValidateStateMachineDefinition, `location` a JSON pointer ("" = the whole)."""

    severity: Severity
    code: str
    message: str
    location: str


class InvalidDefinition(OpsError):  # noqa: N818 it is what the caller has, not an accident
    """The definition has errors; `diagnostics` holds all of them (and no warnings)."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first = diagnostics[0]
        more = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        super().__init__(
            f"{first.code}: {first.message} at {first.location or '/'}{more}",
            "Correct the state machine's definition.",
        )
        self.diagnostics = diagnostics
