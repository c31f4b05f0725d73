"""Trains a base model for a task of an activity, on a machine outside AWS: a GPU workstation, say.

    opsctl worker ACTIVITY -- python3 workstation.py [--work DIR]

The task's input, on standard input, is what SageMaker would be asked for (CreateTrainingJob's names): TrainingJobName,
AlgorithmSpecification.ContainerEntrypoint, HyperParameters, Environment, InputDataConfig, OutputDataConfig,
CheckpointConfig and StoppingCondition. This does what SageMaker does around a container, in a directory of its own
below DIR: channels in, the script with $SAGEMAKER_BASE_DIR for /opt/ml, checkpoints kept in S3 while it trains and
given to the next attempt, and `<S3OutputPath>/<job>/output/model.tar.gz` out (output.tar.gz too, if there is any). The
script is the run's own copy of the code; it runs with the Python that runs this file.

S3 is reached with the worker's own credentials (boto3). A definition of one's own may give presigned URLs instead, so
that no credentials are needed for data: {"ChannelName": "data", "Urls": {"<path>": "https://…"}} for a channel and
{"Url": "https://…"} (a PUT) for OutputDataConfig. They must live as long as the training.

Standard output: {"TrainingJobName", "TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts"},
"TrainingTimeInSeconds"}; the script's own output goes to standard error. Exit codes: 0 done; 1 failed, the last line of
standard error says why; 75 stopped (SIGTERM: the run was stopped, or the worker), the last checkpoint is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONTAINER = "/opt/ml"
FAILED, STOPPED = 1, 75
FAILURE_CHARACTERS = 1024
SYNC_SECONDS = 15.0
"""Between looks at the checkpoints: what an interruption costs at most, beside the epoch that was cut short."""
STOP_SECONDS = 120.0
"""From SIGTERM to SIGKILL at the time limit, as SageMaker has it."""
AT_A_TIME = 16
REQUEST_SECONDS = 60.0


class TaskError(Exception):
    """What went wrong, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """One task; the exit code."""
    parser = argparse.ArgumentParser(description="Train a base model for a task of an activity (its input on stdin).")
    parser.add_argument("--work", type=Path, help="where data and models lie meanwhile [default: the temporary folder]")
    work = parser.parse_args(arguments).work
    signal.signal(signal.SIGTERM, _stop)
    try:
        task = json.load(sys.stdin)
        name = str(task["TrainingJobName"])
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=work, ignore_cleanup_errors=True) as folder:
            print(json.dumps(_work(task, name, Path(folder).resolve())))
    except _Stopped:
        return _said("stopped; the last checkpoint is kept", STOPPED)
    except TaskError as error:
        return _said(str(error), FAILED)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return _said(f"the task's input is no training job's: {type(error).__name__}: {error}", FAILED)
    except Exception as error:  # noqa: BLE001 - the job's boundary: whatever boto3 or the disk raises is the reason
        return _said(f"{type(error).__name__}: {error}", FAILED)
    return 0


class _Stopped(Exception):  # noqa: N818 - no error: it was asked for
    """SIGTERM came."""


def _stop(_number: int, _frame: object) -> None:
    raise _Stopped


def _work(task: Mapping[str, Any], name: str, base: Path) -> dict[str, Any]:
    _write_configuration(task, base)
    for channel in task["InputDataConfig"]:
        _fetch_channel(channel, base / "input" / "data" / str(channel["ChannelName"]))
    kept = _Checkpoints((task.get("CheckpointConfig") or {}).get("S3Uri"), base / "checkpoints")
    kept.fetch()
    began = time.monotonic()
    try:
        _train(task, name, base, kept)
    finally:
        kept.store()
    return {
        "TrainingJobName": name,
        "TrainingJobStatus": "Completed",
        "ModelArtifacts": {"S3ModelArtifacts": _store_results(task["OutputDataConfig"], name, base)},
        "TrainingTimeInSeconds": round(time.monotonic() - began),
    }


