"""CloudWatch Logs: streams and their events, page by page; and which streams a Batch job or a function writes to.

AWS answers 25 GetLogEvents a second for a whole account in most regions, and 10 in some. Pages are fetched one after
the other, and only when they are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws

PAGE = 10_000  # what GetLogEvents returns at most, within 1 MB


@dataclass(frozen=True)
class LogEvent:
    """One event: a line, or several. `at` is in seconds since the epoch; only a search gives an `id`."""

    at: float
    stream: str
    message: str
    id: str = ""


@dataclass(frozen=True)
class LogPage:
    """Some events of a stream, oldest first. `onward` and `back` lead to the pages after and before it; either is the
    token that the page was asked with where there is no more."""

    events: tuple[LogEvent, ...]
    onward: str
    back: str


class Logs:
    """One account's and region's CloudWatch Logs. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def streams(self, group: str, prefix: str) -> list[str] | None:
        """The names of the group's streams that begin so, in order; None where there is no such group."""
        from botocore.exceptions import ClientError

        client = self._aws.client("logs")
        with self._aws.explained("logs:DescribeLogStreams", group):
            try:
                pages = client.get_paginator("describe_log_streams").paginate(
                    logGroupName=group, logStreamNamePrefix=prefix
                )
                return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
        return None

    def page(
        self, group: str, stream: str, *, since: float | None = None, token: str | None = None, newest: bool = False
    ) -> LogPage | None:
        """A page of a stream: its first one, its `newest` one, or the one that a token leads to. None where there is no
        such group or stream."""
        from botocore.exceptions import ClientError

        request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": not newest}
        request |= {"startTime": int(since * 1000)} if since is not None else {}
        request |= {"nextToken": token} if token else {}
        with self._aws.explained("logs:GetLogEvents", f"{group}:{stream}"):
            try:
                answer = self._aws.client("logs").get_log_events(**request)
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                return None
        events = tuple(_event(event, stream) for event in answer["events"])
        return LogPage(events, answer["nextForwardToken"], answer["nextBackwardToken"])

    def found(
        self,
        group: str,
        since: float,
        until: float | None = None,
        phrase: str | None = None,
    ) -> Iterator[LogEvent]:
        """The events of all streams of a group in that time, by time; of those only the ones with a phrase, if given;
        none where there is no such group."""
        from botocore.exceptions import ClientError

        request: dict[str, Any] = {"logGroupName": group, "startTime": int(since * 1000)}
        request |= {"endTime": int(until * 1000)} if until is not None else {}
        request |= {"filterPattern": f'"{phrase}"'} if phrase else {}
        with self._aws.explained("logs:FilterLogEvents", group):
            try:
                for page in self._aws.client("logs").get_paginator("filter_log_events").paginate(**request):
                    for event in page["events"]:
                        yield _event(event, event["logStreamName"])
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise

    def group_of_function(self, function: str) -> str | None:
        """The group that a function is configured to write to; None where there is no such function any more."""
        from botocore.exceptions import ClientError

        with self._aws.explained("lambda:GetFunctionConfiguration", function):
            try:
                answer = self._aws.client("lambda").get_function_configuration(FunctionName=function)
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                return None
        group: str | None = answer.get("LoggingConfig", {}).get("LogGroup")
        return group

    def batch_job(self, job_id: str) -> dict[str, Any] | None:
        """What Batch says of a job; None where it has forgotten it, as it does some days after the job's end."""
        with self._aws.explained("batch:DescribeJobs", job_id):
            jobs: list[dict[str, Any]] = self._aws.client("batch").describe_jobs(jobs=[job_id])["jobs"]
        return jobs[0] if jobs else None


def _event(event: dict[str, Any], stream: str) -> LogEvent:
    return LogEvent(event["timestamp"] / 1000, stream, event["message"], event.get("eventId", ""))
