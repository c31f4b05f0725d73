"""What the demo says where it cannot even begin; the demo itself is played in tests/e2e."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def demo(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "opsctl", "demo"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_a_sandbox_that_does_not_start_is_not_called_up(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("not a sandbox's")
    ended = demo(ROOT, OPSCTL_SANDBOX_DIR=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "error: that command ended with exit code 3, not 0"
    assert (tmp_path / "letters.txt").read_text() == "not a sandbox's"


def test_outside_a_clone_it_says_where_to_go(tmp_path: Path) -> None:
    ended = demo(tmp_path)
    assert (ended.returncode, ended.stderr.splitlines()) == (
        4,
        ["error: no Terraform module here or above", "hint: run opsctl demo in a clone of the project"],
    )
