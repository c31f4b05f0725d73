"""Which runs' data a cleanup deletes, and why it keeps the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain.cleanup import ALL, FRESH, GRACE, PARTS, Criteria, Decision, generations, plan_cleanup, readers_first
from opsctl.domain.inventory import DATA, MODEL, OTHER, Folder, Known, RunData, folders_of, run_of
from opsctl.domain.objects import Stored

NOW = 1_800_000_000.0
DAY = 86400.0


def run(name: str, age: float = 40 * DAY, status: str = "SUCCEEDED", **more: Any) -> RunData:
    """A run that ended `age` seconds ago and keeps 10 bytes of data, 20 of models and 1 of code."""
    at = NOW - age
    stopped = None if status == "RUNNING" else at
    kinds = (("code", OTHER, 1), ("fetch-preprocessed-data", DATA, 10), ("train-text-model", MODEL, 20))
    facts: dict[str, Any] = {
        "folders": tuple(Folder(folder, kind, 1, {"STANDARD": size}, at) for folder, kind, size in kinds),
        "known": Known("training", status, at, stopped, redrivable=more.pop("redrivable", False)),
        "started": True,
        "held": False,
    }
    return RunData(name, **facts | more)


def outcome(*runs: RunData, in_use: dict[str, str] | None = None, **criteria: Any) -> dict[str, str]:
    """Per run, why it is kept, or the folders that go."""
    plan = plan_cleanup(runs, Criteria(**criteria), in_use or {}, NOW)
    return {made.run.name: made.kept or " ".join(folder.name for folder in made.folders) for made in plan}


GONE = "code fetch-preprocessed-data train-text-model"


def test_a_run_that_was_asked_for_and_is_needed_by_nobody_goes_whole() -> None:
    assert outcome(run("a"), run("b", age=DAY), older_than=30 * DAY) == {"a": GONE, "b": "young"}


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("running", run("a", status="RUNNING")),
        ("redrivable", run("a", status="FAILED", redrivable=True, age=GRACE - 1)),
        ("held", run("a", held=True)),
        ("fresh", run("a", known=None, started=False, age=FRESH - 1)),
    ],
)
def test_it_never_goes_even_when_it_is_named(why: str, data: RunData) -> None:
    assert outcome(data, names=frozenset({"a"})) == {"a": why}


def test_a_failed_run_goes_when_its_grace_period_is_over() -> None:
    failed = run("a", status="FAILED", redrivable=True, age=GRACE + 1)
    assert outcome(failed, older_than=DAY) == {"a": GONE}
    assert outcome(run("a", status="FAILED", redrivable=True, age=2 * DAY), older_than=DAY, grace=DAY) == {"a": GONE}


def test_the_champion_and_what_an_endpoint_serves_stay() -> None:
    in_use = {"a": "champion", "b": "endpoint"}
    assert outcome(run("a"), run("b"), run("c"), in_use=in_use, older_than=DAY) == {**in_use, "c": GONE}


def test_what_a_run_that_stays_reads_from_stays_at_any_remove() -> None:
    chain = [run("a"), run("b", reads=frozenset({"a"})), run("c", age=DAY, reads=frozenset({"b"}))]
    assert outcome(*chain, older_than=30 * DAY) == {"a": "read", "b": "read", "c": "young"}
    assert outcome(*chain, older_than=0) == {"a": GONE, "b": GONE, "c": GONE}


def test_a_reader_that_loses_only_a_part_goes_on_reading() -> None:
    pair = [run("a"), run("b", age=39 * DAY, reads=frozenset({"a"}))]
    assert outcome(*pair, older_than=DAY, part="data") == {"a": "read", "b": "fetch-preprocessed-data"}
    assert outcome(*pair, older_than=DAY, part="models") == {"a": "read", "b": "train-text-model"}


def test_the_newest_of_each_machine_stay_whatever_else_keeps_them() -> None:
    other = Known("deployment", "SUCCEEDED", NOW - 50 * DAY, NOW - 50 * DAY)
    runs = [
        run("d", age=50 * DAY, known=other),
        run("a", age=9 * DAY),
        run("b", age=8 * DAY, held=True),
        run("c", age=7 * DAY),
    ]
    assert outcome(*runs, keep_last=2) == {"d": "recent", "a": GONE, "b": "held", "c": "recent"}


def test_every_criterion_has_to_agree() -> None:
    runs = [run("a", status="FAILED"), run("b"), run("c", age=DAY, status="FAILED")]
    assert outcome(*runs, older_than=30 * DAY, statuses=frozenset({"FAILED"})) == {
        "a": GONE,
        "b": "status",
        "c": "young",
    }


def test_an_orphan_is_a_prefix_that_no_run_ever_started_in() -> None:
    forgotten = run("history-gone", known=None)
    leftover = run("leftover", known=None, started=False)
    assert outcome(run("a"), forgotten, leftover, orphans=True) == {
        "a": "known",
        "history-gone": "known",
        "leftover": GONE,
    }


def test_a_limit_of_bytes_takes_the_oldest_until_the_rest_fits() -> None:
    runs = [run("a", age=9 * DAY), run("b", age=8 * DAY), run("c", age=7 * DAY)]
    assert outcome(*runs, bytes_to_keep=62) == {"a": GONE, "b": "fits", "c": "fits"}
    assert outcome(*runs, bytes_to_keep=61) == {"a": GONE, "b": GONE, "c": "fits"}
    assert outcome(*runs, bytes_to_keep=200) == {"a": "fits", "b": "fits", "c": "fits"}


def test_a_limit_of_bytes_takes_a_reader_before_what_it_reads() -> None:
    runs = [run("a", age=9 * DAY), run("b", age=8 * DAY, reads=frozenset({"a"})), run("c", age=7 * DAY)]
    assert outcome(*runs, bytes_to_keep=62) == {"a": "fits", "b": GONE, "c": "fits"}


def test_what_is_read_goes_after_all_that_read_it() -> None:
    """Runs that read each other, as inputs written by hand may say, share the last turn."""
    reads = {
        "base": "",
        "copy": "base base",
        "third": "copy",
        "also": "base copy",
        "ring": "loop base",
        "loop": "ring",
        "own": "own",
    }
    runs = [run(name, reads=frozenset(read.split())) for name, read in reads.items()]
    decisions = plan_cleanup(runs, Criteria(), {}, NOW)
    turns = [[decision.run.name for decision in turn] for turn in generations(decisions)]
    assert turns == [["also", "own", "third"], ["copy"], ["base", "loop", "ring"]]
    assert readers_first(decisions) == {"copy": ["also", "third"], "base": ["also", "copy"]}


def test_a_run_without_the_wanted_part_is_said_to_have_none() -> None:
    bare = run("a", folders=(Folder("code", OTHER, 1, {"STANDARD": 1}, NOW - 40 * DAY),))
    assert outcome(bare, older_than=DAY, part="models") == {"a": "empty"}


def test_folders_are_told_by_their_objects() -> None:
    keys = {
        "plan.json": 5,
        "code/text.py": 7,
        "fetch-preprocessed-data/p.jsonl": 11,
        "fetch-preprocessed-data/q.jsonl": 1,
        "score-documents/stack-0.json.out": 3,
        "train-text-model/checkpoints/1": 2,
        "train-text-model/job/output/model.tar.gz": 13,
    }
    objects = [Stored(key, size, "e", NOW + size) for key, size in keys.items()]
    found = [(folder.name, folder.kind, folder.objects, folder.bytes, folder.newest) for folder in folders_of(objects)]
    assert found == [
        ("", OTHER, 1, 5, NOW + 5),
        ("code", OTHER, 1, 7, NOW + 7),
        ("fetch-preprocessed-data", DATA, 2, 12, NOW + 11),
        ("score-documents", OTHER, 1, 3, NOW + 3),
        ("train-text-model", MODEL, 2, 15, NOW + 13),
    ]


@pytest.mark.parametrize("loose", [[], ["code.json"]])
def test_a_hold_makes_a_run_no_younger(loose: list[str]) -> None:
    """Else a run that is held would be one of the newest that --keep-last counts."""
    old = [Stored(key, 1, "e", NOW - 40 * DAY) for key in [*loose, "train-text-model/x"]]
    held = run("old", age=41 * DAY, held=True, folders=folders_of([*old, Stored(".hold", 1, "e", NOW)]))
    assert held.last_used == NOW - 40 * DAY
    assert outcome(held, run("a", age=9 * DAY), run("b", age=DAY), keep_last=2) == {
        "old": "held",
        "a": "recent",
        "b": "recent",
    }


def test_where_a_hold_is_all_there_is_it_has_an_age() -> None:
    folders = folders_of([Stored(".hold", 1, "e", NOW - DAY)])
    assert [folder.newest for folder in folders] == [NOW - DAY]
    assert run("a", known=None, held=True, folders=folders).last_used == NOW - DAY


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("runs/a/x", "a"),
        ("runs/a/b/c", "a"),
        ("runs/a/", "a"),
        ("runs/a", None),
        ("runs//x", None),
        ("data/a/x", None),
    ],
)
def test_a_key_belongs_to_a_run_only_below_its_prefix(key: str, name: str | None) -> None:
    assert run_of(key) == name


NAMES = [f"run-{number}" for number in range(7)]
RUNS = st.lists(
    st.builds(
        run,
        st.sampled_from(NAMES),
        age=st.integers(0, 60).map(lambda days: days * DAY),
        status=st.sampled_from(["RUNNING", "SUCCEEDED", "FAILED"]),
        redrivable=st.booleans(),
        held=st.booleans(),
        started=st.booleans(),
        reads=st.frozensets(st.sampled_from(NAMES), max_size=3),
    ),
    unique_by=lambda data: data.name,
    max_size=7,
)
CRITERIA = st.builds(
    Criteria,
    names=st.frozensets(st.sampled_from(NAMES)),
    older_than=st.none() | st.integers(0, 60).map(lambda days: days * DAY),
    keep_last=st.none() | st.integers(0, 4),
    bytes_to_keep=st.none() | st.integers(0, 200),
    part=st.sampled_from(PARTS),
)


def left_of(made: Decision) -> set[str]:
    return {folder.name for folder in made.run.folders} - {folder.name for folder in made.folders}


@given(RUNS, CRITERIA, st.sampled_from([*NAMES, None]))
def test_no_plan_deletes_what_is_in_use_or_read_by_what_is_left(
    runs: list[RunData], criteria: Criteria, champion: str | None
) -> None:
    plan = plan_cleanup(runs, criteria, {champion: "champion"} if champion else {}, NOW)
    gone = {made.run.name for made in plan if made.folders}
    read = {name for made in plan if left_of(made) for name in made.run.reads - {made.run.name}}
    assert sorted(made.run.name for made in plan) == sorted(data.name for data in runs)
    assert all(bool(made.folders) != bool(made.kept) for made in plan)
    assert not gone & read
    assert champion not in gone
    assert not gone & {data.name for data in runs if data.held or (data.known and data.known.stopped is None)}
    if criteria.part != ALL:
        assert all(left_of(made) for made in plan)
