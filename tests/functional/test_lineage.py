"""`opsctl lineage`: the tree of reruns and redrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from opsctl.aws.stepfunctions import execution_arn
from opsctl.cli.root import root
from opsctl.domain.runs import Run
from tests.functional.pipeline_world import BUCKET, DIVERGED, EPOCH, MACHINE, Bench, FakeInvocation, training_failure

SEQUENCE = "Train Sequence Model"
BETTER = ("--set", "hyperparameters.sequence_model.max_lr=0.01")
TREE = """\
nightly-7  FAILED  2127-01-15 08:00:00 UTC  1 min 55 s
├─ nightly-7-r1  FAILED  2127-01-15 08:01:55 UTC  43.0 s  <- this run
│  │  from Train Sequence Model
│  │  reused from nightly-7: fetch-preprocessed-data, train-image-model, train-text-model
│  └─ nightly-7-r2  FAILED  2127-01-15 08:02:38 UTC  43.0 s
│        from Train Sequence Model
│        hyperparameters.sequence_model.max_lr: 1000000 -> 0.5
│        reused from nightly-7: fetch-preprocessed-data, train-image-model, train-text-model
└─ good  SUCCEEDED  2127-01-15 08:03:21 UTC  46.0 s
      from Train Sequence Model
      hyperparameters.sequence_model.max_lr: 1000000 -> 0.01
      reused from nightly-7: fetch-preprocessed-data, train-image-model, train-text-model
