"""Have the machine `bulk` work through a manifest in S3, follow it, and read back what came of each batch.

The machine (definitions/bulk.asl.json.tftpl) goes on whatever becomes of whoever handed the manifest over. What its
batches answered lies below the run's `results` in the bucket, in the files of a distributed Map's ResultWriter.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from opsctl.aws.bulk import Bulk, Refused
from opsctl.config import Machine
from opsctl.domain.data_modes import COPY
from opsctl.domain.engines import Wish, choose
from opsctl.domain.inventory import run_of
from opsctl.domain.objects import Place, Stored
from opsctl.domain.plan import RerunPlan
from opsctl.domain.runs import RUNNING, SUCCEEDED, Run
from opsctl.errors import AwsError, RefusedError, ThrottledError, UsageError
from opsctl.operations.connection import Connection

MACHINE = "bulk"
LARGEST_MANIFEST = 10_000_000_000  # bytes that a distributed Map reads
MOST_KEPT = 50_000  # characters: every batch is told, and a batch has 256 KiB
RESULTS = "manifest.json"
THROTTLED_SECONDS = 30.0

OnProgress = Callable[[int, int | None], None]  # objects and bytes that are done; the bytes are not known here


@dataclass(frozen=True)
class Errand:
    """`operation` (delete, copy) on the `objects` that `manifest` names, but for those of the runs `kept`.

    Its `name` is the execution's too, and `results` a key without its slash.
    """

    name: str
    operation: str
    manifest: Place
    results: str
    objects: int
    kept: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The machine's input."""
        return {
            "operation": self.operation,
            "manifest": self.manifest.key,
            "results": self.results,
            "kept": list(self.kept),
        }


@dataclass(frozen=True)
class Answer:
    """What came of a batch: objects done, objects left alone because they changed, runs left alone with the reason, and
    the keys that were refused."""

    done: int = 0
    changed: int = 0
    kept: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()


def machine(connection: Connection) -> Machine | None:
    """The deployment's machine for manifests, if it has one."""
    return connection.deployment.machines.get(MACHINE)


def with_engine(connection: Connection, made: RerunPlan, wish: Wish) -> RerunPlan:
    """The plan with which way it copies, if it does. Raises UsageError for a wish about nothing, ConfigurationError for
    one that the deployment cannot meet."""
    if not made.reused or made.data != COPY:
        if wish.engine:
            raise UsageError(f"--engine {wish.engine} says how to copy, and nothing is copied", "leave it out")
        return made
    has_map = machine(connection) is not None
    return replace(made, engine=choose(made.reused_objects, wish, has_map=has_map))


def check(connection: Connection, size: int) -> None:
    """Before a manifest of `size` bytes is uploaded.

    Raises RefusedError for one that is too large, or while another one is being worked through.
    """
    _check_size(size)
    bulk = machine(connection)
    busy = next(connection.states.runs(bulk.arn, RUNNING), None) if bulk else None
    if busy:
        raise RefusedError(
            f"{busy.name} is still at work", f"wait for it: opsctl watch {busy.name} --machine {MACHINE}"
        )


def _check_size(size: int) -> None:
    if size > LARGEST_MANIFEST:
        raise RefusedError(
            f"the manifest has {size:,} bytes, and a distributed Map reads {LARGEST_MANIFEST:,} at most",
            "narrow down what it is about, and repeat for the rest; or --engine local",
        )


