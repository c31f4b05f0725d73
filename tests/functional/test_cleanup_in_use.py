"""`opsctl cleanup` beside what is not written into the runs' own prefixes: deployments, uploads, spoiled records."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.s3.models import s3_backends

from opsctl.aws.bulk import Bulk
from opsctl.domain.objects import Place
from opsctl.operations import intents
from tests.functional.pipeline_world import BUCKET, DEPLOYMENT, Bench

DAY = 86400.0
OLD = ("cleanup", "--run", "old", "--yes")


@pytest.fixture
def runs(bench: Bench) -> Bench:
    """old and middle, both of which may go, in a bucket with versions."""
    bench.world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for name in ("old", "middle"):
        assert bench.opsctl("start", "--name", name).exit_code == 0
        bench.world.now += 20 * DAY
    return bench


def begin(bench: Bench, machine: str, document: Any, name: str = "") -> None:
    """A run of another machine, which goes on."""
    bench.world.open_steps.add("Prepare Run")
    bench.states.start(DEPLOYMENT.machines[machine].arn, name or f"a-{machine}", json.dumps(document))


def kept(bench: Bench, run: str) -> int:
    return len(bench.world.keys(f"runs/{run}/"))


def reasons(bench: Bench) -> dict[str, str | None]:
    answer = bench.opsctl("cleanup", "--older-than", "1d", "--dry-run", "-o", "json")
    return {run["run"]: run["reason"] for run in json.loads(answer.stdout)["runs"]}


@pytest.mark.parametrize("machine", ["deployment", "inference"])
def test_the_run_of_a_deployment_that_waits_stays_with_what_it_reads(runs: Bench, machine: str) -> None:
    record = {"reads": [f"s3://{BUCKET}/runs/old/train-text-model/"]}
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/middle/code.json", Body=json.dumps(record).encode())
    assert reasons(runs) == {"old": None, "middle": None}
    begin(runs, machine, {"run": "middle"})
    assert reasons(runs) == {"old": "read", "middle": "read"}
    assert f"  a-{machine}\n" in runs.opsctl("data", "list", "--sort", "name").stdout.splitlines(keepends=True)[1]
    read = json.loads(runs.opsctl("data", "list", "middle", "-o", "json").stdout)["read_by"]
    assert read == [f"a-{machine}"]


def test_a_deployment_that_begins_while_the_plan_is_read_keeps_its_run(
    runs: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = Bulk.upload

    def upload_and_begin(self: Bulk, place: Place, file: Any) -> None:
        upload(self, place, file)
        begin(runs, "deployment", {"run": "old"})

    monkeypatch.setattr(Bulk, "upload", upload_and_begin)
    answer = runs.opsctl(*OLD)
    assert answer.stdout.endswith("deleted: 0 objects\nkept after all: old (read)\n")
    assert kept(runs, "old") == 14


def test_all_runs_of_one_name_are_asked_what_they_need(runs: Bench) -> None:
    """Each machine may have one: a deployment and an inference may be called alike, and like a run that ended."""
    assert runs.opsctl("start", "--name", "newest").exit_code == 0
    runs.world.now += 20 * DAY
    for machine, run in (("deployment", "old"), ("inference", "newest")):
        begin(runs, machine, {"run": run}, "middle")
    assert reasons(runs) == {"old": "read", "middle": "running", "newest": "read"}


def test_a_deployment_that_is_called_like_a_known_run_and_begins_while_the_plan_is_read(
    runs: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = Bulk.upload

    def upload_and_begin(self: Bulk, place: Place, file: Any) -> None:
        upload(self, place, file)
        begin(runs, "deployment", {"run": "old"}, "middle")

    monkeypatch.setattr(Bulk, "upload", upload_and_begin)
    assert runs.opsctl(*OLD).stdout.endswith("deleted: 0 objects\nkept after all: old (read)\n")


def test_an_upload_of_a_run_that_goes_on_is_not_given_up(runs: Bench) -> None:
    begin(runs, "training", {})
    for run in ("a-training", "old", "middle"):
        runs.world.s3.create_multipart_upload(Bucket=BUCKET, Key=f"runs/{run}/big")
    runs.opsctl("data", "hold", "middle")
    planned = runs.opsctl("cleanup", "--orphans", "--dry-run", "--query", "uploads[].key")
    assert json.loads(planned.stdout) == ["runs/old/big"]
    answer = runs.opsctl("cleanup", "--orphans", "--yes")
    _, uploads, *rest = answer.stdout.split("\n\n")
    assert re.fullmatch(
        r"gives up 1 unfinished upload, for good:\n  runs/old/big, begun \d+ d ago\n"
        r"deleted: 0 objects\ngiven up: 1 unfinished upload\n", uploads,
    ), answer.stdout  # fmt: skip
    assert (answer.exit_code, rest) == (0, [])  # nothing about what undo would bring back
    left = runs.world.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert sorted(upload["Key"] for upload in left) == ["runs/a-training/big", "runs/middle/big"]
    (record,) = runs.world.keys("audit/")
    heading, line = runs.world.s3.get_object(Bucket=BUCKET, Key=record)["Body"].read().decode().splitlines()
    assert (json.loads(heading)["asked"]["orphans"], json.loads(line)["key"]) == (True, "runs/old/big")


def test_of_many_uploads_the_first_are_named(runs: Bench) -> None:
    for number in range(22):
        runs.world.s3.create_multipart_upload(Bucket=BUCKET, Key=f"runs/old/{number:02}")
    answer = runs.opsctl("cleanup", "--orphans", "--dry-run")
    first, *_, last, more = answer.stdout.splitlines()[5:]
    assert (first.partition(",")[0], last.partition(",")[0]) == ("  runs/old/00", "  runs/old/19")
    assert more == "  and 2 more; -o json lists them all"


def test_uploads_that_s3_refuses_to_give_up_stop_no_others(runs: Bench) -> None:
    for name in ("a", "b", "c"):
        runs.world.s3.create_multipart_upload(Bucket=BUCKET, Key=f"runs/old/{name}")
    first, second, _ = runs.world.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]

    def answer(request: Any, **_: Any) -> Any:
        """As S3 answers who may not, and who comes too late."""
        from botocore.awsrequest import AWSResponse

        for upload, status, code in ((first, 403, "AccessDenied"), (second, 404, "NoSuchUpload")):
            if upload["UploadId"] in request.url:
                body = f"<Error><Code>{code}</Code><Message>no\x1b[2J</Message></Error>".replace("\x1b", "&#x9b;")
                return AWSResponse(request.url, status, {}, _Raw(body.encode()))
        return None

    events = runs.connection.aws.client("s3").meta.events
    events.register("before-send.s3.AbortMultipartUpload", answer)
    try:
        done = runs.opsctl("cleanup", "--orphans", "--yes")
    finally:
        events.unregister("before-send.s3.AbortMultipartUpload", answer)
    assert (done.exit_code, done.stderr.splitlines()[-1:]) == (
        5, ["error: s3 refused 'runs/old/a': AccessDenied: no\\x9b[2J"],
    )  # fmt: skip
    left = [upload["Key"] for upload in runs.world.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]]
    assert left == ["runs/old/a", "runs/old/b"]


class _Raw:
    """A body, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Any:
        yield self._content


