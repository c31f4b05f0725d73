"""Pass transitions a second: our interpreter beside moto's own, on the same definition, in one run.

    python benchmarks/interpreter.py [--states N] [--rounds N]

Exits 1 when ours is not at least ten times as fast, or makes fewer than 20,000 transitions a second. Both write the
full history: two events a state, with JSON input and output. moto parses the definition anew on each start, so its
rate is given for the walk alone, taken from the timestamps of its first and last state; ours is given with and without
parsing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

import boto3
from moto import mock_aws

from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse

LEAST_RATIO = 10
LEAST_RATE = 20_000
INPUT = '{"data": {"source": "s3://bucket/datasets/sample/"}, "skip": {}}'
ROLE = "arn:aws:iam::123456789012:role/benchmark"
MAX_WAIT_SECONDS = 120


def definition(states: int) -> str:
    """A chain of Pass states that each write a field."""
    names = [f"Pass {number}" for number in range(states)]
    chain: dict[str, Any] = {}
    for number, name in enumerate(names):
        state: dict[str, Any] = {"Type": "Pass", "Result": number, "ResultPath": "$.step"}
        chain[name] = {**state, "End": True} if number == states - 1 else {**state, "Next": names[number + 1]}
    return json.dumps({"StartAt": names[0], "States": chain})


def ours(text: str, states: int, rounds: int) -> tuple[float, float]:
    """Transitions a second: of the walk alone, and with parsing before each walk. The best of the rounds."""
    walk = whole = 0.0
    for _ in range(rounds):
        begin = time.perf_counter()
        machine = parse(text)
        parsed = time.perf_counter()
        execution = Execution(machine, INPUT, {"Execution": {"RoleArn": ROLE}})
        execution.start(0.0)
        end = time.perf_counter()
        if execution.status != "SUCCEEDED" or len(execution.events) != 2 * states + 2:
            sys.exit(f"error: our execution ended {execution.status} with {len(execution.events)} events")
        walk, whole = max(walk, states / (end - parsed)), max(whole, states / (end - begin))
    return walk, whole


def moto(text: str, states: int) -> float:
    """Transitions a second of moto's interpreter, its parser not counted."""
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        client = boto3.client(
            "stepfunctions",
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106 moto checks none
        )
        machine = client.create_state_machine(name="benchmark", definition=text, roleArn=ROLE)["stateMachineArn"]
        execution = client.start_execution(stateMachineArn=machine, input=INPUT)["executionArn"]
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while client.describe_execution(executionArn=execution)["status"] == "RUNNING":
            if time.monotonic() > deadline:
                sys.exit(f"error: moto's execution still runs after {MAX_WAIT_SECONDS} s")
            time.sleep(0.05)
        pages = client.get_paginator("get_execution_history").paginate(executionArn=execution)
        events = [event for page in pages for event in page["events"]]
    walked = [event["timestamp"] for event in events if event["type"].startswith("PassState")]
    if len(walked) != 2 * states:
        sys.exit(f"error: moto's execution wrote {len(walked)} events for {states} states")
    return float(states / (max(walked) - min(walked)).total_seconds())


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--states", type=int, default=1000, help="length of the chain (default 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="walks of ours; the best counts (default 5)")
    options = parser.parse_args()
    # Nothing of the user's own configuration: an endpoint in it would be called instead of moto.
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name in [name for name in os.environ if name == "AWS_PROFILE" or name.startswith("AWS_ENDPOINT_URL")]:
        del os.environ[name]
    text = definition(options.states)
    theirs = moto(text, options.states)
    walk, whole = ours(text, options.states, options.rounds)
    ratio = walk / theirs
    print(f"Pass transitions a second, {options.states} states, full history")
    print(f"  moto                {theirs:10,.0f}")
    print(f"  opsctl              {walk:10,.0f}   {ratio:.0f} times as many")
    print(f"  opsctl with parsing {whole:10,.0f}")
    if ratio < LEAST_RATIO:
        print(f"error: less than {LEAST_RATIO} times moto's rate", file=sys.stderr)
        return 1
    if walk < LEAST_RATE:
        print(f"error: fewer than {LEAST_RATE:,} transitions a second", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
