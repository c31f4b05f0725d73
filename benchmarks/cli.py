"""How fast the command line answers, beside `import click` and the AWS CLI, on a sandbox of its own.

    python benchmarks/cli.py [--rounds N] [--watch SECONDS]

In each round every command runs once, one after the other, so that a busy machine is busy for all; what is printed and
held against the bars is the median of the rounds' ratios. The AWS CLI comes from PyPI, into the environment that
benchmarks/s3/bulk.py uses; where it is not to be had, its ratios are left out and said to be. Exits 1 above a bar.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import boto3

from opsctl import sandbox

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "s3"))
from bulk import tools  # noqa: E402 - the AWS CLI in an environment of its own

# Of the time of `python -c "import click"`, and of `aws stepfunctions list-executions`.
MOST = {
    "--help": 1.3, "--version": 1.3, "list": 0.55, "status": 0.8, "--help of aws": 0.15,
}  # fmt: skip
MOST_A_SECOND, MOST_MIB = 0.5, 80.0
RUNS = 30
SMALL = "one", "two", "three", "four"


def place(directory: Path) -> tuple[dict[str, str], str, str]:
    """A sandbox with a machine and its runs: the environment of a command there, the machine, and one that waits."""
    server = sandbox.up(directory)
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox", "region_name": server["region"]}
    states = boto3.client("stepfunctions", endpoint_url=server["url"], **keys)
    topic = boto3.client("sns", endpoint_url=server["url"], **keys).create_topic(Name="told")["TopicArn"]
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = boto3.client("iam", endpoint_url=server["url"], **keys).create_role(
        RoleName="machine", AssumeRolePolicyDocument=policy
    )["Role"]["Arn"]
    publish = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "ResultPath": None}
    told = {"Parameters": {"TopicArn": topic, "Message": "done"}}
    chain = {
        name: publish | told | ({"Next": after} if after else {"End": True})
        for name, after in zip(SMALL, (*SMALL[1:], None), strict=True)
    }
    machines = {
        "training": {"StartAt": SMALL[0], "States": chain},
        "waiting": {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86400, "End": True}}},
    }
    arns = {
        name: states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)["stateMachineArn"]
        for name, definition in machines.items()
    }
    started = [
        states.start_execution(stateMachineArn=arns["training"], name=f"nightly-{n}")["executionArn"]
        for n in range(RUNS)
    ]
    states.start_execution(stateMachineArn=arns["waiting"], name="long")
    while any(states.describe_execution(executionArn=arn)["status"] == "RUNNING" for arn in started):
        time.sleep(0.2)
    _describe(directory / "terraform", server["region"], arns)
    return {"url": server["url"], "region": server["region"]}, arns["training"], arns["waiting"]


def _describe(folder: Path, region: str, arns: Mapping[str, str]) -> None:
    """The Terraform state that a module would have left."""
    machines = {
        name: {"arn": arn, "name": name, "log_group": "none", "hyperparameters": {}, "needs": {}, "steps": []}
        for name, arn in arns.items()
    }
    value = {
        "version": 1, "name": "bench", "region": region, "account": "123456789012", "bucket": "bench",
        "default_data_source": "s3://bench/datasets/x/", "topic": "none", "machines": machines,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    state = {"version": 4, "outputs": {"opsctl": {"value": value}}}
    (folder / "terraform.tfstate").write_text(json.dumps(state))


def seconds(words: Sequence[str], environment: Mapping[str, str], directory: Path) -> float:
    """What a command takes from its start to its end."""
    began = time.perf_counter()
    subprocess.run(words, env=dict(environment), cwd=directory, check=True, capture_output=True)
    return time.perf_counter() - began


def measured(commands: Mapping[str, tuple[Sequence[str], Mapping[str, str]]], directory: Path, rounds: int) -> Any:
    """The seconds of every command in every round; the first round, which fills caches, does not count."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, (words, environment) in commands.items():
            took = seconds(words, environment, directory)
            if number:
                found[name].append(took)
    return found


