"""Documents to figures: every script a process, each job's artifact the next one's channel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from training_job import JobDirectory

MANIFEST_SPLITS = {"train", "validation", "held_out"}


def metrics_of(job: JobDirectory) -> dict:
    return json.loads((job.base / "model" / "metrics.json").read_text())


def test_every_model_leaves_its_artifact(trained: dict[str, JobDirectory], data: Path) -> None:
    manifest = json.loads((data / "manifest.json").read_text())
    pages = sum(stack["pages"] for stack in manifest["stacks"])
    assert {stack["split"] for stack in manifest["stacks"]} == MANIFEST_SPLITS
    for name in ("text", "image", "sequence"):
        model = trained[name].base / "model"
        files = {"config.json", "metrics.json", "outputs.npz", "weights.pt"}
        served = {"base", "code"} if name == "sequence" else set()
        assert {path.name for path in model.iterdir()} == files | served
        config = json.loads((model / "config.json").read_text())
        assert (config["model"], config["fingerprint"]) == (name, manifest["fingerprint"])
        assert config["classes"] == manifest["classes"]
        with np.load(model / "outputs.npz") as outputs:
            assert outputs["log_probability"].shape == (pages, len(manifest["classes"]))
            assert np.allclose(np.exp(outputs["log_probability"]).sum(axis=1), 1, atol=1e-4)


def test_base_models_read_their_training_pages_by_networks_that_never_saw_them(
    trained: dict[str, JobDirectory], data: Path
) -> None:
    manifest = json.loads((data / "manifest.json").read_text())
    with np.load(trained["text"].base / "model" / "outputs.npz") as outputs:
        fold = outputs["fold"]
    start = 0
    folds = set()
    for stack in manifest["stacks"]:
        own = set(fold[start : start + stack["pages"]].tolist())
        assert len(own) == 1, "a stack lies whole in one fold"
        assert (own == {-1}) == (stack["split"] != "train")
        folds |= own
        start += stack["pages"]
    assert folds == {-1, 0, 1}


def test_metrics_are_printed_as_metric_definitions_parse_them(trained: dict[str, JobDirectory]) -> None:
    for name, epochs in (("text", 2), ("image", 1), ("sequence", 3)):
        lines = (trained[name].base / "stdout").read_text().splitlines()
        assert [re.sub(r"=[-+0-9.eE]+", "=N", line) for line in lines] == [
            "epoch=N train_loss=N validation_accuracy=N"
        ] * epochs
        assert f"train_loss={metrics_of(trained[name])['train_loss']:.4f}" in lines[-1]


def test_evaluate_measures_every_model_on_held_out_pages(trained: dict[str, JobDirectory], data: Path) -> None:
    manifest = json.loads((data / "manifest.json").read_text())
    held_out = [stack for stack in manifest["stacks"] if stack["split"] == "held_out"]
    metrics = metrics_of(trained["evaluate"])
    assert metrics["held_out"] == {
        "stacks": len(held_out),
        "documents": sum(stack["documents"] for stack in held_out),
        "pages": sum(stack["pages"] for stack in held_out),
        "sha256": metrics["held_out"]["sha256"],
    }
    assert re.fullmatch("[0-9a-f]{64}", metrics["held_out"]["sha256"])
    assert (metrics["champion"], metrics["deployable"]) == (None, True)
    models = ["image", "text", "average", "sequence"]
    for measure in ("page_accuracy", "boundary_accuracy", "document_accuracy", "log_loss"):
        assert set(metrics[measure]) == set(models)
    for model in models:
        counts = np.array(metrics["confusion"][model])
        assert counts.sum() == metrics["held_out"]["pages"]
        assert np.isclose(counts.trace() / counts.sum(), metrics["page_accuracy"][model])
    printed = (trained["evaluate"].base / "stdout").read_text().splitlines()
    assert printed == [f"{model}_page_accuracy={metrics['page_accuracy'][model]:.4f}" for model in models]
    assert json.loads((trained["evaluate"].base / "output" / "data" / "metrics.json").read_text()) == metrics


def test_any_number_of_base_models(trained: dict[str, JobDirectory], data: Path, tmp_path: Path) -> None:
    evaluate = JobDirectory(tmp_path / "evaluate").channel("data", data)
    sequence = JobDirectory(tmp_path / "sequence").channel("data", data).hyperparameters(epochs="1", hidden_size="4")
    for name in ("text", "image", "layout"):
        job = trained["text" if name == "layout" else name]
        sequence.artifact(name, job)
        evaluate.artifact(name, job)
    assert sequence.run("sequence").returncode == 0
    config = json.loads((sequence.base / "model" / "config.json").read_text())
    assert list(config["base_models"]) == ["image", "layout", "text"]
    assert evaluate.artifact("sequence", sequence).run("evaluate").returncode == 0
    assert set(metrics_of(evaluate)["page_accuracy"]) == {"image", "layout", "text", "average", "sequence"}
