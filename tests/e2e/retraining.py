"""The retraining loop as people go through it: data arrives, a model is trained, passes, is approved, and serves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.conftest import ROOT, Clone
from tests.e2e.recovery.pipeline import wait_for

STACKS = "24"
SECONDS = 1200.0  # a training of four jobs, or a deployment, beside whatever else the machine does
HELD_OUT = ("stack-0009", "stack-0023", "stack-0024")  # by their names, out of so many stacks


def generate(folder: Path, mix: str, seed: int) -> Path:
    """Stacks of sample documents in which classes come as often as `mix` says."""
    generator = [sys.executable, str(ROOT / "training/documents.py"), "--out", str(folder), "--stacks", STACKS]
    subprocess.run([*generator, "--mix", mix, "--seed", str(seed)], check=True, capture_output=True, timeout=600)
    return folder


def arrive(clone: Clone, data: Path, name: str) -> str:
    """Put the data below `datasets/` and say that it is whole; returns the run that starts by itself."""
    s3, bucket = clone.client("s3"), clone.outputs()["bucket"]
    for path in sorted(data.rglob("*.*")):
        s3.upload_file(str(path), bucket, f"datasets/{name}/{path.relative_to(data)}")
    s3.put_object(Bucket=bucket, Key=f"datasets/{name}/_READY", Body=b"")
    return str(wait_for(lambda: [run for run in _runs(clone) if run.startswith(f"{name}-")], f"a run on {name}")[0])


def gate(clone: Clone, run: str) -> list[str]:
    """What the gate said of a run, which ends well."""
    subject = f"Subject: documents-training: {run} succeeded\n"
    (mail,) = wait_for(lambda: [mail for mail in clone.mailbox() if subject in mail], f"{run} to succeed", SECONDS)
    return [line for line in mail.splitlines() if line.startswith(("Gate:", "Note:"))]


def approve(clone: Clone, run: str) -> None:
    """Approve the deployment of a training run, as an approver; it is in production then."""
    deployment = f"{run}-deployment"
    wait_for(
        lambda: [mail for mail in clone.mailbox() if f"deploy {run}?" in mail], f"the question about {run}", SECONDS
    )
    waiting = clone.json("status", deployment, "--machine", "deployment")
    assert (waiting["status"], _step(waiting, "Request Approval")) == ("RUNNING", "WAITING")
    ended = clone.acting_as("approver").run("approve", run, "--yes", "--wait", code=None, timeout=SECONDS)
    assert ended.returncode == 0, ended.stdout + ended.stderr + clone.denials()


def classes(clone: Clone, data: Path) -> list[str]:
    """What the deployed model calls the pages of the stacks that are held out."""
    found = clone.json("predict", *(str(data / stack) for stack in HELD_OUT))
    return [page["class"] for stack in found for page in stack["pages"]]


def labels(data: Path) -> list[str]:
    """What they are."""
    lines = [line for stack in HELD_OUT for line in (data / stack / "pages.jsonl").read_text().splitlines()]
    return [json.loads(line)["label"] for line in lines]


def _runs(clone: Clone) -> list[str]:
    listed: list[dict[str, Any]] = clone.json("list")
    return [run["run"] for run in listed]


def _step(status: dict[str, Any], name: str) -> str:
    (found,) = [step["status"] for step in status["steps"] if step["step"] == name]
    return str(found)
