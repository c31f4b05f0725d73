"""Where moto makes the Terraform AWS provider fail, or see changes where there are none: S3, SageMaker, logs."""

from __future__ import annotations

import json
from typing import Any

import moto.logs.responses
import moto.s3.models
import moto.s3.responses
from moto.core.common_types import TYPE_RESPONSE
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse
from moto.s3.models import FakeBucket, FakeDeleteMarker
from moto.s3.responses import S3Response

EVENT_BRIDGE = "<EventBridgeConfiguration></EventBridgeConfiguration>"
END = "</NotificationConfiguration>"


class Bucket(FakeBucket):
    """moto's bucket, whose policy's conditional statements do not count.

    moto takes a Deny whose condition does not hold (TLS only, say) for a Deny. The sandbox checks no conditions.
    """

    def get_permission(self, action: str, resource: str) -> Any:
        """What the bucket's policy says about an action."""
        if self.policy is None:
            return PermissionResult.NEUTRAL
        policy = json.loads(self.policy)
        statements = policy.get("Statement", [])
        statements = statements if isinstance(statements, list) else [statements]
        policy["Statement"] = [statement for statement in statements if "Condition" not in statement]
        return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)


class DeleteMarker(FakeDeleteMarker):
    """moto's delete marker, which moto cannot delete as the last version of a key, as emptying a bucket does."""

    def dispose(self, garbage: bool = False) -> None:
        """A marker holds no content to let go of."""


class BucketResponse(S3Response):
    """moto's S3 answers, with a bucket's EventBridge switch as it was set."""

    def get_bucket_notification(self) -> TYPE_RESPONSE:
        """GetBucketNotificationConfiguration."""
        status, headers, body = super().get_bucket_notification()
        configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if configuration is not None and configuration.event_bridge is not None:
            text = (body if isinstance(body, str) else body.decode()).rstrip()
            opened = f"{text[:-2]}>{END}" if text.endswith("/>") else text
            body = opened.replace(END, EVENT_BRIDGE + END)
        return status, headers, body


def associate_kms_key(self: LogsResponse) -> str:
    """AssociateKmsKey: the key of a log group that is there already, as an upgrade to encryption sets it."""
    return _set_key(self, self._get_param("kmsKeyId"))


def disassociate_kms_key(self: LogsResponse) -> str:
    """DisassociateKmsKey."""
    return _set_key(self, None)


def _set_key(response: LogsResponse, key: str | None) -> str:
    name = response._get_param("logGroupName")
    if name not in response.logs_backend.groups:
        raise ResourceNotFoundException
    response.logs_backend.groups[name].kms_key_id = key
    return ""


def present(document: Any) -> Any:
    """A document without members that are null or empty: the provider takes an empty structure for one that is set."""
    if not isinstance(document, dict):
        return document
    kept = {name: present(value) for name, value in document.items()}
    return {name: value for name, value in kept.items() if value not in (None, {}, [])}


def install() -> None:
    """Put the corrections in place."""
    models: Any = moto.s3.models
    responses: Any = moto.s3.responses
    models.FakeBucket = Bucket
    models.FakeDeleteMarker = DeleteMarker
    # moto reads S3's table of paths anew each time, from the class of this name.
    responses.S3Response = BucketResponse
    logs: Any = moto.logs.responses.LogsResponse
    logs.associate_kms_key = associate_kms_key
    logs.disassociate_kms_key = disassociate_kms_key
