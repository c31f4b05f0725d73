"""The server process: `python -m opsctl.sandbox.server --dir DIR [--port N]`. Started by `lifecycle.up`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import gc
import importlib
import json
import logging
import os
import random
import shutil
import signal
import socket
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from opsctl.errors import OpsError
from opsctl.sandbox.directory import SandboxDirectory, acquire
from opsctl.sandbox.environment import ACCOUNT, REGION
from opsctl.sandbox.state.directory import StateDirectory

if TYPE_CHECKING:
    from opsctl.sandbox.clients import Clients
    from opsctl.sandbox.world import World

HOST = "127.0.0.1"
ONCE_WARM = (10_000, 5, 2)
"""Objects after which Python looks for rings of them that nobody needs, and how often for older ones."""
FREE_PORT = "leave --port out for a free one, or name another"
SAME_PORT = "end what listens there, or name another with --port: what the state knows by the old one is then not found"
LASTING = range(10_000, 32_768)
"""Ports that neither Linux nor macOS gives to who asks for any."""
TRIES = 100
# The server's lock: open until the process is gone.
_held: list[IO[bytes]] = []


class StartError(Exception):
    """The server cannot start: what is wrong, and the remedy."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def main(arguments: list[str] | None = None) -> NoReturn:
    """Serve until SIGTERM. One JSON line on the ready descriptor says that it serves, or why it does not."""
    options = _options(arguments)
    gc.set_threshold(50_000, 20, 100)  # most of what is here stays, and was looked through hundreds of times
    place = SandboxDirectory(options.dir)
    place.create()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    code = 0
    try:
        _held.append(_be_alone(place))
        _serve(place, options)
        place.server_file.unlink(missing_ok=True)
    except StartError as error:
        _report(options.ready_fd, {"error": str(error), "hint": error.hint})
        code = 1
    except OpsError as error:
        _report(options.ready_fd, {"error": error.message, "hint": error.hint, "refused": True})
        code = 1
    logging.shutdown()
    # Not sys.exit: that would wait for threads that wait for jobs, and death alone is to let go of the lock.
    os._exit(code)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="opsctl-sandbox")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--host", choices=[HOST], default=HOST, help="loopback, nothing else")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-fd", type=int, default=-1)
    parser.add_argument("--stopped-jobs", choices=["succeed", "fail"], default="succeed")
    parser.add_argument("--grace", type=float, default=120.0)
    parser.add_argument("--enforce-iam", choices=["yes", "no"], default="no")
    parser.add_argument("--state", type=Path, help="the directory in which everything is kept")
    return parser.parse_args(arguments)


def _be_alone(place: SandboxDirectory) -> IO[bytes]:
    """Become the one server of this directory, for as long as the returned lock is held. Raises StartError."""
    lock = acquire(place.server_lock)
    if lock is None:
        raise StartError("a sandbox is just being started here", "try again in a moment: opsctl sandbox status")
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()
    # A server that was killed had a world of its own; nothing of it is worth keeping.
    for path in (place.jobs, place.functions, place.mailbox):
        shutil.rmtree(path, ignore_errors=True)
    place.create()
    return lock


def _serve(place: SandboxDirectory, options: argparse.Namespace) -> None:
    state = None if options.state is None else StateDirectory(options.state)
    snapshot = None
    if state is not None:
        _held.extend(state.hold())
        snapshot = state.read()
    listener = _listen_where(options.port, state is not None)
    _import_parts()
    from opsctl.sandbox.assembly import assemble
    from opsctl.sandbox.state.gate import Gate
    from opsctl.sandbox.state.keeping import Keeping

    world = _world(place, listener.getsockname()[1], options)
    settings = {
        "port": listener.getsockname()[1],
        "stopped_jobs": world.stopped_jobs,
        "grace": world.grace,
        "enforce_iam": world.access.enforced,
    }
    gate = None if state is None else Gate()
    keeping = None if state is None or gate is None else Keeping(state, gate, settings, _held[-1].fileno())
    assembly = assemble(world, listener, gate)
    if keeping is not None:
        keeping.put_back(snapshot, assembly)
        del snapshot  # as large as all that it has become
    ended = _when_told_to_end()
    # First what went on, then who asks for it; requests that are made meanwhile wait at the listener.
    for resume in assembly.resume:
        resume()
    threading.Thread(target=assembly.server.serve_forever, daemon=True).start()
    writer = None if keeping is None else keeping.writer(assembly)
    if writer is not None:
        writer.start()
    document = _document(world, settings, state)
    place.write_server(document)
    _report(options.ready_fd, document)
    threading.Thread(target=_warm, args=(assembly.clients,), daemon=True).start()
    ended.wait()
    if writer is not None:
        writer.write_last()


def _import_parts() -> None:
    """Import what takes long, where it is known who may have to hear that it is not there. Raises StartError."""
    try:
        _read_descriptions_once()
        importlib.import_module("opsctl.sandbox.assembly")
    except ImportError as error:
        if (error.name or "").startswith("opsctl"):
            raise
        message = f"the sandbox's packages are not installed: {error}"
        raise StartError(message, "pip install 'opsctl[sandbox]'") from error


def _world(place: SandboxDirectory, port: int, options: argparse.Namespace) -> World:
    from opsctl.sandbox.access import Access
    from opsctl.sandbox.world import World

    access = Access(ACCOUNT, REGION, enforced=options.enforce_iam == "yes")
    return World(place, f"http://{HOST}:{port}", REGION, ACCOUNT, options.stopped_jobs, options.grace, access)


def _when_told_to_end() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended


def _document(world: World, settings: dict[str, Any], state: StateDirectory | None) -> dict[str, Any]:
    """What server.json says."""
    return {
        "pid": os.getpid(),
        "url": world.url,
        "region": world.region,
        "account": world.account,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **settings,
        **({} if state is None else {"state": str(state.root)}),
    }


def _warm(clients: Clients) -> None:
    """Pay for the first use of what is used most. What is there then stays for good, so that no collection looks at it
    any more, and they may come often: runs that have waited for long are old when they end, and lie about in rings."""
    clients.warm()
    gc.collect()
    gc.freeze()
    gc.collect()  # counts anew what is old: the next one comes when there is a quarter more of it
    gc.set_threshold(*ONCE_WARM)


def _read_descriptions_once() -> None:
    """Each session of botocore (moto makes some when it is imported, each role here has one) would read descriptions of
    services anew, of which some take a tenth of a second."""
    import botocore.session

    botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def _listen_where(port: int, kept: bool) -> socket.socket:
    """On this port, or a free one. One that is `kept` is to be free still when a later server goes on: it is none of
    those that the system hands out to whoever asks for any."""
    if port or not kept:
        return _listen(port, SAME_PORT if kept else FREE_PORT)
    for one in random.sample(LASTING, TRIES):
        with contextlib.suppress(StartError):
            return _listen(one, FREE_PORT)
    return _listen(0, FREE_PORT)


def _listen(port: int, hint: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise StartError(f"port {port} is in use", hint) from error
        raise StartError(f"cannot listen on port {port}: {error}", "leave --port out for a free one") from error
    listener.listen(512)
    return listener


def _report(descriptor: int, document: dict[str, Any]) -> None:
    """Tell whoever started us, once. If nobody listens, nobody needs it."""
    if descriptor < 0:
        return
    with contextlib.suppress(OSError), os.fdopen(descriptor, "w") as stream:
        stream.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
