"""Deletes old versions of a state machine. An apply calls it once the alias has moved to the version that it published.

AWS keeps up to 1,000 versions of a machine and deletes none by itself; then it refuses to publish another. The newest
`keep` stay. So does an older one that an alias leads to, that a run is walking, or that a run walked which can still be
redriven (14 days from its end): a redriven run is one of the same version again. What stays for such a reason goes with
a later call.
"""

import time
from datetime import UTC, datetime, timedelta

import boto3
from botocore.exceptions import ClientError

REDRIVABLE = timedelta(days=14)
UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")
PAUSE = 3  # seconds
TIME_TO_FINISH = 30_000  # milliseconds of the function's time that waiting leaves over


class InvalidRequest(Exception):  # noqa: N818 - Lambda shows the name as the error's type
    """The request is none that this function can follow."""


def handler(event, context):
    """{"machine": ARN, "keep": N} -> {"deleted": [ARN], "kept": {ARN: why}}, of those older than the newest N."""
    machine, keep = event.get("machine"), event.get("keep")
    if not isinstance(machine, str) or not isinstance(keep, int) or keep < 1:
        raise InvalidRequest('give {"machine": ARN, "keep": N} with N of at least 1')
    states = boto3.client("stepfunctions")
    answer = {"deleted": [], "kept": {}}
    for version in _versions(states, machine, context)[keep:]:
        reason = _use(states, version) or _refusal(states, version)
        if reason:
            answer["kept"][version] = reason
        else:
            answer["deleted"].append(version)
    return answer


def _versions(states, machine, context):
    """The ARNs of a machine's versions, newest first. IAM makes a role work some seconds after it was made: the first
    apply calls this as soon as that."""
    while True:
        try:
            found = _pages(states.list_state_machine_versions, "stateMachineVersions", stateMachineArn=machine)
            arns = [version["stateMachineVersionArn"] for version in found]
            return sorted(arns, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)
        except ClientError as error:
            if _code(error) != "AccessDeniedException" or context.get_remaining_time_in_millis() < TIME_TO_FINISH:
                raise
        time.sleep(PAUSE)


def _pages(call, name, **request):
    """Everything that a listing has: boto3 has no paginator for versions."""
    token = {}
    while token is not None:
        page = call(**request, **token)
        yield from page[name]
        token = {"nextToken": page["nextToken"]} if page.get("nextToken") else None


def _use(states, version):
    """Why a version is still needed; None where it is not."""
    aliases = states.list_state_machine_aliases(stateMachineArn=version, maxResults=1)["stateMachineAliases"]
    if aliases:
        return f"the alias {aliases[0]['stateMachineAliasArn'].rpartition(':')[2]} leads to it"
    running = _newest(states, version, "RUNNING")
    if running:
        return f"{running['name']} is running on it"
    oldest = datetime.now(UTC) - REDRIVABLE
    for status in UNSUCCESSFUL:
        run = _newest(states, version, status)
        if run and run["stopDate"] > oldest:
            return f"{run['name']} ended {status} on it and can be redriven until 14 days after its end"
    return None


def _newest(states, version, status):
    """The run of a version that ended (or, of those that run, began) last in a status."""
    listed = states.list_executions(stateMachineArn=version, statusFilter=status, maxResults=1)["executions"]
    return listed[0] if listed else None


def _refusal(states, version):
    """Delete a version; what AWS says where an alias, or another apply, came in between."""
    try:
        states.delete_state_machine_version(stateMachineVersionArn=version)
    except ClientError as error:
        if _code(error) != "ConflictException":
            raise
        return str(error.response["Error"].get("Message") or error)
    return None


def _code(error):
    return error.response["Error"]["Code"]
