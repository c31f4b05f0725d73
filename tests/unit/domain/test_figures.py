"""Figures out of metrics.json, of jobs that write well and of jobs that do not."""

from __future__ import annotations

import json

from opsctl.domain.figures import MOST_POINTS, Curve, Matrix, Shares, curves, matrices, shares

HALF_WRITTEN = json.loads("""{"history": [
    {"epoch": 1, "loss": 2.0, "note": "x"}, {"epoch": 2, "loss": NaN}, 7, {"loss": 1.0}, {"epoch": 4, "loss": Infinity},
    {"epoch": 5, "loss": true, "accuracy": 0.5}]}""")


def test_every_figure_by_epoch_is_a_curve_without_what_is_no_number() -> None:
    assert curves({"train": HALF_WRITTEN}) == [
        Curve("train", "loss", ((1.0, 2.0), (3.0, 1.0))), Curve("train", "accuracy", ((5.0, 0.5),)),
    ]  # fmt: skip


def test_other_shapes_have_no_figures() -> None:
    odd = {"a": {"history": {"epoch": 1}}, "b": {"history": None, "page_accuracy": 3, "confusion": [1]}, "c": {}}
    assert (curves(odd), shares(odd), matrices(odd)) == ([], [], [])
    confusion = {"classes": ["x", "y"], "short": [[1, 2]], "real": [[1.5, 2], [3, 4]], "less": [[-1, 0], [0, 0]]}
    assert matrices({"evaluate": {"confusion": confusion}}) == []
    assert matrices({"evaluate": {"confusion": {"classes": [], "none": []}}}) == []


def test_long_curves_are_thinned_out_and_keep_their_end() -> None:
    rows = [{"epoch": number, "loss": float(number)} for number in range(1, 10 * MOST_POINTS + 4)]
    (curve,) = curves({"train": {"history": rows}})
    assert len(curve.points) <= MOST_POINTS + 1
    assert (curve.points[0], curve.points[-1]) == ((1.0, 1.0), (10.0 * MOST_POINTS + 3, 10.0 * MOST_POINTS + 3))


def test_models_and_matrices_in_the_order_of_their_weight() -> None:
    told = {
        "page_accuracy": {"champion": 0.8, "sequence": 0.9, "text": 0.6, "average": 0.7},
        "log_loss": {"sequence": 0.3, "text": "none", "average": 10**400},
        "confusion": {"classes": ["x", 7], "text": [[1, 0], [0, 1]], "sequence": [[2, 0], [0, 2]]},
    }
    assert shares({"evaluate": told}) == [
        Shares("evaluate", ("page_accuracy", "log_loss"), (
            ("text", (0.6, None)), ("average", (0.7, None)), ("sequence", (0.9, 0.3)), ("champion", (0.8, None)))),
    ]  # fmt: skip
    assert matrices({"evaluate": told}) == [
        Matrix("evaluate", "sequence", ("x", "7"), ((2, 0), (0, 2))),
        Matrix("evaluate", "text", ("x", "7"), ((1, 0), (0, 1))),
    ]
