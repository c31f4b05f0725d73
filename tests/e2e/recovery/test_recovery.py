"""Runs come back: from every end of every step, and from several failures in a row.

Nothing that had completed runs again, no object is lost, and each failed attempt sends one alert. The programs are tiny
ones; the rows with the real training, by rerun and by redrive, are in tests/e2e/test_main_job.py.
"""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter

import pytest
from botocore.exceptions import ClientError

from tests.e2e import statements
from tests.e2e.recovery import access, deployments, elsewhere, runbooks, undelivered
from tests.e2e.recovery.matrix import play_all, table
from tests.e2e.recovery.pipeline import Pipeline, wait_for

pytestmark = pytest.mark.e2e


def test_a_machine_that_never_succeeded_counts_days_from_its_beginning(pipeline: Pipeline) -> None:
    assert access.measure(pipeline) == [0.0]


def test_every_step_recovers_from_every_end(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    steps = pipeline.steps(pipeline.first)
    rows = play_all(pipeline, steps)
    with capsys.disabled():
        print(f"\n{table(steps, rows)}\n{len(rows)} rows in {time.monotonic() - began:.0f} s")
    assert [problem for row in rows for problem in row.problems] == []
    assert all([recovery.command for recovery in row.recoveries] == ["rerun", "redrive"] for row in rows)


def test_one_failure_after_another_in_one_lineage(pipeline: Pipeline) -> None:
    """Both base models fail, then the rerun's evaluation, then the next is stopped: no model is trained twice."""
    (pipeline.marks / "unlucky.train-image-model").write_text("fail")
    (pipeline.marks / "unlucky.train-text-model").write_text("fail")
    (pipeline.marks / "unlucky-r1.evaluate").write_text("fail")
    (pipeline.marks / "unlucky-r2.evaluate").write_text("hang")
    pipeline.start("unlucky", pipeline.put_data("unlucky"))
    wait_for(lambda: pipeline.status("unlucky") == "FAILED", "both base models to fail")
    pipeline.clone.run("rerun", "unlucky", "--from", "failed", "--yes", "--wait", code=1)
    pipeline.clone.run("redrive", "unlucky-r1", "--yes")
    wait_for((pipeline.marks / "unlucky-r2.evaluate.hangs").exists, "the evaluation to hang")
    pipeline.clone.run("stop", "unlucky-r2", "--yes")
    assert pipeline.clone.json("redrive", "unlucky-r2", "--yes", "--wait")["status"] == "SUCCEEDED"

    jobs = Counter((run, step) for run, step, _ in pipeline.jobs() if run.startswith("unlucky"))
    assert jobs == {
        ("unlucky", "fetch-preprocessed-data"): 1,
        ("unlucky", "train-image-model"): 1,
        ("unlucky", "train-text-model"): 1,
        ("unlucky-r1", "train-image-model"): 1,
        ("unlucky-r1", "train-text-model"): 1,
        ("unlucky-r1", "train-sequence-model"): 1,
        ("unlucky-r1", "evaluate"): 1,
        ("unlucky-r2", "evaluate"): 2,
    }
    wait_for(lambda: pipeline.messages("unlucky-r2").get("ABORTED"), "the alert about the run that was stopped")
    told = {run: dict(pipeline.messages(run)) for run in ("unlucky", "unlucky-r1", "unlucky-r2")}
    assert told == {"unlucky": {"FAILED": 1}, "unlucky-r1": {"FAILED": 1}, "unlucky-r2": {"ABORTED": 1, "SUCCEEDED": 1}}


@pytest.mark.parametrize("page", [page for page in runbooks.SETTINGS if page != runbooks.DEPLOY])
def test_the_commands_of_a_runbook_print_what_it_shows(pipeline: Pipeline, page: str) -> None:
    played = runbooks.play(pipeline, page)
    assert played, "a runbook without a command"
    for command, expected, printed in played:
        assert printed == expected, command


def test_every_runbook_is_played_and_every_command_that_one_mentions() -> None:
    pages = {path.stem: path.read_text() for path in runbooks.PAGES.glob("*.md")}
    assert pages.keys() == runbooks.SETTINGS.keys()
    played = [one for text in pages.values() for one in runbooks.shown(text)]
    assert [
        (page, mention.command)
        for page, text in pages.items()
        for mention in runbooks.mentioned(text)
        if not any(runbooks.is_played(mention, one) for one in played)
    ] == []


def test_a_rerun_reads_in_place_what_it_does_not_copy(pipeline: Pipeline) -> None:
    """Its jobs' channels lead below the other runs' prefixes, at any depth, and a cleanup stays away from those."""
    words = ("--data", "reuse", "--yes", "--wait")
    first, data = pipeline.first, "fetch-preprocessed-data"
    second = pipeline.clone.json("rerun", first, "--from", "train-sequence-model", *words)["run"]
    third = pipeline.clone.json("rerun", second, "--from", "evaluate", *words)["run"]
    assert {key.split("/")[0] for key in pipeline.objects(third)} == {"code", "code.json", "evaluate", "plan.json"}
    job = pipeline.sagemaker.describe_training_job(TrainingJobName=f"{third}-evaluate-d0r0")
    channels = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"].partition("/runs/")[2]
        for channel in job["InputDataConfig"]
    }
    assert channels == {
        "code": f"{third}/code/",
        "champion": f"{third}/code/",  # there is none, and SageMaker takes no channel without objects
        "data": f"{first}/{data}/",
        "image": f"{first}/train-image-model/",
        "text": f"{first}/train-text-model/",
        "sequence": f"{second}/train-sequence-model/",
    }
    names = [word for run in (first, second) for word in ("--run", run)]
    kept = pipeline.clone.json("cleanup", *names, "--grace", "0", "--dry-run")["runs"]
    assert {run["run"]: run["reason"] for run in kept if run["run"] in (first, second)} == {
        first: "read",
        second: "read",
    }


