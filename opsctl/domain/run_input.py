"""What a run may be told when it starts: the run input, version 1.

    {"data": {"source": "s3://bucket/datasets/mortgages/"},
     "hyperparameters": {"image_model": {"epochs": "80"}},
     "skip": {"train_image_model": true},
     "reuse": {"train-image-model": {"run": "nightly-7", "uri": "s3://bucket/runs/nightly-7-r1/train-image-model/"}},
     "rerun": {"of": "nightly-7", "from": ["Train Sequence Model"], "root": "nightly-7"}}

Every part is optional; `{}` is a full run on the default data set. Unknown keys are refused, each with the nearest
known one: a misspelt hyperparameter that is silently ignored costs GPU hours, and so does a value that the job cannot
read once the jobs before it are paid for. A step in `reuse` must be skipped, or its
own result and the reused one would compete; and a skipped step whose result a step that runs needs must be in `reuse`.

The same check runs twice: in `opsctl` before a run is started, and in the machine's first step, because anything may
start an execution. `run-input.schema.json` says the same to other tools.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from math import isfinite
from typing import Any

from opsctl.domain.names import skip_key

KEYS = ("data", "hyperparameters", "reuse", "rerun", "skip")
MAX_VALUE_LENGTH = 2500  # SageMaker's limit for one hyperparameter

_BOOLEANS = ("true", "false")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f]*")


def problems(
    document: Any,
    *,
    steps: Collection[str],
    hyperparameters: Mapping[str, Mapping[str, str]],
    needs: Mapping[str, Collection[str]] | None = None,
) -> list[str]:
    """What is wrong with a run input, one line each; empty if nothing is.

    `steps` are the slugs of the machine's steps; `hyperparameters` holds, per group (`text_model`), the defaults, whose
    keys are the known ones. Where a default is a number, or true or false, a value must be one too.
    `needs` says, for each step, whose results it reads; without it nothing is said of skipped steps that are needed.
    """
    if not isinstance(document, dict):
        return [f"the run input must be an object, not {_kind(document)}"]
    found = list(_unknown(document, KEYS, ""))
    if "data" in document:
        found += _data(document["data"])
    if "hyperparameters" in document:
        found += _hyperparameters(document["hyperparameters"], hyperparameters)
    if "skip" in document:
        found += _skip(document["skip"], steps)
    if "reuse" in document:
        found += _reuse(document["reuse"], steps, document.get("skip"))
    if "rerun" in document:
        found += _rerun(document["rerun"])
    if not found and needs:
        found += _lacking(document.get("skip", {}), document.get("reuse", {}), steps, needs)
    return found


def as_text(value: str | float | bool) -> str:
    """A hyperparameter's value as SageMaker takes it: everything is a string there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _data(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"data: must be an object, not {_kind(value)}"
        return
    yield from _unknown(value, ["source"], "data.")
    if "source" in value:
        yield from _uri(value["source"], "data.source")


def _hyperparameters(value: Any, known: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"hyperparameters: must be an object, not {_kind(value)}"
        return
    yield from _unknown(value, known, "hyperparameters.")
    for group in value.keys() & known.keys():
        yield from _group(value[group], known[group], f"hyperparameters.{group}")


def _group(value: Any, known: Mapping[str, str], path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: must be an object, not {_kind(value)}"
        return
    yield from _unknown(value, known, f"{path}.")
    for key, item in value.items():
        if not isinstance(item, str | int | float):
            yield f"{path}.{key}: must be a string, a number or a boolean, not {_kind(item)}"
        elif isinstance(item, str) and len(item) > MAX_VALUE_LENGTH:
            yield f"{path}.{key}: is longer than {MAX_VALUE_LENGTH} characters"
        elif key in known:
            yield from _like_default(item, known[key], f"{path}.{key}")


def _like_default(value: str | float | bool, default: str, path: str) -> Iterator[str]:
    """A default that is a number tells that the job reads one, and the job would find the mistake only once it runs."""
    if _is_number(default) and not _is_number(value):
        yield f"{path}: must be a number, as its default {default}, not {as_text(value)[:60]!r}"
    if default in _BOOLEANS and as_text(value) not in _BOOLEANS:
        yield f"{path}: must be true or false, as its default {default}, not {as_text(value)[:60]!r}"


def _is_number(value: str | float | bool) -> bool:
    """Whether it is a finite number, or a text that every language reads as one."""
    return not isinstance(value, bool) and bool(_NUMBER.fullmatch(text := as_text(value))) and isfinite(float(text))


def _skip(value: Any, steps: Collection[str]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"skip: must be an object, not {_kind(value)}"
        return
    yield from _unknown(value, [skip_key(step) for step in steps], "skip.")
    for key, item in value.items():
        if not isinstance(item, bool):
            yield f"skip.{key}: must be true or false, not {_kind(item)}"


def _reuse(value: Any, steps: Collection[str], skip: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"reuse: must be an object, not {_kind(value)}"
        return
    yield from _unknown(value, steps, "reuse.")
    for step, entry in value.items():
        yield from _reuse_entry(entry, f"reuse.{step}")
        if not (isinstance(skip, dict) and skip.get(skip_key(step)) is True):
            yield f"reuse.{step}: the step is not skipped; set skip.{skip_key(step)} to true, or drop the entry"


def _lacking(
    skip: Mapping[str, bool], reuse: Collection[str], steps: Collection[str], needs: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """Steps that make no result in this run though another one reads it: the run would fail there, hours later."""
    running = [step for step in steps if not skip.get(skip_key(step))]
    for step in steps:
        readers = [reader for reader in running if step in needs.get(reader, ())]
        if step not in running and step not in reuse and readers:
            remedy = f"say in reuse.{step} where it lies, or skip what reads it as well"
            yield f"skip.{skip_key(step)}: {', '.join(readers)} would lack its result; {remedy}"


def _reuse_entry(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: must be an object, not {_kind(value)}"
        return
    yield from _unknown(value, ["run", "uri"], f"{path}.")
    yield from _missing(value, ["run", "uri"], path)
    if "run" in value:
        yield from _name(value["run"], f"{path}.run")
    if "uri" in value:
        yield from _uri(value["uri"], f"{path}.uri")


def _rerun(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"rerun: must be an object, not {_kind(value)}"
        return
    yield from _unknown(value, ["from", "of", "root"], "rerun.")
    yield from _missing(value, ["from", "of", "root"], "rerun")
    for key in ("of", "root"):
        if key in value:
            yield from _name(value[key], f"rerun.{key}")
    if "from" in value:
        yield from _names(value["from"], "rerun.from")


def _names(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{path}: must be a list of one or more step names"
        return
    for index, item in enumerate(value):
        yield from _name(item, f"{path}[{index}]")


def _name(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str) or not value:
        yield f"{path}: must be a name, not {_kind(value)}"


def _uri(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str) or not S3_URI.fullmatch(value):
        yield f"{path}: must be an S3 address such as s3://bucket/datasets/name/, not {value!r}"


def _missing(value: Mapping[str, Any], required: Collection[str], path: str) -> Iterator[str]:
    for key in required:
        if key not in value:
            yield f"{path}: {key} is missing"


def _unknown(value: Mapping[str, Any], known: Collection[str], path: str) -> Iterator[str]:
    for key in value:
        if key not in known:
            nearest = difflib.get_close_matches(key, list(known), n=1, cutoff=0.0)
            hint = f"the nearest known key is {nearest[0]}" if nearest else "no key is known here"
            yield f"{path}{key}: unknown key; {hint}"


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__) if value != "" else "an empty string"
