"""The function behind the machine `bulk`, against moto: what a batch deletes and copies, and what it leaves alone."""

import importlib.util
import io
import json
import os
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from opsctl.operations.cleanup import READERS

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "documents"
MANIFEST = "audit/2026-08-01/cleanup-1.jsonl"
AWKWARD = [
    "runs/old/ leading space", "runs/old//double", "runs/old/..", "runs/old/../../datasets/x", "runs/old/a+b%20c",
    "runs/old/line\nbreak", "runs/old/naïve 日本", "runs/old/" + "k" * 1015, "runs/old/empty",
]  # fmt: skip


def load():
    spec = importlib.util.spec_from_file_location("bulk_handler", ROOT / "functions/bulk_batch/handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bulk = load()


@pytest.fixture
def s3(monkeypatch):
    for key in list(os.environ):
        if key.startswith("AWS_"):
            monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        bulk.NEEDS = bulk.Needs(bulk.SETTINGS)  # as where the function starts
        yield client


def put(s3, key, text="x", **more):
    """Store an object; its line of a manifest."""
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode(), **more)["ETag"]
    return {"run": key.split("/")[1], "key": key, "size": len(text.encode()), "etag": etag}


def keys(s3, prefix=""):
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def call(operation, items, **more):
    given = {"operation": operation, "bucket": BUCKET, "manifest": MANIFEST, "items": items, "kept": [], "retry": 0}
    return bulk.handler(given | more, None)


def read_by(s3, **readers):
    """Write down, as a cleanup does, which runs have to be gone before others."""
    s3.put_object(Bucket=BUCKET, Key=MANIFEST.replace(".jsonl", READERS), Body=json.dumps(readers).encode())


def answer(done=0, changed=0, kept=None, refused=()):
    return {"done": done, "changed": changed, "kept": kept or {}, "refused": list(refused)}


def refusing(monkeypatch, operation, refuse):
    """Answer what `refuse` makes of a request's parameters in S3's place, where it makes anything of them."""
    real = boto3.client

    def client(*words, **settings):
        made = real(*words, **settings)
        if words != ("s3",):
            return made
        call = getattr(made, operation)
        setattr(made, operation, lambda **asked: refuse(asked, call))
        return made

    monkeypatch.setattr(boto3, "client", client)


def test_a_batch_of_awkward_keys_is_deleted_and_nothing_beside_it(s3):
    batch = [put(s3, key, "" if key.endswith("empty") else "x") for key in sorted(AWKWARD)]
    put(s3, "runs/old/not planned")
    put(s3, "runs/older/x")
    heading = {"version": 1, "id": "cleanup-1", "at": 1.0, "by": "me", "bucket": BUCKET, "asked": {}}
    assert call("delete", [heading, *batch]) == answer(done=len(AWKWARD))
    assert keys(s3) == ["runs/old/not planned", "runs/older/x"]


def test_what_is_not_as_it_was_planned_stays(s3):
    same, other, gone = (put(s3, f"runs/old/{name}") for name in ("1", "2", "3"))
    put(s3, "runs/old/2", "written anew")
    s3.delete_object(Bucket=BUCKET, Key="runs/old/3")
    assert call("delete", [same, other, gone]) == answer(done=1, changed=2)
    assert keys(s3) == ["runs/old/2"]


def test_an_object_that_changes_at_the_last_moment_is_s3s_to_refuse(s3, monkeypatch):
    batch = [put(s3, f"runs/old/{name}") for name in ("1", "2")]

    def one_changed(asked, _):
        assert asked["Delete"]["Objects"] == [{"Key": entry["key"], "ETag": entry["etag"]} for entry in batch]
        return {"Errors": [{"Key": "runs/old/2", "Code": "PreconditionFailed", "Message": "changed"}]}

    refusing(monkeypatch, "delete_objects", one_changed)
    assert call("delete", batch) == answer(done=1, changed=1)


def test_a_retry_counts_what_the_attempt_before_it_deleted(s3):
    batch = [put(s3, f"runs/old/{name}") for name in ("1", "2")]
    s3.delete_object(Bucket=BUCKET, Key="runs/old/1")
    assert call("delete", batch, retry=1) == answer(done=2)
    assert keys(s3) == []


def test_runs_that_came_into_use_or_were_held_since_stay_whole(s3):
    batch = [put(s3, f"runs/{run}/x") for run in ("held", "old", "read")]
    put(s3, "runs/held/.hold")
    assert call("delete", batch, kept=["read"]) == answer(done=1, kept={"held": "held"})
    assert keys(s3) == ["runs/held/.hold", "runs/held/x", "runs/read/x"]


