"""Copy an object that is too large for one CopyObject: in parts, side by side, all of one version of the source.

CopyObject keeps metadata and tags by itself; a copy in parts is a new object, so they are read and set. boto3's own
managed copy keeps neither, and does not hold on to one version of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from opsctl.domain.objects import Place

SMALLEST_PART = 256 * 1024**2
MOST_PARTS = 10_000
THREADS = 16
KEPT = (
    "Metadata", "ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires",
    "WebsiteRedirectLocation",
)  # fmt: skip
ENCRYPTION = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
NEWEST: Mapping[str, str] = MappingProxyType({})
BUCKETS_OWN = "AES256"  # what S3 does for every object unless asked, or told by the bucket, for more


def copy_in_parts(
    client: Any,
    source: Place,
    target: Place,
    etag: str,
    smallest_part: int = SMALLEST_PART,
    version: Mapping[str, str] = NEWEST,
) -> None:
    """Copy the source, or its `version`, if it has the ETag. Raises ClientError: PreconditionFailed if not.

    What was begun is given up if a part fails.
    """
    head = client.head_object(Bucket=source.bucket, Key=source.key, IfMatch=etag, **version)
    version = _version(head)  # from here on, whatever becomes of the source
    kept = {name: head[name] for name in KEPT if head.get(name)} | encryption_of(head)
    if head.get("TagCount"):
        tags = client.get_object_tagging(Bucket=source.bucket, Key=source.key, **version)["TagSet"]
        kept["Tagging"] = urlencode([(tag["Key"], tag["Value"]) for tag in tags])
    there = {"Bucket": target.bucket, "Key": target.key}
    upload = client.create_multipart_upload(**there, **kept)["UploadId"]
    origin = {"Bucket": source.bucket, "Key": source.key, **version}
    size = max(smallest_part, -(-head["ContentLength"] // MOST_PARTS))

    def copied(number: int) -> dict[str, Any]:
        begin = number * size
        end = min(begin + size, head["ContentLength"]) - 1
        answer = client.upload_part_copy(
            **there, UploadId=upload, PartNumber=number + 1, CopySource=origin, CopySourceIfMatch=etag,
            CopySourceRange=f"bytes={begin}-{end}",
        )  # fmt: skip
        return {"PartNumber": number + 1, "ETag": answer["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(copied, range(-(-head["ContentLength"] // size))))
        client.complete_multipart_upload(**there, UploadId=upload, MultipartUpload={"Parts": parts})
    except BaseException:
        client.abort_multipart_upload(**there, UploadId=upload)
        raise


def encryption_of(head: dict[str, Any]) -> dict[str, Any]:
    """How an object is encrypted, as parameters for its copy; none where that is S3's own way."""
    if head.get("ServerSideEncryption", BUCKETS_OWN) == BUCKETS_OWN:
        return {}
    return {name: head[name] for name in ENCRYPTION if head.get(name)}


def _version(head: dict[str, Any]) -> dict[str, str]:
    version = head.get("VersionId")
    return {"VersionId": version} if version and version != "null" else {}
