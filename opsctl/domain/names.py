"""The names that runs, steps and jobs go by, and the limits that AWS sets to them.

Everything is derived from two things, the name of a step's state and the name of an execution:

- a step's slug is its state name in kebab case: `Train Text Model` -> `train-text-model`. It is the step's folder below
  `runs/<execution>/`, and part of its jobs' names;
- its skip key is the same with underscores (`train_text_model`), a key of the run input's `skip`;
- a SageMaker job is `<job prefix>-<slug>-d<redrives>r<retries>`. AWS takes 63 characters of `[A-Za-z0-9-]`; a job
  prefix has at most 24 and a slug at most 30, which leaves room for two digits each of redrives and retries;
- a SageMaker model and an endpoint configuration are `<pipeline>-<run>-<digest>`, likewise at most 63 characters: they
  outlive the deployment that made them, so they are named by what they are, and by no attempt;
- an execution that we name has at most 40 characters of the same set. One that something else named (an EventBridge
  rule, the console) may have 80 and underscores or dots, so a job prefix is the execution's name only where it fits,
  and otherwise a shortened one that ends in 8 hex digits of the name's SHA-256.
"""

from __future__ import annotations

import hashlib
import re

from opsctl.errors import UsageError

EXECUTION_NAME_LIMIT = 40
JOB_PREFIX_LIMIT = 24
SLUG_LIMIT = 30
EVENT_DIGITS = 12
DEPLOYED_DIGITS = 8  # of a digest, at the end of the names of models and endpoint configurations
SAGEMAKER_LIMIT = 63

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_HASH_DIGITS = 8


def slug(step: str) -> str:
    """The step's state name in kebab case."""
    return re.sub(r"[^a-z0-9]+", "-", step.lower()).strip("-")


def skip_key(step: str) -> str:
    """The key under the run input's `skip` that bypasses the step; takes a state name or a slug."""
    return slug(step).replace("-", "_")


def job_prefix(execution_name: str) -> str:
    """What the names of the execution's jobs begin with: at most 24 characters that SageMaker takes."""
    return _fitted(execution_name, JOB_PREFIX_LIMIT)


def deployed_stem(pipeline: str, run: str) -> str:
    """The run's part of `<pipeline>-<run>-<8 hex digits>`, the name of the model and the endpoint configuration that a
    deployment of the run makes: at most 24 characters, fewer where the pipeline's own name is long."""
    room = SAGEMAKER_LIMIT - len(pipeline) - DEPLOYED_DIGITS - 2
    return _fitted(run, min(JOB_PREFIX_LIMIT, room))


def rerun_name(root: str, number: int) -> str:
    """The name of the `number`th rerun in the lineage of `root`: `<root>-r<number>`, at most 40 characters."""
    suffix = f"-r{number}"
    return _fitted(root, EXECUTION_NAME_LIMIT - len(suffix)) + suffix


def event_name(words: str, identity: str) -> str:
    """The name of the run that an event starts: what is readable of it, and 12 hex digits of the SHA-256 of what makes
    it that event. The same event always gives the same name, another event another one."""
    digest = hashlib.sha256(identity.encode()).hexdigest()[:EVENT_DIGITS]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", words)[: EXECUTION_NAME_LIMIT - EVENT_DIGITS - 1].strip("-")
    return f"{readable or 'data'}-{digest}"


def check_execution_name(name: str) -> None:
    """Raise UsageError unless `name` is one that we give to executions."""
    if _PLAIN.fullmatch(name) and len(name) <= EXECUTION_NAME_LIMIT:
        return
    raise UsageError(
        f"{name!r} cannot be a run's name",
        f"use 1 to {EXECUTION_NAME_LIMIT} letters, digits and hyphens, with a letter or digit at both ends",
    )


def _fitted(name: str, limit: int) -> str:
    if len(name) <= limit and _PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name)[: limit - _HASH_DIGITS - 1].strip("-")
    return f"{readable or 'run'}-{digest}"