def test_what_somebody_came_to_need_by_hand_stays(s3, monkeypatch):
    """A redrive, an endpoint and a champion's record ask no cleanup."""
    batch = [put(s3, f"runs/{run}/m/output/model.tar.gz") for run in ("best", "old", "redriven", "served")]
    states, sagemaker = boto3.client("stepfunctions"), boto3.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/x"
    machine = states.create_state_machine(name="training", definition="{}", roleArn=role)["stateMachineArn"]
    states.start_execution(stateMachineArn=machine, name="redriven", input="{}")
    monkeypatch.setenv("MACHINES", json.dumps([machine]))
    model = {"Image": "x", "ModelDataUrl": f"s3://{BUCKET}/runs/served/m/output/model.tar.gz"}
    sagemaker.create_model(ModelName="m", PrimaryContainer=model, ExecutionRoleArn=role)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    put(s3, "champions/training.json", json.dumps({"run": "best"}))
    kept = {"best": "champion", "redriven": "running", "served": "endpoint"}
    assert call("delete", batch) == answer(done=1, kept=kept)
    assert [key.split("/")[1] for key in keys(s3, "runs/")] == list(kept)


def test_a_champions_record_that_says_nothing_stops_the_batch(s3):
    batch = [put(s3, "runs/old/x")]
    put(s3, "champions/training.json", "{")
    with pytest.raises(Exception, match="does not say which run the champion comes from"):
        call("delete", batch)
    assert keys(s3, "runs/") == ["runs/old/x"]


def test_what_a_run_reads_goes_after_it_in_the_same_batch(s3):
    batch = [put(s3, "runs/reader/x"), put(s3, "runs/old/x")]
    read_by(s3, old=["reader"])
    assert call("delete", batch) == answer(done=2)


@pytest.mark.parametrize("goes", [True, False])
def test_what_a_run_reads_waits_for_it_and_stays_where_it_stays(s3, monkeypatch, goes):
    """The batches before this one may still be at work on the reader; or S3 refuses what it keeps."""
    put(s3, "runs/reader/x")
    batch, pauses = [put(s3, "runs/old/x")], []
    read_by(s3, old=["gone", "reader"])

    def sleep(seconds):
        pauses.append(seconds)
        if goes and len(pauses) == 2:
            s3.delete_object(Bucket=BUCKET, Key="runs/reader/x")

    monkeypatch.setattr(time, "sleep", sleep)
    assert call("delete", batch) == (answer(done=1) if goes else answer(kept={"old": "read"}))
    assert sum(pauses) == (3 if goes else 63)
    assert keys(s3, "runs/") == ([] if goes else ["runs/old/x", "runs/reader/x"])


def test_who_holds_a_run_while_its_readers_are_waited_for_is_heard(s3, monkeypatch):
    put(s3, "runs/reader/x")
    batch = [put(s3, "runs/old/x")]
    read_by(s3, old=["reader"])

    def sleep(_):
        put(s3, "runs/old/.hold")
        s3.delete_object(Bucket=BUCKET, Key="runs/reader/x")

    monkeypatch.setattr(time, "sleep", sleep)
    assert call("delete", batch) == answer(kept={"old": "held"})
    assert keys(s3, "runs/") == ["runs/old/.hold", "runs/old/x"]


def test_a_batch_waits_no_longer_for_many_readers_than_for_one(s3, monkeypatch):
    """Its function has 15 minutes."""
    put(s3, "runs/reader/x")
    batch, pauses = [put(s3, f"runs/{run}/x") for run in ("a", "b", "c")], []
    read_by(s3, a=["reader"], b=["reader"], c=["reader"])
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert call("delete", batch) == answer(kept=dict.fromkeys("abc", "read"))
    assert sum(pauses) == 63


def test_a_reader_that_is_gone_is_asked_for_once_by_all_batches(s3, monkeypatch):
    """A thousand runs may read the one whose million objects go in a thousand batches."""
    asked = []

    def count(parameters, real):
        asked.append(parameters["Prefix"])
        return real(**parameters)

    refusing(monkeypatch, "list_objects_v2", count)
    read_by(s3, old=["gone", "lost"])
    for number in range(3):
        assert call("delete", [put(s3, f"runs/old/{number}")]) == answer(done=1)
    assert sorted(asked) == ["champions/", "runs/gone/", "runs/lost/", "runs/old/", "runs/old/", "runs/old/"]


@pytest.mark.parametrize(
    ("run", "key"), [("old", "datasets/x"), ("old", "runs/older/x"), ("", "runs//x"), ("a/b", "runs/a/b/x")]
)
def test_what_lies_outside_of_its_run_is_never_touched(s3, run, key):
    entry = put(s3, key) | {"run": run}
    for operation in ("delete", "copy"):
        (refused,) = call(operation, [entry])["refused"]
        assert (refused["code"], refused["keys"]) == ("OutsideRuns", [key])
    assert keys(s3) == [key]


def test_refused_keys_are_told_and_the_others_go(s3, monkeypatch):
    batch = [put(s3, f"runs/old/{number}") for number in range(4)]

    def denied(asked, real):
        asked["Delete"]["Objects"] = [item for item in asked["Delete"]["Objects"] if item["Key"] < "runs/old/2"]
        real(**asked)
        return {"Errors": [{"Key": f"runs/old/{n}", "Code": "AccessDenied", "Message": f"no {n}"} for n in (2, 3)]}

    refusing(monkeypatch, "delete_objects", denied)
    group = {"code": "AccessDenied", "message": "no 2", "keys": ["runs/old/2", "runs/old/3"]}
    assert call("delete", batch) == answer(done=2, refused=[group])
    assert keys(s3) == ["runs/old/2", "runs/old/3"]


