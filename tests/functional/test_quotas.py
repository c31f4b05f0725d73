"""`opsctl doctor`'s quotas: Service Quotas, and nothing else, as a server on loopback answers in its shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from opsctl.aws.session import Aws
from opsctl.cli.root import root
from opsctl.config import AWS, Context
from tests.functional.pipeline_world import Bench, FakeInvocation

WHO = "arn:aws:iam::123456789012:user/ops"
RESULT = f"<GetCallerIdentityResult><Arn>{WHO}</Arn></GetCallerIdentityResult>"
IDENTITY = f"<GetCallerIdentityResponse>{RESULT}</GetCallerIdentityResponse>"

REFUSED = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not allowed</Message></Error></ErrorResponse>"


class Account(BaseHTTPRequestHandler):
    """Answers GetCallerIdentity, and ListServiceQuotas with one quota a page; refuses all else."""

    quotas: ClassVar[dict[str, float]] = {}
    refusal: ClassVar[str] = REFUSED

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers.get("X-Amz-Target", "").endswith(".ListServiceQuotas"):
            asked = json.loads(body)
            at, listed = int(asked.get("NextToken", 0)), list(self.quotas.items())
            page: dict[str, Any] = {
                "Quotas": [{"QuotaName": name, "Value": value} for name, value in listed[at : at + 1]]
            }
            self._say(200, json.dumps(page | ({"NextToken": str(at + 1)} if at + 1 < len(listed) else {})))
        elif "GetCallerIdentity" in body:
            self._say(200, IDENTITY)
        elif "X-Amz-Target" in self.headers:
            self._say(400, json.dumps({"__type": "AccessDeniedException", "message": "not allowed"}))
        else:
            self._say(403, self.refusal)

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def account(bench: Bench) -> Iterator[FakeInvocation]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Account)
    Thread(target=server.serve_forever, daemon=True).start()
    context = Context(AWS, f"http://127.0.0.1:{server.server_port}", "us-east-1", None, Path("unused"))
    yield FakeInvocation(replace(bench.connection, aws=Aws(context, "us-east-1"), context=context))
    server.shutdown()
    server.server_close()


def test_quotas_are_held_against_what_a_run_asks_for(account: FakeInvocation) -> None:
    Account.quotas = {"ml.g5.xlarge for training job usage": 0.0, "Number of instances": 20.0}
    found = json.loads(CliRunner().invoke(root, ["doctor", "-o", "json"], obj=account).stdout)
    told = {row["check"]: [row["status"], row["what"], row["remedy"]] for row in found}
    gpu = "ml.g5.xlarge for training job usage"
    assert told[f"quota: {gpu}"] == [
        "PROBLEM", "1 of 0 are asked for at a time", f"ask for more in Service Quotas, Amazon SageMaker: {gpu}",
    ]  # fmt: skip
    assert told["quota: ml.m5.xlarge for training job usage"][:2] == [
        "UNKNOWN",
        "this account has no quota of that name",
    ]
    Account.quotas = {gpu: 8.0, "ml.m5.xlarge for training job usage": 1.0}
    found = json.loads(CliRunner().invoke(root, ["doctor", "-o", "json"], obj=account).stdout)
    assert {row["check"]: row["status"] for row in found if row["check"].startswith("quota")}[f"quota: {gpu}"] == "OK"


def test_a_proxy_that_answers_in_aws_s_place_is_told_of(
    account: FakeInvocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "refusal", "Please sign in to the network.")
    result = CliRunner().invoke(root, ["doctor", "-o", "json"], obj=account)
    (row,) = [row for row in json.loads(result.stdout) if row["check"] == "topics"]
    assert row["status"] == "UNKNOWN"
    assert row["what"].startswith("sns:ListSubscriptionsByTopic: what answered is not AWS: ")
