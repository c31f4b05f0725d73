"""Histories and definitions saved in files: what commands that work offline read instead of asking AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from opsctl.errors import UsageError, reason

HISTORY_HINT = "save one with: aws stepfunctions get-execution-history --execution-arn ARN > history.json"
DEFINITION_HINT = "a definition is a JSON object with StartAt and States; render a template first"


def load_history(path: str | Path) -> list[dict[str, Any]]:
    """The events in a file: a list, or an object that holds one under `events`, as the `aws` command prints it.

    Raises UsageError for a file that is missing, cut off, or no history.
    """
    value = _load(path)
    events = value.get("events") if isinstance(value, dict) else value
    if not isinstance(events, list) or not events or not all(map(_is_event, events)):
        raise UsageError(f"{path} is no execution history", HISTORY_HINT)
    return events


def load_definition(path: str | Path) -> dict[str, Any]:
    """The definition in a file, or in what `aws stepfunctions describe-state-machine` printed.

    Raises UsageError for a file that is missing, cut off, or no definition.
    """
    value = _load(path)
    if isinstance(value, dict) and isinstance(value.get("definition"), str):
        value = _parsed(value["definition"], f"the definition in {path}")
    if not isinstance(value, dict) or not isinstance(value.get("States"), dict) or "StartAt" not in value:
        raise UsageError(f"{path} is no state machine definition", DEFINITION_HINT)
    return cast("dict[str, Any]", value)


def _load(path: str | Path) -> Any:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}") from error
    return _parsed(text, str(path))


def _parsed(text: str, named: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        whole = "" if text.strip() else "it is empty; "
        raise UsageError(f"{named} is not JSON: {whole}{error}", "was it cut off while it was saved?") from error
    except RecursionError:
        raise UsageError(f"{named} is nested too deeply to be read") from None


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), int) and isinstance(value.get("type"), str)
