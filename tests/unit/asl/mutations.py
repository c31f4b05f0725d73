"""Values out of the blue, and good ones with a few places spoilt, for tests that nothing must surprise."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

WORDS = st.sampled_from(
    ["", "$", "$.a", "$$.Task.Token", "$x", "$.a[?(@.b == 1)]", "States.Format('{}', $.a)", "States.UUID(1)",
     "{% $a %}", "{% $states.input.( %}", "A", "B", "Task", "Map", "JSONata", "JSONPath", "States.ALL",
     "arn:aws:states:::lambda:invoke", "2026-01-01T00:00:00Z", "$.a[", "$..*", "\x00", "\ud800"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["StartAt", "States", "Type", "Next", "End", "Choices", "Default", "Retry", "Catch", "ErrorEquals", "Branches",
     "ItemProcessor", "Iterator", "ItemsPath", "Parameters", "Arguments", "Output", "Assign", "ResultPath", "Variable",
     "And", "Not", "NumericEquals", "Seconds", "Timestamp", "QueryLanguage", "TimeoutSeconds", "MaxConcurrency", "a.$",
     "id", "type", "timestamp", "previousEventId", "name", "index", "input", "output", "stateEnteredEventDetails"]
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), WORDS, st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5),
    max_leaves=12,
)


@st.composite
def spoilt(draw: st.DrawFn, good: st.SearchStrategy[Any], most: int = 3) -> Any:
    """A good JSON value with up to `most` places replaced, left out or put in twice."""
    value = copy.deepcopy(draw(good))
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(value))
        if places:
            _spoil(draw, *draw(st.sampled_from(places)))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in the value with each of its keys."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict | list):
            for key in container if isinstance(container, dict) else range(len(container)):
                yield container, key
                waiting.append(container[key])


def _spoil(draw: st.DrawFn, container: Any, key: Any) -> None:
    how = draw(st.sampled_from(["replace", "replace", "leave out", "rename"]))
    if how == "leave out":
        del container[key]
    elif how == "rename" and isinstance(container, dict):
        container[draw(KEYS)] = container.pop(key)
    else:
        container[key] = draw(VALUES)
