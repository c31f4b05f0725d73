"""The runbooks' commands, run as they stand on their pages, and what they print beside what the pages show.

A page's blocks of ```console hold commands (`$ opsctl …`) and what they print; UPDATE_RUNBOOKS=1 writes the latter
anew, UPDATE_RUNBOOKS=deploy that of one page. What no two runs have in common (times, durations, sizes, prices,
hashes) counts as equal.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import ROOT
from tests.e2e.recovery.deployments import STACK, ask_for, deployment_of, put_scans, without_a_page
from tests.e2e.recovery.elsewhere import DONE
from tests.e2e.recovery.pipeline import Pipeline, task_states, wait_for

DEPLOY = "deploy"  # the page that is played apart
PAGES = ROOT / "docs" / "runbooks"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
PROMPT = "$ opsctl "
MENTION = re.compile(r"`(opsctl [^`]+)`|^ {4,}(opsctl .*)$", re.MULTILINE)
FILLED_IN = re.compile(r"<[^>]*>|^[A-Z]{3,}$")
HERE = re.compile(r"context: sandbox .*\n")
ASKS = re.compile(r"\$ opsctl start --machine deployment --name (?P<name>\S+) .*")  # whoever reads on takes a while
LOOKS = re.compile(r"CLOCK (?:Wait For Endpoint|Find What Serves) .*")  # as often as it takes
PASSING = re.compile(r"^.*\bStopping$\n?", re.MULTILINE)  # seen, or over too fast to be seen
VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\+00:00|Z)"), "TIME"),
    (re.compile(r"\brollback-[0-9a-f]{16}(?:-\d+)?\b"), "ROLLBACK"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "CLOCK"),
    (re.compile(r"\b\d+ h \d\d min\b|\b\d+ min \d+ s\b|\b\d+\.\d s\b|\b\d+ (?:s|min|h|d)\b"), "TOOK"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "HASH"),
    (re.compile(r"<?\b\d+\.\d{2,4}\b"), "USD"),
    (re.compile(r"\b\d+(?:\.\d)? (?:B|kB|MB|bytes)\b"), "SIZE"),
    (re.compile(r"\bversion\s+\d+\b", re.IGNORECASE), "VERSION"),
)


@dataclass(frozen=True)
class Shown:
    """A command as a page has it, and what the page says that it prints."""

    command: str
    output: str

    @property
    def words(self) -> list[str]:
        """What follows `opsctl`."""
        return shlex.split(self.command.removeprefix(PROMPT), comments=True)


def failed(pipeline: Pipeline) -> None:
    """A run whose last training failed."""
    (pipeline.marks / "nightly-7.train-sequence-model").write_text("fail")
    pipeline.start("nightly-7", put_scans(pipeline, "nightly"))
    wait_for(lambda: pipeline.status("nightly-7") == "FAILED", "nightly-7 to fail")


def going(pipeline: Pipeline) -> None:
    """A run in the middle of its last training."""
    (pipeline.marks / "nightly-8.train-sequence-model").write_text("hang")
    pipeline.start("nightly-8", put_scans(pipeline, "nightly"))
    wait_for((pipeline.marks / "nightly-8.train-sequence-model.hangs").exists, "nightly-8 to train")


def asking(pipeline: Pipeline) -> None:
    """A run that waits for a person before it ends."""

    def wait_for_somebody(definition: dict[str, Any]) -> None:
        named = json.loads(json.dumps(definition).replace('"Notify Success"', '"Request Approval"'))
        gate = named["States"]["Request Approval"]
        gate["Resource"] += ".waitForTaskToken"
        gate["TimeoutSeconds"] = 7200
        gate["Parameters"] = {"TopicArn": gate["Parameters"]["TopicArn"], "Message": {"token.$": "$$.Task.Token"}}
        definition.update(named)

    pipeline.start("nightly-9", put_scans(pipeline, "nightly"), pipeline.publish(wait_for_somebody))
    wait_for(
        lambda: (
            "Request Approval" in pipeline.entered("nightly-9")
            and pipeline.events("nightly-9")[-1]["type"] == "TaskSubmitted"
        ),
        "nightly-9 to ask",
    )


def ended(pipeline: Pipeline) -> None:
    """A run that ended well."""
    pipeline.start("nightly-6", put_scans(pipeline, "nightly"))
    wait_for(lambda: pipeline.status("nightly-6") == "SUCCEEDED", "nightly-6 to end")


def working(pipeline: Pipeline) -> None:
    """A run whose image model waits for a worker, and the program on the worker's machine: here it has the model of
    nightly-6 as its own."""
    step = "Train Image Model"
    activity = pipeline.states.create_activity(name="documents-train-image-model")["activityArn"]

    def leave_it_to_a_worker(definition: dict[str, Any]) -> None:
        state = dict(task_states(definition))[step]
        state["Resource"] = activity
        del state["Parameters"]

    (model,) = [key for key in pipeline.objects("nightly-6") if re.match("train-image-model/.*/model.tar.gz", key)]
    source = {"Bucket": pipeline.bucket, "Key": f"runs/nightly-6/{model}"}
    pipeline.s3.copy_object(
        Bucket=pipeline.bucket, Key="runs/nightly-5/train-image-model/here/output/model.tar.gz", CopySource=source
    )
    (pipeline.clone.path / "workstation.py").write_text(f"print({DONE!r})\n")
    pipeline.start("nightly-5", put_scans(pipeline, "nightly"), pipeline.publish(leave_it_to_a_worker))
    wait_for(lambda: step in pipeline.entered("nightly-5"), "nightly-5 to wait for a worker")


def deploying(pipeline: Pipeline) -> None:
    """A deployment of nightly-8 whose held-out pages could not be read, and are there again; scans to ask about."""
    with without_a_page(pipeline, "nightly-8"):
        failed = ask_for(pipeline, "nightly-8", "nightly-8-deployment")
        failed.answer("approve", wait=True)
    assert failed.status() == "FAILED"
    for place, text in STACK.items():
        path = pipeline.clone.path / "inbox" / "scan-1" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


# In the order in which the pages are read: each finds what those before it left.
SETTINGS: dict[str, Callable[[Pipeline], None]] = {
    "failed-run": failed, "stopped-run": going, "approve": asking, "train-again": ended, "clean-up": lambda _: None,
    "alarms": lambda _: None, "dead-letters": lambda _: None, DEPLOY: deploying,
    "no-run-started": lambda _: None, "worker": working,
}  # fmt: skip


def shown(text: str) -> list[Shown]:
    """The commands of a page, in order."""
    found = []
    for block in BLOCK.findall(text):
        for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
            if part.strip():
                command, _, output = part.partition("\n")
                found.append(Shown(command, output))
    return found


def mentioned(text: str) -> list[Shown]:
    """The commands in a page's text, outside its blocks: what a reader is to type, with `RUN` and the like in it."""
    left = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [Shown(f"$ {found[0] or found[1]}", "") for found in MENTION.findall(left)]


