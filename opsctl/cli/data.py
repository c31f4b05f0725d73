"""`opsctl data`: what runs keep in S3."""

from __future__ import annotations

from typing import Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import age, emit, iso, size, table
from opsctl.domain.inventory import Folder
from opsctl.domain.storage_prices import usd_a_month
from opsctl.operations import data as stock
from opsctl.operations.data import Holding

RUN_HEADERS = ["RUN", "MACHINE", "STATUS", "AGE", "OBJECTS", "SIZE", "USD/MONTH", "CLASS", "READ BY"]
FOLDER_HEADERS = ["FOLDER", "KIND", "OBJECTS", "SIZE", "USD/MONTH", "CLASS"]


@click.group()
def data() -> None:
    """What runs keep in S3, and which of it no cleanup may touch.

    \b
    Examples:
      opsctl data list
      opsctl data hold nightly-7
    """


@data.command(name="list")
@click.argument("run", required=False)
@click.pass_context
def list_data(context: click.Context, run: str | None) -> None:
    """Show what each run keeps, the largest first; of one RUN, what each of its steps keeps.

    \b
    Examples:
      opsctl data list
      opsctl data list nightly-7
      opsctl data list --query "[?bytes > `1000000000`].run"
    """
    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    region = connection.aws.region
    found = stock.holdings(connection)
    if run is not None:
        found = [stock.one(found, run)]
        emit(invocation, _document(found[0], region), _folders_text(found[0], region))
        return
    if not found:
        click.echo("no run keeps any data yet", err=True)
    emit(invocation, [_document(holding, region) for holding in found], _runs_text(found, region, connection.aws.now()))


@data.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.pass_context
def hold(context: click.Context, runs: tuple[str, ...]) -> None:
    """Keep the data of RUNs from every cleanup, until it is released.

    \b
    Example:
      opsctl data hold nightly-7
    """
    connection = context.ensure_object(Invocation).connect()
    for run in runs:
        click.echo(f"{run} is held" if stock.hold(connection, run) else f"{run} was held already")


@data.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.pass_context
def release(context: click.Context, runs: tuple[str, ...]) -> None:
    """Take the hold off the data of RUNs: a cleanup may delete it again.

    \b
    Example:
      opsctl data release nightly-7
    """
    connection = context.ensure_object(Invocation).connect()
    for run in runs:
        click.echo(f"{run} is released" if stock.release(connection, run) else f"{run} was not held")


def _runs_text(found: list[Holding], region: str, now: float) -> str:
    rows = [_row(holding, region, now) for holding in found]
    folders = [folder for holding in found for folder in holding.data.folders]
    total = ["total", None, None, None, *_sums(folders, region), None]
    return table(RUN_HEADERS, [*rows, total] if rows else rows)


def _row(holding: Holding, region: str, now: float) -> list[Any]:
    run = holding.data
    known = run.known
    marks = [word for word, is_so in (("held", run.held), ("champion", holding.champion)) if is_so]
    return [
        run.name,
        known.machine if known else None,
        known.status if known else None,
        age(now - run.last_used),
        *_sums(run.folders, region),
        ", ".join([*holding.read_by, *marks]) or None,
    ]


def _folders_text(holding: Holding, region: str) -> str:
    folders = holding.data.folders
    rows = [[folder.name or "records", folder.kind, *_sums([folder], region)] for folder in folders]
    return table(FOLDER_HEADERS, [*rows, ["total", None, *_sums(folders, region)]])


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


def _document(holding: Holding, region: str) -> dict[str, Any]:
    run = holding.data
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
        "reads": sorted(run.reads),
        "read_by": list(holding.read_by),
        "folders": [_folder(folder, region) for folder in run.folders],
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
