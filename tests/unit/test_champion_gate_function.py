"""The function `champion_gate`, with real boto3 against moto: what it finds in the bucket, and what it makes of it."""

import importlib.util
import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from opsctl.domain.champions import Champion, Model, Source, record_text
from opsctl.domain.evaluation import InvalidEvaluation

ROOT = Path(__file__).resolve().parents[2]
BUCKET, MACHINE = "documents", "documents-training"
RUNS = f"s3://{BUCKET}/runs"
POINTER = f"champions/{MACHINE}.json"
OLD = "runs/nightly-6/train-sequence-model/nightly-6-train-sequence-model-d0r0/output/model.tar.gz"
EVALUATED = "runs/nightly-7/evaluate/nightly-7-evaluate-d0r0/output/model.tar.gz"
RUN = {
    "name": "nightly-7",
    "job_prefix": "nightly-7",
    "prefix": f"{RUNS}/nightly-7/",
    "code": {"uri": f"{RUNS}/nightly-7/code/", "sha256": "c"},
    "steps": {"evaluate": {"uri": f"{RUNS}/nightly-7/evaluate/"}},
}

spec = importlib.util.spec_from_file_location("champion_gate", ROOT / "functions/champion_gate/handler.py")
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)


@pytest.fixture
def s3(monkeypatch):
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3, key, content):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=content)["ETag"]


def promoted(s3, **fields):
    """nightly-6 is the champion."""
    champion = Champion(
        machine=MACHINE, run="nightly-6", model=Model(f"s3://{BUCKET}/{OLD}", put(s3, OLD, b"model").strip('"')),
        metrics={"page_accuracy": 0.99}, held_out=Source(f"{RUNS}/nightly-6/fetch-preprocessed-data/", "d"),
        code=Source(f"{RUNS}/nightly-6/code/", "c"), promoted_at="2026-11-22T07:00:00Z", approved_by=None,
        reason="gate", deployment="nightly-6-deployment", endpoint="documents",
    )  # fmt: skip
    put(s3, POINTER, record_text(replace(champion, **fields)).encode())


