"""Deployments: what one is asked for, how what it makes is called, and in what words people are told of it.

A deployment's input, version 1; `run` alone is enough:

    {"run": "nightly-7", "machine": "documents-training", "reason": "gate", "approval": false,
     "skip": {"create_model": true}, "rerun": {"of": "nightly-7-deployment", "from": ["Smoke Test"], "root": "…"}}

The SageMaker model and the endpoint configuration of a deployment have one name, `<pipeline>-<run>-<8 hex digits>`:
the digits are of the SHA-256 of everything that they are made of. So one that is there already is the same one, whoever
made it: a retry, a redrive, a rerun or another deployment of the same model.

What a deployment finds the endpoint to be is one word:

    none        there is none
    busy        something is being done to it: wait
    failed      it failed with another configuration than this deployment's: it serves nothing and can only be deleted
    broken      it failed with this deployment's
    other       it serves another configuration
    ours        it serves this deployment's
    champion    the same, and the champion's record says so: there is nothing to put back
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.champion_gate import number
from opsctl.domain.champions import GATE, ROLLBACK, START, Champion, is_figure
from opsctl.domain.names import DEPLOYED_DIGITS, deployed_stem

KEYS = ("approval", "machine", "reason", "rerun", "reuse", "run", "skip")
STEPS = (
    "request_approval", "create_model", "create_endpoint_config", "create_endpoint", "update_endpoint", "smoke_test",
    "promote_champion",
)  # fmt: skip
"""The keys of `skip`: the steps that have a guard."""

APPROVAL_STEP = "Request Approval"
FIRST_MADE = "Create Model"
"""Where a rerun begins after a failure that was put back: what was made is gone."""

NONE, BUSY, FAILED, BROKEN, OTHER, OURS, CHAMPION = "none", "busy", "failed", "broken", "other", "ours", "champion"
ENSEMBLE = "sequence"  # whose figures are the ensemble's, in the evaluation's metrics.json
LONGEST_REASON = 200
SUBJECT_LIMIT = 99  # SNS refuses 100

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_AT_WORK = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True)
class Wish:
    """What people are asked about: a run's model for an endpoint, with what is known of both."""

    execution: str
    machine: str
    run: str
    training: str
    endpoint: str
    reason: str
    metrics: Mapping[str, float]
    champion: Champion | None
    warning: str | None
    console: str
    seconds: int


def problems(document: Any) -> list[str]:
    """What is wrong with a deployment's input, one line each; empty if nothing is."""
    if not isinstance(document, dict):
        return ['the input must be an object, such as {"run": "nightly-7"}']
    return [*_unknown(document), *_named(document), *_typed(document)]


def _unknown(document: Mapping[str, Any]) -> Iterator[str]:
    skip = document.get("skip")
    for path, keys, known in (("", document, KEYS), ("skip.", skip if isinstance(skip, dict) else {}, STEPS)):
        for key in keys:
            if key not in known:
                nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
                yield f"{path}{key}: unknown key; the nearest known key is {nearest}"


def _named(document: Mapping[str, Any]) -> Iterator[str]:
    if "run" not in document:
        yield "run: is missing; name the training run whose model is to be deployed"
    for key in ("run", "machine"):
        value = document.get(key, "x")
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            yield f"{key}: must be a name of at most 80 letters, digits, hyphens, dots and underscores"


def _typed(document: Mapping[str, Any]) -> Iterator[str]:
    reason = document.get("reason", START)
    if not isinstance(reason, str) or not reason.strip() or len(reason) > LONGEST_REASON:
        yield f"reason: must be a text of 1 to {LONGEST_REASON} characters"
    if not isinstance(document.get("approval", True), bool):
        yield "approval: must be true or false"
    skip = document.get("skip", {})
    if not isinstance(skip, dict) or not all(isinstance(value, bool) for value in skip.values()):
        yield "skip: must be an object whose values are true or false"
    for key in ("rerun", "reuse"):
        if not isinstance(document.get(key, {}), dict):
            yield f"{key}: must be an object"


def turn_key(endpoint: str) -> str:
    """Where it is on record whose turn it is to change an endpoint: `{"execution": "<ARN of a deployment>"}`."""
    return f"deployments/{endpoint}.json"


