"""Map Runs."""

from __future__ import annotations

from moto.core.responses import ActionResult, EmptyResult

from opsctl.sandbox.api import ApiError
from opsctl.sandbox.statesapi.actions import Actions


class MapRunActions(Actions):
    """The actions about Map Runs."""

    def describe_map_run(self) -> ActionResult:
        """DescribeMapRun."""
        return ActionResult(self.machines.map_run(self.asked["mapRunArn"]).describe())

    def list_map_runs(self) -> ActionResult:
        """ListMapRuns, oldest first."""
        runs = self.machines.map_runs_of(self.asked["executionArn"])
        page, token = self.pages.page(list(enumerate(runs)))
        return ActionResult({"mapRuns": [run.summary() for run in page], "nextToken": token})

    def update_map_run(self) -> EmptyResult:
        """UpdateMapRun: the limits of a run that goes on."""
        run = self.machines.map_run(self.asked["mapRunArn"])
        concurrency, count, percentage = (
            self.asked.get(name) for name in ("maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage")
        )
        if concurrency is None and count is None and percentage is None:
            raise ApiError("ValidationException", "At least one of the limits must be given")
        if run.status != "RUNNING":
            raise ApiError("ValidationException", "A Map Run that has ended cannot be updated")
        run.update(concurrency, count, percentage)
        self.machines.map_driver.fill(run)
        return EmptyResult()
