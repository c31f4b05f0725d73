"""Every example applied for real, all in one account: five instances of the module, and what they make runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from opsctl import sandbox, terraform
from opsctl.operations.provision import prepare_workspace
from tests.functional.sandbox.cloud import wait_for

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir())
STATES = "terraform-states"
# A state in a file would be written anew after each resource, which with five instances takes most of Terraform's time.
BACKEND = f"""
terraform {{
  backend "s3" {{
    bucket = "{STATES}"
    key    = "examples.tfstate"
    region = "us-east-1"
  }}
}}
"""
CONFIGURATION = """
module "{name}" {{
  source = "{source}"

  force_destroy = true
{more}}}

output "{name}" {{
  value = module.{name}.opsctl
}}
"""


@dataclass(frozen=True)
class Account:
    """The sandbox that holds all examples, and each one's output."""

    directory: Path
    server: dict[str, Any]
    workspace: terraform.Workspace
    outputs: dict[str, dict[str, Any]]

    def client(self, service: str) -> Any:
        return client(self.server, service)

    def run(self, *command: str, seconds: float = 1200) -> str:
        """Run a program in the sandbox's environment; returns its standard output."""
        variables = {"HOME": str(self.directory), **sandbox.environment(self.server), "OPSCTL_CONTEXT": "aws"}
        done = subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=seconds
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def opsctl(self, example: str, *words: str) -> Any:
        """What a command on one example's deployment prints as JSON; it reads that example's Terraform state."""
        folder = self.directory.parent / example
        folder.mkdir(exist_ok=True)
        outputs = {"opsctl": {"value": self.outputs[example], "type": "dynamic"}}
        state = {"version": 4, "serial": 1, "lineage": "examples", "resources": [], "outputs": outputs}
        (folder / "terraform.tfstate").write_text(json.dumps(state))
        place = ("--terraform-dir", str(folder), "--endpoint-url", self.server["url"])
        return json.loads(self.run(sys.executable, "-m", "opsctl", *place, *words, "-o", "json"))

    def put_data(self, example: str, prefix: str) -> None:
        """The sample documents, below `prefix` of the example's bucket."""
        target = f"s3://{self.outputs[example]['bucket']}/{prefix}"
        self.run(sys.executable, str(ROOT / "training" / "documents.py"), "--out", target, "--stacks", "12")

    def keys(self, example: str, prefix: str) -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.outputs[example]["bucket"], Prefix=prefix)
        return [item["Key"].removeprefix(prefix) for page in found for item in page.get("Contents", [])]


def client(server: dict[str, Any], service: str) -> Any:
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=server["region"])
    return session.client(service, endpoint_url=server["url"], config=Config(proxies={}))


def _vpc(ec2: Any) -> str:
    """A VPC that is there already, as the variables that say so."""
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    lists = {"subnet_ids": subnets, "route_table_ids": [table]}
    return f'  vpc_id = "{vpc}"\n' + "".join(f"  {name} = {json.dumps(ids)}\n" for name, ids in lists.items())


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    directory = tmp_path_factory.mktemp("examples") / "sandbox"
    server = sandbox.up(directory)
    try:
        workspace = prepare_workspace(directory, ROOT, sandbox.environment(server))
        sources = {name: os.path.relpath(ROOT / "examples" / name, workspace.directory) for name in EXAMPLES}
        more = {"existing-vpc": _vpc(client(server, "ec2"))}
        parts = [
            CONFIGURATION.format(name=name, source=source, more=more.get(name, "")) for name, source in sources.items()
        ]
        (workspace.directory / "main.tf").write_text("".join([BACKEND, *parts]))
        s3 = client(server, "s3")
        s3.create_bucket(Bucket=STATES)
        terraform.init(workspace)
        terraform.apply(workspace)
        state = json.loads(s3.get_object(Bucket=STATES, Key="examples.tfstate")["Body"].read())
        outputs = {name: output["value"] for name, output in state["outputs"].items()}
        yield Account(directory, server, workspace, outputs)
    finally:
        sandbox.down(directory)


