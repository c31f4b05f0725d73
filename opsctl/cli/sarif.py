"""Findings as SARIF 2.1.0, which code review systems read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opsctl import __version__
from opsctl.domain.lint import SUMMARIES

if TYPE_CHECKING:
    from opsctl.operations.lint import Diagnostic

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[Diagnostic]) -> dict[str, Any]:
    """One run with one result for each finding, and the rules that they are of."""
    codes = sorted({found.code for found in findings})
    rules = [{"id": code, "shortDescription": {"text": SUMMARIES.get(code, code)}} for code in codes]
    driver = {"name": "opsctl lint", "semanticVersion": __version__, "rules": rules}
    results = [_result(found, codes.index(found.code)) for found in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(found: Diagnostic, rule: int) -> dict[str, Any]:
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(found.file)},
            "region": {"startLine": found.line, "startColumn": found.column},
        },
        "logicalLocations": [{"fullyQualifiedName": found.location}],
    }
    return {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": found.severity.lower(),
        "message": {"text": f"{found.message.rstrip('.')}. {found.remedy}"},
        "locations": [place],
        "partialFingerprints": {"opsctlLint/v1": _fingerprint(found)},
    }


def _uri(file: str) -> str:
    """Relative to where the command runs, which in code review is the repository; elsewhere absolute."""
    path = Path(file)
    if path.is_absolute():
        return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.as_uri()
    return quote(path.as_posix())


def _fingerprint(found: Diagnostic) -> str:
    """The same while the finding stays in its state, whatever moves its line."""
    return hashlib.sha256(f"{found.file}\0{found.code}\0{found.location}\0{found.message}".encode()).hexdigest()[:32]
