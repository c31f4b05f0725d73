"""`opsctl cleanup --engine map` with the shipped machine `bulk`: its function, its distributed Map, their results."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Ran

from opsctl import sandbox
from opsctl.cli.root import root
from opsctl.config import SANDBOX, Context, Deployment, Machine
from opsctl.domain.objects import Place
from opsctl.domain.plan import REUSE, PlannedStep, Result
from opsctl.errors import OpsError
from opsctl.operations import copies, handing_over
from opsctl.operations.connection import Connection, connected
from tests.functional.pipeline_world import FakeInvocation
from tests.functional.sandbox.cloud import Cloud, unique
from tests.functional.sandbox.small import two_steps

REPOSITORY = Path(__file__).resolve().parents[3]
GOLDEN = REPOSITORY / "tests/golden/bulk.asl.json"
GOLDEN_BUCKET = "documents-123456789012-us-east-1"
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function"
# Like the real function, but for what it may not delete.
DENYING = """
import handler as real

class Denied(Exception):
    pass

def handler(event, context):
    items = event.get("items", [])
    if any("/poison/" in item.get("key", "") for item in items):
        raise Denied("no access")
    event["items"] = [item for item in items if "/denied/" not in item.get("key", "")]
    answer = real.handler(event, context)
    keys = [item["key"] for item in items if item not in event["items"]]
    if keys:
        answer["refused"].append({"code": "AccessDenied", "message": "Access Denied", "keys": keys})
    return answer
"""


@dataclass
class Deployed:
    """A sandbox with the machine `bulk` in it, as the module makes it."""

    cloud: Cloud
    deployment: Deployment

    @property
    def connection(self) -> Connection:
        """What operations work on."""
        url, region = self.cloud.server["url"], self.cloud.server["region"]
        context = Context(SANDBOX, url, region, None, Path("unused"))
        return connected(context, self.deployment, self.deployment.machines["training"])

    def opsctl(self, *words: str) -> Ran:
        """Run one command."""
        return CliRunner().invoke(root, list(words), obj=FakeInvocation(self.connection))

    def cleanup(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the document of one that goes by the Map."""
        answer = self.opsctl("cleanup", "--engine", "map", "--yes", "-o", "json", *words)
        return answer.exit_code, json.loads(answer.stdout[answer.stdout.index("{") :])

    def put_run(self, *keys: str) -> str:
        """A run that has ended and left these objects."""
        run = unique("run")
        self.cloud.finish(self.cloud.start(self.deployment.machines["training"].arn, name=run))
        for key in keys:
            self.cloud.put(f"runs/{run}/{key}", key)
        return run


