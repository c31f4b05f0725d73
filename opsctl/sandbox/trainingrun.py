"""A training job's life: a real subprocess for each of its hosts, under the container contract."""

from __future__ import annotations

import logging
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from opsctl.sandbox import container
from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.jobfaults import DISK_FULL, NO_SPACE, JobFault, exit_code
from opsctl.sandbox.jobroles import pulling, writer, writes_metrics
from opsctl.sandbox.jobs import Room, room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.processes import Process
from opsctl.sandbox.storage import Mirror, NoSuchBucketError, Storage
from opsctl.sandbox.trainingjob import TrainingJob
from opsctl.sandbox.world import World

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DAY_SECONDS = 86400
SYNC_SECONDS = 1.0
INTERRUPTED = "Interrupted"
HOST_FAILED = "InternalServerError: We encountered an internal error. Please try again."
logger = logging.getLogger(__name__)
Outcome = tuple[str, str, str | None]
"""Secondary status, status and failure reason."""


@dataclass(frozen=True)
class Host:
    """One host of a job: its place, its program, and its checkpoints' way to S3."""

    place: Room
    process: Process
    mirror: Mirror | None


@dataclass
class Ending:
    """How a job's programs ended: by which limit or loss, if one did, and which host failed first, with which code."""

    cause: str | None = None
    failed: Host | None = None
    code: int = 0


def run(world: World, job: TrainingJob) -> None:
    """In its own thread: the job ends Completed, Failed or Stopped whatever happens."""
    outcome: Outcome | None = None
    try:
        while outcome is None:  # on other hosts each time, from the last checkpoint
            with ExitStack() as stack:
                alone = len(job.hosts) == 1
                names = [job.training_job_name if alone else f"{job.training_job_name}/{host}" for host in job.hosts]
                role = job.request["RoleArn"]
                places = [stack.enter_context(room(world, "training", one, role)) for one in names]
                outcome = _train(world, job, places, {} if alone else stack.enter_context(_meeting()))
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


def _train(world: World, job: TrainingJob, places: Sequence[Room], meeting: Mapping[str, str]) -> Outcome | None:
    """Download, run, upload; None if a host was lost."""
    role = job.request["RoleArn"]
    demand = partial(world.access.demand, role, "SageMaker")
    demand(*pulling(job.request["AlgorithmSpecification"].get("TrainingImage", "")))
    volume = (job.request.get("ResourceConfig") or {}).get("VolumeKmsKeyId")
    world.access.demand_key(role, "SageMaker", volume, ["kms:CreateGrant"], "sagemaker", {})
    storage = Storage(world.account, demand)
    job.move("Downloading")
    for host, place in zip(job.hosts, places, strict=True):
        container.prepare(job, host, place.base, storage)
    if job.stopping:
        return ("Stopped", "Stopped", None)
    hosts: list[Host] = []
    try:
        _start(world, job, places, storage, meeting, hosts)
        job.attach(lambda: _stop(world, hosts))
        ending = _attend(world, job, hosts)
        _keep_checkpoints(hosts)
    except BaseException:
        _stop(world, hosts)
        raise
    if ending.cause == INTERRUPTED and not job.stopping:
        return _lose_host(job)
    if ending.failed and not job.stopping:
        return ("Failed", "Failed", container.failure_reason(ending.failed.place.base, ending.code))
    if job.befallen_by(DISK_FULL) and not job.stopping:
        return ("Failed", "Failed", NO_SPACE)
    job.move("Uploading")
    container.upload(job, [place.base for place in places], storage)
    if job.stopping:
        return ("Stopped" if ending.cause in (None, INTERRUPTED) else ending.cause, "Stopped", None)
    return ("Completed", "Completed", None)


