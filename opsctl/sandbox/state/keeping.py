"""Keeps one server's state: reads it when the server starts, writes it while the server goes on, and when it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from opsctl.sandbox.logs import LOGS_LOCK
from opsctl.sandbox.state import contents, world
from opsctl.sandbox.state.contents import Contents
from opsctl.sandbox.state.directory import StateDirectory
from opsctl.sandbox.state.gate import Gate
from opsctl.sandbox.state.pickling import Graph
from opsctl.sandbox.state.writer import Writer
from opsctl.sandbox.storage import S3_LOCK

if TYPE_CHECKING:
    from opsctl.sandbox.assembly import Assembly

logger = logging.getLogger(__name__)


class Keeping:
    """The state of a server that is put together and does not serve yet. `descriptor` is the writer's lock."""

    def __init__(self, place: StateDirectory, gate: Gate, about: dict[str, Any], descriptor: int) -> None:
        self._place = place
        self._gate = gate
        self._about = about
        self._descriptor = descriptor
        self._contents = Contents(place.objects)
        contents.install(self._contents)

    def put_back(self, snapshot: bytes | None, assembly: Assembly) -> None:
        """Let the server have what was kept. Raises RefusedError for what cannot be read."""
        if snapshot is not None:
            try:
                world.put_back(Graph(assembly.parts).loads(snapshot), assembly.keepers)
            except Exception as error:
                logger.exception("the state in %s", self._place.root)
                raise self._place.damaged(repr(error)) from error
        missing = self._contents.missing()
        if missing:
            raise self._place.damaged(f"the content {missing} of an object is not there as it was")

    def writer(self, assembly: Assembly) -> Writer:
        """What writes it from now on."""
        graph = Graph(assembly.parts)

        @contextmanager
        def hold() -> Iterator[None]:
            with ExitStack() as stack:
                # The engine first: what it does may want the locks.
                for one in (self._gate.shut(), assembly.engine.hold(), S3_LOCK, LOGS_LOCK):
                    stack.enter_context(one)
                yield

        return Writer(
            self._place,
            self._contents,
            self._about,
            lambda: graph.dumps(world.collect(assembly.keepers)),
            hold,
            self._descriptor,
        )
