"""`opsctl worker`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.params import duration
from opsctl.cli.render import emit
from opsctl.cli.terminal import tell
from opsctl.errors import INTERRUPTED, OK, UsageError

if TYPE_CHECKING:
    from opsctl.operations.worker import Shift, Tally


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--concurrency", type=click.IntRange(1, 64), default=1, show_default=True, help="Tasks at a time.")
@click.option(
    "--heartbeat", type=duration, default="30s", show_default=True, metavar="DURATION",
    help="Between heartbeats; well below the state's HeartbeatSeconds.",
)  # fmt: skip
@click.option("--timeout", type=duration, metavar="DURATION", help="End a command that takes longer.")
@click.option("--max-tasks", type=click.IntRange(1), metavar="N", help="End after so many tasks.")
@click.option(
    "--name", metavar="NAME", help="This worker in the run's history. [default: the host's name and a number]"
)
@click.argument("activity")
@click.argument("command", nargs=-1, required=True)
@click.pass_context
def worker(
    context: click.Context,
    activity: str,
    command: tuple[str, ...],
    concurrency: int,
    heartbeat: float,
    timeout: float | None,
    max_tasks: int | None,
    name: str | None,
) -> None:
    """Work on an activity's tasks from outside AWS: run COMMAND for each, and answer with what came of it.

    ACTIVITY is an ARN (then no deployment is needed), or a name in the deployment's account; docs/worker.md says how a
    base model trains so. The command finds the task's input on its stdin, and in the file that OPSCTL_TASK_INPUT names;
    region, profile and endpoint are in its environment as this command was given them. Exit code 0 and JSON on stdout
    (nothing is {}) complete the task; anything else fails it, with the end of stderr as the cause and one of these
    errors for the state's Retry and Catch: Worker.CommandFailed, Worker.CommandKilled, Worker.Timeout,
    Worker.InvalidOutput, Worker.OutputTooLarge, Worker.Interrupted, Worker.CommandNotStarted. A task whose time is up,
    or whose run was stopped, has its command ended at the next heartbeat.

    SIGTERM or Ctrl-C drains: nothing more is fetched, what runs is finished (a fetch under way takes up to a minute).
    The same once more ends the commands, and their tasks fail with Worker.Interrupted.

    Give every activity state a HeartbeatSeconds and a Retry on States.HeartbeatTimeout: a task that is lost with its
    worker, or on the wire, goes to another one so.

    \b
    Examples:
      opsctl worker documents-train-image-model -- python3 workstation.py --work /data
      opsctl worker arn:aws:states:eu-west-1:123456789012:activity:gpu -- python3 train.py
      opsctl worker gpu --concurrency 2 --heartbeat 10s --timeout 4h -- ./train.sh --epochs 80
    """
    from opsctl.operations.worker import Settings, Shift, reach

    command = command[1:] if command[0] == "--" else command  # it stands behind ACTIVITY, where click no longer looks
    if not command:
        raise click.UsageError("Missing argument 'COMMAND...'.", context)
    if shutil.which(command[0]) is None:
        raise UsageError(f"there is no program {command[0]!r}", "give a path, or one that is on PATH")
    invocation = context.ensure_object(Invocation)
    known = name or f"{socket.gethostname()[:60]}-{os.getpid()}"
    settings = Settings(command, known, concurrency, heartbeat, timeout, max_tasks)
    reached, environment = reach(invocation.options(), activity)
    shift = Shift(reached, settings, _tell, environment)
    _tell(f"{known}: waiting for tasks of {shift.activity.arn}")
    interrupts = _listen(shift)
    tally = shift.work()
    emit(invocation, asdict(tally), _text(tally))
    context.exit(INTERRUPTED if signal.SIGINT in interrupts else OK)


def _listen(shift: Shift) -> list[int]:
    """Drain at the first signal, end at the second; the signals that came."""
    came: list[int] = []

    def heard(number: int, _frame: Any) -> None:
        came.append(number)
        # A handler may have interrupted whoever holds a lock: it only sets flags, and the words are another thread's.
        (shift.drain if len(came) == 1 else shift.abort)()
        words = "draining: nothing more is fetched" if len(came) == 1 else "ending the commands that run"
        threading.Thread(target=_tell, args=(words,)).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heard)
    return came


def _tell(words: str) -> None:
    tell(words)


def _text(tally: Tally) -> str:
    return f"{tally.succeeded} succeeded, {tally.failed} failed, {tally.gone} not waited for any more"