def test_the_last_cleanup_is_the_last_by_s3s_clock(runs: Bench) -> None:
    """The clock of whoever cleaned up first was a week ahead."""
    runs.world.now += 7 * DAY
    assert runs.opsctl(*OLD).exit_code == 0
    runs.world.now -= 7 * DAY
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    for key in s3_backends["123456789012"]["aws"].buckets[BUCKET].keys.values():
        key.last_modified = before
    assert runs.opsctl("cleanup", "--run", "middle", "--yes").exit_code == 0
    assert runs.opsctl("cleanup", "--undo").exit_code == 0
    assert (kept(runs, "old"), kept(runs, "middle")) == (0, 14)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"{}", b'{"run": "old", "key": "runs/old/x", "size": "many", "etag": ""}']
)
def test_an_audit_log_that_was_spoiled_is_said_to_be(runs: Bench, line: bytes) -> None:
    assert runs.opsctl(*OLD).exit_code == 0
    (audit,) = runs.world.keys("audit/")
    content = runs.world.s3.get_object(Bucket=BUCKET, Key=audit)["Body"].read()
    runs.world.s3.put_object(Bucket=BUCKET, Key=audit, Body=content + line)
    answer = runs.opsctl("cleanup", "--undo")
    assert (answer.exit_code, answer.stderr.splitlines()) == (3, [
        f"error: {audit} holds a line that is no entry: {line[:60]!r}", "hint: mend it, and run the command again",
    ])  # fmt: skip


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"runs": 7}', b"null", b"[" * 100_000])
def test_an_intent_that_cannot_be_read_lets_nothing_be_reused(failed: Bench, content: bytes) -> None:
    key = f"{intents.FOLDER}cleanup-20270101T000000Z-abcd.json"
    failed.world.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    failed.world.s3.put_object(Bucket=BUCKET, Key=f"{intents.FOLDER}not ours", Body=b"{")
    again = ("rerun", "nightly-7", "--from", "failed", "--data", "reuse", "--yes")
    answer = failed.opsctl(*again)
    assert (answer.exit_code, answer.stderr.splitlines()[-2:]) == (3, [
        f"error: s3://{BUCKET}/{key} does not say which runs a cleanup deletes",
        "hint: delete it if no cleanup is at work",
    ])  # fmt: skip
    failed.world.s3.delete_object(Bucket=BUCKET, Key=key)
    assert failed.opsctl(*again).exit_code == 0
