"""EventBridge Scheduler: moto keeps the schedules, and here they are due, on the machine's own clock.

One thread waits for whatever is due next; targets are called from others. A flexible window is not made use of. A call
that fails is tried again as the schedule's retry policy says, and is then put into its dead-letter queue.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, ClassVar

import moto.scheduler.models
import moto.scheduler.urls
from moto.scheduler.exceptions import ScheduleGroupNotFound, ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule

from opsctl.sandbox.access import Need
from opsctl.sandbox.clients import Clients
from opsctl.sandbox.courier import Courier, Loss
from opsctl.sandbox.deadletters import send_dead_letter
from opsctl.sandbox.events import EXHAUSTED, Events, patience_of
from opsctl.sandbox.schedules import InvalidExpressionError, NextDue, parse
from opsctl.sandbox.world import World

SERVICE = "scheduler.amazonaws.com"
PRECISION = timedelta(seconds=60)
LONGEST_WAIT = 60.0  # seconds without a look at the clock, which somebody may set
logger = logging.getLogger(__name__)


@dataclass
class Timed:
    """A schedule, from when on it counts, and the moment at which it is due next; None when it is over."""

    schedule: Schedule
    begin: datetime
    due: datetime | None = None

    @cached_property
    def following(self) -> NextDue:
        """The rule. Raises InvalidExpressionError."""
        zone = self.schedule.schedule_expression_timezone
        return parse(self.schedule.schedule_expression, zone, self.begin)

    def advance(self, wanted: datetime) -> None:
        """Set what is due from this moment on, no later than the schedule's end."""
        moment = self.following(wanted)
        end = _moment(self.schedule.end_date)
        self.due = None if moment is None or (end is not None and moment > end) else moment


class Timekeeper:
    """Calls the targets of schedules when they are due."""

    def __init__(self, world: World, clients: Clients, events: Events) -> None:
        self._world = world
        self._clients = clients
        self._events = events
        self.courier = Courier("scheduler")
        self._changed = threading.Condition()
        self._timed: dict[str, Timed] = {}
        self._restored: dict[str, Timed] = {}
        threading.Thread(target=self._keep, name="scheduler", daemon=True).start()

    def put(self, schedule: Schedule) -> None:
        """Follow a schedule, new or changed. Raises InvalidExpressionError."""
        now = datetime.now(UTC)
        begin = _moment(schedule.start_date) or now
        timed = Timed(schedule, begin)
        # Scheduler ignores the start date of what is due once, and may be as late as a minute.
        one_time = schedule.schedule_expression.startswith("at(")
        timed.advance(now - PRECISION if one_time else max(now, begin))
        with self._changed:
            self._timed[schedule.arn] = timed
            self._changed.notify()

    def kept(self) -> list[tuple[Schedule, datetime, datetime | None]]:
        """What is followed."""
        return [(timed.schedule, timed.begin, timed.due) for timed in self._timed.values()]

    def restore(self, kept: list[tuple[Schedule, datetime, datetime | None]]) -> None:
        """Follow what another server followed, once it resumes."""
        self._restored = {schedule.arn: Timed(schedule, begin, due) for schedule, begin, due in kept}

    def resume(self) -> None:
        """Begin. What was due while no server was there is called now, once."""
        with self._changed:
            self._timed |= self._restored
            self._changed.notify()

    def forget(self, arn: str) -> None:
        """Follow it no longer."""
        with self._changed:
            self._timed.pop(arn, None)

    def _keep(self) -> None:
        with self._changed:
            while True:
                for timed in self._due_now():
                    self._be_due(timed)
                self._changed.wait(self._patience())

    def _be_due(self, timed: Timed) -> None:
        """Call the target, and only then look on: a state on disk that was written between the two calls it again."""
        moment = timed.due or datetime.now(UTC)
        enabled = timed.schedule.state == "ENABLED"
        if enabled:
            self._call(timed.schedule, moment)
        # Of what was missed for longer, only this one call is made up for.
        timed.advance(max(moment + timedelta(seconds=1), datetime.now(UTC) - PRECISION))
        if enabled and timed.due is None and timed.schedule.action_after_completion == "DELETE":
            self._delete(timed.schedule)

    def _due_now(self) -> list[Timed]:
        now = datetime.now(UTC)
        return [timed for timed in self._timed.values() if timed.due is not None and timed.due <= now]

    def _patience(self) -> float:
        """Seconds until something is due."""
        moments = [timed.due for timed in self._timed.values() if timed.due is not None]
        left = (min(moments) - datetime.now(UTC)).total_seconds() if moments else LONGEST_WAIT
        return min(max(left, 0.0), LONGEST_WAIT)

    def _delete(self, schedule: Schedule) -> None:
        self._timed.pop(schedule.arn, None)
        backend = moto.scheduler.models.scheduler_backends[self._world.account][self._world.region]
        backend.schedule_groups[schedule.group_name].schedules.pop(schedule.name, None)

    def _call(self, schedule: Schedule, moment: datetime) -> None:
        call = Call(schedule, moment, self._events)
        self.courier.send(call.attempt, patience_of(schedule.target), partial(self._lost, call))

    def _lost(self, call: Call, loss: Loss) -> None:
        """Keep a call that failed for good, with what AWS says about it, if the schedule has a queue for that."""
        target = call.schedule.target
        logger.warning("schedule %s: call of %s failed: %s", call.schedule.arn, target["Arn"], loss.reason)
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        facts = {
            "ERROR_CODE": loss.reason.code,
            "ERROR_MESSAGE": loss.reason.message,
            "EXECUTION_ID": call.facts["execution-id"],
            "EXHAUSTED_RETRY_CONDITION": EXHAUSTED.get(loss.exhausted or ""),
            "IS_PAYLOAD_TRUNCATED": "false",
            "RETRY_ATTEMPTS": str(loss.retries),
            "SCHEDULED_TIME": call.facts["scheduled-time"],
            "SCHEDULE_ARN": call.schedule.arn,
            "TARGET_ARN": target["Arn"],
        }
        self._world.access.demand(target["RoleArn"], "scheduler", Need("sqs:SendMessage", (queue,)))
        send_dead_letter(self._clients, queue, call.text, facts)


