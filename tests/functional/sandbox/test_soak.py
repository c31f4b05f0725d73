"""The soak (`make soak`) in short: the same operations and invariants, for seconds instead of an hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl import sandbox
from tests.soak.accounts import account, settle
from tests.soak.operations import Operator
from tests.soak.world import PatientCloud, World

OPERATIONS = 40


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts processes and threads in /proc")
def test_nothing_is_lost_whatever_is_done_in_any_weather(place: Path) -> None:
    server = sandbox.up(place, state=place.with_name("state"))
    operator = Operator(World(PatientCloud(server, place)), seed=9, restarts=True)
    for _ in range(OPERATIONS):
        operator.act()
    operator.world.restart()
    settle(operator)
    rows = [line.split() for line in account(operator).splitlines()[2:]]
    assert [row[0] for row in rows] == ["EXPECTED", "runs", "objects", "alerts", "approvals"]
    assert int(rows[1][1]) > 0
