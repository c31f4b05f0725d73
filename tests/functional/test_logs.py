"""`opsctl logs` against CloudWatch Logs as AWS pages it: few events a page, tokens, hosts, what is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import Result

from opsctl.operations import logs as reading
from opsctl.operations.logs import Wanted
from opsctl.operations.runs import resolve
from tests.functional.pipeline_world import EPOCH, Bench, training_failure

TRAINING = "/aws/sagemaker/TrainingJobs"
PREPARE = "/aws/lambda/documents-prepare-run"
TEXT = "nightly-7-train-text-model-d0r0/algo-1-1800000000"
FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@dataclass
class FakeLogs:
    """The `logs` client: groups of streams of (seconds, message), three events a page, each request remembered."""

    groups: dict[str, dict[str, list[tuple[float, str]]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    page: int = 3

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        """A token is a direction and a place; at an end, it leads to itself."""
        self.asked.append(request["logStreamName"])
        events = self._group(request)[request["logStreamName"]]
        start, end = self._window(events, request)
        chosen = [{"timestamp": int(at * 1000), "message": text} for at, text in events[start:end]]
        return {"events": chosen, "nextForwardToken": f"f/{end}", "nextBackwardToken": f"b/{start}"}

    def _window(self, events: list[Any], request: dict[str, Any]) -> tuple[int, int]:
        token, last = request.get("nextToken"), len(events)
        if token and request["startFromHead"] != token.startswith("f"):
            raise ClientError({"Error": {"Code": "InvalidParameterException"}}, "GetLogEvents")
        if token:
            place = int(token[2:])
            return (place, min(place + self.page, last)) if token[0] == "f" else (max(place - self.page, 0), place)
        return (0, min(self.page, last)) if request["startFromHead"] else (max(last - self.page, 0), last)

    def get_paginator(self, name: str) -> Any:
        """Of DescribeLogStreams and FilterLogEvents."""
        client = self

        class Paginator:
            def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
                streams = client._group(request)
                if name == "describe_log_streams":
                    named = sorted(one for one in streams if one.startswith(request["logStreamNamePrefix"]))
                    yield {"logStreams": [{"logStreamName": one} for one in named]}
                else:
                    yield {"events": sorted(client._found(streams, request), key=lambda event: event["timestamp"])}

        return Paginator()

    def _found(self, streams: dict[str, Any], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        phrase = request.get("filterPattern", '""').strip('"')
        for name, events in streams.items():
            for number, (at, text) in enumerate(events):
                within = request["startTime"] <= at * 1000 <= request.get("endTime", float("inf"))
                if within and phrase in text:
                    found = {"logStreamName": name, "eventId": f"{name}-{number}", "message": text}
                    yield {**found, "timestamp": int(at * 1000)}

    def _group(self, request: dict[str, Any]) -> Any:
        if request["logGroupName"] not in self.groups:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "logs")
        return self.groups[request["logGroupName"]]


class NoFunctions:
    """The `lambda` client of somebody who may not ask."""

    def get_function_configuration(self, **request: Any) -> Any:
        """Denied."""
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": str(request)}}, "GetFunction")


@pytest.fixture
def logs(bench: Bench) -> FakeLogs:
    """What a run wrote whose text model failed."""
    fake = FakeLogs({TRAINING: {TEXT: [(EPOCH + 20 + n, f"line {n}") for n in range(8)]}})
    clients = {**bench.connection.aws._clients, "logs": fake, "lambda": NoFunctions()}
    bench.connection = replace(bench.connection, aws=replace(bench.connection.aws, _clients=clients))
    bench.world.script["Train Text Model"] = [training_failure("out of memory")]
    bench.opsctl("start", "--name", "nightly-7")
    return fake


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_all_pages_of_the_step_to_blame(bench: Bench, logs: FakeLogs) -> None:
    result = bench.opsctl("logs")
    assert lines(result) == [f"line {n}" for n in range(8)]
    assert result.stderr == f"Train Text Model: {TRAINING}, stream nightly-7-train-text-model-d0r0/*\n"
    assert len(logs.asked) == 4  # three pages, and one to see that there are no more


def test_pages_are_asked_for_as_they_are_read(bench: Bench, logs: FakeLogs) -> None:
    run = resolve(bench.connection, "nightly-7")
    parts = reading.choose(bench.connection, run, Wanted())
    found = reading.read(bench.connection, run, parts, Wanted(), lambda _: None)
    assert [next(found).message for _ in range(4)] == ["line 0", "line 1", "line 2", "line 3"]
    assert len(logs.asked) == 2


def test_the_end_is_read_from_the_end(bench: Bench, logs: FakeLogs) -> None:
    assert lines(bench.opsctl("logs", "--tail", "2")) == ["line 6", "line 7"]
    assert len(logs.asked) == 1
    assert lines(bench.opsctl("logs", "--tail", "3", "--grep", "[0257]$")) == ["line 2", "line 5", "line 7"]
    assert len(logs.asked) == 1 + 2
    assert lines(bench.opsctl("logs", "--tail", "100")) == [f"line {n}" for n in range(8)]


def test_hosts_are_merged_by_time(bench: Bench, logs: FakeLogs) -> None:
    logs.groups[TRAINING][TEXT.replace("algo-1", "algo-2")] = [(EPOCH + 20.5 + n, f"other {n}") for n in range(2)]
    shown = lines(bench.opsctl("logs", "--grep", " [01]$", "--timestamps"))
    assert shown == [
        "2127-01-15T08:00:20.000+00:00 algo-1 | line 0",
        "2127-01-15T08:00:20.500+00:00 algo-2 | other 0",
        "2127-01-15T08:00:21.000+00:00 algo-1 | line 1",
        "2127-01-15T08:00:21.500+00:00 algo-2 | other 1",
    ]


def test_what_was_written_since(bench: Bench, logs: FakeLogs) -> None:
    del logs
    assert lines(bench.opsctl("logs", "--since", "2127-01-15T08:00:26Z")) == ["line 6", "line 7"]
    assert lines(bench.opsctl("logs", "--since", "1d"))[:1] == ["line 0"]
    for wrong in ("yesterday", "10", "5 parsecs"):
        refused = bench.opsctl("logs", "--since", wrong)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert f"{wrong!r} is neither a time ago, such as 10m, 2h or 3d, nor a moment" in refused.stderr


def test_an_invocation_is_found_by_the_time_where_nothing_names_it(bench: Bench, logs: FakeLogs) -> None:
    start, end = "START RequestId: {}", "REPORT RequestId: {} Duration: 3 ms"
    report = json.dumps({"type": "platform.report", "record": {"requestId": SECOND}})
    logs.groups[PREPARE] = {
        "a": [(EPOCH - 50, start.format(FIRST)), (EPOCH - 49, "earlier"), (EPOCH - 48, end.format(FIRST)),
              (EPOCH, start.format(FIRST)), (EPOCH + 0.1, "for nightly-8"), (EPOCH + 0.2, end.format(FIRST))],
        "b": [(EPOCH + 0.01, "INIT_START"), (EPOCH + 0.05, json.dumps({"type": "platform.start", "record": {
              "requestId": SECOND}})), (EPOCH + 0.15, '{"message": "for nightly-7"}'), (EPOCH + 0.3, report)],
    }  # fmt: skip
    result = bench.opsctl("logs", "nightly-7", "prepare-run", "--query", "message")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [text for _, text in logs.groups[PREPARE]["b"]]
    logs.groups[PREPARE]["b"][2] = (EPOCH + 0.15, "who knows")
    both = lines(bench.opsctl("logs", "nightly-7", "prepare-run"))
    assert [line for line in both if "for nightly" in line or "knows" in line] == ["for nightly-8", "who knows"]
    assert "earlier" not in both


def test_what_is_not_there(bench: Bench, logs: FakeLogs) -> None:
    prefix = "nightly-7-train-text-model-d0r0/*"
    kept = "hint: it wrote nothing, or its log group no longer keeps lines as old as that"
    logs.groups[TRAINING] = {}
    gone = bench.opsctl("logs")
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert gone.stderr.splitlines()[1:] == [
        f"error: Train Text Model left no log: there is no stream {prefix} in the log group {TRAINING}", kept,
    ]  # fmt: skip
    logs.groups.clear()
    gone = bench.opsctl("logs")
    assert gone.stderr.splitlines()[1:] == [
        f"error: Train Text Model left no log: there is no log group {TRAINING}", kept,
    ]  # fmt: skip


def test_a_reused_step_has_its_log_in_the_run_that_made_it(bench: Bench, logs: FakeLogs) -> None:
    del logs
    assert bench.opsctl("rerun", "nightly-7", "--from", "train-text-model", "--yes").exit_code == 0
    told = bench.opsctl("logs", "nightly-7-r1", "train-image-model")
    assert (told.exit_code, told.stdout) == (3, "")
    assert told.stderr.splitlines() == [
        "error: Train Image Model did not run in nightly-7-r1: its result is that of nightly-7",
        "hint: opsctl logs nightly-7 train-image-model",
    ]


def test_words_that_are_wrong(bench: Bench, logs: FakeLogs) -> None:
    del logs
    near = "hint: did you mean Train Text Model (branch 2 of Base Model Training), "
    pattern = "'(' is not a regular expression: missing ), unterminated subpattern at position 0"
    wrong: list[tuple[list[str], int, str]] = [
        (["nightly-7", "train-txt-model"], 2, f"error: no step 'train-txt-model' {near}"),
        (["nightly-7", "Notify Success"], 3, "error: Notify Success did not run in nightly-7 hint: opsctl status"),
        (["Evaluate"], 2, "error: no run 'Evaluate' hint: to name a step, name its run too: opsctl logs @latest"),
        (["--failed", "--attempt", "2"], 2, "error: --failed and --attempt each say which attempts hint: leave"),
        (["-f", "--failed"], 2, "error: -f follows what goes on, not attempts that have ended hint: leave out -f"),
        (["--grep", "("], 2, f"error: Invalid value for '--grep': {pattern}"),
        (["nightly-7", "train-text-model", "--attempt", "2"], 2,
         "error: there is no attempt 2 of Train Text Model: it had 1 attempt hint: leave --attempt out"),
    ]  # fmt: skip
    for words, code, said in wrong:
        result = bench.opsctl("logs", *words)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.replace("\n", " ").startswith(said)
