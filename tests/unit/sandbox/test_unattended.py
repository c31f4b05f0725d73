"""What goes wrong in a thread that nobody waits for is told in the server's log, and takes nothing else along."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from opsctl.asl.effects import ScheduleTask
from opsctl.sandbox.deliveries import Deliveries
from opsctl.sandbox.endings import Endings
from opsctl.sandbox.executionlogs import ExecutionLogs
from opsctl.sandbox.faults import Faults
from opsctl.sandbox.tasks import Task
from tests.unit.sandbox.test_kept import a_run


@pytest.mark.parametrize("way", ["taken over", "in another order"])
def test_one_delivery_that_fails_holds_up_no_other(way: str, caplog: pytest.LogCaptureFixture) -> None:
    faults, begun = Faults(), threading.Event()
    deliveries = Deliveries("sns", faults)

    def fails() -> None:
        raise ValueError("too long for the queue")

    if way == "taken over":
        deliveries.restore([fails, begun.set])
        deliveries.resume()
    else:
        faults.add({"action": "sns:delivery", "reorder": 2})
        deliveries.hand_over("last", begun.set)
        deliveries.hand_over("first", fails)
    assert begun.wait(60)
    assert "a delivery ended in a fault of the sandbox" in caplog.text


def test_what_goes_wrong_in_threads_of_their_own_is_in_the_servers_log(caplog: pytest.LogCaptureFixture) -> None:
    nothing: Any = lambda *_: None  # noqa: E731
    task = Task(a_run(), ScheduleTask(1, "Train", "r.sync", {}, None, None, None), nothing)
    task.on_abandon(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    endings, logs = Endings(), ExecutionLogs(nothing)
    endings.begin(task)
    logs.restore([("group", "training", ["line"])])
    logs.take_up()
    while endings.kept() or logs.kept():
        time.sleep(0.01)
    said = {record.message for record in caplog.records}
    assert said == {f"what {task.run.arn} had started could not be ended", "lines of an execution could not be logged"}
