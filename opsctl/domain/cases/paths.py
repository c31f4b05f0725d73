"""Paths: expected against taken, and both in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsctl.domain.cases.model import Difference, Entry, Path, Step

NOTHING = "(no state)"
ANY = "..."


def path_difference(expected: Path, taken: Sequence[Entry], where: str = "path") -> Difference | None:
    """Where the path taken is not as expected: the innermost branch that differs, written as a whole."""
    if not _fits(expected, taken, deep=False):
        return Difference(_where(expected, taken, where), expected_words(expected), taken_words(taken, deep=False))
    if _fits(expected, taken, deep=True):
        return None
    inner = None if None in expected else _inside(expected, taken, where)
    return inner or Difference(where, expected_words(expected), taken_words(taken))


def _inside(expected: Path, taken: Sequence[Entry], where: str) -> Difference | None:
    for step, entry in zip(expected, taken, strict=True):
        if step is None or step.branches is None or _step_fits(step, entry, deep=True):
            continue
        for index, branch in step.branches.items():
            found = path_difference(branch, entry.branches.get(index, ()), f"{where}, {step.name}[{index}]")
            if found:
                return found
    return None


def _where(expected: Path, taken: Sequence[Entry], where: str) -> str:
    """With the number of the first step that differs, where steps can be counted."""
    if None in expected:
        return where
    names = [step.name for step in expected if step]
    for number, (name, entry) in enumerate(zip(names, taken, strict=False), 1):
        if name != entry.name:
            return f"{where}, step {number}"
    return f"{where}, step {min(len(names), len(taken)) + 1}"


def _fits(expected: Path, taken: Sequence[Entry], *, deep: bool) -> bool:
    """Whether a path with gaps fits: which expected steps can be done after each entry, all at once."""
    positions = _skipping_gaps(expected, {0})
    for entry in taken:
        after = {position for position in positions if position < len(expected) and expected[position] is None}
        for position in positions:
            step = expected[position] if position < len(expected) else None
            if step is not None and _step_fits(step, entry, deep=deep):
                after.add(position + 1)
        positions = _skipping_gaps(expected, after)
    return len(expected) in positions


def _skipping_gaps(expected: Path, positions: set[int]) -> set[int]:
    reached = set(positions)
    for position, step in enumerate(expected):
        if step is None and position in reached:
            reached.add(position + 1)
    return reached


def _step_fits(step: Step, entry: Entry, *, deep: bool) -> bool:
    if step.name != entry.name:
        return False
    if not deep or step.branches is None:
        return True
    if step.whole and entry.branches.keys() != step.branches.keys():
        return False
    return all(_fits(branch, entry.branches.get(index, ()), deep=True) for index, branch in step.branches.items())


# words


def expected_words(expected: Path) -> str:
    """`A > ... > P [B | C]`."""
    return " > ".join(ANY if step is None else step.name + _branch_words(step.branches) for step in expected) or NOTHING


def _branch_words(branches: Mapping[int, Path] | None) -> str:
    return "" if branches is None else f" [{' | '.join(expected_words(branch) for branch in branches.values())}]"


def taken_words(taken: Sequence[Entry], *, deep: bool = True) -> str:
    """The same of a path that was taken; branches only if `deep`."""
    return " > ".join(entry.name + (_inner_words(entry) if deep else "") for entry in taken) or NOTHING


def _inner_words(entry: Entry) -> str:
    if not entry.branches:
        return ""
    return f" [{' | '.join(taken_words(entry.branches[index]) for index in sorted(entry.branches))}]"


def as_document(taken: Sequence[Entry]) -> list[object]:
    """A path as JSON, in the form in which paths are expected."""
    return [
        {entry.name: {str(index): as_document(entry.branches[index]) for index in sorted(entry.branches)}}
        if entry.branches
        else entry.name
        for entry in taken
    ]
