"""The pictures and the report of large runs, each as a command of its own, from Python's start to its end.

    python benchmarks/report.py [--rounds N]

Exits 1 when `opsctl report` of a run of 25,000 events takes 5 seconds or makes 5 MB, or `opsctl graph` of a machine of
150 states takes 2 seconds. The median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from reader import history

EVENTS, STATES = 25_000, 150
MOST_REPORT_SECONDS, MOST_REPORT_BYTES, MOST_GRAPH_SECONDS = 5.0, 5_000_000, 2.0
FAILED = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Describe Failure"}]}


def machine(states: int) -> dict[str, Any]:
    """Guarded stages one after the other, every failure caught; each sixth a Parallel of six branches of two."""
    found: dict[str, Any] = {"Describe Failure": {"Type": "Pass", "Next": "Fail"}, "Fail": {"Type": "Fail"}}
    number, count = 0, 3
    while count < states:
        onward = f"Guard {number + 1}?"
        rule = {"Variable": f"$$.Execution.Input.skip.stage_{number}", "BooleanEquals": True, "Next": onward}
        found[f"Guard {number}?"] = {"Type": "Choice", "Choices": [rule], "Default": f"Stage {number}"}
        stage = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": onward, **FAILED}
        if number % 6 == 5:
            stage |= {"Type": "Parallel", "Branches": [_branch(f"{number}.{branch}") for branch in range(6)]}
        found[f"Stage {number}"] = stage
        count += 2 + 12 * (number % 6 == 5)
        number += 1
    found[f"Guard {number}?"] = {"Type": "Succeed"}
    return {"StartAt": "Guard 0?", "States": found}


def _branch(name: str) -> dict[str, Any]:
    train = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync", "Next": f"Keep {name}"}
    return {
        "StartAt": f"Train {name}",
        "States": {f"Train {name}": train, f"Keep {name}": {"Type": "Pass", "End": True}},
    }


def median(rounds: int, *words: str) -> float:
    """Seconds of the command's median round."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "opsctl", *words], check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the median counts (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="opsctl-bench-") as folder:
        events, definition, page = (Path(folder) / name for name in ("history.json", "machine.json", "run.html"))
        events.write_text(json.dumps(history(EVENTS)))
        definition.write_text(json.dumps(machine(STATES)))
        took = median(options.rounds, "report", "--history", str(events), "--out", str(page))
        size = page.stat().st_size
        print(f"report of a run of {EVENTS:,} events   {took:6.2f} s   {size / 1e6:.2f} MB")
        slow = took >= MOST_REPORT_SECONDS or size >= MOST_REPORT_BYTES
        for kind in ("text", "mermaid", "svg", "png"):
            out = str(Path(folder) / "machine.out")
            took = median(options.rounds, "graph", "--definition", str(definition), "-o", kind, "--out", out)
            print(f"graph of {STATES} states as {kind:8}      {took:6.2f} s")
            slow = slow or took >= MOST_GRAPH_SECONDS
    if slow:
        print("error: slower, or larger, than it may be", file=sys.stderr)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
