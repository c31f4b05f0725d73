"""What Evaluate measured, read from its artifact; and every way in which it can be no measurement."""

import io
import json
import tarfile

import pytest

from opsctl.domain.evaluation import (
    Evaluation,
    InvalidEvaluation,
    artifact_among,
    figure,
    finite,
    read_evaluation,
)

WHERE = "s3://b/runs/nightly-7/evaluate/x/output/model.tar.gz"
METRICS = {
    "page_accuracy": {"text": 0.6, "sequence": 0.93, "champion": 0.91},
    "log_loss": {"text": 1.1, "sequence": 0.3, "champion": 0.4},
    "confusion": {"classes": ["deed"], "sequence": [[7]], "champion": [[7]]},
    "held_out": {"stacks": 2, "documents": 5, "pages": 20, "sha256": "d0"},
    "champion": {"run": "nightly-6", "warning": None},
    "deployable": True,
}


def packed(content: bytes | dict, name: str = "./metrics.json") -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(folder := tarfile.TarInfo("."))
        folder.type = tarfile.DIRTYPE
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def linked(target: str) -> bytes:
    """An artifact whose metrics.json is a link to something else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("metrics.json")
        member.type, member.linkname = tarfile.SYMTYPE, target
        archive.addfile(member)
    return buffer.getvalue()


def test_the_ensemble_and_the_champion_on_the_same_pages():
    assert read_evaluation(packed(METRICS), WHERE) == Evaluation(
        ensemble={"log_loss": 0.3, "page_accuracy": 0.93},
        champion={"log_loss": 0.4, "page_accuracy": 0.91},
        champion_run="nightly-6",
        held_out="d0",
    )


def test_without_a_champion_there_is_nobody_to_compare_with():
    alone = {"page_accuracy": {"sequence": 0.93}, "champion": None, "deployable": False}
    assert read_evaluation(packed(alone, "metrics.json"), WHERE) == Evaluation(
        ensemble={"page_accuracy": 0.93}, champion=None, deployable=False
    )


def test_a_champion_that_could_not_be_read_counts_as_none():
    warned = METRICS | {"champion": {"run": "nightly-6", "warning": "it is broken"}}
    found = read_evaluation(packed(warned), WHERE)
    assert (found.champion, found.champion_run, found.warning) == (None, "nightly-6", "it is broken")


def test_a_champion_of_other_classes_counts_with_a_note():
    noted = METRICS | {"champion": {"run": "nightly-6", "warning": None, "note": "it does not know deed"}}
    found = read_evaluation(packed(noted), WHERE)
    assert (found.champion, found.note) == ({"log_loss": 0.4, "page_accuracy": 0.91}, "it does not know deed")


@pytest.mark.parametrize(
    ("artifact", "reason"),
    [
        (b"", "is not a whole model.tar.gz"),
        (b"\x1f\x8b nonsense", "is not a whole model.tar.gz"),
        (packed(METRICS)[:90], "is not a whole model.tar.gz"),
        (packed(METRICS, "other.json"), "holds no metrics.json: the job that measures must write one"),
        (linked("metrics.json"), "holds no metrics.json"),
        (linked("../figures.json"), "holds no metrics.json"),
        (packed(b"{"), "is not JSON: run Evaluate again"),
        (packed(b"[" * 100_000), "is not JSON: run Evaluate again"),
        (packed(b"[]"), "is no JSON object: run Evaluate again"),
    ],
)
def test_what_is_no_measurement_says_what_to_do(artifact: bytes, reason: str):
    with pytest.raises(InvalidEvaluation) as raised:
        read_evaluation(artifact, WHERE)
    assert WHERE in str(raised.value)
    assert reason in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "0.9", True, 10**400])
def test_a_figure_is_a_finite_number(value: object):
    found = read_evaluation(packed({"page_accuracy": {"sequence": value}, "log_loss": {"sequence": 1}}), WHERE)
    with pytest.raises(InvalidEvaluation) as raised:
        figure(found.ensemble, "page_accuracy", "the ensemble", WHERE)
    assert str(raised.value) == (
        f"page_accuracy of the ensemble in {WHERE} is {value!r}, no finite number: run Evaluate again"
    )
    assert finite(found.ensemble) == {"log_loss": 1}


def test_a_figure_that_is_missing_is_told_with_those_that_are_there():
    with pytest.raises(InvalidEvaluation) as raised:
        figure({"log_loss": 0.3, "page_accuracy": 0.9}, "f1", "the ensemble", WHERE)
    assert str(raised.value) == (
        f"metrics.json in {WHERE} has no f1 of the ensemble, which the gate compares; figures that it has: log_loss, "
        "page_accuracy. Choose one of them as champion.metric, or have Evaluate measure it"
    )
    with pytest.raises(InvalidEvaluation, match="none at all"):
        figure({}, "f1", "the ensemble", WHERE)


def test_of_several_attempts_the_latest_counts():
    keys = [
        f"nightly-7-evaluate-d{redrive}r{retry}/output/model.tar.gz" for redrive, retry in ((0, 2), (1, 0), (0, 10))
    ]
    assert artifact_among([*keys, "nightly-7-evaluate-d1r0/output/output.tar.gz", "checkpoints/x"]) == keys[1]
    assert artifact_among([keys[0], keys[2]]) == keys[2]
    assert artifact_among(["by-hand/output/model.tar.gz", keys[0]]) == keys[0]
    assert artifact_among(["by-hand/output/model.tar.gz"]) == "by-hand/output/model.tar.gz"
    assert artifact_among(["metrics.json"]) is None
