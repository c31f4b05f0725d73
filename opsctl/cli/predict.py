"""`opsctl predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import emit, table

HEADERS = ["STACK", "PAGES", "CLASS", "PROBABILITY"]
PAGE_HEADERS = ["STACK", "PAGE", "CLASS", "PROBABILITY", "BEGINS"]


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--endpoint", metavar="NAME", help="SageMaker endpoint. [default: the deployment's]")
@click.option("--pages", is_flag=True, help="One line for each page, not for each document.")
@click.pass_context
def predict(context: click.Context, paths: tuple[Path, ...], endpoint: str | None, pages: bool) -> None:
    """Ask the deployed model what documents lie in stacks of scanned pages.

    Each FILE is a stack: a scan (TIFF, PNG, JPEG) with the text that OCR read beside it, in a file of the same name
    that ends in .txt, a form feed between pages; or a folder with one image and one text for each page, in the order
    of their names; or a stack of a data set (pages.tif, pages.jsonl). Many stacks go out in as few requests as the
    endpoint's limits allow (6 MB each).

    \b
    Examples:
      opsctl predict scan.tif
      opsctl predict inbox/* --pages
      opsctl predict inbox/0001 -o json
      opsctl predict inbox/* --query "[].documents[?class=='deed'][]"
    """
    from opsctl.operations.predict import predict as ask

    invocation = context.ensure_object(Invocation)
    found = ask(invocation.connect(), paths, endpoint)
    emit(invocation, found, _by_page(found) if pages else _by_document(found))


def _by_document(found: Sequence[dict[str, Any]]) -> str:
    rows = []
    for stack in found:
        for document in stack["documents"]:
            first, last = document["first_page"], document["last_page"]
            own = [page for page in stack["pages"][first - 1 : last] if page["class"] == document["class"]]
            span = str(first) if first == last else f"{first}-{last}"
            rows.append(
                [
                    stack["stack"],
                    span,
                    document["class"],
                    f"{max((page['probability'] for page in own), default=0):.2f}",
                ]
            )
    return table(HEADERS, rows)


def _by_page(found: Sequence[dict[str, Any]]) -> str:
    rows = [
        [stack["stack"], page["page"], page["class"], f"{page['probability']:.2f}", "yes" if page["begins"] else None]
        for stack in found
        for page in stack["pages"]
    ]
    return table(PAGE_HEADERS, rows)
