"""The record of a champion: what is written can be read, and what cannot be read is none, with a reason."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain.champions import (
    Champion,
    CorruptRecordError,
    Found,
    Model,
    Source,
    document,
    found,
    history_key,
    history_prefix,
    is_pointer,
    pointer_key,
    promoted_time,
    read_record,
    record_text,
    runs_kept,
    succession,
)

RUNS = "s3://b/runs"
MACHINE = "documents-training"


def champion(run: str = "nightly-7", **fields) -> Champion:
    return Champion(
        machine=MACHINE,
        run=run,
        model=Model(f"{RUNS}/{run}/train-sequence-model/{run}-d0r0/output/model.tar.gz", '"e7"'),
        metrics={"page_accuracy": 0.93, "log_loss": 1},
        held_out=Source(f"{RUNS}/{run}/fetch-preprocessed-data/", "d0"),
        code=Source(f"{RUNS}/{run}/code/", "c0"),
        promoted_at="2026-11-22T07:00:00Z",
        approved_by=None,
        reason="gate",
        deployment=f"{run}-deployment",
        endpoint="documents",
    )  # fmt: skip


OLD, NEW = champion("nightly-6"), champion("nightly-7")
WITH_PREVIOUS = replace(NEW, previous=OLD, approved_by="arn:aws:iam::1:user/ann", reason="fewer mixed-up deeds — ✓")


def test_the_record_stands_where_everybody_looks_for_it():
    assert pointer_key(MACHINE) == "champions/documents-training.json"
    assert history_key(MACHINE, "nightly-7-deployment") == "champions/documents-training/nightly-7-deployment.json"
    assert history_key(MACHINE, "x").startswith(history_prefix(MACHINE))
    assert is_pointer(pointer_key(MACHINE))
    assert not is_pointer(history_key(MACHINE, "x"))
    assert not is_pointer("champions/")
    assert not is_pointer("runs/x.json")


@pytest.mark.parametrize("one", [NEW, WITH_PREVIOUS])
def test_what_is_written_is_read_again(one: Champion):
    assert read_record(record_text(one)) == one
    assert read_record(record_text(one).encode()) == one
    assert found(MACHINE, record_text(one).encode(), "e") == Found(one, "e")


def test_a_record_is_the_document_that_is_fixed_between_the_machines():
    assert document(WITH_PREVIOUS) == {
        "version": 1,
        "machine": "documents-training",
        "run": "nightly-7",
        "model": {"uri": f"{RUNS}/nightly-7/train-sequence-model/nightly-7-d0r0/output/model.tar.gz", "etag": '"e7"'},
        "metrics": {"page_accuracy": 0.93, "log_loss": 1},
        "held_out": {"uri": f"{RUNS}/nightly-7/fetch-preprocessed-data/", "sha256": "d0"},
        "code": {"uri": f"{RUNS}/nightly-7/code/", "sha256": "c0"},
        "promoted_at": "2026-11-22T07:00:00Z",
        "approved_by": "arn:aws:iam::1:user/ann",
        "reason": "fewer mixed-up deeds — ✓",
        "deployment": "nightly-7-deployment",
        "endpoint": "documents",
        "previous": document(OLD),
    }


def test_the_folder_of_a_model_holds_it_alone():
    assert NEW.model.folder == f"{RUNS}/nightly-7/train-sequence-model/nightly-7-d0r0/output/"


def changed(path: str, value: object) -> str:
    """The record with a value elsewhere; `...` takes the field out."""
    record = document(WITH_PREVIOUS)
    *parents, name = path.split(".")
    place = record
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[name]
    else:
        place[name] = value
    return json.dumps(record)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it is no JSON object"),
        ("{}", "it has version None, not 1"),
        (changed("version", 2), "it has version 2, not 1"),
        (changed("run", ...), "run is no text"),
        (changed("run", 7), "run is no text"),
        (changed("model", "s3://b/x"), "model is no JSON object"),
        (changed("model.uri", "model.tar.gz"), "model.uri is no address in S3"),
        (changed("model.etag", ""), "model.etag is no text"),
        (changed("metrics.page_accuracy", "0.9"), "metrics.page_accuracy is no finite number"),
        (changed("metrics.page_accuracy", float("nan")), "metrics.page_accuracy is no finite number"),
        (changed("metrics.page_accuracy", True), "metrics.page_accuracy is no finite number"),
        (changed("metrics.page_accuracy", 10**400), "metrics.page_accuracy is no finite number"),
        (changed("metrics", None), "metrics is no JSON object"),
        (changed("held_out.sha256", None), "held_out.sha256 is no text"),
        (changed("promoted_at", "yesterday"), "promoted_at is no time in UTC, such as 2026-11-22T07:00:00Z"),
        (changed("approved_by", 1), "approved_by is no text"),
        (changed("previous", "nightly-6"), "previous is no JSON object"),
        (changed("previous.run", ...), "previous.run is no text"),
        (changed("previous.version", 0), "previous has version 0, not 1"),
        (changed("previous.previous", document(OLD)), "previous has a previous of its own"),
        (changed("machine", "other"), "it is the record of machine 'other'"),
    ],
)
def test_a_record_that_cannot_be_read_counts_as_none_with_a_warning(text: str | bytes, reason: str):
    content = text if isinstance(text, bytes) else text.encode()
    assert found(MACHINE, content, '"e"') == Found(
        None, '"e"', f"champions/{MACHINE}.json is no record of a champion, and counts as none: {reason}"
    )


def test_no_record_is_no_champion_and_no_warning():
    assert found(MACHINE, None) == Found(None, None, None)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)
       | st.dictionaries(st.sampled_from([*document(NEW), "uri", "etag", "sha256"]), inner)))  # fmt: skip
def test_nothing_but_a_record_is_one(value: object):
    with pytest.raises(CorruptRecordError):
        read_record(json.dumps(value))
    runs_kept(json.dumps(value))


def test_the_next_record_has_the_one_before_it_and_no_more():
    third = champion("nightly-8")
    assert succession(NEW, None) == NEW
    assert succession(NEW, OLD) == replace(NEW, previous=OLD)
    assert succession(third, WITH_PREVIOUS).previous == replace(WITH_PREVIOUS, previous=None)
    rolled_back = succession(replace(OLD, reason="rollback", deployment="back"), WITH_PREVIOUS)
    assert (rolled_back.run, rolled_back.previous.run) == ("nightly-6", "nightly-7")


def test_the_same_model_again_keeps_the_one_that_a_rollback_leads_to():
    again = replace(NEW, deployment="again")
    assert succession(again, WITH_PREVIOUS) == replace(again, previous=OLD)


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        (record_text(NEW), ("nightly-7",)),
        (record_text(WITH_PREVIOUS), ("nightly-7", "nightly-6")),
        ('{"run": "old"}', ("old",)),
        ('{"version": 9, "run": "old", "previous": {"run": "older", "previous": {"run": "old"}}}', ("old", "older")),
        ('{"run": "old", "previous": {}}', None),
        ('{"run": "old", "previous": "older"}', None),
        ('{"run": ""}', None),
        ("{", None),
        ("[]", None),
        ("null", None),
        ("[" * 100_000, None),
    ],
)
def test_what_must_stay_is_known_or_nothing_is(text: str, runs: tuple[str, ...] | None):
    assert runs_kept(text) == runs


def test_times_are_utc():
    assert promoted_time(1795330800.4) == "2026-11-22T07:00:00Z"
