"""The mailbox: what SNS published, as one readable text file a message."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar

import moto.sns.models
import moto.sns.urls
from moto.sns.models import SNSBackend

from opsctl.sandbox.world import World


class Mailbox:
    """Numbered files in one directory: headers (Topic, Subject, Date, Message-Id, attributes), blank line, body."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        # What another server left is there where the sandbox keeps its state.
        self._count = max(map(_number, directory.glob("[0-9]*.txt")), default=0)

    def kept(self) -> int:
        """What is to outlive the server: how many messages there are. They are there themselves."""
        return self._count

    def restore(self, kept: int) -> None:
        """Have what a server before this one kept: what it published after that is published anew."""
        for path in self._directory.glob("[0-9]*.txt"):
            if _number(path) > kept:
                path.unlink()
        self._count = kept

    def deliver(self, headers: Mapping[str, str], body: str) -> Path:
        """Write one message; a reader never sees half of it."""
        with self._lock:
            self._count += 1
            number = self._count
        words = re.sub(r"[^a-z0-9]+", "-", headers.get("Subject", "message").lower()).strip("-")[:60] or "message"
        path = self._directory / f"{number:04d}-{words}.txt"
        lines = [f"{name}: {' '.join(value.split())}" for name, value in headers.items()]
        draft = path.with_suffix(".draft")
        draft.write_text("\n".join([*lines, "", body, ""]), encoding="utf-8")
        draft.rename(path)
        return path


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


class PublishingBackend(SNSBackend):
    """moto's SNS, with a copy of each published message in the mailbox."""

    mailbox: ClassVar[Mailbox]
    _url_module = moto.sns.urls

    def publish(self, message: str, arn: str | None, *arguments: Any, **options: Any) -> str:
        """Publish. Every path in moto that publishes to a topic comes through here."""
        message_id: str = super().publish(message, arn, *arguments, **options)
        attributes = options.get("message_attributes") or {}
        headers = {
            "Topic": arn or str(options.get("phone_number")),
            "Subject": options.get("subject") or "",
            "Date": format_datetime(datetime.now(UTC)),
            "Message-Id": message_id,
            **{name: str(attribute.get("Value", "")) for name, attribute in attributes.items()},
        }
        self.mailbox.deliver({name: value for name, value in headers.items() if value}, message)
        return message_id

    def _validate_filter_policy(self, value: Any, scope: str | None) -> None:
        super()._validate_filter_policy(_known_to_moto(value), scope)


def _known_to_moto(policy: Any) -> Any:
    """A filter policy with the operators that moto refuses to know, cidr and wildcard, as another that it does."""
    if isinstance(policy, list):
        return [_known_to_moto(one) for one in policy]
    if isinstance(policy, dict):
        return {
            "prefix" if name in ("cidr", "wildcard") and isinstance(value, str) else name: _known_to_moto(value)
            for name, value in policy.items()
        }
    return policy


def install(world: World) -> None:
    """Put the backend in place."""
    PublishingBackend.mailbox = Mailbox(world.place.mailbox)
    moto.sns.models.sns_backends.backend = PublishingBackend
