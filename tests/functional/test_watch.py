"""Following a run: `opsctl watch`, and what `--wait` stands on."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from opsctl.aws.stepfunctions import StepFunctions
from opsctl.cli.following import progress_line
from opsctl.cli.live import Screen, clipped
from opsctl.cli.root import root
from opsctl.cli.watch import fitting
from opsctl.domain.runs import Run
from opsctl.errors import ThrottledError
from opsctl.operations.connection import Connection
from opsctl.operations.waiting import Outcome, Progress, wait
from opsctl.operations.watch import follow
from tests.functional.pipeline_world import (
    DEPLOYMENT,
    EPOCH,
    MACHINE,
    Bench,
    FakeInvocation,
    shared_aws,
    training_failure,
)

SEQUENCE = "Train Sequence Model"
RUN_ARN = MACHINE.replace(":stateMachine:", ":execution:") + ":nightly-7"


def event(number: int, kind: str, at: float, previous: int, **details: Any) -> dict[str, Any]:
    """An event of a history, its details under the key that AWS uses."""
    key = kind[0].lower() + kind[1:] + "EventDetails"
    if kind.endswith(("Entered", "Exited")):
        key = "stateEnteredEventDetails" if kind.endswith("Entered") else "stateExitedEventDetails"
    return {"id": number, "type": kind, "timestamp": EPOCH + at, "previousEventId": previous, key: details}


FIRST = [
    event(1, "ExecutionStarted", 0, 0, input="{}"),
    event(2, "TaskStateEntered", 0, 0, name="Train", input="{}"),
    event(3, "TaskScheduled", 0, 2, resourceType="sagemaker", resource="createTrainingJob.sync", parameters="{}"),
    event(4, "TaskFailed", 40, 3, error="States.TaskFailed", cause="no memory"),
    event(5, "ExecutionFailed", 40, 4, error="States.TaskFailed", cause="no memory"),
]
SECOND = [
    event(6, "ExecutionRedriven", 100, 5, redriveCount=1),
    event(7, "TaskScheduled", 100, 2, resourceType="sagemaker", resource="createTrainingJob.sync", parameters="{}"),
    event(8, "TaskSucceeded", 130, 7, output="{}"),
    event(9, "TaskStateExited", 130, 8, name="Train", output="{}"),
    event(10, "ExecutionSucceeded", 130, 9, output="{}"),
]


@dataclass
class Recorded:
    """A Step Functions that plays a recorded run: at any time it knows the events up to then, `lag` seconds late, and
    it throttles every request in `throttled` (counted from 0)."""

    events: list[dict[str, Any]]
    now: float = EPOCH
    set_back: float = 0.0  # by how much somebody has set the clock back
    lag: float = 0.0
    redrive_known: float = 0.0  # when the description begins to tell of the redrive
    throttled: frozenset[int] = frozenset()
    asked: list[float] = field(default_factory=list)
    children: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def _known(self, arn: str = RUN_ARN) -> list[dict[str, Any]]:
        events = self.children.get(arn, self.events)
        return [item for item in events if item["timestamp"] <= self.now - self.lag]

    def runs(self, machine_arn: str, status: str | None = None, page_size: int = 1000) -> Iterator[Run]:
        """The one."""
        assert (machine_arn, status, page_size) == (MACHINE, None, 1)
        yield self.describe(RUN_ARN)

    def definition_of_run(self, arn: str) -> dict[str, Any]:
        """A task alone."""
        assert arn == RUN_ARN
        return {"StartAt": "Train", "States": {"Train": {"Type": "Task", "Resource": "x", "End": True}}}

    def events_after(self, arn: str, last: int) -> list[dict[str, Any]]:
        """As the real one."""
        self.asked.append(self.now)
        if len(self.asked) - 1 in self.throttled:
            raise ThrottledError("AWS throttles states:GetExecutionHistory and went on doing so: Rate exceeded")
        return [item for item in self._known(arn) if item["id"] > last]

    def describe(self, arn: str) -> Run:
        """As the real one."""
        known = self._known()
        redrives = sum(item["type"] == "ExecutionRedriven" for item in known)
        ends = {"ExecutionFailed": "FAILED", "ExecutionSucceeded": "SUCCEEDED"}
        return run_of(ends.get(known[-1]["type"], "RUNNING"), redrives, arn)

    def history(self, arn: str) -> Iterator[dict[str, Any]]:
        """All events up to now."""
        del arn
        yield from self._known()


def run_of(status: str, redrives: int, arn: str = RUN_ARN) -> Run:
    """The run as a description would tell."""
    return Run("nightly-7", arn, MACHINE, status, EPOCH, redrives=redrives)


def connection_to(states: Recorded) -> Connection:
    """A connection on the recording's clock."""

    def sleep(seconds: float) -> None:
        states.now += seconds

    clocks = {"now": lambda: states.now - states.set_back, "steady": lambda: states.now}
    aws = replace(shared_aws("http://127.0.0.1:1"), sleep=sleep, **clocks)
    machine = DEPLOYMENT.machine(None)
    return Connection(aws.context, DEPLOYMENT, machine, aws, cast("StepFunctions", states), cast("Any", None))


