"""The function of the inference machine, with real boto3 against moto."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from opsctl.domain.champions import Champion, Model, Source, pointer_key, record_text
from opsctl.domain.inference import latest_artifact, packed_stack

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "documents-123456789012-us-east-1"
MODEL = "runs/nightly-7/train-sequence-model/nightly-7-train-sequence-model-d0r0/output/model.tar.gz"
INBOX = f"s3://{BUCKET}/inbox/"
NOTHING = "nothing to score: expected <stack>/pages.tif and <stack>/pages.jsonl, or requests in *.json"
specification = importlib.util.spec_from_file_location("handler", ROOT / "functions/prepare_inference/handler.py")
assert specification
assert specification.loader
handler = importlib.util.module_from_spec(specification)
specification.loader.exec_module(handler)


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for key in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(key)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        made = boto3.resource("s3").create_bucket(Bucket=BUCKET)
        put(made, {MODEL: b"model", "inbox/scan-1/pages.tif": b"two pages"})
        put(made, {"inbox/scan-1/pages.jsonl": b'{"text": "a deed", "label": "deed"}\n{"text": "of sale"}\n'})
        yield made


def put(bucket: Any, files: dict[str, bytes]) -> None:
    for key, body in files.items():
        bucket.put_object(Key=key, Body=body)


def prepare(document: Any, name: str = "inbox-7", most: int = 20) -> Any:
    settings = {"bucket": BUCKET, "machine": "documents-training", "max_payload_mb": most}
    event = {"operation": "prepare", "execution": name, "input": document, "settings": settings}
    return handler.handler(event, None)


def refusal(document: Any, **more: Any) -> list[str]:
    with pytest.raises(handler.InvalidRunInput) as raised:
        prepare(document, **more)
    return str(raised.value).splitlines()


def below(bucket: Any, prefix: str) -> dict[str, bytes]:
    return {item.key.removeprefix(prefix): item.get()["Body"].read() for item in bucket.objects.filter(Prefix=prefix)}


def champion(uri: str = f"s3://{BUCKET}/{MODEL}") -> bytes:
    source = Source(f"s3://{BUCKET}/x/", "0")
    record = Champion(
        machine="documents-training", run="nightly-7", model=Model(uri, '"e"'), metrics={}, held_out=source,
        code=source, promoted_at="2026-11-22T07:00:00Z", approved_by=None, reason="gate", deployment="d", endpoint="e",
    )  # fmt: skip
    return record_text(record).encode()


def test_each_stack_becomes_one_request_below_the_runs_prefix(bucket: Any) -> None:
    put(bucket, {"inbox/ready.json": b'{"stacks": []}', "inbox/manifest.json": b"{}", "inbox/notes.txt": b"x"})
    made = prepare({"documents": INBOX, "run": "nightly-7"})
    uri = f"s3://{BUCKET}/runs/inbox-7/"
    assert made == {
        "name": "inbox-7",
        "prefix": uri,
        "job_prefix": "inbox-7",
        "model": {"uri": f"s3://{BUCKET}/{MODEL}", "run": "nightly-7"},
        "documents": {"uri": f"{uri}documents/", "source": INBOX, "objects": 2},
        "results": f"{uri}score-documents/",
    }
    found = below(bucket, "runs/inbox-7/documents/")
    assert json.loads(found.pop("scan-1.json")) == {
        "stacks": [
            {
                "pages": [{"text": "a deed"}, {"text": "of sale"}],
                "bitmap": base64.b64encode(b"two pages").decode(),
            }
        ]
    }
    assert found == {"ready.json": b'{"stacks": []}'}


def test_a_retry_scores_what_the_run_began_with(bucket: Any) -> None:
    first = prepare({"documents": INBOX, "run": "nightly-7"})
    put(bucket, {"inbox/scan-2/pages.tif": b"", "inbox/scan-2/pages.jsonl": b'{"text": ""}'})
    assert prepare({"documents": INBOX, "run": "nightly-7"}) == first
    assert list(below(bucket, "runs/inbox-7/documents/")) == ["scan-1.json"]


@pytest.mark.parametrize(
    ("document", "going"),
    [
        ({"documents": INBOX, "run": "nightly-7"}, "nightly-7"),
        ({"documents": INBOX}, "nightly-7"),
        ({"documents": INBOX, "run": "nightly-8"}, "nightly-7"),
        ({"documents": f"s3://{BUCKET}/runs/fetched/documents", "run": "nightly-7"}, "fetched"),
    ],
    ids=["of a run", "of the champion's run", "of a run that reads another's", "documents of a run"],
)
def test_what_a_cleanup_is_deleting_scores_nothing(bucket: Any, document: Any, going: str) -> None:
    reads = {"reads": [f"s3://{BUCKET}/runs/nightly-7/train-sequence-model/"]}
    put(bucket, {pointer_key("documents-training"): champion(), "runs/nightly-8/code.json": json.dumps(reads).encode()})
    put(bucket, {"audit/at-work/cleanup-20261122T000000Z-abcd.json": json.dumps({"runs": ["other", going]}).encode()})
    (said,) = refusal(document)
    again = "start the run again when that has ended"
    assert said == f"cleanup-20261122T000000Z-abcd is deleting what {going} keeps: {again}"
    assert not below(bucket, "runs/inbox-7/")


def test_without_a_run_the_champions_model_scores(bucket: Any) -> None:
    put(bucket, {pointer_key("documents-training"): champion()})
    assert prepare({"documents": INBOX})["model"] == {"uri": f"s3://{BUCKET}/{MODEL}", "run": "nightly-7"}


def test_a_model_that_was_read_where_another_run_left_it(bucket: Any) -> None:
    reads = [f"s3://{BUCKET}/runs/nightly-7/train-text-model/", f"s3://{BUCKET}/runs/nightly-7/train-sequence-model/"]
    put(bucket, {"runs/nightly-8/code.json": json.dumps({"reads": reads}).encode()})
    assert prepare({"documents": INBOX, "run": "nightly-8"})["model"]["uri"] == f"s3://{BUCKET}/{MODEL}"


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (None, "documents-training has no champion yet; deploy a model, or say which run's is meant: "),
        (b"{", "champions/documents-training.json is no record of a champion, and counts as none: it is not JSON; "),
        (champion(f"s3://{BUCKET}/runs/gone/output/model.tar.gz"), "the champion's model is gone: s3://"),
    ],
)
def test_no_champion(bucket: Any, record: bytes | None, problem: str) -> None:
    if record is not None:
        put(bucket, {pointer_key("documents-training"): record})
    (said,) = refusal({"documents": INBOX})
    assert said.startswith(problem)


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        ([], ["the run input must be an object"]),
        ({}, ["documents: must be the address of a folder, such as s3://bucket/datasets/inbox/"]),
        (
            {"document": INBOX, "documents": 7, "run": "a/b", "machine": None, "skip": {"evaluate": True}},
            [
                "unknown key 'document': did you mean 'documents'?",
                "documents: must be the address of a folder, such as s3://bucket/datasets/inbox/",
                "run: must be a name",
                "machine: must be a name",
                "skip.evaluate: unknown; known: score_documents",
            ],
        ),
        ({"documents": INBOX, "skip": {"score_documents": "yes"}}, ["skip.score_documents: must be true or false"]),
        ({"documents": INBOX, "skip": []}, ["skip: must be an object"]),
        ({"documents": "s3://nobody-has-this/x/", "run": "nightly-7"},
         ["documents: there is no bucket of that name: s3://nobody-has-this/x/"]),
        ({"documents": f"s3://{BUCKET}/nothing", "run": "nightly-7"},
         [f"documents: s3://{BUCKET}/nothing: {NOTHING}"]),
    ],
)  # fmt: skip
def test_inputs_that_are_refused(document: Any, problems: list[str]) -> None:
    assert refusal(document) == problems


def test_a_run_without_a_model(bucket: Any) -> None:
    (said,) = refusal({"documents": INBOX, "run": "nightly-9"})
    assert said.startswith(f"run: nightly-9 left no model below s3://{BUCKET}/runs/nightly-9/train-sequence-model/; ")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"inbox/scan-2/pages.tif": b""}, f"documents: {INBOX}: stack scan-2 has no pages.jsonl"),
        ({"inbox/scan-1.json": b"{}"}, f"documents: {INBOX}: scan-1.json and the stack scan-1 would have one result"),
        ({"inbox/scan-1/pages.jsonl": b""}, f"documents: {INBOX}: scan-1/pages.jsonl holds no pages"),
        ({"inbox/scan-1/pages.jsonl": b'{"text": ""}\n{'},
         f"documents: {INBOX}: scan-1/pages.jsonl line 2 is no JSON object with a text"),
    ],
)  # fmt: skip
def test_folders_that_are_refused(bucket: Any, files: dict[str, bytes], problem: str) -> None:
    put(bucket, files)
    assert refusal({"documents": INBOX, "run": "nightly-7"}) == [problem]
    assert below(bucket, "runs/inbox-7/documents.json") == {}


def test_a_stack_that_is_too_large(bucket: Any) -> None:
    put(bucket, {"inbox/scan-1/pages.tif": bytes(800_000)})
    (said,) = refusal({"documents": INBOX, "run": "nightly-7"}, most=1)
    assert said.startswith(f"documents: {INBOX}: stack scan-1 makes a request of 1,066,")
    assert "max_payload_mb" in said


def test_the_models_of_a_run_are_removed_and_no_others() -> None:
    sagemaker = boto3.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/x"
    names = ["inbox-7-score-documents-d0r0", "inbox-7-score-documents-d0r1", "inbox-77-score-documents-d0r0", "mine"]
    for name in names:
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "x"})
    event = {"operation": "remove", "execution": "inbox-7"}
    assert handler.handler(event, None) == {"removed": names[:2]}
    assert handler.handler(event, None) == {"removed": []}
    assert [model["ModelName"] for model in sagemaker.list_models()["Models"]] == names[2:]


def test_the_latest_attempts_artifact() -> None:
    keys = [f"s/x-d{redrive}r{retry}/output/model.tar.gz" for redrive, retry in ((0, 2), (1, 0), (0, 10))]
    assert latest_artifact([*keys, "s/checkpoints/model.tar.gz"]) == keys[1]
    assert latest_artifact(["s/output/model.tar.gz"]) == "s/output/model.tar.gz"
    assert latest_artifact(["s/metrics.json"]) is None


def test_records_that_are_not_text() -> None:
    with pytest.raises(ValueError, match="line 1 is no JSON object"):
        packed_stack("s", b"\xff\xfe", "", 100)
