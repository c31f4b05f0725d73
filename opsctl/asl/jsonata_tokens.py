"""What the words of a JSONata expression tell without parsing it: its shape, and the variables that it reads.

Parsing is slow and most expressions of a machine are alike: whether one is well-formed depends on its words' kinds
alone. So expressions that differ in names, numbers and strings only have one *shape*, and one parsing tells of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from opsctl.asl.jsonata import check_expression

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>/\*.*?\*/)|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<quoted>`[^`]*`)"""
    r"""|(?P<variable>\$[^\W\d]\w*)|(?P<number>(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<name>[^\W\d]\w*)"""
    r"""|(?P<sign>:=|[\s\S])""",
    re.DOTALL,
)
_PATTERN = re.compile(r"/(?:[^/\\]|\\.)+/[im]*", re.DOTALL)
_PLAIN = frozenset(".[](){},;:?+-*%=<>^!~&$@#") | {":="}
_WORDS = frozenset({"and", "or", "in", "true", "false", "null"})
_LAMBDA = frozenset({"function", "λ"})
_LONGEST_NUMBER = 15
_OPERANDS = frozenset({"string", "quoted", "variable", "number", "name"})
LONGEST = 16_384
"""Characters. AWS documents no limit; the parser's time grows with the square of the length."""

FUNCTIONS = frozenset({
    "abs", "append", "assert", "average", "base64decode", "base64encode", "boolean", "ceil", "clone", "contains",
    "count", "decodeUrl", "decodeUrlComponent", "distinct", "each", "encodeUrl", "encodeUrlComponent", "error",
    "eval", "exists", "filter", "floor", "formatBase", "formatInteger", "formatNumber", "fromMillis", "hash",
    "join", "keys", "length", "lookup", "lowercase", "map", "match", "max", "merge", "millis", "min", "not",
    "now", "number", "pad", "parse", "parseInteger", "partition", "power", "random", "range", "reduce", "replace",
    "reverse", "round", "shuffle", "sift", "single", "sort", "split", "spread", "sqrt", "string", "substring",
    "substringAfter", "substringBefore", "sum", "toMillis", "trim", "type", "uppercase", "uuid", "zip",
})  # fmt: skip
"""The functions of JSONata 2 and those that AWS adds: what they are called is no variable of the machine."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was found in an expression."""

    shape: str | None
    """Equal for expressions that differ in names and literals only; None where it takes the parser to tell."""
    variables: tuple[str, ...]
    """The machine's variables that it reads; one of which it asks whether it exists is not among them."""
    states: frozenset[str]
    """Which fields of `$states` it reads."""


def check_syntax(text: str) -> None:
    """Raises `ValueError` with the parser's words if an expression does not parse, or is longer than `LONGEST`."""
    if len(text) > LONGEST:
        raise ValueError(f"The expression is longer than {LONGEST} characters")
    shape = words_of(text).shape
    if shape is None or not _parses(shape):
        check_expression(text)


@lru_cache(maxsize=4096)
def _parses(shape: str) -> bool:
    try:
        check_expression(shape)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def words_of(text: str) -> Words:
    """Read an expression's words."""
    found = [(str(word.lastgroup), word[0]) for word in _TOKEN.finditer(text)]
    shape = _shape(found)
    # An expression with a shape has no comments and no regular expressions, which alone are not found word by word.
    tokens = list(_tokens(text)) if shape is None else [word for word in found if word[0] != "space"]
    bound = set(_bound(tokens))
    read: dict[str, None] = {}
    fields: set[str] = set()
    for index, (kind, word) in enumerate(tokens):
        if kind != "variable":
            continue
        if word == "$states":
            fields.update(_field(tokens, index))
        elif word[1:] not in FUNCTIONS:
            read[word[1:]] = None
    return Words(shape, tuple(name for name in read if name not in bound), frozenset(fields))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The words that count, each with its kind; no spaces, comments and regular expressions."""
    position, after_operand = 0, False
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:  # cannot be: any character is a sign
            return
        kind, word = str(found.lastgroup), found[0]
        if word == "/" and not after_operand and (pattern := _PATTERN.match(text, position)):
            position, after_operand = pattern.end(), True
            continue
        position = found.end()
        if kind not in ("space", "comment"):
            after_operand = (kind in _OPERANDS and word not in _WORDS) or word in (")", "]", "}")
            yield kind, word


def _bound(tokens: list[tuple[str, str]]) -> Iterator[str]:
    """The variables that are the expression's own: assigned, bound to a step, a function's parameters, asked about."""
    parameters = False
    for index, (kind, word) in enumerate(tokens):
        before = tokens[index - 1][1] if index else ""
        if word == "(" and before in _LAMBDA:
            parameters = True
        elif word == ")":
            parameters = False
        elif kind == "variable":
            after = tokens[index + 1][1] if index + 1 < len(tokens) else ""
            asked = before == "(" and index > 1 and tokens[index - 2][1] == "$exists"
            if parameters or asked or after == ":=" or before in ("@", "#"):
                yield word[1:]


def _field(tokens: list[tuple[str, str]], index: int) -> Iterator[str]:
    """The field that is read of the variable at an index."""
    if index + 2 < len(tokens) and tokens[index + 1][1] == ".":
        kind, word = tokens[index + 2]
        if kind in ("name", "quoted", "string"):
            yield word.strip("`'\"")


def _shape(words: list[tuple[str, str]]) -> str | None:
    parts: list[str] = []
    for index, (kind, word) in enumerate(words):
        if kind == "space":
            parts.append(" ")
        elif kind == "string" and "\\" not in word:
            parts.append('""')
        elif kind == "number" and len(word) <= _LONGEST_NUMBER:
            parts.append("1 ")
        elif kind == "variable":
            parts.append("$v ")
        elif kind == "name" and word not in _LAMBDA:
            parts.append(word if word in _WORDS else "n ")
        elif kind == "sign" and word in _PLAIN and not (word == "$" and _is_number(words[index + 1 : index + 2])):
            parts.append(word)
        else:
            return None
    return "".join(parts)


def _is_number(words: list[tuple[str, str]]) -> bool:
    return bool(words) and words[0][0] == "number"
