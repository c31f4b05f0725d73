"""CloudWatch's alarms: kept, never evaluated, for nothing feeds AWS's own metrics here. SetAlarmState rings them as on
AWS: a change of state is told to the topics of the alarm's actions, which is how the way to a pager is tried out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import moto.cloudwatch.models
import moto.cloudwatch.urls
from botocore.exceptions import BotoCoreError, ClientError
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import Alarm, CloudWatchBackend

from opsctl.sandbox.access import Access, DeniedError, Need
from opsctl.sandbox.clients import Clients
from opsctl.sandbox.courier import Courier, Loss, Patience, Undelivered, refusal
from opsctl.sandbox.world import World

HOUR, DAY = 3600, 86400  # seconds
SERVICE = "cloudwatch.amazonaws.com"
logger = logging.getLogger(__name__)


class RingingBackend(CloudWatchBackend):
    """moto's CloudWatch, whose alarms begin without data and tell what SetAlarmState makes of them."""

    access: ClassVar[Access]
    clients: ClassVar[Clients]
    courier: ClassVar[Courier]
    _url_module = moto.cloudwatch.urls

    def put_metric_alarm(self, *arguments: Any, **options: Any) -> Alarm:
        """PutMetricAlarm; composite alarms come here too. A changed alarm keeps its state."""
        name = options.get("name") or arguments[0]
        before = self.alarms.get(name)
        alarm: Alarm = super().put_metric_alarm(*arguments, **options)
        try:
            _check_range(alarm)
        except ValidationError:
            self.alarms.pop(name)
            if before is not None:
                self.alarms[name] = before
            raise
        alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
        return alarm

    def set_alarm_state(self, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        """SetAlarmState: a change is told."""
        before = self.alarms[alarm_name].state_value if alarm_name in self.alarms else state_value
        super().set_alarm_state(alarm_name, reason, reason_data, state_value)
        alarm = self.alarms[alarm_name]
        if state_value != before and alarm.actions_enabled:
            for topic in _actions(alarm, state_value):
                self._tell(alarm, topic, _message(self.account_id, alarm, before))

    def _tell(self, alarm: Alarm, topic: str, message: dict[str, Any]) -> None:
        if topic.split(":")[2] != "sns":
            logger.warning("alarm %s: the sandbox carries out no action but SNS's: %s", alarm.name, topic)
            return
        subject = f'{message["NewStateValue"]}: "{alarm.name}" in {alarm.region_name}'[:100]
        attempt = partial(self._publish, alarm.alarm_arn, topic, subject, json.dumps(message))
        self.courier.send(attempt, Patience(3, HOUR), partial(_lost, alarm.name, topic))

    def _publish(self, alarm: str, topic: str, subject: str, text: str) -> None:
        try:
            self.access.demand_of_service(SERVICE, alarm, Need("sns:Publish", (topic,)))
            self.clients.client("sns").publish(TopicArn=topic, Subject=subject, Message=text)
        except DeniedError as error:
            raise Undelivered("AccessDenied", str(error), passing=False) from error
        except (ClientError, BotoCoreError) as error:
            raise refusal(error) from error


def install(world: World, clients: Clients) -> None:
    """Put the backend in place."""
    RingingBackend.access = world.access
    RingingBackend.clients = clients
    RingingBackend.courier = Courier("alarms", workers=2)
    models: Any = moto.cloudwatch.models
    models.cloudwatch_backends.backend = RingingBackend


def _lost(alarm: str, topic: str, loss: Loss) -> None:
    logger.warning("alarm %s: %s was not told: %s", alarm, topic, loss.reason)


def _check_range(alarm: Alarm) -> None:
    """CloudWatch looks back at most seven days, with periods of less than an hour one day."""
    periods = [int(query.metric_stat.period) for query in alarm.metric_data_queries if query.metric_stat]
    period = int(alarm.period or max(periods, default=0))
    longest = 7 * DAY if period >= HOUR else DAY
    if period * int(alarm.evaluation_periods or 0) > longest:
        raise ValidationError(
            f"Metrics cannot be checked across more than {'a week' if period >= HOUR else 'a day'} "
            f"(EvaluationPeriods * Period must be <= {longest})."
        )


def _actions(alarm: Alarm, state: str) -> Iterable[str]:
    found: dict[str, Any] = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }
    return found[state] or []


def _message(account: str, alarm: Alarm, before: str) -> dict[str, Any]:
    """What an alarm tells a topic; of its `Trigger`, the metric's name and the threshold."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": account,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": alarm.region_name,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "Trigger": {"MetricName": alarm.metric_name, "Namespace": alarm.namespace, "Threshold": alarm.threshold},
    }