def waited(states: Recorded, run: Run) -> tuple[list[str], Outcome]:
    told: list[Progress] = []
    outcome = wait(connection_to(states), run, told.append)
    return [f"{line.at - EPOCH:.0f} {line.step} {line.text}" for line in told], outcome


@pytest.mark.parametrize("lag", [0.0, 8.0])
def test_a_redriven_run_ends_with_its_redrive_and_not_with_its_first_end(lag: float) -> None:
    states = Recorded(FIRST + SECOND, now=EPOCH + 101, lag=lag)
    lines, outcome = waited(states, run_of("RUNNING", redrives=1))
    assert lines == ["100 Train started again by redrive 1", "130 Train succeeded after 30 s"]
    assert (outcome.status, outcome.step, outcome.error) == ("SUCCEEDED", None, None)


def test_a_run_that_somebody_else_redrives_is_followed_on() -> None:
    states = Recorded(FIRST + SECOND, now=EPOCH + 115)
    lines, outcome = waited(states, run_of("FAILED", redrives=0))
    assert lines == [
        "0 Train started",
        "40 Train failed after 40 s: States.TaskFailed: no memory",
        "100 Train started again by redrive 1",
        "130 Train succeeded after 30 s",
    ]
    assert outcome.succeeded


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_keeps_no_follower_waiting(jump: float) -> None:
    states = Recorded(FIRST + SECOND, now=EPOCH + 101)
    outcomes = []
    for sight in follow(connection_to(states), run_of("RUNNING", redrives=1), timeout=60.0):
        states.set_back = jump
        outcomes.append(sight.history.status)
    assert outcomes[-1] == "SUCCEEDED"
    assert states.now < EPOCH + 140  # it succeeded at 130


def test_throttling_slows_a_follower_down_and_does_not_end_it() -> None:
    states = Recorded(FIRST, throttled=frozenset(range(1, 6)))
    _, outcome = waited(states, run_of("RUNNING", 0))
    assert outcome.status == "FAILED"
    gaps = [after - before for before, after in zip(states.asked, states.asked[1:], strict=False)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 32]


def test_an_hour_takes_less_than_a_request_in_two_seconds() -> None:
    kinds = ("PassStateEntered", "PassStateExited")
    busy = [event(number, kinds[number % 2], number, number - 1, name="Go on") for number in range(2, 3600)]
    ended = event(3600, "ExecutionSucceeded", 3600, 3599, output="{}")
    states = Recorded([FIRST[0], *busy, ended])
    waited(states, run_of("RUNNING", 0))
    assert len(states.asked) < 1800
    quiet = Recorded([FIRST[0], ended])
    waited(quiet, run_of("RUNNING", 0))
    assert len(quiet.asked) < 350


