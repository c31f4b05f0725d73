"""`sagemaker:createTrainingJob.sync`: the state waits for the job and takes its description as output."""

from __future__ import annotations

from typing import Any

from opsctl.asl.effects import Failed, Succeeded
from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.integrations.calls import Calls, TaskError, document
from opsctl.sandbox.integrations.casing import compact
from opsctl.sandbox.machineroles import SESSION
from opsctl.sandbox.tasks import Task
from opsctl.sandbox.training import TrainingBackend, training
from opsctl.sandbox.world import World


class SageMaker:
    """Follows training jobs."""

    actions = frozenset({"createTrainingJob"})

    def __init__(self, world: World, calls: Calls) -> None:
        self._world = world
        self._calls = calls

    def prepare(self, task: Task, parameters: dict[str, Any]) -> dict[str, Any]:
        """The request with the tags by which AWS marks jobs that a state machine started."""
        try:
            # Step Functions looks at the job's tags (developer guide, IAM policies for SageMaker).
            job = self._world.arn("sagemaker", f"training-job/{parameters.get('TrainingJobName', '')}")
            self._world.access.demand(task.run.origin.role, SESSION, Need("sagemaker:ListTags", (job,)))
        except DeniedError as denied:
            raise TaskError("SageMaker.AmazonSageMakerException", str(denied)) from denied
        marks = [
            {"Key": "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "Value": task.run.arn},
            {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"},
        ]
        return {**parameters, "Tags": [*(parameters.get("Tags") or []), *marks]}

    def follow(self, task: Task, answer: dict[str, Any]) -> None:
        """Tell the job's end when it comes; stop the job if nobody waits any more."""
        backend = training(self._world)
        job = backend.own_jobs[answer["TrainingJobArn"].rpartition("/")[2]]
        job.ended.add_done_callback(lambda ended: self._ended(task, ended.result()))
        role, needed = task.run.origin.role, Need("sagemaker:StopTrainingJob", (job.arn,))
        task.on_abandon(
            lambda: _stop(backend, job.training_job_name) if self._world.access.may(role, SESSION, needed) else None
        )

    def _ended(self, task: Task, final: dict[str, Any]) -> None:
        try:
            needed = Need("sagemaker:DescribeTrainingJob", (final["TrainingJobArn"],))
            self._world.access.demand(task.run.origin.role, SESSION, needed)
        except DeniedError as denied:
            task.tell(Failed("SageMaker.AmazonSageMakerException", str(denied)))
            return
        text = compact(document(self._calls.shape("sagemaker", "DescribeTrainingJob"), final))
        status = final["TrainingJobStatus"]
        good = status == "Completed" or (status == "Stopped" and self._world.stopped_jobs == "succeed")
        task.tell(Succeeded(text) if good else Failed("States.TaskFailed", text))


def _stop(backend: TrainingBackend, name: str) -> None:
    try:
        backend.stop_training_job(name)
    except ApiError:  # it has ended meanwhile
        return
