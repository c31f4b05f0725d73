"""Which action a request asks for."""

from __future__ import annotations

import pytest

from opsctl.sandbox.actions import action_of

SIGNED = "AWS4-HMAC-SHA256 Credential=me/20261122/us-east-1/s3/aws4_request"


@pytest.mark.parametrize("key", ["runs/nightly-7/x", "runs/nightly-7/line\nbreak", "runs/nightly-7//../ \x01"])
@pytest.mark.parametrize(("method", "action"), [("GET", "GetObject"), ("DELETE", "DeleteObject"), ("PUT", "PutObject")])
def test_a_key_may_be_anything(method: str, action: str, key: str) -> None:
    environ = {"HTTP_AUTHORIZATION": SIGNED, "REQUEST_METHOD": method, "PATH_INFO": f"/bucket/{key}"}
    assert action_of(environ, b"") == f"s3:{action}"
