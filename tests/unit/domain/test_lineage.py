"""Which rerun a run is by its name, and the tree of a lineage."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from opsctl.domain.lineage import Descendant, Kin, Numbered, family, numbered
from opsctl.domain.names import rerun_name
from opsctl.domain.runs import Run

LONG = "4b1c0f9a-7d7e-4b51-8a3e-6a4e2f6c8d10_0f5b1c0f9a-7d7e-4b51-8a3e"


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("nightly-7-r2", {"nightly-7"}, Numbered("nightly-7", 2)),
        ("nightly-7-r2", {"nightly-8"}, None),
        ("model-r2", set(), None),
        ("nightly-7-r02", {"nightly-7"}, None),
        ("nightly-7-r2-r1", {"nightly-7-r2", "nightly-7"}, Numbered("nightly-7-r2", 1)),
        ("run-261121-213045-7f-r12", set(), Numbered("run-261121-213045-7f", 12)),
        (rerun_name(LONG, 3), {"nightly-7", LONG}, Numbered(LONG, 3)),
        (rerun_name(LONG, 30), {LONG}, Numbered(LONG, 30)),
        (rerun_name(LONG, 3), {"nightly-7"}, None),
        ("-r1", {""}, None),
    ],
)
def test_a_rerun_by_its_name(name: str, known: set[str], found: Numbered | None) -> None:
    assert numbered(name, known) == found


def kin(name: str, of: Any = None, started: float = 0.0) -> Kin:
    document = {"rerun": {"of": of, "root": "root", "from": ["Train"]}} if of else {}
    return Kin(name, Run(name, f"arn:{name}", "arn", "FAILED", started, input=json.dumps(document)))


def shape(node: Descendant) -> list[Any]:
    return [node.kin.name, *map(shape, node.reruns)]


def test_reruns_hang_at_what_they_repeat_in_the_order_of_their_start() -> None:
    kins = [kin("c", "a", 3.0), kin("b", "a", 2.0), kin("a", "root", 1.0), kin("d", "lost", 0.5), kin("root")]
    assert shape(family("root", kins, linked=True)) == ["root", ["d"], ["a", ["b"], ["c"]]]


def test_circles_hang_at_the_root() -> None:
    kins = [kin("a", "b"), kin("b", "c"), kin("c", "a"), kin("d", "a"), kin("e", "e")]
    assert sorted(map(str, shape(family("root", kins, linked=True))[1:])) == ["['a', ['d']]", "['b']", "['c']", "['e']"]


def test_a_lineage_may_be_deeper_than_the_stack() -> None:
    names = ["root", *(f"root-r{number}" for number in range(1, 2000))]
    node, depth = family("root", [kin(two, one) for one, two in pairwise(names)], linked=True), 0
    while node.reruns:
        (node,), depth = node.reruns, depth + 1
    assert depth == 1999


def test_what_is_ours_in_the_input_is_no_difference() -> None:
    before = Kin("root", claim={"input": {"data": {"source": "a"}}})
    after = Kin(
        "root-r1", claim={"input": {"data": {"source": "b"}, "skip": {"x": True}}, "of": "root", "root": "root"}
    )
    for linked, paths in ((True, ["data.source"]), (False, ["data.source", "skip.x"])):
        (rerun,) = family("root", [before, after], linked=linked).reruns
        assert [change.path for change in rerun.changes or ()] == paths


def test_a_claim_tells_what_a_forgotten_run_was() -> None:
    steps = [
        {"step": "fetch", "action": "REUSE", "made_by": "root"}, {"step": "train", "action": "RUN", "made_by": None}, 7,
    ]  # fmt: skip
    found = Kin("root-r1", claim={"of": "root", "root": "root", "steps": steps})
    assert (found.of, found.root, found.reused, found.document) == ("root", "root", {"fetch": "root"}, None)
    odd = Kin("x", claim={"of": 7, "root": "", "steps": "no"})
    assert (odd.of, odd.root, odd.reused, odd.steps) == (None, None, {}, ())
