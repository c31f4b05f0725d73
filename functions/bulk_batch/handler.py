"""Works on a manifest of objects, batch by batch: deletes them, or copies them. And, at the end, sums the batches up.

A batch is up to 1,000 lines of a manifest (opsctl/domain/manifest.py): a run, a key, a size and an ETag each; to copy
also the key `to`, and `version` where one version is meant. Nothing is touched but what lies below the prefix of its
run and still is as the manifest says. One listing for each run of a batch tells that at a thousandth of the price of
asking for each object, and S3 is given the ETag too, so that an object that changes in between stays (conditional
deletes and copies). A batch may come again, by a retry: what is done already counts as done then.
"""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from bulk_batch.needs import WAITS, Needs
from opsctl.domain.keys import NOT_IN_XML

ROOT = "runs/"
THREADS = 32
LARGEST_COPY = 5 * 1024**3  # bytes that one CopyObject may copy
PART = 512 * 1024**2
MOST_PARTS = 10_000
PAUSES = (1, 2, 4)  # seconds, before what S3 was too busy for is asked for again
BUSY = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "503", "500",
    "ThrottlingException", "TooManyRequestsException",
}  # fmt: skip
CHANGED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "NoSuchKey", "NoSuchVersion", "404"}
LAST = "\U0010fffd"  # sorts after whatever a key holds
MESSAGE = 300  # characters of S3's message that are passed on
KEPT_HEADERS = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata",
    "StorageClass", "WebsiteRedirectLocation",
)  # fmt: skip


SETTINGS = Config(max_pool_connections=THREADS, retries={"mode": "adaptive", "total_max_attempts": 8})
NEEDS = Needs(SETTINGS)


class SlowDown(Exception):  # noqa: N818 - Step Functions shows the name as the state's error, and retries it
    """S3 was too busy for the whole batch."""


class InvalidBatch(Exception):  # noqa: N818
    """The request is none that this function knows."""


def handler(event, _context):
    work = {"delete": _delete, "copy": _copy, "sum": _sum}.get(event.get("operation"))
    if work is None:
        raise InvalidBatch(f"operation is {event.get('operation')!r}: use delete or copy")
    try:
        return work(boto3.client("s3", config=SETTINGS), event)
    except ClientError as error:
        if _code(error) in BUSY:
            raise SlowDown(str(error)) from error
        raise


class Answer:
    """What a batch came to. `refused` are keys by S3's code, so that an answer is never longer than its batch."""

    def __init__(self):
        self.done, self.changed, self.kept, self._refused = 0, 0, {}, {}

    def take(self, key, refusal):
        """Count a key: done, or refused with a code and a message, of which each code's first one is told."""
        code, message = refusal or (None, "")
        if refusal is None:
            self.done += 1
        elif code in CHANGED:
            self.changed += 1
        else:
            group = self._refused.setdefault(code, {"code": code, "message": message[:MESSAGE], "keys": []})
            group["keys"].append(key)

    def document(self):
        """The answer as the state's output."""
        return {"done": self.done, "changed": self.changed, "kept": self.kept, "refused": list(self._refused.values())}


def _delete(s3, event):
    bucket, answer, targets, waits = event["bucket"], Answer(), [], iter(WAITS)
    readers = NEEDS.readers(s3, bucket, event["manifest"])
    for run, entries in _by_run(event, answer):
        after = readers.get(run, ())
        if after:  # some of which may lie in this very batch
            _delete_targets(s3, bucket, targets, answer)
            targets = []
        reason = NEEDS.reason(s3, bucket, run, after, waits)
        if reason:
            answer.kept[run] = reason
            continue
        present = _present(s3, bucket, f"{ROOT}{run}/", entries)
        for entry in entries:
            found = present.get(entry["key"])
            if found is None and event.get("retry"):
                answer.done += 1
            elif found != (entry["size"], entry["etag"]):
                answer.changed += 1
            else:
                targets.append(entry)
    _delete_targets(s3, bucket, targets, answer)
    return answer.document()


def _delete_targets(s3, bucket, targets, answer):
    # What cannot stand in the XML of a request for many has one of its own.
    plain = [entry for entry in targets if not NOT_IN_XML.search(entry["key"])]
    for entry in targets:
        if NOT_IN_XML.search(entry["key"]):
            answer.take(
                entry["key"], _refusal(s3.delete_object, Bucket=bucket, Key=entry["key"], IfMatch=entry["etag"])
            )
    _delete_together(s3, bucket, plain, answer)


def _delete_together(s3, bucket, entries, answer):
    """One request; what S3 was too busy for is asked for again, some times."""
    waiting = entries
    for pause in (*PAUSES, None):
        if not waiting:
            return
        objects = [{"Key": entry["key"], "ETag": entry["etag"]} for entry in waiting]
        errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors", ())
        told = {error["Key"]: error for error in errors}
        again = [entry for entry in waiting if told.get(entry["key"], {}).get("Code") in BUSY] if pause else []
        left = {entry["key"] for entry in again}
        for key in (entry["key"] for entry in waiting if entry["key"] not in left):
            answer.take(key, (told[key]["Code"], told[key].get("Message", "")) if key in told else None)
        waiting = again
        if waiting:
            time.sleep(pause)


def _copy(s3, event):
    bucket, answer = event["bucket"], Answer()
    entries = [entry for run, group in _by_run(event, answer) for entry in _as_planned(s3, bucket, run, group, answer)]

    def work(entry):
        if not str(entry.get("to", "")).startswith(ROOT):
            return "OutsideRuns", f"to is {entry.get('to')!r}: a copy lies below {ROOT}"
        if event.get("retry") and _is_copied(s3, bucket, entry):
            return None
        return _refusal(_copy_one, s3, bucket, entry)

    with ThreadPoolExecutor(THREADS) as pool:
        for entry, refusal in zip(entries, pool.map(work, entries), strict=True):
            answer.take(entry["key"], refusal)
    return answer.document()


