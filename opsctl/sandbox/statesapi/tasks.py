"""Activities, and tasks that wait for somebody to tell their outcome by token."""

from __future__ import annotations

from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.exceptions import InvalidToken

from opsctl.asl.effects import Failed, Heartbeat, Outcome, Succeeded
from opsctl.asl.payload import Payload
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.integrations.casing import compact
from opsctl.sandbox.statemachines import PAYLOAD_BYTES
from opsctl.sandbox.statesapi.actions import Actions
from opsctl.sandbox.tokens import ClosedTokenError, UnknownTokenError

POLL_SECONDS = 60.0


class TaskActions(Actions):
    """The actions of workers."""

    def list_activities(self) -> ActionResult:
        """ListActivities, oldest first."""
        numbered = [(int(one.creation_date.timestamp() * 1_000_000), one) for one in self.machines.activities.values()]
        page, token = self.pages.page(sorted(numbered, key=lambda entry: entry[0]))
        entries = [{"activityArn": one.arn, "name": one.name, "creationDate": one.creation_date} for one in page]
        return ActionResult({"activities": entries, "nextToken": token})

    def get_activity_task(self) -> ActionResult:
        """GetActivityTask: an answer without token after a minute in which no task came."""
        arn = self.machines.describe_activity(self.asked["activityArn"]).arn
        task = self.machines.counter.take(arn, self.asked.get("workerName"), POLL_SECONDS)
        if task is None:
            return ActionResult({})
        return ActionResult({"taskToken": task.effect.token, "input": compact(task.effect.parameters)})

    def send_task_success(self) -> EmptyResult:
        """SendTaskSuccess. An output that is refused does not use the token up."""
        output: str = self.asked["output"]
        try:
            _ = Payload(text=output).value
        except ValueError as error:
            raise ApiError("InvalidOutput", f"Invalid Output: '{error}'") from error
        if len(output.encode()) > PAYLOAD_BYTES:
            raise ApiError("InvalidOutput", f"Invalid Output: 'Output exceeds {PAYLOAD_BYTES} bytes'")
        return self._answer(Succeeded(output))

    def send_task_failure(self) -> EmptyResult:
        """SendTaskFailure."""
        return self._answer(Failed(self.asked.get("error", ""), self.asked.get("cause", "")))

    def send_task_heartbeat(self) -> EmptyResult:
        """SendTaskHeartbeat."""
        return self._answer(Heartbeat())

    def _answer(self, outcome: Outcome) -> EmptyResult:
        try:
            self.machines.engine.answer(self.asked["taskToken"], outcome)
        except ClosedTokenError as error:
            message = "Task Timed Out: 'Provided task does not exist anymore'"
            raise ApiError("TaskTimedOut", message) from error
        except UnknownTokenError as error:
            raise InvalidToken("'Invalid token'") from error
        return EmptyResult()
