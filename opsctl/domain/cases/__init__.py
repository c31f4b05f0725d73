"""Unit tests of state machine definitions: cases written as data, walked on a virtual clock, judged.

`document` reads a file of cases (already parsed, any format) into the values of `model`; `walk` runs one case through
the interpreter, answering each task from the case's mocks, and records what happened; `verdict` compares that record
with what the case expects. Nothing here does I/O or takes time.
"""

from opsctl.domain.cases.document import CaseError, definition_of, read_cases
from opsctl.domain.cases.model import Case, Record, Verdict
from opsctl.domain.cases.suite import Suite

__all__ = ["Case", "CaseError", "Record", "Suite", "Verdict", "definition_of", "read_cases"]
