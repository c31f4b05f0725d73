"""Nothing here may see the developer's own AWS set-up."""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from werkzeug.serving import make_server

from opsctl.aws.session import Aws
from opsctl.config import SANDBOX, Context
from opsctl.sandbox.serving import Dispatcher, Handler, remember
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
    """The address of an AWS on loopback, shared by all tests: moto's, served as in the sandbox."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    remember()
    server = make_server("127.0.0.1", 0, Dispatcher(), threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def moto(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, empty, and the one that boto3 talks to."""
    requests.post(f"{moto_url}/moto-api/reset", timeout=300)
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    make = boto3.client

    def client(service: str, **options: Any) -> Any:
        return make(service, **options) if options else plain_client(service, moto_url)

    monkeypatch.setattr(boto3, "client", client)
    return moto_url


@functools.cache
def plain_client(service: str, url: str) -> Any:
    """What a function of ours gets that asks boto3 for a client; to make one takes longer than all that it does."""
    return boto3.session.Session().client(service, endpoint_url=url)


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
