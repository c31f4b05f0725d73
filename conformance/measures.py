"""The four measures: replay, reader, verdicts and samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.comparison import compare
from conformance.corpus import Judged, Recording, judged, recordings
from conformance.expectation import expected_states, expected_status
from conformance.replay import replay
from conformance.report import Measure, bar_from
from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.history import read_history
from opsctl.asl.validate import validate
from opsctl.domain.lint import check
from opsctl.domain.lint.sources import UnreadableError, read_json


def measure(folder: Path, environment: Mapping[str, str]) -> list[Measure]:
    """Everything that the folder can be measured for. Raises `OSError` and `ValueError` for a folder of another shape
    or a bar that is no number."""
    histories, definitions = list(recordings(folder)), list(judged(folder))
    aws_refusals = {message for one in definitions if one.by_aws for message in one.messages}
    return [
        measure_replay(histories, bar_from(environment, "MIN_REPLAY", 97)),
        measure_reading(histories, bar_from(environment, "MIN_READ", 100)),
        measure_reader(histories, bar_from(environment, "MIN_READER", 99.5)),
        measure_verdicts(definitions, bar_from(environment, "MIN_VERDICTS", 97)),
        measure_field(definitions),
        measure_samples(definitions, aws_refusals, bar_from(environment, "MIN_SAMPLES", 99)),
    ]


def measure_replay(histories: list[Recording], bar: float) -> Measure:
    """Does the interpreter, given definition, input and outcomes, write what AWS wrote?"""
    found, kinds = Measure("replay", bar), Counter[str]()
    for recording in histories:
        if recording.why_not_replayable:
            found.exclude(recording.name, recording.why_not_replayable)
            continue
        found.count(recording.name, _replay_difference(recording, kinds))
    found.notes.append(f"of the agreeing, {kinds['identical']} with the same ids, {kinds['text']} with the same text")
    return found


def _replay_difference(recording: Recording, kinds: Counter[str]) -> str | None:
    try:
        ours = replay(recording)
    except InvalidDefinition as refusal:
        return f"our parser refuses the definition: {_first(str(refusal))}"
    except Exception as error:  # noqa: BLE001 whatever it is, it is the finding
        return f"our interpreter raises {type(error).__name__}: {_first(str(error))}"
    # An execution that AWS showed while it ran may have gone further with us.
    recorded = recording.events
    events = ours.events[: len(recorded)] if recording.status == "RUNNING" else ours.events
    verdict = compare(recorded, events, ours.drawn)
    kinds["identical"] += verdict.identical
    kinds["text"] += verdict.same_text
    return verdict.difference


def measure_reading(histories: list[Recording], bar: float) -> Measure:
    """Is every history read without an error?"""
    found = Measure("reader, read at all", bar)
    for recording in histories:
        found.count(recording.name, _reading_error(recording))
    return found


def _reading_error(recording: Recording) -> str | None:
    try:
        read_history(recording.as_recorded)
    except Exception as error:  # noqa: BLE001 whatever it is, it is the finding
        return f"{type(error).__name__}: {_first(str(error))}"
    return None


def measure_reader(histories: list[Recording], bar: float) -> Measure:
    """Are the final status and the status of every state right?"""
    found, states, right = Measure("reader, every status right", bar), 0, 0
    for recording in histories:
        if _reading_error(recording):
            found.count(recording.name, "not read at all")
            continue
        expected = expected_states(recording)
        run = read_history(recording.as_recorded, recording.definition)
        read = {state.entered_id: (state.name, state.status) for state in run.states if state.entered_id}
        wrong = {identity for identity in expected.keys() | read.keys() if expected.get(identity) != read.get(identity)}
        states, right = states + len(expected), right + len(expected.keys() - wrong)
        found.count(recording.name, _reader_difference(expected_status(recording), run.status, expected, read, wrong))
    found.notes.append(f"{right} of {states} states right")
    return found


def _reader_difference(
    status: str, read_status: str, expected: Mapping[int, Any], read: Mapping[int, Any], wrong: set[int]
) -> str | None:
    if status != read_status:
        return f"execution: expected {status}, read {read_status}"
    if not wrong:
        return None
    first = min(wrong)
    return f"state: expected {expected.get(first, ('', 'nothing'))[1]}, read {read.get(first, ('', 'nothing'))[1]}"


def measure_verdicts(definitions: list[Judged], bar: float) -> Measure:
    """Do we accept and refuse what AWS accepts and refuses?"""
    found = Measure("verdicts, AWS's own", bar)
    for one in definitions:
        if one.by_aws:
            found.count(one.name, _disagreement(one))
        else:
            found.exclude(one.name, "the verdict is not AWS's own")
    return found


def measure_field(definitions: list[Judged]) -> Measure:
    """The same against the verdicts of the field's validators; told, not judged: AWS's own verdict beats theirs."""
    found = Measure("verdicts, the field's validators", None)
    for one in definitions:
        if not one.by_aws:
            found.count(one.name, _disagreement(one))
    return found


def measure_samples(definitions: list[Judged], aws_refusals: set[str], bar: float) -> Measure:
    """Does `opsctl lint` accept what was published as valid? (To lint, a CloudFormation function is a value to come.)
    Only what AWS itself refuses is left out."""
    found = Measure("samples", bar)
    for one in definitions:
        if one.by_aws or not one.valid:
            found.exclude(one.name, "AWS judged it: counted above" if one.by_aws else "published as invalid")
            continue
        errors = _lint_errors(one.text)
        if errors and all(any(message in refusal for refusal in aws_refusals) for message in errors):
            found.exclude(one.name, f"AWS refuses it in so many words: {errors[0]}")
        else:
            found.count(one.name, errors[0] if errors else None)
    return found


def _disagreement(one: Judged) -> str | None:
    errors = _errors(one.text)
    if one.valid:
        return f"refused, though valid: {errors[0]}" if errors else None
    return None if errors else "accepted, though invalid"


def _errors(text: str) -> list[str]:
    return [one.message for one in validate(text) if one.severity == "ERROR"]


def _lint_errors(text: str) -> list[str]:
    try:
        definition = read_json(text).value
    except UnreadableError as error:
        return [str(error)]
    return [one.message for one in check(definition) if one.severity == "ERROR"]


def _first(text: str) -> str:
    return next(iter(text.splitlines()), "")
