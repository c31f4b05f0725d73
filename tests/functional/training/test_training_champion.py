"""The new ensemble and the champion, measured by one job on the same pages; a champion that cannot be read is none."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zlib
from pathlib import Path

import pytest
import torch
from contract import Artifact, JobError, find_artifact
from served import read_as_served
from stacks import HELD_OUT, read_data_set
from training_job import JobDirectory

MEASURES = ("page_accuracy", "boundary_accuracy", "document_accuracy", "log_loss")


def evaluation(trained: dict[str, JobDirectory], data: Path, folder: Path) -> JobDirectory:
    """A job that measures the models of the chain."""
    job = JobDirectory(folder).channel("data", data)
    for name in ("text", "image", "sequence"):
        job.artifact(name, trained[name])
    return job


def metrics_of(job: JobDirectory) -> dict:
    return json.loads((job.base / "model" / "metrics.json").read_text())


def test_the_same_model_has_the_same_figures_as_the_champion(
    trained: dict[str, JobDirectory], data: Path, tmp_path: Path
) -> None:
    job = evaluation(trained, data, tmp_path).artifact("champion", trained["sequence"])
    result = job.run("evaluate", CHAMPION_RUN="nightly-6")
    assert result.returncode == 0, result.stderr
    metrics, alone = metrics_of(job), metrics_of(trained["evaluate"])
    assert metrics["champion"] == {"run": "nightly-6", "warning": None, "note": None}
    assert metrics["held_out"] == alone["held_out"]
    for measure in MEASURES:
        assert metrics[measure]["champion"] == metrics[measure]["sequence"]
        assert metrics[measure]["sequence"] == pytest.approx(alone[measure]["sequence"], rel=1e-4)
    assert metrics["confusion"]["champion"] == metrics["confusion"]["sequence"]
    assert result.stdout.splitlines()[-1] == f"champion_page_accuracy={metrics['page_accuracy']['champion']:.4f}"


def test_a_champion_that_is_gone_counts_as_none_with_a_warning(
    trained: dict[str, JobDirectory], data: Path, tmp_path: Path
) -> None:
    job = evaluation(trained, data, tmp_path)
    (tmp_path / "input/data/champion").mkdir()
    (tmp_path / "input/data/champion/evaluate.py").write_text("# not a model")
    result = job.run("evaluate", CHAMPION_RUN="nightly-6")
    assert result.returncode == 0, result.stderr
    metrics = metrics_of(job)
    assert "champion" not in metrics["page_accuracy"]
    assert metrics["champion"]["run"] == "nightly-6"
    warning = "the champion, of nightly-6, counts as none: no model.tar.gz below "
    assert metrics["champion"]["warning"].startswith(warning)
    assert result.stdout.splitlines()[0] == f"warning: {metrics['champion']['warning']}"


def turn_heads(weights: Path) -> None:
    """The network's answers, from the last class to the first."""
    state = torch.load(weights, weights_only=True)
    torch.save({name: value.flip(0) if name.startswith("label.") else value for name, value in state.items()}, weights)


