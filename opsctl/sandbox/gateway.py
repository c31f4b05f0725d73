"""The front door: what reaches moto at all, and what becomes of what moto cannot answer.

An action that moto lacks raises inside of it. As a 5xx that would be retried for minutes by every SDK, so it is
answered as a plain 400 with the reason. And since the sandbox runs programs for whoever asks, web pages and foreign
host names are turned away: a browser must not be able to reach it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from xml.sax.saxutils import escape

from opsctl.sandbox.storage import S3_LOCK

LOCAL_NAMES = ("127.0.0.1", "localhost")
StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
logger = logging.getLogger(__name__)


class Gateway:
    """A WSGI application in front of moto's."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if "HTTP_ORIGIN" in environ or not is_local(environ.get("HTTP_HOST", "")):
            return _answer(environ, start_response, 403, "AccessDenied", "The sandbox answers local programs only")
        try:
            with _turn(environ):
                return self._application(environ, start_response)
        except NotImplementedError as error:
            logger.warning("%s %s: %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"), error)
            message = f"The sandbox cannot do this: {error}"
            return _answer(environ, start_response, 400, "UnknownOperationException", message)
        except RuntimeError as error:
            if "changed size during iteration" not in str(error):
                raise
            # moto has no locks; a list that met a change is safe to ask for again.
            return _answer(environ, start_response, 503, "ServiceUnavailable", "Please try again")
        except Exception as error:
            logger.exception("%s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            return _answer(environ, start_response, 400, "InternalFailure", f"The sandbox failed: {error!r}")


def _turn(environ: dict[str, Any]) -> AbstractContextManager[Any]:
    """S3's requests wait for each other; what is not signed, as a presigned URL is not, may be one of them."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    return S3_LOCK if not authorization or "/s3/" in authorization else nullcontext()


def is_local(host: str) -> bool:
    """Whether a Host header names this machine's loopback, or AWS's own names (a proxy's way in)."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name in LOCAL_NAMES or name.endswith((".localhost", ".amazonaws.com"))


def _answer(
    environ: dict[str, Any], start_response: StartResponse, status: int, code: str, message: str
) -> Iterable[bytes]:
    """An error in the protocol that the caller speaks: XML for S3 and the query services, JSON for the rest."""
    kind = environ.get("CONTENT_TYPE", "")
    xml = "urlencoded" in kind or "/s3/" in environ.get("HTTP_AUTHORIZATION", "")
    if xml:
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
        if "/s3/" in environ.get("HTTP_AUTHORIZATION", ""):
            body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    else:
        body = json.dumps({"__type": code, "message": message})
    content = body.encode()
    headers = [
        ("Content-Type", "text/xml" if xml else "application/x-amz-json-1.1"),
        ("Content-Length", str(len(content))),
        ("x-amzn-errortype", code),
    ]
    start_response(f"{status} {'Error' if status >= 400 else 'OK'}", headers)
    return [content]
