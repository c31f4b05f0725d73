"""The matrix: each step, ended in each way that it can end in, and brought back by both commands. Rows come from the
deployed definition and from the one run in which all went well; what each row shows is counted, not believed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tabulate import tabulate

from tests.e2e.recovery.pipeline import JOBS, LOOKS, Pipeline, Step, wait_for
from tests.e2e.recovery.ways import WAYS, Row, break_step

AT_ONCE = 16
UNGUARDED = {"Prepare Run", *LOOKS}  # every run enters them


@dataclass(frozen=True)
class Recovery:
    """One command that brought a row's run back: the run that succeeded, which is the same after a native redrive."""

    command: str
    run: str
    seconds: float


@dataclass
class Played:
    """One row when it is over. `completed` are the steps that its run had completed, `rest` all others."""

    row: Row
    completed: set[str]
    rest: set[str]
    recoveries: list[Recovery] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def demand(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            where = f"{self.row.run} ({self.row.step.name}, {self.row.way})"
            self.problems.append(f"{where}: {what}: {found}, not {wanted}")


def play_all(pipeline: Pipeline, steps: list[Step]) -> list[Played]:
    """Every row there can be, many at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = [Played(row, *split(pipeline, row.step)) for row in make_rows(pipeline, steps)]
        list(pool.map(play, rows))
    audit(pipeline, steps, rows)
    return rows


def make_rows(pipeline: Pipeline, steps: list[Step]) -> Iterator[Row]:
    """One for each way that each step can end in, with a version of the definition of its own where that needs one."""
    for way, made in WAYS.items():
        for number, step in enumerate(steps):
            if not made.leaves_out(step):
                version = pipeline.publish(partial(made.change, step)) if made.change else None
                yield Row(pipeline, step, way, f"{way.replace(' ', '-').lower()}-{number}", version)


def split(pipeline: Pipeline, step: Step) -> tuple[set[str], set[str]]:
    """From the run in which all went well: what was at work or done while the step was, and the step with the rest."""
    events = pipeline.events(pipeline.first)
    last = next(
        event["id"]
        for event in events
        if event["type"] == "TaskStateExited" and event["stateExitedEventDetails"]["name"] == step.name
    )
    entered = {
        event["stateEnteredEventDetails"]["name"]: event["id"]
        for event in events
        if event["type"] == "TaskStateEntered"
    }
    before = {name for name, at in entered.items() if at < last} - {step.name}
    return before, entered.keys() - before


def play(one: Played) -> None:
    """Break the run, and bring it back twice. What is wrong is noted, so that the other rows go on."""
    row = one.row
    try:
        break_step(row)
        one.demand("status", row.pipeline.status(row.run), WAYS[row.way].status)
        one.demand(
            "completed", row.pipeline.exited(row.run) & (one.completed | one.rest) - {row.step.name}, one.completed
        )
        wait_for(lambda: row.pipeline.messages(row.run), f"an alert about {row.run}")
        before = row.pipeline.objects(row.run)
        # By a name of its own, or the redrive would find that the very same rerun has succeeded, and do nothing.
        recover(one, "rerun", before, "--from", row.step.name, "--name", f"{row.run}-n")
        recover(one, "redrive", before)
        one.demand("runs", len({recovery.run for recovery in one.recoveries}), 2)
    except Exception as error:  # noqa: BLE001
        one.problems.append(f"{row.run} ({row.step.name}, {row.way}): {error!r}")


def recover(one: Played, command: str, before: Mapping[str, str], *options: str) -> None:
    """Let the command bring the run back, and look at what it ran and what is there afterwards."""
    pipeline, failed = one.row.pipeline, one.row.run
    began = time.monotonic()
    done = pipeline.clone.run(command, failed, *options, "--yes", "--wait", "-o", "json", code=None, timeout=900)
    if done.returncode != 0:
        one.problems.append(f"{failed}: opsctl {command} ended with {done.returncode}: {done.stderr[-2000:]}")
        return
    run = json.loads(done.stdout)["run"]
    one.recoveries.append(Recovery(command, run, time.monotonic() - began))
    native = run == failed
    one.demand(f"{command} was native", native, command == "redrive" and WAYS[one.row.way].native)
    one.demand(f"{command} ended", pipeline.status(run), "SUCCEEDED")
    worked = pipeline.redriven(run) if native else set(pipeline.entered(run))
    one.demand(f"{command} ran", worked, one.rest if native else one.rest | UNGUARDED)
    look_at_objects(one, command, before, run)


def look_at_objects(one: Played, command: str, before: Mapping[str, str], run: str) -> None:
    """Nothing of the failed run is gone; nothing of what it completed has changed; all that is reused is there."""
    pipeline, failed = one.row.pipeline, one.row.run
    after = pipeline.objects(failed)
    one.demand(f"{command} lost", before.keys() - after.keys(), set())
    again = tuple(f"{slug(name)}/" for name in one.rest) if run == failed else ()
    changed = {key for key in before if after.get(key) != before[key] and not key.startswith(again)}
    one.demand(f"{command} changed", changed, set())
    if run == failed:
        return
    there = pipeline.objects(run)
    for step in (slug(name) for name in one.completed):
        kept = {key: tag for key, tag in before.items() if key.startswith(f"{step}/") and "/checkpoints/" not in key}
        if step in pipeline.keeping:
            one.demand(f"{step} left something", bool(kept), True)
            one.demand(f"{command} reused of {step}", {key: there.get(key) for key in kept}, kept)


def audit(pipeline: Pipeline, steps: list[Step], rows: list[Played]) -> None:
    """Count every job and every alert, when all is over: exactly those that had to be."""
    names = {slug(step.name): step.name for step in steps if step.kind in JOBS}
    jobs: dict[tuple[str, str], Counter[str]] = {}
    for run, step, attempt in pipeline.jobs():
        jobs.setdefault((run, attempt.partition("r")[0]), Counter())[names[step]] += 1
    for one in rows:
        wanted = dict.fromkeys(one.completed & set(names.values()), 1)
        first = {name: count for name, count in jobs.get((one.row.run, "d0"), {}).items() if name != one.row.step.name}
        one.demand("jobs of the failed run", first, wanted)
        native = any(recovery.run == one.row.run for recovery in one.recoveries)
        told = {WAYS[one.row.way].status: 1, **({"SUCCEEDED": 1} if native else {})}
        one.demand("messages about the failed run", dict(pipeline.messages(one.row.run)), told)
        for recovery in one.recoveries:
            found = jobs.get((recovery.run, "d1" if recovery.run == one.row.run else "d0"), Counter())
            one.demand(f"jobs of {recovery.command}", dict(found), dict.fromkeys(one.rest & set(names.values()), 1))
            if recovery.run != one.row.run:
                told = dict(pipeline.messages(recovery.run))
                one.demand(f"messages about the {recovery.command}", told, {"SUCCEEDED": 1})


def table(steps: list[Step], rows: list[Played]) -> str:
    """Every step, every way: how long each command took, and how the redrive went, or why the step cannot end so."""
    found = {(one.row.step.name, one.row.way): one for one in rows}
    lines = []
    for step in steps:
        for way, made in WAYS.items():
            one = found.get((step.name, way))
            if one is None:
                lines.append([step.name, way, f"n/a: {made.leaves_out(step)}"])
                continue
            took = {recovery.command: recovery for recovery in one.recoveries}
            lines.append(
                [step.name, way, made.status, *(shown(one, took.get(command)) for command in ("rerun", "redrive"))]
            )
    return tabulate(lines, headers=["STEP", "ENDED BY", "STATUS", "RERUN", "REDRIVE"], tablefmt="plain")


def shown(one: Played, recovery: Recovery | None) -> str:
    if recovery is None:
        return "FAILED"
    native = recovery.run == one.row.run
    return f"{'native' if native else recovery.run} {recovery.seconds:.0f} s"


def slug(name: str) -> str:
    return name.lower().replace(" ", "-")
