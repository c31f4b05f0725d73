"""EventBridge Scheduler's expressions: when a schedule is due next. `rate()`, `cron()` and `at()`, in a time zone.

Rules: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html. A rate begins at once, or at the
start date; its days have 24 hours. A local time that a change to daylight saving leaves out is left out; one that comes
twice is due once.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
MONTHS = [month.upper() for month in calendar.month_abbr]  # the first is ""
DAYS = ["", "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
YEARS_AHEAD = 30  # further than that nothing is looked for: no date of a leap year's weekday is rarer
LAST_YEAR = 2199

# Of the first moment that is wanted, the next at which the schedule is due; None if there is none.
NextDue = Callable[[datetime], datetime | None]
IsDay = Callable[[date], bool]


class InvalidExpressionError(ValueError):
    """The expression, or the time zone, is none that Scheduler knows; the message is Scheduler's."""


def parse(expression: str, zone: str, begin: datetime) -> NextDue:
    """When the schedule is due. `begin` is when it was made, or its start date: a rate counts from there.

    Raises InvalidExpressionError.
    """
    try:
        place = UTC if zone == "UTC" else ZoneInfo(zone)  # a machine without time zones knows this one
    except (ValueError, OSError, LookupError) as error:
        raise InvalidExpressionError(f"Invalid Schedule Expression Timezone {zone}.") from error
    found = re.fullmatch(r"(rate|cron|at)\((.*)\)", expression)
    try:
        if found is None:
            raise ValueError(expression)
        return {"rate": _rate, "cron": _cron, "at": _at}[found[1]](found[2], place, begin)
    except (ValueError, LookupError) as error:
        raise InvalidExpressionError(f"Invalid Schedule Expression {expression}.") from error


def _rate(text: str, _zone: tzinfo, begin: datetime) -> NextDue:
    count, unit = text.split()
    every = int(count) * UNITS[unit.removesuffix("s")]
    if every <= timedelta():
        raise ValueError(text)

    def due(wanted: datetime) -> datetime:
        return begin if wanted <= begin else begin - ((begin - wanted) // every) * every

    return due


def _at(text: str, zone: tzinfo, _begin: datetime) -> NextDue:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
    return lambda wanted: moment if wanted <= moment else None


@dataclass(frozen=True)
class _Cron:
    """The fields of a cron expression, as the values that fit and a test for days."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    fits: IsDay

    def days(self, first: date) -> Iterator[date]:
        """The days that fit, from the first on."""
        for year in range(first.year, min(first.year + YEARS_AHEAD, LAST_YEAR) + 1):
            for month in range(1, 13):
                if year not in self.years or month not in self.months or (year, month) < (first.year, first.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.fits(day):
                        yield day


def _cron(text: str, zone: tzinfo, _begin: datetime) -> NextDue:
    minutes, hours, day, month, weekday, year = text.split()
    if (day == "?") == (weekday == "?"):  # one of the two, and only one, says which days
        raise ValueError(text)
    fields = _Cron(
        tuple(sorted(_values(minutes, 0, 59))),
        tuple(sorted(_values(hours, 0, 23))),
        frozenset(_values(month, 1, 12, MONTHS)),
        frozenset(_values(year, 1970, LAST_YEAR)),
        _month_days(day) if weekday == "?" else _weekdays(weekday),
    )

    def due(wanted: datetime) -> datetime | None:
        for day in fields.days(wanted.astimezone(zone).date()):
            moments = (_moment(day, hour, minute, zone) for hour in fields.hours for minute in fields.minutes)
            later = [moment for moment in moments if moment is not None and moment >= wanted]
            if later:
                return min(later)
        return None

    return due


def _moment(day: date, hour: int, minute: int, zone: tzinfo) -> datetime | None:
    """The moment of a local time; None for one that the clocks skip."""
    local = datetime.combine(day, time(hour, minute), zone)
    moment = local.astimezone(UTC)
    return moment if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) else None


def _values(text: str, low: int, high: int, names: list[str] | None = None) -> set[int]:
    """The numbers of a field such as `*`, `5`, `MON-FRI`, `0/15` or `1,10-12`."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first == "*":
            start, end = low, high
        else:
            start = _number(first, names)
            end = _number(last, names) if last else high if step else start
        if not low <= start <= end <= high or (step and int(step) < 1):
            raise ValueError(part)
        found.update(range(start, end + 1, int(step) if step else 1))
    return found


def _number(text: str, names: list[str] | None) -> int:
    return names.index(text.upper()) if names and text.upper() in names[1:] else int(text)


def _month_days(text: str) -> IsDay:
    """Days of a month: numbers, `L` for the last, `15W` for the weekday nearest to the 15th."""
    if text == "L":
        return lambda day: day.day == calendar.monthrange(day.year, day.month)[1]
    if text.endswith("W"):
        wanted = int(text[:-1])
        if not 1 <= wanted <= 31:
            raise ValueError(text)
        return lambda day: day == _nearest_weekday(day.year, day.month, wanted)
    numbers = _values(text, 1, 31)
    return lambda day: day.day in numbers


def _nearest_weekday(year: int, month: int, number: int) -> date | None:
    last = calendar.monthrange(year, month)[1]
    if number > last:
        return None
    day = date(year, month, number)
    if day.weekday() == calendar.SATURDAY:
        return day - timedelta(days=1) if number > 1 else day + timedelta(days=2)
    if day.weekday() == calendar.SUNDAY:
        return day + timedelta(days=1) if number < last else day - timedelta(days=2)
    return day


def _weekdays(text: str) -> IsDay:
    """Days of a week, Sunday the first: numbers or names, `6L` for the last Friday, `2#1` for the first Monday."""
    if text == "L":
        return lambda day: _weekday(day) == len(DAYS) - 1
    if text.endswith("L"):
        last = _in_week(text[:-1])
        return lambda day: _weekday(day) == last and (day + timedelta(days=7)).month != day.month
    if "#" in text:
        name, _, which = text.partition("#")
        wanted, week = _in_week(name), int(which)
        if not 1 <= week <= 5:
            raise ValueError(text)
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == week
    numbers = _values(text, 1, 7, DAYS)
    return lambda day: _weekday(day) in numbers


def _in_week(text: str) -> int:
    number = _number(text, DAYS)
    if not 1 <= number <= 7:
        raise ValueError(text)
    return number


def _weekday(day: date) -> int:
    """1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1
