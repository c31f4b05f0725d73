"""What S3 tells EventBridge of its objects, in AWS's shape.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html: the version only where the bucket keeps versions,
a sequencer that grows, and how the object came (`reason`). moto's own message has a constant sequencer; moto tells of
tags with each object, and of an upload in parts twice.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import moto.s3.notifications
from moto.s3.notifications import S3NotificationEvent, _detail_type

CREATED = {
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Put": "PutObject",
}
DELETED = {"ObjectRemoved:Delete": "DeleteObject"}

Emit = Callable[[str, str, list[str], Mapping[str, Any]], None]


class Sequencer:
    """Numbers that grow with time, as hex digits."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        """One greater than all before."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return f"{self._last:018X}"


def install(emit: Emit) -> None:
    """Let `emit` have the events of buckets whose notifications go to EventBridge."""
    sequencer = Sequencer()

    def tell(account_id: str, bucket: Any, event_name: S3NotificationEvent, key: Any) -> None:
        kind = event_name.value.removeprefix("s3:")
        in_parts = kind == "ObjectCreated:Put" and key.multipart is not None
        if in_parts or kind not in {**CREATED, **DELETED}:
            return
        emit("aws.s3", _detail_type(event_name), [bucket.arn], _detail(account_id, bucket, kind, key, sequencer.next()))

    notifications: Any = moto.s3.notifications
    notifications._send_event_bridge_message = tell


def _detail(account: str, bucket: Any, kind: str, key: Any, sequencer: str) -> dict[str, Any]:
    thing = {
        "key": key.name,
        "size": key.size,
        "etag": key.etag.strip('"'),
        "version-id": key.version_id,
        "sequencer": sequencer,
    }
    if key.version_id in (None, "null"):
        del thing["version-id"]
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": thing,
        "request-id": secrets.token_hex(8).upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
    }
    if kind in CREATED:
        return {**detail, "reason": CREATED[kind]}
    del thing["size"]
    return {**detail, "reason": DELETED[kind], "deletion-type": "Permanently Deleted"}
