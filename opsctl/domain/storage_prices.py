"""What it costs to keep bytes in S3: USD for a GB (2**30 bytes, as AWS bills it) and month, by storage class."""

from __future__ import annotations

from collections.abc import Mapping

GIB = 2**30
# us-east-1, the first 50 TB of a month, without requests, retrieval and minimum durations. Written down in November
# 2026 from what https://aws.amazon.com/s3/pricing/ is known to say; not read from AWS by a program.
REGION = "us-east-1"
USD_BY_CLASS = {
    "STANDARD": 0.023,
    "STANDARD_IA": 0.0125,
    "ONEZONE_IA": 0.01,
    "GLACIER_IR": 0.004,
    "GLACIER": 0.0036,
    "DEEP_ARCHIVE": 0.00099,
}


def usd_a_month(bytes_by_class: Mapping[str, int], region: str) -> float | None:
    """USD a month for so many bytes; None where the price of a class, or of the region, is not known."""
    if region != REGION or not bytes_by_class.keys() <= USD_BY_CLASS.keys():
        return None
    return sum(USD_BY_CLASS[name] * count / GIB for name, count in bytes_by_class.items())
