"""Verdicts as JUnit XML, the format that CI systems read: `testsuites`, `testsuite`, `testcase`, `failure`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from opsctl.domain.cases.model import Difference
from opsctl.operations.testing import FileReport, Timed

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(reports: Sequence[FileReport]) -> str:
    """One `testsuite` a file, one `testcase` a case; `time` is in real seconds."""
    root = ET.Element("testsuites", _totals("opsctl test", [result for report in reports for result in report.results]))
    for report in reports:
        suite = ET.SubElement(root, "testsuite", _totals(report.file, report.results))
        for result in report.results:
            _case(suite, report.file, result)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _totals(name: str, results: Sequence[Timed]) -> dict[str, str]:
    return {
        "name": clean(name),
        "tests": str(len(results)),
        "failures": str(sum(not result.verdict.passed for result in results)),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(result.seconds for result in results):.6f}",
    }


def _case(suite: ET.Element, file: str, result: Timed) -> None:
    attributes = {"classname": clean(file), "name": clean(result.verdict.case.name), "file": clean(file)}
    case = ET.SubElement(suite, "testcase", {**attributes, "line": str(result.line), "time": f"{result.seconds:.6f}"})
    difference = result.verdict.difference
    if difference is not None:
        failure = ET.SubElement(case, "failure", {"message": clean(difference.what), "type": "difference"})
        failure.text = clean("\n".join(explained(difference)))


def explained(difference: Difference) -> list[str]:
    """A difference, line by line."""
    if difference.expected is None:
        return [difference.what]
    return [difference.what, f"  expected  {difference.expected}", f"  actual    {difference.actual}"]


def clean(text: str) -> str:
    """Without what XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
