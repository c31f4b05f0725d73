"""Generates sample mortgage files, scanned in stacks: `python documents.py --out DIR|s3://... [--stacks N] [--seed S]`.

DIR may be an address such as s3://bucket/datasets/sample/; the files are then uploaded below it (boto3). Every class
comes as often as any other, unless `--mix appraisal=5,pay-stub=0` says otherwise: five times as often, and not at all.

Each stack is a folder with two files:

    stack-0001/pages.tif     one grey image per page, in the order in which they were scanned
    stack-0001/pages.jsonl   one object per page: page (from 1), text (as OCR read it), label (class of the document),
                             document (from 1 within the stack), document_page (from 1 within the document)

The same seed gives the same bytes; stack N is the same however many stacks are made.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
from layouts import draw
from PIL import Image
from vocabulary import CLASSES, COMMON, KINDS, Kind

DEFAULT_STACKS = 100
DEFAULT_SEED = 1
UPLOADS_AT_ONCE = 8

Random = np.random.Generator
Mix = Mapping[str, float]  # how often a class comes, beside the 1 of those that are not named
ALIKE: Mix = MappingProxyType({})

# What OCR mistakes for what.
MISREAD = {
    "a": "o", "b": "h", "c": "e", "d": "cl", "e": "c", "f": "t", "g": "q", "h": "b", "i": "l", "l": "1", "m": "rn",
    "n": "ri", "o": "0", "q": "g", "r": "n", "s": "5", "t": "f", "u": "v", "v": "u", "w": "vv", "z": "2",
}  # fmt: skip


@dataclass(frozen=True)
class PageRecord:
    """One line of pages.jsonl."""

    page: int
    text: str
    label: str
    document: int
    document_page: int


@dataclass(frozen=True)
class Scan:
    """One scanned page: what OCR made of it, and its bitmap (uint8, height x width)."""

    record: PageRecord
    bitmap: np.ndarray


def documents_of_stack(random: Random, mix: Mix) -> Iterator[tuple[Kind, int]]:
    """The documents of one loan file: their class and number of pages. A class may come twice in a row."""
    shares = np.array([mix.get(kind.label, 1.0) for kind in KINDS])
    for _ in range(int(random.integers(4, 9))):
        kind = KINDS[int(random.choice(len(KINDS), p=shares / shares.sum()) if mix else random.integers(len(KINDS)))]
        weights = np.array(kind.page_weights, dtype=float)
        yield kind, 1 + int(random.choice(len(weights), p=weights / weights.sum()))


def words_of_page(kind: Kind, document_page: int, random: Random) -> list[str]:
    """A page's words as printed. First pages name their class; later ones say little of their own, and borrow."""
    first = document_page == 1
    own = (0.16 if first else 0.10) * random.random()
    borrowed = 0.02
    words = []
    if first and random.random() < 0.8:
        words += kind.titles[int(random.integers(len(kind.titles)))].split()
    for _ in range(int(random.integers(60, 100))):
        lot = random.random()
        if lot < own:
            source: tuple[str, ...] = kind.terms
        elif lot < own + borrowed:
            source = KINDS[int(random.integers(len(KINDS)))].terms
        else:
            source = COMMON
        words.append(source[int(random.integers(len(source)))] if lot < 0.93 else _figure(random))
    return words


def _figure(random: Random) -> str:
    """A date, an amount or an account number."""
    shape = int(random.integers(3))
    if shape == 0:
        return f"{random.integers(1, 13)}/{random.integers(1, 29)}/{random.integers(2005, 2020)}"
    if shape == 1:
        return f"${random.integers(1, 900)},{random.integers(0, 1000):03d}.{random.integers(0, 100):02d}"
    return f"{random.integers(10_000, 10_000_000)}"


def misread(word: str, rate: float, random: Random) -> str:
    """The word as a bad scan reads it: each letter wrong with probability `rate`."""
    wrong = random.random(len(word)) < rate
    return "".join(MISREAD.get(letter, letter) if bad else letter for letter, bad in zip(word, wrong, strict=True))