# opsctl watch


def test_piped_it_is_a_line_for_each_thing_and_the_outcome(bench: Bench) -> None:
    bench.world.script[SEQUENCE] = [training_failure("killed")]
    bench.opsctl("start", "--name", "nightly-7")
    result = bench.opsctl("watch")
    assert (result.exit_code, result.stdout.splitlines()) == (1, [
        "08:00:00  Prepare Run  started",
        "08:00:01  Prepare Run  succeeded after 1 s",
        "08:00:01  Fetch Preprocessed Data  started",
        "08:00:13  Fetch Preprocessed Data  succeeded after 12 s",
        "08:00:13  Train Image Model  started",
        "08:00:13  Train Text Model  started",
        "08:00:43  Train Text Model  succeeded after 30 s",
        "08:01:13  Train Image Model  succeeded after 1 min 0 s",
        "08:01:13  Train Sequence Model  started",
        "08:01:53  Train Sequence Model  failed after 40 s: States.TaskFailed: killed",
        "08:01:53  Describe Failure  started",
        "08:01:54  Describe Failure  succeeded after 1 s",
        "08:01:54  Notify Failure  started",
        "08:01:55  Notify Failure  succeeded after 1 s",
        "nightly-7 FAILED after 1 min 55 s at Train Sequence Model: States.TaskFailed: killed",
    ])  # fmt: skip
    assert result.stderr == f'next: opsctl rerun nightly-7 --from "{SEQUENCE}"\n'


