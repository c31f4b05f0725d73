"""`opsctl diff`: in what two runs differ."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest

from opsctl.domain.objects import Stored
from opsctl.errors import OpsError
from opsctl.operations.metrics import newest_archive, read_metrics
from tests.functional.pipeline_world import BUCKET, Bench, training_failure

SEQUENCE = "Train Sequence Model"


def archive(**files: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        for name, text in files.items():
            member = tarfile.TarInfo(f"./{name.replace('_json', '.json')}")
            member.size = len(text.encode())
            opened.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def put_metrics(bench: Bench, run: str, job: str, metrics: Any) -> None:
    key = f"runs/{run}/evaluate/{job}/output/output.tar.gz"
    bench.world.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(metrics_json=json.dumps(metrics)))


@pytest.fixture
def two(bench: Bench) -> Bench:
    """A run that failed, and a later one with other hyperparameters and another definition that did not."""
    bench.world.script[SEQUENCE] = [training_failure("killed")]
    bench.opsctl("start", "--name", "nightly-7", "--set", "hyperparameters.image_model.epochs=6")
    definition = json.loads(json.dumps(bench.states.current))
    definition["States"]["Train Sequence Model"]["TimeoutSeconds"] += 1
    bench.states.current = definition
    bench.world.now += 86_400
    bench.opsctl("start", "--name", "nightly-8", "--set", "hyperparameters.image_model.epochs=80")
    put_metrics(bench, "nightly-8", "nightly-8-evaluate-d0r0", {"page_accuracy": {"sequence": 0.93}, "epochs": [1, 2]})
    return bench


def test_only_what_differs_side_by_side(two: Bench) -> None:
    result = two.opsctl("diff", "nightly-7", "nightly-8")
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "                 WHAT                              nightly-7                nightly-8                CHANGE",
        "run              started                           2127-01-15 08:00:00 UTC  2127-01-16 08:01:55 UTC",
        "run              status                            FAILED                   SUCCEEDED",
        "run              duration                          1 min 55 s               1 min 58 s               +3%",
        "hyperparameters  image_model.epochs                6                        80",
        "definition       version                           1                        2",
        "definition       Train Sequence Model              there                    changed",
        "step             Train Sequence Model: status      FAILED                   SUCCEEDED",
        "step             Find Champion: status             NOT REACHED              SUCCEEDED",
        "step             Find Champion: duration           -                        1.0 s",
        "step             Evaluate: status                  NOT REACHED              SUCCEEDED",
        "step             Evaluate: duration                -                        1.0 s",
        "step             Compare With Champion: status     NOT REACHED              SUCCEEDED",
        "step             Compare With Champion: duration   -                        1.0 s",
        "step             Start Deployment: status          NOT REACHED              SUCCEEDED",
        "step             Start Deployment: duration        -                        1.0 s",
        "step             Notify Success: status            NOT REACHED              SUCCEEDED",
        "step             Notify Success: duration          -                        1.0 s",
        "step             Describe Failure: status          SUCCEEDED                NOT THERE",
        "step             Describe Failure: duration        1.0 s                    -",
        "step             Notify Failure: status            SUCCEEDED                NOT THERE",
        "step             Notify Failure: duration          1.0 s                    -",
        "cost             Describe Failure                  <0.0001                  -",
        "cost             Notify Failure                    <0.0001                  -",
        "cost             Find Champion                     -                        <0.0001",
        "cost             Evaluate                          -                        0.0001",
        "cost             Compare With Champion             -                        <0.0001",
        "cost             Start Deployment                  -                        0.00",
        "cost             Notify Success                    -                        <0.0001",
        "cost             total                             0.0415                   0.0417                   +1%",
        "metrics          evaluate: page_accuracy.sequence  -                        0.93",
    ]
    assert (result.exit_code, result.stderr) == (0, "note: a sandbox has no price list of AWS's\n")


def test_figures_have_their_difference(two: Bench) -> None:
    put_metrics(two, "nightly-7", "a", {"page_accuracy": {"sequence": 0.5}})
    put_metrics(two, "nightly-7", "b", {"page_accuracy": {"sequence": 0.91, "text": 0.6}})
    told = two.opsctl("diff", "nightly-7", "nightly-8").stdout.splitlines()
    rows = [line.split() for line in told if line.startswith("metrics")]
    assert rows == [
        ["metrics", "evaluate:", "page_accuracy.sequence", "0.91", "0.93", "+0.02"],
        ["metrics", "evaluate:", "page_accuracy.text", "0.6", "-"],
    ]


def test_a_run_and_its_copy_do_not_differ_in_what_was_asked(two: Bench) -> None:
    two.opsctl("start", "--name", "nightly-9", "--set", "hyperparameters.image_model.epochs=80")
    found = json.loads(two.opsctl("diff", "nightly-8", "nightly-9", "-o", "json").stdout)
    assert [run["run"] for run in found["runs"]] == ["nightly-8", "nightly-9"]
    assert {row["group"] for row in found["differences"]} == {"metrics"}
    assert found["differences"] == [
        {"group": "metrics", "what": "evaluate: page_accuracy.sequence", "unit": None, "before": 0.93}
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nightly-7", "nightly-7"), "nightly-7 and nightly-7 are the same run"),
        (("nightly-7", "@failed"), "nightly-7 and @failed are the same run"),
        (("nightly-7", "nobody"), "no run 'nobody'"),
        (("nightly-7",), "Missing argument 'RUN'."),
    ],
)
def test_two_runs_are_needed(two: Bench, words: tuple[str, ...], message: str) -> None:
    result = two.opsctl("diff", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {message}" in result.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", archive(other_json="{}"), archive(metrics_json="{"), archive(metrics_json="[1]"),
     archive(metrics_json="{}")[:40]],
)  # fmt: skip
def test_an_archive_without_figures_is_told_of(content: bytes) -> None:
    with pytest.raises(OpsError, match=r"metrics\.json"):
        read_metrics(content)


def test_an_archive_that_is_broken_in_the_middle_is_told_of() -> None:
    stored = gzip.compress(
        gzip.decompress(archive(metrics_json='{"loss": 1}'.ljust(200_000))), compresslevel=0, mtime=0
    )
    second_block = 65_549  # after the header of 10 bytes, and a stored block of 65,535 with its own of 5
    with pytest.raises(OpsError, match="invalid stored block lengths"):
        read_metrics(stored[:second_block] + b"\xff" * 16 + stored[second_block + 16 :])


def test_figures_that_were_cut_off_are_told_of(two: Bench) -> None:
    key = "runs/nightly-8/evaluate/nightly-8-evaluate-d0r0/output/output.tar.gz"
    two.world.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(metrics_json='{"page_accuracy": {"seq'))
    result = two.opsctl("diff", "nightly-7", "nightly-8")
    assert (result.exit_code, "metrics" in result.stdout) == (0, False)
    told = (
        "note: nightly-8: the figures of evaluate cannot be read: the archive holds no metrics.json that can be read: "
    )
    assert result.stderr.splitlines()[-1].startswith(told)


def test_the_small_archive_of_the_newest_job_counts() -> None:
    def item(key: str, size: int = 1, modified: float = 1.0) -> Stored:
        return Stored(key, size, '"x"', modified, "STANDARD")

    output, model = item("a/output/output.tar.gz"), item("b/output/model.tar.gz", modified=2.0)
    assert newest_archive([output, model]) == output
    assert newest_archive([output, item("b/output/output.tar.gz", modified=2.0)]).key.startswith("b")  # type: ignore[union-attr]
    assert newest_archive([item("b/output/output.tar.gz", size=2**40), model]) == model
    assert newest_archive([item("checkpoints/x.pt")]) is None
