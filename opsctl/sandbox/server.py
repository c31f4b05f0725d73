"""The server process: `python -m opsctl.sandbox.server --dir DIR [--port N]`. Started by `lifecycle.up`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import gc
import json
import logging
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from opsctl.sandbox.directory import SandboxDirectory, acquire
from opsctl.sandbox.environment import ACCOUNT, REGION

if TYPE_CHECKING:
    from opsctl.sandbox.clients import Clients

HOST = "127.0.0.1"
ONCE_WARM = (10_000, 5, 2)
"""Objects after which Python looks for rings of them that nobody needs, and how often for older ones."""
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
    listener = _listen(options.port)
    port = listener.getsockname()[1]
    try:
        _read_descriptions_once()
        from opsctl.sandbox.access import Access
        from opsctl.sandbox.assembly import assemble, warm
        from opsctl.sandbox.world import World
    except ImportError as error:
        if (error.name or "").startswith("opsctl"):
            raise
        message = f"the sandbox's packages are not installed: {error}"
        raise StartError(message, "pip install 'opsctl[sandbox]'") from error
    access = Access(ACCOUNT, REGION, enforced=options.enforce_iam == "yes")
    world = World(place, f"http://{HOST}:{port}", REGION, ACCOUNT, options.stopped_jobs, options.grace, access)
    server, clients = assemble(world, listener)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    document = {
        "pid": os.getpid(),
        "port": port,
        "url": world.url,
        "region": world.region,
        "account": world.account,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "stopped_jobs": options.stopped_jobs,
        "grace": options.grace,
        "enforce_iam": access.enforced,
    }
    place.write_server(document)
    _report(options.ready_fd, document)
    threading.Thread(target=_warm, args=(warm, clients), daemon=True).start()
    ended.wait()


def _warm(warm: Callable[[Clients], None], clients: Clients) -> None:
    """Pay for the first use of what is used most. What is there then stays for good, so that no collection looks at it
    any more, and they may come often: runs that have waited for long are old when they end, and lie about in rings."""
    warm(clients)
    gc.collect()
    gc.freeze()
    gc.collect()  # counts anew what is old: the next one comes when there is a quarter more of it
    gc.set_threshold(*ONCE_WARM)


def _read_descriptions_once() -> None:
    """Each session of botocore (moto makes some when it is imported, each role here has one) would read descriptions of
    services anew, of which some take a tenth of a second."""
    import botocore.session

    botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise StartError(f"port {port} is in use", "leave --port out for a free one, or name another") from error
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
