"""SageMaker training jobs: the API on moto's backend, each job a real subprocess under the container contract."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import moto.sagemaker.models
import moto.sagemaker.urls
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.models import SageMakerModelBackend

from opsctl.sandbox import container
from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.api import ApiError, serve, validation_error
from opsctl.sandbox.endpoints import EndpointActions
from opsctl.sandbox.faults import HOST_LOST
from opsctl.sandbox.jobroles import pulling, writer, writes_metrics
from opsctl.sandbox.jobs import Room, room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.processes import Process
from opsctl.sandbox.storage import Mirror, NoSuchBucketError, Storage
from opsctl.sandbox.trainingjob import TrainingJob
from opsctl.sandbox.trainingrules import check
from opsctl.sandbox.world import World

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DAY_SECONDS = 86400
SYNC_SECONDS = 1.0
INTERRUPTED = "Interrupted"
HOST_FAILED = "InternalServerError: We encountered an internal error. Please try again."
logger = logging.getLogger(__name__)


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

    def run_training_job(self, request: dict[str, Any], host_lost: float | None = None) -> TrainingJob:
        """CreateTrainingJob. With `host_lost` the program loses its host, once, so many seconds after it began.

        Raises ApiError for a bad name, a bad metric pattern, a name in use, and what SageMaker would not start.
        """
        name = request["TrainingJobName"]
        if not NAME.fullmatch(name):
            pattern = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
            raise validation_error(name, "trainingJobName", pattern)
        check(self.world, request)
        arn = self.world.arn("sagemaker", f"training-job/{name}")
        role = request["RoleArn"]
        if not self.world.access.trusts(role, "sagemaker.amazonaws.com", arn):
            raise ApiError(
                "ValidationException",
                f"Could not assume role {role}. Please ensure that the role exists and allows principal "
                "'sagemaker.amazonaws.com' to assume the role.",
            )
        try:
            job = TrainingJob(arn, request, type(self).changed, host_lost)
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
        threading.Thread(target=_run, args=(self.world, job), name=f"training-{name}", daemon=True).start()
        return job

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


class TrainingResponse(EndpointActions):
    """The actions on training jobs that moto lacks or answers too simply; those on endpoints it inherits."""

    def create_training_job(self) -> ActionResult:
        """CreateTrainingJob."""
        lost = self.headers.get(HOST_LOST)
        job = self._backend.run_training_job(json.loads(self.body), float(lost) if lost else None)
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


def _run(world: World, job: TrainingJob) -> None:
    """A job's life, in its own thread: it ends Completed, Failed or Stopped whatever happens."""
    outcome: tuple[str, str, str | None] | None = None
    try:
        while outcome is None:  # on another host each time, from the last checkpoint
            with room(world, "training", job.training_job_name, job.request["RoleArn"]) as place:
                outcome = _train(world, job, place)
    except container.InputError as error:
        outcome = ("Failed", "Failed", str(error))
    except DeniedError as denied:
        outcome = ("Failed", "Failed", f"ClientError: {denied}")
    except NoSuchBucketError as error:
        outcome = ("Failed", "Failed", f"ClientError: The specified bucket does not exist: {error}")
    except Exception as error:
        logger.exception("training job %s", job.training_job_name)
        outcome = ("Failed", "Failed", f"InternalServerError: {error}")
    job.move(*outcome)


def _train(world: World, job: TrainingJob, place: Room) -> tuple[str, str, str | None] | None:
    """Download, run, upload. Returns secondary status, status and failure reason, or None for a host that was lost."""
    role = job.request["RoleArn"]
    demand = partial(world.access.demand, role, "SageMaker")
    demand(*pulling(job.request["AlgorithmSpecification"].get("TrainingImage", "")))
    volume = (job.request.get("ResourceConfig") or {}).get("VolumeKmsKeyId")
    world.access.demand_key(role, "SageMaker", volume, ["kms:CreateGrant"], "sagemaker", {})
    storage = Storage(world.account, demand)
    job.move("Downloading")
    container.prepare(job, place.base, storage)
    if job.stopping:
        return ("Stopped", "Stopped", None)
    local = container.checkpoints(job, place.base)
    mirror = Mirror(storage, local, job.request["CheckpointConfig"]["S3Uri"]) if local else None
    job.move("Training")
    log = LogStream(
        world.account, world.region, LOG_GROUP, f"{job.training_job_name}/algo-1-{int(time.time())}",
        writer(world, role, "SageMaker"),
    )  # fmt: skip
    measured = writes_metrics(world.access, role)

    def on_line(line: str) -> None:
        log.write(line)
        if measured:
            job.read_metrics(line)

    process = place.start(
        container.command(job, place.base),
        container.variables(job, place.base),
        on_line,
        directory=place.base,
        isolated=bool(job.request.get("EnableNetworkIsolation")),
    )
    job.attach(lambda: process.stop(world.grace))
    try:
        code, ending = _attend(world, job, process, mirror)
        if mirror:
            mirror.synchronise()
    except DeniedError:  # of a checkpoint
        process.stop(world.grace)
        raise
    if ending == INTERRUPTED and not job.stopping:
        return _lose_host(job)
    if code and not job.stopping:
        return ("Failed", "Failed", container.failure_reason(place.base, code))
    job.move("Uploading")
    container.upload(job, place.base, storage)
    if job.stopping:
        return ("Stopped" if ending in (None, INTERRUPTED) else ending, "Stopped", None)
    return ("Completed", "Completed", None)


def _attend(world: World, job: TrainingJob, process: Process, mirror: Mirror | None) -> tuple[int, str | None]:
    """Wait for the process, keeping its checkpoints, its time limits and its host.

    Returns its exit status, and which limit or loss ended it, if one did.
    """
    ends = sorted(_ends(job))
    ending = None
    while True:
        code = process.wait(max(0.0, min(SYNC_SECONDS, ends[0][0] - time.monotonic())) or SYNC_SECONDS)
        if code is not None:
            return code, ending
        if mirror:
            mirror.synchronise()
        if ending is None and not job.stopping and time.monotonic() >= ends[0][0]:
            ending = ends[0][1]
            if ending == INTERRUPTED:
                process.stop(world.grace)
            else:
                job.stop()


def _ends(job: TrainingJob) -> Iterator[tuple[float, str]]:
    """When, at the latest, the program that begins now is ended, and as what."""
    now = time.monotonic()
    stopping = job.request.get("StoppingCondition") or {}
    yield now + int(stopping.get("MaxRuntimeInSeconds", DAY_SECONDS)), "MaxRuntimeExceeded"
    if stopping.get("MaxWaitTimeInSeconds"):
        waited = (datetime.now(UTC) - job.creation_time).total_seconds()
        yield now + int(stopping["MaxWaitTimeInSeconds"]) - waited, "MaxWaitTimeExceeded"
    if job.host_lost is not None:
        yield now + job.host_lost, INTERRUPTED


def _lose_host(job: TrainingJob) -> tuple[str, str, str | None] | None:
    """A Spot job begins anew elsewhere; another one has failed."""
    job.host_lost = None
    if not job.request.get("EnableManagedSpotTraining"):
        return "Failed", "Failed", HOST_FAILED
    job.move(INTERRUPTED)
    job.move("Starting")
    return None