@pytest.fixture(scope="module")
def deployed(own_cloud: Cloud) -> Deployed:
    """A cleanup waits for another one, and takes stock of the whole bucket."""
    cloud = own_cloud
    cloud.client("s3").put_bucket_versioning(Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"})
    definition = GOLDEN.read_text().replace(GOLDEN_BUCKET, cloud.bucket)
    definition = definition.replace('"MaxItemsPerBatch": 1000', '"MaxItemsPerBatch": 10')
    for name, around in (("bulk-batch", DENYING), ("describe-failure", None)):
        made = _function(cloud, name.replace("-", "_"), around)
        definition = definition.replace(f"{LAMBDA}:documents-{name}", made)
    topic = cloud.client("sns").create_topic(Name="documents-failures")["TopicArn"]
    assert topic in definition
    arn = cloud.client("stepfunctions").create_state_machine(
        name="documents-bulk", definition=definition, roleArn=cloud.role
    )["stateMachineArn"]
    training = cloud.machine({"Done": {"Type": "Succeed"}})
    machines = {
        key: Machine(key, machine.rpartition(":")[2], machine, "", (), {})
        for key, machine in (("bulk", arn), ("training", training))
    }
    return Deployed(cloud, Deployment("x", cloud.server["region"], "123456789012", cloud.bucket, "", topic, machines))


def version(deployed: Deployed, status: str) -> None:
    """Switch the bucket's versioning."""
    deployed.cloud.client("s3").put_bucket_versioning(
        Bucket=deployed.cloud.bucket, VersioningConfiguration={"Status": status}
    )


def _function(cloud: Cloud, name: str, around: str | None) -> str:
    """The ARN of a shipped function, or of what is put around it."""
    archive = io.BytesIO((REPOSITORY / f"functions/dist/{name}.zip").read_bytes())
    if around:
        with zipfile.ZipFile(archive, "a") as packed:
            packed.writestr("main.py", around)
    answer = cloud.client("lambda").create_function(
        FunctionName=unique("function"), Runtime="python3.13", Role=cloud.role, Timeout=60,
        Handler="main.handler" if around else "handler.handler", Code={"ZipFile": archive.getvalue()},
    )  # fmt: skip
    arn: str = answer["FunctionArn"]
    return arn


def test_a_manifest_is_deleted_by_the_map_and_can_be_brought_back(deployed: Deployed) -> None:
    keys = ["a b+c%20.txt", "naïve 日本", *(f"many/{number:04}" for number in range(25))]
    run, reader = deployed.put_run(*keys), deployed.put_run("x")
    reads = f"s3://{deployed.cloud.bucket}/runs/{run}/many/"
    deployed.cloud.put(f"runs/{reader}/code.json", json.dumps({"reads": [reads]}))
    code, document = deployed.cleanup("--run", run, "--run", reader)
    done = {"objects": 29, "changed": 0, "kept": {}, "refused": []}
    assert (code, document["result"]) == (0, done)
    assert deployed.cloud.keys(f"runs/{run}/") == deployed.cloud.keys(f"runs/{reader}/") == []
    states = deployed.cloud.client("stepfunctions")
    bulk = deployed.deployment.machines["bulk"].arn
    listed = states.list_executions(stateMachineArn=bulk)["executions"]
    (execution,) = [one for one in listed if one["name"] == document["id"]]
    (map_run,) = states.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
    described = states.describe_map_run(mapRunArn=map_run["mapRunArn"])
    assert execution["status"] == "SUCCEEDED"
    assert (described["itemCounts"]["succeeded"], described["executionCounts"]["succeeded"]) == (30, 3)
    version(deployed, "Suspended")
    assert deployed.opsctl("cleanup", "--undo").exit_code == 3
    version(deployed, "Enabled")
    undone = deployed.opsctl("cleanup", "--undo")
    assert (undone.exit_code, undone.stdout.splitlines()[-1]) == (0, "brought back: 29 objects")
    assert sorted(deployed.cloud.keys(f"runs/{run}/")) == sorted(f"runs/{run}/{key}" for key in keys)


def test_what_is_refused_is_listed_and_the_others_go(deployed: Deployed) -> None:
    run = deployed.put_run("denied/1", "denied/2", "fine/1", "fine/2")
    code, document = deployed.cleanup("--run", run)
    refused = [
        {"key": f"runs/{run}/denied/{number}", "code": "AccessDenied", "message": "Access Denied"} for number in (1, 2)
    ]
    assert (code, document["result"]) == (5, {"objects": 2, "changed": 0, "kept": {}, "refused": refused})
    assert deployed.cloud.keys(f"runs/{run}/") == [f"runs/{run}/denied/1", f"runs/{run}/denied/2"]


def test_a_batch_that_fails_as_a_whole_is_listed_key_by_key(deployed: Deployed) -> None:
    run = deployed.put_run("fine/1", "poison/1")
    code, document = deployed.cleanup("--run", run)
    told = [(item["key"].rpartition(run)[2], item["code"], item["message"]) for item in document["result"]["refused"]]
    refused = [(f"/{key}/1", "Denied", "no access") for key in ("fine", "poison")]
    assert (code, document["result"]["objects"], told) == (5, 0, refused)


def test_a_result_is_copied_with_its_metadata(deployed: Deployed) -> None:
    run = deployed.put_run(*(f"fetch/{number}" for number in range(12)))
    s3, bucket = deployed.cloud.client("s3"), deployed.cloud.bucket
    s3.put_object(Bucket=bucket, Key=f"runs/{run}/fetch/0", Body=b"x", Metadata={"by": "me"})
    connection = deployed.connection
    source, target = Place(bucket, f"runs/{run}/fetch/"), Place(bucket, f"runs/{run}-r1/fetch/")
    items = list(connection.storage.list(source))
    deployed.cloud.put(f"runs/{run}/fetch/11", "written anew")
    answers = list(handing_over.copy(connection, source, target, items, lambda done, total: None))
    assert [(sum(answer.done for answer in answers), sum(answer.changed for answer in answers))] == [(11, 1)]
    assert [item.key for item in connection.storage.list(target)] == [item.key for item in items if item.key != "11"]
    assert s3.head_object(Bucket=bucket, Key=f"{target.key}0")["Metadata"] == {"by": "me"}


def test_what_a_rerun_reuses_is_copied_and_verified(deployed: Deployed) -> None:
    run = deployed.put_run("fetch/1", "fetch/2")
    connection, said = deployed.connection, []
    source = Place(deployed.cloud.bucket, f"runs/{run}/fetch/")
    items = tuple(connection.storage.list(source))
    step = PlannedStep("Fetch", "fetch", REUSE, "", result=Result(source.uri, 2, 14, artifact=False, items=items))
    target = connection.prefix(f"{run}-r1", "fetch")
    copies.copy_result(connection, step, target, said.append, by_map=True)
    assert (list(connection.storage.list(target)), said) == (list(items), ["copied Fetch: 2 objects, 14 bytes"])


def test_a_rerun_copies_by_the_map_and_starts(deployed: Deployed) -> None:
    cloud, source = deployed.cloud, unique("nightly")
    arn = two_steps(cloud)
    settings, needs = {"train": {"rate": "1"}}, {"train": ("fetch",)}
    training = Machine("training", arn.rpartition(":")[2], arn, "", ("fetch", "train"), settings, needs)
    machines = deployed.deployment.machines | {"training": training}
    pipeline = Deployed(cloud, replace(deployed.deployment, machines=machines))
    for number in range(23):
        cloud.put(f"runs/{source}/fetch/part {number:02}+ü.jsonl", f"{number}")
    cloud.put("code/train.py", "# train\n")
    failed = cloud.start(arn, {"hyperparameters": {"train": {"rate": "1000"}}}, name=source)
    assert cloud.finish(failed)["status"] == "FAILED"
    words = ("rerun", source, "--from", "train", "--set", "hyperparameters.train.rate=2", "--engine", "map", "--yes")
    answer = pipeline.opsctl(*words)
    assert (answer.exit_code, answer.stdout.splitlines()[-1]) == (0, f"{source}-r1"), answer.output
    assert "copied by the distributed Map of the machine bulk: as --engine says" in answer.stdout
    assert "copied Fetch: 23 objects, 36 bytes" in answer.stderr
    copies = [key.removeprefix(f"runs/{source}-r1/") for key in cloud.keys(f"runs/{source}-r1/fetch/")]
    assert copies == [f"fetch/part {number:02}+ü.jsonl" for number in range(23)]
    run = cloud.client("stepfunctions").describe_execution(executionArn=f"{failed}-r1")
    assert json.loads(run["input"])["reuse"]["fetch"]["uri"].endswith(f"/runs/{source}-r1/fetch/")
    again = pipeline.opsctl(*words)
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, f"{source}-r1"), again.output
    cloud.client("stepfunctions").stop_execution(executionArn=f"{failed}-r1")