def text_of_page(kind: Kind, document_page: int, random: Random) -> str:
    """OCR text of a page: lines of 8 words; between 2 and 15 letters in a hundred misread."""
    rate = float(random.choice((0.02, 0.06, 0.15)))
    words = [misread(word, rate, random) for word in words_of_page(kind, document_page, random)]
    return "\n".join(" ".join(words[start : start + 8]) for start in range(0, len(words), 8))


def make_stack(seed: int, number: int, mix: Mix = ALIKE) -> list[Scan]:
    """The pages of stack `number`, in the order in which they were scanned."""
    random = np.random.default_rng([seed, number])
    scans: list[Scan] = []
    for document, (kind, pages) in enumerate(documents_of_stack(random, mix), start=1):
        for document_page in range(1, pages + 1):
            text = text_of_page(kind, document_page, random)
            record = PageRecord(len(scans) + 1, text, kind.label, document, document_page)
            scans.append(Scan(record, draw(kind.label, document_page, random)))
    return scans


def write_stack(folder: Path, scans: list[Scan]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(scan.record), sort_keys=True) + "\n" for scan in scans]
    (folder / "pages.jsonl").write_text("".join(lines), encoding="utf-8")
    images = [Image.fromarray(scan.bitmap) for scan in scans]
    images[0].save(folder / "pages.tif", save_all=True, append_images=images[1:], compression="tiff_deflate")


def generate(out: Path, stacks: int = DEFAULT_STACKS, seed: int = DEFAULT_SEED, mix: Mix = ALIKE) -> int:
    """Writes `stacks` stacks below `out`; returns the number of pages."""
    pages = 0
    for number in range(1, stacks + 1):
        scans = make_stack(seed, number, mix)
        write_stack(out / f"stack-{number:04d}", scans)
        pages += len(scans)
    return pages


def upload(folder: Path, address: str) -> None:
    """Puts every file below `folder` below `address` (s3://bucket/prefix)."""
    import boto3  # only here: writing to a directory needs no AWS

    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    s3 = boto3.client("s3")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        uploads = [
            pool.submit(s3.upload_file, str(path), bucket, prefix + path.relative_to(folder).as_posix())
            for path in files
        ]
        for done in uploads:
            done.result()


def read_mix(text: str) -> Mix:
    """`appraisal=5,pay-stub=0`. Raises ArgumentTypeError for an unknown class, a wrong share, and no class left."""
    mix = {}
    for part in text.split(","):
        label, _, share = part.partition("=")
        if label not in CLASSES:
            raise argparse.ArgumentTypeError(f"{label!r} is no class; classes: {', '.join(CLASSES)}")
        try:
            mix[label] = float(share)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is not CLASS=NUMBER") from None
        if not 0 <= mix[label] < math.inf:
            raise argparse.ArgumentTypeError(f"{part!r}: the number must be 0 or more")
    if not any(mix.get(label, 1.0) for label in CLASSES):
        raise argparse.ArgumentTypeError("no class would be left")
    return mix


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate sample mortgage files.")
    parser.add_argument("--out", required=True, help="directory, or s3:// address, to write the stacks to")
    parser.add_argument("--stacks", type=int, default=DEFAULT_STACKS, help="number of stacks (default %(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="same seed, same bytes (default %(default)s)")
    parser.add_argument("--mix", type=read_mix, default=ALIKE, help="how often: appraisal=5,pay-stub=0")
    arguments = parser.parse_args()
    if not 1 <= arguments.stacks <= 9999:
        parser.error("--stacks must be between 1 and 9999")
    if arguments.seed < 0:
        parser.error("--seed must not be negative")
    if arguments.out.startswith("s3://"):
        with TemporaryDirectory(prefix="documents-") as folder:
            pages = generate(Path(folder), arguments.stacks, arguments.seed, arguments.mix)
            upload(Path(folder), arguments.out)
    else:
        pages = generate(Path(arguments.out), arguments.stacks, arguments.seed, arguments.mix)
    print(f"{arguments.stacks} stacks, {pages} pages in {arguments.out}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
