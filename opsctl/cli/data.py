"""`opsctl data`: what runs keep in S3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import age, emit, iso, size, table
from opsctl.cli.terminal import tell
from opsctl.domain.inventory import Folder, RunData
from opsctl.domain.storage_prices import usd_a_month

if TYPE_CHECKING:
    from opsctl.operations.connection import Connection
    from opsctl.operations.data import Holding

RUN_HEADERS = ["RUN", "MACHINE", "STATUS", "AGE", "OBJECTS", "SIZE", "USD/MONTH", "CLASS", "READ BY"]
FOLDER_HEADERS = ["FOLDER", "KIND", "AGE", "OBJECTS", "SIZE", "USD/MONTH", "CLASS", "READ BY"]
ORDERS = ("size", "objects", "usd", "age", "name")


@click.group()
def data() -> None:
    """What runs keep in S3, and which of it no cleanup may touch.

    \b
    Examples:
      opsctl data list
      opsctl data hold nightly-7
    """


@data.command(name="list", short_help="Show what each run keeps, and who reads it.")
@click.argument("run", required=False)
@click.option(
    "--sort", "order", type=click.Choice(ORDERS), default="size", show_default=True,
    help="Largest, most objects, dearest or oldest first; or by name.",
)  # fmt: skip
@click.pass_context
def list_data(context: click.Context, run: str | None, order: str) -> None:
    """Show what each run keeps, and who reads it; of one RUN, what each of its steps keeps.

    The age of a run is that of its end, the age of a step that of its newest object. What storage costs a month is
    known for us-east-1 only, without requests. RUN is a name or its beginning, an ARN, @latest or @failed.

    \b
    Examples:
      opsctl data list
      opsctl data list nightly-7
      opsctl data list --sort age
      opsctl data list --query "[?bytes > `1000000000`].run"
      opsctl data list --query "sum([].bytes)"
    """
    from opsctl.operations import data as stock

    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    region, now = connection.aws.region, connection.aws.now()
    if run is not None:
        name = stock.named(connection, run, stock.names(connection))
        holding = _sorted(stock.holding(connection, name, _warn), order, region)
        read = stock.readers_by_folder(connection, holding)
        emit(invocation, _document(holding, region, read), _folders_text(holding, read, region, now))
        return
    found = stock.holdings(connection, _warn)
    if not found:
        tell("no run keeps any data yet")
    found.sort(key=lambda holding: _run_key(order, holding.data, region))
    emit(invocation, [_document(holding, region) for holding in found], _runs_text(found, region, now))


@data.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.pass_context
def hold(context: click.Context, runs: tuple[str, ...]) -> None:
    """Keep the data of RUNs from every cleanup, until it is released.

    \b
    Examples:
      opsctl data hold nightly-7
      opsctl data hold @latest
    """
    from opsctl.operations import data as stock

    _mark(context.ensure_object(Invocation), runs, stock.hold, True, ("is held", "was held already"))


@data.command(short_help="Take the hold off the data of RUNs.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.pass_context
def release(context: click.Context, runs: tuple[str, ...]) -> None:
    """Take the hold off the data of RUNs: a cleanup may delete it again.

    \b
    Example:
      opsctl data release nightly-7
    """
    from opsctl.operations import data as stock

    _mark(context.ensure_object(Invocation), runs, stock.release, False, ("is released", "was not held"))


def _warn(warning: str) -> None:
    tell(f"warning: {warning}")


def _mark(
    invocation: Invocation,
    runs: tuple[str, ...],
    mark: Callable[[Connection, str], bool],
    held: bool,
    words: tuple[str, str],
) -> None:
    """Hold or release runs, once all of them are found; `words` are for a change, and for none."""
    from opsctl.operations import data as stock

    connection = invocation.connect()
    known = stock.names(connection)
    names = list(dict.fromkeys(stock.named(connection, run, known) for run in runs))
    done = [(name, mark(connection, name)) for name in names]
    document = [{"run": name, "held": held, "changed": changed} for name, changed in done]
    emit(invocation, document, "\n".join(f"{name} {words[0 if changed else 1]}" for name, changed in done))


def _sorted(holding: Holding, order: str, region: str) -> Holding:
    """With the folders in that order."""
    folders = sorted(holding.data.folders, key=lambda folder: _folder_key(order, folder, region))
    return replace(holding, data=replace(holding.data, folders=tuple(folders)))


def _run_key(order: str, run: RunData, region: str) -> tuple[float, str]:
    usd = _usd(run.folders, region) or 0.0
    first = {"size": -run.bytes, "objects": -run.objects, "usd": -usd, "age": run.last_used, "name": 0.0}
    return first[order], run.name


def _folder_key(order: str, folder: Folder, region: str) -> tuple[float, str]:
    usd = _usd([folder], region) or 0.0
    first = {"size": -folder.bytes, "objects": -folder.objects, "usd": -usd, "age": folder.newest, "name": 0.0}
    return first[order], folder.name


def _runs_text(found: list[Holding], region: str, now: float) -> str:
    rows = [_row(holding, region, now) for holding in found]
    folders = [folder for holding in found for folder in holding.data.folders]
    total = ["total", None, None, None, *_sums(folders, region), None]
    return table(RUN_HEADERS, [*rows, total] if rows else rows)


def _row(holding: Holding, region: str, now: float) -> list[Any]:
    run = holding.data
    known = run.known
    return [
        run.name,
        known.machine if known else None,
        known.status if known else None,
        age(now - run.last_used),
        *_sums(run.folders, region),
        ", ".join([*holding.read_by, *_marks(holding)]) or None,
    ]


def _marks(holding: Holding) -> list[str]:
    """What else keeps a run as a whole."""
    marks = {"held": holding.data.held, "champion": holding.champion, "endpoint": holding.endpoint}
    return [word for word, is_so in marks.items() if is_so]


def _folders_text(holding: Holding, read: Mapping[str, tuple[str, ...]], region: str, now: float) -> str:
    folders = holding.data.folders
    rows = [
        [folder.name or "records", folder.kind, age(now - folder.newest), *_sums([folder], region),
         ", ".join(read[folder.name]) or None]
        for folder in folders
    ]  # fmt: skip
    total = ["total", None, None, *_sums(folders, region), ", ".join(_marks(holding)) or None]
    return table(FOLDER_HEADERS, [*rows, total])


def _sums(folders: Any, region: str) -> list[Any]:
    classes = sorted({name for folder in folders for name in folder.bytes_by_class})
    usd = _usd(folders, region)
    return [
        f"{sum(folder.objects for folder in folders):,}",
        size(sum(folder.bytes for folder in folders)),
        "unknown" if usd is None else f"{usd:.2f}",
        ", ".join(classes),
    ]


def _usd(folders: Any, region: str) -> float | None:
    parts = [usd_a_month(folder.bytes_by_class, region) for folder in folders]
    return None if any(part is None for part in parts) else sum(part for part in parts if part is not None)


def _document(holding: Holding, region: str, read: Mapping[str, tuple[str, ...]] | None = None) -> dict[str, Any]:
    """`read` is by folder who reads it, where that was asked for."""
    run = holding.data
    by_folder = {} if read is None else {name: {"read_by": list(readers)} for name, readers in read.items()}
    return {
        "run": run.name,
        "machine": run.known.machine if run.known else None,
        "status": run.known.status if run.known else None,
        "last_used": iso(run.last_used),
        "objects": run.objects,
        "bytes": run.bytes,
        "usd_a_month": _usd(run.folders, region),
        "held": run.held,
        "champion": holding.champion,
        "endpoint": holding.endpoint,
        "reads": sorted(run.reads),
        "read_by": list(holding.read_by),
        "folders": [_folder(folder, region) | by_folder.get(folder.name, {}) for folder in run.folders],
    }


def _folder(folder: Folder, region: str) -> dict[str, Any]:
    return {
        "folder": folder.name,
        "kind": folder.kind,
        "objects": folder.objects,
        "bytes": folder.bytes,
        "bytes_by_class": dict(folder.bytes_by_class),
        "usd_a_month": usd_a_month(folder.bytes_by_class, region),
        "newest": iso(folder.newest),
    }
