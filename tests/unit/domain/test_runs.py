"""RUN arguments, and documents and objects as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from opsctl.domain.conditions import ABSENT, Setting
from opsctl.domain.documents import Change, changes, merged, value_at, with_settings
from opsctl.domain.objects import Place, Stored, differences
from opsctl.domain.runs import Run, choose_run
from opsctl.errors import UsageError


def run(name: str, status: str = "SUCCEEDED") -> Run:
    return Run(name, f"arn:x:{name}", "arn:machine", status, 0.0)


RUNS = [
    run("nightly-9", "RUNNING"),
    run("nightly-8"),
    run("nightly-71", "ABORTED"),
    run("nightly-7", "FAILED"),
    run("try"),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("@latest", "nightly-9"), ("@failed", "nightly-71"), ("nightly-7", "nightly-7"), ("t", "try"),
        ("arn:x:nightly-8", "nightly-8"),
    ],
)  # fmt: skip
def test_a_run_argument_finds_a_run(wanted: str, found: str) -> None:
    assert choose_run(wanted, RUNS).name == found


@pytest.mark.parametrize(
    ("wanted", "runs", "message", "hint"),
    [
        ("nightly", RUNS, "4 runs begin with 'nightly'", "say which one: nightly-9, nightly-8, nightly-71, …"),
        ("nightly-71x", RUNS, "no run 'nightly-71x'", "the nearest names are: nightly-71, nightly-7, nightly-9"),
        ("x", [], "no run 'x'", "there is no run yet; opsctl start makes one"),
        ("@latest", [], "there is no run yet", "opsctl start makes one"),
        ("@failed", RUNS[:2], "no run has failed", "name the run to work on: opsctl list shows them"),
    ],
)
def test_a_run_argument_that_finds_none(wanted: str, runs: list[Run], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_run(wanted, runs)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_no_more_runs_are_read_than_needed() -> None:
    def endless() -> Iterator[Run]:
        yield RUNS[0]
        raise AssertionError("read too far")

    assert choose_run("@latest", endless()).name == "nightly-9"


def test_when_a_run_has_ended() -> None:
    assert [run.ended for run in RUNS] == [False, True, True, True, True]
    assert not replace(RUNS[0], status="PENDING_REDRIVE").ended


def test_values_settings_and_merges() -> None:
    document = {"a": {"b": 1, "c": [1]}, "d": None}
    assert value_at(document, ("a", "b")) == 1
    assert value_at(document, ("d", "e")) is ABSENT
    changed = with_settings(document, [Setting(("a", "b"), ABSENT), Setting(("d",), 2), Setting(("e", "f"), {"g": 1})])
    assert changed == {"a": {"c": [1]}, "d": 2, "e": {"f": {"g": 1}}}
    assert with_settings({"a": {"b": 1}}, [Setting(("a", "b"), ABSENT), Setting(("x", "y"), ABSENT)]) == {}
    assert document == {"a": {"b": 1, "c": [1]}, "d": None}
    assert merged(document, {"a": {"b": 2}, "d": {"x": 1}}) == {"a": {"b": 2, "c": [1]}, "d": {"x": 1}}
    with pytest.raises(UsageError, match=r"a\.b\.c cannot be set: b is a value, not an object"):
        with_settings(document, [Setting(("a", "b", "c"), 1)])


def test_changes_between_documents() -> None:
    assert changes({"a": {"b": 1}, "c": {}}, {"a": {"b": 2, "d": 3}, "c": {}}) == [
        Change("a.b", 1, 2),
        Change("a.d", ABSENT, 3),
    ]
    assert changes({}, {}) == []


def test_places() -> None:
    assert Place.parse("s3://bucket/a/b/") == Place("bucket", "a/b/")
    assert Place("bucket", "a/b/").uri == "s3://bucket/a/b/"
    for bad in ("bucket/key", "s3://bucket", "s3:///key"):
        with pytest.raises(UsageError, match="is not an S3 address"):
            Place.parse(bad)


def test_when_a_copy_is_a_copy() -> None:
    one, two = Stored("one", 3, '"e1"'), Stored("two", 4, '"e2"')
    assert differences([one, two], [one, two], [Stored("two", 4, '"other"'), Stored("one", 3, '"x"')]) == []
    assert differences([one, two], [one], [replace(two, size=9), Stored("three", 1, '"e"')]) == [
        "one is missing at the target, 3 bytes at the source",
        "two changed or vanished at its source during the copy",
        "two is 9 at the target, 4 bytes at the source",
        "three is at the target only",
    ]
