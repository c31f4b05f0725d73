"""`opsctl graph`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.output import send, sent_as
from opsctl.cli.render import COLORS, emit, writable
from opsctl.cli.terminal import tell
from opsctl.domain.picture import Lane, Node, Picture
from opsctl.domain.runs import LATEST
from opsctl.errors import UsageError

FORMATS = {"text": ".txt", "svg": ".svg", "png": ".png", "mermaid": ".mmd", "json": ".json", "table": ".txt"}
FILE = click.Path(path_type=Path, dir_okay=False)
UNKNOWN_WIDTH = 100


@click.command()
@click.argument("run", required=False)
@click.option("--definition", type=FILE, metavar="FILE", help="Draw the machine in a file; with --history, its run.")
@click.option("--history", type=FILE, metavar="FILE", help="Draw the run of a saved GetExecutionHistory.")
@click.option("--var", "pairs", multiple=True, metavar="NAME=VALUE", help="Variable of a template.")
@click.option("--var-file", "var_files", multiple=True, type=FILE, metavar="FILE", help="Variables of a template.")
@click.option("--out", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-", help="Write it to a file.")
@click.option(
    "-o", "--output", type=click.Choice(list(FORMATS)), help="[default: what --out's name ends in, otherwise text]"
)
@click.pass_context
def graph(
    context: click.Context,
    run: str | None,
    definition: Path | None,
    history: Path | None,
    pairs: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Path | None,
    output: str | None,
) -> None:
    """Draw a run's state machine, coloured by what became of each state. RUN is @latest by default.

    Branches of a Parallel stand side by side; on the states are their times and attempts, on the ways the conditions of
    guards; failures' ways are dashed and red. With --definition alone it is the machine in that file: JSON, YAML or a
    template of either, which is filled with the samples beside it.

    \b
    Examples:
      opsctl graph
      opsctl graph nightly-7 --out nightly-7.svg
      opsctl graph --definition definitions/training.asl.json.tftpl -o mermaid
      opsctl graph --history history.json --definition training.asl.json --out run.png
    """
    invocation = context.ensure_object(Invocation)
    invocation.output = output or invocation.output
    kind = sent_as(invocation, out, FORMATS, "text")
    picture = _picture(invocation, run, definition, history, pairs, var_files)
    try:
        if out is None and kind in ("text", "table", "json"):
            emit(invocation, document(picture), _text(picture) if kind != "json" else "")
        else:
            send(out, _drawn(kind, picture))
    except RecursionError:
        raise UsageError(f"{picture.title} is nested too deeply to be drawn") from None


def _picture(
    invocation: Invocation,
    run: str | None,
    definition: Path | None,
    history: Path | None,
    pairs: tuple[str, ...],
    var_files: tuple[Path, ...],
) -> Picture:
    if run is not None and (definition or history):
        raise UsageError("a RUN is drawn from what AWS tells of it", f"leave {run} out, or --definition and --history")
    if (pairs or var_files) and (definition is None or history is not None):
        raise UsageError("variables fill a template, and none is drawn", "name it with --definition, without --history")
    if history is not None:
        from opsctl.operations.graph import draw_saved

        picture, doubts = draw_saved(history, definition)
        for doubt in doubts:
            tell(f"warning: {doubt}")
        return picture
    if definition is not None:
        from opsctl.operations.graph_files import draw_definition

        return draw_definition(definition, pairs, var_files)
    from opsctl.operations.graph import draw_run

    return draw_run(invocation.connect(), LATEST if run is None else run)


def _drawn(kind: str, picture: Picture) -> bytes:
    """The picture in a format, as a file has it."""
    if kind == "json":
        import json

        return (json.dumps(document(picture), indent=2, ensure_ascii=False) + "\n").encode()
    drawn: dict[str, Callable[[], bytes]] = {"svg": lambda: _svg(picture), "png": lambda: _png(picture)}
    drawn |= {"mermaid": lambda: _mermaid(picture), "text": lambda: _plain(picture), "table": lambda: _plain(picture)}
    return drawn[kind]()


def _svg(picture: Picture) -> bytes:
    from opsctl.pictures.svg import svg

    return svg(picture).encode()


def _png(picture: Picture) -> bytes:
    from opsctl.pictures.png import png
    from opsctl.pictures.svg import svg

    return png(svg(picture))


def _mermaid(picture: Picture) -> bytes:
    from opsctl.pictures.mermaid import mermaid

    return mermaid(picture).encode()


def _plain(picture: Picture) -> bytes:
    from opsctl.pictures.text import text

    return (text(picture, UNKNOWN_WIDTH) + "\n").encode()


def _text(picture: Picture) -> str:
    """The drawing for a terminal, as wide as it is and with the letters that it has."""
    from opsctl.pictures.text import ASCII, Signs, text

    signs = Signs()
    if not writable("".join((signs.task, signs.choice, signs.down, signs.leads, signs.failed))):
        signs = ASCII
    room = shutil.get_terminal_size((UNKNOWN_WIDTH, 24)).columns
    return text(picture, room, signs, lambda words, status: click.style(words, fg=COLORS.get(status)))


def document(picture: Picture) -> dict[str, Any]:
    """The picture as JSON: all that it shows, and where each way leads."""
    return {
        "title": picture.title, "status": picture.status, "facts": list(picture.facts), **_lane(picture.lane),
    }  # fmt: skip


def _lane(lane: Lane) -> dict[str, Any]:
    ways = [
        {"from": edge.source, "to": edge.target, "kind": edge.kind, "when": edge.label or None, "taken": edge.taken}
        for edge in lane.edges
    ]
    return {"start": lane.start, "states": [_node(node) for node in lane.nodes], "ways": ways}


def _node(node: Node) -> dict[str, Any]:
    told = node.told
    found: dict[str, Any] = {"state": node.name, "type": node.kind, "work": node.work or None, "ends": node.ends}
    if told:
        found |= {
            "status": told.status, "seconds": told.seconds, "attempts": told.attempts, "entries": told.entries,
            "error": told.error, "note": told.note,
        }  # fmt: skip
    return found | {"lanes": [{"label": lane.label, **_lane(lane)} for lane in node.lanes]}
