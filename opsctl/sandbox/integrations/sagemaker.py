"""`sagemaker:createTrainingJob.sync`, `createTransformJob.sync`: the state waits, and takes the job's description."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from opsctl.asl.effects import Failed, Succeeded
from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.integrations.calls import Calls, TaskError, document
from opsctl.sandbox.integrations.casing import compact
from opsctl.sandbox.machineroles import SESSION
from opsctl.sandbox.tasks import Task
from opsctl.sandbox.training import training
from opsctl.sandbox.transforms import stop_transform_job, transform_jobs
from opsctl.sandbox.world import World


class Job(Protocol):
    """What both kinds of jobs have."""

    arn: str
    ended: Future[dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """One kind of job: what its API calls it, what its ARN does, and where it is found and how it is stopped."""

    title: str
    path: str
    find: Callable[[World, str], Job]
    stop: Callable[[World, str], None]


KINDS = {
    "createTrainingJob": Kind(
        "TrainingJob",
        "training-job",
        lambda world, name: training(world).own_jobs[name],
        lambda world, name: training(world).stop_training_job(name),
    ),
    "createTransformJob": Kind(
        "TransformJob",
        "transform-job",
        lambda world, name: transform_jobs(world)[name],
        lambda world, name: stop_transform_job(transform_jobs(world)[name]),
    ),
}


class SageMaker:
    """Follows training and transform jobs."""

    actions = frozenset(KINDS)

    def __init__(self, world: World, calls: Calls) -> None:
        self._world = world
        self._calls = calls

    def prepare(self, task: Task, parameters: dict[str, Any]) -> dict[str, Any]:
        """The request with the tags by which AWS marks jobs that a state machine started."""
        kind = _kind(task)
        try:
            # Step Functions looks at the job's tags (developer guide, IAM policies for SageMaker).
            job = self._world.arn("sagemaker", f"{kind.path}/{parameters.get(f'{kind.title}Name', '')}")
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
        kind = _kind(task)
        name = answer[f"{kind.title}Arn"].rpartition("/")[2]
        job = kind.find(self._world, name)
        job.ended.add_done_callback(lambda ended: self._ended(task, kind, ended.result()))
        role, needed = task.run.origin.role, Need(f"sagemaker:Stop{kind.title}", (job.arn,))
        task.on_abandon(lambda: self._stop(kind, name) if self._world.access.may(role, SESSION, needed) else None)

    def _ended(self, task: Task, kind: Kind, final: dict[str, Any]) -> None:
        try:
            needed = Need(f"sagemaker:Describe{kind.title}", (final[f"{kind.title}Arn"],))
            self._world.access.demand(task.run.origin.role, SESSION, needed)
        except DeniedError as denied:
            task.tell(Failed("SageMaker.AmazonSageMakerException", str(denied)))
            return
        text = compact(document(self._calls.shape("sagemaker", f"Describe{kind.title}"), final))
        status = final[f"{kind.title}Status"]
        good = status == "Completed" or (status == "Stopped" and self._world.stopped_jobs == "succeed")
        task.tell(Succeeded(text) if good else Failed("States.TaskFailed", text))

    def _stop(self, kind: Kind, name: str) -> None:
        try:
            kind.stop(self._world, name)
        except ApiError:  # it has ended meanwhile
            return


def _kind(task: Task) -> Kind:
    return KINDS[task.effect.resource.rpartition(":")[2].removesuffix(".sync")]
