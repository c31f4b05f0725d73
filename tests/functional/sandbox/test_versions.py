"""Old versions of a machine are deleted as an apply has it done: by the shipped function, called as a function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions
from opsctl.config import SANDBOX, Context
from tests.functional.sandbox.cloud import Cloud, unique, wait_for

PACKAGE = Path(__file__).resolve().parents[3] / "functions/dist/prune_versions.zip"
PASS = {"Work": {"Type": "Pass", "End": True}}
FAIL = {"Work": {"Type": "Fail", "Error": "E"}}
WAIT = {"Work": {"Type": "Wait", "Seconds": 600, "End": True}}


def publish(cloud: Cloud, machine: str, states: dict[str, Any], comment: str) -> str:
    """A version of its own, of these states; returns its ARN."""
    definition = json.dumps({"Comment": comment, "StartAt": "Work", "States": states})
    answer = cloud.client("stepfunctions").update_state_machine(
        stateMachineArn=machine, definition=definition, publish=True
    )
    return str(answer["stateMachineVersionArn"])


def test_old_versions_go_but_for_those_in_use(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    machine = cloud.machine(PASS)
    unused, running, failed, routed, middle, newest = (
        publish(cloud, machine, kind, f"version {number}")
        for number, kind in enumerate((PASS, WAIT, FAIL, PASS, PASS, PASS))
    )
    states.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": routed, "weight": 100}]
    )
    cloud.finish(cloud.start(unused))
    at_work = cloud.start(running, name="at-work")
    wait_for(lambda: states.list_executions(stateMachineArn=running)["executions"], "the run to be listed")
    cloud.finish(cloud.start(failed, name="failed"))
    function = unique("prune")
    cloud.client("lambda").create_function(
        FunctionName=function, Runtime="python3.13", Role=cloud.role, Handler="handler.handler", Timeout=60,
        Code={"ZipFile": PACKAGE.read_bytes()},
    )  # fmt: skip

    asked = json.dumps({"machine": machine, "keep": 1}).encode()
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=asked)
    assert "FunctionError" not in answer
    assert json.load(answer["Payload"]) == {
        "deleted": [middle, unused],
        "kept": {
            routed: "the alias live leads to it",
            failed: "failed ended FAILED on it and can be redriven until 14 days after its end",
            running: "at-work is running on it",
        },
    }
    listed = states.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    assert [version["stateMachineVersionArn"] for version in listed] == [newest, routed, failed, running]
    assert states.describe_execution(executionArn=at_work)["status"] == "RUNNING"
    states.redrive_execution(
        executionArn=failed.replace(":stateMachine:", ":execution:").rpartition(":")[0] + ":failed"
    )
    states.stop_execution(executionArn=at_work)


def test_an_alias_leads_to_the_version_that_new_runs_walk(cloud: Cloud) -> None:
    states, own = cloud.client("stepfunctions"), step_functions(cloud)
    machine = cloud.machine(PASS)
    old, new = (publish(cloud, machine, PASS, comment) for comment in ("old", "new"))
    route = [{"stateMachineVersionArn": old, "weight": 100}]
    alias = states.create_state_machine_alias(name="live", routingConfiguration=route)["stateMachineAliasArn"]
    assert [own.leads_to(arn) for arn in (machine, new, alias)] == [machine, new, old]
    assert own.definition(own.leads_to(alias))["Comment"] == "old"

    run = own.describe(own.start(alias, "on-the-alias", "{}"))
    assert (run.machine_arn, run.version, run.alias) == (machine, int(old.rpartition(":")[2]), "live")
    assert [(listed.version, listed.alias) for listed in own.runs(machine)] == [(run.version, "live")]
    assert own.find(machine, "on-the-alias") is not None
    plain = own.describe(own.start(machine, "on-the-machine", "{}"))
    assert (plain.version, plain.alias) == (None, None)

    split = [{"stateMachineVersionArn": old, "weight": 20}, {"stateMachineVersionArn": new, "weight": 80}]
    states.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=split)
    assert own.leads_to(alias) == new


def step_functions(cloud: Cloud) -> StepFunctions:
    """As opsctl asks."""
    context = Context(SANDBOX, cloud.server["url"], cloud.server["region"], None, cloud.directory)
    return StepFunctions(Aws(context, cloud.server["region"]))
