"""Dead letters: what a service could not deliver, kept in a queue with the reason in the message's attributes."""

from __future__ import annotations

from collections.abc import Mapping

from opsctl.sandbox.clients import Clients

LONGEST = 1000  # characters of a reason


def send_dead_letter(clients: Clients, queue_arn: str, body: str, facts: Mapping[str, str | None]) -> None:
    """Send one to the queue. Raises botocore's errors if the queue is not there."""
    queues = clients.client("sqs")
    account, name = queue_arn.split(":")[4:6]
    url = f"{queues.meta.endpoint_url}/{account}/{name}"  # asking for it would be another permission
    attributes = {
        name: {"DataType": "String", "StringValue": value[:LONGEST]} for name, value in facts.items() if value
    }
    queues.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
