"""What a request to S3 needs to be allowed: its API's names are not IAM's, and one call may touch several objects.

Sources: S3's user guide, "Required permissions for Amazon S3 API operations", and the API reference of each.
"""

from __future__ import annotations

import xml.etree.ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from opsctl.sandbox.access.statements import Need

OBJECT = {
    "AbortMultipartUpload": ("s3:AbortMultipartUpload",),
    "CompleteMultipartUpload": ("s3:PutObject",),
    "CopyObject": ("s3:PutObject",),
    "CreateMultipartUpload": ("s3:PutObject",),
    "DeleteObject": ("s3:DeleteObject",),
    "DeleteObjectTagging": ("s3:DeleteObjectTagging",),
    "GetObject": ("s3:GetObject",),
    "GetObjectAttributes": ("s3:GetObject", "s3:GetObjectAttributes"),
    "GetObjectTagging": ("s3:GetObjectTagging",),
    "HeadObject": ("s3:GetObject",),
    "ListParts": ("s3:ListMultipartUploadParts",),
    "PutObject": ("s3:PutObject",),
    "PutObjectTagging": ("s3:PutObjectTagging",),
    "UploadPart": ("s3:PutObject",),
    "UploadPartCopy": ("s3:PutObject",),
}
VERSIONED = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
}
BUCKET = {
    "HeadBucket": "s3:ListBucket",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
}


@dataclass(frozen=True)
class Asked:
    """A request to S3: operation, bucket, key, query and headers (names in lower case)."""

    operation: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


def asked(operation: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Asked:
    """Read a request in path style, which is what clients use on an IP address."""
    bucket, _, key = path.lstrip("/").partition("/")
    fields = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    return Asked(operation, bucket, key, fields, headers, body)


def needs_of_storage(request: Asked, is_there: Callable[[str, str], bool]) -> list[Need]:
    """What a request to S3 needs. `is_there` says whether a bucket has a key."""
    bucket = f"arn:aws:s3:::{request.bucket}"
    if request.operation == "DeleteObjects":
        return [_object(request.bucket, key, action) for key, action in deletions(request.body)]
    if request.operation not in OBJECT:
        return [_of_bucket(request, bucket if request.bucket else "*")]
    version = "versionId" in request.query
    actions = [VERSIONED.get(action, action) if version else action for action in OBJECT[request.operation]]
    needs = [_object(request.bucket, request.key, action) for action in actions]
    if "x-amz-tagging" in request.headers:
        needs.append(_object(request.bucket, request.key, "s3:PutObjectTagging"))
    if request.operation in ("GetObject", "HeadObject") and not is_there(request.bucket, request.key):
        # Whoever may not list is told 403, not 404.
        needs.append(Need("s3:ListBucket", (bucket,)))
    if "if-match" in request.headers and request.operation == "DeleteObject":
        needs.append(_object(request.bucket, request.key, "s3:GetObject"))
    return [*needs, *_of_source(request)]


def deletions(body: bytes) -> list[tuple[str, str]]:
    """The keys that a DeleteObjects names, and the action that deleting each is."""
    found = []
    for element in xml.etree.ElementTree.fromstring(body):
        fields = {part.tag.rpartition("}")[2]: part.text or "" for part in element}
        if "Key" in fields:
            found.append((fields["Key"], "s3:DeleteObjectVersion" if fields.get("VersionId") else "s3:DeleteObject"))
    return found


def _of_source(request: Asked) -> list[Need]:
    source = unquote(request.headers.get("x-amz-copy-source", "")).lstrip("/")
    if not source:
        return []
    place, _, version = source.partition("?versionId=")
    bucket, _, key = place.partition("/")
    return [_object(bucket, key, "s3:GetObjectVersion" if version else "s3:GetObject")]


def _of_bucket(request: Asked, arn: str) -> Need:
    facts = [(f"s3:{name}", (request.query[name],)) for name in ("prefix", "delimiter") if name in request.query]
    return Need(BUCKET.get(request.operation, f"s3:{request.operation}"), (arn,), tuple(facts))


def _object(bucket: str, key: str, action: str) -> Need:
    return Need(action, (f"arn:aws:s3:::{bucket}/{key}",))
