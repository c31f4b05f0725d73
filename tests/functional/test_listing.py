"""`opsctl list`, and the RUN arguments that need a list."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from opsctl.asl.effects import Failed
from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions, execution_arn
from opsctl.config import SANDBOX, Context
from opsctl.domain.runs import Run
from opsctl.operations import runs
from tests.functional.pipeline_world import BUCKET, DEPLOYMENT, EPOCH, MACHINE, Bench

DEPLOY = MACHINE.replace("training", "deployment")
BOTH = replace(
    DEPLOYMENT,
    machines={
        "training": DEPLOYMENT.machine(None),
        "deployment": replace(
            DEPLOYMENT.machine(None), key="deployment", name="documents-deployment", arn=DEPLOY, steps=()
        ),
    },
)


def on_both(bench: Bench, states: Any = None) -> Bench:
    """A bench whose deployment has a second machine."""
    connection = replace(bench.connection, deployment=BOTH)
    return replace(bench, connection=replace(connection, states=states) if states else connection)


def test_the_list(bench: Bench) -> None:
    result = bench.opsctl("list")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0, "STATUS  MACHINE  SINCE  DURATION  RUN  LINEAGE\n",
        ("no run of documents-bulk, documents-deployment, documents-inference, documents-training yet; "
         "start one: opsctl start\n"),
    )  # fmt: skip
    bench.opsctl("start", "--name", "one")
    bench.world.script["Prepare Run"] = [Failed("InvalidRunInput", '{"errorMessage": "skip: must be an object"}')]
    bench.opsctl("start", "--name", "two")
    assert (
        bench.opsctl("list").stdout
        == """\
