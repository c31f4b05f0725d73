"""What a Map Run comes to: whether its failures are tolerated, its result, and the files that ResultWriter exports.

Shared by everything that runs Map Runs. `effect` is the `StartMapRun` that asked for the run; a child is described
as DescribeExecution describes it, in the form in which AWS exports it (`Child`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from opsctl.asl.effects import StartMapRun
from opsctl.asl.map_settings import tolerated
from opsctl.asl.payload import to_text

EXCEEDED = "States.ExceedToleratedFailureThreshold"
EXCEEDED_CAUSE = "The specified tolerated failure threshold was exceeded"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"
_FILES = (
    ("FAILED", frozenset({"FAILED", "TIMED_OUT", "ABORTED"})),
    ("PENDING", frozenset({"PENDING"})),
    ("SUCCEEDED", frozenset({"SUCCEEDED"})),
)

Child = dict[str, Any]
"""A child as AWS exports it: "ExecutionArn", "Input" and "Output" (JSON texts), "Name", "StartDate", "StateMachineArn",
"Status", "StopDate", and with a failure "Error" and "Cause"; one that was not started has "Status" PENDING and "Input".
"""


def tolerates(effect: StartMapRun, failures: int, total: int) -> bool:
    """Whether a run of `total` items may go on after so many of them have failed.

    A run with an ItemBatcher is counted in items too, as AWS does: a failed child fails all of its batch.
    """
    return failures <= tolerated(effect.tolerated_count, effect.tolerated_percentage, total)


def result_text(outputs: Sequence[str | None], writer: dict[str, Any] | None = None) -> str:
    """The run's result without an export: the outputs' array, in the items' order; failed children (None) leave a gap.

    With a `writer` that has only a WriterConfig, its Transformation FLATTEN takes apart outputs that are arrays.
    """
    texts = [text for text in outputs if text is not None]
    if _transformation(writer, "COMPACT") == "FLATTEN":
        return to_text(_flat(json.loads(text) for text in texts))
    return f"[{','.join(texts)}]"


def exports(effect: StartMapRun) -> bool:
    """Whether the results go to S3 instead of into the state's output."""
    return effect.writer is not None and "Resource" in effect.writer


def written(effect: StartMapRun, arn: str, children: Iterable[Child]) -> tuple[str, dict[str, str]]:
    """The run's result with an export, as JSON text, and the files to write into the bucket: key -> text.

    Children of one outcome share a file; `manifest.json` lists them. The caller puts them into `effect.writer`'s
    `Parameters.Bucket`; if that fails, the run fails with `RESULT_WRITER_FAILED`.
    """
    writer = effect.writer or {}
    parameters = writer.get("Parameters", {})
    bucket, prefix = parameters.get("Bucket", ""), str(parameters.get("Prefix", "")).strip("/")
    folder = "/".join(part for part in (prefix, arn.rpartition(":")[2]) if part)
    ended = list(children)
    lines = writer.get("WriterConfig", {}).get("OutputType") == "JSONL"
    files: dict[str, str] = {}
    listed: dict[str, list[dict[str, Any]]] = {}
    for name, statuses in _FILES:
        group = [child for child in ended if child["Status"] in statuses]
        listed[name] = []
        if group:
            key = f"{folder}/{name}_0.{'jsonl' if lines else 'json'}"
            files[key] = _text_of(_transformed(group, name, writer), lines=lines)
            listed[name].append({"Key": key, "Size": len(files[key].encode("utf-8", "surrogatepass"))})
    manifest = f"{folder}/manifest.json"
    files[manifest] = to_text({"DestinationBucket": bucket, "MapRunArn": arn, "ResultFiles": listed})
    details = {"Bucket": bucket, "Key": manifest}
    return to_text({"MapRunArn": arn, "ResultWriterDetails": details}), files


def _transformed(group: list[Child], name: str, writer: dict[str, Any]) -> list[Any]:
    """What goes into a file; failed children are written whole whatever the Transformation."""
    kind = _transformation(writer, "NONE")
    if name != "SUCCEEDED" or kind == "NONE":
        return group
    outputs = [json.loads(child["Output"]) for child in group]
    return _flat(outputs) if kind == "FLATTEN" else outputs


def _transformation(writer: dict[str, Any] | None, default: str) -> str:
    return str((writer or {}).get("WriterConfig", {}).get("Transformation", default))


def _flat(outputs: Iterable[Any]) -> list[Any]:
    return [item for output in outputs for item in (output if isinstance(output, list) else [output])]


def _text_of(entries: list[Any], *, lines: bool) -> str:
    return "".join(f"{to_text(entry)}\n" for entry in entries) if lines else to_text(entries)
