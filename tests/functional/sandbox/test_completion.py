"""Shell completion, by the shells themselves: names of commands, options, runs, steps and machines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.functional.sandbox.cloud import Cloud
from tests.functional.sandbox.small import ROOT, Small, two_steps

# What each shell runs to say, one a line, what it would offer for the words that it is given.
ASKS = {
    "bash": """
source <(opsctl completion bash)
COMP_WORDS=(opsctl "$@"); COMP_CWORD=$#; COMPREPLY=()
_opsctl_completion opsctl
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
compdef() { :; }
compadd() { print -rl -- "${(@P)@[-1]}"; }
_describe() { local word; for word in "${(@P)3}"; do print -r -- "${word%%:*}"; done; }
source <(opsctl completion zsh)
words=(opsctl "$@"); CURRENT=$#words
_opsctl_completion
""",
    "fish": """
opsctl completion fish | source
complete -C "opsctl $argv" | string split -f1 \\t; true  # it fails where nothing has a description
""",
}


@pytest.fixture(scope="module")
def small(own_cloud: Cloud) -> Small:
    arn = two_steps(own_cloud)
    for name in ("nightly-7", "nightly-8", "weekly"):
        own_cloud.start(arn, {"hyperparameters": {"train": {"rate": "1"}}}, name=name)
    return Small(own_cloud, arn, steps=[])


@pytest.fixture
def environment(small: Small, tmp_path: Path) -> dict[str, str]:
    """A shell's, in which `opsctl` is this one."""
    program = tmp_path / "bin" / "opsctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m opsctl "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT),
        "OPSCTL_SANDBOX_DIR": str(small.cloud.directory), "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "OPSCTL_COMPLETION_SECONDS": "60",
    }  # fmt: skip


def offered(environment: Mapping[str, str], *words: str, shell: str = "bash") -> list[str]:
    arguments = ["-c", ASKS[shell], *([] if shell == "fish" else ["shell"]), *words]
    done = subprocess.run(
        [shell, *(["-f"] if shell == "zsh" else []), *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize("shell", sorted(ASKS))
def test_a_shell_completes_commands_runs_and_steps(environment: dict[str, str], shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} on PATH")
    assert sorted(offered(environment, "st", shell=shell)) == ["start", "status", "stop"]
    assert sorted(offered(environment, "status", "nightly-", shell=shell)) == ["nightly-7", "nightly-8"]
    assert sorted(offered(environment, "rerun", "nightly-7", "--from", "", shell=shell)) == ["fetch", "train"]


def test_every_place_of_a_name_offers_it(environment: dict[str, str]) -> None:
    for words in (["watch"], ["logs"], ["diff", "weekly"], ["data", "hold"], ["stop"], ["cleanup", "--run"]):
        assert offered(environment, *words, "week") == ["weekly"], words
    for words in (["rerun", "--skip"], ["rerun", "--until"], ["start", "--skip"], ["logs", "weekly"]):
        assert offered(environment, *words, "fe") == ["fetch"], words
    assert offered(environment, "status", "@") == ["@latest", "@failed"]
    assert offered(environment, "--machine", "") == ["training"]
    assert offered(environment, "status", "--machine", "t") == ["training"]
    assert offered(environment, "sandbox", "u") == ["up"]
    assert offered(environment, "rerun", "--fr") == ["--from"]


OLDER = '{"version": 0, "runs": ["old"], "steps": [], "machines": []}'
ODD = '{"version": 1, "at": 9e99, "runs": "old", "steps": [1], "machines": []}'


@pytest.mark.parametrize("content", ["", "{", "[]", OLDER, ODD])
def test_a_cache_that_is_none_is_made_anew(environment: dict[str, str], content: str) -> None:
    assert offered(environment, "status", "week") == ["weekly"]
    (cache,) = Path(environment["XDG_CACHE_HOME"], "opsctl").iterdir()
    cache.write_text(content)
    assert offered(environment, "status", "week") == ["weekly"]
    assert json.loads(cache.read_text())["runs"] == ["weekly", "nightly-8", "nightly-7"]


def test_a_cache_answers_without_aws_and_an_old_one_where_aws_does_not(environment: dict[str, str]) -> None:
    assert offered(environment, "status", "week") == ["weekly"]
    (cache,) = Path(environment["XDG_CACHE_HOME"], "opsctl").iterdir()
    kept = json.loads(cache.read_text()) | {"runs": ["from-the-cache"]}
    cache.write_text(json.dumps(kept))
    assert offered(environment, "status", "from") == ["from-the-cache"]
    # Old, and of a sandbox that answers: asked for anew. (Its key is the sandbox's own address.)
    cache.write_text(json.dumps(kept | {"at": kept["at"] - 3600}))
    assert offered(environment, "status", "from") == []
    assert offered(environment, "status", "week") == ["weekly"]


def test_a_home_that_cannot_be_written_is_no_hindrance(environment: dict[str, str]) -> None:
    nowhere = environment | {"XDG_CACHE_HOME": "/proc/nowhere", "HOME": "/proc/nowhere"}
    assert offered(nowhere, "status", "week") == ["weekly"]


def test_where_nothing_is_known_nothing_is_offered(environment: dict[str, str], tmp_path: Path) -> None:
    nowhere = environment | {"OPSCTL_SANDBOX_DIR": str(tmp_path / "none"), "OPSCTL_CONTEXT": "sandbox"}
    assert offered(nowhere, "status", "week") == []
    assert offered(nowhere, "sta") == ["start", "status"]


def test_an_unknown_shell_is_one_line(environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["opsctl", "completion", "tcsh"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: Invalid value for '{bash|zsh|fish}': 'tcsh' is not one of")
