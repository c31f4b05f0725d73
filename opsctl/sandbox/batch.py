"""Batch jobs: the API on moto's backend, each job a real subprocess."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import moto.batch.models
import moto.batch.urls
from moto.batch.exceptions import ClientException
from moto.batch.models import JOB_NAME_REGEX, JobDefinition
from moto.core.config import default_user_config

from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.api import serve
from opsctl.sandbox.batchjob import EXITED, FINAL, STARTED, TIMED_OUT, BatchJob
from opsctl.sandbox.computeenvironments import EnvironmentsBackend, EnvironmentsResponse
from opsctl.sandbox.jobfaults import HEADER, NO_MEMORY, OUT_OF_MEMORY, JobFault, exit_code, job_fault
from opsctl.sandbox.jobroles import pulling, writer
from opsctl.sandbox.jobs import Room, room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.processes import KILLED, Process
from opsctl.sandbox.world import World

GRACE_SECONDS = 30.0
CREATE_GROUP = "logs:CreateLogGroup"  # AWS's own group is Batch's to make
RUNTIME_ERROR = "CannotStartContainerError: the definition gives no command, and the sandbox runs no images"
logger = logging.getLogger(__name__)


class JobsBackend(EnvironmentsBackend):
    """moto's Batch, with jobs that run."""

    world: ClassVar[World]
    changed: ClassVar[Callable[[dict[str, Any]], None]]
    _url_module = moto.batch.urls

    @property
    def own_jobs(self) -> dict[str, BatchJob]:
        """moto's table of jobs, which holds ours: its lists and descriptions read it."""
        jobs: Any = self._jobs
        found: dict[str, BatchJob] = jobs
        return found

    def run_job(self, request: dict[str, Any], fault: JobFault | None = None) -> BatchJob:
        """SubmitJob of a job that a fault may befall.

        Raises ClientException for a bad name and for a definition or queue that does not exist.
        """
        if JOB_NAME_REGEX.match(request["jobName"]) is None:
            raise ClientException("Job name should match valid pattern")
        definition = self._definition(request["jobDefinition"])
        queue = self.get_job_queue(request["jobQueue"])
        if queue is None:
            raise ClientException(f"JobQueue {request['jobQueue']} not found")
        if definition.container_properties is None or (request.get("arrayProperties") or {}).get("size"):
            raise ClientException("The sandbox runs single-container jobs only: no array, multi-node or EKS jobs")
        job_id = str(uuid.uuid4())
        job = BatchJob(job_id, self.world.arn("batch", f"job/{job_id}"), request, definition, queue, fault)
        self.own_jobs[job_id] = job
        queued: list[Any] = queue.jobs
        queued.append(job)
        self._begin(job)
        return job

    def _begin(self, job: BatchJob) -> None:
        threading.Thread(target=self._run, args=(job,), name=f"batch-{job.job_id}", daemon=True).start()

    def terminate_job(self, job_id: str, reason: str) -> None:
        """TerminateJob: SIGTERM now, SIGKILL after 30 s; a job that has not started never does."""
        job = self.own_jobs.get(job_id)
        if job is not None and job.status not in FINAL:
            job.terminate(reason)

    def cancel_job(self, job_id: str, reason: str) -> None:
        """CancelJob: as TerminateJob, but only before the job has started."""
        job = self.own_jobs.get(job_id)
        if job is not None and job.status not in STARTED:
            job.terminate(reason)

    def list_tags_for_resource(self, resource_arn: str) -> dict[str, str]:
        """Tags by ARN, those given to SubmitJob included."""
        job = self.own_jobs.get(resource_arn.rpartition("/")[2])
        tags: dict[str, str] = super().list_tags_for_resource(resource_arn)
        return {**(job.request.get("tags") or {}), **tags} if job else tags

    def _definition(self, name: str) -> JobDefinition:
        definition = self.get_job_definition(name)
        if definition is None and name.startswith("arn:"):
            definition = self.get_job_definition(name.rpartition("/")[2])
        if definition is None or definition.status != "ACTIVE":
            raise ClientException(f"JobDefinition {name} not found")
        return definition

    def _run(self, job: BatchJob) -> None:
        """A job's life, in its own thread: it ends SUCCEEDED or FAILED whatever happens."""
        try:
            status, reason = self._await_dependencies(job) or _attempts(self.world, job)
        except Exception as error:
            logger.exception("batch job %s", job.job_id)
            status, reason = "FAILED", f"InternalError: {error}"
        job.finish(status, job.termination or reason)
        self._tell(job)

    def _tell(self, job: BatchJob) -> None:
        type(self).changed(job.describe())
        job.untold = False

    def take_up(self) -> None:
        """Go on with the jobs that were there when a server before this one ended."""
        going = [job for job in list(self.own_jobs.values()) if job.take_up()]
        for job in self.own_jobs.values():
            if job.status in FINAL and job.untold:
                self._tell(job)
        for job in going:
            self._begin(job)

    def _await_dependencies(self, job: BatchJob) -> tuple[str, str] | None:
        for dependency in job.request.get("dependsOn") or []:
            job.status = "PENDING"
            other = self.own_jobs.get(dependency["jobId"])
            if other is None or other.ended.result()["status"] == "FAILED":
                return "FAILED", "Dependent Job failed"
        return None


