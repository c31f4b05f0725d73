"""The `opsctl` command: its subcommands, loaded when named, its global options, and the one place where errors end.

`--help`, `--version` and a misspelt word import nothing but click. The global options may stand before the subcommand
or after it: each subcommand is given them when it is loaded, and both places write to the same `Invocation`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsctl import __version__
from opsctl.cli.invocation import Invocation
from opsctl.errors import FAILED, FULL, INTERRUPTED, UNREAD, USAGE, OpsError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# In the order of the help text: name, module and attribute, what it does.
COMMANDS = {
    "start": ("opsctl.cli.start:start", "Start a run, and wait for it if you like."),
    "list": ("opsctl.cli.listing:list_runs", "Show the newest runs."),
    "status": ("opsctl.cli.status:status", "Show what became of each step of a run."),
    "watch": ("opsctl.cli.watch:watch", "Watch a run until it ends."),
    "logs": ("opsctl.cli.logs:logs", "Print what a run's jobs wrote to their logs."),
    "graph": ("opsctl.cli.graph:graph", "Draw a machine, or a run of it: SVG, PNG, Mermaid, text."),
    "report": ("opsctl.cli.report:report", "Write a page about a run: graph, timeline, metrics, costs, errors."),
    "stop": ("opsctl.cli.stop:stop", "Stop runs, and wait until their jobs have stopped."),
    "rerun": ("opsctl.cli.rerun:rerun", "Run a run again from a step, reusing what is done."),
    "redrive": ("opsctl.cli.redrive:redrive", "Resume a failed run: AWS's redrive where it helps, else a rerun."),
    "lineage": ("opsctl.cli.lineage:lineage", "Show the tree of reruns and redrives of a run."),
    "approve": ("opsctl.cli.approvals:approve", "Approve what a run waits for."),
    "reject": ("opsctl.cli.approvals:reject", "Reject what a run waits for."),
    "champion": ("opsctl.cli.champion:champion", "Show the model in production, earlier ones, and how others compare."),
    "rollback": ("opsctl.cli.rollback:rollback", "Deploy the champion before the present one again."),
    "predict": ("opsctl.cli.predict:predict", "Ask the deployed model what documents lie in stacks of pages."),
    "worker": ("opsctl.cli.worker:worker", "Work on an activity's tasks from outside AWS."),
    "cost": ("opsctl.cli.cost:cost", "Show what runs cost, by step, and what reuse saved."),
    "diff": ("opsctl.cli.diff:diff", "Show in what two runs differ."),
    "cleanup": ("opsctl.cli.cleanup:cleanup", "Delete what old runs keep in S3, with a plan first."),
    "data": ("opsctl.cli.data:data", "Show what runs keep in S3: list, hold, release."),
    "doctor": ("opsctl.cli.doctor:doctor", "Look over the deployment, and say what to mend."),
    "context": ("opsctl.cli.context:context", "Name deployments, such as staging and production."),
    "test": ("opsctl.cli.test:test", "Run the unit tests of state machine definitions."),
    "lint": ("opsctl.cli.lint:lint", "Check state machine definitions before AWS does."),
    "drill": ("opsctl.cli.drill:drill", "Break everything on purpose, and prove that nothing is lost."),
    "sandbox": ("opsctl.cli.sandbox:sandbox", "An AWS of your own on this machine: up, down, status, env, fault."),
    "demo": ("opsctl.cli.demo:demo", "Provision, train, break and rerun the pipeline in the sandbox."),
    "completion": ("opsctl.cli.completion:completion", "Print what makes a shell complete its words."),
}
PROGRAM = "opsctl"
COMPLETING = "_OPSCTL_COMPLETE"  # in the environment while a shell asks for words
NO_TEMPORARY = "No usable temporary directory"  # Python's words, also for disks that are full
GLOBALS_NOTE = (
    "Global options (opsctl --help) may stand here too: -o, --query, --profile, --region, --endpoint-url, --context, "
    "--machine, --terraform-dir."
)


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise click.BadParameter(f"{text!r} is not an address such as http://127.0.0.1:5000")
    return text


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    invocation = context.find_root().ensure_object(Invocation)
    if value == "":  # "$PROFILE" with nothing in it: to go on without it may mean another account
        raise click.BadParameter("it is empty; leave the option out, or give it a value", context, parameter)
    if value is not None and parameter.name:
        setattr(invocation, parameter.name, value)


def _global_options() -> list[click.Option]:
    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_remember, **settings)

    return [
        option("-o", "--output", type=click.Choice(["table", "json"]), help="How to print results. [default: table]"),
        option("--query", metavar="JMESPATH", help="Print only this part of the result, as JSON."),
        option("--profile", metavar="NAME", help="AWS profile; chooses AWS over a sandbox."),
        option("--region", metavar="NAME", help="AWS region; by default the deployment's own. Not for a sandbox."),
        option("--endpoint-url", metavar="URL", type=_url, help="Another endpoint; chooses AWS over a sandbox."),
        option(
            "--context", metavar="NAME|FILE", help="sandbox, aws, one of opsctl context, or a file with the Terraform "
            "output. [default: the sandbox if one is up, else the current one]",
        ),
        option(
            "--machine", metavar="NAME|ARN", help="Which state machine: training, deployment, …, or any of the "
            "account. [default: training, or the only one of your own]",
        ),
        option(
            "--terraform-dir", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, exists=True),
            help="Terraform configuration to read the outputs of; not for a sandbox. [default: the module above this "
            "directory]",
        ),
    ]  # fmt: skip


class Root(click.Group):
    """The group of all commands."""

    _alone = False  # in a process of its own

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, which a SIGTERM ends as Ctrl-C does: with what it has to clear away."""
        if self._alone:
            import signal

            signal.signal(signal.SIGTERM, signal.default_int_handler)
        return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command when it is named."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return _with_globals(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """With the nearest names for one that there is not."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=2, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(COMMANDS)}"
            raise OpsUsageError(f"no such command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names of commands, without importing them; options where one is begun."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return found or click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and turn every error that is the user's to act on into one line, a hint and an exit code."""
        run = super().main
        if os.environ.get(COMPLETING) and standalone_mode:
            _offer_names(self)
            return run(args, prog_name or PROGRAM, COMPLETING, **extra)
        self._alone = standalone_mode and threading.current_thread() is threading.main_thread()
        code = _guarded(lambda: run(args, prog_name or PROGRAM, complete_var, standalone_mode=False, **extra))
        if standalone_mode:
            sys.exit(code)
        return code


class OpsUsageError(click.UsageError):
    """A usage error with a hint of its own."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _guarded(run: Callable[[], Any]) -> int:
    try:
        result = run()
    except OpsError as error:
        return _report(error.message, error.hint, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:  # a group's name alone asks for its commands
        click.echo(error.format_message())
        return USAGE
    except click.UsageError as error:
        message = (
            f"no such option {error.option_name}" if isinstance(error, click.NoSuchOption) else error.format_message()
        )
        return _report(message, _usage_hint(error), USAGE)
    except click.ClickException as error:
        return _report(error.format_message(), None, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as error:
        nowhere = NO_TEMPORARY in str(error.strerror)
        if error.errno not in FULL and not nowhere:
            raise
        _forget_output()
        elsewhere = ", or name another folder in TMPDIR" if nowhere else ""
        why = "no folder for temporary files can be written to" if nowhere else error.strerror
        return _report(f"cannot write: {why}", f"make room{elsewhere}, and run the command again", FAILED)
    except RecursionError:  # JSON of somebody else's
        return _report("what was read is nested too deeply to be worked with", None, FAILED)
    except SystemExit:  # what click makes, and of nothing else, of a pipe that nobody reads: `opsctl list | head`
        return UNREAD
    return result if isinstance(result, int) else 0


def _forget_output() -> None:
    """Let what could not be written be lost: Python would try again at its end, and complain."""
    with contextlib.suppress(OSError, ValueError):  # standard output may be no file, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(message: str, hint: str | None, code: int) -> int:
    from opsctl.cli.terminal import tell
    from opsctl.domain.redaction import redacted

    tell(f"error: {redacted(' '.join(message.split()))}")  # which may quote a value of an input
    if hint:
        tell(f"hint: {hint}")
    return code


def _usage_hint(error: click.UsageError) -> str | None:
    if isinstance(error, OpsUsageError):
        return error.hint
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        return f"did you mean {' or '.join(sorted(error.possibilities))}?"
    path = error.ctx.command_path if error.ctx else PROGRAM
    return f"{path} --help shows how it is used"


def _with_globals(command: click.Command) -> click.Command:
    """The command with the global options that it does not define itself, hidden from its help; and its subcommands."""
    taken = {name for parameter in command.params for name in parameter.opts}
    for option in _global_options():
        if not taken & set(option.opts):
            option.hidden = True
            command.params.append(option)
    command.epilog = command.epilog or GLOBALS_NOTE
    if os.environ.get(COMPLETING):
        _offer_names(command)
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _with_globals(inner)
    return command


def _offer_names(command: click.Command) -> None:
    from opsctl.cli.completion import offer

    offer(command)


@click.group(
    PROGRAM, cls=Root, params=list(_global_options()), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="opsctl", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """Start, watch, rerun and recover model-training pipelines on AWS Step Functions.

    \b
    Examples:
      opsctl start --set hyperparameters.image_model.epochs=80 --wait
      opsctl status
      opsctl rerun --from "Train Sequence Model" --set hyperparameters.sequence_model.max_lr=0.01

    RUN is a name, the beginning of one, an ARN, @latest or @failed. Results go to stdout, everything else to stderr.
    Times are local in tables, and UTC in JSON, graphs and reports.

    Exit codes: 0 ok, 1 the run failed, 2 usage, 3 refused, 4 configuration or credentials, 5 AWS, 124 wait timed out,
    130 interrupted (Ctrl-C, SIGTERM), 141 nobody reads the results any more.
    """
    context.ensure_object(Invocation)
