"""One production variant of an endpoint as a server process: the model unpacked, loaded, asked how it is, and ended."""

from __future__ import annotations

import tarfile
import threading
import time
from functools import partial
from typing import Any

from opsctl.sandbox import modelprocess
from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.jobroles import writer
from opsctl.sandbox.jobs import room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.modelprocess import SESSION, Answer
from opsctl.sandbox.processes import Process
from opsctl.sandbox.storage import NoSuchBucketError
from opsctl.sandbox.world import World

LOG_GROUP = "/aws/sagemaker/Endpoints/"
ANSWER_SECONDS = 60.0
"""How long a container may take for one answer (AWS, InvokeEndpoint)."""


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
        self.ready.wait(ANSWER_SECONDS)  # it may just have been begun again
        return modelprocess.ask(self._port, body, {"Content-Type": kind, "Accept": accept}, ANSWER_SECONDS)

    def healthy(self) -> bool:
        """Whether the container answers its health check."""
        return modelprocess.healthy(self._port)

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
        with room(self._world, "endpoint", f"{self._endpoint}-{self.variant}", role) as place:
            model = modelprocess.unpack(self._world, self._model, place.base)
            log = LogStream(
                self._world.account, self._world.region, LOG_GROUP + self._endpoint,
                f"{self.variant}/i-{int(time.time() * 1000):x}", writer(self._world, role, SESSION),
            )  # fmt: skip
            process = place.start(
                modelprocess.serving(model),
                modelprocess.container_of(self._model).get("Environment") or {},
                partial(self._hear, log),
            )
            with self._changed:
                self._process = process
                late = self._stopping.is_set()
            if late:
                process.stop(self._world.grace)
            process.wait()

    def _hear(self, log: LogStream, line: str) -> None:
        port = modelprocess.port_in(line)
        if port is None:
            log.write(line)
            return
        self._port = port
        self.ready.set()
