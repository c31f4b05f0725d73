"""The front door: what reaches moto at all, and what becomes of what moto cannot answer.

An action that moto lacks raises inside of it. As a 5xx that would be retried for minutes by every SDK, so it is
answered as a plain 400 with the reason. And since the sandbox runs programs for whoever asks, web pages and foreign
host names are turned away: a browser must not be able to reach it. Faults that somebody asked for happen here too.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from xml.sax.saxutils import escape

from opsctl.sandbox.access import Access, DeniedError, UnknownKeyError, answers
from opsctl.sandbox.access.requests import call_of, key_of
from opsctl.sandbox.actions import action_of
from opsctl.sandbox.faults import BadFaultError, Fault, Faults, request_text
from opsctl.sandbox.jobfaults import HEADER
from opsctl.sandbox.repeats import Repeats
from opsctl.sandbox.staleness import PastAnswers
from opsctl.sandbox.state.gate import Gate
from opsctl.sandbox.storage import S3_LOCK

FAULTS_PATH = "/_sandbox/faults"
ACCESS_PATH = "/_sandbox/access"
MOTO_PATH = "/moto-api"
INVOKE = "/invocations"
JOB_FAULT_KEY = f"HTTP_{HEADER.upper().replace('-', '_')}"
ROLES_LOCK = threading.RLock()
LOCAL_NAMES = ("127.0.0.1", "localhost")
StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
logger = logging.getLogger(__name__)


class Gateway:
    """A WSGI application in front of moto's."""

    def __init__(
        self,
        application: Application,
        faults: Faults,
        access: Access,
        repeats: Repeats | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._application = application
        self._faults = faults
        self._access = access
        self._repeats = repeats or Repeats()
        self._gate = gate
        self._past = PastAnswers()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if _is_of_a_page(environ) or not is_local(environ.get("HTTP_HOST", "")):
            return _answer(environ, start_response, 403, "AccessDenied", "The sandbox answers local programs only")
        if environ.get("PATH_INFO") == FAULTS_PATH:
            return self._administer(environ, start_response)
        if environ.get("PATH_INFO") == ACCESS_PATH:
            return _say(start_response, self._access.record.documents())
        if self._access.enforced:
            refusal = self._refuse(environ)
            if refusal is not None:
                return _answer(environ, start_response, *refusal)
        if self._faults.none:
            return self._serve_once(environ, start_response)
        body = _read_body(environ)
        action = action_of(environ, body) or "?:?"
        fault = self._faults.take(action, request_text(environ, body))
        if fault is None:
            return self._serve_once(environ, start_response)
        return self._fail(fault, action, environ, start_response)

    def _fail(
        self, fault: Fault, action: str, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer late, with an error, or not at all; or do twice what was asked for once."""
        logger.info("fault %s on %s: %s", fault.id, action, fault.document())
        befalls = fault.job_fault()
        if befalls is not None:
            return self._serve_once({**environ, JOB_FAULT_KEY: befalls.text}, start_response)
        fault.lifted.wait(fault.delay)
        if fault.drop == "request":
            return _hang_up(environ)
        if fault.stale:
            asked = (fault.id, action, request_text(environ, _read_body(environ)))
            return self._past.answer(asked, fault.stale, self._serve, environ, start_response)
        error = fault.answer(action)
        if error is not None:
            return _answer(environ, start_response, *error)
        body = _read_body(environ)
        for _ in range(fault.duplicate):
            self._serve_nobody({**environ, "wsgi.input": io.BytesIO(body)})
        if fault.drop == "answer":
            self._serve_nobody(environ)
            return _hang_up(environ)
        return self._serve_once(environ, start_response)

    def _serve_nobody(self, environ: dict[str, Any]) -> None:
        """Carry a request out, and keep the answer."""
        for _ in self._serve(environ, lambda *_: None):
            pass

    def _administer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """The faults' own API: GET lists, POST adds one, DELETE removes those with the given ids, or all."""
        try:
            wanted = json.loads(_read_body(environ) or b"{}")
            if environ["REQUEST_METHOD"] == "POST":
                answer: Any = self._faults.add(wanted)
            elif environ["REQUEST_METHOD"] == "DELETE":
                answer = self._faults.clear(wanted.get("ids"))
            else:
                answer = self._faults.documents()
        except (BadFaultError, ValueError, TypeError, AttributeError, RecursionError) as error:
            return _answer(environ, start_response, 400, "BadFault", str(error))
        return _say(start_response, answer)

    def _refuse(self, environ: dict[str, Any]) -> tuple[int, str, str] | None:
        """The error that whoever may not make this request is answered with."""
        key = key_of(environ)
        if key is None:
            return (
                None if environ.get("PATH_INFO", "").startswith(MOTO_PATH) else (403, "AccessDenied", "Access Denied")
            )
        body = _read_body(environ)
        action, given = call_of(environ, body)
        try:
            self._access.check_request(key, action, given)
        except UnknownKeyError:
            return answers.unknown_key(action)
        except DeniedError as denied:
            return answers.denied(action, str(denied))
        return None

    def _passing(self, environ: dict[str, Any]) -> AbstractContextManager[None]:
        """Wait where a snapshot of the state begins. The body is read first, however slowly it comes."""
        return nullcontext() if self._gate is None else self._gate.passing(environ, _read_body(environ))

    def _serve_once(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Let moto answer what was not answered before. A snapshot has both, what was done and the answer, or none."""
        with self._passing(environ):
            return self._repeats.once(self._moto, environ, start_response)

    def _serve(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Let moto answer, whether it did before or not."""
        with self._passing(environ):
            return self._moto(environ, start_response)

    def _moto(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """moto's answer, unless nobody waits for it any more."""
        try:
            with _turn(environ):
                if not _has_gone(environ):
                    return self._application(environ, start_response)
        except NotImplementedError as error:
            logger.warning("%s %s: %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"), error)
            message = f"The sandbox cannot do this: {error}"
            return _answer(environ, start_response, 400, "UnknownOperationException", message)
        except RuntimeError as error:
            if "changed size during iteration" not in str(error):
                raise
            # A list that met a change is safe to ask for again.
            logger.warning("%s %s: %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"), error)
            return _answer(environ, start_response, 503, "ServiceUnavailable", "Please try again")
        except Exception as error:
            logger.exception("%s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            return _answer(environ, start_response, 400, "InternalFailure", f"The sandbox failed: {error!r}")
        return _hang_up(environ)


def _say(start_response: StartResponse, answer: Any) -> Iterable[bytes]:
    content = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]


def _read_body(environ: dict[str, Any]) -> bytes:
    """The body, which whoever comes next can read again."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    body: bytes = stream.read(int(length)) if length else stream.read() if environ.get("wsgi.input_terminated") else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _hang_up(environ: dict[str, Any]) -> Iterable[bytes]:
    """Close the connection without a word. The server takes the error for a client that went away."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("dropped on purpose")


def _has_gone(environ: dict[str, Any]) -> bool:
    """Whether whoever asked has closed the connection. What waited for its turn in vain is not begun: an interrupted
    Terraform, which never hears the answer, would not know of what it made, and could not make it again."""
    connection = environ.get("werkzeug.socket")
    if connection is None:
        return False
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
    except BlockingIOError:
        return False
    except OSError:
        return True


def _turn(environ: dict[str, Any]) -> AbstractContextManager[Any]:
    """moto has no locks. S3's requests wait for each other; what is not signed, as a presigned URL is not, may be one
    of them. So do those about roles and functions: to make a function, moto reads all roles, while Terraform makes
    more of them. To invoke a function takes as long as it runs, and waits for nobody."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if not authorization or "/s3/" in authorization:
        return S3_LOCK
    about_roles = "/iam/" in authorization or "/lambda/" in authorization
    return ROLES_LOCK if about_roles and not environ.get("PATH_INFO", "").endswith(INVOKE) else nullcontext()


def _is_of_a_page(environ: dict[str, Any]) -> bool:
    """Whether a browser asks for a page's sake. What a page merely shows, such as an image, is asked for without an
    Origin, but every browser of today says where it comes from; `none` is an address that somebody typed."""
    return "HTTP_ORIGIN" in environ or environ.get("HTTP_SEC_FETCH_SITE", "none") != "none"


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
        ("x-amzn-requestid", str(uuid.uuid4())),
    ]
    start_response(f"{status} {'Error' if status >= 400 else 'OK'}", headers)
    return [content]
