"""`sagemaker:createTrainingJob.sync`: the state waits for the job and takes its description as output."""

from __future__ import annotations

from typing import Any

from opsctl.asl.effects import Failed, Succeeded
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.integrations.calls import Calls, document
from opsctl.sandbox.integrations.casing import compact
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
        task.on_abandon(lambda: _stop(backend, job.training_job_name))

    def _ended(self, task: Task, final: dict[str, Any]) -> None:
        text = compact(document(self._calls.shape("sagemaker", "DescribeTrainingJob"), final))
        status = final["TrainingJobStatus"]
        good = status == "Completed" or (status == "Stopped" and self._world.stopped_jobs == "succeed")
        task.tell(Succeeded(text) if good else Failed("States.TaskFailed", text))


def _stop(backend: TrainingBackend, name: str) -> None:
    try:
        backend.stop_training_job(name)
    except ApiError:  # it has ended meanwhile
        return
