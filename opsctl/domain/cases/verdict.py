"""A record against what a case expects: the first difference, in the order in which one would look for a cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from opsctl.domain.cases.match import difference, is_operator
from opsctl.domain.cases.model import Call, Case, Difference, Record, Verdict
from opsctl.domain.cases.paths import as_document, path_difference, taken_words
from opsctl.domain.cases.query import QueryError, search

_NONE = "nothing"


def judge(case: Case, record: Record) -> Verdict:
    """The verdict on a walk."""
    return Verdict(case, record, next(_differences(case.expect, record), None))


def _differences(expect: Any, record: Record) -> Iterator[Difference]:
    if record.problem is not None:
        yield Difference(record.problem)
        return
    if expect["status"] != record.status:
        yield Difference("status", expect["status"], _ending(record))
    for what, exact in (("error", True), ("cause", True)):
        if what in expect:
            yield from _found(difference(expect[what], getattr(record, what), what, exact=exact))
    if "path" in expect:
        yield from _found(path_difference(expect["path"], record.path))
    yield from _entries(expect, record)
    yield from _calls(expect, record)
    yield from _values(expect, record)


def _found(found: Difference | None) -> Iterator[Difference]:
    if found is not None:
        yield found


def _ending(record: Record) -> str:
    """The status with what explains it."""
    if record.status == "RUNNING":
        return f"RUNNING, waiting for ever for {record.waiting or _NONE}"
    words = ": ".join(word for word in (record.error, record.cause) if word)
    return f"{record.status}{', ' + words if words else ''}, after {taken_words(record.path, deep=False)}"


def _entries(expect: Any, record: Record) -> Iterator[Difference]:
    for name in expect.get("entered", ()):
        if name not in record.entered:
            yield Difference("entered", name, taken_words(record.path))
    for name in expect.get("not_entered", ()):
        if name in record.entered:
            yield Difference("not_entered", f"not {name}", taken_words(record.path))


def _calls(expect: Any, record: Record) -> Iterator[Difference]:
    for name, wanted in expect.get("attempts", {}).items():
        yield from _found(difference(wanted, len(_of(record, name)), f"attempts of {name}", exact=True))
    for name, wanted in expect.get("parameters", {}).items():
        yield from _parameters(name, wanted, _of(record, name))


def _of(record: Record, state: str) -> list[Call]:
    return [call for call in record.calls if call.state == state]


def _parameters(name: str, wanted: Any, calls: Sequence[Call]) -> Iterator[Difference]:
    """A mapping holds for every call, a list call by call."""
    where = f"parameters of {name}"
    if isinstance(wanted, list):
        yield from _found(difference(wanted, [call.parameters for call in calls], where, exact=False))
        return
    if not calls:
        yield Difference(where, "at least one call", "the state was never asked")
    for number, call in enumerate(calls, 1):
        place = where if len(calls) == 1 else f"{where}, call {number}"
        yield from _found(difference(wanted, call.parameters, place, exact=False))


def _values(expect: Any, record: Record) -> Iterator[Difference]:
    if "published" in expect:
        yield from _found(difference(expect["published"], list(record.published), "published", exact=False))
    if "output" in expect:
        yield from _found(difference(expect["output"], record.output, "output", exact=True))
    if "output_includes" in expect:
        yield from _found(difference(expect["output_includes"], record.output, "output", exact=False))
    if "duration" in expect:
        yield from _found(_duration(expect["duration"], record.duration))
    for expression, wanted in expect.get("query", {}).items():
        yield from _found(_queried(expression, wanted, record))


def _duration(wanted: Any, actual: float) -> Difference | None:
    if is_operator(wanted):
        return difference(wanted, actual, "duration", exact=True)
    close = abs(wanted - actual) < 0.001
    return None if close else Difference("duration", f"{wanted:g} seconds", f"{actual:g} seconds")


def _queried(expression: str, wanted: Any, record: Record) -> Difference | None:
    try:
        actual = search(expression, view(record))
    except QueryError as error:
        return Difference(str(error))
    return difference(wanted, actual, expression, exact=True)


def view(record: Record) -> dict[str, Any]:
    """A record as JSON: what `query` searches, and what `-o json` prints."""
    return {
        "status": record.status,
        "output": record.output,
        "error": record.error,
        "cause": record.cause,
        "duration": record.duration,
        "path": as_document(record.path),
        "calls": [
            {"state": call.state, "number": call.number, "iteration": call.iteration, "at": call.at,
             "resource": call.resource, "parameters": call.parameters}
            for call in record.calls
        ],
        "published": list(record.published),
    }  # fmt: skip
