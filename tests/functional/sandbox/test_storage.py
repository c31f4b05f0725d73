"""S3 in the sandbox is used by many at once: jobs, Terraform, and whoever looks on."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from opsctl.sandbox.environment import exports
from tests.functional.sandbox.cloud import Cloud

ROUNDS = 60


def test_objects_may_be_overwritten_while_others_read_them(cloud: Cloud) -> None:
    def write(number: int) -> None:
        cloud.put(f"race/{number % 2}", os.urandom(100_000).hex())

    def read(number: int) -> None:
        cloud.get(f"race/{number % 2}")
        cloud.client("s3").get_bucket_request_payment(Bucket=cloud.bucket)
        cloud.keys("race/")

    write(0)
    write(1)
    with ThreadPoolExecutor(4) as pool:
        turns = [pool.submit(write if number % 2 else read, number // 2) for number in range(2 * ROUNDS)]
    assert [turn.exception() for turn in turns if turn.exception()] == []


def test_a_key_may_be_anything_that_is_utf_8(cloud: Cloud) -> None:
    """No XML holds some of them: listings have them as in a URL."""
    names = (
        "line\nbreak",
        "cr\rx",
        "..",
        "../../x",
        "naïve 日本 😀",
        "a b+c%20d%",
        "/x",
        "\x01",
        "<&>\"'",
        "\ufffe",
        "",
        "*",
    )
    s3, keys = cloud.client("s3"), sorted(f"odd/{name}" for name in names)
    for key in keys:
        cloud.put(key, key)
        assert cloud.get(key).decode() == key
    listed = s3.get_paginator("list_object_versions").paginate(
        Bucket=cloud.bucket, Prefix="odd/", PaginationConfig={"PageSize": 5}
    )
    assert sorted(item["Key"] for page in listed for item in page["Versions"]) == keys
    assert sorted(cloud.keys("odd/")) == keys
    for key in keys:
        s3.delete_object(Bucket=cloud.bucket, Key=key)
    assert cloud.keys("odd/") == []


def test_a_users_proxy_never_sees_the_sandbox() -> None:
    server = {"url": "http://127.0.0.1:4566", "region": "us-east-1"}
    lines = exports(server, {"HTTP_PROXY": "http://proxy:3128", "no_proxy": "intranet"}).splitlines()
    assert "export NO_PROXY=127.0.0.1,localhost" in lines
    assert "export no_proxy=intranet,127.0.0.1,localhost" in lines
