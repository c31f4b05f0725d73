"""`opsctl demo`: the main job end to end on this machine, each step with the command that a user would type."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from opsctl import config
from opsctl.cli.render import table
from opsctl.errors import FAILED, OK, ConfigurationError, OpsError
from opsctl.operations import demo as work
from opsctl.operations import provision
from opsctl.operations.connection import connect

SEQUENCE = "Train Sequence Model"
RATE = "hyperparameters.sequence_model.max_lr"
DIVERGING_RATE = "1e6"
WORKING_RATE = "0.01"


@dataclass(frozen=True)
class Stage:
    """Where the demo plays: the clone, its sandbox's directory, and how the user would name things in it."""

    module: Path
    sandbox: Path
    began: float = field(default_factory=time.monotonic)

    def shown(self, path: Path) -> str:
        """A path as the user would type it from here."""
        return os.path.relpath(path)


@click.command()
@click.pass_context
def demo(context: click.Context) -> None:
    """Provision the pipeline in the sandbox, break a run, and rerun it from the step that failed.

    Everything is real: terraform apply, training jobs, three models. It takes a few minutes, needs no AWS account, and
    leaves the sandbox up for you to try more. Ctrl-C ends it and everything it started.

    \b
    Examples:
      opsctl demo
      opsctl sandbox down
    """
    # Whatever the user's shell says: the demo, and every command it types, stays in the sandbox.
    os.environ["OPSCTL_CONTEXT"] = config.SANDBOX
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    stage = Stage(_module(), config.sandbox_directory())
    provision.require_terraform()
    try:
        start_sandbox()
        apply_module(stage)
        upload_documents(stage)
        run_that_fails(stage)
        rerun_from_the_failed_step()
        wins = show_accuracy()
    except KeyboardInterrupt:
        _talk("Interrupted: ending the sandbox and everything it started.")
        work.follow(work.opsctl("sandbox", "down"))
        raise
    except OpsError as error:
        if (stage.sandbox / "server.json").exists():
            raise _still_up(error) from error
        raise
    say_what_next(stage)
    context.exit(OK if wins else FAILED)


def _still_up(error: OpsError) -> OpsError:
    """The same error, with what becomes of the sandbox."""
    rest = "the sandbox is still up, look around; opsctl sandbox down ends it, and the demo then starts afresh"
    error.hint = f"{error.hint}; {rest}" if error.hint else rest
    return error


def _module() -> Path:
    module = config.module_directory()
    if module is None:
        raise ConfigurationError("no Terraform module here or above", "run opsctl demo in a clone of the project")
    return module


def start_sandbox() -> None:
    """Step 1."""
    _title("1. An AWS of your own, on loopback")
    _type("opsctl", "sandbox", "up")


def apply_module(stage: Stage) -> None:
    """Step 2: init, apply, and a plan that must be empty."""
    _title("2. The pipeline: terraform apply of this clone's module, unchanged (a minute or so)")
    workspace = provision.sandbox_workspace(stage.sandbox)
    for command, arguments in (("init", ""), ("apply", " -auto-approve"), ("plan", "")):
        _show(f"{stage.shown(workspace.program)} {command}{arguments}")
        changes = work.run_terraform(workspace, command, _terraform_line)
    if changes:
        raise OpsError("the second plan is not empty", "this is a fault of the module or the sandbox: please report it")


def upload_documents(stage: Stage) -> None:
    """Step 3: the documents are generated into the bucket that Terraform made."""
    _title("3. Documents: scanned stacks of mortgage files, generated and uploaded")
    target = work.outputs(provision.sandbox_workspace(stage.sandbox))["default_data_source"]
    script = stage.shown(stage.module / "training" / "documents.py")
    _show(f'eval "$({_shown_program("opsctl")} sandbox env)"')
    _show(f"{_shown_program('python')} {script} --out {target}")
    environment = f'eval "$({shlex.join(work.opsctl("sandbox", "env"))})"'
    generator = shlex.join([sys.executable, script, "--out", target])
    _expect(work.follow(["sh", "-c", f"{environment} && exec {generator}"]), OK)


def run_that_fails(stage: Stage) -> None:
    """Step 4: a learning rate that diverges; the alert lies in the mailbox."""
    _title(f"4. A run whose sequence model diverges: a learning rate of {DIVERGING_RATE}")
    _type("opsctl", "start", "--set", f"{RATE}={DIVERGING_RATE}", "--wait", code=FAILED)
    message = work.newest_message(stage.sandbox / "mailbox")
    _talk("\nThe alert that went out:")
    _show(f"cat {shlex.quote(stage.shown(message))}")
    click.echo(message.read_text(encoding="utf-8"))


def rerun_from_the_failed_step() -> None:
    """Step 5: data and base models are reused, the sequence model is trained again."""
    _title("5. Rerun from the failed step: the data and both base models are reused")
    _type("opsctl", "rerun", "--from", SEQUENCE, "--set", f"{RATE}={WORKING_RATE}", "--yes", "--wait")


def show_accuracy() -> bool:
    """Step 6: the table of held-out page accuracy; whether the sequence model wins."""
    _title("6. Page accuracy on stacks that no model has seen")
    accuracy, source = work.latest_accuracy(connect(config.Options(context=config.SANDBOX)))
    click.echo(table(["MODEL", "PAGE ACCURACY"], [[model, f"{share:.1%}"] for model, share in accuracy.rows]))
    _talk(f"{accuracy.pages} held-out pages; from metrics.json in {source}")
    if not accuracy.sequence_wins:
        _talk("The sequence model does not beat the others.")
    return accuracy.sequence_wins


def say_what_next(stage: Stage) -> None:
    """Step 7: the sandbox stays up."""
    program = _shown_program("opsctl")
    _title(f"7. Done in {time.monotonic() - stage.began:.0f} s. The sandbox is still up; try next")
    for command, meaning in (
        (f"{program} list", "both runs"),
        (f"{program} status", "each step of the latest one"),
        (
            f'{program} rerun @latest --from "Train Image Model" --set hyperparameters.image_model.epochs=4 --dry-run',
            "a plan",
        ),
        (f"ls {shlex.quote(stage.shown(stage.sandbox / 'mailbox'))}", "what SNS delivered"),
        (f"{program} sandbox down", "end it and everything it started"),
    ):
        click.echo(f"  {command}\n      {meaning}")


def _type(*command: str, code: int = OK) -> None:
    _show(shlex.join([_shown_program(command[0]), *command[1:]]))
    _expect(work.follow(work.opsctl(*command[1:])), code)


def _expect(code: int, expected: int) -> None:
    if code != expected:
        raise OpsError(f"that command ended with exit code {code}, not {expected}")


def _shown_program(name: str) -> str:
    """The name alone where it is this environment's one on PATH, otherwise the path to type."""
    own = Path(sys.executable).parent / name
    found = shutil.which(name)
    return name if found and Path(found).resolve() == own.resolve() else os.path.relpath(own)


def _terraform_line(line: str) -> None:
    """Of Terraform's many lines, those that tell how far it is and what came out."""
    if "Creation complete after" in line or line.startswith(("Apply complete", "No changes", "Plan:")):
        click.echo(f"  {line.partition(' [id=')[0]}")


def _title(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


def _show(command: str) -> None:
    click.secho(f"$ {command}", fg="cyan")


def _talk(text: str) -> None:
    click.echo(text, err=True)
