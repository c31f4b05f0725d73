"""The sample documents: the same bytes for the same seed, small, and as the data set's rules have them."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import documents
import pytest
from documents import generate, make_stack, misread
from layouts import FIRST_PAGES, HEIGHT, LATER_SHARES, WIDTH
from PIL import Image
from vocabulary import CLASSES, KINDS


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    pages = generate(tmp_path / "a", stacks=4, seed=7)
    script = [sys.executable, documents.__file__, "--out", str(tmp_path / "b"), "--stacks", "5", "--seed", "7"]
    subprocess.run(script, check=True, capture_output=True)
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert len(first) == 8
    assert first.items() <= second.items(), "a stack does not depend on how many are made"
    generate(tmp_path / "c", stacks=4, seed=8)
    assert not set(first.values()) & set(contents(tmp_path / "c").values())
    assert pages == sum(1 for path in (tmp_path / "a").rglob("*.jsonl") for _ in path.open())


def test_the_default_data_set_is_small(tmp_path: Path) -> None:
    generate(tmp_path, stacks=3)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    assert 2 * documents.DEFAULT_STACKS <= 400
    assert sum(sizes) / 3 * documents.DEFAULT_STACKS < 15e6


def test_records_and_bitmaps_go_together(tmp_path: Path) -> None:
    generate(tmp_path, stacks=2)
    for folder in tmp_path.iterdir():
        records = [json.loads(line) for line in (folder / "pages.jsonl").read_text().splitlines()]
        assert [record["page"] for record in records] == list(range(1, len(records) + 1))
        with Image.open(folder / "pages.tif") as scan:
            assert (scan.n_frames, scan.size, scan.mode) == (len(records), (WIDTH, HEIGHT), "L")


def test_documents_have_one_to_six_pages_in_order() -> None:
    labels = set()
    for number in range(1, 13):
        records = [scan.record for scan in make_stack(1, number)]
        pages = Counter(record.document for record in records)
        assert 4 <= len(pages) <= 8
        assert set(pages.values()) <= set(range(1, 7))
        for document, count in pages.items():
            own = [record for record in records if record.document == document]
            assert [record.document_page for record in own] == list(range(1, count + 1))
            assert len({record.label for record in own}) == 1
        labels |= {record.label for record in records}
    assert labels == set(CLASSES)


def test_a_shifted_mix_of_classes() -> None:
    mix = documents.read_mix("appraisal=6,pay-stub=0")
    begins = [
        scan.record.label
        for number in range(1, 31)
        for scan in make_stack(1, number, mix)
        if scan.record.document_page == 1
    ]
    counted = Counter(begins)
    assert set(counted) == set(CLASSES) - {"pay-stub"}
    assert 0.4 < counted["appraisal"] / len(begins) < 0.6  # 6 of 12


@pytest.mark.parametrize(
    ("mix", "why"),
    [
        ("appraisals=2", "'appraisals' is no class; classes: appraisal, bank-statement, "),
        ("appraisal", "'appraisal' is not CLASS=NUMBER"),
        ("appraisal=much", "'appraisal=much' is not CLASS=NUMBER"),
        ("appraisal=-1", "'appraisal=-1': the number must be 0 or more"),
        ("appraisal=inf", "'appraisal=inf': the number must be 0 or more"),
        ("appraisal=nan", "'appraisal=nan': the number must be 0 or more"),
        (",".join(f"{label}=0" for label in CLASSES), "no class would be left"),
    ],
)
def test_a_mix_that_is_none(mix: str, why: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        documents.read_mix(mix)
    assert str(refused.value).startswith(why)


def test_every_class_has_its_words_and_its_looks() -> None:
    assert set(FIRST_PAGES) == set(LATER_SHARES) == set(CLASSES)
    for kind in KINDS:
        assert len(kind.terms) >= 20
        assert sum(LATER_SHARES[kind.label]) == pytest.approx(1)


def test_misreading() -> None:
    random = documents.np.random.default_rng(1)
    assert misread("mortgage", 0.0, random) == "mortgage"
    assert misread("wind", 1.0, random) == "vvlricl"
