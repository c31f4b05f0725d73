"""The deployment machine with real endpoints: deployed once, put back where it fails, whatever is killed on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsctl import sandbox
from opsctl.cli.root import root
from opsctl.config import SANDBOX, Context, Deployment, Machine
from opsctl.operations.connection import connected
from tests.functional.pipeline_world import FakeInvocation
from tests.functional.sandbox.cloud import Cloud, unique, wait_for
from tests.functional.sandbox.command import opsctl
from tests.functional.sandbox.deploying import Deploying, packed

STEPS = (
    "Prepare Deployment", "Create Model", "Create Endpoint Config", "Update Endpoint", "Wait For Endpoint",
    "Smoke Test", "Promote Champion",
)  # fmt: skip


@pytest.fixture
def pipeline(cloud: Cloud) -> Iterator[Deploying]:
    """A pipeline whose deployments ask nobody."""
    deploying = Deploying(cloud)
    yield deploying
    deploying.end()


@pytest.fixture(scope="module")
def served(cloud: Cloud) -> Iterator[Deploying]:
    """A pipeline that has deployed the run `one`."""
    deploying = Deploying(cloud)
    assert deploying.deploy(deploying.train("one"))["status"] == "SUCCEEDED"
    yield deploying
    deploying.end()


def test_the_first_creates_the_endpoint_later_ones_update_it_and_the_last_but_one_is_kept(pipeline: Deploying) -> None:
    for run in ("one", "two", "three"):
        pipeline.train(run, name=f"text + '-{run}'" if run == "two" else "text")
    for run in ("one", "three"):
        assert pipeline.deploy(run)["status"] == "SUCCEEDED"
        assert (pipeline.endpoint(), pipeline.answer("deed")) == (("InService", run), "deed")
    record = pipeline.champion()
    assert record is not None
    assert (record["run"], record["previous"]["run"], record["metrics"]) == ("three", "one", {"page_accuracy": 0.9})
    assert (record["endpoint"], record["reason"], record["approved_by"]) == (pipeline.name, "start", None)
    assert pipeline.deploy(pipeline.train("four"))["status"] == "SUCCEEDED"
    assert pipeline.left() == (["four", "three"], ["four", "three"])
    assert pipeline.promotions() == ["one", "three", "four"]
    assert len(pipeline.mail("was deployed")) == 3


def test_the_same_again_changes_nothing(served: Deploying) -> None:
    before = served.champion()
    again = served.start("one", reason="once more")
    assert served.finish(again)["status"] == "SUCCEEDED"
    assert (served.champion(), served.left(), served.promotions()) == (before, (["one"], ["one"]), ["one"])
    assert "Update Endpoint" not in served.entered(again)


@pytest.mark.parametrize(
    ("kind", "step", "why"),
    [
        ("wrong", "Smoke Test", "0.0% of 3 pages of 2 held-out stacks are classed right, 50.0% are the least"),
        ("strange", "Smoke Test", "the model knows classes that its data has not: deed!"),
        ("broken", "Wait For Endpoint", "did not pass the ping health check"),
    ],
)
def test_a_model_that_fails_is_put_back_and_removed(served: Deploying, kind: str, step: str, why: str) -> None:
    before, sent = served.champion(), len(served.mail("FAILED"))
    models = {
        "wrong": {"name": "'note' if text == 'deed' else 'deed'"},
        "strange": {"name": "text + '!'"},
        "broken": {"extra": "raise SystemExit('cannot be loaded')"},
    }
    execution = served.start(served.train(kind, **models[kind]), name=unique(kind))
    ended = served.finish(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "PipelineFailed")
    assert (served.endpoint(), served.answer("deed")) == (("InService", "one"), "deed")
    assert (served.champion(), served.left()) == (before, (["one"], ["one"]))
    (alert,) = served.mail("FAILED")[sent:]
    name = execution.rpartition(":")[2]
    assert f"Step:    {step}" in alert
    assert why in alert
    assert f"The endpoint {served.name} serves the model of one." in alert
    assert f'opsctl rerun {name} --from "Create Model" --machine {served.name}-deployment' in alert


def test_where_nothing_was_deployed_a_failure_leaves_nothing(pipeline: Deploying) -> None:
    assert pipeline.deploy(pipeline.train("wrong", name="'note' if text == 'deed' else 'deed'"))["status"] == "FAILED"
    assert (pipeline.endpoint(), pipeline.champion(), pipeline.left()) == (None, None, ([], []))
    assert pipeline.deploy(pipeline.train("broken", extra="raise SystemExit('no')"))["status"] == "FAILED"
    assert (pipeline.endpoint(), pipeline.left()) == (None, ([], []))
    assert all("nothing is served" in alert for alert in pipeline.mail("FAILED"))


@pytest.mark.parametrize("step", STEPS)
def test_a_deployment_that_is_killed_at_a_step_and_rerun_from_it_ends_deployed_once(
    served: Deploying, step: str
) -> None:
    run = served.train(unique("killed"))
    promoted = len(served.promotions())
    execution = served.start(run, name=f"{run}-d")
    served.at(execution, step)
    served.stop(execution)
    done = opsctl(served.cloud, served.machine, "rerun", f"{run}-d", "--from", step, "--yes", "--wait")
    assert done.exit_code == 0, done.output
    assert served.endpoint() == ("InService", run)
    assert served.promotions()[promoted:] == [run]
    record = served.champion()
    assert record is not None
    assert record["run"] == run
    configs, models = served.left()
    assert (len(configs), configs) == (2, models)
    assert run in configs


def test_deployments_that_were_approved_at_once_take_turns(served: Deploying) -> None:
    """Each begins with what the one before it left: none updates an endpoint that another one still tries."""
    slow = "time.sleep(2)"  # while a container loads its model
    good = [served.train(unique(name), extra=slow) for name in ("left", "right")]
    wrong = served.train(unique("wrong"), extra=slow, name="'note' if text == 'deed' else 'deed'")
    promoted = len(served.promotions())
    started = {run: served.start(run) for run in (*good, wrong)}
    ended = {run: served.finish(execution)["status"] for run, execution in started.items()}
    assert ended == {good[0]: "SUCCEEDED", good[1]: "SUCCEEDED", wrong: "FAILED"}
    first, second = served.promotions()[promoted:]
    assert {first, second} == set(good)
    record = served.champion()
    assert record is not None
    assert (record["run"], record["previous"]["run"]) == (second, first)
    assert (served.endpoint(), served.answer("deed")) == (("InService", second), "deed")
    turns = sorted(served.turn(execution) for execution in started.values())
    assert all(before[1] < after[0] for before, after in pairwise(turns))
    assert sum("Wait For Others" in served.entered(execution) for execution in started.values()) == 2


def test_what_was_put_back_is_made_anew_by_the_command_of_the_alert(served: Deploying) -> None:
    run = served.train(unique("mended"), name="'note' if text == 'deed' else 'deed'")
    execution = served.start(run, name=f"{run}-d")
    assert served.finish(execution)["status"] == "FAILED"
    assert f'opsctl rerun {run}-d --from "Create Model"' in served.mail(f"{run}-d FAILED")[0]
    served.train(run)  # with right answers now
    done = opsctl(served.cloud, served.machine, "rerun", f"{run}-d", "--from", "Create Model", "--yes", "--wait")
    assert done.exit_code == 0, done.output
    assert served.endpoint() == ("InService", run)


def test_a_record_that_is_deleted_or_corrupt_counts_as_none(served: Deploying) -> None:
    key = f"champions/{served.training}.json"
    for content in ("{", None):
        if content is None:
            served.cloud.client("s3").delete_object(Bucket=served.cloud.bucket, Key=key)
        else:
            served.cloud.put(key, content)
        run = served.train(unique("after"))
        assert served.deploy(run)["status"] == "SUCCEEDED"
        record = served.champion()
        assert record is not None
        assert (record["run"], record["previous"]) == (run, None)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"run": "never"}, "run: never left no model below"),
        ({}, "run: is missing"),
        ({"run": "one", "aproval": False}, "aproval: unknown key; the nearest known key is approval"),
        ({"run": "one", "skip": {"create_model": True, "smoke": True}}, "nearest known key is smoke_test"),
        ({"run": "one", "approval": False}, "approval: false is not allowed here"),
        ({"run": "one", "skip": {"request_approval": True}}, "nobody has approved this model"),
        ({"run": "hollow"}, "holds no code/inference.py"),
        ({"run": "cut"}, "is no whole model.tar.gz"),
        ({"run": "pageless"}, "has no pages to try the model with"),
    ],
)
def test_what_cannot_be_deployed_is_refused_before_anybody_is_asked(
    asking: Deploying, document: dict[str, object], why: str
) -> None:
    execution = asking.cloud.start(asking.machine, document, name=unique("refused"))
    assert asking.finish(execution)["status"] == "FAILED"
    assert asking.entered(execution)[0:2] == ["Prepare Deployment", "Describe Failure"]
    (alert,) = asking.mail(f"{execution.rpartition(':')[2]} FAILED")
    assert "InvalidDeployment" in alert
    assert why in alert


@pytest.fixture(scope="module")
def asking(cloud: Cloud) -> Iterator[Deploying]:
    """A pipeline whose deployments ask; with runs that left too little."""
    deploying = Deploying(cloud, approval=True)
    for run in ("one", "hollow", "cut", "pageless"):
        deploying.train(run)
    model = "runs/{0}/train-sequence-model/{0}-train-sequence-model-d0r0/output/model.tar.gz"
    whole = cloud.get(model.format("cut"))
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=model.format("cut"), Body=whole[: len(whole) // 2])
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=model.format("hollow"), Body=packed({"config.json": "{}"}))
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key="runs/pageless/fetch-preprocessed-data/manifest.json")
    yield deploying
    deploying.end()


def test_a_rejection_leaves_everything_and_an_approval_is_on_record(asking: Deploying) -> None:
    rejected = asking.start("one", name=unique("rejected"))
    asking.at(rejected, "Request Approval")
    wait_for(lambda: asking.mail("deploy one?"), "the question")
    (question,) = asking.mail("deploy one?")
    assert "Figures:  page_accuracy  0.9" in question
    assert f"opsctl approve {rejected.rpartition(':')[2]} --machine {asking.name}-deployment" in question
    name = rejected.rpartition(":")[2]
    shown = opsctl(asking.cloud, asking.machine, "status", name)
    assert re.search(r"^Request Approval +WAITING +1 ", shown.stdout, re.MULTILINE), shown.output
    assert opsctl(asking.cloud, asking.machine, "reject", name, "--reason", "not yet", "--yes").exit_code == 0
    ended = asking.finish(rejected)
    assert (ended["status"], json.loads(ended["output"])["result"]) == ("SUCCEEDED", {"deployed": False})
    assert (asking.endpoint(), asking.champion(), asking.left()) == (None, None, ([], []))
    assert "not yet (rejected by" in asking.mail("was not deployed")[0]
    approved = asking.start("one", name=unique("approved"))
    asking.at(approved, "Request Approval")
    name = approved.rpartition(":")[2]
    assert opsctl(asking.cloud, asking.machine, "approve", name, "--yes", "--wait").exit_code == 0
    record = asking.champion()
    assert record is not None
    assert record["approved_by"] == "arn:aws:sts::123456789012:user/moto"


def test_a_rerun_builds_on_nothing_that_was_put_back(asking: Deploying) -> None:
    run = asking.train(unique("bad"), name="'note' if text == 'deed' else 'deed'")
    asking.at(asking.start(run, name=f"{run}-d"), "Request Approval")
    assert opsctl(asking.cloud, asking.machine, "approve", f"{run}-d", "--yes", "--wait").exit_code == 1
    for step in ("Smoke Test", "Create Endpoint Config"):
        refused = opsctl(asking.cloud, asking.machine, "rerun", f"{run}-d", "--from", step, "--yes")
        assert refused.exit_code == 3, refused.output
        said, hint = refused.stderr.splitlines()
        assert said == f"error: {run}-d failed, and put back what it had done from Create Model on"
        assert hint.startswith(f'hint: opsctl rerun {run}-d --from "Create Model"')


def command(pipeline: Deploying, *words: str, machine: str = "training") -> Result:
    """A command on the whole pipeline, about that machine."""
    cloud = pipeline.cloud
    arn = pipeline.machine.replace("-deployment", "-training")
    training = Machine("training", pipeline.training, arn, "", (), {})
    deploying = Machine("deployment", f"{pipeline.name}-deployment", pipeline.machine, "", (), {})
    machines = {"deployment": deploying, "training": training}
    region = cloud.server["region"]
    deployment = Deployment(pipeline.name, region, "123456789012", cloud.bucket, "", "", machines)
    context = Context(SANDBOX, cloud.server["url"], region, None, Path("unused"))
    return CliRunner().invoke(root, list(words), obj=FakeInvocation(connected(context, deployment, machines[machine])))


def test_a_deployment_of_no_model_is_refused_before_it_starts(pipeline: Deploying) -> None:
    """Of a run that there never was, that left no model, and that AWS has forgotten."""
    cloud = pipeline.cloud
    done = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    training = cloud.client("stepfunctions").create_state_machine(
        name=pipeline.training, definition=json.dumps(done), roleArn=cloud.role
    )["stateMachineArn"]
    given: dict[str, Any] = {"nightly-7": {}, "nightly-8": {"skip": ["train_sequence_model"], "reuse": 1}}
    reuse = {"train-sequence-model": {"uri": f"s3://{cloud.bucket}/runs/forgotten/train-sequence-model/"}}
    given["nightly-9"] = {"skip": {"train_sequence_model": True}, "reuse": reuse}
    for run, document in given.items():
        cloud.start(training, document, name=run)
    pipeline.train("nightly-7")
    pipeline.train("forgotten")

    def started(run: str, *options: str) -> tuple[int, str]:
        result = command(pipeline, "start", "--set", f"run={run}", *options, machine="deployment")
        return result.exit_code, result.stderr

    never = f"error: run: {pipeline.training} has no run 'nobody'; nothing was started\n"
    for options in ((), ("--dry-run",)):
        code, said = started("nobody", *options)
        assert (code, said) == (2, f"{never}hint: the nearest names are: nightly-9, nightly-8, nightly-7\n")
    code, said = started("nightly-8")
    folder = f"s3://{cloud.bucket}/runs/nightly-8/train-sequence-model/"
    assert (code, said.splitlines()[0]) == (
        3,
        f"error: run: nightly-8 left no model below {folder}; nothing was started",
    )
    assert said.splitlines()[1].startswith(
        "hint: opsctl status nightly-8 says how far it came, and opsctl rerun nightly-8"
    )
    assert cloud.client("stepfunctions").list_executions(stateMachineArn=pipeline.machine)["executions"] == []
    for run in ("nightly-7", "nightly-9", "forgotten"):
        assert started(run, "--dry-run")[0] == 0
    cloud.start(pipeline.machine, {"run": "nightly-7"}, name="a-deployment")
    assert started("a-deployment") == (2, (
        f"error: run: {pipeline.training} has no run 'a-deployment'; nothing was started\n"
        "hint: name one that trained a model: opsctl list --machine training\n"
    ))  # fmt: skip


def test_a_rollback_deploys_the_champion_before_and_twice_leads_forward(served: Deploying) -> None:
    first, second = served.train(unique("old")), served.train(unique("new"))
    for run in (first, second):
        assert served.deploy(run)["status"] == "SUCCEEDED"
    shown = command(served, "rollback", "--dry-run")
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert shown.exit_code == 0, shown.output
    assert lines["FROM"].startswith(f"{second}, promoted ")
    assert lines["TO"].startswith(f"{first}, promoted ")
    assert lines["TO"].endswith("page_accuracy 0.9")
    for run in (first, second):
        done = command(served, "rollback", "--yes", "--wait")
        assert done.exit_code == 0, done.output
        assert served.endpoint() == ("InService", run)
    record = served.champion()
    assert record is not None
    assert (record["run"], record["reason"], record["previous"]["run"]) == (second, "rollback", first)
    never = command(served, "rollback", "--to", "never", "--yes")
    assert (never.exit_code, never.stderr.splitlines()[0]) == (2, "error: never was never champion")
    already = command(served, "rollback", "--to", second, "--yes")
    assert (already.exit_code, already.stderr.splitlines()[0]) == (3, f"error: {second} is the champion already")


def test_the_model_answers_though_requests_are_throttled_and_answers_lost(served: Deploying, tmp_path: Path) -> None:
    (tmp_path / "pages.tif").write_bytes(b"scan")
    (tmp_path / "pages.jsonl").write_text('{"text": "deed"}\n')
    for fault in ({"error": "ThrottlingException", "times": 1}, {"drop": "answer", "times": 1}):
        sandbox.add_fault(served.cloud.directory, {"action": "sagemaker:InvokeEndpoint", **fault})
    asked = ("predict", str(tmp_path), "--endpoint", served.name, "--query", "[].documents[].class")
    try:
        answers = [command(served, *asked) for _ in range(2)]
    finally:
        met = [fault["applied"] for fault in sandbox.clear_faults(served.cloud.directory)]
    assert met == [1, 1]
    assert {answer.exit_code for answer in answers} == {0}, answers
    assert [json.loads(answer.stdout) for answer in answers] == [["deed"], ["deed"]]
