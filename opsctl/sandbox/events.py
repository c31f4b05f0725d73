"""EventBridge: rules that match hand the event to their targets, in worker threads, as AWS does it: asynchronously.

What a target does not take is tried again, up to its RetryPolicy; what it refuses for good, or for too long, goes to
its dead-letter queue with the attributes that AWS gives it.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import moto.events.models
from botocore.exceptions import BotoCoreError, ClientError
from moto.events.models import Rule, events_backends
from moto.logs.models import logs_backends

from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.access.needs import unqualified
from opsctl.sandbox.clients import Clients
from opsctl.sandbox.courier import Courier, Loss, Patience, Undelivered, refusal
from opsctl.sandbox.deadletters import send_dead_letter
from opsctl.sandbox.deliveries import Deliveries
from opsctl.sandbox.faults import Faults
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.state import changes
from opsctl.sandbox.transform import shape
from opsctl.sandbox.world import World

RETRIES = 185  # a target's own RetryPolicy says less
SECONDS = 24 * 3600
EXHAUSTED = {"retries": "MaximumRetryAttempts", "seconds": "MaximumEventAgeInSeconds"}
logger = logging.getLogger(__name__)
SERVICE = "events.amazonaws.com"
ACTIONS = {
    "lambda": "lambda:InvokeFunction",
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
    "states": "states:StartExecution",
}


class Events:
    """Sends events to the default bus and delivers matches to Lambda, Step Functions, SNS, SQS and log groups.

    Targets are called as anybody would call them, through the front door: a fault of the sandbox meets deliveries too.
    """

    def __init__(self, world: World, clients: Clients, faults: Faults) -> None:
        self._world = world
        self.deliveries = Deliveries("events", faults)
        self._clients = clients
        self.courier = Courier("events")

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
        changes.note()

    def deliver(self, rule: Rule, event: Mapping[str, Any]) -> None:
        """Hand an event that a rule matched to each of the rule's targets."""
        for target in list(rule.targets):
            text = shape(event, target, rule.arn)
            begin = partial(
                self.courier.send,
                partial(self.hand_over, target, text, rule.arn),
                patience_of(target),
                partial(self._lost, target, event, rule.arn),
            )
            self.deliveries.hand_over(f"{target['Arn']}\n{text}", begin)

    def hand_over(self, target: Mapping[str, Any], text: str, source: str, principal: str = SERVICE) -> None:
        """Give a target its text, in a service's name, for the rule or the schedule whose ARN is `source`.

        Raises Undelivered.
        """
        arn = target["Arn"]
        send = getattr(self, f"_to_{arn.split(':')[2]}", None)
        if send is None:
            raise Undelivered("INVALID_PARAMETER", f"the sandbox cannot deliver to {arn}", passing=False)
        try:
            self._authorize(target, source, principal)
            send(target, text)
        except DeniedError as error:
            raise Undelivered("NO_PERMISSIONS", str(error), passing=False) from error
        except ClientError as error:
            found = refusal(error)
            raise Undelivered(_error_code(found), f"{found.code}: {found.message}", passing=found.passing) from error
        except BotoCoreError as error:
            raise refusal(error) from error
        except LookupError as error:
            raise Undelivered("NO_RESOURCE", str(error), passing=False) from error

    def _lost(self, target: Mapping[str, Any], event: Mapping[str, Any], rule: str, loss: Loss) -> None:
        """Keep the event as it was, with the reason in the attributes, if the target has a queue for that."""
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        logger.warning("rule %s: delivery to %s failed: %s", rule, target["Arn"], loss.reason)
        if queue is None:
            return
        facts = {
            "RULE_ARN": rule,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": loss.reason.code,
            "ERROR_MESSAGE": loss.reason.message,
            "RETRY_ATTEMPTS": str(loss.retries),
            "EXHAUSTED_RETRY_CONDITION": EXHAUSTED.get(loss.exhausted or ""),
        }
        self._world.access.demand_of_service(SERVICE, rule, Need("sqs:SendMessage", (queue,)))
        send_dead_letter(self._clients, queue, json.dumps(event), facts)

    def _authorize(self, target: Mapping[str, Any], source: str, principal: str) -> None:
        """Raise DeniedError unless the target's policy, or the target's role, lets the service do it."""
        service = target["Arn"].split(":")[2]
        access, action, role = self._world.access, ACTIONS.get(service), target.get("RoleArn")
        if action is None:
            return
        need = Need(action, (unqualified(target["Arn"]),))
        if role is None:
            access.demand_of_service(principal, source, need)
        elif access.trusts(role, principal, source):
            access.demand(role, principal.partition(".")[0], need)
        else:
            raise DeniedError(f"{principal} may not assume {role}")

    def _to_lambda(self, target: Mapping[str, Any], text: str) -> None:
        self._clients.client("lambda").invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=text.encode())

    def _to_states(self, target: Mapping[str, Any], text: str) -> None:
        name = f"{uuid.uuid4()}_{uuid.uuid4()}"
        self._clients.client("stepfunctions").start_execution(stateMachineArn=target["Arn"], name=name, input=text)

    def _to_sns(self, target: Mapping[str, Any], text: str) -> None:
        self._clients.client("sns").publish(TopicArn=target["Arn"], Message=text)

    def _to_sqs(self, target: Mapping[str, Any], text: str) -> None:
        group = (target.get("SqsParameters") or {}).get("MessageGroupId")
        queues = self._clients.client("sqs")
        url = queues.get_queue_url(QueueName=target["Arn"].rpartition(":")[2])["QueueUrl"]
        queues.send_message(QueueUrl=url, MessageBody=text, **({"MessageGroupId": group} if group else {}))

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


def install(world: World, clients: Clients, faults: Faults) -> Events:
    """Put the rule class in place."""
    DeliveringRule.events = Events(world, clients, faults)
    models: Any = moto.events.models
    models.Rule = DeliveringRule
    return DeliveringRule.events


def patience_of(target: Mapping[str, Any]) -> Patience:
    """How long a target is tried, by its retry policy."""
    policy = target.get("RetryPolicy") or {}
    return Patience(policy.get("MaximumRetryAttempts", RETRIES), policy.get("MaximumEventAgeInSeconds", SECONDS))


def _error_code(found: Undelivered) -> str:
    """EventBridge's word for what a target answered."""
    if "Throttl" in found.code or "TooManyRequests" in found.code:
        return "THROTTLING"
    if found.passing:
        return "ERROR_FROM_TARGET"
    if "AccessDenied" in found.code:
        return "NO_PERMISSIONS"
    missing = ("NotFound", "DoesNotExist", "NonExistentQueue")
    return "NO_RESOURCE" if any(word in found.code for word in missing) else "SDK_CLIENT_ERROR"


def _as_aws(event: Mapping[str, Any]) -> Any:
    """moto's event in AWS's shape: the time as text."""
    shaped = {name: value for name, value in event.items() if name != "ingestion-time"}
    if isinstance(shaped.get("time"), int | float):
        shaped["time"] = _iso(datetime.fromtimestamp(shaped["time"], UTC))
    return shaped


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