def is_played(mention: Shown, played: Shown) -> bool:
    """Whether a command is the mentioned one, whatever it says besides."""
    left = iter(played.words)
    return all(any(fnmatch.fnmatchcase(word, FILLED_IN.sub("*", wanted)) for word in left) for wanted in mention.words)


def play(pipeline: Pipeline, page: str) -> list[tuple[str, list[str], list[str]]]:
    """Each command of a page with what the page shows and what it printed, both without what varies."""
    path = PAGES / f"{page}.md"
    text = path.read_text()
    SETTINGS[page](pipeline)
    printed = [(one, _run(pipeline, one)) for one in shown(text)]
    if os.environ.get("UPDATE_RUNBOOKS") in ("1", page):
        path.write_text(_anew(text, printed))
        return [(one.command, [], []) for one, _ in printed]
    return [(one.command, settled(one.output), settled(output)) for one, output in printed]


def settled(output: str) -> list[str]:
    """The lines of an output, their words alone, with a word for whatever varies; sorted, for what works side by side
    ends in any order."""
    output = PASSING.sub("", output)
    for pattern, word in VARIES:
        output = pattern.sub(word, output)
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    return sorted([line for line in lines if not LOOKS.fullmatch(line)] + list(filter(LOOKS.fullmatch, set(lines))))


def _run(pipeline: Pipeline, one: Shown) -> str:
    done = pipeline.clone.run(*one.words, code=None)
    if asking := ASKS.fullmatch(one.command):
        wait_for(deployment_of(pipeline, asking["name"]).waits, f"{asking['name']} to ask")
    return HERE.sub("", done.stdout + done.stderr)


def _anew(text: str, printed: list[tuple[Shown, str]]) -> str:
    left = iter(printed)

    def block(found: re.Match[str]) -> str:
        commands = found[0].count(f"\n{PROMPT}") + found[0].startswith(PROMPT)
        parts = [next(left) for _ in range(commands)]
        return (
            "\n".join(
                f"{one.command}\n" + "\n".join(line.rstrip() for line in output.splitlines()) for one, output in parts
            )
            + "\n"
        )

    return BLOCK.sub(block, text)
