"""The runbooks' commands, run as they stand on their pages, and what they print beside what the pages show.

A page's blocks of ```console hold commands (`$ opsctl …`) and what they print; UPDATE_RUNBOOKS=1 writes the latter
anew. What no two runs have in common (times, durations, sizes, prices, hashes) counts as equal.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import ROOT
from tests.e2e.recovery.pipeline import Pipeline, wait_for

PAGES = ROOT / "docs" / "runbooks"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
PROMPT = "$ opsctl "
HERE = re.compile(r"context: sandbox .*\n")
PASSING = re.compile(r"^.*\bStopping$\n?", re.MULTILINE)  # seen, or over too fast to be seen
VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "TIME"),
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
    pipeline.start("nightly-7", pipeline.put_data("nightly"))
    wait_for(lambda: pipeline.status("nightly-7") == "FAILED", "nightly-7 to fail")


def going(pipeline: Pipeline) -> None:
    """A run in the middle of its last training."""
    (pipeline.marks / "nightly-8.train-sequence-model").write_text("hang")
    pipeline.start("nightly-8", pipeline.put_data("nightly"))
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

    pipeline.start("nightly-9", pipeline.put_data("nightly"), pipeline.publish(wait_for_somebody))
    wait_for(
        lambda: (
            pipeline.events("nightly-9")[-1]["type"] == "TaskSubmitted"
            and "Request Approval" in pipeline.entered("nightly-9")
        ),
        "nightly-9 to ask",
    )


def ended(pipeline: Pipeline) -> None:
    """A run that ended well."""
    pipeline.start("nightly-6", pipeline.put_data("nightly"))
    wait_for(lambda: pipeline.status("nightly-6") == "SUCCEEDED", "nightly-6 to end")


# In the order in which the pages are read: each finds what those before it left.
SETTINGS: dict[str, Callable[[Pipeline], None]] = {
    "failed-run": failed, "stopped-run": going, "approve": asking, "train-again": ended, "clean-up": lambda _: None,
    "alarms": lambda _: None, "dead-letters": lambda _: None, "deploy": lambda _: None,
    "no-run-started": lambda _: None, "worker": lambda _: None,
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


def play(pipeline: Pipeline, page: str) -> list[tuple[str, list[str], list[str]]]:
    """Each command of a page with what the page shows and what it printed, both without what varies."""
    path = PAGES / f"{page}.md"
    text = path.read_text()
    SETTINGS[page](pipeline)
    printed = [(one, _run(pipeline, one)) for one in shown(text)]
    if os.environ.get("UPDATE_RUNBOOKS"):
        path.write_text(_anew(text, printed))
        return [(one.command, [], []) for one, _ in printed]
    return [(one.command, settled(one.output), settled(output)) for one, output in printed]


def settled(output: str) -> list[str]:
    """The lines of an output, their words alone, with a word for whatever varies; sorted, for what works side by side
    ends in any order."""
    output = PASSING.sub("", output)
    for pattern, word in VARIES:
        output = pattern.sub(word, output)
    return sorted(" ".join(line.split()) for line in output.splitlines() if line.strip())


def _run(pipeline: Pipeline, one: Shown) -> str:
    done = pipeline.clone.run(*one.words, code=None)
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
