"""Words of the command line that mean more than a string: settings, documents, durations, addresses."""

from __future__ import annotations

import difflib
import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from opsctl.domain.conditions import Setting
from opsctl.domain.data_modes import COPY, DATA_MODES
from opsctl.domain.engines import ENGINES, THRESHOLD, Wish
from opsctl.errors import UsageError, reason

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def setting(text: str) -> Setting:
    """`path=value`; the value is JSON where it reads as JSON (0.01, true, [1], "quoted"), otherwise a string."""
    dotted, equals, value = text.partition("=")
    path = tuple(dotted.split("."))
    if not equals or not all(path):
        raise click.BadParameter(f"{text!r} is not path=value, such as hyperparameters.image_model.epochs=80")
    return Setting(path, _typed(value))


def document(source: str, example: str = '{"hyperparameters": {…}}') -> dict[str, Any]:
    """The JSON object in a file, or in standard input for `-`; `example` is what the hint shows.

    Raises UsageError for a missing file, with the nearest name beside it, for JSON in place of a file, and for anything
    but a JSON object.
    """
    if source.lstrip().startswith("{"):
        raise UsageError(f"not JSON itself is wanted here, but a file: {source[:40]}", "- reads it from standard input")
    named = "standard input" if source == "-" else source
    text = sys.stdin.read() if source == "-" else _read(Path(source))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{named} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{named} holds no JSON object", f"write it as {example}")
    return value


def duration(text: str) -> float:
    """Seconds, or a number with s, m, h, d or w."""
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)([smhdw]?)", text)
    if not match:
        raise click.BadParameter(f"{text!r} is not a duration such as 90, 90s, 15m, 2h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def age(text: str) -> float:
    """Seconds, of a number with its unit: 30 that was meant in days must not delete what is 30 seconds old."""
    try:
        seconds = duration(text)
    except click.BadParameter:
        raise click.BadParameter(f"{text!r} is not an age such as 12h, 30d or 8w") from None
    if seconds and text[-1] not in _UNITS:
        raise click.BadParameter(f"{text!r} has no unit: write {text}d for days, {text}h for hours")
    return seconds


def bytes_count(text: str) -> int:
    """A number of bytes, with kB, MB, GB or TB (powers of 1,000) if need be."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,12})?)\s*([kMGT]?)B?", text)
    if not match:
        raise click.BadParameter(f"{text!r} is not a size such as 500GB or 2TB")
    return int(float(match[1]) * 1000 ** ("", "k", "M", "G", "T").index(match[2]))


def setting_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--set path=value`, any number of times."""
    help_text = "Set a value of the run input: a number, true or false, JSON, else a string. May be repeated."
    return click.option("--set", "settings", type=setting, multiple=True, metavar="PATH=VALUE", help=help_text)(command)


def document_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--input FILE|-`."""
    return click.option("--input", "document", type=document, metavar="FILE|-", help=help_text)


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data copy|reuse`."""
    help_text = "Copy the data that is reused, or read it in the prefix of the run that has it."
    kinds = click.Choice(DATA_MODES)
    return click.option("--data", "data", type=kinds, default=COPY, show_default=True, help=help_text)(command)


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--engine` and `--map-above`, handed over as one `wish`."""

    @functools.wraps(command)
    def wished(*words: Any, engine: str | None, map_above: int, **more: Any) -> Any:
        return command(*words, wish=Wish(engine, map_above), **more)

    engine = click.option(
        "--engine", type=click.Choice(ENGINES), help="Work from here, or by a distributed Map. [default: by size]"
    )
    threshold = click.option(
        "--map-above", type=click.IntRange(0), default=THRESHOLD, show_default=True, metavar="N",
        help="Objects above which the distributed Map takes over.",
    )  # fmt: skip
    return engine(threshold(wished))


def wait_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--wait` and `--timeout`, the one only with the other."""

    @functools.wraps(command)
    def checked(*words: Any, wait: bool, timeout: float | None, **more: Any) -> Any:
        if timeout is not None and not wait:
            raise UsageError("--timeout says how long to wait, and there is no --wait", "add --wait")
        return command(*words, wait=wait, timeout=timeout, **more)

    timeout = click.option("--timeout", type=duration, metavar="DURATION", help="Wait no longer (90s, 15m, 2h).")
    return click.option("--wait", is_flag=True, help="Follow the run to its end and exit with its outcome.")(
        timeout(checked)
    )


def _typed(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1)
        raise UsageError(f"no file {path}", f"did you mean {path.parent / near[0]}?" if near else None) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}") from error


def sandbox_directory(command: Any) -> Any:
    """The option that names the sandbox which a command is about."""
    return click.option(
        "--dir",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        help="The sandbox's own directory. Default: OPSCTL_SANDBOX_DIR, else .opsctl/sandbox below the module.",
    )(command)