def test_all_examples_are_applied(account: Account) -> None:
    assert EXAMPLES == ["complete", "existing-vpc", "minimal", "own-definition", "two-states"]
    machines = {name: sorted(output["machines"]) for name, output in account.outputs.items()}
    assert machines == {
        "complete": ["bulk", "deployment", "inference", "training"],
        "existing-vpc": ["bulk", "deployment", "inference", "training"],
        "minimal": ["bulk", "minimal"],
        "own-definition": ["bulk", "deployment", "inference", "review", "training"],
        "two-states": ["bulk", "two-states"],
    }
    assert not terraform.plan(account.workspace)


def test_one_state_copies_the_data(account: Account) -> None:
    account.put_data("minimal", "datasets/sample/")
    ended = account.opsctl("minimal", "start", "--machine", "minimal", "--name", "first", "--wait")
    assert ended["status"] == "SUCCEEDED"
    copied = account.keys("minimal", "runs/first/fetch-preprocessed-data/")
    assert "manifest.json" in copied
    assert set(account.keys("minimal", "datasets/sample/")) < set(copied)


def test_two_states_train_a_model(account: Account) -> None:
    account.put_data("two-states", "datasets/sample/")
    ended = account.opsctl("two-states", "start", "--machine", "two-states", "--name", "first", "--wait")
    assert ended["status"] == "SUCCEEDED"
    assert "first-train-text-model-d0r0/output/model.tar.gz" in account.keys(
        "two-states", "runs/first/train-text-model/"
    )


def test_a_definition_of_ones_own_asks_and_starts_the_shipped_one(account: Account) -> None:
    """Without documents it has nothing to ask; with some, it waits for a person, and then trains on them."""
    nothing = account.opsctl("own-definition", "start", "--machine", "review", "--name", "empty", "--wait")
    assert nothing["status"] == "SUCCEEDED"
    account.put_data("own-definition", "datasets/inbox/")
    account.opsctl("own-definition", "start", "--machine", "review", "--name", "documents")

    def asked() -> list[str]:
        mail = [path.read_text() for path in sorted((account.directory / "mailbox").glob("*.txt"))]
        return [text for text in mail if "documents-review-review: train on new documents?" in text]

    (mail,) = wait_for(asked, "the question")
    assert "opsctl approve documents --machine review" in mail
    ended = account.opsctl("own-definition", "approve", "documents", "--machine", "review", "--yes", "--wait")
    assert ended["status"] == "SUCCEEDED"
    started = account.opsctl("own-definition", "status", "documents-t")
    assert started["run"] == "documents-t"
    account.opsctl("own-definition", "stop", "documents-t", "--yes")


def test_a_marker_starts_the_complete_example(account: Account) -> None:
    bucket = account.outputs["complete"]["bucket"]
    account.client("s3").put_object(Bucket=bucket, Key="datasets/july/_READY", Body=b"")
    (run,) = wait_for(lambda: account.opsctl("complete", "list"), "a run")
    assert run["run"].startswith("july-")
    wait_for(lambda: account.opsctl("complete", "list")[0]["status"] != "RUNNING", "the run to end")


def test_destroy_leaves_nothing(account: Account) -> None:
    """With every run's objects in the buckets; Terraform has read all of it when it planned."""
    account.run(str(account.workspace.program), "destroy", "-auto-approve", "-refresh=false", "-no-color", seconds=1800)
    roles = [role["RoleName"] for role in account.client("iam").list_roles()["Roles"]]
    assert [role for role in roles if not role.startswith("AWSServiceRole")] == []
    assert [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]] == [STATES]
    assert account.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert account.client("stepfunctions").list_activities()["activities"] == []
    assert account.client("lambda").list_functions()["Functions"] == []
    assert account.client("sns").list_topics().get("Topics", []) == []
    assert account.client("sqs").list_queues().get("QueueUrls", []) == []
    assert account.client("batch").describe_job_queues()["jobQueues"] == []
    assert account.client("events").list_rules(NamePrefix="documents")["Rules"] == []
    assert account.client("scheduler").list_schedules()["Schedules"] == []