def key_of(pipeline: str, run: str, content: Mapping[str, Any]) -> str:
    """What the name of a deployment's model and configuration has behind `<pipeline>-`."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:DEPLOYED_DIGITS]
    return f"{deployed_stem(pipeline, run)}-{digest}"


def is_of(pipeline: str, name: str, run: str | None = None) -> bool:
    """Whether a configuration, by its name, is one of the pipeline's deployments (of that run)."""
    stem = ".+" if run is None else re.escape(deployed_stem(pipeline, run))
    return re.fullmatch(rf"{re.escape(pipeline)}-{stem}-[0-9a-f]{{{DEPLOYED_DIGITS}}}", name) is not None


def standing(status: str | None, serves: str, ours: str, champion: bool) -> str:
    """What the endpoint is to a deployment whose configuration is `ours`; `serves` is the name of its own one, and
    `champion` whether the record says that this deployment's model is in production."""
    if status is None:
        return NONE
    if status in _AT_WORK:
        return BUSY
    if status == "Failed":
        return BROKEN if serves == ours else FAILED
    if serves != ours:
        return OTHER
    return CHAMPION if champion else OURS


def figures(metrics: Any) -> dict[str, float]:
    """The ensemble's figures in an evaluation's metrics.json."""
    values = metrics.items() if isinstance(metrics, dict) else ()
    found = {name: value.get(ENSEMBLE) if isinstance(value, dict) else value for name, value in values}
    return {name: value for name, value in sorted(found.items()) if value is not None and is_figure(value)}


def held_out_digest(manifest: Any) -> str:
    """The SHA-256 of what a data set's manifest.json says of its held-out stacks."""
    stacks = [stack for stack in manifest["stacks"] if stack.get("split") == "held_out"]
    return hashlib.sha256(json.dumps(stacks, sort_keys=True).encode()).hexdigest()


def needs_approval(document: Mapping[str, Any], rule: Mapping[str, bool], *, was_champion: bool) -> bool:
    """Whether a person is asked, by the module's rule. A rollback goes by its own part of the rule only to a model that
    was in production before: anybody may call anything a rollback."""
    rollback = document.get("reason") == ROLLBACK and was_champion
    asked = rule["required"] and (rule["rollback"] if rollback else True)
    return asked and not (document.get("approval") is False and rule["waivable"])


def request(wish: Wish) -> tuple[str, str]:
    """Subject and message with which a person is asked."""
    on = f"{wish.execution} --machine {wish.machine}"
    lines = [
        f"Run:      {wish.execution}",
        f"Model:    of {wish.run} ({wish.training})",
        f"Endpoint: {wish.endpoint}",
        f"Reason:   {_WORDS.get(wish.reason, wish.reason)}",
        f"Serving:  {_serving(wish)}",
        *([f"Warning:  {wish.warning}"] if wish.warning else []),
        *_compared(wish),
        "",
        f"Console:  {wish.console}",
        f"Expires:  {_time(wish.seconds)} after this message; then nothing is deployed",
        f"Approve:  opsctl approve {on}",
        f'Reject:   opsctl reject {on} --reason "…"',
    ]
    subject = f"{wish.machine}: deploy {wish.run}?"
    return subject[:SUBJECT_LIMIT], "\n".join(lines)


_WORDS = {
    GATE: "it passed the champion gate",
    START: "a person started the deployment",
    ROLLBACK: "a person asked for a rollback",
}


def _serving(wish: Wish) -> str:
    champion = wish.champion
    if champion is None:
        return "no champion is on record"
    return f"{champion.run}, champion since {champion.promoted_at}"


def _compared(wish: Wish) -> Iterator[str]:
    """The figures, beside the champion's where it has them."""
    if not wish.metrics:
        yield "Figures:  none: the run evaluated nothing"
        return
    theirs = wish.champion.metrics if wish.champion else {}
    width = max(map(len, wish.metrics))
    for index, (name, value) in enumerate(wish.metrics.items()):
        beside = f"   champion {number(theirs[name])}" if name in theirs else ""
        yield f"{'Figures:' if index == 0 else '':<9} {name:<{width}}  {number(value)}{beside}"


def _time(seconds: int) -> str:
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds % size == 0 and seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} seconds"
