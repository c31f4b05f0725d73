"""`opsctl drill --model` of machines that are deployed: their definitions are read from AWS, not from files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from opsctl.cli.root import root
from tests.functional.sandbox.cloud import Cloud

ROOT = Path(__file__).parents[3]


def drill(cloud: Cloud, home: Path, *words: str) -> Result:
    """In an empty directory: no Terraform, no configuration."""
    environment = {"OPSCTL_SANDBOX_DIR": str(cloud.directory), "OPSCTL_CONTEXT": "sandbox", "HOME": str(home)}
    return CliRunner().invoke(root, ["drill", "--model", *words], env=environment, catch_exceptions=False)


def test_a_deployed_machine_holds_until_it_is_broken(cloud: Cloud, tmp_path: Path) -> None:
    definition: dict[str, Any] = json.loads((ROOT / "tests/golden/inference.asl.json").read_text())
    cases = str(ROOT / "definitions/inference.test.yaml")
    arn = cloud.machine(definition["States"], StartAt=definition["StartAt"])
    result = drill(cloud, tmp_path, "--machine", arn, "--cases", cases)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"{arn.rpartition(':')[2]}: nothing refuted")
    assert re.search(r"cases: [1-9]\d* walked, 0 refuted", result.stdout)

    del definition["States"]["Score Documents"]["Catch"]
    broken = {"StartAt": definition["StartAt"], "States": definition["States"]}
    cloud.client("stepfunctions").update_state_machine(stateMachineArn=arn, definition=json.dumps(broken))
    result = drill(cloud, tmp_path, "--machine", arn, "-o", "json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["result"]) == (1, "REFUTED")
    assert "nothing catches a failure of Score Documents" in str(found["machines"][0]["refutations"])


def test_what_is_not_deployed_cannot_be_drilled(cloud: Cloud, tmp_path: Path) -> None:
    arn = cloud.machine({"Only": {"Type": "Succeed"}})
    result = drill(cloud, tmp_path, "--machine", f"{arn}-nobody")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no state machine" in result.stderr