def test_as_json_it_is_an_object_in_each_line(bench: Bench) -> None:
    bench.opsctl("start", "--name", "nightly-7")
    result = bench.opsctl("watch", "nightly-7", "-o", "json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, len(lines)) == (0, 21)
    assert lines[0] == {"at": "2127-01-15T08:00:00.000+00:00", "step": "Prepare Run", "text": "started", "run": None}
    assert lines[-1] == {
        "run": "nightly-7", "arn": RUN_ARN, "status": "SUCCEEDED", "seconds": 118.0, "step": None, "error": None,
        "next": None,
    }  # fmt: skip


def test_it_ends_with_its_timeout_and_the_run_goes_on(bench: Bench) -> None:
    bench.world.open_steps = {SEQUENCE}
    bench.opsctl("start", "--name", "nightly-7")
    result = bench.opsctl("watch", "--timeout", "2m")
    assert (result.exit_code, result.stderr.splitlines()) == (
        124, ["error: nightly-7 is still running after 2 min 0 s", "hint: it goes on: opsctl status nightly-7"],
    )  # fmt: skip


def test_interrupted_it_leaves_the_run_alone(bench: Bench) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    bench.world.open_steps = {SEQUENCE}
    bench.opsctl("start", "--name", "nightly-7")
    object.__setattr__(bench.connection.aws, "sleep", interrupt)
    result = bench.opsctl("watch")
    said = "\ninterrupted; the run goes on: opsctl watch nightly-7\n"
    assert (result.exit_code, result.stderr) == (130, said + "\n")  # click ends the line that ^C is in


class Terminal(io.StringIO):
    """A window, and what one sees in it: it knows the few codes that `Screen` sends."""

    def isatty(self) -> bool:
        """It is one."""
        return True

    def seen(self, width: int) -> list[str]:
        """The lines on the screen, those wider than the window folded."""
        lines: list[str] = []
        for up, text in re.findall(r"(?:\x1b\[(\d+)F\x1b\[J)?([^\x1b]+)", re.sub(r"\x1b\[\d*m", "", self.getvalue())):
            lines = lines[: len(lines) - int(up or 0)]
            for line in text.splitlines():
                lines += [line[at : at + width] for at in range(0, len(line), width)] or [""]
        return lines


WIDE = """\
nightly-7  SUCCEEDED  2 min 10 s, redrive 1

STEP   STATUS     ATTEMPTS  STARTED   DURATION    JOB  ERROR
Train  SUCCEEDED  1+1       08:00:00  1 min 10 s
nightly-7 SUCCEEDED after 2 min 10 s"""
NARROW = """\
nightly-7  SUCCEEDED  2 min …

STEP   STATUS     ATTEMPTS  …
Train  SUCCEEDED  1+1       …
nightly-7 SUCCEEDED after 2 mi
n 10 s"""


@pytest.mark.parametrize(("columns", "picture"), [(100, WIDE), (30, NARROW)])
def test_on_a_terminal_it_is_a_table_kept_up_to_date(
    monkeypatch: pytest.MonkeyPatch, columns: int, picture: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    states = Recorded(FIRST + SECOND, now=EPOCH + 101)
    code = root.main(["watch"], obj=FakeInvocation(connection_to(states)), standalone_mode=False)
    assert (code, terminal.seen(columns)) == (0, picture.splitlines())
    frames = terminal.getvalue()
    assert frames.count("\x1b[J") > 25  # a second each
    assert "RUNNING\x1b[0m  1+1       08:00:00  45.0 s" in frames or columns == 30


def test_a_table_longer_than_the_window_keeps_what_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "10")
    rows = [[f"Step {number}", "RUNNING" if number in (2, 7) else "SUCCEEDED", *[None] * 5] for number in range(9)]
    assert [row[0] for row in fitting(rows, 5)] == ["Step 0", "Step 1", "Step 2", "Step 7", "… 5 more"]
    assert fitting(rows, 9) == rows


@pytest.mark.parametrize(
    ("line", "width", "cut"),
    [
        ("plain", 5, "plain"),
        ("too long", 5, "too …"),
        ("\x1b[31mFAILED\x1b[0m  x", 9, "\x1b[31mFAILED\x1b[0m  x"),
        ("\x1b[31mFAILED\x1b[0m  x", 5, "\x1b[31mFAIL\x1b[0m…\x1b[0m"),
        ("x", 0, "…"),
    ],
)
def test_lines_are_cut_with_their_colours(line: str, width: int, cut: str) -> None:
    assert clipped(line, width) == cut


def test_a_nested_execution_is_followed_too() -> None:
    child = RUN_ARN.replace("training", "deployment").replace("nightly-7", "child")
    submitted = json.dumps({"ExecutionArn": child})
    parent = [
        event(1, "ExecutionStarted", 0, 0, input="{}"),
        event(2, "TaskStateEntered", 0, 0, name="Deploy", input="{}"),
        event(3, "TaskScheduled", 0, 2, resourceType="states", resource="startExecution.sync:2", parameters="{}"),
        event(4, "TaskSubmitted", 1, 3, output=submitted),
        event(5, "TaskSucceeded", 50, 4, output=submitted),
        event(6, "TaskStateExited", 50, 5, name="Deploy", output="{}"),
        event(7, "ExecutionSucceeded", 50, 6, output="{}"),
    ]
    nested = [*FIRST[:3], event(4, "TaskSucceeded", 40, 3, output="{}"), event(5, "ExecutionSucceeded", 45, 4)]
    states = Recorded(parent, children={child: nested})
    told: list[Progress] = []
    outcome = wait(connection_to(states), run_of("RUNNING", 0), told.append)
    assert outcome.succeeded
    assert [progress_line(line) for line in told] == [
        "08:00:00  Deploy  started",
        "08:00:00  child > Train  started",
        "08:00:40  child > Train  succeeded after 40 s",
        "08:00:50  Deploy  succeeded after 50 s",
    ]


def test_without_colours_the_table_is_still_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    for status in ("RUNNING", "FAILED"):
        screen.draw([f"\x1b[31m{status}\x1b[0m", ""])
    assert terminal.getvalue() == "RUNNING\n\n\x1b[2F\x1b[JFAILED\n\n"
