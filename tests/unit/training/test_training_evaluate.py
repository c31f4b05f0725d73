"""The measures of evaluate.py, on readings small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluate import (
    Reading,
    boundary_accuracy,
    confusion,
    document_accuracy,
    held_out_digest,
    log_loss,
    page_accuracy,
    read_by_class,
)
from stacks import DataSet

STACK = np.array([0, 0, 0, 0, 1, 1])
TRUTH = Reading(np.array([0, 0, 1, 1, 1, 2]), np.array([1, 0, 1, 0, 1, 1], dtype=bool))


def reading(label: list[int], first: list[int]) -> Reading:
    return Reading(np.array(label), np.array(first, dtype=bool))


def test_a_perfect_reading() -> None:
    assert page_accuracy(TRUTH, TRUTH) == boundary_accuracy(TRUTH, TRUTH, STACK) == document_accuracy(TRUTH, TRUTH) == 1


def test_a_document_is_found_whole_or_not_at_all() -> None:
    one_page_wrong = reading([0, 0, 1, 0, 1, 2], [1, 0, 1, 0, 1, 1])
    assert page_accuracy(one_page_wrong, TRUTH) == pytest.approx(5 / 6)
    assert document_accuracy(one_page_wrong, TRUTH) == pytest.approx(3 / 4)
    late = reading([0, 0, 1, 1, 1, 2], [1, 0, 0, 1, 1, 1])
    assert boundary_accuracy(late, TRUTH, STACK) == pytest.approx(2 / 4)
    assert document_accuracy(late, TRUTH) == pytest.approx(2 / 4), "neither the document nor the one before it"


def test_boundaries_by_change_of_class() -> None:
    probability = np.eye(3)[[0, 0, 1, 1, 1, 2]]
    found = read_by_class(probability, STACK)
    assert found.label.tolist() == TRUTH.label.tolist()
    assert found.first.tolist() == [True, False, True, False, True, True], "a new stack begins a document too"


def test_confusion_counts_pages() -> None:
    assert confusion(reading([0, 1, 1, 1, 1, 0], [1] * 6), TRUTH, 3) == [[1, 1, 0], [0, 3, 0], [1, 0, 0]]


def test_log_loss_is_the_mean_of_what_was_missing_to_certainty() -> None:
    sure = np.log(np.array([[0.5, 0.5, 0.0001]] * 5 + [[0.25, 0.25, 0.5]]))
    assert log_loss(sure, TRUTH) == pytest.approx(np.log(2))


def test_the_held_out_set_is_known_by_what_its_files_hold(tmp_path: Path) -> None:
    data = replace(
        DataSet.of_pages(["a", "b", "c"], [1, 1, 1], ("deed",)), root=tmp_path, splits=("train", "held_out", "held_out")
    )
    for name in data.stacks:
        (tmp_path / name).mkdir()
        (tmp_path / name / "pages.tif").write_text(f"bitmap {name}")
    whole = held_out_digest(data)
    (tmp_path / "1" / "pages.tif").write_text("what is trained on may change")
    assert held_out_digest(data) == whole
    (tmp_path / "2" / "pages.tif").write_text("bitmap 3")
    changed = held_out_digest(data)
    (tmp_path / "2" / "pages.tif").rename(tmp_path / "2" / "other.tif")
    assert len({whole, changed, held_out_digest(data)}) == 3
