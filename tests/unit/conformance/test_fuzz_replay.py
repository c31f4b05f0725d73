"""Whatever our interpreter writes, replaying it with other names, numbers and times comes to the same events."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings

from conformance.comparison import compare
from conformance.corpus import Recording
from conformance.replay import replay
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from tests.unit.asl.test_fuzz_histories import MACHINES
from tests.unit.asl.test_properties import SCRIPTS, outcome
from tests.unit.asl.walking import CONTEXT, asked


def walked(definition: dict[str, Any], script: list[int]) -> Execution:
    """An execution whose clock never stands still, its timers fired in time, answered as the script says."""
    execution = Execution(parse(definition), '{"items":[1,2,3]}', CONTEXT, Random(1))
    execution.start(0.0)
    now, open_tasks = 0.0, asked(execution)
    for choice in [*script, *[5] * 40]:
        now += 0.5
        while (due := execution.next_timer()) is not None and due <= now:
            execution.tick(due)
            open_tasks += asked(execution)
        if choice == 12 and execution.redrive_refusal(now) is None:
            execution.redrive(now)
        elif open_tasks:
            execution.resolve(open_tasks.pop(choice % len(open_tasks)).task, outcome(choice), now)
        open_tasks += asked(execution)
    return execution


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MACHINES, SCRIPTS)
def test_our_own_histories_replay(definition: dict[str, Any], script: list[int]) -> None:
    # Delays that are drawn would put siblings into another order.
    definition = json.loads(json.dumps(definition).replace('"FULL"', '"NONE"'))
    execution = walked(definition, script)
    events = [{**event, "timestamp": _iso(event["timestamp"])} for event in copy.deepcopy(execution.events)]
    recording = Recording("", definition, None, execution.status, tuple(events), frozenset(), None)
    ours = replay(recording, real_times=True)
    shown = ours.events[: len(events)] if execution.status == "RUNNING" else ours.events
    assert compare(events, shown, ours.drawn).difference is None


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(1.7e9 + moment, UTC).isoformat()
