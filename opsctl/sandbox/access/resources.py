"""Policies of resources, as moto keeps them: buckets, functions, topics, queues, keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import moto.awslambda.models
from moto.core.exceptions import JsonRESTError, ServiceException
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from opsctl.sandbox.access.needs import Here
from opsctl.sandbox.access.statements import Policy


def policy_of(here: Here, arn: str) -> Policy | None:
    """The policy of the resource with this ARN, if it is there and has one."""
    parts = arn.split(":", 5)
    find = _FINDERS.get(parts[2]) if len(parts) == 6 else None
    if find is None:
        return None
    try:
        found = find(here, arn, parts[5])
    except (AttributeError, JsonRESTError, LookupError, ServiceException):
        return None
    if not found:
        return None
    owner, text = found
    return Policy(owner, "resource", text.decode() if isinstance(text, bytes) else text) if text else None


def has_key(here: Here, bucket: str, key: str) -> bool:
    """Whether a bucket has an object of this name, also as a delete marker, or is not there at all."""
    known: Any = s3_backends[here.account]["aws"].buckets.get(bucket)
    return known is None or key in known.keys


def _bucket(here: Here, arn: str, resource: str) -> tuple[str, Any]:
    del arn
    name = resource.partition("/")[0]
    return f"arn:aws:s3:::{name}", s3_backends[here.account]["aws"].buckets[name].policy


def _function(here: Here, arn: str, resource: str) -> tuple[str, Any]:
    del arn
    name = resource.removeprefix("function:").partition(":")[0]
    backend: Any = moto.awslambda.models.lambda_backends[here.account][here.region]
    statements = backend.get_function(name).policy.statements
    return here.arn("lambda", f"function:{name}"), json.dumps({"Statement": statements}) if statements else ""


def _topic(here: Here, arn: str, resource: str) -> tuple[str, Any]:
    del resource
    return arn, sns_backends[here.account][here.region].topics[arn].policy


def _queue(here: Here, arn: str, resource: str) -> tuple[str, Any]:
    queue: Any = sqs_backends[here.account][here.region].queues[resource]
    return arn, json.dumps(queue._policy_json) if queue._policy_json.get("Statement") else ""


def _key(here: Here, arn: str, resource: str) -> tuple[str, Any]:
    return arn, kms_backends[here.account][here.region].keys[resource.removeprefix("key/")].policy


_FINDERS: dict[str, Callable[[Here, str, str], tuple[str, Any]]] = {
    "kms": _key,
    "lambda": _function,
    "s3": _bucket,
    "sns": _topic,
    "sqs": _queue,
}
