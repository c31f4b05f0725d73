"""Definition templates rendered by Terraform itself, without a provider, a state or `terraform init`.

`terraform console` evaluates `templatefile` in an empty directory, so that a template means here exactly what it means
in the module: its loops, its functions, its errors.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsctl.errors import UsageError
from opsctl.terraform import find_terraform

LIMIT_SECONDS = 60
_VARIABLES = "variables.json"
_NOT_ITS_OWN = ("TF_", "AWS_")


def render_template(path: Path, variables: Mapping[str, Any]) -> str:
    """The text that `templatefile(path, variables)` makes; `variables` are JSON values.

    Raises UsageError with Terraform's own words, where it is in the template included, for a template that cannot be
    read or rendered; ConfigurationError where there is no Terraform.
    """
    if not path.is_file():
        raise UsageError(f"no file {path}")
    with tempfile.TemporaryDirectory(prefix="opsctl-render-") as empty:
        (Path(empty) / _VARIABLES).write_text(json.dumps(variables))
        call = f'templatefile({_quoted(str(path.resolve()))}, jsondecode(file("{_VARIABLES}")))'
        code, out, err = _console(f"base64encode({call})", Path(empty))
    encoded = re.search(r'^"([A-Za-z0-9+/=]*)"$', out.strip(), re.MULTILINE)
    if code != 0 or encoded is None:
        raise UsageError(
            f"{path} cannot be rendered: {_reason(err or out, path)}",
            "give it the variables that its module hands to templatefile",
        )
    return base64.b64decode(encoded[1]).decode()


def _console(expression: str, directory: Path) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_ITS_OWN)}
    own = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    try:
        done = subprocess.run(
            [str(find_terraform()), "console"],
            input=expression + "\n", cwd=directory, env=kept | own, capture_output=True, text=True, check=False,
            timeout=LIMIT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, "", f"Terraform gave no answer within {LIMIT_SECONDS} seconds"
    return done.returncode, done.stdout, done.stderr


def _quoted(text: str) -> str:
    """A string of Terraform's language, in which `${` and `%{` would begin a template."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _reason(text: str, path: Path) -> str:
    """Terraform's explanation in one line, without the box around it and without the folder."""
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).replace("│", " ").split())
    words = re.sub(r".*?Call to function \"templatefile\" failed: ", "", words)
    words = re.sub(r".*?Invalid value for \"vars\" parameter: ", "", words)
    return words.replace(f"{path.resolve().parent}/", "").rstrip("╵ .")[:600]
