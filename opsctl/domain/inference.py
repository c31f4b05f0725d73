"""What a run of the inference machine is told, and how the pages that it scores become requests. Pure.

    {"documents": "s3://bucket/datasets/inbox/", "run": "nightly-7"}

`documents` is a folder: stacks as in a data set (`<stack>/pages.tif` and `<stack>/pages.jsonl`, whose labels are not
read), or requests as training/inference.py takes them (`*.json`), or both. `run` is the run of the training machine
whose model scores; without it, the champion's does. `machine` names another training machine than the module's.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MODEL_STEP = "train-sequence-model"
STEP = "score-documents"
KEYS = ("documents", "machine", "rerun", "reuse", "run", "skip")
SKIPS = ("score_documents",)
BITMAPS, RECORDS = "pages.tif", "pages.jsonl"

_FOLDER = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\x00-\x1f]*)?")
_NAME = re.compile(r"[^\s/:<>{}\[\]?*\"#%\\^|~`$&,;\x00-\x1f\x7f-\x9f]{1,80}")  # of an execution, as AWS takes them
_ARTIFACT = re.compile(r"(?:-d(\d+)r(\d+)/output|(?:^|/)output)/model\.tar\.gz$")


def problems(document: Any) -> list[str]:
    """What is wrong with a run input, one line each; empty if nothing is."""
    if not isinstance(document, dict):
        return ["the run input must be an object"]
    return list(_problems(document))


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    for key in document:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1)
            yield f"unknown key {key!r}" + (f": did you mean {near[0]!r}?" if near else f"; known: {', '.join(KEYS)}")
    documents = document.get("documents")
    if not isinstance(documents, str) or not _FOLDER.fullmatch(documents):
        yield "documents: must be the address of a folder, such as s3://bucket/datasets/inbox/"
    for key in ("run", "machine"):
        value = document.get(key)
        if key in document and not (isinstance(value, str) and _NAME.fullmatch(value)):
            yield f"{key}: must be a name"
    skip = document.get("skip", {})
    if not isinstance(skip, dict):
        yield "skip: must be an object"
        return
    for key, value in skip.items():
        if key not in SKIPS:
            yield f"skip.{key}: unknown; known: {', '.join(SKIPS)}"
        elif not isinstance(value, bool):
            yield f"skip.{key}: must be true or false"


def latest_artifact(keys: Iterable[str]) -> str | None:
    """Of the keys below a step, the artifact of the latest attempt; None where there is none."""
    found = [(tuple(int(digits or -1) for digits in match.groups()), key) for key in keys if (match := _match(key))]
    return max(found, default=((), None))[1]


def _match(key: str) -> re.Match[str] | None:
    return _ARTIFACT.search(key)


def scored_objects(paths: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """Of the paths below a folder: the stacks, the requests, and what is wrong, one line each."""
    stacks: dict[str, set[str]] = {}
    ready: list[str] = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name in (BITMAPS, RECORDS) and folder:
            stacks.setdefault(folder, set()).add(name)
        elif name.endswith(".json") and name != "manifest.json":
            ready.append(path)
    wrong = [
        f"stack {stack} has no {missing}"
        for stack, names in sorted(stacks.items())
        for missing in sorted({BITMAPS, RECORDS} - names)
    ]
    wrong += [
        f"{stack}.json and the stack {stack} would have one result" for stack in stacks if f"{stack}.json" in ready
    ]
    if not stacks and not ready:
        wrong.append(f"nothing to score: expected <stack>/{BITMAPS} and <stack>/{RECORDS}, or requests in *.json")
    return sorted(stacks), sorted(ready), wrong


def packed_stack(stack: str, records: bytes, bitmap: str, most: int) -> bytes:
    """The request for one stack; `bitmap` is its file in base64. Raises ValueError, with the stack's name, for records
    without a text, and for what is larger than `most` bytes."""
    pages = []
    for number, line in enumerate(records.decode("utf-8", "replace").splitlines(), 1):
        try:
            pages.append({"text": str(json.loads(line)["text"])})
        except (ValueError, RecursionError, LookupError, TypeError):
            raise ValueError(f"{stack}/{RECORDS} line {number} is no JSON object with a text") from None
    if not pages:
        raise ValueError(f"{stack}/{RECORDS} holds no pages")
    request = json.dumps({"stacks": [{"pages": pages, "bitmap": bitmap}]}).encode()
    if len(request) > most:
        raise ValueError(
            f"stack {stack} makes a request of {len(request):,} bytes, and inference.max_payload_mb allows {most:,}: "
            "set that higher (100 at most), or scan smaller stacks"
        )
    return request
