"""Whatever the runs of a world are and read, and wherever cleanups of it are cut off: nothing goes that is referred to,
nothing that was not on record before, the last cleanup ends as if undisturbed, and undo brings everything back.

Plans, deletions and undo are the real ones, on a versioned bucket in moto; only Step Functions is a list of runs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions, execution_arn
from opsctl.aws.storage import Storage
from opsctl.domain.cleanup import ALL, PARTS, Criteria
from opsctl.domain.runs import RUNNING, SUCCEEDED, Run
from opsctl.operations import cleanup, undo
from opsctl.operations.connection import Connection
from tests.functional.pipeline_world import BUCKET, DEPLOYMENT, EPOCH, MACHINE, shared_aws

DAY = 86400.0
FILES = ("code.json", "fetch-preprocessed-data/page", "odd\t1", "odd\t2", "train-text-model/job/output/model.tar.gz")
NAMES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Past:
    """One run: how long ago it ended in days, how, the runs before it that it reads, and whether it is held.

    `status` None is a prefix without an execution.
    """

    age: int
    status: str | None
    reads: frozenset[str]
    held: bool


class Executions:
    """What `StepFunctions` says of the runs of one machine."""

    def __init__(self, runs: dict[str, Run]) -> None:
        self._runs = runs

    def runs(self, machine_arn: str, status: str | None = None) -> Iterator[Run]:
        """In no order."""
        return (run for run in self._runs.values() if run.machine_arn == machine_arn and status in (None, run.status))

    def find(self, machine_arn: str, name: str) -> Run | None:
        """By name."""
        return next((run for run in self.runs(machine_arn) if run.name == name), None)

    def describe(self, arn: str) -> Run:
        """By ARN."""
        return next(run for run in self._runs.values() if run.arn == arn)


class CrashError(Exception):
    """The process dies here."""


class Bucket:
    """A world's bucket, and what opsctl does to it."""

    def __init__(self, url: str, pasts: dict[str, Past], champion: str | None) -> None:
        requests.post(f"{url}/moto-api/reset", timeout=300)
        aws = replace(shared_aws(url), now=lambda: EPOCH)
        self.pasts, self.s3 = pasts, aws.client("s3")
        self.connection = _connection(aws, {name: run for name, past in pasts.items() if (run := _run(name, past))})
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for name, past in pasts.items():
            for file in (*FILES, *([".hold"] if past.held else [])):
                reads = [f"s3://{BUCKET}/runs/{other}/train-text-model/" for other in sorted(past.reads)]
                self._put(f"runs/{name}/{file}", json.dumps({"reads": reads}) if file == "code.json" else name)
        self._put("datasets/july/page", "x")
        if champion:
            self._put("champions/training.json", json.dumps({"run": champion}))

    def content(self) -> dict[str, str]:
        """The ETag of everything but the audit logs."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        items = [item for page in pages for item in page.get("Contents", ())]
        return {item["Key"]: item["ETag"] for item in items if not item["Key"].startswith(cleanup.AUDIT)}

    def plan(self, criteria: Criteria) -> dict[str, str | None]:
        """Why each run stays; None where it goes."""
        with tempfile.TemporaryFile() as manifest:
            made = cleanup.plan(self.connection, criteria, {}, manifest, lambda *_: None)
        return {decision.run.name: decision.kept for decision in made.decisions}

    def clean(self, criteria: Criteria, crash: int | None = None) -> None:
        """Plan and carry it out; die before the request of that number after the plan."""
        left = crash

        def die(**_: object) -> None:
            nonlocal left
            if left is not None:
                left -= 1
                if left < 0:
                    raise CrashError

        with tempfile.TemporaryFile() as manifest:
            made = cleanup.plan(self.connection, criteria, {}, manifest, lambda *_: None)
            self.s3.meta.events.register("before-call.s3", die)
            try:
                if not made.is_empty:
                    cleanup.execute(self.connection, made, lambda *_: None)
            except CrashError:
                assert crash is not None
            finally:
                self.s3.meta.events.unregister("before-call.s3", die)

    def on_record(self) -> set[str]:
        """The keys that any audit log names."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=cleanup.AUDIT).get("Contents", ())
        logs = [item["Key"] for item in listed if item["Key"].endswith(".jsonl")]
        lines = [line for key in logs for line in self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].iter_lines()]
        return {entry["key"] for line in lines if "key" in (entry := json.loads(line))}

    def _put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def _connection(aws: Aws, runs: dict[str, Run]) -> Connection:
    states = cast("StepFunctions", Executions(runs))
    return Connection(aws.context, DEPLOYMENT, DEPLOYMENT.machine(None), aws, states, Storage(aws))


def _run(name: str, past: Past) -> Run | None:
    if past.status is None:
        return None
    ended, machine = EPOCH - past.age * DAY, MACHINE
    stopped = None if past.status == RUNNING else ended
    return Run(name, execution_arn(machine, name), machine, past.status, ended - DAY, stopped=stopped, input="{}")


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Past]:
    """A run reads only what was there before it."""
    statuses = st.sampled_from([SUCCEEDED, SUCCEEDED, SUCCEEDED, "FAILED", RUNNING, None])
    return {
        name: Past(
            draw(st.integers(0, 60)), draw(statuses), draw(st.frozensets(st.sampled_from(NAMES[:number]), max_size=2))
            if number else frozenset(), draw(st.integers(0, 9)) == 9,
        )
        for number, name in enumerate(NAMES)
    }  # fmt: skip


CRITERIA = st.builds(
    Criteria,
    names=st.just(frozenset()) | st.frozensets(st.sampled_from(NAMES), min_size=2),
    older_than=st.none() | st.integers(0, 60).map(lambda days: days * DAY),
    keep_last=st.none() | st.integers(0, 2),
    part=st.sampled_from((ALL, ALL, ALL, *PARTS)),
)


def protected(pasts: dict[str, Past], champion: str | None) -> set[str]:
    """The runs of which nothing may ever go, and all that they read."""
    waiting = [name for name, past in pasts.items() if past.held or past.status == RUNNING or name == champion]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += pasts[name].reads
    return found


def of(content: dict[str, str], run: str) -> dict[str, str]:
    return {key: etag for key, etag in content.items() if key.startswith(f"runs/{run}/")}


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(worlds(), st.sampled_from([None, None, *NAMES]), CRITERIA, st.lists(st.integers(8, 30), max_size=3))
def test_no_cleanup_takes_what_is_referred_to_and_undo_is_its_inverse(
    moto_url: str, pasts: dict[str, Past], champion: str | None, criteria: Criteria, crashes: list[int]
) -> None:
    bucket = Bucket(moto_url, pasts, champion)
    before, plan = bucket.content(), bucket.plan(criteria)
    assert bucket.content() == before
    for crash in [*crashes, None]:
        bucket.clean(criteria, crash)
        now = bucket.content()
        gone = before.keys() - now.keys()
        assert now == {key: etag for key, etag in before.items() if key not in gone}
        assert gone <= bucket.on_record()
        assert all(key.startswith("runs/") for key in gone)
        for name in protected(pasts, champion):
            assert of(now, name) == of(before, name)
        for name, past in pasts.items():
            if of(now, name):  # something is left of it: all that it reads is whole
                for other in past.reads:
                    assert of(now, other) == of(before, other), (name, other)
    assert {name for name in pasts if of(now, name) != of(before, name)} == {
        name for name, reason in plan.items() if reason is None
    }
    if gone:
        undo.undo(bucket.connection, frozenset(NAMES), lambda *_: None)
    assert bucket.content() == before
