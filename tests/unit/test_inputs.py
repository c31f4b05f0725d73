"""What a machine's input may be, as far as the deployment knows the machine."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from opsctl.config import parse_deployment
from opsctl.operations.connection import Connection
from opsctl.operations.inputs import input_problems

DEPLOYMENT = parse_deployment(json.loads((Path(__file__).parents[1] / "golden/opsctl-output.json").read_text()))


@pytest.mark.parametrize(
    ("machine", "problems"),
    [("bulk", []), ("training", ["operation: unknown key; the nearest known key is rerun"])],
)
def test_only_a_machine_that_prepares_runs_has_an_input_that_is_known(machine: str, problems: list[str]) -> None:
    connection = cast(Connection, SimpleNamespace(machine=DEPLOYMENT.machine(machine)))
    assert input_problems(connection, {"operation": "delete"}) == problems