def test_the_operator_hands_manifests_to_the_machine(pipeline: Pipeline) -> None:
    """A copy and a cleanup by the distributed Map: by everything that opsctl may do, and the machine's own roles."""
    elsewhere.deploy_an_endpoint(pipeline)
    rerun = ("rerun", pipeline.first, "--from", "evaluate", "--name", "mapped", "--engine", "map", "--yes", "--wait")
    assert pipeline.clone.json(*rerun)["run"] == "mapped"
    pipeline.clone.run("cleanup", "--run", "mapped", "--grace", "0", "--engine", "map", "--yes")
    assert pipeline.objects("mapped") == {}
    access.stop_while_fetching(pipeline)
    pipeline.clone.run("data", "hold", pipeline.first)
    pipeline.clone.run("data", "release", pipeline.first)
    access.look(pipeline.clone, pipeline.first)


def test_a_folder_of_documents_is_scored_with_a_runs_model(pipeline: Pipeline) -> None:
    """By a transform job whose model is gone afterwards, and again from the step when its answer was lost."""
    found = access.score(pipeline, pipeline.first)
    assert list(found) == ["scan-1.json.out"]
    answer = json.loads(found["scan-1.json.out"])
    assert answer["by"] == pipeline.first
    assert [[page["class"] for page in stack["pages"]] for stack in answer["stacks"]] == [["a deed", "of sale"]]
    assert {model["ModelName"] for model in pipeline.sagemaker.list_models()["Models"]} <= {elsewhere.ENDPOINT}
    rerun = ("--machine", "inference", "rerun", access.SCORED, "--from", "score-documents", "--yes", "--wait")
    assert pipeline.clone.json(*rerun)["status"] == "SUCCEEDED"
    assert access.score_on_an_encrypted_volume(pipeline) == "Completed"
    assert access.refused_input(pipeline, "inference") == "FAILED"
    assert access.refused_input(pipeline, "deployment") == "FAILED"


