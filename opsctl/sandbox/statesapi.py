"""The Step Functions actions that moto lacks, or answers otherwise than AWS."""

from __future__ import annotations

import base64
import json
from typing import Any

import moto.stepfunctions.urls
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.exceptions import InvalidToken
from moto.stepfunctions.models import stepfunctions_backends
from moto.stepfunctions.responses import StepFunctionResponse

from opsctl import asl
from opsctl.asl.effects import Failed, Heartbeat, Outcome, Succeeded
from opsctl.sandbox.api import ApiError, serve
from opsctl.sandbox.engine import ClosedTokenError, UnknownTokenError
from opsctl.sandbox.runs import instant
from opsctl.sandbox.statemachines import PAYLOAD_BYTES, MachinesBackend

PAGE = 100
LARGEST_PAGE = 1000
SEVERITIES = {"ERROR": ("ERROR",), "WARNING": ("ERROR", "WARNING")}


class StatesResponse(StepFunctionResponse):
    """Each method is an action, in AWS's name in snake case."""

    @property
    def machines(self) -> MachinesBackend:
        """The backend of the request's account and region."""
        backend: Any = stepfunctions_backends[self.current_account][self.region]
        found: MachinesBackend = backend
        return found

    # state machines

    def validate_state_machine_definition(self) -> ActionResult:
        """ValidateStateMachineDefinition."""
        shown = SEVERITIES[self._get_param("severity") or "ERROR"]
        most = self._get_int_param("maxResults") or 100
        found = _findings(self._get_param("definition"))
        listed = [
            {"severity": one.severity, "code": one.code, "message": one.message, "location": one.location}
            for one in found
            if one.severity in shown
        ]
        failed = any(one.severity == "ERROR" for one in found)
        answer = {"result": "FAIL" if failed else "OK", "diagnostics": listed[:most], "truncated": len(listed) > most}
        return ActionResult(answer)

    def list_state_machine_versions(self) -> ActionResult:
        """ListStateMachineVersions, newest first."""
        versions = self.machines.versions(self._get_param("stateMachineArn"))
        page, token = self._page([(version.version, version) for version in versions])
        entries = [{"stateMachineVersionArn": one.arn, "creationDate": one.creation_date} for one in page]
        return ActionResult({"stateMachineVersions": entries, "nextToken": token})

    def publish_state_machine_version(self) -> ActionResult:
        """PublishStateMachineVersion."""
        version = self.machines.publish(self._get_param("stateMachineArn"), self._get_param("description"))
        return ActionResult({"creationDate": version.creation_date, "stateMachineVersionArn": version.arn})

    def delete_state_machine_version(self) -> EmptyResult:
        """DeleteStateMachineVersion."""
        self.machines.delete_version(self._get_param("stateMachineVersionArn"))
        return EmptyResult()

    # executions

    def start_execution(self) -> ActionResult:
        """StartExecution."""
        text = self._get_param("input")
        run = self.machines.launch(
            self._get_param("stateMachineArn"), self._get_param("name"), "{}" if text is None else text
        )
        return ActionResult({"executionArn": run.arn, "startDate": instant(run.started)})

    def describe_execution(self) -> ActionResult:
        """DescribeExecution."""
        return ActionResult(self.machines.run(self._get_param("executionArn")).describe())

    def describe_state_machine_for_execution(self) -> ActionResult:
        """DescribeStateMachineForExecution: the definition that the execution started with."""
        origin = self.machines.run(self._get_param("executionArn")).origin
        named = {"stateMachineArn": origin.arn, "name": origin.name, "roleArn": origin.role}
        return ActionResult({**named, "definition": origin.definition, **origin.description})

    def list_executions(self) -> ActionResult:
        """ListExecutions, newest first."""
        arn = self._get_param("stateMachineArn")
        if not arn:
            raise ApiError("ValidationException", "The sandbox lists the executions of a stateMachineArn only")
        if self._get_param("redriveFilter"):
            raise ApiError("ValidationException", "redriveFilter must not be set with stateMachineArn")
        status = self._get_param("statusFilter")
        runs = [run for run in self.machines.runs(arn) if status in (None, run.status)]
        page, token = self._page([(run.number, run) for run in runs])
        return ActionResult({"executions": [run.summary() for run in page], "nextToken": token})

    def get_execution_history(self) -> ActionResult:
        """GetExecutionHistory."""
        events = self.machines.run(self._get_param("executionArn")).events()
        backwards = bool(self._get_param("reverseOrder"))
        start = _position(self._get_param("nextToken"))
        size = min(self._get_int_param("maxResults") or PAGE, LARGEST_PAGE)
        order = range(len(events) - 1, -1, -1) if backwards else range(len(events))
        chosen = order[start : start + size]
        data = self._get_param("includeExecutionData", True)
        token = _token(start + size) if start + size < len(events) else None
        return ActionResult({"events": [_event(events[index], bool(data)) for index in chosen], "nextToken": token})

    def stop_execution(self) -> ActionResult:
        """StopExecution."""
        arn, error, cause = (self._get_param(name) for name in ("executionArn", "error", "cause"))
        run = self.machines.halt(arn, error, cause)
        return ActionResult({"stopDate": instant(run.standing.stopped or run.started)})

    def redrive_execution(self) -> ActionResult:
        """RedriveExecution."""
        begun = self.machines.redrive(self._get_param("executionArn"), self._get_param("clientToken"))
        return ActionResult({"redriveDate": instant(begun)})

    # tasks that wait for a token

    def send_task_success(self) -> EmptyResult:
        """SendTaskSuccess."""
        output = self._get_param("output") or ""
        try:
            json.loads(output)
        except ValueError as error:
            raise ApiError("InvalidOutput", f"Invalid Output: '{error}'") from error
        if len(output.encode()) > PAYLOAD_BYTES:
            raise ApiError("InvalidOutput", f"Invalid Output: 'Output exceeds {PAYLOAD_BYTES} bytes'")
        return self._answer(Succeeded(output))

    def send_task_failure(self) -> EmptyResult:
        """SendTaskFailure."""
        return self._answer(Failed(self._get_param("error") or "", self._get_param("cause") or ""))

    def send_task_heartbeat(self) -> EmptyResult:
        """SendTaskHeartbeat."""
        return self._answer(Heartbeat())

    def _answer(self, outcome: Outcome) -> EmptyResult:
        try:
            self.machines.engine.answer(self._get_param("taskToken") or "", outcome)
        except ClosedTokenError as error:
            message = "Task Timed Out: 'Provided task does not exist anymore'"
            raise ApiError("TaskTimedOut", message) from error
        except UnknownTokenError as error:
            raise InvalidToken("'Invalid token'") from error
        return EmptyResult()

    def _page(self, entries: list[tuple[int, Any]]) -> tuple[list[Any], str | None]:
        """One page of entries that are in falling order of their numbers; a token names the last number shown."""
        size = min(self._get_int_param("maxResults") or PAGE, LARGEST_PAGE)
        token = self._get_param("nextToken")
        if token:
            last = _position(token)
            entries = [entry for entry in entries if entry[0] < last]
        page = entries[:size]
        return [entry for _, entry in page], _token(page[-1][0]) if len(entries) > size else None


def install() -> None:
    """Put the actions in place."""
    serve(moto.stepfunctions.urls, StatesResponse)


def _findings(definition: str) -> tuple[asl.Diagnostic, ...]:
    found = asl.validate(definition)
    if not any(one.severity == "ERROR" for one in found):
        try:
            asl.parse(definition)
        except asl.InvalidDefinition as error:
            found += error.diagnostics
    return found


def _event(event: dict[str, Any], data: bool) -> dict[str, Any]:
    shown = {**event, "timestamp": instant(event["timestamp"])}
    if data:
        return shown
    for name, details in shown.items():
        if name.endswith("EventDetails"):
            shown[name] = {key: value for key, value in details.items() if key not in ("input", "output")}
    return shown


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def _position(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise InvalidToken("'Invalid token'") from error