class Counting(BaseHTTPRequestHandler):
    """Hands requests on to the sandbox, and counts them by what they ask."""

    counts: ClassVar[Counter[str]] = Counter()
    target = ("", 0)

    def do_POST(self) -> None:
        """One request of the JSON protocols."""
        self.counts[self.headers.get("X-Amz-Target", "").rpartition(".")[2]] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = HTTPConnection(*self.target)
        connection.request("POST", self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - the base's name
        """Nothing."""


def watched(opsctl: Sequence[str], server: Mapping[str, str], directory: Path, long: float) -> tuple[float, float]:
    """Requests a second, and MiB at the most, of a watch of a run that goes on."""
    parts = urlsplit(server["url"])
    Counting.target = (parts.hostname or "", parts.port or 0)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(directory), "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
    }  # fmt: skip
    url = f"http://127.0.0.1:{proxy.server_port}"
    words = ["--endpoint-url", url, "--terraform-dir", str(directory / "terraform"), "--machine", "waiting", "watch"]
    process = subprocess.Popen(
        [*opsctl, *words, "long"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(long)
    assert process.poll() is None, "the watch ended by itself"  # noqa: S101 - a benchmark that measured nothing
    process.terminate()
    _, _, used = os.wait4(process.pid, 0)
    proxy.shutdown()
    return sum(Counting.counts.values()) / long, used.ru_maxrss / 1024


def listed_once(opsctl: Sequence[str], environment: Mapping[str, str], directory: Path) -> str:
    """What a first page says, so that an error is not measured as an answer."""
    done = subprocess.run([*opsctl, "list"], env=dict(environment), cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0 and "nightly-" in done.stdout, done.stderr  # noqa: S101, PT018
    return done.stdout


def main() -> int:
    """Measure, print, and say whether all bars hold."""
    parser = argparse.ArgumentParser(description="How fast the command line answers.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--watch", type=float, default=30.0, metavar="SECONDS")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-cli-") as folder:
        directory = Path(folder) / "sandbox"
        try:
            return _compared(asked, directory)
        finally:
            sandbox.down(directory)


def _compared(asked: argparse.Namespace, directory: Path) -> int:
    server, machine, _ = place(directory)
    home = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT)}
    ours = home | {"OPSCTL_SANDBOX_DIR": str(directory)}
    theirs = home | {
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": server["region"], "AWS_PAGER": "",
    }  # fmt: skip
    opsctl = [sys.executable, "-m", "opsctl"]
    listed_once(opsctl, ours, directory)
    commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
        "click": ([sys.executable, "-c", "import click"], home),
        "--help": ([*opsctl, "--help"], ours),
        "--version": ([*opsctl, "--version"], ours),
        "list": ([*opsctl, "list"], ours),
        "status": ([*opsctl, "status", "nightly-7"], ours),
    }
    aws = tools().get("aws")
    if aws:
        words = [str(aws), "--endpoint-url", server["url"], "stepfunctions", "list-executions", "--max-items", "20"]
        commands["aws"] = ([*words, "--state-machine-arn", machine], theirs)
    times = measured(commands, directory, asked.rounds)
    rows = [(name, "import click", name, times["click"]) for name in ("--help", "--version")]
    if aws:
        rows += [(name, "aws list-executions", name, times["aws"]) for name in ("list", "status")]
        rows += [("--help of aws", "aws list-executions", "--help", times["aws"])]
    else:
        print("the AWS CLI is not to be had: list and status are compared with nothing")
    held = True
    for bar, beside, name, others in rows:
        ratio = statistics.median(mine / other for mine, other in zip(times[name], others, strict=True))
        mine = statistics.median(times[name]) * 1000
        held = held and ratio <= MOST[bar]
        print(f"opsctl {name:<10} {mine:6.0f} ms  {ratio:5.2f} x {beside} (at most {MOST[bar]})")
    rate, memory = watched(opsctl, server, directory, asked.watch)
    print(f"opsctl watch      {rate:6.2f} requests/s (at most {MOST_A_SECOND})")
    print(f"opsctl watch      {memory:6.0f} MiB (at most {MOST_MIB:.0f})")
    return 0 if held and rate <= MOST_A_SECOND and memory <= MOST_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
