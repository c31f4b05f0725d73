"""Where moto makes the Terraform AWS provider fail, see changes where there are none, or wait: S3, SageMaker, logs."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import quote_plus

import moto.logs.responses
import moto.moto_server.werkzeug_app
import moto.s3.models
import moto.s3.responses
from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse
from moto.moto_server.utilities import RegexConverter
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey
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


def listed(self: FakeKey, memo: dict[int, Any]) -> FakeKey:
    """What a list of versions shows of an object: all but its content, which moto reads and writes to a new file for
    each object of the bucket and each list."""
    if not self.disposed:  # a mark of deletion outlives the object that it is about
        self.etag  # noqa: B018 - worked out from the content once, and kept
    made: Any = type(self).__new__(type(self))
    kept = {name: value for name, value in vars(self).items() if name not in ("_value_buffer", "lock")}
    vars(made).update(kept, multipart=None, disposed=True)
    memo[id(self)] = made
    found: FakeKey = made
    return found


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

    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        """Versions are listed with their keys as in a URL where that was asked for, as moto lists objects: no XML holds
        every key."""
        asked = self.querystring.get("encoding-type", [None])[0]
        if asked == "url" and self.data.get("Action") == "ListObjectVersions":
            encode_keys(cast("dict[str, Any]", action_result.result))
        return super().serialized(action_result)


def encode_keys(result: dict[str, Any]) -> None:
    """In place, as S3 encodes them."""
    result["EncodingType"] = "url"
    for holder in (result, *result["Versions"], *result["DeleteMarkers"], *result.get("CommonPrefixes", ())):
        for name in ("Key", "Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"):
            if isinstance(holder.get(name), str):
                holder[name] = quote_plus(holder[name], safe="/*")


class AnyKey(RegexConverter):
    """moto's converter of paths, whose dot stands for a line break too: a key may hold one."""

    def __init__(self, url_map: Any, *items: Any) -> None:
        super().__init__(url_map, *items)
        self.regex = f"(?s:{self.regex})"


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
    models.FakeKey.__deepcopy__ = listed
    # moto reads S3's table of paths anew each time, from the class of this name.
    responses.S3Response = BucketResponse
    server: Any = moto.moto_server.werkzeug_app
    server.RegexConverter = AnyKey
    logs: Any = moto.logs.responses.LogsResponse
    logs.associate_kms_key = associate_kms_key
    logs.disassociate_kms_key = disassociate_kms_key
