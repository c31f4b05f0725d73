"""`batch:submitJob.sync`: the state waits for the job and takes its description as output."""

from __future__ import annotations

from typing import Any

from opsctl.asl.effects import Failed, Succeeded
from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.batch import batch
from opsctl.sandbox.integrations.calls import Calls, document
from opsctl.sandbox.integrations.casing import compact
from opsctl.sandbox.machineroles import SESSION
from opsctl.sandbox.tasks import Task
from opsctl.sandbox.world import World

ABANDONED = "Job terminated by Step Functions: the execution no longer waits for it"


class Batch:
    """Follows Batch jobs."""

    actions = frozenset({"submitJob"})

    def __init__(self, world: World, calls: Calls) -> None:
        self._world = world
        self._calls = calls

    def prepare(self, task: Task, parameters: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The request with the variable by which AWS marks jobs that a state machine started."""
        overrides = dict(parameters.get("ContainerOverrides") or {})
        mark = {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
        overrides["Environment"] = [*(overrides.get("Environment") or []), mark]
        return {**parameters, "ContainerOverrides": overrides}

    def follow(self, task: Task, answer: dict[str, Any]) -> None:
        """Tell the job's end when it comes; terminate the job if nobody waits any more."""
        backend = batch(self._world)
        job = backend.own_jobs[answer["JobId"]]
        job.ended.add_done_callback(lambda ended: self._ended(task, ended.result()))
        role, needed = task.run.origin.role, Need("batch:TerminateJob", (job.arn,))
        task.on_abandon(
            lambda: (
                backend.terminate_job(job.job_id, ABANDONED) if self._world.access.may(role, SESSION, needed) else None
            )
        )

    def _ended(self, task: Task, final: dict[str, Any]) -> None:
        try:
            self._world.access.demand(task.run.origin.role, SESSION, Need("batch:DescribeJobs", ("*",)))
        except DeniedError as denied:
            task.tell(Failed("Batch.AWSBatchException", str(denied)))
            return
        shape = self._calls.shape("batch", "DescribeJobs").members["jobs"].member
        text = compact(document(shape, final))
        task.tell(Succeeded(text) if final["status"] == "SUCCEEDED" else Failed("States.TaskFailed", text))
