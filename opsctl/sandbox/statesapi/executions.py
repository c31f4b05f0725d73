"""Executions: start, look, stop, redrive."""

from __future__ import annotations

import json
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionContext, ActionResult

from opsctl.sandbox.api import ApiError
from opsctl.sandbox.mapruns import MapRun
from opsctl.sandbox.runs import instant
from opsctl.sandbox.statesapi.actions import Actions
from opsctl.sandbox.statesapi.machines import WITHHELD, definition_of


class ExecutionActions(Actions):
    """The actions about executions."""

    def start_execution(self) -> ActionResult:
        """StartExecution."""
        run = self.machines.launch(
            self.asked["stateMachineArn"],
            self.asked.get("name"),
            self.asked.get("input", "{}"),
            self.asked.get("traceHeader"),
        )
        return ActionResult({"executionArn": run.arn, "startDate": instant(run.started)})

    def start_sync_execution(self) -> ActionResult:
        """StartSyncExecution, which is for express workflows."""
        self.machines.resolve(self.asked["stateMachineArn"])
        raise ApiError("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")

    def describe_execution(self) -> ActionResult:
        """DescribeExecution."""
        return ActionResult(self.machines.run(self.asked["executionArn"]).describe(data=self._with_data))

    def describe_state_machine_for_execution(self) -> ActionResult:
        """DescribeStateMachineForExecution: the definition that the execution started with, and keeps."""
        origin = self.machines.run(self.asked["executionArn"]).origin
        answer = {"stateMachineArn": origin.arn, "name": origin.name, "roleArn": origin.role, **origin.description}
        return ActionResult({**answer, **(definition_of(origin.definition) if self._with_data else WITHHELD)})

    def list_executions(self) -> ActionResult:
        """ListExecutions, newest first."""
        machine, map_run = self.asked.get("stateMachineArn"), self.asked.get("mapRunArn")
        if bool(machine) == bool(map_run):
            raise ApiError("ValidationException", "Exactly one of stateMachineArn and mapRunArn must be specified")
        if map_run:
            return self._list_children(self.machines.map_run(map_run))
        status = self.asked.get("statusFilter")
        if "redriveFilter" in self.asked:
            raise ApiError("ValidationException", "redriveFilter can only be used with mapRunArn")
        if status == "PENDING_REDRIVE":
            raise ApiError("ValidationException", "The status PENDING_REDRIVE can only be used with mapRunArn")
        runs = [run for run in self.machines.runs(str(machine)) if status in (None, run.status)]
        page, token = self.pages.page([(run.number, run) for run in runs], falling=True)
        return ActionResult({"executions": [run.summary() for run in page], "nextToken": token})

    def get_execution_history(self) -> ActionResult:
        """GetExecutionHistory."""
        events = self.machines.run(self.asked["executionArn"]).events()
        backwards = bool(self.asked.get("reverseOrder"))
        data = bool(self.asked.get("includeExecutionData", True))
        numbered = [(event["id"], event) for event in (reversed(events) if backwards else events)]
        page, token = self.pages.page(numbered, falling=backwards)
        return History({"events": [_event(event, data) for event in page], **({"nextToken": token} if token else {})})

    def stop_execution(self) -> ActionResult:
        """StopExecution."""
        run = self.machines.halt(self.asked["executionArn"], self.asked.get("error"), self.asked.get("cause"))
        return ActionResult({"stopDate": instant(run.standing.stopped or run.started)})

    def redrive_execution(self) -> ActionResult:
        """RedriveExecution."""
        begun = self.machines.redrive(self.asked["executionArn"], self.asked.get("clientToken"))
        return ActionResult({"redriveDate": instant(begun)})

    def _list_children(self, map_run: MapRun) -> ActionResult:
        """The children of a Map Run that have begun, newest first."""
        status, redriven = self.asked.get("statusFilter"), self.asked.get("redriveFilter")
        entries = []
        for child in list(map_run.children):
            if child.run is None or status not in (None, child.status):
                continue
            entry = {**child.run.summary(), "status": child.status, "itemCount": child.items}
            if redriven is None or (entry["redriveCount"] > 0) == (redriven == "REDRIVEN"):
                entries.append((child.run.number, entry))
        page, token = self.pages.page(sorted(entries, key=lambda one: one[0], reverse=True), falling=True)
        return ActionResult({"executions": page, "nextToken": token})

    @property
    def _with_data(self) -> bool:
        return self.asked.get("includedData") != "METADATA_ONLY"


class History(ActionResult):
    """A page of events, which are as the API has them. moto would look in each for all sixty members that one can have:
    that took a third of the server's time."""

    def execute_result(self, context: ActionContext) -> TYPE_RESPONSE:
        """As moto's serializers do it."""
        version = context.service_model.metadata["jsonVersion"]
        return 200, {"Content-Type": f"application/x-amz-json-{version}"}, json.dumps(self.result)


def _event(event: dict[str, Any], data: bool) -> dict[str, Any]:
    shown = {**event, "timestamp": round(event["timestamp"] * 1e6) // 1000 / 1000}
    if data:
        return shown
    for name, details in shown.items():
        if name.endswith("EventDetails"):
            shown[name] = {key: value for key, value in details.items() if key not in ("input", "output")}
    return shown