STATUS     MACHINE             SINCE                    DURATION    RUN  LINEAGE
FAILED     documents-training  2127-01-15 08:01:58 UTC  3.0 s       two
SUCCEEDED  documents-training  2127-01-15 08:00:00 UTC  1 min 58 s  one
"""
    )
    assert json.loads(bench.opsctl("list", "--limit", "1", "--query", "[].run").stdout) == ["two"]
    assert [line.split()[0] for line in bench.opsctl("list", "--status", "succeeded").stdout.splitlines()] == [
        "STATUS", "SUCCEEDED",
    ]  # fmt: skip
    none = bench.opsctl("list", "--status", "ABORTED")
    assert (none.exit_code, none.stderr) == (
        0, "no such run of documents-bulk, documents-deployment, documents-inference, documents-training\n",
    )  # fmt: skip


def test_lineage_is_marked_and_machines_are_merged(bench: Bench) -> None:
    both = on_both(bench)
    both.opsctl("start", "--name", "nightly-7")
    both.states.start(DEPLOY, "model-r2", "{}")
    both.opsctl("start", "--name", "nightly-7-r1")
    assert [line[11:] for line in both.opsctl("list").stdout.splitlines()] == [
        "MACHINE               SINCE                    DURATION    RUN           LINEAGE",
        "documents-training    2127-01-15 08:03:56 UTC  1 min 58 s  nightly-7-r1  rerun 1 of nightly-7",
        "documents-deployment  2127-01-15 08:01:58 UTC  1 min 58 s  model-r2",
        "documents-training    2127-01-15 08:00:00 UTC  1 min 58 s  nightly-7",
    ]
    narrowed = json.loads(both.opsctl("list", "--query", "[].[run, machine, rerun]").stdout)
    assert narrowed == [
        ["nightly-7-r1", "documents-training", {"root": "nightly-7", "number": 1}],
        ["model-r2", "documents-deployment", None],
        ["nightly-7", "documents-training", None],
    ]


def test_it_is_narrowed_to_one_machine(bench: Bench) -> None:
    both = on_both(bench)
    both.opsctl("start", "--name", "nightly-7")
    both.states.start(DEPLOY, "deploy-1", "{}")
    for words in (["--machine", "training", "list"], ["list", "--machine", "training"]):
        assert json.loads(both.opsctl(*words, "--query", "[].run").stdout) == ["nightly-7"]


def test_since(bench: Bench) -> None:
    bench.opsctl("start", "--name", "old")
    bench.world.now += 8 * 86400
    bench.opsctl("start", "--name", "new")
    assert json.loads(bench.opsctl("list", "--since", "7d", "--query", "[].run").stdout) == ["new"]
    assert json.loads(bench.opsctl("list", "--since", "2w", "--query", "[].run").stdout) == ["new", "old"]
    bad = bench.opsctl("list", "--since", "yesterday")
    assert (bad.exit_code, bad.stderr.splitlines()[0]) == (
        2,
        "error: Invalid value for '--since': 'yesterday' is not a duration such as 90, 90s, 15m, 2h or 7d",
    )


@dataclass
class Many:
    """Ten thousand runs of each machine, the newest first, started in turns; counts the requests for them."""

    count: int = 10_000
    status: str = "SUCCEEDED"
    requests: list[str] = field(default_factory=list)

    def runs(self, machine_arn: str, status: str | None = None, page_size: int = 1000) -> Any:
        """As the real one."""
        turn = 0.5 if machine_arn == DEPLOY else 0.0
        for number in range(self.count, 0, -1):
            if (self.count - number) % page_size == 0:
                self.requests.append(f"{machine_arn.rpartition('-')[2]} {status or ''}".strip())
            name = f"nightly-{number}"
            run = Run(name, execution_arn(machine_arn, name), machine_arn, self.status, EPOCH + 60 * (number + turn))
            if status in (None, run.status):
                yield run

    def describe(self, arn: str) -> Run:
        """As the real one."""
        return Run(arn.rpartition(":")[2], arn, MACHINE, self.status, EPOCH, input="{}")


def test_the_first_page_of_ten_thousand_runs_takes_one_request_for_each_machine(bench: Bench) -> None:
    many = Many()
    both = on_both(bench, many)
    found = json.loads(both.opsctl("list", "--limit", "5", "--query", "[].[run, machine]").stdout)
    assert found == [
        ["nightly-10000", "documents-deployment"], ["nightly-10000", "documents-training"],
        ["nightly-9999", "documents-deployment"], ["nightly-9999", "documents-training"],
        ["nightly-9998", "documents-deployment"],
    ]  # fmt: skip
    assert many.requests == ["training", "deployment"]
    many.requests.clear()
    assert len(json.loads(both.opsctl("list", "--limit", "3000", "-o", "json").stdout)) == 3000
    assert len(many.requests) == 4


@pytest.mark.parametrize(("wanted", "requests"), [("@latest", ["training"]), ("@failed", ["training"])])
def test_the_newest_of_ten_thousand_runs_takes_one_request(bench: Bench, wanted: str, requests: list[str]) -> None:
    many = Many(status="FAILED")
    connection = replace(bench.connection, states=many)  # type: ignore[arg-type]
    assert runs.resolve(connection, wanted).name == "nightly-10000"
    assert many.requests == requests


def test_the_newest_failure_is_found_behind_thousands_of_successes(bench: Bench) -> None:
    aws = Aws(Context(SANDBOX, "http://127.0.0.1:1", "us-east-1", None, Path("unused")), "us-east-1")
    connection = replace(bench.connection, aws=aws, states=StepFunctions(aws))
    machine = {"stateMachineArn": MACHINE}
    good = [entry(f"nightly-{number}", "SUCCEEDED", 5000 - number) for number in range(1000)]
    bad = {"FAILED": [entry("a", "FAILED", 8)], "TIMED_OUT": [], "ABORTED": [entry("b", "ABORTED", 9)]}
    with Stubber(aws.client("stepfunctions")) as stubber:
        page = {"executions": good, "nextToken": "n"}
        stubber.add_response("list_executions", page, machine | {"maxResults": 1000})
        for status, found in bad.items():
            request = machine | {"statusFilter": status, "maxResults": 1}
            stubber.add_response("list_executions", {"executions": found}, request)
        described = {**entry("b", "ABORTED", 9), "input": "{}"}
        stubber.add_response("describe_execution", described, {"executionArn": execution_arn(MACHINE, "b")})
        assert runs.resolve(connection, "@failed").name == "b"
        stubber.assert_no_pending_responses()


def entry(name: str, status: str, started: float) -> dict[str, Any]:
    """A run as ListExecutions gives it."""
    return {"executionArn": execution_arn(MACHINE, name), "name": name, "status": status, "startDate": started} | {
        "stateMachineArn": MACHINE
    }


def test_a_run_that_aws_has_forgotten_is_told_from_one_that_never_was(bench: Bench) -> None:
    bench.opsctl("start", "--name", "nightly-7")
    bench.states.executions.clear()
    gone = bench.opsctl("status", "nightly-7")
    left = f"s3://{BUCKET}/runs/nightly-7/"
    results = "to take its results: opsctl start --skip STEP --reuse-from nightly-7"
    assert (gone.exit_code, gone.stderr.splitlines()) == (3, [
        "error: AWS no longer knows the run nightly-7: it forgets a run 90 days after its end",
        f"hint: what it left is still in {left}; to see what became of it: opsctl lineage nightly-7; {results}",
    ])  # fmt: skip
    assert bench.opsctl("status", execution_arn(MACHINE, "nightly-7")).stderr == gone.stderr
    never = bench.opsctl("status", "nightly-8")
    assert (never.exit_code, never.stderr.splitlines()[0]) == (2, "error: no run 'nightly-8'")


def test_a_run_of_an_express_machine_is_refused(bench: Bench) -> None:
    arn = MACHINE.replace(":stateMachine:", ":express:") + ":x:y"
    result = bench.opsctl("status", arn)
    assert (result.exit_code, result.stderr.splitlines()[1]) == (3, "hint: look into the machine's log group")
