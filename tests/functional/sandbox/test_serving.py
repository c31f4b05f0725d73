"""The sandbox's HTTP: one connection for many requests, whose ends both sides know."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from opsctl.sandbox.serving import Handler


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Says what it was asked, or reads nothing of it, or says too much, or falls."""
    path = environ["PATH_INFO"]
    if path == "/falls":
        raise ValueError("on purpose")
    if path == "/takes-too-long":
        raise TimeoutError("on purpose")
    if path == "/hangs-up":
        raise ConnectionAbortedError
    content = b"unread" if path == "/unread" else environ["wsgi.input"].read()
    told = {"/wrong": [("Content-Length", "2")], "/told": [("Content-Length", str(len(content)))]}
    start_response("204 NO CONTENT" if path == "/nothing" else "200 OK", told.get(path, []))
    return [] if environ["REQUEST_METHOD"] == "HEAD" or path == "/nothing" else [content[:1], content[1:]]


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "127.0.0.1", server.server_port
    server.shutdown()


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.connect()
    yield connection
    connection.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    connection.request(method, path, body, encode_chunked=not isinstance(body, bytes | None))
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_all_goes_over_one_connection(connection: http.client.HTTPConnection) -> None:
    """Whatever was asked before: with no body, a body in chunks, one that nobody read, and answers without a body."""
    first = connection.sock
    assert ask(connection, "POST", "/", b"a body") == (200, b"a body")
    assert ask(connection, "GET", "/") == (200, b"")
    assert ask(connection, "PUT", "/unread", b"x" * 300_000) == (200, b"unread")
    assert ask(connection, "HEAD", "/told") == (200, b"")
    assert ask(connection, "DELETE", "/nothing") == (204, b"")
    assert ask(connection, "POST", "/told", iter([b"in ", b"chunks"])) == (200, b"in chunks")
    assert connection.sock is first


@pytest.mark.parametrize(
    ("path", "found"), [("/wrong", (200, b"ab")), ("/falls", (500, b"")), ("/takes-too-long", (500, b""))]
)
def test_where_an_answers_end_is_in_doubt_no_other_follows(
    connection: http.client.HTTPConnection, path: str, found: tuple[int, bytes]
) -> None:
    assert ask(connection, "POST", path, b"abc") == found
    assert connection.sock is None
    assert ask(connection, "POST", "/", b"a body") == (200, b"a body")


def test_a_connection_that_is_dropped_on_purpose_says_nothing(connection: http.client.HTTPConnection) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        ask(connection, "POST", "/hangs-up", b"abc")


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=60) as plain, plain.makefile("rb") as heard:
        plain.sendall(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert [heard.readline(), heard.readline()] == [b"HTTP/1.1 100 Continue\r\n", b"\r\n"]
        plain.sendall(b"body")
        assert heard.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("length", [b"x", b"-1", b"+4", b"4 4", b"1_0", b"4, 5", b"9" * 5000, "²".encode("latin-1")])
def test_a_length_that_is_none_is_a_bad_request(address: tuple[str, int], length: bytes) -> None:
    with socket.create_connection(address, timeout=60) as plain, plain.makefile("rb") as heard:
        plain.sendall(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: " + length + b"\r\n\r\nbody")
        said = heard.read()
        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert said.endswith(b"\r\n\r\nContent-Length is no number of bytes\n")


@pytest.mark.parametrize("words", [b"HTTP/1.0\r\n\r\n", b"HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"])
def test_who_wants_no_more_is_left(address: tuple[str, int], words: bytes) -> None:
    with socket.create_connection(address, timeout=60) as plain, plain.makefile("rb") as heard:
        plain.sendall(b"GET / " + words)
        assert heard.read().startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_is_cut_off_never_reaches_anybody(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=60) as plain, plain.makefile("rb") as heard:
        plain.sendall(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nbody")
        plain.shutdown(socket.SHUT_WR)
        assert heard.read() == b""
