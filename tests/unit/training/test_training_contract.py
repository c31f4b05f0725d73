"""The container contract: hyperparameters, channels, artifacts, and how a job ends."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from contract import FAILED, FAILURE_CHARACTERS, STOPPED, Job, JobError, StoppedError, find_artifact, run
from hyperparameters import Hyperparameter, parse_hyperparameters

DECLARED = {
    "epochs": Hyperparameter(6, 1, 100),
    "dropout": Hyperparameter(0.3, 0.0, 0.95),
    "max_lr": Hyperparameter(0.01, 0.0),
    "min_lr": Hyperparameter(0.001, 0.0),
}


def test_hyperparameters_are_typed_and_default() -> None:
    given = {"epochs": "80", "max_lr": "1e6", "sagemaker_program": "text.py"}
    assert parse_hyperparameters(given, DECLARED) == {"epochs": 80, "dropout": 0.3, "max_lr": 1e6, "min_lr": 0.001}
    assert isinstance(parse_hyperparameters({"epochs": "7"}, DECLARED)["epochs"], int)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_rl": "0.1"}, "unknown hyperparameter 'max_rl': did you mean 'max_lr'?"),
        ({"zzz": "1"}, "unknown hyperparameter 'zzz': this job takes dropout, epochs, max_lr, min_lr"),
        ({"epochs": "2.5"}, "hyperparameter epochs must be a whole number, not '2.5'"),
        ({"epochs": "0"}, "hyperparameter epochs must be a whole number between 1 and 100, not '0'"),
        ({"dropout": "half"}, "hyperparameter dropout must be a number, not 'half'"),
        ({"dropout": "nan"}, "hyperparameter dropout must be a number between 0.0 and 0.95, not 'nan'"),
        ({"max_lr": "inf"}, "hyperparameter max_lr must be a number of at least 0.0, not 'inf'"),
        ({"min_lr": "0.5"}, "hyperparameter min_lr (0.5) must not exceed max_lr (0.01)"),
    ],
)
def test_bad_hyperparameters_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(JobError) as refused:
        parse_hyperparameters(given, DECLARED)
    assert str(refused.value) == message


def test_a_job_without_hyperparameters_refuses_any() -> None:
    with pytest.raises(JobError, match="unknown hyperparameter 'epochs': this job takes none"):
        parse_hyperparameters({"epochs": "1"}, {})


def test_hyperparameter_file(tmp_path: Path) -> None:
    assert Job(tmp_path).hyperparameters() == {}
    folder = tmp_path / "input" / "config"
    folder.mkdir(parents=True)
    (folder / "hyperparameters.json").write_text('{"epochs": "3"}')
    assert Job(tmp_path).hyperparameters() == {"epochs": "3"}
    (folder / "hyperparameters.json").write_text("[1]")
    with pytest.raises(JobError, match="must hold one JSON object"):
        Job(tmp_path).hyperparameters()
    (folder / "hyperparameters.json").write_text("{")
    with pytest.raises(JobError, match="is not JSON"):
        Job(tmp_path).hyperparameters()


def test_base_models_are_all_channels_but_the_pipelines_own(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no base model channel"):
        Job(tmp_path).base_models()
    for channel in ("text", "data", "code", "layout", "sequence", "image", ".tmp"):
        (tmp_path / "input" / "data" / channel).mkdir(parents=True)
    assert Job(tmp_path).base_models() == ["image", "layout", "text"]
    with pytest.raises(JobError, match="no channel 'missing'"):
        Job(tmp_path).channel("missing")


def put_artifact(channel: Path, job: str, **files: str) -> Path:
    path = channel / job / "output" / "model.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def test_the_latest_attempts_artifact_counts(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="left no artifact"):
        find_artifact(tmp_path)
    for attempt in ("d0r9", "d0r10", "d1r0"):
        path = put_artifact(tmp_path, f"nightly-train-text-model-{attempt}", config_json='{"a": 1}')
        assert find_artifact(tmp_path).path == path
    assert find_artifact(tmp_path).read_json("config.json") == {"a": 1}


def test_artifacts_without_attempts_must_be_one(tmp_path: Path) -> None:
    only = put_artifact(tmp_path, "by-hand", config_json="{}")
    assert find_artifact(tmp_path).path == only
    put_artifact(tmp_path, "again", config_json="{}")
    with pytest.raises(JobError, match=r"several model\.tar\.gz .*again.*by-hand"):
        find_artifact(tmp_path)


def test_broken_artifacts_name_themselves(tmp_path: Path) -> None:
    path = put_artifact(tmp_path, "job-d0r0", config_json="{}")
    with pytest.raises(JobError, match=r"holds no outputs\.npz"):
        find_artifact(tmp_path).read("outputs.npz")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(JobError, match=r"not a whole model\.tar\.gz"):
        find_artifact(tmp_path).read("config.json")


def test_a_link_in_an_artifact_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "job" / "output" / "model.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("config.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    with pytest.raises(JobError, match=r"holds no config\.json"):
        find_artifact(tmp_path).read("config.json")


def ending(tmp_path: Path, error: Exception | None) -> tuple[int, str | None]:
    def work(job: Job) -> None:
        assert job.base == tmp_path
        if error:
            raise error

    code = run(work, "test", ["--base", str(tmp_path)])
    failure = tmp_path / "output" / "failure"
    return code, failure.read_text() if failure.exists() else None


def test_how_jobs_end(tmp_path: Path) -> None:
    assert ending(tmp_path, JobError("no\n  data")) == (FAILED, "no data")
    assert ending(tmp_path, StoppedError("stopped in epoch 2")) == (STOPPED, "stopped in epoch 2")
    assert ending(tmp_path, KeyError("x")) == (FAILED, "KeyError: 'x'")
    code, failure = ending(tmp_path, JobError("x" * 5000))
    assert (code, failure) == (FAILED, "x" * FAILURE_CHARACTERS)
    assert ending(tmp_path, None) == (0, None), "a success removes the failure of an earlier attempt"


def test_the_base_directory_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    seen: list[Path] = []
    assert run(lambda job: seen.append(job.base), "test", ["train"]) == 0
    monkeypatch.delenv("SAGEMAKER_BASE_DIR")
    assert seen == [tmp_path]


def test_metrics_are_written_twice(tmp_path: Path) -> None:
    Job(tmp_path).write_metrics({"page_accuracy": {"text": 0.5}})
    for folder in ("model", "output/data"):
        assert json.loads((tmp_path / folder / "metrics.json").read_text()) == {"page_accuracy": {"text": 0.5}}