def test_a_champion_of_other_classes_is_compared_by_their_names(
    trained: dict[str, JobDirectory], data: Path, tmp_path: Path
) -> None:
    """The same model, to which one of the data's classes goes by a name that the data has not."""
    classes = json.loads((data / "manifest.json").read_text())["classes"]
    alone = metrics_of(trained["evaluate"])
    matrix = alone["confusion"]["sequence"]
    lost = max(range(len(classes)), key=lambda label: matrix[label][label])  # the class that it finds most often
    old = JobDirectory(tmp_path / "old")
    shutil.copytree(trained["sequence"].base / "model", old.base / "model")
    known = [*classes[:lost], "ledger", *classes[lost + 1 :]]
    changed(old.base / "model/config.json", classes=known[::-1])
    turn_heads(old.base / "model/weights.pt")
    job = evaluation(trained, data, tmp_path / "job").artifact("champion", old)
    result = job.run("evaluate", CHAMPION_RUN="nightly-6")
    assert result.returncode == 0, result.stderr
    metrics, pages = metrics_of(job), alone["held_out"]["pages"]
    assert metrics["page_accuracy"]["champion"] == pytest.approx(
        metrics["page_accuracy"]["sequence"] - matrix[lost][lost] / pages
    )
    note = (
        f"the champion does not know {classes[lost]}: {sum(matrix[lost])} of the {pages} held-out pages; "
        "the data has no ledger, which the champion knows"
    )
    assert metrics["champion"] == {"run": "nightly-6", "warning": None, "note": note}
    assert metrics["confusion"]["classes"] == [*classes, "ledger"]
    assert metrics["confusion"]["champion"][lost] == [
        *(0 if label == lost else count for label, count in enumerate(matrix[lost])), matrix[lost][lost],
    ]  # fmt: skip
    assert metrics["confusion"]["champion"][-1] == [0] * (len(classes) + 1)


def changed(config: Path, **fields: object) -> None:
    config.write_text(json.dumps(json.loads(config.read_text()) | fields))


def without_base_models(model: Path) -> None:
    changed(model / "config.json", base_models=None)


def with_another_size(model: Path) -> None:
    changed(model / "config.json", hyperparameters={"hidden_size": 9, "layers": 1, "dropout": 0.1})


def without_hyperparameters(model: Path) -> None:
    changed(model / "base/image/config.json", hyperparameters={})


def with_code_that_is_unknown(model: Path) -> None:
    changed(model / "base/text/config.json", served_by="no_such_module")


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        (without_base_models, "names no base models"),
        (with_another_size, "cannot be read"),
        (without_hyperparameters, "holds no ensemble that this code can read"),
        (with_code_that_is_unknown, "lacks the module 'no_such_module'"),
        (lambda model: (model / "weights.pt").write_bytes(b"x"), "cannot be read"),
        (lambda model: shutil.rmtree(model / "base"), "cannot be read"),
        (lambda model: (model / "config.json").write_text("[]"), "holds no ensemble that this code can read"),
    ],
)  # fmt: skip
def test_an_artifact_that_is_no_ensemble_is_told_from_one(
    trained: dict[str, JobDirectory], data: Path, tmp_path: Path, breaks, reason: str
) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained["sequence"].base / "model", model)
    breaks(model)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(model, arcname=".")
    pages = read_data_set(data)
    with pytest.raises(JobError, match=reason):
        read_as_served(find_artifact(tmp_path), pages, pages.stacks_in(HELD_OUT))


def test_an_artifact_that_was_cut_off_is_told_so(trained: dict[str, JobDirectory], data: Path, tmp_path: Path) -> None:
    evaluation(trained, data, tmp_path)
    path = next((tmp_path / "input/data/sequence").rglob("model.tar.gz"))
    (tmp_path / "model.tar.gz").write_bytes(path.read_bytes()[:5000])
    pages = read_data_set(data)
    with pytest.raises(JobError, match="is not a whole"):
        read_as_served(Artifact(tmp_path / "model.tar.gz"), pages, pages.stacks_in(HELD_OUT))


@pytest.mark.parametrize("name", ["model.json", "classes.json"])
def test_an_artifact_that_was_spoiled_is_told_so(tmp_path: Path, name: str) -> None:
    """In the midst of a member, where what is compressed cannot be read on."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        member = tarfile.TarInfo("model.json")
        member.size = 100_000
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    packing = zlib.compressobj(wbits=31)
    spoiled = packing.compress(plain.getvalue()[:50_000]) + packing.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 64
    (tmp_path / "model.tar.gz").write_bytes(spoiled)
    with pytest.raises(JobError, match="is not a whole"):
        Artifact(tmp_path / "model.tar.gz").read(name)
    with pytest.raises(JobError, match="is not a whole"):
        Artifact(tmp_path / "model.tar.gz").holds("classes.json")
