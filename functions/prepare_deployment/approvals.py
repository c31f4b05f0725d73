"""Whether a person is to be asked before a model is deployed, and who approved it already."""

import json

import boto3
from botocore.exceptions import ClientError

from opsctl.asl.history import SUCCEEDED, read_history
from opsctl.domain.champions import ROLLBACK, CorruptRecordError, history_prefix, read_record
from opsctl.domain.deployments import APPROVAL_STEP, needs_approval
from prepare_deployment.refusal import InvalidDeployment
from shared.objects import read

DEEPEST = 20  # reruns of reruns, back to the one that was approved


def approval(s3, arn, document, settings, champion):
    """Whether a person is to be asked, and who approved already. Raises InvalidDeployment for a skipped approval that
    nobody gave."""
    rule = settings["approval"]
    if document.get("approval") is False and rule["required"] and not rule["waivable"]:
        raise InvalidDeployment(
            "approval: false is not allowed here; leave it out, or set deployment.approval.waivable in the module"
        )
    rollback = document.get("reason") == ROLLBACK
    was = rollback and _was_champion(s3, settings["bucket"], document, settings, champion)
    needed = needs_approval(document, rule, was_champion=was)
    if not needed or not (document.get("skip") or {}).get("request_approval"):
        return {"needed": needed, "approved_by": None}
    return {"needed": False, "approved_by": _approved_before(arn, document)}


def _was_champion(s3, bucket, document, settings, champion):
    run, machine = document["run"], document.get("machine", settings["machine"])
    known = [champion, champion.previous if champion else None]
    if any(one is not None and one.run == run for one in known):
        return True
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=history_prefix(machine))
    for item in (item for page in pages for item in page.get("Contents", [])):
        try:
            if read_record(read(s3, bucket, item["Key"]) or b"").run == run:
                return True
        except CorruptRecordError:
            continue
    return False


def _approved_before(arn, document):
    """Who approved the deployment that this one is a rerun of. Raises InvalidDeployment where nobody did."""
    states, asked = boto3.client("stepfunctions"), document["run"]
    for _ in range(DEEPEST):
        name = (document.get("rerun") or {}).get("of")
        if not name:
            break
        try:
            pages = states.get_paginator("get_execution_history").paginate(
                executionArn=f"{arn.rpartition(':')[0]}:{name}", includeExecutionData=True
            )
            history = read_history(event for page in pages for event in page["events"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                break
            raise
        document = json.loads(history.input or "{}")
        if not isinstance(document, dict) or document.get("run") != asked:
            break
        answers = [
            attempt.output
            for state in history.states
            if state.name == APPROVAL_STEP and state.status == SUCCEEDED
            for attempt in state.attempts[-1:]
        ]
        if answers:
            return _approver(answers[-1])
    raise InvalidDeployment(
        "skip.request_approval: nobody has approved this model in the run that this is a rerun of; rerun it with "
        f'--from "{APPROVAL_STEP}"'
    )


def _approver(output):
    """Who it was, by the answer. Raises InvalidDeployment for an answer that says no."""
    answer = json.loads(output or "null")
    if isinstance(answer, dict) and answer.get("approved") is False:
        raise InvalidDeployment("skip.request_approval: the run that this is a rerun of was not approved")
    return answer.get("approved_by") if isinstance(answer, dict) else None
