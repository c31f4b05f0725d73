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


def test_a_users_proxy_never_sees_the_sandbox() -> None:
    server = {"url": "http://127.0.0.1:4566", "region": "us-east-1"}
    lines = exports(server, {"HTTP_PROXY": "http://proxy:3128", "no_proxy": "intranet"}).splitlines()
    assert "export NO_PROXY=127.0.0.1,localhost" in lines
    assert "export no_proxy=intranet,127.0.0.1,localhost" in lines
