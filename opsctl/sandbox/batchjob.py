"""What Batch says about one job, and how its command and environment come out of definition and overrides."""

from __future__ import annotations

import fnmatch
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from moto.batch.models import JobDefinition, JobQueue

from opsctl.sandbox.jobfaults import JobFault
from opsctl.sandbox.processes import KILLED

LOG_GROUP = "/aws/batch/job"
EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
FARGATE_SPOT_LOST = "Your Spot Task was interrupted."
STARTED = frozenset({"STARTING", "RUNNING", "SUCCEEDED", "FAILED"})
FINAL = frozenset({"SUCCEEDED", "FAILED"})


class BatchJob:
    """One job, as SubmitJob asked for it and as DescribeJobs shows it. Safe to use from any thread.

    Times are milliseconds since the epoch. `ended` is resolved with the job's final document.
    """

    def __init__(
        self,
        job_id: str,
        arn: str,
        request: Mapping[str, Any],
        definition: JobDefinition,
        queue: JobQueue,
        fault: JobFault | None = None,
    ) -> None:
        self.job_id = job_id
        self.arn = arn
        self.request = request
        self.job_name: str = request["jobName"]
        self.job_definition = definition
        self.job_queue = queue
        self.status = "SUBMITTED"
        self.reason: str | None = None
        self.created = _now()
        self.started: int | None = None
        self.stopped: int | None = None
        self.attempts: list[dict[str, Any]] = []
        self.ended: Future[dict[str, Any]] = Future()
        self.container: dict[str, Any] = definition.container_properties or {}
        self.overrides: dict[str, Any] = request.get("containerOverrides") or {}
        self.parameters: dict[str, str] = {**definition.parameters, **(request.get("parameters") or {})}
        self.termination: str | None = None
        self.fault = fault  # what befalls every attempt on purpose, or the first, which loses its host
        self.lost: set[int] = set()
        """Which attempts ended with the sandbox's own server: they do not count."""
        self.untold = True
        """Whether nobody was told of its end yet."""
        self._interrupt: Callable[[], None] | None = None
        self.lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """All but what lives in this process only."""
        return {name: value for name, value in vars(self).items() if name not in ("_interrupt", "lock", "ended")}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        self._interrupt, self.lock, self.ended = None, threading.RLock(), Future()

    def take_up(self) -> bool:
        """Go on after a restart of the server; whether it is to run.

        Its program did not outlive the server. That is no attempt that its retry strategy counts: the host of the job
        is lost, as far as anybody can see, but on AWS none would be.
        """
        if self.status in FINAL:
            self.ended.set_result(self.describe())
            return False
        if self.attempts and "stoppedAt" not in self.attempts[-1]:
            self.end_attempt(*self.host_loss())
            self.lost.add(len(self.attempts))
        if self.status not in ("SUBMITTED", "PENDING"):
            self.status = "RUNNABLE"
        return True

    def command(self) -> list[str]:
        """The command with every `Ref::name` of a known parameter put in."""
        return [
            re.sub(r"Ref::([\w-]+)", lambda found: self.parameters.get(found[1], found[0]), word)
            for word in self.overrides.get("command") or self.container.get("command") or []
        ]

    def environment(self) -> dict[str, str]:
        """The container's variables, the overrides', and the job's id, later ones winning."""
        entries = [*(self.container.get("environment") or []), *(self.overrides.get("environment") or [])]
        return {**{entry["name"]: entry.get("value", "") for entry in entries}, "AWS_BATCH_JOB_ID": self.job_id}

    def log_group(self) -> str:
        """The group that the definition's awslogs options name, else AWS's own."""
        return str(self._log_options().get("awslogs-group", LOG_GROUP))

    def log_prefix(self) -> str:
        """What comes before `/default/<task>` in the name of a log stream."""
        return str(self._log_options().get("awslogs-stream-prefix", self.job_definition.name))

    def outcome(self) -> tuple[str, str] | None:
        """Final status and reason, as far as the last attempt tells; None where another one is to follow."""
        count, code, reason = len(self.attempts), None, ""
        if self.attempts:
            code, reason = self.attempts[-1]["container"].get("exitCode"), self.attempts[-1]["statusReason"]
        if code == 0:
            return "SUCCEEDED", reason
        if self.termination or count - len(self.lost) >= self._limit():
            return "FAILED", reason
        goes_on = count == 0 or count in self.lost or self._retries(code, reason)
        return None if goes_on else ("FAILED", reason)

    def _limit(self) -> int:
        """How often the job may run: 1 to 10."""
        return int(self._retry_strategy().get("attempts", 1))

    def _retries(self, code: int | None, reason: str) -> bool:
        """Whether evaluateOnExit lets an attempt that ended so be repeated; without rules it does.

        No rule about exit codes is for an attempt that never had one. One that ran out of time is never repeated
        (https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html).
        """
        if reason == TIMED_OUT:
            return False
        for rule in self._retry_strategy().get("evaluateOnExit") or []:
            if rule.get("onExitCode") and code is None:
                continue
            given = {"onExitCode": str(code), "onReason": "", "onStatusReason": reason}
            if all(fnmatch.fnmatchcase(given[name], rule[name]) for name in given if rule.get(name)):
                return str(rule["action"]).upper() == "RETRY"
        return True

    def host_loss(self) -> tuple[int | None, str]:
        """Exit code and status reason of an attempt whose host is lost: an instance's containers tell no code."""
        environments = self.job_queue.environments
        kind = str((environments[0].compute_resources or {}).get("type", "")) if environments else ""
        if kind.upper() == "FARGATE_SPOT":
            return KILLED, FARGATE_SPOT_LOST
        return None, f"Host EC2 (instance i-{self.job_id.replace('-', '')[:17]}) terminated."

    def seconds(self) -> int | None:
        """The limit of one attempt's duration."""
        timeout = self.request.get("timeout") or self.job_definition.timeout or {}
        return timeout.get("attemptDurationSeconds")

    def begin_attempt(self, stream: str) -> dict[str, Any]:
        """Enter RUNNING with a new attempt, whose record is returned to be completed."""
        with self.lock:
            self.status = "RUNNING"
            attempt: dict[str, Any] = {
                "container": {"logStreamName": stream, "taskArn": self._task_arn(stream), "networkInterfaces": []},
                "startedAt": _now(),
            }
            self.started = attempt["startedAt"]
            self.attempts.append(attempt)
            return attempt

    def end_attempt(self, code: int | None, reason: str, container_reason: str | None = None) -> None:
        """Complete the current attempt's record."""
        with self.lock:
            if container_reason:
                self.attempts[-1]["container"]["reason"] = container_reason
            if code is not None:
                self.attempts[-1]["container"]["exitCode"] = code
            self.attempts[-1] |= {"stoppedAt": _now(), "statusReason": reason}

    def attach(self, interrupt: Callable[[], None]) -> None:
        """Say how the running attempt is stopped; called at once if that was asked for before."""
        with self.lock:
            self._interrupt = interrupt
        if self.termination:
            interrupt()

    def terminate(self, reason: str) -> None:
        """Interrupt the running attempt, or keep the job from starting; `reason` becomes its status reason."""
        with self.lock:
            self.termination = self.termination or reason
            interrupt = self._interrupt
        if interrupt:
            interrupt()

    def finish(self, status: str, reason: str | None) -> None:
        """Enter SUCCEEDED or FAILED and resolve `ended`."""
        with self.lock:
            self.status, self.reason, self.stopped = status, reason, _now()
            document = self.describe()
        self.ended.set_result(document)

    def describe_short(self) -> dict[str, Any]:
        """An entry of ListJobs."""
        with self.lock:
            entry = {
                "jobId": self.job_id,
                "jobArn": self.arn,
                "jobName": self.job_name,
                "createdAt": self.created,
                "status": self.status,
                "jobDefinition": self.job_definition.arn,
                "statusReason": self.reason,
                "startedAt": self.started,
                "stoppedAt": self.stopped,
                "container": self._last_container() or None,
            }
        return {name: value for name, value in entry.items() if value is not None}

    def describe(self) -> dict[str, Any]:
        """An entry of DescribeJobs."""
        with self.lock:
            return {
                **self.describe_short(),
                "jobQueue": self.job_queue.arn,
                "dependsOn": list(self.request.get("dependsOn") or []),
                "parameters": dict(self.parameters),
                "retryStrategy": {"attempts": self._limit(), "evaluateOnExit": []} | self._retry_strategy(),
                "timeout": {"attemptDurationSeconds": self.seconds()} if self.seconds() else {},
                "attempts": [{**attempt, "container": dict(attempt["container"])} for attempt in self.attempts],
                "tags": dict(self.request.get("tags") or {}),
                "propagateTags": bool(self.job_definition.propagate_tags),
                "platformCapabilities": list(self.job_definition.platform_capabilities or []),
                "eksAttempts": [],
                "container": self._describe_container(),
            }

    def _describe_container(self) -> dict[str, Any]:
        echoed = (
            "image", "jobRoleArn", "executionRoleArn", "fargatePlatformConfiguration", "networkConfiguration",
            "logConfiguration",
        )  # fmt: skip
        lists = ("volumes", "mountPoints", "ulimits", "resourceRequirements", "secrets")
        return {
            **{name: self.container[name] for name in echoed if self.container.get(name)},
            **{name: list(self.container.get(name) or []) for name in lists},
            **{name: self.overrides[name] for name in ("resourceRequirements",) if self.overrides.get(name)},
            "command": list(self.overrides.get("command") or self.container.get("command") or []),
            "environment": [{"name": name, "value": value} for name, value in self.environment().items()],
            **self._last_container(),
        }

    def _last_container(self) -> dict[str, Any]:
        return dict(self.attempts[-1]["container"]) if self.attempts else {}

    def _retry_strategy(self) -> dict[str, Any]:
        strategy: dict[str, Any] = self.request.get("retryStrategy") or self.job_definition.retry_strategy or {}
        return strategy

    def _log_options(self) -> dict[str, Any]:
        options: dict[str, Any] = (self.container.get("logConfiguration") or {}).get("options") or {}
        return options

    def _task_arn(self, stream: str) -> str:
        return f"{self.arn.split(':job/')[0].replace(':batch:', ':ecs:')}:task/sandbox/{stream.rpartition('/')[2]}"


def _now() -> int:
    return int(time.time() * 1000)
