"""Drills as JUnit XML: a suite for each machine, a case for each kind of fault of each state, one for stops, pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from opsctl.domain.drill.model import Refutation, Trace
from opsctl.domain.drill.report import NEVER, Report, Row
from opsctl.operations.junit import clean


def junit_xml(reports: Sequence[Report]) -> str:
    """A `failure` for what is refuted, with its traces; `skipped` for what never struck."""
    root = ET.Element("testsuites", {"name": "opsctl drill"})
    for report in reports:
        suite = ET.SubElement(root, "testsuite", {"name": clean(report.title)})
        for case in _cases(report):
            suite.append(case)
        if report.counts:
            lines = [f"{one.what}: {one.expected} expected, {one.found} found" for one in report.counts]
            ET.SubElement(suite, "system-out").text = clean("\n".join(lines))
        _count(suite, report)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(report: Report) -> Iterator[ET.Element]:
    traces = {trace.refutation: trace for trace in report.traces}
    told: set[Refutation] = set()
    for (state, kind), rows in _grouped(report.singles).items():
        case = _case(report, f"{state}: {kind}")
        found = [traces[one] for row in rows for one in row.refuted if one in traces]
        told |= {trace.refutation for trace in found}
        if found:
            _fail(case, list({trace.refutation: trace for trace in found}.values()))
        elif all(row.result == NEVER for row in rows):
            ET.SubElement(case, "skipped", {"message": clean(rows[0].why_never)})
        yield case
    others = [trace for trace in report.traces if trace.refutation not in told]
    walked = ["a run without faults", "stops"] + ["pairs"] * (report.pairs is not None) + ["cases"] * bool(report.cases)
    case = _case(report, " and ".join([", ".join(walked[:-1]), walked[-1]]))
    if others:
        _fail(case, others)
    yield case


def _grouped(singles: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in singles:
        found.setdefault((row.fault.state, row.fault.kind.value), []).append(row)
    return found


def _case(report: Report, name: str) -> ET.Element:
    return ET.Element("testcase", {"classname": clean(report.title), "name": clean(name)})


def _fail(case: ET.Element, traces: Sequence[Trace]) -> None:
    for trace in traces[:1]:
        failure = ET.SubElement(
            case, "failure", {"message": clean(trace.refutation.words), "type": trace.refutation.check}
        )
        lines = [f"{line.at:.0f} s  {line.state}  {line.words}" for one in traces for line in one.lines]
        failure.text = clean("\n".join(lines))


def _count(suite: ET.Element, report: Report) -> None:
    suite.set("tests", str(sum(child.tag == "testcase" for child in suite)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in suite)))
    suite.set("errors", "1" if report.interrupted else "0")
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in suite)))
    if report.interrupted:
        ET.SubElement(suite, "system-err").text = clean(report.interrupted)
