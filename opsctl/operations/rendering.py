"""Definition templates (`.tftpl`), rendered by Terraform itself: offline, without any provider or `terraform init`.

A scratch configuration has `templatefile` for an output, so that a template means here exactly what it means in the
module: its loops, its functions, its errors. Its Terraform runs with an environment built from nothing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsctl import terraform
from opsctl.errors import UsageError, reason
from opsctl.operations.documents_yaml import load

TEMPLATE = ".tftpl"
_SCRATCH = "template.tftpl"
_PROGRAM = """\
#!/bin/sh
exec env -i PATH={path} HOME={home} CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_CLI_CONFIG_FILE=/dev/null \\
  {terraform} "$@"
"""
_CONFIGURATION = """\
locals {{
  values = merge(
    {sources}
  )
}}
output "rendered" {{
  value = tostring(templatefile("${{path.module}}/{template}", local.values))
}}
output "variation" {{
  value = try(tostring(templatefile("${{path.module}}/variation.tftpl", local.values)), null)
}}
"""
_CONTEXT = re.compile(
    r'^.*? on main\.tf line \d+, in output "\w+": '
    r'(?:Call to function "\w+" failed: |Invalid value for "\w+" parameter: )?'
)
_PLACE = re.compile(rf"(?:\./)?{_SCRATCH}(?::| line )(\d+)(?:,(\d+))?[-,\d]*(?:: )?")


@dataclass(frozen=True, slots=True)
class Variables:
    """What templates are rendered with: files (.tfvars, .json, .yaml), and over them JSON values given one by one."""

    files: tuple[Path, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


NO_VARIABLES = Variables()


class NotRenderedError(ValueError):
    """Terraform's own words, in one line. `line` and `column` of the template count from 1."""

    def __init__(self, message: str) -> None:
        words = _CONTEXT.sub("", message.removeprefix("terraform apply failed: ")).rstrip(" .")
        place = _PLACE.search(words)
        super().__init__(words)
        self.line, self.column = (int(place[1]), int(place[2] or 1)) if place else (1, 1)

    def words(self, name: str = "") -> str:
        """The words with the template called by its name, or without the place that they are about.

        Another place that they mention, such as where a directive begins that has no end, is told by its line.
        """
        found = str(self)
        if name:
            return found.replace(f"./{_SCRATCH}", name)
        return _PLACE.sub(lambda place: f"line {place[1]}", _PLACE.sub("", found, count=1)).strip(" .")


def render(template: str, variables: Variables, variation: str = "") -> tuple[str, str | None]:
    """The text that a template makes, and the one that a variation of it makes, or None where that makes none.

    Raises NotRenderedError, UsageError for a variable file that holds none, ConfigurationError without Terraform.
    """
    with tempfile.TemporaryDirectory(prefix="opsctl-render-") as scratch:
        directory = Path(scratch)
        sources = [_source(file, directory / f"values-{number}.json") for number, file in enumerate(variables.files)]
        (directory / "values.json").write_text(json.dumps(dict(variables.values)), encoding="utf-8")
        sources.append(_decoded("values.json"))
        (directory / _SCRATCH).write_bytes(template.encode())
        (directory / "variation.tftpl").write_bytes(variation.encode())
        configuration = _CONFIGURATION.format(sources=",\n    ".join(sources), template=_SCRATCH)
        (directory / "main.tf").write_text(configuration, encoding="utf-8")
        try:
            terraform.apply(terraform.Workspace(directory, _program(directory)))
        except terraform.TerraformError as error:
            raise NotRenderedError(error.message) from error
        outputs = terraform.state_outputs(directory / "terraform.tfstate")
    return outputs["rendered"], outputs.get("variation")


def render_template(path: Path, variables: Mapping[str, Any]) -> str:
    """The text that `templatefile(path, variables)` makes; `variables` are JSON values.

    Raises UsageError with Terraform's own words, where it is in the template included, for a template that cannot be
    read or rendered; ConfigurationError where there is no Terraform.
    """
    if not path.is_file():
        raise UsageError(f"no file {path}")
    try:
        return render(_read(path), Variables(values=variables))[0]
    except NotRenderedError as error:
        raise UsageError(
            f"{path} cannot be rendered: {error.words(path.name)}",
            "give it the variables that its module hands to templatefile",
        ) from error


def _program(directory: Path) -> Path:
    program = directory / "terraform"
    words = {"path": os.environ.get("PATH", os.defpath), "home": directory, "terraform": terraform.find_terraform()}
    program.write_text(
        _PROGRAM.format(**{name: shlex.quote(str(word)) for name, word in words.items()}), encoding="utf-8"
    )
    program.chmod(0o700)
    return program


def _source(file: Path, copy: Path) -> str:
    """The Terraform expression for a variable file: JSON and YAML are read here, and HCL's `name = value` lines are an
    object's too."""
    text = _read(file)
    if file.suffix not in (".json", ".yaml", ".yml"):
        return f"{{\n{text}\n    }}"
    document = load(text, str(file)).value
    if not isinstance(document, dict):
        raise UsageError(f"{file} holds no variables", "write a mapping of names to values into it")
    copy.write_text(json.dumps(document), encoding="utf-8")
    return _decoded(copy.name)


def _decoded(name: str) -> str:
    return f'jsondecode(file("${{path.module}}/{name}"))'


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {reason(error)}") from error
