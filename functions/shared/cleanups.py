"""Cleanups at work, as the first step of every machine that reads what a run keeps looks for them.

The cleanup says what it is about to delete before it looks who needs that (opsctl/operations/intents.py). An execution
that is under way when it looks here is one that a cleanup sees which begins after that: whatever the order, one of the
two sees the other.
"""

import time

from opsctl.domain.at_work import FOLDER, going
from shared.objects import read


def deleting(s3, bucket, addresses):
    """Why what lies at one of these s3:// addresses cannot be relied on: a cleanup is deleting what its run keeps. None
    where no cleanup is, and for what lies outside of the runs."""
    root = f"s3://{bucket}/runs/"
    runs = {address.removeprefix(root).partition("/")[0] for address in addresses if address.startswith(root)}
    if not runs:
        return None
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=FOLDER)
    items, now = (item for page in pages for item in page.get("Contents", [])), time.time()
    aged = ((item["Key"], now - item["LastModified"].timestamp()) for item in items)
    try:
        found = going(aged, lambda key: read(s3, bucket, key))
    except ValueError as error:
        return f"a record below s3://{bucket}/{FOLDER} is spoiled: {error}"
    first = min(runs & found.keys(), default=None)
    return first and f"{found[first]} is deleting what {first} keeps: start the run again when that has ended"
