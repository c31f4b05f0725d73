"""What SageMaker says about one transform job: its document and statuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

ECHOED = (
    "ModelName",
    "MaxConcurrentTransforms",
    "ModelClientConfig",
    "MaxPayloadInMB",
    "BatchStrategy",
    "Environment",
    "TransformInput",
    "TransformOutput",
    "TransformResources",
    "ExperimentConfig",
)
FINAL = frozenset({"Completed", "Failed", "Stopped"})
REASON_CHARACTERS = 1024


class TransformJob:
    """One job, as CreateTransformJob asked for it and as DescribeTransformJob shows it. Safe to use from any thread.

    The attributes in snake case are those that moto's lists and tags look at. `ended` is resolved with the job's final
    document, `stopping` is set once a stop is asked for.
    """

    def __init__(
        self, arn: str, request: Mapping[str, Any], model: Any, changed: Callable[[dict[str, Any]], None]
    ) -> None:
        self.request = request
        self.model = model
        self.arn = arn
        self.transform_job_name: str = request["TransformJobName"]
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.creation_time = self.last_modified_time = _now()
        self.transform_start_time: datetime | None = None
        self.transform_end_time: datetime | None = None
        self.transform_job_status = "InProgress"
        self.failure_reason: str | None = None
        self.stopping = threading.Event()
        self.ended: Future[dict[str, Any]] = Future()
        self._changed = changed
        self._untold: list[dict[str, Any]] = []
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """All but what lives in this process only."""
        kept = {name: value for name, value in vars(self).items() if name not in ("stopping", "_changed", "_lock")}
        return {**kept, "ended": self.transform_job_status in FINAL}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        self.stopping, self._lock, self.ended = threading.Event(), threading.RLock(), Future()
        if kept["ended"]:
            self.ended.set_result(self.response_object)

    def take_up(self, changed: Callable[[dict[str, Any]], None]) -> bool:
        """Go on after a restart of the server, which its servers did not outlive; whether they are to begin again."""
        self._changed = changed
        for document in self._untold[:]:
            self._tell(document)
        if self.transform_job_status == "Stopping":
            self.end("Stopped")
        return self.transform_job_status not in FINAL

    @property
    def instances(self) -> int:
        """How many it asks for."""
        return int(self.request["TransformResources"].get("InstanceCount") or 1)

    def begin(self) -> None:
        """It is InProgress, and its servers are about to start."""
        with self._lock:
            self.last_modified_time = _now()
            self.transform_start_time = self.transform_start_time or self.last_modified_time
            document = self._changed_document()
        self._tell(document)

    def stop(self) -> bool:
        """Enter Stopping; False if it has ended or is stopping already."""
        with self._lock:
            if self.transform_job_status != "InProgress":
                return False
            self.transform_job_status, self.last_modified_time = "Stopping", _now()
            document = self._changed_document()
        self._tell(document)
        self.stopping.set()
        return True

    def end(self, status: str, reason: str | None = None) -> None:
        """Enter the final status; a job that is being stopped ends Stopped."""
        with self._lock:
            stopped = self.transform_job_status == "Stopping"
            self.transform_job_status = "Stopped" if stopped else status
            self.failure_reason = reason[:REASON_CHARACTERS] if reason and not stopped else None
            self.transform_end_time = self.last_modified_time = _now()
            document = self._changed_document()
        self._tell(document)
        self.ended.set_result(document)

    def _changed_document(self) -> dict[str, Any]:
        document = self.response_object
        self._untold.append(document)
        return document

    def _tell(self, document: dict[str, Any]) -> None:
        """Tell of a change, which counts as untold until that is done: a snapshot may be taken meanwhile."""
        self._changed(document)
        self._untold.remove(document)

    @property
    def response_object(self) -> dict[str, Any]:
        """The document of DescribeTransformJob."""
        with self._lock:
            document = {
                "TransformJobName": self.transform_job_name,
                "TransformJobArn": self.arn,
                "TransformJobStatus": self.transform_job_status,
                "FailureReason": self.failure_reason,
                **{name: self.request.get(name) for name in ECHOED},
                "CreationTime": self.creation_time,
                "TransformStartTime": self.transform_start_time,
                "TransformEndTime": self.transform_end_time,
            }
        return {name: value for name, value in document.items() if value is not None}


def _now() -> datetime:
    return datetime.now(UTC)
