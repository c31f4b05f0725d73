"""The SageMaker training container contract: where a job reads, where it writes, and how it ends.

    <base>/input/config/hyperparameters.json    values as strings
    <base>/input/data/<channel>/...             what the job's channels hold
    <base>/checkpoints/                         survives a stop: kept in S3 for the next attempt
    <base>/model/                               becomes model.tar.gz
    <base>/output/data/                         becomes output.tar.gz
    <base>/output/failure                       its first 1,024 characters become the job's FailureReason

The base is /opt/ml, or $SAGEMAKER_BASE_DIR (the sandbox), or `--base` (a person). No part of SageMaker's toolkit is
used: a plain container has none of its SM_* variables.

Exit codes: 0 done; 1 failed, see the failure file; 75 stopped by SIGTERM, run again to go on from the last checkpoint
(75 is EX_TEMPFAIL of sysexits.h: "try again later").
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tarfile
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FAILED = 1
STOPPED = 75
FAILURE_CHARACTERS = 1024
CHANNELS_OF_THE_PIPELINE = frozenset({"champion", "code", "data", "sequence"})
ATTEMPT = re.compile(r"-d(\d+)r(\d+)$")


class JobError(Exception):
    """What went wrong, in one line that says what to do about it: the job's FailureReason."""


class StoppedError(Exception):
    """SIGTERM arrived and the last checkpoint is safe: running the job again resumes there."""


@dataclass(frozen=True)
class Job:
    """One training job's view of its directory."""

    base: Path

    @property
    def checkpoints(self) -> Path:
        return self.base / "checkpoints"

    @property
    def failure_file(self) -> Path:
        return self.base / "output" / "failure"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        return self.base / "output" / "data"

    def hyperparameters(self) -> dict[str, object]:
        """What hyperparameters.json holds, untyped; {} without that file. Raises JobError if it is no JSON object."""
        path = self.base / "input" / "config" / "hyperparameters.json"
        if not path.exists():
            return {}
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise JobError(f"{path} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise JobError(f"{path} must hold one JSON object of hyperparameters")
        return document

    def channel(self, name: str) -> Path:
        """The directory of a channel. Raises JobError if the job was given no such channel."""
        path = self.base / "input" / "data" / name
        if not path.is_dir():
            raise JobError(f"no channel {name!r}: {path} does not exist; give the job an input channel of that name")
        return path

    def base_models(self) -> list[str]:
        """The names of the base model channels: every channel that is none of the pipeline's own, in order."""
        root = self.base / "input" / "data"
        folders = root.iterdir() if root.is_dir() else iter(())
        names = sorted(path.name for path in folders if path.is_dir() and not path.name.startswith("."))
        found = [name for name in names if name not in CHANNELS_OF_THE_PIPELINE]
        if not found:
            raise JobError(f"no base model channel below {root}: give the job one channel per base model")
        return found

    def write_metrics(self, metrics: Mapping[str, object]) -> None:
        """metrics.json, in the model artifact and in the output data."""
        text = json.dumps(metrics, indent=2, sort_keys=True) + "\n"
        for folder in (self.model, self.output_data):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics.json").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Artifact:
    """A model.tar.gz, read where it lies: nothing is unpacked, so no member can write anywhere."""

    path: Path

    def read(self, name: str) -> bytes:
        """The bytes of a file at the top of the artifact. Raises JobError if it is missing or the archive is broken."""
        try:
            with tarfile.open(self.path, "r:gz") as archive:
                for member in archive:
                    if member.isfile() and member.name.removeprefix("./") == name:
                        content = archive.extractfile(member)
                        return content.read() if content else b""
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise JobError(f"{self.path} is not a whole model.tar.gz ({error}); train that model again") from None
        raise JobError(f"{self.path} holds no {name}; train that model again with the code of this run")

    def holds(self, name: str) -> bool:
        """Whether there is a file of this path in the artifact. Raises JobError if the archive is broken."""
        try:
            with tarfile.open(self.path, "r:gz") as archive:
                return any(member.isfile() and member.name.removeprefix("./") == name for member in archive)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise JobError(f"{self.path} is not a whole model.tar.gz ({error}); train that model again") from None

    def digest(self) -> str:
        """The sha256 of the archive: which artifact it was."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read_json(self, name: str) -> dict[str, object]:
        document = json.loads(self.read(name))
        if not isinstance(document, dict):
            raise JobError(f"{name} in {self.path} is no JSON object; train that model again")
        return document


def find_artifact(channel: Path) -> Artifact:
    """The one model.tar.gz below a channel; of several attempts' (jobs named ...-d<N>r<N>) the latest.

    Raises JobError if there is none, or if several lie there that no attempt numbers tell apart.
    """
    found = sorted(channel.rglob("model.tar.gz"), key=_attempt)
    if not found:
        raise JobError(f"no model.tar.gz below {channel}: the step that trains {channel.name!r} left no artifact")
    if len(found) > 1 and _attempt(found[-1]) == _attempt(found[-2]):
        names = ", ".join(str(path.relative_to(channel)) for path in found)
        raise JobError(f"several model.tar.gz below {channel}, and no attempt number says which: {names}")
    return Artifact(found[-1])


def _attempt(artifact: Path) -> tuple[int, int]:
    """(redrive count, retry count) in the job name of `<job name>/output/model.tar.gz`; (-1, -1) without one."""
    match = ATTEMPT.search(artifact.parent.parent.name)
    return (int(match[1]), int(match[2])) if match else (-1, -1)


def run(work: Callable[[Job], None], description: str, arguments: Sequence[str] | None = None) -> int:
    """Runs a job and turns whatever ends it into its exit code and its failure file."""
    job = Job(_base(description, arguments))
    job.failure_file.unlink(missing_ok=True)
    try:
        work(job)
    except StoppedError as stopped:
        return _fail(job, str(stopped), STOPPED)
    except JobError as error:
        return _fail(job, str(error), FAILED)
    except Exception as error:  # noqa: BLE001 - the job's boundary: FailureReason must name what no rule explains
        traceback.print_exc()
        return _fail(job, f"{type(error).__name__}: {error}", FAILED)
    return 0


def _base(description: str, arguments: Sequence[str] | None) -> Path:
    parser = argparse.ArgumentParser(description=description)
    default = os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml"
    parser.add_argument("--base", type=Path, default=Path(default), help="the job's directory (default %(default)s)")
    parser.add_argument("command", nargs="?", choices=["train"], help="what SageMaker appends by default; no effect")
    return parser.parse_args(arguments).base.absolute()


def _fail(job: Job, reason: str, code: int) -> int:
    line = " ".join(reason.split())[:FAILURE_CHARACTERS]
    print(f"error: {line}", file=sys.stderr, flush=True)
    job.failure_file.parent.mkdir(parents=True, exist_ok=True)
    job.failure_file.write_text(line, encoding="utf-8")
    return code