def evaluated(s3, metrics, key=EVALUATED):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        content = json.dumps(metrics).encode()
        member = tarfile.TarInfo("./metrics.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    put(s3, key, buffer.getvalue())


def ask(action, **more):
    event = {"action": action, "bucket": BUCKET, "machine": MACHINE, "run": RUN}
    rule = {"direction": "maximize", "least_improvement": 0, "metric": "page_accuracy"}
    return gate.handler({**event, "deployment": "nightly-7-deployment", "rule": rule, **more}, None)


def test_the_champions_folder_is_found(s3):
    promoted(s3)
    folder = f"{RUNS}/nightly-6/train-sequence-model/nightly-6-train-sequence-model-d0r0/output/"
    assert ask("find") == {"run": "nightly-6", "uri": folder, "warning": ""}


def test_without_a_champion_the_runs_code_stands_in_for_it(s3):
    assert ask("find") == {"run": "", "uri": f"{RUNS}/nightly-7/code/", "warning": ""}


def corrupt(s3):
    put(s3, POINTER, b"{")


def of_another_machine(s3):
    promoted(s3, machine="other")


def model_gone(s3):
    s3.delete_object(Bucket=BUCKET, Key=OLD)


def model_changed(s3):
    put(s3, OLD, b"another model")


def model_elsewhere(s3):
    promoted(s3, model=Model("s3://elsewhere/model.tar.gz", "e"))


NO_RECORD = f"{POINTER} is no record of a champion, and counts as none: "
UNFIT = f"the champion, of nightly-6, counts as none: its model s3://{BUCKET}/{OLD} "
ELSEWHERE = "the champion, of nightly-6, counts as none: its model s3://elsewhere/model.tar.gz "


@pytest.mark.parametrize(
    ("breaks", "warning"),
    [
        (corrupt, f"{NO_RECORD}it is not JSON"),
        (of_another_machine, f"{NO_RECORD}it is the record of machine 'other'"),
        (model_gone, f"{UNFIT}is gone"),
        (model_changed, f"{UNFIT}is not what was promoted"),
        (model_elsewhere, f"{ELSEWHERE}does not lie below {RUNS}/"),
    ],
)
def test_a_champion_that_cannot_be_measured_counts_as_none_at_both_looks(s3, breaks, warning):
    promoted(s3)
    breaks(s3)
    assert ask("find") == {"run": "", "uri": f"{RUNS}/nightly-7/code/", "warning": warning}
    evaluated(s3, {"page_accuracy": {"sequence": 0.1}, "champion": None})
    answer = ask("compare")
    assert answer["deploy"] is True
    assert answer["message"].splitlines()[3:5] == [
        "Gate:   page_accuracy 0.1; there is no champion to compare with", f"Note:   {warning}",
    ]  # fmt: skip


def test_the_figures_of_one_job_are_compared_and_never_those_of_the_record(s3):
    promoted(s3)  # whose record says 0.99
    both = {"page_accuracy": {"sequence": 0.93, "champion": 0.91}, "champion": {"run": "nightly-6", "warning": None}}
    evaluated(s3, both)
    assert ask("compare") == {
        "deploy": True,
        "deployment": "nightly-7-deployment",
        "kind": "success",
        "subject": "documents-training: nightly-7 succeeded",
        "message": (
            f"Run:    nightly-7\nStatus: SUCCEEDED\nModels: {RUNS}/nightly-7/\n"
            "Gate:   page_accuracy 0.93 is 0.02 better than the champion's 0.91\n"
            "Deploy: nightly-7-deployment, which asks for an approval where the pipeline is set to\n"
            "Next:   opsctl approve nightly-7"
        ),
    }
    strict = ask("compare", rule={"direction": "maximize", "least_improvement": 0.05, "metric": "page_accuracy"})
    assert (strict["deploy"], strict["kind"]) == (False, "not-deployed")
    assert strict["message"].splitlines()[-1] == (
        "Gate:   page_accuracy 0.93 is 0.02 better than the champion's 0.91; page_accuracy must rise by at least 0.05"
    )


def test_the_latest_attempt_of_evaluate_counts(s3):
    evaluated(s3, {"page_accuracy": {"sequence": 0.2}}, EVALUATED.replace("d0r0", "d1r0"))
    evaluated(s3, {"page_accuracy": {"sequence": 0.1}}, EVALUATED.replace("d0r0", "d0r7"))
    assert "Gate:   page_accuracy 0.2;" in ask("compare")["message"]


def test_a_run_that_measured_nothing_is_not_deployed(s3):
    answer = ask("compare")
    assert (answer["deploy"], answer["kind"]) == (False, "not-deployed")


def test_a_champion_that_was_promoted_meanwhile_is_not_passed_by(s3):
    evaluated(s3, {"page_accuracy": {"sequence": 0.93}, "champion": None})
    promoted(s3)
    answer = ask("compare")
    assert answer["deploy"] is False
    assert answer["message"].endswith(
        "Gate:   the champion is nightly-6 now, and the model was measured beside no champion; "
        "measure again: opsctl rerun nightly-7 --from Evaluate"
    )


def test_an_artifact_without_figures_fails_the_step_with_the_reason(s3):
    put(s3, EVALUATED, b"no archive")
    with pytest.raises(InvalidEvaluation) as raised:
        ask("compare")
    assert str(raised.value).startswith(f"s3://{BUCKET}/{EVALUATED} is not a whole model.tar.gz")
    evaluated(s3, {"page_accuracy": {"sequence": float("nan")}})
    with pytest.raises(InvalidEvaluation, match="is nan, no finite number: run Evaluate again"):
        ask("compare")


def test_a_bucket_that_cannot_be_read_is_no_missing_champion(s3):
    with pytest.raises(s3.exceptions.NoSuchBucket):
        ask("find", bucket="documents-of-others")
