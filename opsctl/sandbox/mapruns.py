"""Map Runs as the Step Functions API shows them: a distributed Map's children, and how far they are."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from opsctl.asl.effects import Outcome, StartMapRun
from opsctl.sandbox.runs import Origin, Run, instant
from opsctl.sandbox.tasks import MapTask

_COUNTED = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
    "PENDING_REDRIVE": "pendingRedrive",
}


@dataclass(eq=False)
class Child:
    """One child execution, or the place of one that has not begun; `items` is how many items it works on.

    `redrive_after` is the redrive count of an execution that is to be redriven. So the execution alone says whether it
    has been, and a state on disk that was written between the two has it right.
    """

    text: str
    items: int
    run: Run | None = None
    redrive_after: int | None = None

    @property
    def pending_redrive(self) -> bool:
        """Whether it is still to be redriven."""
        return self.run is not None and self.run.standing.redrives == self.redrive_after

    @property
    def status(self) -> str:
        """The execution's status, PENDING or PENDING_REDRIVE."""
        if self.pending_redrive:
            return "PENDING_REDRIVE"
        return "PENDING" if self.run is None else self.run.status

    @property
    def output(self) -> str | None:
        """The output of one that has succeeded."""
        return None if self.run is None else self.run.standing.output


class MapRun:
    """One Map Run. Only the driver's thread changes it; any thread may look.

    `waiting` are the children to start or redrive, `active` those that run; `total` and `failures` count items.
    """

    def __init__(self, task: MapTask, origin: Origin, now: float) -> None:
        self.task = task
        self.parent = task.run
        self.plan: StartMapRun = task.effect
        self.origin = origin
        self.arn = task.effect.map_run_arn
        self.started = now
        self.stopped: float | None = None
        self.status = "RUNNING"
        self.redrives = 0
        self.redriven: float | None = None
        self.children: list[Child] = []
        self.waiting: deque[Child] = deque()
        self.active: set[Child] = set()
        self.total = 0
        self.failures = 0
        self.written = False
        self.outcome: Outcome | None = None
        """What the parent is told of a run that is over."""

    def __getstate__(self) -> dict[str, Any]:
        """How far it is follows from its children."""
        return {name: value for name, value in vars(self).items() if name not in ("waiting", "active", "failures")}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        self.waiting, self.active, self.failures = deque(), set(), 0

    def take_up(self) -> None:
        """Find out how far it is: it was kept when a server before this one ended."""
        self.waiting = deque(child for child in self.children if child.status.startswith("PENDING"))
        # Those that have ended count when word of it comes, once more.
        self.active = set(self.children).difference(self.waiting)

    def fill(self, inputs: list[str], items: list[int]) -> None:
        """Say what the children are to be given, and how many items each of them has."""
        self.total = sum(items)
        self.children = [Child(text, count) for text, count in zip(inputs, items, strict=True)]
        self.waiting.extend(self.children)

    def settle(self, child: Child) -> None:
        """A child has ended, or cannot go on: its items have failed unless it has succeeded."""
        self.active.discard(child)
        if child.status != "SUCCEEDED":
            self.failures += child.items

    def end(self, status: str, now: float) -> None:
        """The run is over."""
        self.stopped, self.status = now, status
        self.waiting.clear()
        self.active.clear()
        for child in self.children:
            child.redrive_after = None

    def reopen(self, task: MapTask, now: float) -> None:
        """Go on with the children that did not succeed."""
        for child in self.children:
            if child.status != "SUCCEEDED":
                child.redrive_after = None if child.run is None else child.run.standing.redrives
                self.waiting.append(child)
        self.stopped, self.status, self.written, self.failures = None, "RUNNING", False, 0
        self.outcome = None
        self.redrives, self.redriven = self.redrives + 1, now
        self.task = task  # the last: until then, a state on disk has a redrive that is about to begin

    def update(self, concurrency: int | None, count: int | None, percentage: float | None) -> None:
        """Change the limits of a run that goes on."""
        plan = self.plan
        self.plan = replace(
            plan,
            max_concurrency=plan.max_concurrency if concurrency is None else concurrency,
            tolerated_count=plan.tolerated_count if count is None else count,
            tolerated_percentage=plan.tolerated_percentage if percentage is None else percentage,
        )

    def describe(self) -> dict[str, Any]:
        """The document of DescribeMapRun."""
        document = {
            "mapRunArn": self.arn,
            "executionArn": self.parent.arn,
            "status": self.status,
            "startDate": instant(self.started),
            "stopDate": None if self.stopped is None else instant(self.stopped),
            "maxConcurrency": self.plan.max_concurrency,
            "toleratedFailurePercentage": self.plan.tolerated_percentage,
            "toleratedFailureCount": self.plan.tolerated_count,
            "itemCounts": self._counts(lambda child: child.items),
            "executionCounts": self._counts(lambda _: 1),
            "redriveCount": self.redrives,
            "redriveDate": None if self.redriven is None else instant(self.redriven),
        }
        return {name: value for name, value in document.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """An entry of ListMapRuns."""
        entry = {
            "executionArn": self.parent.arn,
            "mapRunArn": self.arn,
            "stateMachineArn": self.origin.arn,
            "startDate": instant(self.started),
            "stopDate": None if self.stopped is None else instant(self.stopped),
        }
        return {name: value for name, value in entry.items() if value is not None}

    def _counts(self, size: Callable[[Child], int]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for child in list(self.children):
            counts[self._counted(child)] += size(child)
        shown = {name: counts[name] for name in _COUNTED.values()}
        done = counts["succeeded"] + counts["failed"] + counts["timedOut"] + counts["aborted"]
        total = sum(shown.values())
        return {**shown, "total": total, "resultsWritten": done if self.written else 0, "failuresNotRedrivable": 0}

    def _counted(self, child: Child) -> str:
        """What has not begun when the run is over counts as aborted."""
        status = child.status
        return "aborted" if status == "PENDING" and self.status != "RUNNING" else _COUNTED[status]