class JobsResponse(EnvironmentsResponse):
    """SubmitJob with all its members."""

    def submitjob(self) -> str:
        """SubmitJob."""
        backend: Any = self.batch_backend
        job: BatchJob = backend.run_job(json.loads(self.body), job_fault(self.headers.get(HEADER)))
        return json.dumps({"jobId": job.job_id, "jobName": job.job_name, "jobArn": job.arn})


def install(world: World, changed: Callable[[dict[str, Any]], None]) -> None:
    """Put the backend and the action in place. `changed` hears each job's final document."""
    JobsBackend.world = world
    JobsBackend.changed = staticmethod(changed)
    # moto's other backend, without docker, only pretends that jobs run; ours never asks for docker at all.
    default_user_config["batch"] = {"use_docker": True}
    moto.batch.models.batch_backends.backend = JobsBackend
    serve(moto.batch.urls, JobsResponse)


def batch(world: World) -> JobsBackend:
    """The backend of the sandbox's account and region."""
    backend: Any = moto.batch.models.batch_backends[world.account][world.region]
    found: JobsBackend = backend
    return found


def _attempts(world: World, job: BatchJob) -> tuple[str, str]:
    """Run the job as often as its retry strategy allows. Returns final status and reason."""
    while (outcome := job.outcome()) is None:
        job.status = "STARTING"
        with room(world, "batch", f"{job.job_name}-{job.job_id[:8]}", job.container.get("jobRoleArn")) as place:
            _attempt(world, job, place, len(job.attempts) + 1)
    return outcome


def _attempt(world: World, job: BatchJob, place: Room, number: int) -> None:
    stream = f"{job.log_prefix()}/default/{uuid.uuid4().hex}"
    job.begin_attempt(stream)
    command = job.command()
    if not command:
        job.end_attempt(1, RUNTIME_ERROR)
        return
    variables = {
        **job.environment(),
        "AWS_BATCH_JOB_ATTEMPT": str(number),
        "AWS_BATCH_JQ_NAME": job.job_queue.name,
        "AWS_BATCH_CE_NAME": job.job_queue.environments[0].name if job.job_queue.environments else "",
    }
    executing = job.container.get("executionRoleArn")
    writes = writer(world, executing, "batch")
    log = LogStream(
        world.account, world.region, job.log_group(), stream, lambda need: need.action == CREATE_GROUP or writes(need)
    )
    refusal = _refusal(world, job, executing)
    if refusal:
        job.end_attempt(1, refusal)
        return
    fault = job.fault if number == 1 or job.fault is None or not job.fault.takes_host else None
    process = place.start(command, variables, log.write, fault=fault)
    job.attach(lambda: process.stop(min(GRACE_SECONDS, world.grace)))
    code, reason = _attend(job, process, min(GRACE_SECONDS, world.grace), fault)
    no_memory = fault is not None and fault.kind == OUT_OF_MEMORY and code == KILLED
    job.end_attempt(code, reason, NO_MEMORY if no_memory else None)


def _refusal(world: World, job: BatchJob, executing: str | None) -> str | None:
    """Why ECS cannot start the job's container as its roles, where IAM is enforced."""
    for role in filter(None, (executing, job.container.get("jobRoleArn"))):
        if not world.access.trusts(str(role), "ecs-tasks.amazonaws.com", job.arn):
            return (
                f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the "
                "role being passed has the proper trust relationship and permissions and that your IAM user has "
                "permissions to pass this role."
            )
    try:
        if executing:
            world.access.demand(executing, "batch", *pulling(str(job.container.get("image", ""))))
    except DeniedError as denied:
        return f"CannotPullContainerError: {denied}"
    return None


def _attend(job: BatchJob, process: Process, grace: float, fault: JobFault | None) -> tuple[int | None, str]:
    """Wait for the process within the attempt's time limit, or until its host is lost."""
    limit = job.seconds()
    loss = fault if fault is not None and fault.takes_host and (limit is None or fault.after < limit) else None
    code = process.wait(loss.after if loss else limit)
    if code is not None:
        return exit_code(fault, code), EXITED
    process.stop(loss.grace(grace) if loss else grace)
    ended = process.wait()
    if loss and not job.termination:
        return job.host_loss()
    return ended or KILLED, TIMED_OUT
