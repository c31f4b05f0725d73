"""Every command that the README shows is run: here, or by the test that is named here."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsctl.cli.root import root
from tests.functional.pipeline_world import ROOT, Bench

README = (ROOT / "README.md").read_text()
COMMAND = re.compile(r"(?:make|opsctl|terraform|aws) [^#]*")

# What needs a sandbox, Terraform or files of one's own, with where it is run: a file, and the words that run it.
ELSEWHERE = {
    "opsctl sandbox down": ("tests/terraform/test_lifecycle.py", '"sandbox", "down"'),
    "terraform apply": ("tests/terraform/test_lifecycle.py", '"apply", "-auto-approve"'),
    "terraform init && terraform apply": ("tests/terraform/test_lifecycle.py", '"init"'),
    "terraform validate": ("tests/terraform/test_module.py", '"validate"'),
}
# In this order, after a run that failed at its last training.
HERE = (
    'opsctl rerun --from "Train Sequence Model"', "opsctl redrive", "opsctl start --wait", "opsctl cost",
    "opsctl cost --since 30d",
)  # fmt: skip
CONTEXT = (
    "opsctl context add production --outputs production.json --profile production --confirm",
    "opsctl context use production",
)


def commands() -> set[str]:
    """Those in blocks, and those in the text."""
    text = re.sub(r"^```.*?^```|^    .*?$", "", README, flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^    (\S.*)$", README, re.MULTILINE) + re.findall(r"`([^`]+)`", text)
    found = (COMMAND.fullmatch(" ".join(line.partition("#")[0].split())) for line in lines)
    return {match[0].strip() for match in found if match}


MAKE = {command for command in commands() if command.startswith("make ")}


def test_every_command_is_run_somewhere() -> None:
    """A command's name alone is a mention of it: some test runs it, with words of its own."""
    bare = {command for command in commands() if re.fullmatch(r"opsctl [a-z]+", command)}
    tests = "".join(path.read_text() for path in ROOT.glob("tests/functional/**/test_*.py"))
    run = {f"opsctl {name}" for name in re.findall(r"""(?:root, \[|opsctl\()"([a-z]+)["]""", tests)}
    assert bare - run == set()
    assert commands() - MAKE - bare == {*ELSEWHERE, *HERE, *CONTEXT} - bare
    assert [command for command, (file, words) in ELSEWHERE.items() if words not in (ROOT / file).read_text()] == []


def test_what_is_typed_to_recover_from_a_failure(failed: Bench) -> None:
    for command in HERE:
        words = shlex.split(command)[1:]
        result = failed.opsctl(*words, *(["--yes"] if words[0] in ("rerun", "redrive") else []))
        assert result.exit_code in (0, 3 if words[0] == "redrive" else 0), (command, result.stderr)
    assert json.loads(failed.opsctl("list", "--query", "[].status").stdout)[0] == "SUCCEEDED"


def test_a_deployment_gets_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    golden = (ROOT / "tests/golden/opsctl-output.json").read_text()
    Path("production.json").write_text(golden)
    for command in CONTEXT:
        result = CliRunner().invoke(root, shlex.split(command)[1:])
        assert result.exit_code == 0, (command, result.stderr)
    (row,) = json.loads(CliRunner().invoke(root, ["context", "list", "-o", "json"]).stdout)
    assert [row[key] for key in ("name", "current", "profile", "confirm")] == [
        "production",
        True,
        "production",
        True,
    ]


@pytest.mark.parametrize("command", sorted(MAKE))
def test_make_knows_what_to_do(command: str) -> None:
    """`make test` is what CI runs; what the others run, programs and files, is there."""
    words = shlex.split(command.replace("<folder>", "folder"))
    done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    named = re.findall(r"\b(?:benchmarks|docs|functions|tests)/[\w/.-]+", done.stdout)
    assert [path for path in named if not (ROOT / path).exists()] == []
