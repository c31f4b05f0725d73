"""The parent of one job: a program of its own, run by path, which imports nothing of ours.

Its standard input is a pipe from the server. The first line is the order, `{"command": [...], "lock": path, "fault":
null}`; every later line `stop <seconds>` means SIGTERM to the job's process group and SIGKILL after that time. End of
file means that the server is gone, however it died, and everything is killed at once: that is what makes `kill -9` of
the server leave nothing behind, without any race. The write end of `sys.argv[1]` (a file descriptor) gets one line with
the job's process number and one with its exit status in docker's convention (128 + n for signal n, 127 for no such
program).

A fault, `{"kind": "hangs", "after": seconds}`, befalls the job on purpose (opsctl/sandbox/jobfaults.py): it is killed,
for want of memory or not, or stands still, or finds no room on its disk, or is never sent SIGTERM.

The job is the leader of its own session. On Linux the supervisor adopts orphaned descendants, so that a job's
children end with it even if they left its process group.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PARENT, GROUP = 1, 2  # what /proc/<pid>/stat has behind the program's name


def prctl(option: int, value: int) -> None:
    """Linux's prctl; elsewhere nothing (the process group is then all that is killed)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def read_order() -> dict[str, object]:
    """The first line of standard input, read byte by byte so that nothing after it is swallowed."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise SystemExit(0)
        line += byte
    order: dict[str, object] = json.loads(line)
    return order


def execute(order: dict[str, object]) -> None:
    """Become the job's program."""
    command = order["command"]
    words = command if isinstance(command, list) else []
    try:
        os.execvp(words[0], words)
    except OSError as error:
        os.write(2, f"{words[0]}: {error.strerror}\n".encode())
        os._exit(126 if isinstance(error, PermissionError) else 127)


def spawn(become: Callable[[dict[str, object]], None], order: dict[str, object]) -> int:
    """Start the job as the leader of a new session, with no input, and return its process number."""
    parent = os.getpid()
    running, begun = os.pipe()
    pid = os.fork()
    if pid:
        os.close(begun)
        # Closed below: until then the job's process group may not be there, and a signal to it would be lost.
        os.read(running, 1)
        os.close(running)
        return pid
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(137)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    # What is the supervisor's, its lock and its pipes, is not the job's.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if strikes_at_once(order):
        os.kill(os.getpid(), signal.SIGSTOP)  # or it might be done before it is struck
    become(order)
    os._exit(0)


def signal_group(pid: int, number: int) -> None:
    """Send a signal to the job's whole process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def children() -> list[int]:
    """Process numbers of our own children: the job, and on Linux every orphan that we adopted."""
    return processes(PARENT, os.getpid())


def processes(field: int, value: int) -> list[int]:
    """On Linux, the numbers of the processes whose parent or group is this."""
    found = []
    for entry in os.listdir("/proc") if sys.platform == "linux" else []:
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[field]) == value:
                    found.append(int(entry))
    return found


def fault_of(order: dict[str, object]) -> dict[str, object]:
    """What befalls the job on purpose; empty for nothing."""
    fault = order.get("fault")
    return fault if isinstance(fault, dict) else {}


def strikes_at_once(order: dict[str, object]) -> bool:
    """Whether the fault comes before the program's first instruction."""
    return fault_of(order).get("after") == 0


def strike_at_once(order: dict[str, object], pid: int) -> None:
    """Strike the job, which waits for that; what only hangs goes on waiting."""
    os.waitpid(pid, os.WUNTRACED)
    kind = str(fault_of(order)["kind"])
    strike(kind, pid)
    if kind != "hangs":
        signal_group(pid, signal.SIGCONT)


def strike(kind: str, pid: int) -> None:
    """Let a fault happen to the job."""
    if kind == "hangs":
        signal_group(pid, signal.SIGSTOP)
    elif kind == "disk-full":
        for one in processes(GROUP, pid):
            with contextlib.suppress(OSError):
                # Nobody can fill a disk for one job alone; that no file may grow is what a program notices of it.
                resource.prlimit(one, resource.RLIMIT_FSIZE, (0, resource.prlimit(one, resource.RLIMIT_FSIZE)[1]))
    elif kind in ("killed", "out-of-memory"):
        signal_group(pid, signal.SIGKILL)


def end_descendants() -> None:
    """Kill what the job left behind, until nothing is left to wait for; mostly there is nothing."""
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def wait_for(pid: int, wake: int, fault: dict[str, object]) -> int:
    """Wait for the job, obeying the pipe meanwhile; returns its exit status as docker gives it."""
    deadline = None
    kind = str(fault.get("kind"))
    strikes = time.monotonic() + float(str(fault["after"])) if fault.get("after") else None
    inputs = [0, wake]
    while True:
        ended, raw = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(raw)
            return code if code >= 0 else 128 - code
        if strikes is not None and time.monotonic() >= strikes:
            strike(kind, pid)
            strikes = None
        next_one = min((at for at in (deadline, strikes) if at is not None), default=None)
        left = None if next_one is None else max(0.0, next_one - time.monotonic())
        ready, _, _ = select.select(inputs, [], [], left)
        if wake in ready:
            os.read(wake, 512)
        if 0 in ready:
            words = os.read(0, 512).split()
            if words:
                if kind != "ignores-sigterm":
                    signal_group(pid, signal.SIGTERM)
                    signal_group(pid, signal.SIGCONT)  # what stands still could not hear it
                deadline = time.monotonic() + float(words[-1])
            else:
                inputs = [wake]
                deadline = 0.0
        if deadline is not None and time.monotonic() >= deadline:
            signal_group(pid, signal.SIGKILL)
            deadline = time.monotonic() + 1.0


def supervise(report: int, become: Callable[[dict[str, object]], None] = execute) -> None:
    """Run one job to its end; `become` turns a copy of this process into it."""
    order = read_order()
    lock = open(str(order["lock"]), "ab")  # noqa: SIM115  held until this process ends
    fcntl.flock(lock, fcntl.LOCK_SH)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake, wakened = os.pipe()
    os.set_blocking(wakened, False)
    signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pid = spawn(become, order)
    if strikes_at_once(order):
        strike_at_once(order, pid)
    os.write(report, f"{pid}\n".encode())
    status = wait_for(pid, wake, fault_of(order))
    # The job's leader is gone; its group may live on, and on Linux so may what it put elsewhere.
    signal_group(pid, signal.SIGKILL)
    end_descendants()
    os.write(report, f"{status}\n".encode())


if __name__ == "__main__":
    supervise(int(sys.argv[1]))
