"""What either way of taking over results costs, and where nobody knows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opsctl.aws import copying, multipart
from opsctl.domain import reuse_costs
from opsctl.domain.inventory import folders_read, names_read, owner_of, run_meant
from opsctl.domain.objects import Stored
from opsctl.domain.plan import REUSE, PlannedStep, RerunPlan, Result
from opsctl.domain.prices import shipped
from opsctl.domain.reuse_costs import Expense, lenders, reading_in_place

GIB = 2**30


def plan(items: list[Stored], uri: str = "s3://b/runs/nightly-7/train/", region: str = "us-east-1") -> RerunPlan:
    result = Result(uri, len(items), sum(item.size for item in items), artifact=True, items=tuple(items))
    step = PlannedStep("Train", "train", REUSE, "made by nightly-7", made_by="nightly-7", result=result)
    return RerunPlan("nightly-7-r1", "nightly-7", (step,), {}, (), (), prices=shipped(region))


def stored(size: int, storage_class: str = "STANDARD") -> Stored:
    return Stored("k", size, '"e"', storage_class=storage_class)


def test_a_hundred_thousand_small_objects_and_a_large_one() -> None:
    made = plan([stored(GIB // 1000)] * 100_000 + [stored(6 * GIB)])
    assert reuse_costs.copying(made) == Expense(
        100_001, 6 * GIB + 100_000 * (GIB // 1000), 100_000 + (2 + 24) + 4 * 101,
        pytest.approx(0.50215), pytest.approx(2.438, abs=1e-3),
    )  # fmt: skip
    assert reading_in_place(made) == Expense(0, 0, 101, pytest.approx(0.000505), 0)


def test_what_is_not_known_is_not_made_up() -> None:
    elsewhere = plan([stored(GIB)], region="eu-west-1")
    assert reuse_costs.copying(elsewhere) == Expense(1, GIB, 5, None, None)
    assert reading_in_place(elsewhere) == Expense(0, 0, 1, None, None)
    rarely_read = plan([stored(GIB, "STANDARD_IA")])  # to read it costs extra, by the byte
    assert reuse_costs.copying(rarely_read) == Expense(1, GIB, 5, None, 0.023)


def test_large_objects_are_copied_in_the_parts_that_are_counted() -> None:
    assert (reuse_costs.PART, reuse_costs.MOST_PARTS) == (multipart.SMALLEST_PART, multipart.MOST_PARTS)
    assert reuse_costs.LARGEST_SINGLE_COPY == copying.LARGEST_SINGLE_COPY


def test_who_has_what_is_reused() -> None:
    assert lenders(plan([stored(1)])) == ("nightly-7",)
    assert lenders(plan([stored(1)], uri="s3://b/models/old/")) == ()
    assert lenders(replace(plan([]), steps=())) == ()
    assert [owner_of(f"s3://b/{key}") for key in ("runs/a/train", "runs/a/", "runs/", "datasets/a/")] == [
        "a", "a", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '{"reuse": {"train": {"uri": "s3://b/runs/läufe-7/train/"}}}',
        '{"reuse": {"train": {"uri": "s3://b/runs/l\\u00e4ufe-7/train/"}}}',
        '{"reuse": {"train": {"uri": "s3:\\/\\/b\\/runs\\/läufe-7\\/train"}}}',
        'cut off: {"uri": "s3://b/runs/läufe-7/train/',
    ],
)
def test_an_address_is_found_however_it_is_written(text: str) -> None:
    assert (names_read(text, "b"), names_read(text, "c")) == ({"läufe-7"}, frozenset())
    assert folders_read(text, "b", "läufe-7") == {"train"}


@pytest.mark.parametrize(
    "text",
    [
        '{"data": "s3://b/runs/nightly-7"}',
        "s3://b/runs/nightly-7",
        '{"data": "s3a://b/runs/nightly-7/x"}',
        '{"Resource": "arn:aws:s3:::b/runs/nightly-7/*"}',
        '{"url": "https://b.s3.eu-west-1.amazonaws.com/runs/nightly-7/x?y=1"}',
        '{"url": "https://s3.amazonaws.com/b/runs/nightly-7/x"}',
        '{"Bucket": "b", "Key": "runs/nightly-7/train/x"}',
        '{"Bucket": "b", "Prefix": "/runs/nightly-7"}',
        json.dumps({"inner": json.dumps({"uri": "s3://b/runs/nightly-7/"})}),
    ],
)
def test_a_run_is_read_however_its_prefix_is_written(text: str) -> None:
    assert names_read(text, "b") == {"nightly-7"}


def test_what_names_another_bucket_reads_nothing_here() -> None:
    text = (
        '{"a": "s3://bb/runs/x/", "b": "s3://a-b/runs/x/", "Bucket": "c", "Key": "runs/x/y", "d": "s3://b/old-runs/x/"}'
    )
    assert names_read(text, "b") == frozenset()


@pytest.mark.parametrize(
    ("text", "run"),
    [('{"run": "nightly-7"}', {"nightly-7"}), ('{"run": ""}', set()), ('{"run": 7}', set()), ("[", set())],
)
def test_a_deployments_input_says_which_run_it_works_with(text: str, run: set[str]) -> None:
    assert run_meant(text) == run
