"""An embedded AWS on loopback: moto's server, executions walked by our own interpreter, jobs as real subprocesses.

Importing this package is cheap: moto is only imported by the server process.
"""

from __future__ import annotations

from opsctl.sandbox.control import add_fault, clear_faults, list_faults, statements_used
from opsctl.sandbox.environment import environment, exports
from opsctl.sandbox.lifecycle import down, jobs, state_of, state_written, status, up

__all__ = [
    "add_fault",
    "clear_faults",
    "down",
    "environment",
    "exports",
    "jobs",
    "list_faults",
    "state_of",
    "state_written",
    "statements_used",
    "status",
    "up",
]