def test_what_a_rerun_may_not_copy_is_told(deployed: Deployed) -> None:
    run = deployed.put_run("fetch/1", "fetch/denied/2")
    connection = deployed.connection
    source = Place(deployed.cloud.bucket, f"runs/{run}/fetch/")
    items = tuple(connection.storage.list(source))
    size = sum(item.size for item in items)
    step = PlannedStep("Fetch", "fetch", REUSE, "", result=Result(source.uri, 2, size, artifact=False, items=items))
    with pytest.raises(OpsError) as raised:
        copies.copy_result(connection, step, connection.prefix(f"{run}-r1", "fetch"), print, by_map=True)
    assert raised.value.message == f"not allowed: s3:GetObject and s3:PutObject on {source.uri}denied/2"


def test_a_machine_that_fails_by_itself_is_told_in_a_line(deployed: Deployed) -> None:
    run = deployed.put_run("fine/1")
    arn = deployed.cloud.machine({"Fail": {"Type": "Fail", "Error": "PipelineFailed", "Cause": "no manifest"}})
    machines = deployed.deployment.machines | {"bulk": Machine("bulk", "documents-bulk", arn, "", (), {})}
    broken = Deployed(deployed.cloud, replace(deployed.deployment, machines=machines))
    answer = broken.opsctl("cleanup", "--engine", "map", "--yes", "--run", run)
    assert answer.exit_code == 5
    assert "ended FAILED on documents-bulk: PipelineFailed: no manifest" in answer.stderr
    assert len(deployed.cloud.keys(f"runs/{run}/")) == 1


def test_from_here_too_the_others_go_when_keys_are_refused(deployed: Deployed) -> None:
    run = deployed.put_run("fine/1", "fine/2", "odd\t1", "odd\t2", "odd\t3")
    sandbox.add_fault(
        deployed.cloud.directory, {"action": "s3:DeleteObject", "match": "odd\t2", "error": "AccessDenied"}
    )
    try:
        answer = deployed.opsctl("cleanup", "--yes", "--run", run)
    finally:
        sandbox.clear_faults(deployed.cloud.directory)
    assert (answer.exit_code, answer.stdout.splitlines()[-1]) == (5, "deleted: 4 objects")
    refused = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert [line.partition("AccessDenied")[0] for line in refused] == [f"error: s3 refused 'runs/{run}/odd\\t2': "]
    assert deployed.cloud.keys(f"runs/{run}/") == [f"runs/{run}/odd\t2"]
    again = deployed.opsctl("cleanup", "--yes", "--run", run)
    assert (again.exit_code, deployed.cloud.keys(f"runs/{run}/")) == (0, [])


def test_one_cleanup_waits_for_the_other(deployed: Deployed) -> None:
    run = deployed.put_run("fine/1")
    arn = deployed.cloud.machine({"Wait": {"Type": "Wait", "Seconds": 600, "End": True}})
    execution = deployed.cloud.start(arn, name="cleanup-before")
    machines = deployed.deployment.machines | {"bulk": Machine("bulk", "bulk", arn, "", (), {})}
    busy = Deployed(deployed.cloud, replace(deployed.deployment, machines=machines))
    answer = busy.opsctl("cleanup", "--engine", "map", "--yes", "--run", run)
    deployed.cloud.client("stepfunctions").stop_execution(executionArn=execution)
    assert (answer.exit_code, answer.stderr.splitlines()[-2:]) == (3, [
        "error: cleanup-before is still at work", "hint: wait for it: opsctl watch cleanup-before --machine bulk",
    ])  # fmt: skip
    assert len(deployed.cloud.keys(f"runs/{run}/")) == 1