@pytest.mark.parametrize("person", ["reader", "approver"])
def test_who_may_only_look_is_refused_all_else(pipeline: Pipeline, person: str) -> None:
    clone = pipeline.clone.acting_as(person)
    access.look(clone, pipeline.first)
    said = access.refusal(clone, "start", "--name", f"not-by-{person}")
    assert said.startswith(f"error: not allowed: states:StartExecution on {pipeline.machine}")
    said = access.refusal(clone, "cleanup", "--run", access.STOPPED, "--grace", "0", "--yes")
    assert said.startswith(f"error: not allowed: s3:PutObject on s3://{pipeline.bucket}/audit/")
    assert f"not-by-{person}" not in [run["run"] for run in clone.json("list")]


def test_an_approver_answers_a_run_and_a_reader_does_not(pipeline: Pipeline) -> None:
    for number, (verdict, person) in enumerate(
        (("approve", "approver"), ("reject", "approver"), ("approve", "operator"))
    ):
        run = f"asks-{number}"
        access.ask_for_approval(pipeline, run)
        said = access.refusal(pipeline.clone.acting_as("reader"), verdict, run, "--yes")
        assert said.startswith("error: not allowed: states:SendTask")
        pipeline.clone.acting_as(person).run(verdict, run, "--reason", "looked at it", "--yes")
        wait_for(lambda run=run: pipeline.status(run) != "RUNNING", f"{run} to end")


def test_an_approver_answers_the_deployment_of_a_training_run_by_the_runs_name(pipeline: Pipeline) -> None:
    """The run has passed the gate, handed its model over and ended; once answered, nothing of it waits any more."""
    deployment = deployments.train_a_better_model(pipeline)
    assert deployment.name in pipeline.clone.run("status", deployments.BETTER).stdout
    approver = pipeline.clone.acting_as("approver")
    approver.run("reject", deployments.BETTER, "--reason", "not in August", "--yes", "--wait")
    assert deployment.status() == "SUCCEEDED"
    assert "not deployed: not in August (rejected by" in pipeline.mail("was-not-deployed")
    for verdict in ("approve", "reject"):
        refused = approver.run(verdict, deployments.BETTER, "--yes", code=3)
        error = f"error: {deployments.BETTER} waits for no approval: it has ended SUCCEEDED"
        assert refused.stderr.splitlines()[1:] == [error]  # the first line says that this is a sandbox


@pytest.mark.parametrize(("role", "sid", "step", "action"), access.MUTATIONS)
def test_a_run_whose_role_lacks_a_statement_fails_and_tells(
    pipeline: Pipeline, role: str, sid: str, step: str, action: str
) -> None:
    run = f"less-{role}"
    with access.without(pipeline, role, sid):
        pipeline.start(run, pipeline.put_data(run))
        wait_for(lambda: pipeline.status(run) != "RUNNING", f"{run} to fail")
    assert pipeline.status(run) == "FAILED"
    assert access.denied(pipeline, role, action)
    wait_for(lambda: pipeline.messages(run), f"an alert about {run}")
    assert pipeline.messages(run) == {"FAILED": 1}
    assert step in pipeline.mail(run)


