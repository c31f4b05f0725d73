"""When EventBridge Scheduler's expressions are due."""

from datetime import UTC, datetime, timedelta

import pytest

from opsctl.sandbox.schedules import InvalidExpressionError, parse

BEGIN = datetime(2026, 11, 22, 4, 30, 10, tzinfo=UTC)  # a Sunday


def due(expression: str, zone: str = "UTC", count: int = 1, begin: datetime = BEGIN) -> list[str]:
    """The next moments at which it is due, in UTC."""
    following, wanted, found = parse(expression, zone, begin), begin, []
    while len(found) < count:
        moment = following(wanted)
        if moment is None:
            break
        found.append(f"{moment:%Y-%m-%d %H:%M:%S}")
        wanted = moment + timedelta(seconds=1)
    return found


def test_a_rate_begins_at_once_and_its_days_have_24_hours() -> None:
    assert due("rate(5 minutes)", count=3) == ["2026-11-22 04:30:10", "2026-11-22 04:35:10", "2026-11-22 04:40:10"]
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert due("rate(1 day)", "Europe/Berlin", 2, spring) == ["2026-03-28 12:00:00", "2026-03-29 12:00:00"]
    assert parse("rate(2 hours)", "UTC", BEGIN)(BEGIN + timedelta(hours=5)) == BEGIN + timedelta(hours=6)


def test_at_is_due_once() -> None:
    assert due("at(2026-12-24T02:00:00)", "America/New_York", 2) == ["2026-12-24 07:00:00"]
    assert due("at(2026-11-22T04:30:09)") == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("0 2 * * ? *", ["2026-11-23 02:00:00", "2026-11-24 02:00:00"]),
        ("30 4 * * ? *", ["2026-11-23 04:30:00", "2026-11-24 04:30:00"]),
        ("0/20 4 * * ? *", ["2026-11-22 04:40:00", "2026-11-23 04:00:00"]),
        ("15 10 ? * MON-FRI *", ["2026-11-23 10:15:00", "2026-11-24 10:15:00"]),
        ("15 10 ? * 2,4 *", ["2026-11-23 10:15:00", "2026-11-25 10:15:00"]),
        ("0 0 L * ? *", ["2026-11-30 00:00:00", "2026-12-31 00:00:00"]),
        ("0 0 ? * 6L *", ["2026-11-27 00:00:00", "2026-12-25 00:00:00"]),
        ("0 0 ? * 2#1 *", ["2026-12-07 00:00:00", "2027-01-04 00:00:00"]),
        ("0 0 15W * ? *", ["2026-12-15 00:00:00", "2027-01-15 00:00:00"]),
        ("0 0 1W MAY ? *", ["2027-05-03 00:00:00", "2028-05-01 00:00:00"]),
        ("0 0 29 2 ? *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("0 8 1 1 ? 2027-2028", ["2027-01-01 08:00:00", "2028-01-01 08:00:00"]),
    ],
)
def test_cron(fields: str, expected: list[str]) -> None:
    assert due(f"cron({fields})", count=2) == expected


def test_cron_is_read_in_its_time_zone() -> None:
    assert due("cron(0 2 * * ? *)", "Asia/Kolkata") == ["2026-11-22 20:30:00"]
    assert due("cron(0 2 22 11 ? 2026)", "Pacific/Auckland") == []


def test_a_local_time_that_the_clocks_skip_is_skipped_and_one_that_comes_twice_is_due_once() -> None:
    spring, autumn = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
    nightly = "cron(30 2 * * ? *)"
    assert due(nightly, "Europe/Berlin", 2, spring) == ["2026-03-28 01:30:00", "2026-03-30 00:30:00"]
    assert due(nightly, "Europe/Berlin", 2, autumn) == ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "nightly",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "cron(0 2 * * *)",
        "cron(0 2 * * * *)",
        "cron(0 2 ? * ? *)",
        "cron(60 2 * * ? *)",
        "cron(0 2 * FOO ? *)",
        "cron(0 2 ? * MON#6 *)",
        "at(tomorrow)",
    ],
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(InvalidExpressionError, match=r"^Invalid Schedule Expression "):
        parse(expression, "UTC", BEGIN)


def test_what_is_no_time_zone() -> None:
    with pytest.raises(InvalidExpressionError, match=r"^Invalid Schedule Expression Timezone Mars/Base\.$"):
        parse("rate(1 day)", "Mars/Base", BEGIN)
