"""How a definition silences one warning: `lint: allow CODE reason` in a Comment.

In a state's Comment it holds for the state and what lies inside of it, in the machine's for the whole definition.
Several codes are joined by commas, several markers follow one another. A marker needs a reason, and one that silences
nothing is itself a warning: so what is allowed stays true. Errors cannot be allowed, for AWS does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.domain.lint.catalogue import BAD_ALLOW, SUMMARIES, UNUSED_ALLOW
from opsctl.domain.lint.findings import Finding

_MARKER = re.compile(r"lint:\s*allow\b(.*?)(?=lint:\s*allow\b|\Z)", re.DOTALL)
_PARTS = re.compile(r"\s*(?P<codes>[A-Z][A-Z_]+(?:\s*,\s*[A-Z][A-Z_]+)*)(?P<reason>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Allowance:
    """One code of one marker. `scope` is the location below which it holds."""

    code: str
    scope: str
    location: str

    def covers(self, finding: Finding) -> bool:
        """Whether the marker silences the finding."""
        below = finding.location.startswith((f"{self.scope}/", f"{self.scope}["))
        return finding.severity == "WARNING" and finding.code == self.code and (below or finding.location == self.scope)


def apply_allowances(definition: Mapping[str, Any], findings: Sequence[Finding]) -> list[Finding]:
    """The findings without those that are allowed, and with what is wrong about the markers."""
    allowances: list[Allowance] = []
    complaints: list[Finding] = []
    for scope, comment in _comments(definition, ""):
        for found in _read(comment, scope):
            (allowances if isinstance(found, Allowance) else complaints).append(found)  # type: ignore[arg-type]
    used: set[Allowance] = set()
    kept = []
    for finding in findings:
        covering = [allowance for allowance in allowances if allowance.covers(finding)]
        used.update(covering)
        if not covering:
            kept.append(finding)
    unused = [_unused(allowance) for allowance in allowances if allowance not in used]
    return [*kept, *complaints, *unused]


def _comments(value: Any, location: str) -> Iterator[tuple[str, str]]:
    """Comments with where what they belong to lies: machine, states, branches, rules, catchers."""
    ahead = [(location, value)]
    while ahead:
        here, item = ahead.pop()
        if isinstance(item, dict):
            if isinstance(item.get("Comment"), str) and "lint:" in item["Comment"]:
                yield here, item["Comment"]
            ahead += [(f"{here}/{key}", inner) for key, inner in item.items() if isinstance(inner, dict | list)]
        elif isinstance(item, list):
            ahead += [(f"{here}[{index}]", inner) for index, inner in enumerate(item)]


def _read(comment: str, scope: str) -> Iterator[Allowance | Finding]:
    location = f"{scope}/Comment"
    for marker in _MARKER.finditer(comment):
        parts = _PARTS.match(marker[1])
        codes = re.split(r"\s*,\s*", parts["codes"]) if parts else []
        unknown = [code for code in codes if code not in SUMMARIES]
        if not parts or unknown:
            named = f"'{unknown[0]}' is no code" if unknown else "no code stands behind it"
            yield _bad(location, f"The marker 'lint: allow' allows nothing: {named}.")
        elif not re.search(r"\w", parts["reason"]):
            yield _bad(location, f"The marker for {', '.join(codes)} gives no reason.")
        else:
            yield from (Allowance(code, scope, location) for code in codes)


def _bad(location: str, message: str) -> Finding:
    return Finding("WARNING", BAD_ALLOW, location, message, "Write it as `lint: allow CODE the reason`.")


def _unused(allowance: Allowance) -> Finding:
    message = f"{allowance.code} is allowed here, but nothing here has it."
    return Finding("WARNING", UNUSED_ALLOW, allowance.location, message, "Remove the marker.")