def test_keys_that_s3_is_too_busy_for_are_asked_for_again(s3, monkeypatch):
    monkeypatch.setattr(bulk.time, "sleep", lambda _: None)
    batch, asked_for = [put(s3, f"runs/old/{number}") for number in range(2)], []

    def busy(asked, _):
        asked_for.append([item["Key"] for item in asked["Delete"]["Objects"]])
        slow = [{"Key": "runs/old/1", "Code": "SlowDown", "Message": "reduce your rate"}]
        return {"Errors": slow if len(asked_for) < 3 else []}

    refusing(monkeypatch, "delete_objects", busy)
    assert call("delete", batch) == answer(done=2)
    assert asked_for == [["runs/old/0", "runs/old/1"], ["runs/old/1"], ["runs/old/1"]]


@pytest.mark.parametrize(("code", "error"), [("SlowDown", bulk.SlowDown), ("AccessDenied", ClientError)])
def test_a_request_that_s3_refuses_as_a_whole_fails_the_batch(s3, monkeypatch, code, error):
    def refuse(_, __):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "DeleteObjects")

    refusing(monkeypatch, "delete_objects", refuse)
    with pytest.raises(error):
        call("delete", [put(s3, "runs/old/1")])


def copied(s3, name, text="x", **more):
    return put(s3, f"runs/old/{name}", text, **more) | {"to": f"runs/new/{name}"}


def test_copies_carry_metadata_and_tags_and_only_what_is_as_planned(s3):
    batch = [copied(s3, "1", Metadata={"by": "me"}, ContentType="text/plain", Tagging="kind=data"), copied(s3, "2")]
    put(s3, "runs/old/2", "written anew")
    gone = copied(s3, "3")
    s3.delete_object(Bucket=BUCKET, Key="runs/old/3")
    assert call("copy", [*batch, gone]) == answer(done=1, changed=2)
    head = s3.head_object(Bucket=BUCKET, Key="runs/new/1")
    assert (head["Metadata"], head["ContentType"]) == ({"by": "me"}, "text/plain")
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="runs/new/1")["TagSet"]
    assert (keys(s3, "runs/new/"), tags) == (["runs/new/1"], [{"Key": "kind", "Value": "data"}])


def test_an_object_too_large_for_one_request_is_copied_in_parts(s3, monkeypatch):
    monkeypatch.setattr(bulk, "LARGEST_COPY", 5 * 2**20)
    monkeypatch.setattr(bulk, "PART", 5 * 2**20)
    text = "x" * (11 * 2**20)
    assert call("copy", [copied(s3, "1", text, Metadata={"by": "me"}, Tagging="kind=data")]) == answer(done=1)
    made = s3.get_object(Bucket=BUCKET, Key="runs/new/1")
    assert (made["Body"].read().decode() == text, made["ETag"][-3:], made["Metadata"]) == (True, '-3"', {"by": "me"})
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="runs/new/1")["TagSet"]
    assert tags == [{"Key": "kind", "Value": "data"}]


def test_a_retry_copies_only_what_is_not_there_yet(s3, monkeypatch):
    batch = [copied(s3, "1"), copied(s3, "2")]
    call("copy", batch[:1])
    asked_for = []
    refusing(monkeypatch, "copy_object", lambda asked, real: asked_for.append(asked["Key"]) or real(**asked))
    assert call("copy", batch, retry=1) == answer(done=2)
    assert asked_for == ["runs/new/2"]


def test_a_copy_goes_nowhere_but_below_runs(s3):
    (refused,) = call("copy", [copied(s3, "1") | {"to": "champions/training.json"}])["refused"]
    assert (refused["code"], keys(s3)) == ("OutsideRuns", ["runs/old/1"])


def test_the_sum_of_all_batches_counts_those_without_an_answer(s3):
    group = {"code": "AccessDenied", "message": "no", "keys": ["a", "b"]}
    lines = [answer(done=3, changed=1), answer(done=1, refused=[group])]
    for name, found in (("ok", lines), ("bad", [{"Error": "SlowDown"}])):
        body = "".join(json.dumps(line) + "\n" for line in found).encode()
        s3.put_object(Bucket=BUCKET, Key=f"audit/{name}", Body=body)
    files = {"SUCCEEDED": [{"Key": "audit/ok", "Size": 1}], "FAILED": [{"Key": "audit/bad", "Size": 1}], "PENDING": []}
    s3.upload_fileobj(io.BytesIO(json.dumps({"ResultFiles": files}).encode()), BUCKET, "audit/manifest.json")
    summed = bulk.handler({"operation": "sum", "bucket": BUCKET, "key": "audit/manifest.json"}, None)
    assert summed == {"done": 4, "changed": 1, "refused": 2, "failed": 1}


def test_an_operation_that_there_is_not(s3):
    with pytest.raises(bulk.InvalidBatch, match="operation is 'move': use delete or copy"):
        call("move", [])
