"""HTTP on loopback: werkzeug's server, whose connections stay open, and moto's services, which are found at once.

A connection and a thread for each request, its answer in two packets, and a look through the folder of moto's services
took longer than most requests do.
"""

from __future__ import annotations

import functools
import logging
import re
import ssl
from collections.abc import Iterable
from typing import Any

from moto.core import responses, serialize
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import LimitedStream

CHUNK = 65_536
KNOWN = 4096
"""Results that are kept of what depends on nothing but its argument."""
BODILESS = ("1", "204", "304")
DROPPED: tuple[type[BaseException], ...] = (ConnectionError, ssl.SSLEOFError, ClientDisconnected)
"""By what a client that went away is known. A TimeoutError is none: no socket here has a time limit."""
LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
logger = logging.getLogger(__name__)


class Dispatcher(DomainDispatcherApplication):
    """moto's services. Which of them a host name means is looked up once."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._known = functools.lru_cache(KNOWN)(super().get_backend_for_host)

    def get_backend_for_host(self, host: str | None) -> Any:
        """The name of the service."""
        return self._known(host)


class Handler(MotoRequestHandler):
    """The requests of one connection, one after the other. Logs nothing for those that went well."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = CHUNK  # an answer leaves in one piece

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Log a request that was answered with an error: as a warning, for werkzeug's own lines are not logged."""
        del size
        if not str(code).startswith(("2", "3")):
            target = self.headers.get("X-Amz-Target") or ""
            self.log("warning", '"%s" %s %s', ascii(self.requestline)[1:-1], code, ascii(target)[1:-1])

    def handle_expect_100(self) -> bool:
        """Ask for the body, for which the client waits to be asked."""
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def run_wsgi(self) -> None:
        """Answer one request. (werkzeug's own closes the connection after each, for it knows of no request's end.)"""
        environ = self.environ = self.make_environ()
        if not LENGTH.fullmatch(environ.get("CONTENT_LENGTH") or "0"):
            self.close_connection = True  # for where the next request begins nobody knows
            self._answer("400 Bad Request", [], b"Content-Length is no number of bytes\n")
            return
        try:
            status, headers, content = self._ask(environ)
        except DROPPED:
            self.close_connection = True
            return
        except Exception:
            logger.exception("%s %s", self.command, ascii(self.path))
            self.close_connection = True
            status, headers, content = "500 Internal Server Error", [], b""
        self._answer(status, headers, content)

    def _ask(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        """What the application says: status, headers and content. Then the whole request has been read."""
        body = environ["wsgi.input"]
        if not environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"] = LimitedStream(body, int(environ.get("CONTENT_LENGTH") or 0))
        said: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            said[:] = [(status, headers)]

        given: Iterable[bytes] = self.server.app(environ, start_response)  # type: ignore[arg-type]
        try:
            content = b"".join(given)
        finally:
            if hasattr(given, "close"):
                given.close()
        while body.read(CHUNK):
            pass
        return *said[0], content

    def _answer(self, status: str, headers: list[tuple[str, str]], content: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD" and not code.startswith(BODILESS):
            told = {value for name, value in headers if name.lower() == "content-length"}
            if not told:
                self.send_header("Content-Length", str(len(content)))
            elif told != {str(len(content))}:
                self.close_connection = True  # or the client would look for the next answer in the middle of this one
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and not code.startswith(BODILESS):
            self.wfile.write(content)


def remember() -> None:
    """Let moto not work out again for each request what it did for the last: the methods of a class, and the times that
    it keeps as text."""
    names: Any = responses
    times: Any = serialize
    names.method_names_from_class = functools.cache(names.method_names_from_class)
    parse = times.parse_to_aware_datetime
    parse_text = functools.lru_cache(KNOWN)(parse)
    times.parse_to_aware_datetime = lambda value: parse_text(value) if isinstance(value, str) else parse(value)
