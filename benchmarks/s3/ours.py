"""One bulk operation of opsctl's on the stand-in server, in a process of its own: bulk.py measures it from outside.

    python benchmarks/s3/ours.py copy|delete URL

It prints the seconds that the operation took, without the start of Python and its imports, and the objects.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from opsctl.aws import copying, deleting  # noqa: F401 - with asyncio, which an operation imports when it begins
from opsctl.aws.bulk import Bulk, Target
from opsctl.aws.session import Aws
from opsctl.config import SANDBOX, Context
from opsctl.domain.objects import Place, Stored

SOURCE, TARGET = Place("bench", "runs/a/"), Place("bench", "runs/b/")


def relative(bulk: Bulk) -> Iterator[Stored]:
    """The source's objects with keys as a copy takes them."""
    return (replace(item, key=item.key.removeprefix(SOURCE.key)) for item in bulk.objects(SOURCE))


def main() -> None:
    """Do it and say how long it took."""
    operation, url = sys.argv[1:]
    aws = Aws(Context(SANDBOX, url, "us-east-1", None, Path()), "us-east-1")
    aws.client("s3")
    bulk = Bulk(aws)
    begun = time.monotonic()
    if operation == "copy":
        done = sum(part.objects for part in bulk.copy(SOURCE, TARGET, relative(bulk)))
    else:
        targets = (Target(item.key) for item in bulk.objects(SOURCE))
        done = sum(part.objects for part in bulk.delete(SOURCE.bucket, targets))
    print(time.monotonic() - begun, done)


if __name__ == "__main__":
    main()
