"""Which run an event means, and what waits for its turn."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain.names import EXECUTION_NAME_LIMIT, check_execution_name
from opsctl.domain.triggers import (
    Due,
    arrival,
    claim,
    first_due,
    folder_key,
    goes_on,
    machine_of,
    read_folder,
    run_input,
    scheduled_name,
    turn_key,
    with_arrival,
    with_start,
)

BUCKET = "documents-123456789012-us-east-1"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"
SOURCE = f"s3://{BUCKET}/datasets/mortgages/"
KEY = folder_key(MACHINE, SOURCE)
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=60)


def event(key="datasets/mortgages/_READY", time="2026-11-22T02:00:00Z", bucket=BUCKET, **thing):
    thing = {"key": key, "size": 0, "etag": "d41d8cd9", "sequencer": "0066A0"} | thing
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": time,
        "detail": {"bucket": {"name": bucket}, "object": thing},
    }


def came(**options):
    return arrival(event(**options), BUCKET)


# names


def test_a_name_tells_the_folder():
    found = came()
    assert re.fullmatch(r"mortgages-[0-9a-f]{12}", found.name)
    assert found.source == SOURCE
    assert re.fullmatch(r"2026-11-22-scans-[0-9a-f]{12}", came(key="datasets/2026-11/22 scans/x.json").name)


@given(KEYS, st.text(max_size=40), st.text(max_size=20))
def test_every_event_has_one_name_that_an_execution_can_have(folder, version, sequencer):
    options = {"key": f"datasets/{folder}/_READY", "version-id": version, "sequencer": sequencer}
    name = came(**options).name
    assert came(**options).name == name
    assert len(name) <= EXECUTION_NAME_LIMIT
    check_execution_name(name)


@given(st.lists(st.tuples(KEYS, st.uuids().map(str)), unique=True, min_size=2, max_size=20))
def test_other_objects_and_versions_have_other_names(objects):
    names = [came(key=f"datasets/{folder}/_READY", **{"version-id": version}).name for folder, version in objects]
    assert len(set(names)) == len(names)


def test_the_same_object_written_again_is_another_event():
    names = {came(**{"version-id": "one"}).name, came(**{"version-id": "two"}).name}
    assert len(names) == 2
    assert len({came(sequencer="01").name, came(sequencer="02").name, came(etag="other").name}) == 3


def test_a_delivery_that_differs_only_in_its_envelope_is_the_same_event():
    again = {**event(**{"version-id": "one"}), "id": "another", "time": "2026-11-22T02:09:00Z"}
    assert arrival(again, BUCKET).name == came(**{"version-id": "one"}).name


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key": "runs/nightly-7/fetch-preprocessed-data/_READY"}, "lies in no folder below datasets/"),
        ({"key": "datasets/_READY"}, "lies in no folder below datasets/"),
        ({"key": "datasets/mortgages/"}, "is a folder without an object in it"),
        ({"bucket": "another"}, "another is not this pipeline's bucket"),
    ],
)
def test_what_starts_no_run(options, why):
    assert came(**options).endswith(why)


def test_a_moment_of_a_schedule_is_one_run():
    assert scheduled_name("2026-11-22T02:00:00Z") == "schedule-261122-020000"
    check_execution_name(scheduled_name("2026-11-22T02:00:00Z"))
    with pytest.raises(ValueError, match="must be like 2026-11-22T02:00:00Z, not 'now'"):
        scheduled_name("now")


# inputs, keys


def test_the_input_names_the_folder_and_keeps_the_rest():
    given_input = {"data": {"source": "s3://elsewhere/x/"}, "skip": {"evaluate": True}}
    assert run_input(given_input, SOURCE) == {"data": {"source": SOURCE}, "skip": {"evaluate": True}}
    assert run_input({}, None) == {}
    assert given_input["data"] == {"source": "s3://elsewhere/x/"}


def test_what_waits_lies_where_no_trigger_looks():
    assert turn_key(MACHINE) == "triggers/documents-training/turn.json"
    assert re.fullmatch(r"triggers/documents-training/arrivals/mortgages-[0-9a-f]{12}\.json", KEY)
    assert machine_of(f"{MACHINE}:live") == machine_of(MACHINE) == MACHINE


def test_a_claim_is_the_events_whatever_the_input():
    one, other = claim(Due("mortgages-1", {})), claim(Due("mortgages-1", {"skip": {"evaluate": True}}))
    assert one["hash"] == other["hash"] != claim(Due("mortgages-2", {}))["hash"]
    assert other["input"] == {"skip": {"evaluate": True}}


# what waits


def recorded(*arrivals, folder=None):
    for new in arrivals:
        folder = with_arrival(folder, KEY, new)
    return folder


def test_only_the_newest_waits_and_none_is_lost():
    first, second, third = (came(sequencer=f"0{number}") for number in (1, 2, 3))
    folder = recorded(first, second, third)
    assert folder.waits
    assert first_due([folder], {}) == Due(third.name, {"data": {"source": SOURCE}}, KEY)
    assert not with_start(folder, third.name).waits


def test_deliveries_that_come_twice_or_late_change_nothing():
    first, second = came(sequencer="01"), came(sequencer="02")
    folder = with_start(recorded(first, second), second.name)
    assert recorded(second, first, folder=folder) is folder
    late = came(sequencer="0066")
    assert not recorded(
        late, folder=with_start(recorded(came(sequencer="0066A0")), came(sequencer="0066A0").name)
    ).waits


def test_what_arrives_after_a_start_waits_again():
    first, second = came(sequencer="01"), came(sequencer="02")
    folder = recorded(second, folder=with_start(recorded(first), first.name))
    assert folder.waits
    assert with_start(folder, first.name).waits, "the start of the older one is told late"


def test_objects_of_one_folder_are_ordered_by_time_and_equal_times_say_nothing():
    one = came(key="datasets/mortgages/a.zip")
    older = came(key="datasets/mortgages/b.zip", time="2026-11-22T01:59:59Z")
    same = came(key="datasets/mortgages/b.zip")
    assert recorded(one, older).newest == one
    assert recorded(one, same).newest == same
    started = with_start(recorded(one, same), same.name)
    assert recorded(one, folder=started) is started


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_whatever_the_order_and_the_repeats_the_newest_of_a_key_wins(order, repeats):
    arrivals = [came(sequencer=f"0066A{number}", **{"version-id": str(number)}) for number in range(6)]
    folder = recorded(*(arrivals[index] for index in [*order, *repeats]))
    assert folder.newest == arrivals[5]


def test_the_folder_that_has_waited_longest_goes_first():
    early = with_arrival(None, "one", came(key="datasets/b/_READY", time="2026-11-22T01:00:00Z"))
    late = with_arrival(None, "two", came(key="datasets/a/_READY"))
    assert first_due([late, early], {}).waiting == "one"
    assert first_due([with_start(early, early.newest.name)], {}) is None


def test_a_record_is_read_as_it_was_written():
    folder = with_start(recorded(came(sequencer="01"), came(sequencer="02")), came(sequencer="01").name)
    assert read_folder(KEY, json.loads(json.dumps(folder.document()))) == folder


# whether a run goes on


ARN = "arn:aws:states:us-east-1:123456789012:execution:documents-training:nightly-7"


@pytest.mark.parametrize(
    ("described", "ended", "age", "expected"),
    [
        ({"status": "RUNNING"}, None, 9e9, True),
        ({"status": "SUCCEEDED"}, None, 0.0, False),
        (None, None, 1.0, True),
        (None, None, 301.0, False),
        ({"status": "RUNNING"}, {"executionArn": ARN, "redriveCount": 0}, 9.0, False),
        ({"status": "RUNNING", "redriveCount": 1}, {"executionArn": ARN, "redriveCount": 0}, 9.0, True),
        ({"status": "RUNNING"}, {"executionArn": f"{ARN}-r1"}, 9.0, True),
    ],
)
def test_whether_a_run_goes_on(described, ended, age, expected):
    assert goes_on(described and {"executionArn": ARN, **described}, ended, age) is expected
