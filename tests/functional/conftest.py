"""Nothing here may see the developer's own AWS set-up."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from opsctl.aws.session import Aws
from opsctl.config import SANDBOX, Context
from tests.functional.pipeline_world import DIVERGED, ROOT, Bench, make_bench, training_failure


@pytest.fixture(autouse=True)
def _no_foreign_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "OPSCTL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-contexts"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The address of an AWS on loopback, shared by all tests."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, empty, and the one that boto3 talks to."""
    requests.post(f"{moto_url}/moto-api/reset", timeout=10)
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return moto_url


@pytest.fixture
def bench(moto: str) -> Bench:
    """The command line, a pipeline that was never run, and a world to script."""
    return make_bench(moto)


@pytest.fixture
def failed(bench: Bench) -> Bench:
    """The same, after nightly-7 has failed at the sequence model and the failure was caught."""
    bench.world.script["Train Sequence Model"] = [training_failure(DIVERGED)]
    bench.opsctl("start", "--name", "nightly-7")
    bench.world.entered()
    return bench


@pytest.fixture
def aws(moto: str) -> Aws:
    """What reaches it as opsctl does."""
    return Aws(Context(SANDBOX, moto, "us-east-1", None, ROOT), "us-east-1")


@pytest.fixture
def s3(moto: str) -> Any:
    """A client of boto3's own, and an empty bucket `bulk`."""
    client = boto3.client("s3", endpoint_url=moto)
    client.create_bucket(Bucket="bulk")
    return client
