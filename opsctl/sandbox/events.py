"""EventBridge: rules that match hand the event to their targets, in worker threads, as AWS does it: asynchronously."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, ClassVar

import moto.events.models
from moto.core.exceptions import JsonRESTError, ServiceException
from moto.events.models import Rule, events_backends
from moto.logs.models import logs_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.functions import functions
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.transform import shape
from opsctl.sandbox.world import World

logger = logging.getLogger(__name__)
SERVICE = "events.amazonaws.com"
ACTIONS = {
    "lambda": "lambda:InvokeFunction",
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
    "states": "states:StartExecution",
}
StartExecution = Callable[[str, str, str], Any]


class Events:
    """Sends events to the default bus and delivers matches to Lambda, Step Functions, SNS, SQS and log groups."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="events")
        self.start_execution: StartExecution | None = None

    def emit(self, source: str, kind: str, resources: list[str], detail: Mapping[str, Any]) -> None:
        """Put one event of an AWS service on the default bus."""
        event: Any = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": kind,
            "source": source,
            "account": self._world.account,
            "time": _iso(datetime.now(UTC)),
            "region": self._world.region,
            "resources": resources,
            "detail": dict(detail),
        }
        bus = events_backends[self._world.account][self._world.region].event_buses["default"]
        for rule in list(bus.rules.values()):
            rule.send_to_targets(event)

    def deliver(self, rule: Rule, event: Mapping[str, Any]) -> None:
        """Hand an event that a rule matched to each of the rule's targets."""
        for target in list(rule.targets):
            self._pool.submit(self._send, target, shape(event, target, rule.arn), rule.name, rule.arn)

    def _send(self, target: Mapping[str, Any], text: str, rule: str, source: str) -> None:
        arn = target["Arn"]
        service = arn.split(":")[2]
        try:
            send = getattr(self, f"_to_{service}", None)
            if send is None:
                logger.warning("rule %s: the sandbox cannot deliver to %s", rule, arn)
            else:
                self._authorize(service, target, source)
                send(target, text)
        except (DeniedError, JsonRESTError, ServiceException, LookupError, ValueError) as error:
            logger.warning("rule %s: delivery to %s failed: %s", rule, arn, error)

    def _authorize(self, service: str, target: Mapping[str, Any], rule: str) -> None:
        """Raise DeniedError unless the target's policy, or the target's role, lets EventBridge do it."""
        access, action, role = self._world.access, ACTIONS.get(service), target.get("RoleArn")
        if action is None:
            return
        need = Need(action, (target["Arn"],))
        if role is None:
            access.demand_of_service(SERVICE, rule, need)
        elif access.trusts(role, SERVICE, rule):
            access.demand(role, "events", need)
        else:
            raise DeniedError(f"{SERVICE} may not assume {role}")

    def _to_lambda(self, target: Mapping[str, Any], text: str) -> None:
        backend = functions(self._world)
        backend.run(backend.get_function(target["Arn"]), text.encode())

    def _to_states(self, target: Mapping[str, Any], text: str) -> None:
        if self.start_execution is not None:
            self.start_execution(target["Arn"], f"{uuid.uuid4()}_{uuid.uuid4()}", text)

    def _to_sns(self, target: Mapping[str, Any], text: str) -> None:
        sns_backends[self._world.account][self._world.region].publish(text, target["Arn"])

    def _to_sqs(self, target: Mapping[str, Any], text: str) -> None:
        queues = sqs_backends[self._world.account][self._world.region]
        group = (target.get("SqsParameters") or {}).get("MessageGroupId")
        queues.send_message(target["Arn"].rpartition(":")[2], text, group_id=group)

    def _to_logs(self, target: Mapping[str, Any], text: str) -> None:
        group = target["Arn"].split(":log-group:")[1].removesuffix(":*")
        if group not in logs_backends[self._world.account][self._world.region].groups:
            raise LookupError(f"no log group {group}")
        LogStream(self._world.account, self._world.region, group, str(uuid.uuid4())).write(text)


class DeliveringRule(Rule):
    """moto's rule, whose matches are delivered by `events`."""

    events: ClassVar[Events]

    def send_to_targets(self, original_event: Mapping[str, Any], transform_input: bool = True) -> None:  # noqa: ARG002
        """Deliver the event if the rule is enabled and its pattern matches. Called by moto for every event."""
        event = _as_aws(original_event)
        if self.state != "DISABLED" and not self.scheduled_expression and self.event_pattern.matches_event(event):
            self.events.deliver(self, event)


def install(world: World) -> Events:
    """Put the rule class in place."""
    DeliveringRule.events = Events(world)
    models: Any = moto.events.models
    models.Rule = DeliveringRule
    return DeliveringRule.events


def _as_aws(event: Mapping[str, Any]) -> Any:
    """moto's event in AWS's shape: the time as text, S3's etag by its name, nothing that is null."""
    shaped = {name: value for name, value in event.items() if name != "ingestion-time"}
    if isinstance(shaped.get("time"), int | float):
        shaped["time"] = _iso(datetime.fromtimestamp(shaped["time"], UTC))
    if shaped.get("source") == "aws.s3" and "object" in shaped["detail"]:
        entry = dict(shaped["detail"]["object"])
        entry = {"etag" if name == "eTag" else name: value for name, value in entry.items() if value is not None}
        shaped["detail"] = {**shaped["detail"], "object": entry}
    return shaped


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
