"""Where a training run's steps left their results."""

import json

import boto3
from botocore.exceptions import ClientError

UNKNOWN = ("ExecutionDoesNotExist", "AccessDeniedException")  # of an execution: forgotten, or of a machine that is gone


class Folders:
    """Where a training run's steps left their results: below its own prefix, or where its input says that it reads what
    it did not make. A run that AWS has forgotten has its own prefix only."""

    def __init__(self, settings, machine, run):
        self._own = f"s3://{settings['bucket']}/runs/{run}/"
        arn = f"{settings['training'].replace(':stateMachine:', ':execution:').rpartition(':')[0]}:{machine}:{run}"
        document = _input_of(arn)
        skip, reuse = document.get("skip") or {}, document.get("reuse") or {}
        self._reused = {step: entry["uri"] for step, entry in reuse.items() if skip.get(step.replace("-", "_"))}

    def of(self, step):
        """The folder of a step, with its slash."""
        return f"{self._reused.get(step, self._own + step).rstrip('/')}/"

    @property
    def all(self):
        """Everything of the run, and what it reads elsewhere."""
        return [self._own, *self._reused.values()]


def _input_of(arn):
    try:
        document = json.loads(boto3.client("stepfunctions").describe_execution(executionArn=arn).get("input") or "{}")
    except ClientError as error:
        if error.response["Error"]["Code"] in UNKNOWN:
            return {}
        raise
    return document if isinstance(document, dict) else {}
