"""What SageMaker says about one training job: its document, statuses and transitions."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from opsctl.sandbox.jobfaults import JobFault

ECHOED = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "DebugHookConfig",
    "ExperimentConfig",
    "TensorBoardOutputConfig",
    "Environment",
    "RetryStrategy",
)
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Resource released due to max runtime exceeded",
    "MaxWaitTimeExceeded": "Resource released due to max wait time exceeded",
    "Interrupted": "Training job interrupted: its Spot capacity was taken back",
    "Restarting": "The sandbox was restarted: the training job begins again",
}
FINAL = frozenset({"Completed", "Failed", "Stopped"})
REASON_CHARACTERS = 1024


class TrainingJob:
    """One job, as CreateTrainingJob asked for it and as DescribeTrainingJob shows it. Safe to use from any thread.

    The attributes in snake case are those that moto's lists, searches and tags look at. `ended` is resolved with the
    job's final document.
    """

    def __init__(
        self,
        arn: str,
        request: Mapping[str, Any],
        changed: Callable[[dict[str, Any]], None],
        fault: JobFault | None = None,
    ) -> None:
        self.request = request
        self.fault = fault  # what befalls it on purpose
        self.arn = arn
        self.training_job_name: str = request["TrainingJobName"]
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.creation_time = self.last_modified_time = _now()
        self.training_start_time: datetime | None = None
        self.training_end_time: datetime | None = None
        self.training_job_status = "InProgress"
        self.failure_reason: str | None = None
        self.stopping = False
        self._interrupt: Callable[[], None] | None = None
        self.ended: Future[dict[str, Any]] = Future()
        self._changed = changed
        self._untold: list[dict[str, Any]] = []
        self._transitions: list[dict[str, Any]] = []
        self._metrics: dict[str, dict[str, Any]] = {}
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions") or []
        self._patterns = [(item["Name"], re.compile(item["Regex"])) for item in definitions]
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """All but what lives in this process only."""
        kept = {name: value for name, value in vars(self).items() if name not in ("_interrupt", "_changed", "_lock")}
        return {**kept, "ended": self.training_job_status in FINAL}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        self._interrupt, self._lock, self.ended = None, threading.RLock(), Future()
        if kept["ended"]:
            self.ended.set_result(self.response_object)

    def take_up(self, changed: Callable[[dict[str, Any]], None]) -> bool:
        """Go on after a restart of the server, which its programs did not outlive; whether they are to begin again.

        A job on Managed Spot has lost its instances to that, another one is restarted; both have their checkpoints.
        """
        self._changed = changed
        for document in self._untold[:]:
            self._tell(document)
        if self.training_job_status in FINAL:
            return False
        if self.training_job_status == "Stopping":
            self.move("Stopped", "Stopped")
            return False
        if self.request.get("EnableManagedSpotTraining"):
            self.move("Interrupted")
        else:
            self.move("Restarting")
        self.move("Starting")
        return True

    @property
    def uri(self) -> str:
        """Where the job's output goes: `<S3OutputPath>/<job>/output`."""
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.training_job_name}/output"

    @property
    def hosts(self) -> list[str]:
        """The hosts' names, as resourceconfig.json and the logs have them."""
        count = (self.request.get("ResourceConfig") or {}).get("InstanceCount") or 1
        return [f"algo-{number}" for number in range(1, count + 1)]

    @property
    def secondary_status(self) -> str:
        """The detailed status: the last transition's."""
        return str(self._transitions[-1]["Status"]) if self._transitions else "Starting"

    def move(self, secondary: str, status: str | None = None, reason: str | None = None) -> None:
        """Enter the next secondary status; with `status`, the job's own status changes too.

        A job that is being stopped does not go back to Downloading or Training.
        """
        with self._lock:
            if self.stopping and status is None and secondary != "Uploading":
                return
            now = _now()
            if self._transitions:
                self._transitions[-1]["EndTime"] = now
            self._transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": MESSAGES[secondary]})
            self.last_modified_time = now
            if secondary == "Training":
                self.training_start_time = now
            if status:
                self.training_job_status = status
            if reason:
                self.failure_reason = reason[:REASON_CHARACTERS]
            if status in FINAL:
                self._transitions[-1]["EndTime"] = self.training_end_time = now
            document = self.response_object
            self._untold.append(document)
        self._tell(document)
        if status in FINAL:
            self.ended.set_result(document)

    def _tell(self, document: dict[str, Any]) -> None:
        """Tell of a change, which counts as untold until that is done: a snapshot may be taken meanwhile."""
        self._changed(document)
        self._untold.remove(document)

    def befallen_by(self, kind: str) -> bool:
        """Whether this is what befalls it on purpose."""
        return self.fault is not None and self.fault.kind == kind

    def attach(self, interrupt: Callable[[], None]) -> None:
        """Say how the running program is stopped; called at once if a stop was requested before."""
        with self._lock:
            self._interrupt = interrupt
            late = self.stopping
        if late:
            interrupt()

    def stop(self) -> None:
        """Enter Stopping and interrupt the program, once."""
        with self._lock:
            if self.stopping or self.training_job_status in FINAL:
                return
            self.move("Stopping", "Stopping")
            self.stopping = True
            interrupt = self._interrupt
        if interrupt:
            interrupt()

    def read_metrics(self, line: str) -> None:
        """Remember what the metric definitions find in one line of output."""
        for name, pattern in self._patterns:
            found = pattern.search(line)
            if found and pattern.groups:
                try:
                    value = float(found[1])
                except ValueError:
                    continue
                with self._lock:
                    self._metrics[name] = {"MetricName": name, "Value": value, "Timestamp": _now()}

    @property
    def response_object(self) -> dict[str, Any]:
        """The document of DescribeTrainingJob."""
        with self._lock:
            document: dict[str, Any] = {
                "TrainingJobName": self.training_job_name,
                "TrainingJobArn": self.arn,
                "ModelArtifacts": {"S3ModelArtifacts": f"{self.uri}/model.tar.gz"},
                "TrainingJobStatus": self.training_job_status,
                "SecondaryStatus": self.secondary_status,
                "FailureReason": self.failure_reason,
                **{name: self.request.get(name) for name in ECHOED},
                "CreationTime": self.creation_time,
                "TrainingStartTime": self.training_start_time,
                "TrainingEndTime": self.training_end_time,
                "LastModifiedTime": self.last_modified_time,
                "SecondaryStatusTransitions": [dict(entry) for entry in self._transitions],
                "FinalMetricDataList": list(self._metrics.values()) or None,
                **self._durations(),
            }
        return {name: value for name, value in document.items() if value is not None}

    def _durations(self) -> dict[str, int]:
        if self.training_start_time is None or self.training_end_time is None:
            return {}
        seconds = max(1, round((self.training_end_time - self.training_start_time).total_seconds()))
        return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}


def _now() -> datetime:
    return datetime.now(UTC)
