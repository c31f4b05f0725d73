"""The Step Functions API beside executions' own way: versions, aliases, pages, limits."""

from __future__ import annotations

import itertools
import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, task, unique

PASS = {"Done": {"Type": "Pass", "End": True}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}

STATUSES = "RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE"


@pytest.fixture
def states(cloud: Cloud) -> Any:
    return cloud.client("stepfunctions")


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """The error code and message that a call is refused with."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def definition(*states: str) -> str:
    """A machine of Pass states in a row."""
    row = {name: {"Type": "Pass", "Next": after} for name, after in itertools.pairwise(states)}
    return json.dumps({"StartAt": states[0], "States": {**row, states[-1]: {"Type": "Pass", "End": True}}})


@pytest.mark.parametrize(
    ("call", "parameters", "broken"),
    [
        ("start_execution", {"name": "x" * 81}, f"'{'x' * 81}' at 'name'|have length less than or equal to 80"),
        ("start_execution", {"input": "x" * 262_145}, "at 'input'|have length less than or equal to 262144"),
        (
            "start_execution",
            {"traceHeader": "é"},
            "'é' at 'traceHeader'|satisfy regular expression pattern: \\p{ASCII}*",
        ),
        ("list_executions", {"maxResults": 1001}, "'1001' at 'maxResults'|have value less than or equal to 1000"),
        (
            "list_executions",
            {"statusFilter": "DONE"},
            f"'DONE' at 'statusFilter'|satisfy enum value set: [{STATUSES}]",
        ),
        (
            "update_state_machine",
            {"definition": " " * 1_048_577},
            "at 'definition'|have length less than or equal to 1048576",
        ),
        ("create_activity", {"name": ""}, "'' at 'name'|have length greater than or equal to 1"),
        ("create_activity", {}, "null at 'name'|not be null"),
        (
            "redrive_execution",
            {"executionArn": "a", "clientToken": "a b"},
            "'a b' at 'clientToken'|satisfy regular expression pattern: [!-~]+",
        ),
    ],
)
def test_limits_of_the_model(cloud: Cloud, call: str, parameters: dict[str, Any], broken: str) -> None:
    client = boto3.session.Session().client(
        "stepfunctions",
        region_name=cloud.server["region"],
        endpoint_url=cloud.server["url"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(parameter_validation=False),
    )
    if "executionArn" not in parameters and call != "create_activity":
        parameters = {"stateMachineArn": cloud.machine(PASS), **parameters}
    place, _, rule = broken.partition("|")
    assert refusal(getattr(client, call), **parameters) == (
        "ValidationException",
        f"1 validation error detected: Value {place} failed to satisfy constraint: Member must {rule}",
    )


def test_tokens_between_pages(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    for number in range(3):
        cloud.finish(cloud.start(machine, name=f"run-{number}"))
    token = states.list_executions(stateMachineArn=machine, maxResults=1)["nextToken"]
    newer = cloud.start(machine, name="newer")
    cloud.finish(newer)
    rest = states.list_executions(stateMachineArn=machine, nextToken=token)
    assert ([run["name"] for run in rest["executions"]], "nextToken" in rest) == (["run-1", "run-0"], False)
    other = cloud.machine(PASS)
    assert refusal(states.list_executions, stateMachineArn=other, nextToken=token)[0] == "InvalidToken"
    assert refusal(states.list_executions, stateMachineArn=machine, nextToken="garbage")[0] == "InvalidToken"
    page = states.get_execution_history(executionArn=newer, maxResults=1)
    asked = {"executionArn": newer, "nextToken": page["nextToken"]}
    assert refusal(states.get_execution_history, reverseOrder=True, **asked)[0] == "InvalidToken"
    assert len(states.get_execution_history(**asked)["events"]) == 3
    assert len(states.get_execution_history(executionArn=newer, maxResults=0)["events"]) == 4


def test_filters_of_lists(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    for wrong in ({}, {"stateMachineArn": machine, "redriveFilter": "REDRIVEN"},
                  {"stateMachineArn": machine, "statusFilter": "PENDING_REDRIVE"}):  # fmt: skip
        assert refusal(states.list_executions, **wrong)[0] == "ValidationException"
    assert refusal(states.list_executions, stateMachineArn=machine + "no")[0] == "StateMachineDoesNotExist"
    assert refusal(states.list_executions, stateMachineArn="arn:aws:s3:::bucket")[0] == "InvalidArn"


def test_lists_of_machines(cloud: Cloud, states: Any) -> None:
    machines = [cloud.machine(PASS) for _ in range(3)]
    pages = states.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 2})
    listed = [entry["stateMachineArn"] for page in pages for entry in page["stateMachines"]]
    assert [arn for arn in listed if arn in machines] == machines


def test_metadata_only_and_the_trace_header(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    execution = cloud.start(machine, {"a": 1}, traceHeader="Root=1-2-3")
    assert cloud.finish(execution)["traceHeader"] == "Root=1-2-3"
    bare = states.describe_execution(executionArn=execution, includedData="METADATA_ONLY")
    assert (bare["inputDetails"], "input" in bare, "output" in bare) == ({"included": False}, False, False)
    found = states.describe_state_machine(stateMachineArn=machine, includedData="METADATA_ONLY")
    kept = states.describe_state_machine_for_execution(executionArn=execution, includedData="METADATA_ONLY")
    for answer in (found, kept):
        assert (answer["stateMachineArn"], answer["definition"]) == (machine, "{}")
        assert "variableReferences" not in answer


def test_the_variables_that_states_read_are_described(cloud: Cloud, states: Any) -> None:
    inner = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $price * $states.input %}", "End": True}
    each = {
        "Type": "Map",
        "ItemsPath": "$items",
        "ItemProcessor": {"StartAt": "Multiply", "States": {"Multiply": inner}},
        "ResultSelector": {"all.$": "States.Format('{} {}', $price, $items)"},
        "End": True,
    }
    machine = cloud.machine(
        {"Set": {"Type": "Pass", "Assign": {"price": 2, "items": [1]}, "Next": "Each"}, "Each": each}
    )
    read = {"Each": ["items", "price"], "Multiply": ["price"]}
    assert states.describe_state_machine(stateMachineArn=machine)["variableReferences"] == read
    kept = states.describe_state_machine_for_execution(executionArn=cloud.start(machine))
    assert kept["variableReferences"] == read


def test_revisions(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    asked = {"stateMachineArn": machine}
    before = states.describe_state_machine(**asked)
    same = states.update_state_machine(definition=before["definition"], **asked)
    first = states.publish_state_machine_version(revisionId="INITIAL", **asked)["stateMachineVersionArn"]
    changed = states.update_state_machine(definition=definition("A", "B"), **asked)
    conflict = refusal(states.publish_state_machine_version, revisionId="INITIAL", **asked)
    second = states.publish_state_machine_version(revisionId=changed["revisionId"], **asked)["stateMachineVersionArn"]
    published = states.update_state_machine(definition=definition("C"), publish=True, versionDescription="c", **asked)
    version = states.describe_state_machine(stateMachineArn=published["stateMachineVersionArn"])
    execution = cloud.start(second)
    assert ("revisionId" in before, "revisionId" in same) == (False, False)
    assert conflict[0] == "ConflictException"
    assert (first, second, version["stateMachineArn"]) == (f"{machine}:1", f"{machine}:2", f"{machine}:3")
    assert (version["description"], version["revisionId"]) == ("c", published["revisionId"])
    kept = states.describe_state_machine_for_execution(executionArn=execution)
    assert kept["revisionId"] == changed["revisionId"]
    assert refusal(states.update_state_machine, **asked)[0] == "MissingRequiredParameter"
    pages = states.get_paginator("list_executions")
    assert len(pages.paginate(stateMachineArn=second).build_full_result()["executions"]) == 1
    page = states.list_state_machine_versions(maxResults=2, **asked)
    last = states.list_state_machine_versions(nextToken=page["nextToken"], **asked)["stateMachineVersions"]
    assert [entry["stateMachineVersionArn"] for entry in last] == [first]


def test_aliases(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    states.publish_state_machine_version(stateMachineArn=machine)
    states.update_state_machine(stateMachineArn=machine, definition=definition("A", "B"), publish=True)
    one = [{"stateMachineVersionArn": f"{machine}:1", "weight": 100}]
    both = [{"stateMachineVersionArn": f"{machine}:{number}", "weight": 50} for number in (1, 2)]
    none = [{"stateMachineVersionArn": f"{machine}:9", "weight": 100}]
    live = states.create_state_machine_alias(name="live", routingConfiguration=one)["stateMachineAliasArn"]
    assert states.create_state_machine_alias(name="live", routingConfiguration=one)["stateMachineAliasArn"] == live
    create = states.create_state_machine_alias
    assert refusal(create, name="live", routingConfiguration=both)[0] == "ConflictException"
    assert refusal(create, name="other", routingConfiguration=none)[0] == "ResourceNotFound"
    assert refusal(create, name="1", routingConfiguration=one)[0] == "ValidationException"
    states.update_state_machine_alias(stateMachineAliasArn=live, routingConfiguration=both)
    taken = {states.describe_execution(executionArn=cloud.start(live))["stateMachineVersionArn"] for _ in range(40)}
    assert taken == {f"{machine}:1", f"{machine}:2"}
    for listed in (machine, f"{machine}:2"):
        aliases = states.list_state_machine_aliases(stateMachineArn=listed)["stateMachineAliases"]
        assert [alias["stateMachineAliasArn"] for alias in aliases] == [live]
    states.delete_state_machine_alias(stateMachineAliasArn=live)
    assert refusal(states.start_execution, stateMachineArn=live)[0] == "StateMachineDoesNotExist"


def test_quotas_of_aliases_and_tags(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    version = states.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    routes = [{"stateMachineVersionArn": version, "weight": 100}]
    for number in range(100):
        states.create_state_machine_alias(name=f"alias-{number}", routingConfiguration=routes)
    code, words = refusal(states.create_state_machine_alias, name="one-too-many", routingConfiguration=routes)
    assert (code, words) == ("ServiceQuotaExceededException", "A state machine can have at most 100 aliases.")

    tags = [{"key": f"key-{number}", "value": "v"} for number in range(51)]
    states.tag_resource(resourceArn=machine, tags=tags[:50])
    states.tag_resource(resourceArn=machine, tags=tags[:1])
    assert refusal(states.tag_resource, resourceArn=machine, tags=tags[50:])[0] == "TooManyTags"
    assert refusal(states.create_activity, name=unique("tagged"), tags=tags)[0] == "TooManyTags"
    more = {"definition": definition("A"), "roleArn": cloud.role}
    assert refusal(states.create_state_machine, name=unique("tagged"), tags=tags, **more)[0] == "TooManyTags"


def test_stop_ends_retries_and_waits_at_once(cloud: Cloud, states: Any) -> None:
    again = {"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 60, "MaxAttempts": 5}]}
    branches = [
        {"StartAt": "Try", "States": {"Try": task("lambda:invoke", {"FunctionName": "nowhere"}, **again)}},
        {"StartAt": "Wait", "States": WAIT},
    ]
    execution = cloud.start(cloud.machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))
    states.stop_execution(executionArn=execution)
    assert states.describe_execution(executionArn=execution)["status"] == "ABORTED"
    assert cloud.events(execution)[-1]["type"] == "ExecutionAborted"


def test_stop_changes_nothing_after_the_end(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine({"No": {"Type": "Fail", "Error": "Mine"}}))
    end = cloud.finish(execution)
    assert states.stop_execution(executionArn=execution, error="Other")["stopDate"] == end["stopDate"]
    assert states.describe_execution(executionArn=execution)["error"] == "Mine"
