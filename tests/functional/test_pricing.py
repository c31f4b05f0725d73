"""AWS's price list, as a server on loopback answers in its shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from opsctl.aws.pricing import fetch
from opsctl.aws.session import Aws
from opsctl.config import AWS, Context
from opsctl.domain.prices import shipped
from opsctl.errors import ConfigurationError
from opsctl.operations.prices import prices_for
from tests.functional.pipeline_world import Bench


def product(usage: str, *usd: str) -> str:
    """One of GetProducts' texts, with a price for each tier."""
    tiers = {f"t.{number}": {"pricePerUnit": {"USD": price}} for number, price in enumerate(usd)}
    terms = {"OnDemand": {"t": {"priceDimensions": tiers}}}
    return json.dumps({"product": {"attributes": {"usagetype": usage}}, "terms": terms})


LISTS = {
    ("AmazonSageMaker", "instanceName=ml.g5.xlarge"): [
        product("EU-Train:ml.g5.xlarge", "1.57"), product("EU-Tsform:ml.g5.xlarge", "1.6"),
        product("EU-Host:ml.g5.xlarge", "9"), product("EU-Train:ml.g5.xlarge-Spot", "9"),
    ],
    ("AmazonECS", "cputype=perCPU"): [product("EU-Fargate-vCPU-Hours:perCPU", "0.05")],
    ("AmazonECS", "memorytype=perGB"): [product("EU-Fargate-GB-Hours", "0.005")],
    ("AWSLambda", "group=AWS-Lambda-Duration"): [
        product("EU-Lambda-GB-Second", "0.0000133334", "0.0000166667"), product("EU-Lambda-GB-Second-ARM", "9"),
    ],
    ("AWSLambda", "group=AWS-Lambda-Requests"): [product("EU-Request", "0.0000002")],
    ("AmazonStates", "servicecode=AmazonStates"): [product("EU-StateTransition", "0.0000000000", "0.00003")],
}  # fmt: skip


class Lister(BaseHTTPRequestHandler):
    """Answers GetProducts, one product a page."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        filters = [f"{item['Field']}={item['Value']}" for item in asked["Filters"]]
        found = LISTS.get((asked["ServiceCode"], filters[0]), []) if filters[1:] == ["regionCode=eu-west-1"] else []
        at = int(asked.get("NextToken", 0))
        answer: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": found[at : at + 1]}
        if at + 1 < len(found):
            answer["NextToken"] = str(at + 1)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Nobody reads it."""


@contextmanager
def lister() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lister)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


def aws(url: str) -> Aws:
    return Aws(Context(AWS, url, "eu-west-1", None, Path("unused")), "eu-west-1", now=lambda: 1_795_305_600.0)


def test_aws_s_prices_of_the_region_by_use_and_without_the_free_tier() -> None:
    with lister() as url:
        found = fetch(aws(url), shipped("eu-west-1"), ["ml.g5.xlarge", "ml.x9.huge"])
    assert (found.region, found.date, found.source) == ("eu-west-1", "2026-11-22", "the AWS Price List API")
    assert (found.training, found.transform) == ({"ml.g5.xlarge": 1.57}, {"ml.g5.xlarge": 1.6})
    assert found.fargate == {"vcpu": 0.05, "gb": 0.005}
    assert found.functions == {"gb_second": 0.0000166667, "request": 0.0000002}
    assert (found.transition, found.publish) == (0.00003, None)


def test_without_a_way_there_the_shipped_prices_count_and_it_is_said(bench: Bench) -> None:
    with lister() as url:
        pass  # nobody listens there any more
    with pytest.raises(ConfigurationError):
        fetch(aws(url), shipped("eu-west-1"), [])
    there = replace(bench.connection, aws=aws(url), context=aws(url).context)
    prices, why = prices_for(there, ["ml.g5.xlarge"], {"training": {"ml.g5.xlarge": 2}})
    assert prices.training == {"ml.g5.xlarge": 2.0}
    assert why
    assert why.startswith("AWS's price list is out of reach (Could not connect")
