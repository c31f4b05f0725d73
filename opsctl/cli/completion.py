"""`opsctl completion`: what a shell reads to complete the words of a command line, and the names that it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from opsctl.cli.invocation import Invocation
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.operations.words import Words

VARIABLE = "_OPSCTL_COMPLETE"
RUN, STEP, MACHINE = "runs", "steps", "machines"
ALIASES = {RUN: ("@latest", "@failed")}
# What a parameter of that name takes, whichever command has it.
KINDS = {
    "run": RUN, "runs": RUN, "wanted": RUN, "one": RUN, "other": RUN, "names": RUN, "reuse_from": RUN,
    "step": STEP, "steps": STEP, "only": STEP, "skip": STEP, "until": STEP, "machine": MACHINE,
}  # fmt: skip


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete opsctl's commands, options, and the names of runs, steps and machines.

    Names are asked for at most once a minute, for at most two seconds (OPSCTL_COMPLETION_SECONDS), and kept in the
    user's cache directory ($XDG_CACHE_HOME, or ~/.cache).

    \b
    Examples:
      opsctl completion bash > ~/.local/share/bash-completion/completions/opsctl
      opsctl completion zsh > ~/.zfunc/_opsctl       # with fpath+=~/.zfunc before compinit in ~/.zshrc
      opsctl completion fish > ~/.config/fish/completions/opsctl.fish
      source <(opsctl completion bash)               # for this shell only
    """
    root = context.find_root()
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"there is no completion for {shell}")
    click.echo(found(root.command, {}, "opsctl", VARIABLE).source())


def offer(command: click.Command) -> None:
    """Have a command's parameters that take names of runs, steps or machines offer them."""
    for parameter in command.params:
        kind = KINDS.get(parameter.name or "")
        if kind and (isinstance(parameter, click.Argument) or not getattr(parameter, "is_flag", False)):
            setattr(parameter, "shell_complete", _Names(kind))  # noqa: B010 - of this parameter alone


class _Names:
    """Completes to the names of a kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __call__(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [*getattr(_words(context), self._kind), *ALIASES.get(self._kind, ())]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _words(context: click.Context) -> Words:
    from opsctl.operations.words import words

    return words(context.find_root().ensure_object(Invocation).options())
