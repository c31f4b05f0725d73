"""The history reader against `json.loads` of the same bytes, in one run.

    python benchmarks/reader.py [--events N] [--rounds N]

Exits 1 when reading takes more than twice as long as parsing. The history is as long as AWS lets one become: a Map over
many items, each with a Parallel of two retried tasks, their payloads a job's description, some 10 MB in all. The best
of the rounds counts for both sides.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from opsctl.asl.history import read_history

MOST_TIMES_AS_LONG = 2.0
DESCRIPTION = {
    "AlgorithmSpecification": {"TrainingImage": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/train:1", "Mode": "File"},
    "HyperParameters": {"epochs": "6", "batch_size": "32", "max_lr": "0.01", "min_lr": "0.0001", "dropout": "0.5"},
    "InputDataConfig": [{"ChannelName": "data", "S3Uri": "s3://bucket/runs/run-7/fetch-preprocessed-data/"}],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/runs/run-7/train", "KmsKeyId": ""},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.g5.xlarge", "VolumeSizeInGB": 50},
}
JOB = {"resourceType": "sagemaker", "resource": "createTrainingJob.sync"}
Event = dict[str, Any]


class _Written:
    """Events in the making."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, previous: int, kind: str, **details: Any) -> int:
        number = len(self.events) + 1
        state = kind.endswith(("StateEntered", "StateExited"))
        key = f"state{kind[-7:] if kind.endswith('Entered') else 'Exited'}" if state else kind[0].lower() + kind[1:]
        row: Event = {"timestamp": 1.7e9 + number / 10, "type": kind, "id": number, "previousEventId": previous}
        self.events.append(row | ({f"{key}EventDetails": details} if details else {}))
        return number

    def task(self, previous: int, name: str) -> int:
        """A task that fails once and then succeeds."""
        text = json.dumps({"TrainingJobName": name, **DESCRIPTION})
        at = self.add(previous, "TaskStateEntered", name=name, input=text)
        for end in ("TaskFailed", "TaskSucceeded"):
            at = self.add(at, "TaskScheduled", **JOB, region="eu-west-1", parameters=text)
            at = self.add(at, "TaskStarted", **JOB)
            at = self.add(at, "TaskSubmitted", **JOB, output=text)
            told = {"output": text} if end == "TaskSucceeded" else {"error": "Throttled", "cause": "too fast"}
            at = self.add(at, end, **JOB, **told)
        return self.add(at, "TaskStateExited", name=name, output=text)


def history(most: int) -> list[Event]:
    """A finished execution of about `most` events."""
    written = _Written()
    written.add(0, "ExecutionStarted", input="[]", roleArn="arn:aws:iam::123456789012:role/run")
    entered = written.add(0, "MapStateEntered", name="Each", input="[]")
    opened = at = written.add(entered, "MapStateStarted", length=most // 26)
    for index in range((most - 6) // 26):
        item = written.add(opened, "MapIterationStarted", name="Each", index=index)
        both = written.add(item, "ParallelStateEntered", name="Both", input="{}")
        both = written.add(both, "ParallelStateStarted")
        left, right = written.task(both, "Left"), written.task(both, "Right")
        written.add(max(left, right), "ParallelStateSucceeded")
        at = written.add(right, "ParallelStateExited", name="Both", output="{}")
        at = written.add(at, "MapIterationSucceeded", name="Each", index=index)
    written.add(at, "MapStateSucceeded")
    at = written.add(at, "MapStateExited", name="Each", output="[]")
    written.add(at, "ExecutionSucceeded", output="[]")
    return written.events


def best(works: tuple[Callable[[], Any], ...], rounds: int) -> list[float]:
    """Seconds of each work's fastest round. They take turns, so that a busy moment of the machine hits them alike; the
    collector rests, as timeit has it, so that neither pays for the other's garbage."""
    return [min(times) for times in zip(*([_timed(work) for work in works] for _ in range(rounds)), strict=True)]


def _timed(work: Callable[[], Any]) -> float:
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin
    finally:
        gc.enable()


def lines(size: int, events: int, parse: float, read: float) -> Iterator[str]:
    yield f"a history of {events:,} events, {size / 1e6:.1f} MB"
    yield f"  json.loads     {1000 * parse:7.1f} ms"
    yield f"  read_history   {1000 * read:7.1f} ms   {read / parse:.2f} times as long"


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=25_000, help="length of the history (default 25000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; the best counts (default 7)")
    options = parser.parse_args()
    text = json.dumps(history(options.events))
    events = json.loads(text)
    run = read_history(events)
    if run.status != "SUCCEEDED" or any(state.status != "SUCCEEDED" for state in run.states):
        sys.exit("error: the reader misreads the generated history")
    parse, read = best((lambda: json.loads(text), lambda: read_history(events)), options.rounds)
    print("\n".join(lines(len(text), len(events), parse, read)))
    if read > MOST_TIMES_AS_LONG * parse:
        print(f"error: more than {MOST_TIMES_AS_LONG:g} times as long as json.loads", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
