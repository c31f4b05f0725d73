"""What it costs to keep bytes in S3, and to write and list objects there: for one region, "unknown" for all others.

USD for a GB (2**30 bytes, as AWS bills it) and month by storage class, and USD for a request. Without retrieval, which
only classes other than STANDARD have, and without minimum durations and sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

GIB = 2**30
STANDARD = "STANDARD"
# us-east-1, the first 50 TB of a month. Written down in November 2026 from what https://aws.amazon.com/s3/pricing/ is
# known to say; not read from AWS by a program. The price of a request is from two public quotations of that page that
# agree (cloudkaramchari.com and c3x.dev), collected on 2026-11-22.
REGION = "us-east-1"
DATE = "2026-11-22"
SOURCE = "public quotations of https://aws.amazon.com/s3/pricing/"
USD_BY_CLASS = {
    STANDARD: 0.023,
    "STANDARD_IA": 0.0125,
    "ONEZONE_IA": 0.01,
    "GLACIER_IR": 0.004,
    "GLACIER": 0.0036,
    "DEEP_ARCHIVE": 0.00099,
}
USD_PER_WRITE = 0.005 / 1000  # PUT, COPY, POST and LIST requests, for objects of the class STANDARD


def usd_a_month(bytes_by_class: Mapping[str, int], region: str) -> float | None:
    """USD a month for so many bytes; None where the price of a class, or of the region, is not known."""
    if region != REGION or not bytes_by_class.keys() <= USD_BY_CLASS.keys():
        return None
    return sum(USD_BY_CLASS[name] * count / GIB for name, count in bytes_by_class.items())


def usd_for_requests(requests: int, region: str) -> float | None:
    """USD for COPY, PUT and LIST requests; None where the region's price is not known."""
    return requests * USD_PER_WRITE if region == REGION else None