def _as_planned(s3, bucket, run, entries, answer):
    """The entries that still are what they were. One of a version cannot change, and may be of the past."""
    current = [entry for entry in entries if not entry.get("version")]
    present = _present(s3, bucket, f"{ROOT}{run}/", current) if current else {}
    for entry in entries:
        if entry.get("version") or present.get(entry["key"]) == (entry["size"], entry["etag"]):
            yield entry
        else:
            answer.changed += 1


def _copy_one(s3, bucket, entry):
    source = {"Bucket": bucket, "Key": entry["key"]}
    source |= {"VersionId": entry["version"]} if entry.get("version") else {}
    if entry["size"] <= LARGEST_COPY:
        s3.copy_object(Bucket=bucket, Key=entry["to"], CopySource=source, CopySourceIfMatch=entry["etag"])
        return
    _copy_parts(s3, bucket, entry, source)


def _copy_parts(s3, bucket, entry, source):
    """An object that is too large for one request, with its metadata and its tags, which parts do not carry over."""
    version = {name: value for name, value in source.items() if name == "VersionId"}
    head = s3.head_object(Bucket=bucket, Key=entry["key"], IfMatch=entry["etag"], **version)
    tags = s3.get_object_tagging(Bucket=bucket, Key=entry["key"], **version)["TagSet"]
    headers = {name: head[name] for name in KEPT_HEADERS if name in head}
    upload = s3.create_multipart_upload(Bucket=bucket, Key=entry["to"], **headers)["UploadId"]
    place = {"Bucket": bucket, "Key": entry["to"], "UploadId": upload}
    length = max(PART, -(-entry["size"] // MOST_PARTS))
    starts = range(0, entry["size"], length)

    def part(number):
        first = starts[number]
        span = f"bytes={first}-{min(first + length, entry['size']) - 1}"
        made = s3.upload_part_copy(
            **place, PartNumber=number + 1, CopySource=source, CopySourceRange=span, CopySourceIfMatch=entry["etag"]
        )
        return {"PartNumber": number + 1, "ETag": made["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(part, range(len(starts))))
        s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    except Exception:
        s3.abort_multipart_upload(**place)
        raise
    if tags:
        s3.put_object_tagging(Bucket=bucket, Key=entry["to"], Tagging={"TagSet": tags})


def _is_copied(s3, bucket, entry):
    """Whether an earlier attempt copied it. Copies in parts, and with KMS, have other ETags: those are made again."""
    try:
        head = s3.head_object(Bucket=bucket, Key=entry["to"])
    except ClientError as error:
        if _code(error) in CHANGED:
            return False
        raise
    return (head["ContentLength"], head["ETag"]) == (entry["size"], entry["etag"])


def _sum(s3, event):
    """All batches together; `failed` are batches without an answer."""
    total = {"done": 0, "changed": 0, "refused": 0, "failed": 0}
    files = json.load(s3.get_object(Bucket=event["bucket"], Key=event["key"])["Body"])["ResultFiles"]
    for file in files.get("SUCCEEDED", ()):
        for answer in _lines(s3, event["bucket"], file["Key"]):
            total["done"] += answer["done"]
            total["changed"] += answer["changed"]
            total["refused"] += sum(len(group["keys"]) for group in answer["refused"])
    for name in ("FAILED", "PENDING"):
        for file in files.get(name, ()):
            total["failed"] += sum(1 for _ in _lines(s3, event["bucket"], file["Key"]))
    return total


def _lines(s3, bucket, key):
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    return (json.loads(line) for line in body.iter_lines() if line.strip())


def _by_run(event, answer):
    """The entries of each run that may be touched. The manifest's first line, its heading, is no entry."""
    entries = [item for item in event["items"] if "key" in item]
    for run, group in itertools.groupby(entries, key=lambda entry: entry["run"]):
        inside = []
        for entry in group:
            if run and "/" not in run and entry["key"].startswith(f"{ROOT}{run}/"):
                inside.append(entry)
            else:
                answer.take(entry["key"], ("OutsideRuns", f"it does not lie below {ROOT}{run}/"))
        if inside and run not in event.get("kept", ()):
            yield run, inside


def _present(s3, bucket, prefix, entries):
    """Size and ETag of what there is now from the first of the keys to the last."""
    first, last = min(entry["key"] for entry in entries), max(entry["key"] for entry in entries)
    found, pages = {}, s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix, StartAfter=_just_before(first)):
        for item in page.get("Contents", ()):
            if item["Key"] > last:
                return found
            found[item["Key"]] = (item["Size"], item["ETag"])
    return found


def _just_before(key):
    """A key that sorts before this one with next to nothing in between; S3 sorts by UTF-8, as Python sorts letters."""
    head, letter = key[:-1], ord(key[-1])
    if letter <= ord(" ") or len(key.encode()) > 1000 or 0xD800 <= letter - 1 <= 0xDFFF:
        return head
    return f"{head}{chr(letter - 1)}{LAST}"


def _refusal(call, *arguments, **parameters):
    """What S3 says against one object, which stops nothing; None where it says nothing."""
    try:
        call(*arguments, **parameters)
    except ClientError as error:
        return _code(error), error.response["Error"].get("Message", "")
    return None


def _code(error):
    return str(error.response["Error"]["Code"])
