"""The measures of evaluate.py, on readings small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from evaluate import Reading, boundary_accuracy, confusion, document_accuracy, page_accuracy, read_by_class

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