"""


@pytest.fixture
def family(bench: Bench) -> Bench:
    """nightly-7 failed; r1 is its rerun, r2 one of r1, `good` another of nightly-7 with a name of its own; and a run
    that has nothing to do with them."""
    bench.world.script[SEQUENCE] = [training_failure(DIVERGED)] * 3
    bench.opsctl("start", "--name", "nightly-7", "--set", "hyperparameters.sequence_model.max_lr=1e6")
    words = ("--from", SEQUENCE, "--yes")
    bench.opsctl("rerun", "nightly-7", *words)
    bench.opsctl("rerun", "nightly-7-r1", *words, "--set", "hyperparameters.sequence_model.max_lr=0.5")
    bench.opsctl("rerun", "nightly-7", *words, *BETTER, "--name", "good")
    bench.opsctl("start", "--name", "nightly-71")
    return bench


def forget(bench: Bench, *names: str) -> None:
    """As AWS does 90 days after their end."""
    for name in names:
        del bench.states.executions[execution_arn(MACHINE, name)]


def tree_of(bench: Bench, *words: str) -> Any:
    """Names and statuses, nested."""

    def short(node: dict[str, Any]) -> Any:
        return [node["run"], node["status"], *map(short, node["reruns"])]

    return short(json.loads(bench.opsctl("lineage", *words, "-o", "json").stdout))


def test_the_tree(family: Bench) -> None:
    result = family.opsctl("lineage", "nightly-7-r1")
    assert (result.exit_code, result.stdout, result.stderr) == (0, TREE, "")
    other = family.opsctl("lineage")
    assert other.stdout == "nightly-71  SUCCEEDED  2127-01-15 08:04:07 UTC  1 min 58 s  <- this run\n"


def test_it_is_the_same_tree_from_each_of_its_runs(family: Bench) -> None:
    unmarked = TREE.replace("  <- this run", "").splitlines()
    for wanted in ("nightly-7", "nightly-7-r2", "good"):
        marked = [f"{line}  <- this run" if f"{wanted}  " in line and " UTC " in line else line for line in unmarked]
        assert family.opsctl("lineage", wanted).stdout.splitlines() == marked


def test_as_json(family: Bench) -> None:
    tree = json.loads(family.opsctl("lineage", "good", "-o", "json").stdout)
    assert tree["reruns"][1] == {
        "run": "good", "arn": execution_arn(MACHINE, "good"), "asked_for": True, "status": "SUCCEEDED",
        "started": "2127-01-15T08:03:21.000+00:00", "stopped": "2127-01-15T08:04:07.000+00:00", "redrives": 0,
        "redriven": None, "of": "nightly-7", "from": [SEQUENCE],
        "changes": [{"path": "hyperparameters.sequence_model.max_lr", "before": 1000000.0, "after": 0.01}],
        "reused": [
            {"step": step, "run": "nightly-7"}
            for step in ("fetch-preprocessed-data", "train-image-model", "train-text-model")
        ],
        "note": None, "reruns": [],
    }  # fmt: skip
    assert (tree["run"], tree["asked_for"], tree["changes"]) == ("nightly-7", False, [])


def test_runs_that_aws_has_forgotten_are_known_by_their_claims(family: Bench) -> None:
    forget(family, "nightly-7", "nightly-7-r1")
    whole = ["nightly-7", "UNKNOWN", ["nightly-7-r1", "UNKNOWN", ["nightly-7-r2", "FAILED"]], ["good", "SUCCEEDED"]]
    for wanted in ("nightly-7-r2", "good", "nightly-7-r1", "nightly-7"):
        found = tree_of(family, wanted)
        assert sorted(map(str, found)) == sorted(map(str, whole))
    assert family.opsctl("lineage", "nightly-7-r1").stdout.splitlines()[:8] == [
        "nightly-7  UNKNOWN",
        "│  AWS does not know it, or not any more; nothing is left of it",
        "├─ good  SUCCEEDED  2127-01-15 08:03:21 UTC  46.0 s",
        "│     from Train Sequence Model",
        "│     how its input differs is not known any more",
        "│     reused from nightly-7: fetch-preprocessed-data, train-image-model, train-text-model",
        "└─ nightly-7-r1  UNKNOWN  <- this run",
        "   │  AWS does not know it, or not any more; its claim is all that is left of it",
    ]


def test_a_claim_that_was_never_started_is_shown(family: Bench) -> None:
    claim = {"run": "nightly-7-r3", "of": "nightly-7-r2", "root": "nightly-7", "steps": [], "input": {}}
    family.world.put(f"s3://{BUCKET}/runs/nightly-7-r3/plan.json", json.dumps(claim))
    family.world.put(f"s3://{BUCKET}/runs/nightly-7-r4/plan.json", "{cut off")
    found = tree_of(family, "nightly-7")
    assert found[2][2] == ["nightly-7-r2", "FAILED", ["nightly-7-r3", "UNKNOWN"]]
    assert found[-1] == ["nightly-7-r4", "UNKNOWN"]


def test_redrives_are_told(family: Bench) -> None:
    states = family.states
    find = states.find

    def redriven(machine_arn: str, name: str) -> Any:
        run = find(machine_arn, name)
        return run and replace(run, redrives=2, redriven=run.started + 600) if name == "good" else run

    states.find = redriven  # type: ignore[method-assign]
    assert family.opsctl("lineage", "good").stdout.splitlines()[9] == (
        "      redriven 2 times, the last at 2127-01-15 08:13:21 UTC"
    )


def test_inputs_of_anyones_making_do_no_harm(bench: Bench) -> None:
    for name, text in {
        "a": '{"rerun": {"of": "b", "root": "a"}}', "b": '{"rerun": {"of": "a", "root": "a"}}',
        "a-r1": '{"rerun": {"of": "b", "root": "a"}}', "a-r2": '[1]', "a-r3": '{"rerun": 7, "reuse": [1]}',
        "a-r4": '{"rerun": {"of": "a-r4", "root": "a"}}',
    }.items():  # fmt: skip
        bench.states.start(MACHINE, name, text)
    assert tree_of(bench, "a") == tree_of(bench, "b") == [
        "a", "FAILED", ["b", "FAILED", ["a-r1", "FAILED"]], ["a-r2", "FAILED"], ["a-r3", "FAILED"], ["a-r4", "FAILED"],
    ]  # fmt: skip


def test_of_another_machine_the_names_tell(bench: Bench) -> None:
    machine = replace(bench.connection.machine, foreign=True, steps=(), hyperparameters={}, needs={})
    deployment = replace(bench.connection.deployment, bucket="")
    other = replace(bench, connection=replace(bench.connection, machine=machine, deployment=deployment))
    for name, text in {"job": "{}", "job-r1": '{"skip": {"evaluate": true}}', "job-r7": "{}", "jobs": "{}"}.items():
        bench.states.start(MACHINE, name, text)
    assert tree_of(other, "job-r7") == ["job", "SUCCEEDED", ["job-r1", "SUCCEEDED"], ["job-r7", "SUCCEEDED"]]
    assert "│     skip.evaluate: nothing -> true" in other.opsctl("lineage", "job").stdout.splitlines()
    assert tree_of(other, "jobs") == ["jobs", "SUCCEEDED"]


class Plenty:
    """A machine with 300 runs after the one called `root`, 2,000 before it; counts what is asked."""

    def __init__(self) -> None:
        names = [f"later-x{number}" for number in range(300, 0, -1)] + ["root"]
        names += [f"earlier-x{number}" for number in range(2000, 0, -1)]
        moments = {name: EPOCH - 60 * number for number, name in enumerate(names)}
        self.known = {
            name: Run(name, execution_arn(MACHINE, name), MACHINE, "FAILED", moment, moment + 50, input="{}")
            for name, moment in moments.items()
        }
        self.listed = 0
        self.described: list[str] = []

    def runs(self, machine_arn: str, status: str | None = None, page_size: int = 1000) -> Iterator[Run]:
        """As the real one."""
        assert (machine_arn, status, page_size) == (MACHINE, None, 1000)
        for run in self.known.values():
            self.listed += 1
            yield run

    def find(self, machine_arn: str, name: str) -> Run | None:
        """As the real one."""
        assert machine_arn == MACHINE
        self.described.append(name)
        return self.known.get(name)


def test_what_it_costs_is_bounded_and_what_was_not_looked_into_is_said(bench: Bench) -> None:
    plenty = Plenty()
    for name in ("later-x5", "later-x250"):
        claim = {"run": name, "of": "root", "root": "root", "steps": [], "input": {}}
        bench.world.put(f"s3://{BUCKET}/runs/{name}/plan.json", json.dumps(claim))
    many = replace(bench, connection=replace(bench.connection, states=plenty))  # type: ignore[arg-type]
    result = many.opsctl("lineage", "root")
    assert (
        result.stderr == "note: reruns with a --name of their own were looked for among the 200 runs after root only\n"
    )
    assert [line.split()[1] for line in result.stdout.splitlines()[1:] if "FAILED" in line] == ["later-x5"]
    assert plenty.listed == 302  # one page
    assert plenty.described == ["root", "later-x5"]


def test_a_rerun_of_a_long_name_belongs_to_it(bench: Bench) -> None:
    long = "4b1c0f9a-7d7e-4b51-8a3e-6a4e2f6c8d10_0f5b"
    bench.world.script[SEQUENCE] = [training_failure(DIVERGED)]
    bench.states.start(MACHINE, long, "{}")
    bench.opsctl("rerun", long, "--from", SEQUENCE, "--yes")
    (child,) = tree_of(bench, long)[2:]
    assert tree_of(bench, child[0]) == [long, "FAILED", child]
    assert len(child[0]) <= 40


def test_a_terminal_without_utf_8_is_sent_ascii(family: Bench) -> None:
    words = ["lineage", "nightly-7-r1"]
    result = CliRunner(charset="ascii").invoke(root, words, obj=FakeInvocation(family.connection))
    signs = {"│": "|", "├": "|", "─": "-", "└": "`"}
    assert result.stdout == "".join(signs.get(letter, letter) for letter in TREE)
