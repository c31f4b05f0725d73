"""Serves a model as AWS's PyTorch inference containers do: a program of its own, run by path, that imports nothing of
ours but what lies in the model.

`code/inference.py` below the model's directory holds the four handlers (AWS, "Deploy PyTorch models"):
`model_fn(dir)`, `input_fn(body, content_type)`, `predict_fn(input, model)`, `output_fn(prediction, accept)`.
`GET /ping` answers 200 once the model is loaded, `POST /invocations` the prediction. An error with a `status` or
`status_code` is answered with that, any other with 500, each with one line that says what is wrong.

SIGTERM: no new connection is taken, the requests under way are answered, and the program ends.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

# Of a request: InvokeEndpoint's limit, or what a transform job says (0: none).
MOST_BYTES = int(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or 6) * 1024 * 1024 or sys.maxsize
MOST_DISCARDED, PIECE = 64 * 1024 * 1024, 1024 * 1024
JSON = "application/json"
DRAIN_SECONDS = 60.0


class Model:
    """The handlers of a model's directory, and the model that they loaded."""

    def __init__(self, directory: Path) -> None:
        self._handlers = _load(directory / "code" / "inference.py")
        self._model = self._handlers.model_fn(str(directory))

    def answer(self, body: bytes, content_type: str, accept: str) -> bytes:
        """The answer to one request; raises what the handlers raise."""
        found = self._handlers.input_fn(body, content_type)
        text: bytes | str = self._handlers.output_fn(self._handlers.predict_fn(found, self._model), accept)
        return text if isinstance(text, bytes) else text.encode()


class Server(ThreadingHTTPServer):
    """Counts the requests under way, so that it can end between two."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], model: Model) -> None:
        super().__init__(address, Handler)
        self.model = model
        self._under_way = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def under_way(self) -> Any:
        """Counts one request."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def drain(self) -> None:
        """Wait until no request is under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0, DRAIN_SECONDS)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60.0  # seconds without a byte of the request
    server: Server

    def setup(self) -> None:
        """Without Nagle's algorithm, which would hold small answers back."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        """GET /ping."""
        self._say(200 if self.path == "/ping" else 404, b"{}")

    def do_POST(self) -> None:
        """POST /invocations."""
        with self.server.under_way():
            status, answer = self._answer()
            self._say(status, answer)

    def _answer(self) -> tuple[int, bytes]:
        length = self.headers.get("Content-Length", "")
        length = length if length.isascii() else ""
        if self.path != "/invocations" or not length.isdigit() or int(length) > MOST_BYTES:
            return self._refusal(length)
        body = self.rfile.read(int(length))
        try:
            accept = self.headers.get("Accept") or "*/*"
            return 200, self.server.model.answer(body, self.headers.get("Content-Type") or "", accept)
        except Exception as error:  # noqa: BLE001 - the handlers are anybody's
            status = _status(error)
            if status >= 500:
                traceback.print_exc()
            return status, _told(str(error) if status < 500 else f"{type(error).__name__}: {error}")

    def _refusal(self, length: str) -> tuple[int, bytes]:
        self.close_connection = True
        left = min(int(length), MOST_DISCARDED) if length.isdigit() else 0
        while left > 0 and (piece := self.rfile.read(min(PIECE, left))):  # clients hear no answer while they send
            left -= len(piece)
        if self.path != "/invocations":
            return 404, _told("there are GET /ping and POST /invocations")
        if not length.isdigit():
            return 411, _told("the request needs a Content-Length")
        return 413, _told(f"the request has {int(length):,} bytes; {MOST_BYTES:,} are the most")

    def _say(self, status: int, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Only what went wrong is worth a line; the handlers print it."""


def _status(error: Exception) -> int:
    """What an error wants to be answered with, if that is an error's status."""
    found = getattr(error, "status", None) or getattr(error, "status_code", None)
    return found if isinstance(found, int) and 400 <= found < 600 else 500


def _told(message: str) -> bytes:
    return json.dumps({"error": " ".join(message.split())}).encode()


def _load(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))
    specification = importlib.util.spec_from_file_location("inference", path)
    if specification is None or specification.loader is None or not path.is_file():
        raise SystemExit(f"error: the model holds no code/inference.py: {path}")
    module = importlib.util.module_from_spec(specification)
    sys.modules["inference"] = module
    specification.loader.exec_module(module)
    return module


def main() -> None:
    """Load the model, then listen, and say on which port."""
    parser = argparse.ArgumentParser(description="Serve a model's directory on loopback.")
    parser.add_argument("directory", type=Path, help="an unpacked model.tar.gz")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    arguments = parser.parse_args()
    try:
        model = Model(arguments.directory)
    except Exception as error:  # noqa: BLE001 - model_fn is anybody's
        traceback.print_exc()
        raise SystemExit(f"error: the model cannot be loaded: {type(error).__name__}: {error}") from None
    server = Server(("127.0.0.1", arguments.port), model)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(json.dumps({"port": server.server_address[1], "pid": os.getpid()}), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.05)
    server.socket.close()
    server.drain()


if __name__ == "__main__":
    main()
