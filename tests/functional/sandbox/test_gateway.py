"""Requests that nobody waits for any more."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import pytest

from opsctl.sandbox.gateway import Gateway


class Nothing:
    """No faults, and nobody is refused."""

    none = True
    enforced = False


@pytest.fixture
def served() -> list[str]:
    return []


@pytest.fixture
def gateway(served: list[str]) -> Gateway:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        served.append(environ["PATH_INFO"])
        return [b"done"]

    nothing: Any = Nothing()
    return Gateway(application, nothing, nothing)


def environ(connection: socket.socket) -> dict[str, Any]:
    return {"HTTP_HOST": "127.0.0.1:1", "PATH_INFO": "/made", "REQUEST_METHOD": "POST", "werkzeug.socket": connection}


def test_whoever_waits_is_served(gateway: Gateway, served: list[str]) -> None:
    server, client = socket.socketpair()
    with server, client:
        assert gateway(environ(server), lambda *_: None) == [b"done"]
        client.sendall(b"POST /next HTTP/1.1")
        assert gateway(environ(server), lambda *_: None) == [b"done"]
    assert served == ["/made", "/made"]


def test_what_nobody_waits_for_is_not_begun(gateway: Gateway, served: list[str]) -> None:
    """An interrupted Terraform hears of nothing more, and could not make again what it does not know of."""
    server, client = socket.socketpair()
    with server:
        client.close()
        with pytest.raises(ConnectionAbortedError):
            gateway(environ(server), lambda *_: None)
    assert served == []
