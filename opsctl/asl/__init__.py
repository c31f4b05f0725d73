"""Amazon States Language: parse and validate definitions, walk executions. Pure: no I/O, no clock, no threads."""

from opsctl.asl.definition import StateMachine
from opsctl.asl.diagnostics import Diagnostic, InvalidDefinition
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse, validate

__all__ = ["Diagnostic", "Execution", "InvalidDefinition", "StateMachine", "parse", "validate"]