def _write_configuration(task: Mapping[str, Any], base: Path) -> None:
    """The files and folders that a training container finds."""
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        (base / folder).mkdir(parents=True)
    channels = {channel["ChannelName"]: {"TrainingInputMode": "File"} for channel in task["InputDataConfig"]}
    host = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
    for name, content in (
        ("hyperparameters", task.get("HyperParameters") or {}), ("inputdataconfig", channels), ("resourceconfig", host),
    ):  # fmt: skip
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _train(task: Mapping[str, Any], name: str, base: Path, kept: _Checkpoints) -> None:
    """Run the script to its end. Raises _Stopped, or TaskError with its reason."""
    words = [word.replace(CONTAINER, str(base)) for word in task["AlgorithmSpecification"]["ContainerEntrypoint"]]
    words[0] = sys.executable if words[0] in ("python", "python3") else words[0]
    limit = (task.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds")
    environment = {**(task.get("Environment") or {}), "SAGEMAKER_BASE_DIR": str(base), "TRAINING_JOB_NAME": name}
    with _listening() as stops:
        process = subprocess.Popen(words, cwd=base, env=os.environ | environment, stdout=sys.stderr)
        in_time = _followed(process, limit, kept, stops)
    if not in_time:
        raise TaskError(f"the job reached its time limit of {limit} seconds; the last checkpoint is kept")
    if stops:
        raise _Stopped
    if process.returncode:
        raise TaskError(_reason(base, process.returncode))


def _followed(process: subprocess.Popen[bytes], limit: float | None, kept: _Checkpoints, stops: Sequence[int]) -> bool:
    """Wait for the script's end, keeping its checkpoints meanwhile; whether it came in time. A stop reaches it too."""
    deadline = time.monotonic() + (limit or float("inf"))
    told = False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(SYNC_SECONDS if not stops else 1.0, max(deadline - time.monotonic(), 0.01)))
            return True
        if time.monotonic() >= deadline:
            _end(process)
            return False
        if stops and not told:
            told = True
            process.terminate()
        kept.store()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
        return
    process.kill()
    process.wait()


@contextlib.contextmanager
def _listening() -> Iterator[list[int]]:
    """The signals to stop that come while the script runs: it has the time to keep its state."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


def _reason(base: Path, status: int) -> str:
    """What the script left in its failure file, as SageMaker's FailureReason; else how it ended."""
    with contextlib.suppress(OSError):
        words = (base / "output" / "failure").read_text(encoding="utf-8", errors="replace")[:FAILURE_CHARACTERS]
        if words.strip():
            return " ".join(words.split())
    how = f"signal {-status}" if status < 0 else f"exit code {status}"
    return f"the script ended with {how} and left no reason"


# Data


def _fetch_channel(channel: Mapping[str, Any], folder: Path) -> None:
    """What a channel holds, each object below its own path. Raises TaskError where there is none."""
    folder.mkdir(parents=True)
    if urls := channel.get("Urls"):
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(lambda entry: _fetch_url(entry[1], _inside(folder, entry[0])), urls.items()))
        return
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    if not _fetch(uri, folder):
        raise TaskError(f"channel {channel['ChannelName']}: there is nothing below {uri}")


def _fetch(uri: str, folder: Path) -> int:
    """Download what lies below a prefix; how many objects."""
    s3, (bucket, prefix) = _s3(), _place(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ()) if not entry["Key"].endswith("/")]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda key: s3.download_file(bucket, key, str(_inside(folder, key[len(prefix) :]))), keys))
    return len(keys)


def _fetch_url(url: str, target: Path) -> None:
    with urllib.request.urlopen(_web(url), timeout=REQUEST_SECONDS) as answer, target.open("wb") as file:
        while piece := answer.read(1 << 20):
            file.write(piece)


