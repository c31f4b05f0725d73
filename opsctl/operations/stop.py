"""Stop runs, and see that the jobs that they had started really stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opsctl.asl.history import ABORTED, read_history
from opsctl.asl.history import RUNNING as AT_WORK
from opsctl.aws.jobs import Jobs
from opsctl.domain.runs import RUNNING, Run
from opsctl.domain.stop import EXECUTION, Job, JobState, child_execution, job_at, jobs_of, open_attempts
from opsctl.errors import OpsError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.runs import resolve

ERROR = "StoppedByOpsctl"
LONGEST_CAUSE = 32_768


@dataclass(frozen=True)
class OpenStep:
    """Work that a stop cuts off. `seconds` is how long it has been going on; `job` is None where no job does it."""

    run: str
    step: str
    seconds: float
    job: Job | None


@dataclass(frozen=True)
class StopPlan:
    """The runs to stop, what they are at, and those that have ended already."""

    runs: tuple[Run, ...]
    steps: tuple[OpenStep, ...]
    ended: tuple[Run, ...]


@dataclass(frozen=True)
class Stopped:
    """What became of the request: the runs as they are now, their jobs, and what AWS refused, by run."""

    runs: tuple[Run, ...]
    jobs: tuple[Job, ...]
    refused: tuple[tuple[str, OpsError], ...]

    @property
    def too_late(self) -> tuple[Run, ...]:
        """The runs that had ended by themselves before the request came."""
        return tuple(run for run in self.runs if run.ended and run.status != ABORTED)


def plan(connection: Connection, wanted: Sequence[str]) -> StopPlan:
    """What a stop of these RUN arguments would end; reads, and changes nothing. Raises as `resolve` does."""
    runs = tuple({run.arn: run for run in (resolve(connection, word) for word in wanted)}.values())
    going_on = tuple(run for run in runs if run.status == RUNNING)
    steps = [step for run in going_on for step in _open_steps(connection, run.name, run.arn, set())]
    return StopPlan(going_on, tuple(steps), tuple(run for run in runs if run.status != RUNNING))


def check_reason(reason: str | None) -> None:
    """Raise UsageError for a cause that AWS does not take."""
    if reason is not None and not reason.strip():
        raise UsageError("--reason is empty", "say why, or leave it out")
    if reason is not None and len(reason) > LONGEST_CAUSE:
        raise UsageError(f"--reason has {len(reason)} characters, and AWS takes {LONGEST_CAUSE}", "say it shorter")


def execute(connection: Connection, planned: StopPlan, reason: str | None) -> Stopped:
    """Stop each run, whatever becomes of the others."""
    refused: list[tuple[str, OpsError]] = []
    runs: list[Run] = []
    for run in planned.runs:
        try:
            connection.states.stop(run.arn, ERROR, reason)
        except OpsError as error:
            refused.append((run.name, error))
        else:
            runs.append(connection.states.describe(run.arn))
    names = {run.name for run in runs}
    jobs = {step.job.key: step.job for step in planned.steps if step.job and step.run in names}
    for run in runs:
        jobs |= {job.key: job for job in _jobs(connection, run.name, run.arn, set())}
    return Stopped(tuple(runs), tuple(jobs.values()), tuple(refused))


def looks(connection: Connection, jobs: Sequence[Job], timeout: float) -> Iterator[tuple[JobState, ...]]:
    """The jobs' states, time and again, until all are at rest or `timeout` seconds have passed."""
    aws, service = connection.aws, Jobs(connection.aws)
    deadline = aws.steady() + timeout
    states = tuple(service.look(job) for job in jobs)
    yield states
    while not all(state.settled for state in states) and aws.steady() < deadline:
        aws.sleep(aws.poll_seconds)
        states = tuple(state if state.settled else service.look(state.job) for state in states)
        yield states


def stop_command(connection: Connection, job: Job) -> str | None:
    """What stops the job in its service, for the `aws` of this context; None where that is not known."""
    context = connection.context
    if not job.stop:
        return None
    places = {"--endpoint-url": context.url, "--profile": context.profile, "--region": connection.aws.region}
    return " ".join([job.stop, *(f"{name} {value}" for name, value in places.items() if value)])


def _open_steps(connection: Connection, name: str, arn: str, seen: set[str]) -> Iterator[OpenStep]:
    """What a run is at, and what the executions are at that it waits for."""
    history = read_history(connection.states.history(arn))
    now = connection.aws.now()
    seen.add(arn)
    for state, attempt in open_attempts(history):
        job = job_at(name, state.name, attempt)
        yield OpenStep(name, state.name, now - attempt.scheduled, job)
        if job and job.kind is EXECUTION:
            yield from _inside(connection, job, seen)
    for state in history.states:
        if state.map_run and state.status == AT_WORK:
            for child in connection.states.children(state.map_run):
                job = child_execution(name, state.name, child.arn, child.started)
                yield OpenStep(name, state.name, now - child.started, job)
                yield from _inside(connection, job, seen)


def _inside(connection: Connection, job: Job, seen: set[str]) -> Iterator[OpenStep]:
    """What an execution is at that another one started; nothing where that may not be seen."""
    if job.id in seen:
        return
    try:
        yield from list(_open_steps(connection, job.run, job.id, seen))
    except OpsError:
        return


def _jobs(connection: Connection, name: str, arn: str, seen: set[str]) -> Iterator[Job]:
    """The jobs of a stopped run that may still work, those of the executions it had started included."""
    seen.add(arn)
    for job in list(jobs_of(name, read_history(connection.states.history(arn)))):
        yield job
        if job.kind is EXECUTION and job.id not in seen:
            try:
                yield from list(_jobs(connection, name, job.id, seen))
            except OpsError:  # it may not be read: its own status is watched all the same
                continue
