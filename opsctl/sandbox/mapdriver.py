"""Drives Map Runs: reads their items, keeps as many children running as may, and tells the parent the end.

Everything that changes a Map Run happens in one thread of its own, so a run needs no locks; the engine and the API only
leave orders here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from opsctl.asl import map_results
from opsctl.asl.effects import Failed, MapRunStarted, Outcome, Succeeded
from opsctl.asl.failures import StateError
from opsctl.asl.validate import parse
from opsctl.errors import RefusedError
from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.constraints import service_model
from opsctl.sandbox.integrations.casing import iso, to_result
from opsctl.sandbox.machineroles import SESSION
from opsctl.sandbox.mapfiles import Items, MapFiles
from opsctl.sandbox.mapruns import Child, MapRun
from opsctl.sandbox.runs import Origin, Run
from opsctl.sandbox.statemachines import MachinesBackend, machines
from opsctl.sandbox.tasks import MapTask
from opsctl.sandbox.world import World

# AWS runs 10,000 children at a time if MaxConcurrency does not say otherwise; this is one machine.
MOST_AT_ONCE = 1000
logger = logging.getLogger(__name__)


class MapDriver:
    """Carries out what distributed Map states ask for."""

    def __init__(self, world: World, files: MapFiles) -> None:
        self._world = world
        self._files = files
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="map-runs")

    def begin(self, task: MapTask) -> None:
        """Start or redrive a Map Run. Returns at once."""
        self._order(self._begin_or_fail, task)

    def resume(self, task: MapTask) -> None:
        """Take up a task that was begun in a server before this one. Returns at once."""
        self._order(self._resume, task)

    def fill(self, run: MapRun) -> None:
        """Start children as limits that were changed allow. Returns at once."""
        self._order(self._fill, run)

    # everything below runs in the driver's thread

    def _order(self, work: Callable[..., None], *arguments: Any) -> None:
        self._thread.submit(self._carry_out, work, *arguments)

    def _carry_out(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception:
            logger.exception("a Map Run met something unforeseen")

    @property
    def _machines(self) -> MachinesBackend:
        return machines(self._world)

    def _begin_or_fail(self, task: MapTask) -> None:
        try:
            self._begin(task)
        except Exception as error:
            logger.exception("the Map Run of '%s' in %s", task.effect.state, task.run.arn)
            task.tell(Failed("States.Runtime", f"The sandbox failed: {error!r}"))

    def _begin(self, task: MapTask) -> None:
        effect, known = task.effect, self._machines.map_runs
        run = known.get(effect.map_run_arn)
        if run is None:
            run = known[effect.map_run_arn] = MapRun(task, _origin(task), time.time())
        else:
            # Word of its end may still be on its way.
            self._abort(run, run.task)
            run.reopen(task, time.time())
        task.on_abandon(partial(self._order, self._abort, run, task))
        self._go_on(run)

    def _go_on(self, run: MapRun) -> None:
        run.task.tell(MapRunStarted())
        if not run.children:
            try:
                self._prepare(run)
            except StateError as problem:
                self._close(run, "FAILED", _failed(problem))
                return
        self._fill(run)

    def _resume(self, task: MapTask) -> None:
        run = self._machines.map_runs.get(task.effect.map_run_arn)
        if run is None or run.task is not task:  # it was about to begin
            if not task.leaving:
                self._begin_or_fail(task)
        elif run.outcome is not None:
            self._close(run, "SUCCEEDED" if isinstance(run.outcome, Succeeded) else "FAILED", run.outcome)
        elif run.status == "RUNNING":
            self._take_up(run, task)

    def _take_up(self, run: MapRun, task: MapTask) -> None:
        run.take_up()
        if task.leaving:
            self._abort(run, task)
            return
        task.on_abandon(partial(self._order, self._abort, run, task))
        begun = list(run.active)
        self._go_on(run)
        for child in begun:
            self._follow(run, child)

    def _prepare(self, run: MapRun) -> None:
        effect, parent = run.task.effect, run.task.run.origin
        try:
            self._world.access.demand(parent.role, SESSION, Need("states:StartExecution", (parent.arn,)))
        except DeniedError as denied:
            raise StateError("StepFunctions.AWSStepFunctionsException", str(denied)) from denied
        items: Items | None = effect.items
        if items is None:
            items = self._files.as_role(run.origin.role).read(effect.reader or {})
        inputs = self._machines.engine.map_inputs(run.task, items)
        batched = len(inputs) != len(items)
        run.fill(inputs, [len(json.loads(text)["Items"]) if batched else 1 for text in inputs])

    def _fill(self, run: MapRun) -> None:
        """Start children until as many run as may; with none left, the run is over."""
        if run.status != "RUNNING":
            return
        limit = min(run.plan.max_concurrency or MOST_AT_ONCE, MOST_AT_ONCE)
        while run.waiting and len(run.active) < limit:
            self._start(run, run.waiting.popleft())
        if not run.waiting and not run.active:
            self._conclude(run)

    def _start(self, run: MapRun, child: Child) -> None:
        """Start or redrive a child."""
        if child.run is None:
            child.run = self._machines.make_child(run.origin, child.text)
            self._machines.engine.start(child.run)
        else:
            try:
                refused = not self._may("states:RedriveExecution", child.run)
                if not refused:
                    self._machines.engine.redrive(child.run, None)
            except RefusedError:
                refused = True
            child.redrive_after = None
            if refused:
                run.settle(child)
                return
        run.active.add(child)
        self._follow(run, child)

    def _follow(self, run: MapRun, child: Child) -> None:
        if child.run is not None:
            child.run.ended.add_done_callback(lambda ended: self._order(self._ended, run, child, ended))

    def _ended(self, run: MapRun, child: Child, ended: Future[dict[str, Any]]) -> None:
        # Word of an end before a redrive says nothing about the child now.
        if child not in run.active or child.run is None or child.run.ended is not ended:
            return
        run.settle(child)
        if _tolerated(run):
            self._fill(run)
        else:
            self._conclude(run)

    def _conclude(self, run: MapRun) -> None:
        """Stop what still runs, and tell the parent the result."""
        good = _tolerated(run)
        self._halt(run)
        try:
            output = self._result(run)
        except StateError as problem:
            self._close(run, "FAILED", _failed(problem))
            return
        if good:
            self._close(run, "SUCCEEDED", Succeeded(output))
        else:
            self._close(run, "FAILED", Failed(map_results.EXCEEDED, map_results.EXCEEDED_CAUSE))

    def _result(self, run: MapRun) -> str:
        """The run's result, written to S3 first if it is to be. Raises StateError."""
        if not map_results.exports(run.plan):
            outputs = [child.output for child in run.children]
            return map_results.result_text(outputs, run.plan.writer)
        output, files = map_results.written(run.plan, run.arn, [_exported(child) for child in run.children])
        self._files.as_role(run.origin.role).write(str((run.plan.writer or {})["Parameters"].get("Bucket", "")), files)
        run.written = True
        return output

    def _abort(self, run: MapRun, task: MapTask) -> None:
        if run.task is task and run.status == "RUNNING":
            self._halt(run)
            run.end("ABORTED", time.time())

    def _halt(self, run: MapRun) -> None:
        for child in run.active:
            if child.run is not None and self._may("states:StopExecution", child.run):
                self._machines.engine.stop(child.run)

    def _may(self, action: str, child: Run) -> bool:
        return self._world.access.may(child.origin.role, SESSION, Need(action, (child.arn,)))

    def _close(self, run: MapRun, status: str, outcome: Outcome) -> None:
        run.outcome = outcome
        run.end(status, time.time())
        run.task.tell(outcome)


def _failed(problem: StateError) -> Failed:
    return Failed(problem.error or "", problem.cause or "")


def _tolerated(run: MapRun) -> bool:
    return map_results.tolerates(run.plan, run.failures, run.total)


def _exported(child: Child) -> dict[str, Any]:
    """A child as AWS writes it to S3: the answer of DescribeExecution, its members in PascalCase."""
    if child.run is None:
        return {"Input": child.text, "Status": "PENDING"}
    shape = service_model("stepfunctions").operation_model("DescribeExecution").output_shape
    exported: dict[str, Any] = to_result(child.run.describe(), shape, iso)
    return exported


def _origin(task: MapTask) -> Origin:
    """The children's machine: the Map's processor, as it stands in the definition."""
    parent, effect = task.run.origin, task.effect
    return Origin(
        arn=f"{parent.arn}/{effect.label}",
        name=f"{parent.name}/{effect.label}",
        role=parent.role,
        definition=json.dumps(effect.processor),
        machine=parse(effect.processor),
        version_arn=None,
        alias_arn=None,
        description={**parent.description, "mapRunArn": effect.map_run_arn, "label": effect.label},
        map_run=effect.map_run_arn,
    )
