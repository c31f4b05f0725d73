"""What encryption asks of whoever touches an encrypted thing: the use of its key, in the caller's name.

Sources: the guides of S3 ("Using server-side encryption with AWS KMS"), SNS and SQS ("Key management"), and KMS's
condition keys. What counts for an object is how its bucket encrypts now.
"""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import JsonRESTError, ServiceException
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from opsctl.sandbox.access.needs import Here
from opsctl.sandbox.access.statements import Need

DATA_KEY, DECRYPT = "kms:GenerateDataKey", "kms:Decrypt"
USES = {
    "s3:GetObject": (DECRYPT,),
    "s3:GetObjectVersion": (DECRYPT,),
    "s3:PutObject": (DATA_KEY,),
    "sns:Publish": (DATA_KEY, DECRYPT),
    "sqs:ReceiveMessage": (DECRYPT,),
    "sqs:SendMessage": (DATA_KEY, DECRYPT),
}
# What the encryption's context calls the thing.
CONTEXTS = {"s3": "aws:s3:arn", "sns": "aws:sns:topicArn", "sqs": "aws:sqs:arn"}


def encryption_of(here: Here, need: Need) -> list[Need]:
    """What is needed of the key besides."""
    uses = USES.get(need.action, ())
    service, arn = need.action.partition(":")[0], need.resources[0]
    key = _key_of(here, service, arn) if uses else None
    if key is None:
        return []
    return [use_of_key(here, key, action, service, {CONTEXTS[service]: arn}) for action in uses]


def use_of_key(here: Here, key: str, action: str, service: str, about: dict[str, str]) -> Need:
    """One use of a key by a service, in the name of whoever asked it; `about` is the encryption's context."""
    facts = {
        "kms:viaservice": f"{service}.{here.region}.amazonaws.com",
        "kms:calleraccount": here.account,
        "kms:grantisforawsresource": "true",
        **{f"kms:encryptioncontext:{name.lower()}": value for name, value in about.items()},
    }
    return Need(action, (_arn(here, key),), tuple((name, (value,)) for name, value in facts.items()))


def _arn(here: Here, key: str) -> str:
    """A key's own ARN, whichever way it is named."""
    backend: Any = kms_backends[here.account][here.region]
    try:
        return str(backend.describe_key(backend.any_id_to_key_id(key)).arn)
    except (JsonRESTError, KeyError):
        return here.arn("kms", f"key/{key}")


def _key_of(here: Here, service: str, arn: str) -> str | None:
    """The key of a bucket, topic or queue; None for none, and for AWS's own, which everybody may use."""
    try:
        found = _FINDERS[service](here, arn)
    except (AttributeError, KeyError, JsonRESTError, ServiceException, IndexError, TypeError):
        return None
    return None if not found or "alias/aws/" in str(found) else str(found)


def _bucket(here: Here, arn: str) -> Any:
    settings: Any = s3_backends[here.account]["aws"].buckets[arn.split(":::")[1].partition("/")[0]].encryption
    rules = settings["Rule"]
    rule = rules[0] if isinstance(rules, list) else rules
    return rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")


def _topic(here: Here, arn: str) -> Any:
    return sns_backends[here.account][here.region].topics[arn].kms_master_key_id


def _queue(here: Here, arn: str) -> Any:
    queue: Any = sqs_backends[here.account][here.region].queues[arn.rpartition(":")[2]]
    return queue.kms_master_key_id


_FINDERS = {"s3": _bucket, "sns": _topic, "sqs": _queue}
