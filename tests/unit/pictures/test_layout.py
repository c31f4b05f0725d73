"""Where the states of a picture stand: below each other, beside each other, never over each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from opsctl.domain.picture import CATCH, lane_of
from opsctl.pictures.layout import PlacedLane, laid_out
from tests.unit.pictures.machines import SMALL, caught, long_machine, task

ROOT = Path(__file__).resolve().parents[3]
TRAINING = json.loads((ROOT / "tests/golden/training.asl.json").read_text())
LOOP = {
    "StartAt": "Try",
    "States": {
        "Try": task(Next="Well?"),
        "Well?": {"Type": "Choice", "Choices": [{"Variable": "$.ok", "BooleanEquals": True, "Next": "Done"}],
                  "Default": "Again"},
        "Again": {"Type": "Wait", "Seconds": 5, "Next": "Try"},
        "Done": {"Type": "Succeed"},
        "Alone": {"Type": "Pass", "End": True},
    },
}  # fmt: skip
TANGLE: dict[str, Any] = {"StartAt": "C0", "States": {
    f"C{number}": {"Type": "Choice", "Default": f"C{(number + 1) % 75}", "Choices": [
        {"Variable": "$.n", "NumericEquals": other, "Next": f"C{(number * 7 + other * 11) % 75}"} for other in range(4)
    ]} for number in range(75)
}}  # fmt: skip
NESTED = {"StartAt": "Out", "States": {"Out": {"Type": "Map", "End": True, "ItemProcessor": {
    "StartAt": "In", "States": {"In": {"Type": "Parallel", "Branches": [SMALL, LOOP], "End": True}}}}}}  # fmt: skip
MACHINES = {
    "small": SMALL,
    "training": TRAINING,
    "long": long_machine(),
    "loop": LOOP,
    "nested": NESTED,
    "tangle": TANGLE,
}


def lanes(lane: PlacedLane) -> Iterator[PlacedLane]:
    yield lane
    for node in lane.nodes:
        for inner in node.lanes:
            yield from lanes(inner)


def boxes(lane: PlacedLane) -> list[tuple[float, float, float, float]]:
    placed = [(node.x, node.y, node.width, node.height) for node in lane.nodes]
    return placed + [(pill.x, pill.y, pill.face.width, pill.face.height) for pill in lane.pills]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_nothing_lies_over_anything_else_and_all_lies_in_its_frame(machine: dict[str, Any]) -> None:
    for lane in lanes(laid_out(lane_of(machine))):
        for (x, y, wide, high), (a, b, c, d) in combinations(boxes(lane), 2):
            assert x + wide <= a + 0.5 or a + c <= x + 0.5 or y + high <= b + 0.5 or b + d <= y + 0.5
        for x, y, wide, high in boxes(lane):
            assert lane.x - 0.5 <= x <= x + wide <= lane.x + lane.width + 0.5
            assert lane.y - 0.5 <= y <= y + high <= lane.y + lane.height + 0.5
        for node in lane.nodes:
            for inner in node.lanes:
                assert node.x < inner.x <= inner.x + inner.width < node.x + node.width
                assert node.y < inner.y <= inner.y + inner.height < node.y + node.height


def test_branches_stand_side_by_side_and_states_below_each_other() -> None:
    placed = laid_out(lane_of(SMALL))
    both = next(node for node in placed.nodes if node.node.name == "Both")
    left, right = both.lanes
    assert left.x + left.width < right.x
    assert left.y == right.y
    y = {node.node.name: node.y for node in placed.nodes}
    assert y["Skip Fetch?"] < y["Fetch"] < y["Both"] < y["Tell"]
    assert right.nodes[0].y < right.nodes[1].y


def test_many_failures_that_lead_to_one_state_share_a_rail_beside_all_states() -> None:
    lane = laid_out(lane_of(long_machine()))
    rails = [path for path in lane.paths if path.edge.kind == CATCH]
    assert len(rails) == 30
    assert len([path for path in rails if path.arrow]) == 1
    right = max(node.x + node.width for node in lane.nodes)
    (rail,) = {max(x for x, _ in path.points) for path in rails}
    assert rail > right
    nodes = {node.node.name: node for node in lane.nodes}
    for path in rails:
        source = nodes[path.edge.source]
        assert source.x < path.points[0][0] < source.x + source.width
        assert path.points[0][1] == source.bottom
    (last,) = [path for path in rails if path.arrow]
    assert last.points[-1][1] == nodes["Describe Failure"].y


def test_a_single_failure_has_a_way_of_its_own() -> None:
    machine = {"StartAt": "A", "States": {"A": task(End=True, **caught("B")), "B": {"Type": "Fail"}}}
    (way,) = laid_out(lane_of(machine)).paths
    assert (way.curve, way.arrow) == (True, True)


def test_a_picture_is_the_same_every_time() -> None:
    assert laid_out(lane_of(long_machine())) == laid_out(lane_of(long_machine()))


@pytest.mark.parametrize("machine", [{}, {"States": {}}, {"States": 7}, {"StartAt": "A", "States": {"A": 1}}, None])
def test_what_has_no_states_is_an_empty_picture(machine: Any) -> None:
    assert laid_out(lane_of(machine)).nodes == ()
