"""Terraform is found, run and ended as a user expects; `terraform` itself is a script here."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from opsctl import terraform
from opsctl.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
PROVIDER = "registry.terraform.io/hashicorp/aws"


def workspace(tmp_path: Path, script: str) -> terraform.Workspace:
    program = tmp_path / "terraform"
    program.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return terraform.Workspace(tmp_path, program)


def test_each_command_is_sent_as_terraform_expects_it(tmp_path: Path) -> None:
    here = workspace(tmp_path, f"open({str(tmp_path / 'calls')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')")
    terraform.init(here)
    terraform.plan(here)
    terraform.apply(here)
    assert (tmp_path / "calls").read_text().splitlines() == [
        "init -no-color",
        "plan -no-color -detailed-exitcode",
        "apply -no-color -auto-approve",
    ]


@pytest.mark.parametrize(("code", "changes"), [(0, False), (2, True)])
def test_plan_tells_whether_there_is_something_to_change(tmp_path: Path, code: int, changes: bool) -> None:
    assert terraform.plan(workspace(tmp_path, f"sys.exit({code})")) is changes


def test_output_comes_line_by_line(tmp_path: Path) -> None:
    lines: list[str] = []
    terraform.apply(workspace(tmp_path, "print('one'); print('two')"), lines.append)
    assert lines == ["one", "two"]


def test_an_error_is_terraforms_own_sentence(tmp_path: Path) -> None:
    box = "╷\n│ Error: Unsupported argument\n│ \n│   on main.tf line 3\n╵"
    here = workspace(tmp_path, f"sys.stderr.write({box!r}); sys.exit(1)")
    with pytest.raises(terraform.TerraformError) as caught:
        terraform.apply(here)
    assert caught.value.message == "terraform apply failed: Unsupported argument on main.tf line 3"


def test_a_missing_provider_comes_with_its_remedy(tmp_path: Path) -> None:
    here = workspace(tmp_path, "sys.stderr.write('Error: Failed to query available provider packages'); sys.exit(1)")
    with pytest.raises(ConfigurationError) as caught:
        terraform.init(here)
    assert caught.value.hint is not None
    assert PROVIDER in caught.value.hint


def test_an_interrupt_ends_terraform_before_it_goes_on(tmp_path: Path) -> None:
    here = workspace(
        tmp_path,
        f"signal.signal(signal.SIGINT, lambda *_: (open({str(tmp_path / 'stopped')!r}, 'w').close(), sys.exit(1)))\n"
        f"open({str(tmp_path / 'up')!r}, 'w').close()\n"
        "time.sleep(60)",
    )
    threading.Thread(target=interrupt_when, args=(tmp_path / "up",), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        terraform.apply(here)
    assert (tmp_path / "stopped").exists()


def interrupt_when(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_terraform_on_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = workspace(tmp_path, "").program
    monkeypatch.setenv("PATH", str(tmp_path))
    assert terraform.find_terraform() == program


def test_without_terraform_the_launcher_or_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    launcher = Path(sys.executable).parent / terraform.LAUNCHER
    if launcher.exists():
        assert terraform.find_terraform() == launcher
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigurationError, match="no terraform on PATH"):
        terraform.find_terraform()


@pytest.mark.parametrize(
    ("layout", "found"),
    [
        ("5.100.0/linux_amd64/terraform-provider-aws_v5.100.0_x5", True),
        ("terraform-provider-aws_5.101.2_linux_amd64.zip", True),
        ("5.99.0/linux_amd64/terraform-provider-aws_v5.99.0_x5", False),
        ("6.1.0/linux_amd64/terraform-provider-aws_v6.1.0_x5", False),
        ("5.100.0/darwin_arm64/terraform-provider-aws_v5.100.0_x5", False),
    ],
)
def test_a_mirror_counts_if_it_holds_a_fitting_provider(tmp_path: Path, layout: str, found: bool) -> None:
    mirror = tmp_path / "share" / "mirror"
    file = mirror / PROVIDER / layout
    file.parent.mkdir(parents=True)
    file.touch()
    expected = mirror if found else None
    assert terraform.find_mirror((str(tmp_path),), machine="linux_amd64") == expected


def test_outputs_of_a_local_state_need_no_terraform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in terraform.WORKSPACE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    state = {"version": 4, "outputs": {"opsctl": {"value": {"bucket": "b"}, "type": "string"}}}
    (tmp_path / "terraform.tfstate").write_text(json.dumps(state))
    monkeypatch.setenv("PATH", "")
    assert terraform.read_outputs(tmp_path) == {"opsctl": {"bucket": "b"}}


def test_a_broken_state_is_said(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfstate").write_text("{")
    with pytest.raises(ConfigurationError, match="not a Terraform state"):
        terraform.state_outputs(tmp_path / "terraform.tfstate")


def test_any_other_backend_is_asked_through_terraform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"opsctl": {"value": {"bucket": "remote"}, "sensitive": False, "type": "string"}}
    workspace(tmp_path, f"assert sys.argv[1:] == ['output', '-json'], sys.argv; print({json.dumps(answer)!r})")
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform" / "terraform.tfstate").write_text("{}")
    (tmp_path / "terraform.tfstate").write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert terraform.read_outputs(tmp_path) == {"opsctl": {"bucket": "remote"}}


def test_a_state_is_read_as_the_utf_8_that_it_is_whatever_the_locale(tmp_path: Path) -> None:
    state = tmp_path / "terraform.tfstate"
    state.write_bytes('{"version": 4, "outputs": {"opsctl": {"value": "Zürich…"}}}'.encode())
    program = f"import pathlib, opsctl.terraform as t; print(ascii(t.state_outputs(pathlib.Path({str(state)!r}))))"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=plain, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'opsctl': 'Z\\xfcrich\\u2026'}\n"