def _start(
    world: World, job: TrainingJob, places: Sequence[Room], storage: Storage, meeting: Mapping[str, str],
    hosts: list[Host],
) -> None:  # fmt: skip
    """Start the program of each host, one after the other, and add it to `hosts`."""
    job.move("Training")
    measured = writes_metrics(world.access, job.request["RoleArn"])
    now = int(time.time())
    for name, place in zip(job.hosts, places, strict=True):
        local = container.checkpoints(job, place.base)
        mirror = Mirror(storage, local, job.request["CheckpointConfig"]["S3Uri"]) if local else None
        log = LogStream(
            world.account, world.region, LOG_GROUP, f"{job.training_job_name}/{name}-{now}",
            writer(world, job.request["RoleArn"], "SageMaker"),
        )  # fmt: skip
        process = place.start(
            container.command(job, place.base),
            {**container.variables(job, place.base), **meeting},
            partial(_hear, job, log, measured),
            directory=place.base,
            isolated=bool(job.request.get("EnableNetworkIsolation")),
            fault=job.fault,
        )
        hosts.append(Host(place, process, mirror))


@contextmanager
def _meeting() -> Iterator[dict[str, str]]:
    """Where hosts find each other: on this machine no name such as algo-1 leads to one, and each job needs a port.

    It stays bound meanwhile, or the system might give it to somebody else before the first host listens on it, which
    Linux allows on a port that is bound so (SO_REUSEADDR), and others do not.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(bound.getsockname()[1])}
        if sys.platform != "linux":
            bound.close()
        yield variables


def _hear(job: TrainingJob, log: LogStream, measured: bool, line: str) -> None:
    log.write(line)
    if measured:
        job.read_metrics(line)


def _attend(world: World, job: TrainingJob, hosts: Sequence[Host]) -> Ending:
    """Wait for all programs, keeping their checkpoints, the job's time limits and its hosts.

    A host that fails fails the job: then the others are ended.
    """
    ends = sorted(_ends(job))
    ending, running = Ending(), list(hosts)
    while True:
        for host in list(running):
            left = max(0.0, min(SYNC_SECONDS, ends[0][0] - time.monotonic())) or SYNC_SECONDS
            code = host.process.wait(left / len(running))
            if code is None:
                continue
            running.remove(host)
            code = exit_code(job.fault, code)
            if code and ending.failed is None:
                ending.failed, ending.code = host, code
                _stop(world, running)
        if not running:
            return ending
        _keep_checkpoints(hosts)
        if ending.cause is None and not job.stopping and time.monotonic() >= ends[0][0]:
            ending.cause = ends[0][1]
            if ending.cause == INTERRUPTED:
                _stop(world, running, job.fault)
            else:
                job.stop()


def _keep_checkpoints(hosts: Sequence[Host]) -> None:
    for host in hosts:
        if host.mirror:
            host.mirror.synchronise()


def _stop(world: World, hosts: Sequence[Host], fault: JobFault | None = None) -> None:
    for host in hosts:
        host.process.stop(fault.grace(world.grace) if fault else world.grace)


def _ends(job: TrainingJob) -> Iterator[tuple[float, str]]:
    """When, at the latest, the program that begins now is ended, and as what."""
    now = time.monotonic()
    stopping = job.request.get("StoppingCondition") or {}
    yield now + int(stopping.get("MaxRuntimeInSeconds", DAY_SECONDS)), "MaxRuntimeExceeded"
    if stopping.get("MaxWaitTimeInSeconds"):
        waited = (datetime.now(UTC) - job.creation_time).total_seconds()
        yield now + int(stopping["MaxWaitTimeInSeconds"]) - waited, "MaxWaitTimeExceeded"
    if job.fault is not None and job.fault.takes_host:
        yield now + job.fault.after, INTERRUPTED


def _lose_host(job: TrainingJob) -> Outcome | None:
    """A Spot job begins anew elsewhere; another one has failed."""
    job.fault = None
    if not job.request.get("EnableManagedSpotTraining"):
        return "Failed", "Failed", HOST_FAILED
    job.move(INTERRUPTED)
    job.move("Starting")
    return None
