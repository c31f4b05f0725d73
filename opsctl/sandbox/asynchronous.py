"""Lambda's asynchronous calls: a failed one is tried again twice (or as often as the function's settings say), and what
became of it in the end goes to the function's destinations, or as it was to its dead-letter queue."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsctl.sandbox.clients import Clients
from opsctl.sandbox.courier import Courier, Loss, Patience, Undelivered
from opsctl.sandbox.deadletters import send_dead_letter

RETRIES = 2
SECONDS = 6 * 3600
CONDITIONS = {"retries": "RetriesExhausted", "seconds": "EventAgeExceeded"}


@dataclass(frozen=True)
class Answer:
    """What one call of a function came to: `error` is None, or the kind of function error that `payload` describes."""

    payload: bytes
    error: str | None
    version: str


@dataclass(frozen=True)
class Wishes:
    """A function as its asynchronous calls need it; `config` is its EventInvokeConfig, `dead_letters` an ARN. What
    became of a call is sent on in the name of its `role`."""

    arn: str
    role: str
    config: Mapping[str, Any]
    dead_letters: str | None

    @property
    def patience(self) -> Patience:
        """How long a call is tried."""
        return Patience(
            self.config.get("MaximumRetryAttempts", RETRIES), self.config.get("MaximumEventAgeInSeconds", SECONDS)
        )

    def destination(self, end: str) -> str | None:
        """Where the record of a call goes that ended so: OnSuccess or OnFailure."""
        found = (self.config.get("DestinationConfig") or {}).get(end) or {}
        return found.get("Destination")


class AsynchronousCalls:
    """Makes them, in worker threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.courier = Courier("asynchronous", workers=32)

    def call(self, wishes: Wishes, payload: bytes, run: Callable[[], Answer]) -> None:
        """Begin one; returns at once."""
        call = _Call(self._clients, wishes, payload, run)
        self.courier.send(call.attempt, wishes.patience, call.give_up)


class _Call:
    def __init__(self, clients: Clients, wishes: Wishes, payload: bytes, run: Callable[[], Answer]) -> None:
        self._sandbox = clients
        self._wishes = wishes
        self._payload = payload
        self._run = run
        self._request = str(uuid.uuid4())
        self._count = 0
        self._answer = Answer(b"null", None, "$LATEST")

    @property
    def _clients(self) -> Clients:
        return self._sandbox.as_role(self._wishes.role)

    def attempt(self) -> None:
        """Call the function. Raises Undelivered if it failed."""
        self._count += 1
        self._answer = self._run()
        if self._answer.error:
            raise Undelivered("200", _message(self._answer.payload), passing=True)
        self._tell("OnSuccess", "Success")

    def give_up(self, loss: Loss) -> None:
        """Keep what is left of a call that failed for good."""
        self._tell("OnFailure", CONDITIONS.get(loss.exhausted or "", "RetriesExhausted"))
        if self._wishes.dead_letters:
            facts = {"RequestID": self._request, "ErrorCode": loss.reason.code, "ErrorMessage": loss.reason.message}
            self._keep(self._wishes.dead_letters, self._payload.decode(), facts)

    def _tell(self, end: str, condition: str) -> None:
        target = self._wishes.destination(end)
        if target is None:
            return
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {
            "version": "1.0",
            "timestamp": moment,
            "requestContext": {
                "requestId": self._request,
                "functionArn": f"{self._wishes.arn}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": self._count,
            },
            "requestPayload": json.loads(self._payload),
            "responseContext": {
                "statusCode": 200,
                "executedVersion": self._answer.version,
                **({"functionError": self._answer.error} if self._answer.error else {}),
            },
            "responsePayload": json.loads(self._answer.payload),
        }
        self._keep(target, json.dumps(record), {})

    def _keep(self, target: str, text: str, facts: Mapping[str, str]) -> None:
        """Send it where it is to go. A destination that is not there is left alone, as AWS only counts those."""
        match target.split(":")[2]:
            case "sqs":
                send_dead_letter(self._clients, target, text, facts)
            case "sns":
                self._clients.client("sns").publish(TopicArn=target, Message=text)
            case "lambda":
                client = self._clients.client("lambda")
                client.invoke(FunctionName=target, InvocationType="Event", Payload=text.encode())
            case "events":
                self._clients.client("events").put_events(Entries=[self._entry(target, text)])

    def _entry(self, bus: str, text: str) -> dict[str, Any]:
        end = "Failure" if self._answer.error else "Success"
        return {
            "EventBusName": bus,
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {end}",
            "Resources": [f"{self._wishes.arn}:$LATEST", bus],
            "Detail": text,
        }


def _message(payload: bytes) -> str:
    document = json.loads(payload)
    return str(document.get("errorMessage") or "") if isinstance(document, dict) else ""
