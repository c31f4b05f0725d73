"""JSONata's way to hand an object on with some members changed: `$merge([$states.input, {'job': $states.result}])`.

Such expressions are taken apart by their text, so that the members of what is handed on stay known for what they are.
Everything that is not of these few forms is left to evaluation.
"""

from __future__ import annotations

import re

_MERGE = re.compile(r"\$merge\s*\(\s*\[(.*)\]\s*\)", re.DOTALL)
_OBJECT = re.compile(r"\{(.*)\}", re.DOTALL)
_KEY = re.compile(r"\s*(?:\"([^\"\\]*)\"|'([^'\\]*)')\s*")
_CONSTANT = re.compile(r"\"([^\"\\]*)\"|'([^'\\]*)'|(-?\d+)|(true)|(false)")
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "\"'`"


def merged_parts(text: str) -> list[str] | None:
    """The expressions that a `$merge([…])` merges; None for anything else."""
    found = _MERGE.fullmatch(text.strip())
    return None if found is None else _split(found[1], ",")


def object_members(text: str) -> list[tuple[str, str]] | None:
    """Keys and expressions of an object that is written out; None for anything else."""
    found = _OBJECT.fullmatch(text.strip())
    members = None if found is None else _split(found[1], ",")
    if members is None:
        return None
    pairs = [_member(member) for member in members]
    return [pair for pair in pairs if pair is not None] if None not in pairs else None


def constant(text: str) -> tuple[str | int | bool] | None:
    """A string, whole number, true or false that stands alone, in a tuple of its own; None for anything else."""
    found = _CONSTANT.fullmatch(text.strip())
    if found is None:
        return None
    if found[3]:
        return (int(found[3]),)
    if found[4] or found[5]:
        return (found[4] is not None,)
    return (found[1] if found[1] is not None else found[2],)


def _member(text: str) -> tuple[str, str] | None:
    key = _KEY.match(text)
    if key is None or not text.startswith(":", key.end()):
        return None
    return (key[1] if key[1] is not None else key[2]), text[key.end() + 1 :]


def _split(text: str, separator: str) -> list[str] | None:
    """The parts between separators that stand in no bracket and no string; None where brackets do not match."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        else:
            depth += (character in _OPENING) - (character in _CLOSING)
        if depth < 0 or character == "\\":
            return None
        if character == separator and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()] if not depth and not quote and "/*" not in text else None
