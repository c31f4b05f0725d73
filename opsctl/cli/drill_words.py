"""What drills came to, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from opsctl.cli.render import duration, printable, table
from opsctl.domain.drill.model import Kind, Trace
from opsctl.domain.drill.report import NEVER, Report

HEADERS = {
    Kind.REFUSED: "REFUSED", Kind.FAILED: "FAILS", Kind.HANG: "HANGS", Kind.SILENCE: "SILENT",
    Kind.OVERSIZED: "TOO LARGE", Kind.MISSING: "MISSING", Kind.STOPPED: "STOPPED",
    Kind.CORRUPT: "CORRUPT", Kind.INTERRUPTED: "SPOT", Kind.ABORT: "STOP",
}  # fmt: skip
MOST_TOLD = 20  # refutations with their traces, in text


def text(report: Report) -> str:
    """The matrix and the traces, as text."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"{printable(report.title)}: {'REFUTED' if report.refuted else 'nothing refuted'}"
    if report.interrupted:
        yield report.interrupted
    yield ""
    cells = report.cells()
    kinds = [kind for kind in HEADERS if any(kind in row for row in cells.values())]
    rows = [[state, *(_cell(row.get(kind)) for kind in kinds)] for state, row in cells.items()]
    yield table(["STATE", *(HEADERS[kind] for kind in kinds)], rows)
    yield ""
    yield from _counted(report) if report.counts else _sums(report)
    never = [row for row in report.singles if row.result == NEVER]
    if never:
        yield ""
        yield "never struck"
        for (state, why), words in _by_reason(never).items():
            yield f"  {printable(state)}: {printable(', '.join(words))}: {why}"
    alike: dict[tuple[str, str], list[Trace]] = {}
    for trace in report.traces:
        alike.setdefault((trace.refutation.check, trace.refutation.at), []).append(trace)
    for traces in list(alike.values())[:MOST_TOLD]:
        yield ""
        yield from _told(traces[0])
        yield from (f"  so too: {printable(trace.refutation.words)}" for trace in traces[1:])
    if len(alike) > MOST_TOLD:
        yield ""
        yield f"{len(alike) - MOST_TOLD} more kinds of refutations: -o json, or --out drill.html"


def _cell(counts: tuple[int, int, int] | None) -> str:
    if counts is None:
        return ""
    ok, refuted, never = counts
    if refuted:
        return f"REFUTED {refuted} of {ok + refuted}"
    return f"ok {ok}" if ok else f"never {never}"


def _sums(report: Report) -> Iterator[str]:
    struck = sum(row.result != NEVER for row in report.singles)
    refuted = sum(bool(row.refuted) for row in report.singles)
    yield f"single faults: {struck:,} of {len(report.singles):,} struck, {refuted:,} refuted"
    yield f"stops: {report.stops:,}, one behind each move; {report.stops_refuted:,} refuted"
    if report.pairs is not None:
        merged = (
            f"{report.classes:,} of the {len(report.singles):,} faults stand for all, as nothing tells the others apart"
        )
        yield f"pairs: {report.pairs:,} walked, {report.pairs_refuted:,} refuted ({merged})"
    if report.cases:
        yield f"cases: {report.cases:,} walked, {report.cases_refuted:,} refuted"
    yield f"scenarios: {printable('; '.join(report.scenarios))}"


def _counted(report: Report) -> Iterator[str]:
    """What a live drill made, expected and found."""
    struck = sum(row.result != NEVER for row in report.singles)
    refuted = sum(bool(row.refuted) for row in report.singles)
    yield f"faults: {struck:,} of {len(report.singles):,} made for real, {refuted:,} refuted"
    yield ""
    yield table(["", "EXPECTED", "FOUND"], [[one.what, one.expected, one.found] for one in report.counts])


def _by_reason(never: Sequence[Any]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for row in never:
        word = HEADERS[row.fault.kind].lower()
        words = found.setdefault((row.fault.state, row.why_never), [])
        words += [word] * (word not in words)
    return found


def _told(trace: Trace) -> Iterator[str]:
    refutation = trace.refutation
    yield f"{click.style('REFUTED', fg='red')} {refutation.check}: {printable(refutation.words)}"
    yield f"  scenario: {printable(trace.scenario)}"
    wide = max((len(printable(line.state)) for line in trace.lines), default=0)
    for line in trace.lines:
        yield f"  {duration(line.at) or '':>11}  {printable(line.state):<{wide}}  {printable(line.words)}"


# JSON


def documents(reports: Sequence[Report]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "result": "REFUTED" if any(report.refuted for report in reports) else "OK",
        "complete": not any(report.interrupted for report in reports),
        "machines": [_document(report) for report in reports],
    }


def _document(report: Report) -> dict[str, Any]:
    return {
        "machine": report.title,
        "result": "REFUTED" if report.refuted else "OK",
        "interrupted": report.interrupted or None,
        "scenarios": list(report.scenarios),
        "singles": [
            {
                "state": row.fault.state, "kind": row.fault.kind.value, "error": row.fault.error or None,
                "lasting": row.fault.lasting, "result": row.result, "ends": list(row.ends),
                "refuted": [{"check": one.check.value, "words": one.words} for one in row.refuted],
                "why": row.why_never or None,
            }
            for row in report.singles
        ],
        "stops": {"walked": report.stops, "refuted": report.stops_refuted},
        "pairs": None if report.pairs is None else {"walked": report.pairs, "refuted": report.pairs_refuted},
        "cases": {"walked": report.cases, "refuted": report.cases_refuted},
        "classes": report.classes,
        "counts": [{"what": one.what, "expected": one.expected, "found": one.found} for one in report.counts] or None,
        "refutations": [_trace(trace) for trace in report.traces],
    }  # fmt: skip


def _trace(trace: Trace) -> dict[str, Any]:
    return {
        "check": trace.refutation.check.value, "state": trace.refutation.at, "words": trace.refutation.words,
        "faults": [fault.words for fault in trace.faults], "scenario": trace.scenario, "input": trace.input,
        "trace": [{"at": line.at, "state": line.state, "what": line.words} for line in trace.lines],
    }  # fmt: skip
