"""What a Terraform plan calls silent is what lint calls green: the same rule, written twice."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from opsctl.domain.lint.failures import green_failures
from opsctl.domain.lint.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
PROBLEMS = (ROOT / "tests/golden/bad-definitions.txt").read_text().splitlines()
SILENT = re.compile(
    r'([\w-]+\.asl\.json), state "([^"]+)": its failure is silent: (?:it is caught|the Catch keeps no trace)'
)


@pytest.mark.parametrize("name", ["caught", "silent-nested", "silent-top", "silent-trace", "uncaught"])
def test_a_plan_and_lint_agree_on_the_failures_that_end_green(name: str) -> None:
    definition = json.loads((ROOT / f"tests/terraform/definitions/bad/{name}.asl.json").read_text())
    if name == "caught":  # its other mistake, which lint is not shown: a Next that leads nowhere
        definition["States"]["Train"]["Next"] = "Broken"
    found = {
        re.findall(r"/States/([^/]+)/Catch", remark.location)[-1] for remark in green_failures(Machine(definition))
    }
    told = [match for problem in PROBLEMS if (match := SILENT.search(problem))]
    assert found == {match[2] for match in told if match[1] == f"{name}.asl.json"}
