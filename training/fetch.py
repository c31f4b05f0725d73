"""The Batch job `Fetch Preprocessed Data`: gives a run its own, checked copy of a data set. Standard library and boto3.

    DATA_INPUT_PATH   where the data set lies: <stack>/pages.tif and <stack>/pages.jsonl for each stack
    OUTPUT_PATH       where the run's copy goes

Both are s3:// prefixes (objects are copied by S3 itself, never through this job), or both are local directories.
The copy ends with `manifest.json`, written last and made from the copy: where it stands, every object has been listed
and has the size of its source, and every record has been read. Running again gives the same copy. An object that is
neither of this data set nor manifest.json is an error, because a later step would train on it.

manifest.json: {"version": 1, "fingerprint": <sha256 of the stacks below>, "classes": [<label>, ...],
"stacks": [{"name", "split": "train"|"validation"|"held_out", "pages", "documents", "sizes": {<file>: <bytes>},
"records_sha256"}, ...]}. It names no place and no time, so equal data gives equal manifests.

The split is by whole stack, and a stack's place depends on its name alone: as a data set grows, a stack that was held
out stays held out (but for data sets so small that a split would be empty).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # local directories need no boto3
    AWS_ERRORS: tuple[type[Exception], ...] = ()
else:
    AWS_ERRORS = (BotoCoreError, ClientError)

BITMAPS, RECORDS = "pages.tif", "pages.jsonl"
MANIFEST = "manifest.json"
HELD_OUT_SHARE, VALIDATION_SHARE = 0.2, 0.1
COPIES_IN_FLIGHT = 16
LARGEST_SINGLE_COPY = 5 * 1024**3  # S3's limit for one CopyObject


class FetchError(Exception):
    """What is wrong with the data set or its copy, in one line."""


@dataclass(frozen=True)
class Stack:
    """One scanned stack of the data set, as the manifest lists it."""

    name: str
    split: str
    pages: int
    documents: int
    sizes: dict[str, int]
    records_sha256: str


class Folder(Protocol):
    """A place that holds objects by their path below it."""

    def sizes(self) -> dict[str, int]:
        """Bytes of each object, by path."""

    def read(self, path: str) -> bytes: ...

    def write(self, path: str, content: bytes) -> None: ...

    def copy_to(self, target: Any, path: str, size: int) -> None:
        """Copies an object to the same path below another folder of the same kind."""


@dataclass(frozen=True)
class LocalFolder:
    root: Path

    def sizes(self) -> dict[str, int]:
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in files}

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def copy_to(self, target: LocalFolder, path: str, size: int) -> None:  # noqa: ARG002 - Folder's signature
        (target.root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / path, target.root / path)


@dataclass(frozen=True)
class S3Folder:
    client: Any
    bucket: str
    prefix: str  # "" or ends with /

    def sizes(self) -> dict[str, int]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        objects = (item for page in pages for item in page.get("Contents", ()))
        found = {item["Key"].removeprefix(self.prefix): item["Size"] for item in objects}
        consoles_markers = {path for path in found if not path or path.endswith("/")}
        return {path: size for path, size in found.items() if path not in consoles_markers}

    def read(self, path: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=self.prefix + path)["Body"].read()

    def write(self, path: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + path, Body=content)

    def copy_to(self, target: S3Folder, path: str, size: int) -> None:
        source = {"Bucket": self.bucket, "Key": self.prefix + path}
        copy = self.client.copy_object if size <= LARGEST_SINGLE_COPY else self.client.copy
        copy(CopySource=source, Bucket=target.bucket, Key=target.prefix + path)


def fetch(source: Folder, target: Folder) -> dict[str, object]:
    """Copies the data set, verifies the copy, checks its records and writes its manifest, which is returned."""
    sizes = source.sizes()
    names = stack_names(sizes)
    check_target(target.sizes(), names)
    wanted = {path: sizes[path] for path in sorted(paths_of(names))}
    in_parallel(lambda path: source.copy_to(target, path, wanted[path]), wanted)
    verify(wanted, target.sizes())
    manifest = describe(read_stacks(target, names, wanted))
    target.write(MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
    return manifest


def stack_names(paths: Iterable[str]) -> list[str]:
    """The stacks of a data set, in order. Raises FetchError if there are too few, or one lacks a file of its pair."""
    folders: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name in (BITMAPS, RECORDS):
            if "/" in folder or not folder:
                raise FetchError(f"{path}: expected <stack>/{name}, directly below the data set")
            folders.setdefault(folder, set()).add(name)
    for folder, names in sorted(folders.items()):
        for missing in {BITMAPS, RECORDS} - names:
            raise FetchError(f"stack {folder} has no {missing}")
    if not folders:
        raise FetchError(f"no stacks found: expected <stack>/{BITMAPS} and <stack>/{RECORDS} below the data set")
    if len(folders) < 3:
        raise FetchError(f"{len(folders)} stacks are too few: training, validation and held-out data need one each")
    return sorted(folders)


def paths_of(names: Iterable[str]) -> frozenset[str]:
    return frozenset(f"{name}/{file}" for name in names for file in (BITMAPS, RECORDS))


def check_target(present: Iterable[str], names: Iterable[str]) -> None:
    foreign = sorted(set(present) - paths_of(names) - {MANIFEST})
    if foreign:
        raise FetchError(f"{len(foreign)} objects at OUTPUT_PATH belong to no stack, such as {foreign[0]}: empty it")


def read_stacks(source: Folder, names: list[str], sizes: Mapping[str, int]) -> list[tuple[Stack, set[str]]]:
    """Each stack with the labels on its pages, all records checked."""
    splits = split(names)

    def read(name: str) -> tuple[Stack, set[str]]:
        content = source.read(f"{name}/{RECORDS}")
        records = read_records(content, f"{name}/{RECORDS}")
        own = {file: sizes[f"{name}/{file}"] for file in (BITMAPS, RECORDS)}
        documents = len({record["document"] for record in records})
        stack = Stack(name, splits[name], len(records), documents, own, hashlib.sha256(content).hexdigest())
        if stack.sizes[BITMAPS] == 0:
            raise FetchError(f"{name}/{BITMAPS} is empty")
        return stack, {record["label"] for record in records}

    return in_parallel(read, names)


def read_records(content: bytes, path: str) -> list[dict[str, Any]]:
    """The page records of a stack. Raises FetchError, naming the line, for the first that is not well formed."""
    try:
        lines = content.decode("utf-8").removesuffix("\n").split("\n") if content else []
    except UnicodeDecodeError as error:
        raise FetchError(f"{path} is not UTF-8: {error}") from None
    records = [read_record(line, number, f"{path} line {number}") for number, line in enumerate(lines, start=1)]
    if not records:
        raise FetchError(f"{path} holds no pages")
    return records


def read_record(line: str, number: int, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise FetchError(f"{where} is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise FetchError(f"{where} is no JSON object")
    for key, kind in (("page", int), ("text", str), ("label", str), ("document", int), ("document_page", int)):
        if not isinstance(record.get(key), kind):
            raise FetchError(f"{where} has no {key} of type {kind.__name__}")
    if record["page"] != number:
        raise FetchError(f"{where} is page {record['page']}: pages must be numbered 1, 2, ... in the order of scanning")
    return record


def split(names: Iterable[str]) -> dict[str, str]:
    """train, validation or held_out for each stack, by the hash of its name; each split has at least one stack."""
    ordered = sorted(names, key=_place)
    held_out = max(1, sum(_place(name) < HELD_OUT_SHARE for name in ordered))
    held_out = min(held_out, len(ordered) - 2)
    validation = max(1, sum(_place(name) < HELD_OUT_SHARE + VALIDATION_SHARE for name in ordered) - held_out)
    validation = min(validation, len(ordered) - held_out - 1)
    kinds = ["held_out"] * held_out + ["validation"] * validation
    kinds += ["train"] * (len(ordered) - len(kinds))
    return dict(zip(ordered, kinds, strict=True))


def _place(name: str) -> float:
    """A number in [0, 1) that is a stack's own."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def verify(wanted: Mapping[str, int], copied: Mapping[str, int]) -> None:
    """Raises FetchError unless every wanted object is there with the size of its source."""
    wrong = [path for path, size in wanted.items() if copied.get(path) != size]
    if wrong:
        example = f"{wrong[0]} has {copied.get(wrong[0])} of {wanted[wrong[0]]} bytes"
        raise FetchError(f"{len(wrong)} objects were not copied whole: {example}")


