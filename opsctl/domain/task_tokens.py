"""Find a task token where a state's definition says that it passes it on.

The history holds what a task was asked with, token and all, and nothing that says which text of it is the token. The
definition says: the state's Parameters or Arguments are made once more, of the same input, with a mark in the token's
place (`$$.Task.Token`, `$states.context.Task.Token`). Wherever the mark comes out, also inside a longer text, inside
JSON in a text or percent-encoded in a link, the recorded text has the token between the same neighbours.

What else such an expression can read (variables, times, random numbers) is not in the history. Where it spoils the
comparison, the token is the one text there that is as long as tokens are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.failures import StateError
from opsctl.asl.languages import Language
from opsctl.asl.payload import Payload

MASK = "<task token>"
_MARK = "opsctl+mark/of=the+token"
_PERCENT_MARK = _MARK.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9+/=_%-]{100,}")
_UNKNOWN = "?"  # what a name of the context object stands for that the history does not tell
_NOTHING: Any = object()


@dataclass(frozen=True)
class Asked:
    """What one attempt of a state was asked with, and what its expressions could see: `input` is the state's, `names`
    those of the context object that are known (`{"Execution": {"Id": …}}`)."""

    state: Mapping[str, Any]
    jsonata: bool
    parameters: Any
    input: Any
    names: Mapping[str, Any]


def token_of(asked: Asked) -> str | None:
    """The task token; None where the state does not pass it on, or among texts from which it cannot be told."""
    known = json.dumps([asked.input, asked.names], ensure_ascii=False)
    made = _made(asked)
    if made is not _NOTHING:
        return next(_aligned(made, asked.parameters, known), None)
    return next((found for value in _mentions(asked) for found in _like_tokens(value, known)), None)


def passes_on(asked: Asked) -> bool:
    """Whether the state may pass its token on: whether it reads the context object, which holds it."""
    return any(True for _ in _mentions(asked))


def masked(value: Any, token: str | None) -> Any:
    """The same without the token, which whoever reads it could answer with."""
    if isinstance(value, Mapping):
        return {key: masked(inside, token) for key, inside in value.items()}
    if isinstance(value, list):
        return [masked(inside, token) for inside in value]
    if not isinstance(value, str) or not token:
        return value
    return value.replace(token, MASK).replace(_percent(token), MASK)


def _made(asked: Asked) -> Any:
    """What the state would have been asked with, had its token been the mark; `_NOTHING` where that cannot be said."""
    try:
        fields = {key: asked.state[key] for key in ("InputPath", "Parameters", "Arguments") if key in asked.state}
        flow = Language(asked.jsonata).flow({"Type": "Task", **fields})
        return flow.arguments(Payload(asked.input), _environment(asked)).value
    except (StateError, ValueError, KeyError, TypeError):
        return _NOTHING


def _environment(asked: Asked) -> Environment:
    state = {"Name": _UNKNOWN, "EnteredTime": _UNKNOWN, "RetryCount": 0}
    context = {
        "Execution": {
            "RedriveCount": 0,
            "StartTime": _UNKNOWN,
            "RoleArn": _UNKNOWN,
            **asked.names.get("Execution", {}),
        },
        "StateMachine": asked.names.get("StateMachine", {}),
        "State": {**state, **asked.names.get("State", {})},
        "Task": {"Token": _MARK},
    }
    if "Map" in asked.names:
        context["Map"] = asked.names["Map"]

    def variable(name: str) -> Any:
        raise KeyError(name)

    return Environment(lambda: context, variable, Random(0), data=asked.input, states={"input": asked.input})


def _aligned(made: Any, recorded: Any, known: str) -> Iterator[str]:
    """The texts of `recorded` that stand where the mark stands in `made`."""
    if isinstance(made, str):
        yield from _aligned_text(made, recorded, known)
        return
    if isinstance(recorded, str) and isinstance(made, dict | list):
        recorded = _json(recorded)
    if isinstance(made, dict) and isinstance(recorded, dict):
        for key, inside in made.items():
            yield from _aligned(inside, recorded.get(key), known)
    elif isinstance(made, list) and isinstance(recorded, list):
        for one, other in zip(made, recorded, strict=False):
            yield from _aligned(one, other, known)
    elif _MARK in json.dumps(made):
        yield from _like_tokens(recorded, known)


def _aligned_text(made: str, recorded: Any, known: str) -> Iterator[str]:
    mark = _MARK if _MARK in made else _PERCENT_MARK
    if mark not in made:
        return
    if isinstance(recorded, str):
        before, *_, after = made.split(mark)
        if made.count(mark) == 1 and _fits(recorded, before, after):
            found = recorded[len(before) : len(recorded) - len(after)]
            yield found if mark is _MARK else _decoded(found)
            return
        if isinstance(_json(made), dict | list) and isinstance(_json(recorded), dict | list):
            yield from _aligned(_json(made), _json(recorded), known)
            return
    yield from _like_tokens(recorded, known)


def _fits(recorded: str, before: str, after: str) -> bool:
    return len(recorded) > len(before) + len(after) and recorded.startswith(before) and recorded.endswith(after)


def _mentions(asked: Asked) -> list[Any]:
    """What was recorded for each expression that reads the context object, those that name the token first."""
    template = asked.state.get("Arguments" if asked.jsonata else "Parameters")
    found = sorted(_readers(template, asked.parameters), key=lambda reader: "Token" not in reader[0])
    return [value for _, value in found]


def _readers(template: Any, recorded: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(template, str):
        if "$states.context" in template or "$$" in template:
            yield template, recorded
    elif isinstance(template, Mapping):
        inner = _json(recorded) if isinstance(recorded, str) else recorded
        for key, inside in template.items():
            yield from _readers(inside, inner.get(key.removesuffix(".$")) if isinstance(inner, Mapping) else recorded)
    elif isinstance(template, list):
        rows = recorded if isinstance(recorded, list) else [recorded] * len(template)
        for inside, value in zip(template, rows, strict=False):
            yield from _readers(inside, value)


def _like_tokens(value: Any, known: str) -> Iterator[str]:
    """The one text in a value that is as long as tokens are and did not come in with the input; nothing where there is
    none, or more than one."""
    texts = set(_TOKEN_LIKE.findall(value if isinstance(value, str) else json.dumps(value)))
    found = [text for text in texts if text not in known]
    if len(found) == 1:
        yield _decoded(found[0])


def _percent(token: str) -> str:
    return token.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def _decoded(text: str) -> str:
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
