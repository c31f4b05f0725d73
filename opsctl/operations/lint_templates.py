"""Terraform templates (`.tftpl`), rendered by Terraform itself in a scratch workspace: offline, without any provider.

The variables come from the sample file beside the template (`training.asl.json.tftpl`: `training.variables.yaml`),
and over it from variable files and single values. A second rendering carries a marker at the start of each template
line, which is how a place in the result is led back to the template.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl import terraform
from opsctl.domain.lint.catalogue import NOT_RENDERED
from opsctl.domain.lint.sources import Position, UnreadableError
from opsctl.errors import OpsError, UsageError
from opsctl.operations.documents_yaml import load

OPEN, CLOSE = "\ue000", "\ue001"  # private characters, which no definition holds
_MARKER = re.compile(f"{OPEN}(\\d+){CLOSE}")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_PLACE = re.compile(r"template\.tftpl(?::| line )(\d+)(?:,(\d+))?")

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
  value = templatefile("${{path.module}}/template.tftpl", local.values)
}}
output "marked" {{
  value = try(templatefile("${{path.module}}/marked.tftpl", local.values), null)
}}
"""


@dataclass(frozen=True, slots=True)
class Variables:
    """What templates are rendered with: files (.tfvars, .json, .yaml), then values given one by one."""

    files: tuple[Path, ...] = ()
    values: Mapping[str, Any] | None = None


NO_VARIABLES = Variables()


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered template. `marks` are offsets in the text with the template's line that begins there."""

    text: str
    template: str
    marks: tuple[tuple[int, int], ...]

    def position(self, offset: int) -> Position | None:
        """Where in the template the text at an offset comes from; None where that is not known."""
        before = [mark for mark in self.marks if mark[0] <= offset]
        if not before:
            return None
        start, line = before[-1]
        written, source = self.text[start:offset], _LINE.findall(self.template)[line - 1]
        if source.startswith(written):
            return Position(line, len(written) + 1)
        computed = re.search(r"[$%]\{", source)
        return Position(line, computed.start() + 1 if computed else 1)


def read_variables(pairs: Sequence[str], files: Sequence[Path]) -> Variables:
    """Variables from `name=value` pairs and files. A value is JSON where it reads as such, else text.

    Raises UsageError for a pair without a name, and for a file that is not there.
    """
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            raise UsageError(f"--var {pair} is no variable", "write --var name=value")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return Variables(tuple(files), values)


def samples_of(template: Path) -> Path:
    """Where the sample variables of a template lie: the same that `opsctl test` renders it with."""
    return template.with_name(f"{template.name.split('.')[0]}.variables.yaml")


def render(path: Path, template: str, variables: Variables) -> Rendering:
    """Render a template. Raises UnreadableError where Terraform cannot, ConfigurationError where there is none."""
    samples = samples_of(path)
    files = [*([samples] if samples.exists() else []), *variables.files]
    with tempfile.TemporaryDirectory(prefix="opsctl-lint-") as scratch:
        workspace = _workspace(Path(scratch), template, files, variables.values or {})
        try:
            terraform.apply(workspace)
        except terraform.TerraformError as error:
            raise _not_rendered(error, template, samples) from error
        outputs = terraform.state_outputs(workspace.directory / "terraform.tfstate")
    marked = outputs.get("marked")
    if marked is None:
        return Rendering(outputs["rendered"], template, ())
    return _unmarked(marked, template)


def _workspace(scratch: Path, template: str, files: Sequence[Path], values: Mapping[str, Any]) -> terraform.Workspace:
    sources = []
    for number, file in enumerate(files):
        sources.append(_values_from(file, scratch / f"values-{number}.json"))
    (scratch / "values.json").write_text(json.dumps(values))
    sources.append('jsondecode(file("${path.module}/values.json"))')
    (scratch / "template.tftpl").write_text(template)
    (scratch / "marked.tftpl").write_text(_marked(template))
    (scratch / "main.tf").write_text(_CONFIGURATION.format(sources=",\n    ".join(sources)))
    program = scratch / "terraform"
    words = {"path": os.environ.get("PATH", os.defpath), "home": scratch, "terraform": terraform.find_terraform()}
    program.write_text(_PROGRAM.format(**{name: shlex.quote(str(word)) for name, word in words.items()}))
    program.chmod(0o700)
    return terraform.Workspace(scratch, program)


