"""Where the runtimes of Lambda functions come from: a program of its own, run by path, which imports nothing of ours.

To start Python and to import boto3 takes most of a short invocation's time. This process does both once; then, for each
invocation, a copy of it becomes the supervisor and a copy of that one the runtime, with the invocation's environment,
directory, input and output. So each invocation still has a process and modules of its own, as fresh as a new program's.
What would tell them apart gets a new program: variables that are read when Python starts, and a function that brings
modules of its own under names that are loaded here.

`sys.argv[1]` is a socket. Each byte on it carries three file descriptors: a supervisor's input, output and report; a
byte back says that there is that supervisor. End of file means that the server is gone. It shares the lock
`sys.argv[2]` as supervisors do, so that nobody takes the sandbox for ended before this process is gone.
"""

import fcntl
import functools
import gc
import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import boto3
import botocore.session

HERE = Path(__file__).parent
SERVICES = ("s3", "stepfunctions")
READ_AT_START = ("AWS_DATA_PATH", "BOTO", "LANG", "LC_", "LD_", "MALLOC_", "PYTHON")
supervise: Callable[[int, Callable[[dict[str, Any]], None]], None] = runpy.run_path(str(HERE / "supervisor.py"))[
    "supervise"
]
invoke: Callable[[], None] = runpy.run_path(str(HERE / "bootstrap.py"))["main"]


def prepare() -> None:
    """Have boto3 read the descriptions of services once, for all copies."""
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    session = boto3.Session("x", "x", region_name="us-east-1")
    for service in SERVICES:
        session.client(service)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # an invocation is over before there is anything to find


def runtime(order: dict[str, Any]) -> NoReturn:
    """Become the runtime of one invocation."""
    os.chdir(order["directory"])
    if differs(order["environment"], Path()):
        os.execvpe(order["command"][0], order["command"], order["environment"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.argv[:] = order["command"][2:]
    invoke()
    # The answer is given. As on AWS, nothing that the function left behind has a say any more.
    os._exit(0)


def differs(environment: dict[str, str], code: Path) -> bool:
    """Whether a new program might do something else than a copy of this one."""
    if sys.platform != "linux" or any(
        value != os.environ.get(name) for name, value in environment.items() if name.startswith(READ_AT_START)
    ):
        return True
    loaded = {name.partition(".")[0] for name in sys.modules}
    brought = {path.name.partition(".")[0] for path in code.iterdir()}
    deeper = {name.partition(".")[0] for _, folders, files in os.walk(code) for name in (*folders, *files)}
    return bool(loaded & brought or (loaded - sys.stdlib_module_names) & deeper)


def main() -> None:
    """Serve until the server is gone."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    lock = open(sys.argv[2], "ab")  # noqa: SIM115  held until this process ends
    fcntl.flock(lock, fcntl.LOCK_SH)
    # Nobody here waits for supervisors: they report to the server.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    prepare()
    while True:
        said, descriptors, _, _ = socket.recv_fds(channel, 1, 3)
        if not said:
            return
        if os.fork() == 0:
            channel.close()
            become_supervisor(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            channel.sendall(b"+")
        except OSError:
            return


def become_supervisor(orders: int, output: int, report: int) -> NoReturn:
    """Supervise one runtime, in a session of its own."""
    os.setsid()
    for descriptor, place in ((orders, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)
    os.close(orders)
    os.close(output)
    supervise(report, runtime)
    os._exit(0)


if __name__ == "__main__":
    main()
