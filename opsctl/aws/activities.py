"""An activity, as its workers see it: tasks to fetch, heartbeats, answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws
from opsctl.errors import ConfigurationError

# A task that cannot be answered any more: its time was up, its run was stopped, or somebody answered it already.
_OVER = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


@dataclass(frozen=True, slots=True)
class Task:
    """One task of an activity; `input` is JSON text."""

    token: str
    input: str


class NoActivityError(ConfigurationError):
    """There is no such activity, or not any more."""


class Activity:
    """One activity. Every method raises what `aws.errors` makes of AWS's errors; safe to use from any thread."""

    def __init__(self, aws: Aws, arn: str) -> None:
        self._aws, self.arn = aws, arn
        self._client: Any = aws.client("stepfunctions")

    def poll(self, worker: str) -> Task | None:
        """The next task, for which AWS is asked for up to a minute; None if none came. A task whose answer is lost on
        the wire is lost to every worker: its state's HeartbeatSeconds ends it. Raises NoActivityError."""
        from botocore.exceptions import ClientError

        with self._aws.explained("states:GetActivityTask", self.arn):
            try:
                answer = self._client.get_activity_task(activityArn=self.arn, workerName=worker)
            except ClientError as error:
                if code_of(error) not in ("ActivityDoesNotExist", "InvalidArn"):
                    raise
                raise NoActivityError(
                    f"there is no activity {self.arn}", "aws stepfunctions list-activities shows those there are"
                ) from error
        token = answer.get("taskToken")
        return Task(token, answer.get("input") or "{}") if token else None

    def beat(self, task: Task) -> bool:
        """Say that the task is being worked on; False if nobody waits for it any more."""
        return self._send("SendTaskHeartbeat", "send_task_heartbeat", task)

    def succeed(self, task: Task, output: str) -> bool:
        """Answer with the task's output, JSON text; False if nobody waits for it any more."""
        return self._send("SendTaskSuccess", "send_task_success", task, output=output)

    def fail(self, task: Task, error: str, cause: str) -> bool:
        """Answer with a failure; False if nobody waits for it any more."""
        return self._send("SendTaskFailure", "send_task_failure", task, error=error, cause=cause)

    def _send(self, action: str, method: str, task: Task, **more: str) -> bool:
        from botocore.exceptions import ClientError

        with self._aws.explained(f"states:{action}", self.arn):
            try:
                getattr(self._client, method)(taskToken=task.token, **more)
            except ClientError as error:
                if code_of(error) in _OVER:
                    return False
                raise
        return True