def test_whoever_the_bucket_does_not_name_deletes_nothing_of_a_run(pipeline: Pipeline) -> None:
    careless = access.careless(pipeline)
    s3 = access.client(pipeline, careless, "s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=pipeline.bucket, Key=f"runs/{pipeline.first}/code.json")
    aliases = pipeline.clone.client("kms").list_aliases()["Aliases"]
    key = next(alias["TargetKeyId"] for alias in aliases if alias["AliasName"] == access.KEY)
    assert access.client(pipeline, careless, "kms").describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key
    assert "code.json" in pipeline.objects(pipeline.first)


def test_what_the_roles_do_besides_runs(pipeline: Pipeline) -> None:
    assert access.drop_a_checkpoint(pipeline)["TrainingJobStatus"] == "Completed"
    assert len(access.prune(pipeline)) >= 1
    assert access.lose_a_manifest(pipeline) == "FAILED"
    alarm = access.ring(pipeline)
    wait_for(lambda: [mail for mail in pipeline.clone.mailbox() if alarm in mail], f"{alarm} to be told")


def test_what_cannot_be_delivered_is_kept(pipeline: Pipeline) -> None:
    assert undelivered.lose_all(pipeline) == {"days-without-success", "describe-failure", "events", "sns"}


def test_the_operator_works_besides_runs(pipeline: Pipeline) -> None:
    """With an activity's tasks, with endpoints, and beside a Map that is stopped with its children."""
    assert elsewhere.work_on_a_task(pipeline, "worked-on") == "SUCCEEDED"
    kept = pipeline.clone.json("cleanup", "--run", pipeline.first, "--grace", "0", "--dry-run")["runs"]
    assert [run["reason"] for run in kept if run["run"] == pipeline.first] == ["endpoint"]
    assert "Endpoint documents-nowhere of account 123456789012 not found" in elsewhere.ask_nobody(pipeline)
    assert elsewhere.stop_a_map(pipeline) == "ABORTED"


def test_a_first_deployment_that_fails_leaves_nothing_and_its_rerun_asks_nobody_again(pipeline: Pipeline) -> None:
    """What the alert says to type deploys the model, with the approval that the failed one was given."""
    with deployments.without_a_page(pipeline, deployments.BETTER):
        failed = deployments.ask_for(pipeline, deployments.BETTER, "better-once")
        failed.answer("approve", wait=True)
    assert failed.status() == "FAILED"
    wait_for(lambda: "better-once FAILED at Smoke Test" in pipeline.mail("better-once"), "the alert")
    told = pipeline.mail("better-once")
    assert "There is no endpoint documents: nothing is served." in told
    (line,) = [line for line in told.splitlines() if line.startswith("Next: ")]
    done = pipeline.clone.run(*shlex.split(line)[2:], "--yes", "--wait")
    assert "Request Approval" not in done.stderr
    assert deployments.served(pipeline) == deployments.BETTER


def test_the_commands_of_the_runbook_on_deployments_print_what_it_shows(pipeline: Pipeline) -> None:
    """Apart from the others, for it has the deployment of the test before to roll back to."""
    for command, expected, printed in runbooks.play(pipeline, runbooks.DEPLOY):
        assert printed == expected, command


def test_a_deployment_that_is_stopped_goes_on_where_it_was(pipeline: Pipeline) -> None:
    """The endpoint serves its model already, which is no reason to leave the one before it unknown."""
    stopped = deployments.stop_at_the_smoke_test(pipeline, deployments.BETTER, "better-twice")
    assert (stopped.status(), deployments.served(pipeline)) == ("ABORTED", deployments.BETTER)
    rerun = ("rerun", "better-twice", "--machine", "deployment", "--from", "Smoke Test", "--yes", "--wait")
    assert pipeline.clone.json(*rerun)["status"] == "SUCCEEDED"
    assert pipeline.clone.json("champion")["run"] == deployments.BETTER


def test_every_statement_is_needed_or_says_why_no_test_can_tell(pipeline: Pipeline) -> None:
    """After all of the above: what was done needed each statement, or docs/iam-statements.md has it."""
    deployed, table = statements.deployed(pipeline.clone), statements.rows()
    assert statements.unneeded(pipeline.clone, {place.owner for place in deployed}) == []
    assert [row for row in table if not any(row.means(place) for place in deployed)] == []
    written, sids = statements.written(), {place.sid for place in deployed}
    others = statements.rows(1) + statements.rows(2)
    left = [place for place in sorted(written) if place.sid not in sids and not any(row.means(place) for row in others)]
    assert left == []
    assert [row for row in others if not any(row.means(place) for place in written)] == []
    assert [row for row in table + others if not row.source.startswith("https://docs.aws.amazon.com/")] == []
    policies = pipeline.clone.output("policies")
    assert {person: len(text) <= 6144 for person, text in policies.items()} == dict.fromkeys(policies, True)