def describe(stacks: list[tuple[Stack, set[str]]]) -> dict[str, object]:
    """The manifest of a checked data set."""
    rows = [asdict(stack) for stack, _ in stacks]
    classes = sorted(set().union(*(labels for _, labels in stacks)))
    fingerprint = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
    return {"version": 1, "fingerprint": fingerprint, "classes": classes, "stacks": rows}


def in_parallel(work: Callable[[str], Any], items: Iterable[str]) -> list[Any]:
    """The results of work on each item, in order, a bounded number at a time. The first error ends it."""
    pool = ThreadPoolExecutor(COPIES_IN_FLIGHT)
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(cancel_futures=True)


def folders(source: str, target: str) -> tuple[Folder, Folder]:
    """The two places that the environment names, both in S3 or both local."""
    if source.startswith("s3://") != target.startswith("s3://"):
        raise FetchError("DATA_INPUT_PATH and OUTPUT_PATH must both be s3:// prefixes, or both local directories")
    if not source.startswith("s3://"):
        if not Path(source).is_dir():
            raise FetchError(f"DATA_INPUT_PATH is no directory: {source}")
        return LocalFolder(Path(source)), LocalFolder(Path(target))
    import boto3  # only where S3 is meant: a person may try this script without it
    from botocore.config import Config

    config = Config(max_pool_connections=COPIES_IN_FLIGHT, retries={"mode": "standard", "max_attempts": 8})
    client = boto3.client("s3", config=config)
    return s3_folder(client, source), s3_folder(client, target)


def s3_folder(client: Any, uri: str) -> S3Folder:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise FetchError(f"no bucket in {uri!r}: expected s3://bucket/prefix/")
    prefix = prefix.rstrip("/")
    return S3Folder(client, bucket, f"{prefix}/" if prefix else "")


def main(environment: Mapping[str, str]) -> int:
    places = [environment.get(name, "") for name in ("DATA_INPUT_PATH", "OUTPUT_PATH")]
    try:
        if not all(places):
            raise FetchError("set DATA_INPUT_PATH and OUTPUT_PATH in the environment")
        source, target = folders(*places)
        manifest = fetch(source, target)
    except (FetchError, OSError, *AWS_ERRORS) as error:
        print(f"error: {error} (DATA_INPUT_PATH={places[0]}, OUTPUT_PATH={places[1]})", file=sys.stderr)
        return 1
    stacks: Any = manifest["stacks"]
    for kind in ("train", "validation", "held_out"):
        own = [stack for stack in stacks if stack["split"] == kind]
        print(f"{kind}: {len(own)} stacks, {sum(stack['pages'] for stack in own)} pages")
    print(f"copied {2 * len(stacks)} objects to {places[1]}, fingerprint {str(manifest['fingerprint'])[:12]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
