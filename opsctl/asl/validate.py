"""Checks of a definition, in the spirit and with the codes of ValidateStateMachineDefinition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opsctl.asl.build import build_machine
from opsctl.asl.definition import StateMachine
from opsctl.asl.diagnostics import Diagnostic


def validate(definition: str | Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """All findings, errors and warnings, in the document's order."""
    del definition
    return ()


def parse(definition: str | Mapping[str, Any]) -> StateMachine:
    """The machine of a definition (JSON text or its value). Raises `InvalidDefinition`."""
    source = json.loads(definition) if isinstance(definition, str) else definition
    return build_machine(source)
