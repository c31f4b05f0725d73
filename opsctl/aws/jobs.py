"""What the services that run jobs say of one: the only words on whether it has really stopped."""

from __future__ import annotations

from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws
from opsctl.domain.stop import Job, JobState
from opsctl.errors import ConfigurationError, OpsError

# SageMaker words a job that is not there as an input that is not valid.
UNKNOWN = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException", "ExecutionDoesNotExist",
           "EntityNotFoundException", "ClusterNotFoundException")  # fmt: skip


class Jobs:
    """One account's and region's jobs."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def look(self, job: Job) -> JobState:
        """The job as its service sees it now. What hinders that is told in the answer, so that other jobs are seen."""
        if not job.kind.describe:
            return JobState(job, None, f"opsctl cannot ask {job.kind.service} about jobs", final=True)
        try:
            return JobState(job, self._status(job))
        except OpsError as error:
            return JobState(job, None, error.message, final=isinstance(error, ConfigurationError))

    def _status(self, job: Job) -> str | None:
        import jmespath
        from botocore.exceptions import ClientError

        kind = job.kind
        with self._aws.explained(kind.action, job.arn or job.id):
            try:
                answer = getattr(self._aws.client(kind.service), kind.describe)(**job.request)
            except ClientError as error:
                if code_of(error) in UNKNOWN:
                    return None
                raise
        status = jmespath.search(kind.status, answer)
        return None if status is None else str(status)