def work_through(connection: Connection, errand: Errand, on_progress: OnProgress) -> Iterator[Answer]:
    """Start the machine, follow it to its end, and yield what came of its batches.

    Raises RefusedError for too many runs that are to be kept, AwsError where the machine fails for another reason than
    objects that were refused.
    """
    if sum(map(len, errand.kept)) > MOST_KEPT:
        raise RefusedError(f"{len(errand.kept):,} runs came into use since the plan was made", "plan anew")
    bulk = connection.deployment.machines[MACHINE]
    arn = connection.states.start(bulk.start_arn, errand.name, json.dumps(errand.document))
    run = _follow(connection, arn, errand.objects, on_progress)
    refused = 0
    for answer in _answers(connection, Place(errand.manifest.bucket, f"{errand.results}/")):
        refused += len(answer.refused)
        yield answer
    if run.status != SUCCEEDED and not refused:
        why = ": ".join(filter(None, (run.error, run.cause)))
        raise AwsError(
            f"{run.name} ended {run.status} on {bulk.name}" + (f": {why}" if why else ""),
            f"see why: opsctl status {run.name} --machine {MACHINE}; then the same command again does what is left",
        )


def copy(
    connection: Connection, source: Place, target: Place, items: Iterable[Stored], on_progress: OnProgress
) -> Iterator[Answer]:
    """Have `items` copied from below one prefix of the bucket to below another; their keys are relative to `source`.

    Both lie below `runs/`. The manifest stays in the bucket, beside the audit logs. Raises what `work_through` does,
    and RefusedError for more items than a manifest takes.
    """
    now = datetime.fromtimestamp(connection.aws.now(), UTC)
    name = f"copy-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    place = Place(source.bucket, f"audit/{now:%Y-%m-%d}/{name}.jsonl")
    with tempfile.TemporaryFile() as file:
        objects = 0
        for item in items:
            file.write(_copy_line(source, target, item).encode())
            objects += 1
        _check_size(file.tell())
        file.seek(0)
        Bulk(connection.aws).upload(place, file)
    errand = Errand(name, "copy", place, place.key.removesuffix(".jsonl"), objects)
    yield from work_through(connection, errand, on_progress)


def _copy_line(source: Place, target: Place, item: Stored) -> str:
    key = source.key + item.key
    line = {"run": run_of(key), "key": key, "size": item.size, "etag": item.etag, "to": target.key + item.key}
    return json.dumps(line) + "\n"


def _follow(connection: Connection, arn: str, objects: int, on_progress: OnProgress) -> Run:
    """The run once it has ended. Throttling slows this down and never ends it."""
    while True:
        pause = connection.aws.poll_seconds
        try:
            run = connection.states.describe(arn)
            if run.ended:
                return run
            for map_run in connection.states.map_runs(arn):
                counts = connection.states.map_run(map_run)["itemCounts"]
                # The manifest's heading is an item too.
                on_progress(min(counts["succeeded"] + counts["failed"], objects), None)
        except ThrottledError:
            pause = THROTTLED_SECONDS
        connection.aws.sleep(pause)


def _answers(connection: Connection, results: Place) -> Iterator[Answer]:
    bulk = Bulk(connection.aws)
    manifests = [item.key for item in bulk.objects(results) if item.key.endswith(f"/{RESULTS}")]
    for key in manifests:
        files = json.loads(b"\n".join(bulk.lines(Place(results.bucket, key))))["ResultFiles"]
        for name, read in (("SUCCEEDED", _answered), ("FAILED", _unanswered), ("PENDING", _unanswered)):
            for file in files.get(name, ()):
                for line in bulk.lines(Place(results.bucket, file["Key"])):
                    if line.strip():
                        yield read(json.loads(line))


def _answered(document: Mapping[str, Any]) -> Answer:
    refused = (Refused(key, group["code"], group["message"]) for group in document["refused"] for key in group["keys"])
    return Answer(document["done"], document["changed"], document["kept"], tuple(refused))


def _said(cause: str) -> str:
    """What a function's error says, without its stack: a line for each of the batch's keys."""
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return cause


def _unanswered(child: Mapping[str, Any]) -> Answer:
    """A batch that failed as a whole: how many of its objects are done, nobody can tell."""
    error, cause = child.get("Error") or child["Status"], _said(child.get("Cause") or "the batch was not finished")
    items = json.loads(child.get("Input") or "{}").get("Items", ())
    return Answer(refused=tuple(Refused(item["key"], error, cause) for item in items if "key" in item))
