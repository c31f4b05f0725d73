"""Step Functions: executions of one state machine as `Run`s, their events, and the definitions they walk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws
from opsctl.domain.runs import RUNNING, Run, seconds, version_number
from opsctl.errors import RefusedError

PAGE = 1000
NEWS_PAGE = 100
PROBE, NO_JSON = "may-i-start", "{"
# Why a task token is not taken.
UNANSWERABLE = {
    "TaskTimedOut": "it does not wait any more: somebody else answered first, or its time was up",
    "TaskDoesNotExist": "its task is gone",
    "InvalidToken": "AWS does not know its task token: it is of another account or region",
    "InvalidOutput": "AWS does not take the answer as the task's output: it must be JSON of at most 262,144 bytes",
}


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN of the execution `name` of a machine."""
    return machine_arn.replace(":stateMachine:", ":execution:", 1) + f":{name}"


class StepFunctions:
    """One account's and region's Step Functions. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    @property
    def _client(self) -> Any:
        return self._aws.client("stepfunctions")

    def start(self, machine_arn: str, name: str, text: str) -> str:
        """Start a run of a machine, or on an alias of it, and return its ARN. The same name and input again, while it
        runs, is the same run."""
        from botocore.exceptions import ClientError

        with self._aws.explained("states:StartExecution", machine_arn):
            try:
                answer = self._client.start_execution(stateMachineArn=machine_arn, name=name, input=text)
            except ClientError as error:
                if code_of(error) == "ExecutionAlreadyExists":
                    raise RefusedError(f"a run {name} exists already", "choose another --name") from error
                raise
        arn: str = answer["executionArn"]
        return arn

    def demand_start(self, machine_arn: str) -> None:
        """Raise ConfigurationError where these credentials may not start a run, before anything is done for one.

        It asks for a run with an input that is no JSON, which AWS refuses once it has let the caller in: authorization
        comes before an action's own checks.
        """
        from botocore.exceptions import ClientError

        with self._aws.explained("states:StartExecution", machine_arn):
            try:
                self._client.start_execution(stateMachineArn=machine_arn, name=PROBE, input=NO_JSON)
            except ClientError as error:
                if code_of(error) != "InvalidExecutionInput":
                    raise

    def runs(self, machine_arn: str, status: str | None = None, page_size: int = PAGE) -> Iterator[Run]:
        """The machine's runs, or those of one status, newest first, without input and output; fetched page by page as
        they are read."""
        request = {"stateMachineArn": machine_arn} | ({"statusFilter": status} if status else {})
        with self._aws.explained("states:ListExecutions", machine_arn):
            paginator = self._client.get_paginator("list_executions")
            for page in paginator.paginate(**request, PaginationConfig={"PageSize": page_size}):
                yield from map(_run, page["executions"])

    def children(self, map_run_arn: str) -> Iterator[Run]:
        """The executions of a Map Run that are running."""
        with self._aws.explained("states:ListExecutions", map_run_arn):
            pages = self._client.get_paginator("list_executions")
            for page in pages.paginate(mapRunArn=map_run_arn, statusFilter=RUNNING):
                yield from map(_run, page["executions"])

    def describe(self, arn: str) -> Run:
        """One run with its input and, if it ended, its output or error."""
        with self._aws.explained("states:DescribeExecution", arn):
            return _run(self._client.describe_execution(executionArn=arn))

    def find(self, machine_arn: str, name: str) -> Run | None:
        """The machine's run of that name, or None."""
        from botocore.exceptions import ClientError

        arn = execution_arn(machine_arn, name)
        with self._aws.explained("states:DescribeExecution", arn):
            try:
                return _run(self._client.describe_execution(executionArn=arn))
            except ClientError as error:
                if code_of(error) == "ExecutionDoesNotExist":
                    return None
                raise

    def history(self, arn: str) -> Iterator[dict[str, Any]]:
        """All events of a run, oldest first."""
        with self._aws.explained("states:GetExecutionHistory", arn):
            paginator = self._client.get_paginator("get_execution_history")
            for page in paginator.paginate(executionArn=arn, PaginationConfig={"PageSize": PAGE}):
                yield from page["events"]

    def events_after(self, arn: str, last: int) -> list[dict[str, Any]]:
        """The events with ids above `last`, oldest first: one request unless more than a page has happened.

        For a run that AWS does not know yet, there are none: it may lag behind its own StartExecution.
        """
        from botocore.exceptions import ClientError

        found: list[dict[str, Any]] = []
        with self._aws.explained("states:GetExecutionHistory", arn):
            paginator = self._client.get_paginator("get_execution_history")
            settings = {"PageSize": NEWS_PAGE if last else PAGE}
            try:
                for page in paginator.paginate(executionArn=arn, reverseOrder=True, PaginationConfig=settings):
                    news = [event for event in page["events"] if event["id"] > last]
                    found += news
                    if len(news) < len(page["events"]):
                        break
            except ClientError as error:
                if last or code_of(error) != "ExecutionDoesNotExist":
                    raise
        return found[::-1]

    def machine(self, machine_arn: str) -> dict[str, Any] | None:
        """DescribeStateMachine's answer, or None where there is no such machine."""
        from botocore.exceptions import ClientError

        with self._aws.explained("states:DescribeStateMachine", machine_arn):
            try:
                answer: dict[str, Any] = self._client.describe_state_machine(stateMachineArn=machine_arn)
            except ClientError as error:
                if code_of(error) in ("StateMachineDoesNotExist", "ResourceNotFoundException"):
                    return None
                raise
            return answer

    def leads_to(self, arn: str) -> str:
        """The ARN of what a run walks that is started now on an alias: a version. Any other ARN leads to itself.

        Of an alias that somebody has split between two versions, the one that most runs walk.
        """
        if len(arn.split(":")) < 8 or version_number(arn) is not None:
            return arn
        with self._aws.explained("states:DescribeStateMachineAlias", arn):
            routes = self._client.describe_state_machine_alias(stateMachineAliasArn=arn)["routingConfiguration"]
        version: str = max(routes, key=lambda route: route["weight"])["stateMachineVersionArn"]
        return version

    def definition(self, arn: str) -> dict[str, Any]:
        """The definition of a machine, or of one of its versions: of the latter, what `leads_to` found."""
        with self._aws.explained("states:DescribeStateMachine", arn):
            return _definition(self._client.describe_state_machine(stateMachineArn=arn))

    def definition_of_run(self, arn: str) -> dict[str, Any]:
        """The definition that this run walks or walked."""
        with self._aws.explained("states:DescribeStateMachineForExecution", arn):
            return _definition(self._client.describe_state_machine_for_execution(executionArn=arn))

    def map_runs(self, arn: str) -> list[str]:
        """The ARNs of the Map Runs of a run."""
        with self._aws.explained("states:ListMapRuns", arn):
            return [item["mapRunArn"] for item in self._client.list_map_runs(executionArn=arn)["mapRuns"]]

    def map_run(self, arn: str) -> dict[str, Any]:
        """A distributed Map's run, as DescribeMapRun tells it."""
        with self._aws.explained("states:DescribeMapRun", arn):
            answer: dict[str, Any] = self._client.describe_map_run(mapRunArn=arn)
        return answer

    def redrive(self, arn: str, token: str) -> bool:
        """Redrive a run; False where it runs already, as it does once somebody else has redriven it.

        `token` names the intent: AWS takes the same one again, for a quarter of an hour, as the same redrive.
        Raises RefusedError with AWS's reason for a run that cannot be redriven.
        """
        from botocore.exceptions import ClientError

        with self._aws.explained("states:RedriveExecution", arn):
            try:
                self._client.redrive_execution(executionArn=arn, clientToken=token)
            except ClientError as error:
                if code_of(error) != "ExecutionNotRedrivable":
                    raise
                text = " ".join(str(error.response["Error"].get("Message", "")).split())
                if "is RUNNING" in text or self.describe(arn).status == RUNNING:
                    return False
                raise RefusedError(f"AWS refuses to redrive it: {text}", "rerun it instead: --rerun") from error
        return True

    def stop(self, arn: str, error: str, cause: str | None) -> None:
        """Abort a run. Does nothing to one that has ended."""
        with self._aws.explained("states:StopExecution", arn):
            self._client.stop_execution(executionArn=arn, error=error, **({} if cause is None else {"cause": cause}))

    def succeed_task(self, token: str, output: str, arn: str) -> None:
        """Answer a task of the run `arn` with its output, as JSON text. Raises RefusedError where it is not taken."""
        succeeded = {"taskSucceededEventDetails": {"output": output}}
        send = partial(self._client.send_task_success, taskToken=token, output=output)
        self._answer("SendTaskSuccess", arn, send, succeeded)

    def fail_task(self, token: str, error: str, cause: str, arn: str) -> None:
        """Answer a task of the run `arn` with a failure. Raises RefusedError where the answer is not taken."""
        failed = {"taskFailedEventDetails": {"error": error, "cause": cause}}
        send = partial(self._client.send_task_failure, taskToken=token, error=error, cause=cause)
        self._answer("SendTaskFailure", arn, send, failed)

    def _answer(self, action: str, arn: str, send: Callable[[], Any], told: Mapping[str, Any]) -> None:
        """`told` is what the run's history holds once the answer was taken."""
        from botocore.exceptions import ClientError

        with self._aws.explained(f"states:{action}", arn):
            try:
                send()
            except ClientError as error:
                if code_of(error) not in UNANSWERABLE:
                    raise
                if _was_repeated(error) and any(_says(event, told) for event in self.history(arn)):
                    return  # an earlier attempt at this very call was taken, and its answer was lost on the way
                raise RefusedError(UNANSWERABLE[code_of(error)]) from error


def _was_repeated(error: Any) -> bool:
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))


def _says(event: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether an event of a history has these details, among others."""
    return all(details.items() <= event.get(name, {}).items() for name, details in told.items())


def _definition(answer: dict[str, Any]) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(answer["definition"])
    return definition


def _run(answer: dict[str, Any]) -> Run:
    stopped, redriven = answer.get("stopDate"), answer.get("redriveDate")
    return Run(
        name=answer["name"],
        arn=answer["executionArn"],
        machine_arn=answer["stateMachineArn"],
        status=answer["status"],
        started=seconds(answer["startDate"]),
        stopped=None if stopped is None else seconds(stopped),
        redrives=int(answer.get("redriveCount") or 0),
        input=answer.get("input"),
        output=answer.get("output"),
        error=answer.get("error"),
        cause=answer.get("cause"),
        redriven=None if redriven is None else seconds(redriven),
        redrive_status=answer.get("redriveStatus"),
        redrive_reason=answer.get("redriveStatusReason"),
        version=version_number(answer.get("stateMachineVersionArn")),
        alias=(answer.get("stateMachineAliasArn") or "").rpartition(":")[2] or None,
    )
