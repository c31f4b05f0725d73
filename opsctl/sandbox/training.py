"""SageMaker training jobs: the API on moto's backend, each job a real subprocess under the container contract."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import moto.sagemaker.models
import moto.sagemaker.urls
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.models import SageMakerModelBackend

from opsctl.sandbox.api import ApiError, serve, validation_error
from opsctl.sandbox.endpoints import EndpointActions
from opsctl.sandbox.jobfaults import HEADER, JobFault, job_fault
from opsctl.sandbox.trainingjob import TrainingJob
from opsctl.sandbox.trainingrules import check, check_trust
from opsctl.sandbox.trainingrun import run
from opsctl.sandbox.transforms import TransformActions
from opsctl.sandbox.world import World

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class TrainingBackend(SageMakerModelBackend):
    """moto's SageMaker, with training jobs that run."""

    world: ClassVar[World]
    changed: ClassVar[Callable[[dict[str, Any]], None]]
    _url_module = moto.sagemaker.urls

    @property
    def own_jobs(self) -> dict[str, TrainingJob]:
        """moto's table of jobs, which holds ours: its lists, searches and tags read it."""
        jobs: Any = self.training_jobs
        found: dict[str, TrainingJob] = jobs
        return found

    def run_training_job(self, request: dict[str, Any], fault: JobFault | None = None) -> TrainingJob:
        """CreateTrainingJob of a job that a fault may befall.

        Raises ApiError for a bad name, a bad metric pattern, a name in use, and what SageMaker would not start.
        """
        name = request["TrainingJobName"]
        if not NAME.fullmatch(name):
            pattern = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
            raise validation_error(name, "trainingJobName", pattern)
        check(self.world, request)
        arn = self.world.arn("sagemaker", f"training-job/{name}")
        check_trust(self.world, request["RoleArn"], arn)
        try:
            job = TrainingJob(arn, request, type(self).changed, fault)
        except re.error as error:
            raise ApiError("ValidationException", f"Invalid metric definition regex: {error}") from error
        # One step, so that of two requests with one name exactly one wins.
        if self.own_jobs.setdefault(name, job) is not job:
            raise ApiError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, and a training job with this "
                f"name already exists ({arn})",
            )
        job.move("Starting", "InProgress")
        self._begin(job)
        return job

    def take_up(self) -> None:
        """Go on with the jobs that were there when a server before this one ended."""
        for job in list(self.own_jobs.values()):
            if job.take_up(type(self).changed):
                self._begin(job)

    def _begin(self, job: TrainingJob) -> None:
        name = f"training-{job.training_job_name}"
        threading.Thread(target=run, args=(self.world, job), name=name, daemon=True).start()

    def stop_training_job(self, name: str) -> None:
        """StopTrainingJob: SIGTERM now, SIGKILL after the grace. Raises ApiError unless the job is InProgress."""
        job = self.own_jobs.get(name)
        if job is None:
            raise ApiError("ValidationException", "Requested resource not found.")
        if job.training_job_status not in ("InProgress", "Stopping"):
            status = job.training_job_status
            message = f"The request was rejected because the training job is in status {status}."
            raise ApiError("ValidationException", message)
        job.stop()


class TrainingResponse(EndpointActions, TransformActions):
    """The actions on training jobs that moto lacks or answers too simply; the others it inherits."""

    def create_training_job(self) -> ActionResult:
        """CreateTrainingJob."""
        job = self._backend.run_training_job(json.loads(self.body), job_fault(self.headers.get(HEADER)))
        return ActionResult({"TrainingJobArn": job.arn})

    def stop_training_job(self) -> EmptyResult:
        """StopTrainingJob."""
        self._backend.stop_training_job(self._get_param("TrainingJobName"))
        return EmptyResult()

    @property
    def _backend(self) -> TrainingBackend:
        backend: Any = self.sagemaker_backend
        found: TrainingBackend = backend
        return found


def training(world: World) -> TrainingBackend:
    """The backend of the sandbox's account and region."""
    backend: Any = moto.sagemaker.models.sagemaker_backends[world.account][world.region]
    found: TrainingBackend = backend
    return found


def install(world: World, changed: Callable[[dict[str, Any]], None]) -> None:
    """Put the backend and the actions in place. `changed` hears each change of a job's document."""
    TrainingBackend.world = world
    TrainingBackend.changed = staticmethod(changed)
    moto.sagemaker.models.sagemaker_backends.backend = TrainingBackend
    serve(moto.sagemaker.urls, TrainingResponse)
