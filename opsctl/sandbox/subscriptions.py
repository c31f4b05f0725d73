"""Subscriptions of SNS: filter policies, functions called asynchronously, retries, dead-letter queues.

A subscriber that is gone or refuses gets no second try, one that is in trouble gets some; what is not delivered in the
end goes to the subscription's dead-letter queue. Of web addresses, only those of this machine are called: a sandbox is
to page nobody.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

import moto.sns.models
import requests
from botocore.exceptions import BotoCoreError, ClientError
from moto.sns.models import Subscription
from moto.sqs.exceptions import QueueDoesNotExist

from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.clients import Clients
from opsctl.sandbox.courier import SERVER_ERRORS, THROTTLED, Courier, Loss, Patience, Undelivered, refusal
from opsctl.sandbox.deadletters import send_dead_letter
from opsctl.sandbox.deliveries import Begin, Deliveries
from opsctl.sandbox.faults import Faults
from opsctl.sandbox.filterpolicy import passes
from opsctl.sandbox.world import World

# SNS's own: three retries for web addresses; for AWS's services 100,015 in 23 days, of which this is enough here.
PATIENCE = {"http": Patience(3, 3600), "https": Patience(3, 3600), "lambda": Patience(20, 3600)}
SERVICE = "sns.amazonaws.com"
HTTP_SECONDS = 15  # SNS waits as long
logger = logging.getLogger(__name__)


class DeliveringSubscription(Subscription):
    """moto's subscription, with SNS's rules for what is delivered, and for what cannot be."""

    clients: ClassVar[Clients]
    courier: ClassVar[Courier]
    deliveries: ClassVar[Deliveries]
    world: ClassVar[World]

    def publish(  # type: ignore[override]
        self, message: str, message_id: str, subject: str | None = None, **options: Any
    ) -> None:
        """Deliver a message if it passes the filter policy. Called by moto for every subscription of a topic."""
        attributes = options.get("message_attributes")
        scope = self.attributes.get("FilterPolicyScope") or "MessageAttributes"
        if self._filter_policy and not passes(self._filter_policy, scope, attributes, message):
            return
        if options.pop("message_structure", None) == "json":
            message = self._parse_message_structure(message, self.protocol)
        if self.protocol in PATIENCE:
            attempt = partial(getattr(self, f"_to_{self.protocol}"), message, message_id, subject, attributes)
            lost = partial(self._lost, message, message_id, subject, attributes)
            begin: Begin = partial(self.courier.send, attempt, PATIENCE[self.protocol], lost)
        else:
            begin = partial(self._to_queue, message, message_id, subject, options)
        self.deliveries.hand_over(f"{self.endpoint}\n{subject or ''}\n{message}", begin)

    def _to_queue(self, message: str, message_id: str, subject: str | None, options: dict[str, Any]) -> None:
        try:
            super().publish(message, message_id, subject, **options)
        except QueueDoesNotExist as error:
            gone = Undelivered("QueueDoesNotExist", str(error), passing=False)
            self._lost(message, message_id, subject, options.get("message_attributes"), Loss(gone, 0, None))

    @property
    def _filter_policy_matcher(self) -> None:
        """moto's own filter, of which there is none: `publish` has looked already."""
        return

    @_filter_policy_matcher.setter
    def _filter_policy_matcher(self, matcher: Any) -> None:
        """Leave it so: moto makes one whenever a policy is set."""

    def _to_lambda(self, message: str, message_id: str, subject: str | None, attributes: Any) -> None:
        notification = self._notification(message, message_id, subject, attributes)
        notification["SigningCertUrl"] = notification.pop("SigningCertURL")
        notification["UnsubscribeUrl"] = notification.pop("UnsubscribeURL")
        record = {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": self.arn,
            "Sns": {"Subject": None, "MessageAttributes": {}, **notification},
        }
        client = self.clients.client("lambda")
        try:
            self.world.access.demand_of_service(
                SERVICE, self.topic.arn, Need("lambda:InvokeFunction", (self.endpoint,))
            )
            client.invoke(
                FunctionName=self.endpoint, InvocationType="Event", Payload=json.dumps({"Records": [record]}).encode()
            )
        except DeniedError as error:
            raise Undelivered("AccessDenied", str(error), passing=False) from error
        except (ClientError, BotoCoreError) as error:
            raise refusal(error) from error

    def _to_http(self, message: str, message_id: str, subject: str | None, attributes: Any) -> None:
        if not _is_local(self.endpoint):
            logger.warning("not called, as it is not on this machine: %s", self.endpoint)
            return
        raw = str(self.attributes.get("RawMessageDelivery")).lower() == "true"
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": message_id,
            "x-amz-sns-topic-arn": self.topic.arn,
            "x-amz-sns-subscription-arn": self.arn,
            **({"x-amz-sns-rawdelivery": "true"} if raw else {}),
        }
        body = message if raw else json.dumps(self._notification(message, message_id, subject, attributes))
        try:
            answer = requests.post(self.endpoint, data=body.encode(), headers=headers, timeout=HTTP_SECONDS)
        except requests.RequestException as error:
            raise Undelivered("ConnectionFailure", str(error), passing=True) from error
        if not answer.ok:
            passing = answer.status_code >= SERVER_ERRORS or answer.status_code == THROTTLED
            raise Undelivered(str(answer.status_code), answer.reason, passing=passing)

    _to_https = _to_http

    def _lost(self, message: str, message_id: str, subject: str | None, attributes: Any, loss: Loss) -> None:
        logger.warning("topic %s: delivery to %s failed: %s", self.topic.name, self.endpoint, loss.reason)
        policy = self.attributes.get("RedrivePolicy")
        target = json.loads(policy).get("deadLetterTargetArn") if policy else None
        if target is None:
            return
        facts = {"RequestID": str(uuid.uuid4()), "ErrorCode": loss.reason.code, "ErrorMessage": loss.reason.message}
        letter = json.dumps(self._notification(message, message_id, subject, attributes))
        # The publish that this belongs to may hold a lock that the queue's requests wait for.
        self.courier.send(partial(self._keep, target, letter, facts), Patience(0, 60), _forgotten)

    def _keep(self, queue: str, letter: str, facts: Mapping[str, str]) -> None:
        try:
            self.world.access.demand_of_service(SERVICE, self.topic.arn, Need("sqs:SendMessage", (queue,)))
            send_dead_letter(self.clients, queue, letter, facts)
        except DeniedError as error:
            raise Undelivered("AccessDenied", str(error), passing=False) from error
        except (ClientError, BotoCoreError) as error:
            raise refusal(error) from error

    def _notification(self, message: str, message_id: str, subject: str | None, attributes: Any) -> dict[str, Any]:
        """The document that subscribers get; of the attributes, those with a value that JSON can hold."""
        return self.get_post_data(message, message_id, subject, attributes or None)


def install(world: World, clients: Clients, faults: Faults) -> None:
    """Put the class in place."""
    DeliveringSubscription.world = world
    DeliveringSubscription.clients = clients
    DeliveringSubscription.courier = Courier("subscriptions")
    DeliveringSubscription.deliveries = Deliveries("sns", faults)
    models: Any = moto.sns.models
    models.Subscription = DeliveringSubscription


def _forgotten(loss: Loss) -> None:
    logger.warning("a dead letter was lost: %s", loss.reason)


def _is_local(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
