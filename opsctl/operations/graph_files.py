"""The picture of a machine that lies in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsctl.domain.picture import Picture
from opsctl.errors import UsageError
from opsctl.operations.drawing import drawn
from opsctl.operations.saved import load_definition

TEMPLATE = ".tftpl"
YAML = (".yaml", ".yml")
SUFFIXES = (TEMPLATE, *YAML, ".json", ".asl")


def draw_definition(path: Path, pairs: Sequence[str], files: Sequence[Path]) -> Picture:
    """The picture of the machine in a file. Raises as `definition_in` does."""
    return drawn(title_of(path), definition_in(path, pairs, files))


def title_of(path: Path) -> str:
    """What a machine is called whose definition lies in this file."""
    title = path.name
    while title.endswith(SUFFIXES):
        title = title.rpartition(".")[0]
    return title or path.name


def definition_in(path: Path, pairs: Sequence[str], files: Sequence[Path]) -> Any:
    """The machine in a file: JSON, YAML, or a template of either, rendered with variables (`name=value` and files of
    them) over the samples beside it.

    Raises UsageError, also for variables of what is no template, and ConfigurationError for a template without
    Terraform.
    """
    if (pairs or files) and not path.name.endswith(TEMPLATE):
        raise UsageError(f"{path} is no template: variables change nothing in it", "leave --var and --var-file out")
    if not path.name.endswith((TEMPLATE, *YAML)):
        return load_definition(path)
    from opsctl.operations.graph_templates import machine_in  # with YAML and Terraform: too much for a JSON file

    return machine_in(path, pairs, files)
