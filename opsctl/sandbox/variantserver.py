"""One production variant of an endpoint as a server process: the model unpacked, loaded, asked how it is, and ended."""

from __future__ import annotations

import http.client
import json
import sys
import tarfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.jobroles import pulling, writer
from opsctl.sandbox.jobs import room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.processes import Process
from opsctl.sandbox.storage import NoSuchBucketError, Storage
from opsctl.sandbox.world import World

PROGRAM = Path(__file__).with_name("model_server.py")
LOG_GROUP = "/aws/sagemaker/Endpoints/"
ANSWER_SECONDS = 60.0
"""How long a container may take for one answer (AWS, InvokeEndpoint)."""
PING_SECONDS = 2.0
SESSION = "SageMaker"


@dataclass(frozen=True)
class Answer:
    """What the container said: HTTP status, content type, body."""

    status: int
    kind: str
    body: bytes


class VariantServer:
    """A variant's one process. `ready` is set when it serves, or never will: then `problem` says why."""

    def __init__(self, world: World, endpoint: str, variant: str, model: Any) -> None:
        self.variant = variant
        self.ready = threading.Event()
        self.problem: str | None = None
        self._world, self._endpoint, self._model = world, endpoint, model
        self._port = 0
        self._stopping = threading.Event()
        self._process: Process | None = None
        self._users = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._live, name=f"endpoint-{endpoint}", daemon=True).start()

    def ask(self, body: bytes, kind: str, accept: str) -> Answer:
        """Pass one request on. Raises OSError or HTTPException where the server does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", "/invocations", body, {"Content-Type": kind, "Accept": accept})
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheader("Content-Type") or "", answer.read())
        finally:
            connection.close()

    def healthy(self) -> bool:
        """Whether the container answers its health check, GET /ping, with 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PING_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def enter(self) -> None:
        """Count a request, so that the server is not ended under it."""
        with self._changed:
            self._users += 1

    def leave(self) -> None:
        """The request is answered."""
        with self._changed:
            self._users -= 1
            self._changed.notify_all()

    def end(self) -> None:
        """Let the requests under way end, then the process."""
        with self._changed:
            self._changed.wait_for(lambda: self._users == 0, ANSWER_SECONDS)
            self._stopping.set()
            process = self._process
        if process is not None:
            process.stop(self._world.grace)

    def _live(self) -> None:
        """Serve until told to end; a server that dies is started again, as SageMaker replaces an instance."""
        while not self._stopping.is_set():
            try:
                self._serve()
            except (DeniedError, NoSuchBucketError, OSError, tarfile.TarError, LookupError) as error:
                self.problem = f"The model data cannot be used: {error}"
            if not self._port:
                self.problem = self.problem or "The primary container did not pass the ping health check"
                self.ready.set()
                return
            self._stopping.wait(1.0)

    def _serve(self) -> None:
        role = self._model.execution_role_arn
        container = self._container()
        with room(self._world, "endpoint", f"{self._endpoint}-{self.variant}", role) as place:
            model = place.base / "model"
            self._download(container, role, place.base / "model.tar.gz", model)
            log = LogStream(
                self._world.account, self._world.region, LOG_GROUP + self._endpoint,
                f"{self.variant}/i-{int(time.time() * 1000):x}", writer(self._world, role, SESSION),
            )  # fmt: skip
            process = place.start(
                [sys.executable, str(PROGRAM), str(model)],
                container.get("Environment") or {},
                partial(self._hear, log),
            )
            with self._changed:
                self._process = process
                late = self._stopping.is_set()
            if late:
                process.stop(self._world.grace)
            process.wait()

    def _container(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._model.primary_container or next(iter(self._model.containers), {})
        return found

    def _download(self, container: Mapping[str, Any], role: str, archive: Path, target: Path) -> None:
        """Raises DeniedError, NoSuchBucketError, LookupError without data, TarError for what is no archive."""
        demand = partial(self._world.access.demand, role, SESSION)
        demand(*pulling(container.get("Image", "")))
        uri = container.get("ModelDataUrl") or ""
        folder = archive.with_suffix(".d")
        if not Storage(self._world.account, demand).download_prefix(uri, folder):
            raise LookupError(f"no object {uri}")
        with tarfile.open(folder / uri.rpartition("/")[2], "r:gz") as packed:
            packed.extractall(target, filter="data")

    def _hear(self, log: LogStream, line: str) -> None:
        if not self.ready.is_set() or line.startswith('{"port": '):
            try:
                self._port = int(json.loads(line)["port"])
            except (ValueError, LookupError, TypeError):
                log.write(line)
                return
            self.ready.set()
            return
        log.write(line)