class Call:
    """One call of a schedule's target: the same moment, whatever the attempt."""

    def __init__(self, schedule: Schedule, moment: datetime, events: Events) -> None:
        self.schedule = schedule
        self.facts = {"schedule-arn": schedule.arn, "scheduled-time": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
        self.text = ""
        self._events = events
        self._attempts = 0

    def attempt(self) -> None:
        """Call it. Raises Undelivered."""
        self._attempts += 1
        self.facts |= {"execution-id": secrets.token_hex(8), "attempt-number": str(self._attempts)}
        text = self.schedule.target.get("Input") or self._notification()
        for name, value in self.facts.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        self.text = text
        self._events.hand_over(self.schedule.target, text, self.schedule.arn, SERVICE)

    def _notification(self) -> str:
        """What a target without an input is told."""
        return json.dumps({
            "version": "0", "id": secrets.token_hex(16), "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "time": self.facts["scheduled-time"], "resources": [self.schedule.arn], "detail": "{}",
        })  # fmt: skip


class SchedulerBackend(EventBridgeSchedulerBackend):
    """moto's Scheduler, whose schedules are kept."""

    timekeeper: ClassVar[Timekeeper]

    @property
    def _url_module(self) -> Any:
        return moto.scheduler.urls

    def create_schedule(self, *arguments: Any, **given: Any) -> Schedule:
        """CreateSchedule."""
        if (given["group_name"] or "default") not in self.schedule_groups:
            raise ScheduleGroupNotFound(given["group_name"])
        _check(given)
        schedule = super().create_schedule(*arguments, **given)
        self.timekeeper.put(schedule)
        return schedule

    def update_schedule(self, *arguments: Any, **given: Any) -> Schedule:
        """UpdateSchedule."""
        _check(given)
        schedule = super().update_schedule(*arguments, **given)
        schedule.state = schedule.state or "ENABLED"
        self.timekeeper.put(schedule)
        return schedule

    def delete_schedule(self, group_name: str | None, name: str) -> None:
        """DeleteSchedule."""
        arn = self.get_schedule(group_name, name).arn
        super().delete_schedule(group_name, name)
        self.timekeeper.forget(arn)

    def delete_schedule_group(self, name: str | None) -> None:
        """DeleteScheduleGroup, with the schedules in it."""
        for schedule in self.get_schedule_group(name).schedules.values():
            self.timekeeper.forget(schedule.arn)
        super().delete_schedule_group(name)


def install(world: World, clients: Clients, events: Events) -> Timekeeper:
    """Put the backend in place."""
    SchedulerBackend.timekeeper = Timekeeper(world, clients, events)
    backends: Any = moto.scheduler.models.scheduler_backends
    backends.backend = SchedulerBackend
    return SchedulerBackend.timekeeper


def _check(given: Mapping[str, Any]) -> None:
    """Refuse what Scheduler refuses, in its words."""
    try:
        parse(given["schedule_expression"], given["schedule_expression_timezone"] or "UTC", datetime.now(UTC))
    except InvalidExpressionError as error:
        raise ValidationException(str(error)) from error


def _moment(value: Any) -> datetime | None:
    """A date as the API has it: seconds since the epoch."""
    return None if value is None else datetime.fromtimestamp(float(value), UTC)