def _values_from(file: Path, copy: Path) -> str:
    """The Terraform expression for a variable file: JSON and YAML are read here, and HCL's `name = value` lines are an
    object's too."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if file.suffix not in (".json", ".yaml", ".yml"):
        return f"{{\n{text}\n    }}"
    document = load(text, str(file)).value
    if not isinstance(document, dict):
        raise UsageError(f"{file} holds no variables", "write a mapping of names to values into it")
    copy.write_text(json.dumps(document))
    return f'jsondecode(file("${{path.module}}/{copy.name}"))'


def _not_rendered(error: OpsError, template: str, samples: Path) -> UnreadableError:
    place = _PLACE.search(error.message)
    lines = _LINE.findall(template)
    offset = sum(map(len, lines[: int(place[1]) - 1])) + int(place[2] or 1) - 1 if place else 0
    missing = re.search(r'vars map does not contain key "([^"]+)"', error.message)
    message = f"The template needs the variable '{missing[1]}'." if missing else _plain(error.message)
    name = missing[1] if missing else "name"
    remedy = f"Give it with --var {name}=… or --var-file, or keep a sample value in {samples.name} beside the template."
    return UnreadableError(NOT_RENDERED, message, remedy if missing else "Correct the template or the values.", offset)


def _plain(message: str) -> str:
    """Terraform's words without the place in our own scratch configuration."""
    said = re.sub(r'^.*? on main\.tf line \d+, in output "\w+":', "", message.removeprefix("terraform apply failed: "))
    said = re.sub(r'^ *(Call to function "templatefile" failed|Invalid value for "vars" parameter):', "", said)
    said = re.sub(r"(\./)?template\.tftpl:\d+,\d+-(\d+,)?\d+(: )?", "", said).strip(" .")
    return f"Terraform cannot render it: {said}."


def _marked(template: str) -> str:
    """The template with a marker at the start of each line that begins as text, not inside `${…}` or `%{…}`."""
    depths = _depths(template)
    lines = _LINE.findall(template)
    offset, marked = 0, []
    for number, line in enumerate(lines, 1):
        marked.append(f"{OPEN}{number}{CLOSE}{line}" if not depths[offset] else line)
        offset += len(line)
    return "".join(marked)


def _depths(template: str) -> list[int]:
    """For each character, how many braces and quotes of expressions are open in front of it."""
    depths, stack, index = [], "", 0
    while index < len(template):
        step = 1
        inside_text = not stack or stack[-1] == '"'
        two = template[index : index + 2]
        if inside_text and template[index : index + 3] in ("$${", "%%{"):
            step = 3
        elif inside_text and two in ("${", "%{"):
            depths.append(len(stack))
            stack, index = stack + "{", index + 1
        elif stack and stack[-1] == '"' and two[:1] == "\\":
            step = 2
        elif stack and two[:1] == '"':
            depths.append(len(stack))
            stack = stack[:-1] if stack[-1] == '"' else stack + '"'
            index += 1
            continue
        elif stack and stack[-1] == "{" and two[:1] in "{}":
            depths.append(len(stack))
            stack = stack + "{" if two[:1] == "{" else stack[:-1]
            index += 1
            continue
        depths += [len(stack)] * step
        index += step
    return depths


def _unmarked(marked: str, template: str) -> Rendering:
    marks: list[tuple[int, int]] = []
    parts, length, end = [], 0, 0
    for marker in _MARKER.finditer(marked):
        parts.append(marked[end : marker.start()])
        length += len(parts[-1])
        end = marker.end()
        marks.append((length, int(marker[1])))
    parts.append(marked[end:])
    return Rendering("".join(parts), template, tuple(marks))
