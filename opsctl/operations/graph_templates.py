"""The definition in a template, or in YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsctl.errors import UsageError
from opsctl.operations.documents_yaml import load
from opsctl.operations.lint_templates import read_variables, samples_of
from opsctl.operations.rendering import TEMPLATE, NotRenderedError, Variables, render
from opsctl.operations.saved import DEFINITION_HINT
from opsctl.operations.testing import read_text


def machine_in(path: Path, pairs: Sequence[str], files: Sequence[Path]) -> Any:
    """The definition. Raises UsageError, and ConfigurationError for a template without Terraform."""
    text = read_text(path)
    if path.name.endswith(TEMPLATE):
        text = _rendered(path, text, read_variables(pairs, files))
    value = load(text, str(path)).value
    if not isinstance(value, dict) or not isinstance(value.get("States"), dict):
        raise UsageError(f"{path} is no state machine definition", DEFINITION_HINT)
    return value


def _rendered(path: Path, text: str, variables: Variables) -> str:
    samples = samples_of(path)
    files = ((samples,) if samples.is_file() else ()) + variables.files
    try:
        return render(text, Variables(files, variables.values))[0]
    except NotRenderedError as error:
        hint = f"give it its variables: --var NAME=VALUE, --var-file FILE, or in {samples}"
        raise UsageError(f"{path} cannot be rendered: {error.words(path.name)}", hint) from error
