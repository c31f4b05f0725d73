"""`opsctl test`: files of cases run against the definitions that they name."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.domain.cases import Case, CaseError, Suite, Verdict, definition_of
from opsctl.errors import OpsError, UsageError, reason
from opsctl.operations.documents_yaml import Source, load
from opsctl.operations.rendering import TEMPLATE, render_template

SUFFIX = ".test.yaml"


@dataclass(frozen=True)
class Timed:
    """A verdict, the real seconds that it took, and the line of its case."""

    verdict: Verdict
    seconds: float
    line: int


@dataclass(frozen=True)
class FileReport:
    """What a file's cases came to. `file` is the name it was given by."""

    file: str
    results: tuple[Timed, ...]

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return sum(not result.verdict.passed for result in self.results)


def run_files(files: Sequence[Path], pattern: str = "") -> tuple[FileReport, ...]:
    """Run the cases whose names contain `pattern`, in any case of letters.

    All files are read before the first case runs. Raises UsageError with file and line for what is wrong in one, and
    where no case is left to run.
    """
    suites = [(file, *_suite(file)) for file in files]
    reports = [_run(file, source, suite, pattern.casefold()) for file, source, suite in suites]
    if not any(report.results for report in reports):
        names = [case.name for _, _, suite in suites for case in suite.cases]
        near = difflib.get_close_matches(pattern, names, n=1, cutoff=0.3)
        raise UsageError(f"no case has {pattern!r} in its name", f"there is {near[0]!r}" if near else None)
    return tuple(report for report in reports if report.results)


def _run(file: Path, source: Source, suite: Suite, pattern: str) -> FileReport:
    chosen = [case for case in suite.cases if pattern in case.name.casefold()]
    return FileReport(str(file), tuple(_timed(suite, case, source) for case in chosen))


def _timed(suite: Suite, case: Case, source: Source) -> Timed:
    began, line = time.perf_counter(), source.line(case.location)
    try:
        verdict = suite.run(case)
    except RecursionError:
        raise UsageError(f"line {line}: the case {case.name!r} holds data that is nested too deeply") from None
    return Timed(verdict, time.perf_counter() - began, line)


def _suite(file: Path) -> tuple[Source, Suite]:
    source = load(read_text(file), str(file))
    with located(file, source):
        named, variables = definition_of(source.value)
        try:
            definition = _definition(file, source, named, variables)
            return source, Suite(definition, source.value, file.name.partition(".")[0])
        except InvalidDefinition as error:
            place = file if isinstance(named, dict) else file.parent / named
            raise UsageError(f"{place}: {error.message}", error.hint) from error


@contextmanager
def located(file: Path, source: Source) -> Iterator[None]:
    """Raise UsageError, with file and line, for what is wrong inside with a file of cases."""
    try:
        yield
    except CaseError as error:
        raise UsageError(f"{file}:{source.line(error.location)}: {error.message}", error.hint) from error
    except RecursionError:
        raise UsageError(f"{file}: the document is nested too deeply") from None


def _definition(file: Path, source: Source, named: Any, variables: Any) -> dict[str, Any]:
    """The definition that a file of cases names: JSON or YAML, or a template of either."""
    if isinstance(named, dict):
        return named
    path = file.parent / named
    if path.suffix == TEMPLATE:
        text = _rendered(file, path, _variables(file, source, variables), source.line(("variables",)))
    elif variables is None:
        text = _beside(file, source, ("definition",), named)
    else:
        words = f"variables are for templates, and {named} is none"
        raise UsageError(f"{file}:{source.line(('variables',))}: {words}", f"templates end in {TEMPLATE}")
    value = load(text, str(path)).value if _is_yaml(path) else _json(text, path)
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds no state machine definition")
    return value


def _rendered(file: Path, path: Path, variables: dict[str, Any], line: int) -> str:
    if not path.is_file():
        raise UsageError(f"{file}: its definition: no file {path}", _nearest(path))
    try:
        return render_template(path, variables)
    except UsageError as error:
        raise UsageError(f"{file}:{line}: {error.message}", error.hint) from error


def _variables(file: Path, source: Source, given: Any) -> dict[str, Any]:
    if not isinstance(given, str):
        return given or {}
    value = load(_beside(file, source, ("variables",), given), str(file.parent / given)).value
    if not isinstance(value, dict):
        raise UsageError(f"{file.parent / given} holds no mapping of variables")
    return value


def _beside(file: Path, source: Source, location: tuple[str, ...], name: str) -> str:
    try:
        return read_text(file.parent / name)
    except OpsError as error:
        raise UsageError(f"{file}:{source.line(location)}: {error.message}", error.hint) from error


def _is_yaml(path: Path) -> bool:
    return {".yaml", ".yml"} & set(path.suffixes) != set()


def _json(text: str, path: Path) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # halves of characters could be read, but never be shown
        return value
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply") from None


def read_text(path: Path) -> str:
    """A file's text. Raises UsageError, with the nearest name for a file that there is not."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"no file {path}", _nearest(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}") from error


def _nearest(path: Path) -> str | None:
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    return f"did you mean {path.parent / near[0]}?" if near else None
