"""The jobs that a run's tasks started in other services, and how each service tells that one is at rest.

Step Functions stops the jobs of a run that is stopped as well as it can: it may lack the permission, and a job may take
its time (SageMaker gives a training two minutes). Whether a job rests, only its own service knows.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import RUNNING, Attempt, RunHistory, StateRun
from opsctl.asl.jobs import job_of

FOLLOWED = (".sync", ".waitForTaskToken")
UNSETTLED = (RUNNING, "ABORTED", "TIMED_OUT")  # attempts whose end does not say what became of the job


@dataclass(frozen=True)
class Kind:
    """One service's jobs: the client and its method that describes one ("" if there is none), IAM's name of it, where
    the answer holds the status (as JMESPath), the statuses of a job at rest, and the command that stops one; `{0}` and
    `{1}` are its identifiers.
    """

    service: str
    describe: str
    action: str
    status: str
    at_rest: frozenset[str]
    stop: str


@dataclass(frozen=True)
class Job:
    """A job of a run: the step that asked for it and when, what the service calls it, and the request that describes it
    there. `open` says whether the step still waits for it."""

    run: str
    step: str
    kind: Kind
    id: str
    arn: str | None
    request: Mapping[str, Any]
    stop: str
    scheduled: float
    open: bool

    @property
    def key(self) -> tuple[str, str]:
        """What tells jobs apart: a training may have the name of a transform."""
        return self.kind.describe, self.id


@dataclass(frozen=True)
class JobState:
    """What a job's service says of it. `status` is None for one that it does not know (any more); `problem` says why it
    could not be asked, and `final` whether to ask again is of no use."""

    job: Job
    status: str | None
    problem: str | None = None
    final: bool = False

    @property
    def word(self) -> str:
        """What is known of the job, in a word or a few."""
        return self.problem or self.status or "not there"

    @property
    def stopped(self) -> bool:
        """Whether nothing of the job works any more."""
        return self.problem is None and (self.status is None or self.status in self.job.kind.at_rest)

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.stopped or self.final


def _sagemaker(words: str) -> Kind:
    title = "".join(word.capitalize() for word in words.split("-"))
    return Kind(
        "sagemaker",
        f"describe_{words.replace('-', '_')}_job",
        f"sagemaker:Describe{title}Job",
        f"{title}JobStatus",
        frozenset({"Completed", "Failed", "Stopped"}),
        f"aws sagemaker stop-{words}-job --{words}-job-name {{0}}",
    )


EXECUTION = Kind(
    "stepfunctions", "describe_execution", "states:DescribeExecution", "status",
    frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}),
    "aws stepfunctions stop-execution --execution-arn {0}",
)  # fmt: skip
SAGEMAKER = {
    "createTrainingJob": "training",
    "createTransformJob": "transform",
    "createProcessingJob": "processing",
    "createHyperParameterTuningJob": "hyper-parameter-tuning",
}
KINDS = {
    **{f"sagemaker:{action}": _sagemaker(words) for action, words in SAGEMAKER.items()},
    "batch:submitJob": Kind(
        "batch", "describe_jobs", "batch:DescribeJobs", "jobs[0].status", frozenset({"SUCCEEDED", "FAILED"}),
        "aws batch terminate-job --job-id {0} --reason stopped",
    ),
    "states:startExecution": EXECUTION,
    "ecs:runTask": Kind(
        "ecs", "describe_tasks", "ecs:DescribeTasks", "tasks[0].lastStatus", frozenset({"STOPPED"}),
        "aws ecs stop-task --cluster {1} --task {0}",
    ),
    "glue:startJobRun": Kind(
        "glue", "get_job_run", "glue:GetJobRun", "JobRun.JobRunState",
        frozenset({"STOPPED", "SUCCEEDED", "FAILED", "TIMEOUT", "ERROR", "EXPIRED"}),
        "aws glue batch-stop-job-run --job-name {1} --job-run-ids {0}",
    ),
    "codebuild:startBuild": Kind(
        "codebuild", "batch_get_builds", "codebuild:BatchGetBuilds", "builds[0].buildStatus",
        frozenset({"SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED"}),
        "aws codebuild stop-build --id {0}",
    ),
}  # fmt: skip


def open_attempts(history: RunHistory) -> Iterator[tuple[StateRun, Attempt]]:
    """The work that a running run waits for."""
    for state in history.states:
        yield from ((state, attempt) for attempt in state.attempts if attempt.status == RUNNING)


def jobs_of(run: str, history: RunHistory) -> Iterator[Job]:
    """The jobs of a run that may be at work: those that it waits for, and those that it no longer waited for."""
    for state in history.states:
        for attempt in state.attempts:
            if attempt.status in UNSETTLED and (job := job_at(run, state.name, attempt)):
                yield job


def job_at(run: str, step: str, attempt: Attempt) -> Job | None:
    """The job of an attempt; None where it has none, or none yet, or one of an unknown kind."""
    resource, _, pattern = attempt.resource.partition(".")
    kind = KINDS.get(resource)
    if kind is None and attempt.submitted and pattern.startswith("sync"):
        kind, id_ = Kind(resource, "", "", "", frozenset(), ""), attempt.job.arn or attempt.job.name or resource
        return Job(run, step, kind, id_, attempt.job.arn, {}, "", attempt.scheduled, attempt.status == RUNNING)
    if kind is None or f".{pattern.partition(':')[0]}" not in FOLLOWED:
        return None
    found = _identified(kind, attempt)
    if found is None:
        return None
    names, arn, request = found
    stop = kind.stop.format(*map(shlex.quote, names))
    return Job(run, step, kind, names[0], arn, request, stop, attempt.scheduled, attempt.status == RUNNING)


def child_execution(run: str, step: str, arn: str, scheduled: float) -> Job:
    """An execution that another one, or its Map Run, started."""
    stop = EXECUTION.stop.format(shlex.quote(arn))
    return Job(run, step, EXECUTION, arn, arn, {"executionArn": arn}, stop, scheduled, open=True)


def _identified(kind: Kind, attempt: Attempt) -> tuple[tuple[str, ...], str | None, Mapping[str, Any]] | None:
    """The job's identifiers, its ARN if known, and the request that describes it."""
    asked, told = _object(attempt.parameters), _object(attempt.submitted)
    arn = job_of(attempt.resource, attempt.parameters, attempt.submitted, None, None).arn
    if kind.service == "sagemaker":
        key = kind.status.removesuffix("Status") + "Name"
        name = asked.get(key)
        return ((str(name),), arn, {key: name}) if name else None
    if kind.service == "batch":
        number = told.get("JobId") or (arn or "").rpartition("/")[2]
        return ((number,), arn, {"jobs": [number]}) if number else None
    if kind.service == "glue":
        number, name = told.get("JobRunId"), asked.get("JobName")
        return ((number, name), None, {"JobName": name, "RunId": number}) if number and name else None
    if arn is None:
        return None
    if kind.service == "ecs":
        cluster = asked.get("Cluster") or "default"
        return (arn, cluster), arn, {"cluster": cluster, "tasks": [arn]}
    return (arn,), arn, {"executionArn": arn} if kind is EXECUTION else {"ids": [arn]}


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