def _inside(folder: Path, path: str) -> Path:
    """A path below the folder, whatever a key is called. Raises TaskError for one that would lie elsewhere."""
    target = (folder / path.lstrip("/")).resolve()
    if not target.is_relative_to(folder):
        raise TaskError(f"{path!r} does not lie below its channel")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


class _Checkpoints:
    """A folder that is kept in S3: fetched once, and stored whenever a file of it is another."""

    def __init__(self, uri: str | None, folder: Path) -> None:
        self._uri, self._folder = uri, folder
        self._stored: dict[Path, tuple[int, int]] = {}

    def fetch(self) -> None:
        if self._uri and _fetch(self._uri, self._folder):
            self._stored = self._files()

    def store(self) -> None:
        """Upload what is new. What cannot be stored now is stored the next time: the training goes on."""
        if self._uri is None:
            return
        bucket, prefix = _place(self._uri)
        for path, mark in self._files().items():
            if self._stored.get(path) != mark and not path.name.startswith("."):
                try:
                    _s3().upload_file(str(path), bucket, prefix + path.relative_to(self._folder).as_posix())
                except Exception as error:  # noqa: BLE001 - said, and tried again
                    print(f"a checkpoint was not stored: {error}", file=sys.stderr, flush=True)
                else:
                    self._stored[path] = mark

    def _files(self) -> dict[Path, tuple[int, int]]:
        found = {}
        for path in sorted(self._folder.rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # replaced a moment ago
                if path.is_file():
                    found[path] = (path.stat().st_mtime_ns, path.stat().st_size)
        return found


def _store_results(config: Mapping[str, Any], name: str, base: Path) -> str:
    """Pack and store the model, and what else the job left; where the model lies now."""
    if url := config.get("Url"):
        _put(str(url), _packed(base / "model"))
        return str(url).partition("?")[0]
    bucket, prefix = _place(f"{config['S3OutputPath'].rstrip('/')}/{name}/output/")
    if any((base / "output" / "data").iterdir()):
        _s3().upload_file(str(_packed(base / "output" / "data")), bucket, f"{prefix}output.tar.gz")
    _s3().upload_file(str(_packed(base / "model")), bucket, f"{prefix}model.tar.gz")
    return f"s3://{bucket}/{prefix}model.tar.gz"


def _put(url: str, file: Path) -> None:
    """Upload to a presigned URL: without a Content-Type, which would have to be signed too, and urllib always sends."""
    parts = urlsplit(_web(url).full_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=REQUEST_SECONDS)
    with file.open("rb") as content:
        size = {"Content-Length": str(file.stat().st_size)}
        connection.request("PUT", f"{parts.path}?{parts.query}", content, size)
        answer = connection.getresponse()
    if answer.status >= 300:
        raise TaskError(f"the model was not stored: {answer.status} {answer.reason}")


def _packed(folder: Path) -> Path:
    """The folder's contents, at the top of a .tar.gz beside it."""
    archive = folder.with_name(f"{folder.name}.tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        for path in sorted(folder.iterdir()):
            packed.add(path, arcname=path.name)
    return archive


def _web(url: str) -> urllib.request.Request:
    if urlsplit(url).scheme not in ("http", "https"):
        raise TaskError(f"{url[:100]!r} is no address of the web")
    return urllib.request.Request(url)


def _place(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise TaskError(f"{uri!r} is no s3:// address")
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}/")


_clients: list[Any] = []


def _s3() -> Any:
    """One client for all: of the worker's own credentials, and imported only where S3 itself is asked."""
    if not _clients:
        import boto3
        from botocore.config import Config

        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        config = Config(
            max_pool_connections=2 * AT_A_TIME,
            retries={"mode": "standard", "max_attempts": 8},
            s3={"addressing_style": "path"} if endpoint else {},
        )
        _clients.append(boto3.client("s3", endpoint_url=endpoint, config=config))
    return _clients[0]


def _said(words: str, code: int) -> int:
    print(" ".join(words.split()), file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
