"""The picture of a machine that lies in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opsctl.domain.picture import Picture
from opsctl.errors import UsageError
from opsctl.operations.documents_yaml import load
from opsctl.operations.graph import drawn
from opsctl.operations.lint_templates import samples_of
from opsctl.operations.rendering import TEMPLATE, NotRenderedError, Variables, render
from opsctl.operations.saved import DEFINITION_HINT, load_definition
from opsctl.operations.testing import read_text

SUFFIXES = (".tftpl", ".json", ".yaml", ".yml", ".asl")


def draw_definition(path: Path, variables: Variables) -> Picture:
    """The picture of a machine in a file: JSON, YAML, or a template of either, rendered with `variables` over the
    samples beside it. Raises UsageError, and ConfigurationError for a template without Terraform."""
    title = path.name
    while title.endswith(SUFFIXES):
        title = title.rpartition(".")[0]
    return drawn(title or path.name, _machine(path, variables))


def _machine(path: Path, variables: Variables) -> Any:
    if not path.name.endswith((TEMPLATE, ".yaml", ".yml")):
        return load_definition(path)
    text = read_text(path)
    if path.name.endswith(TEMPLATE):
        samples = samples_of(path)
        files = ((samples,) if samples.is_file() else ()) + variables.files
        try:
            text = render(text, Variables(files, variables.values))[0]
        except NotRenderedError as error:
            hint = f"give it its variables: --var NAME=VALUE, --var-file FILE, or in {samples}"
            raise UsageError(f"{path} cannot be rendered: {error.words(path.name)}", hint) from error
    value = load(text, str(path)).value
    if not isinstance(value, dict) or not isinstance(value.get("States"), dict):
        raise UsageError(f"{path} is no state machine definition", DEFINITION_HINT)
    return value
