"""A history read while it is written says at each moment what it says when read at once."""

from __future__ import annotations

from random import Random

import pytest

from opsctl.asl.effects import Failed, Succeeded
from opsctl.asl.history import GrowingHistory, read_history
from tests.unit.asl.walking import INVOKE, asked, begin, machine_of

WORK = {"Type": "Task", "Resource": INVOKE, "Retry": [{"ErrorEquals": ["Again"], "MaxAttempts": 1}]}
CAUGHT = {**WORK, "Catch": [{"ErrorEquals": ["Caught"], "Next": "After"}], "Next": "After"}
STATES = {
    "Both": {
        "Type": "Parallel",
        "Branches": [
            machine_of({"Text": CAUGHT, "After": {"Type": "Pass"}}),
            machine_of(
                {"Each": {"Type": "Map", "ItemProcessor": machine_of({"Item": WORK}), "Next": "Image"}, "Image": WORK}
            ),
        ],
        "Next": "Last",
    },
    "Last": WORK,
}


@pytest.mark.parametrize("seed", range(12))
def test_at_each_event_it_is_what_the_events_so_far_say(seed: int) -> None:
    random, definition = Random(seed), machine_of(STATES)
    execution = begin(STATES, text="[1, 2, 3]")
    answers = [Succeeded("1"), Succeeded("[1]"), Failed("Again"), Failed("Caught"), Failed("Broken")]
    for now in range(200):
        for task in asked(execution):
            execution.resolve(task.task, random.choice(answers), float(now))
        if (due := execution.next_timer()) is not None:
            execution.tick(max(due, float(now)))
        if execution.status == "FAILED" and random.random() < 0.3:
            execution.redrive(float(now))
    growing, events = GrowingHistory(definition), execution.events
    assert len(events) > 20
    for number, event in enumerate(events):
        growing.add([event])
        assert growing.result() == read_history(events[: number + 1], definition)
