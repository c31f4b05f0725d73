"""How runs descend from each other: reruns by name and by input, as a list marks them and as a tree.

The name says it at no cost: a rerun without a `--name` of its own is `<root>-r<N>` (`names.rerun_name`), N counting the
reruns of the root whatever they are reruns of. The input's `rerun` says it for certain.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from opsctl.domain.names import rerun_name

_RERUN = re.compile(r"(.+)-r([1-9]\d{0,5})")
_MADE = re.compile(r"run-\d{6}-\d{6}-[0-9a-f]{2}")  # a name that `opsctl start` makes
_SHORTENED = re.compile(r".*-[0-9a-f]{8}")


@dataclass(frozen=True)
class Numbered:
    """The `number`th rerun of `root`, by its name."""

    root: str
    number: int


def numbered(name: str, known: Collection[str]) -> Numbered | None:
    """Which rerun a run is by its name: the root must be among the `known` names of the machine, or be one that
    `opsctl start` makes. Anything may be called `model-r2`."""
    match = _RERUN.fullmatch(name)
    if not match:
        return None
    base, number = match[1], int(match[2])
    if base in known or _MADE.fullmatch(base):
        return Numbered(base, number)
    if not _SHORTENED.fullmatch(base):
        return None
    return next((Numbered(root, number) for root in sorted(known) if rerun_name(root, number) == name), None)
