"""Show a plan and ask: the one place where a change waits for somebody's word."""

from __future__ import annotations

import os
import sys

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.terminal import steadied
from opsctl.errors import RefusedError

CONFIRMED = "OPSCTL_CONFIRM"


def agree(
    invocation: Invocation,
    shown: str,
    yes: bool,
    *,
    verb: str = "Start",
    done: str = "started",
    typed: str | None = None,
) -> None:
    """Show a plan and ask whether to `verb` it, or to have `typed` typed for what cannot be taken back by itself.

    `done` says what a no leaves undone. In a context that wants its name typed, that is what is asked for, and without
    a terminal OPSCTL_CONFIRM must hold it. Raises RefusedError for a no, and where there is nobody to ask.
    """
    click.echo(steadied(shown), err=invocation.wants_json)
    otherwise = "add --yes to go ahead, or --dry-run"
    if invocation.confirm is not None:  # a --yes that was meant for another deployment is not enough
        typed, yes = invocation.confirm, os.environ.get(CONFIRMED) == invocation.confirm
        otherwise = f"set {CONFIRMED}={typed} to go ahead, or look with --dry-run"
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError(f"nothing was {done}: there is no terminal to ask on", otherwise)
    if not (click.confirm(f"{verb} it?", default=False, err=True) if typed is None else _is_typed(typed)):
        raise RefusedError(f"nothing was {done}")


def _is_typed(words: str) -> bool:
    answer: str = click.prompt(f"Type {words!r} to go ahead", default="", show_default=False, err=True)
    return answer == words
