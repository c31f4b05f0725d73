"""A model as a process that serves it: its data unpacked, the server started, its port heard."""

from __future__ import annotations

import http.client
import json
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from opsctl.sandbox.jobroles import pulling
from opsctl.sandbox.storage import Storage
from opsctl.sandbox.world import World

PROGRAM = Path(__file__).with_name("model_server.py")
PING_SECONDS = 2.0
PINGS = 60
SESSION = "SageMaker"


@dataclass(frozen=True)
class Answer:
    """What the container said: HTTP status, content type, body."""

    status: int
    kind: str
    body: bytes


def container_of(model: Any) -> Mapping[str, Any]:
    """The one container of a model of moto's."""
    found: Mapping[str, Any] = model.primary_container or next(iter(model.containers), {})
    return found


def unpack(world: World, model: Any, base: Path) -> Path:
    """Lay a model's data down below `base`, as its own role; returns the directory.

    Raises DeniedError, NoSuchBucketError, LookupError without data, TarError for what is no archive.
    """
    container = container_of(model)
    demand = partial(world.access.demand, model.execution_role_arn, SESSION)
    demand(*pulling(container.get("Image", "")))
    uri = container.get("ModelDataUrl") or ""
    folder, target = base / "model.tar.gz.d", base / "model"
    if not Storage(world.account, demand).download_prefix(uri, folder):
        raise LookupError(f"no object {uri}")
    with tarfile.open(folder / uri.rpartition("/")[2], "r:gz") as packed:
        packed.extractall(target, filter="data")
    return target


def serving(directory: Path) -> list[str]:
    """The command that serves an unpacked model."""
    return [sys.executable, str(PROGRAM), str(directory)]


def port_in(line: str) -> int | None:
    """The port, in the line by which a server says that it is ready."""
    try:
        return int(json.loads(line)["port"]) if line.startswith('{"port": ') else None
    except (ValueError, LookupError, TypeError):
        return None


def ask(port: int, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
    """POST /invocations. Raises OSError or HTTPException where the server does not answer."""
    return _request(port, seconds, lambda link: link.request("POST", "/invocations", body, dict(headers)))


def healthy(port: int) -> bool:
    """Whether the container answers its health check, GET /ping, with 200. One that takes too long is asked again."""
    for _ in range(PINGS):
        try:
            return _request(port, PING_SECONDS, lambda link: link.request("GET", "/ping")).status == 200
        except TimeoutError:
            continue
        except (OSError, http.client.HTTPException):
            return False
    return False


def _request(port: int, seconds: float, send: Callable[[http.client.HTTPConnection], None]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        send(connection)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Content-Type") or "", answer.read())
    finally:
        connection.close()
